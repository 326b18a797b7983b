//! The real server with the module that uses everything, over HTTP and over every protocol.
//!
//! Invariants
//!   * All tests that run at the same time share one server, and each has a database of its own.
//!   * A call may take one second there, so that an endless one is over soon.

#[path = "../harness/mod.rs"]
mod harness;

mod calls;
mod columns;
mod hostile;
mod indexes;
mod lifecycle;
mod logs;
mod protocol_v1;
mod routes;
mod subscriptions;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use harness::{Login, Server, module};

/// The server while any test uses it: a value that is never dropped would outlive the tests.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A database with the kitchen sink, and its owner.
struct Sink {
    server: Arc<Server>,
    owner: Login,
    /// The name.
    database: &'static str,
    /// The identity.
    identity: String,
}

impl Sink {
    /// Publishes under a name that no other test uses.
    fn publish(database: &'static str) -> Self {
        Self::publish_module(database, "kitchen_sink")
    }

    fn publish_module(database: &'static str, name: &str) -> Self {
        let server = shared_server();
        let owner = server.new_login();
        let identity = server.publish(&owner, database, &module(name));
        Sink {
            server,
            owner,
            database,
            identity,
        }
    }

    /// Calls a reducer as the owner, to a success.
    #[track_caller]
    fn call(&self, reducer: &str, arguments: serde_json::Value) {
        let result = self.try_call(reducer, arguments);
        assert_eq!(result, Ok(()), "{reducer}");
    }

    /// Calls a reducer as the owner; the status and the text of a failure.
    fn try_call(&self, reducer: &str, arguments: serde_json::Value) -> Result<(), (u16, String)> {
        let result = self
            .server
            .call(&self.owner, self.database, reducer, arguments);
        result
            .map(drop)
            .map_err(|refusal| (refusal.status, refusal.text))
    }

    /// The rows that the owner sees.
    #[track_caller]
    fn rows(&self, query: &str) -> Vec<serde_json::Value> {
        self.server.rows(&self.owner, self.database, query)
    }

    /// A v2 connection as the owner.
    #[track_caller]
    fn client(&self) -> harness::websocket::v2::Client {
        harness::websocket::v2::Client::of(&self.server, self.database, &self.owner)
    }
}

fn shared_server() -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start_with(&["--call-time-limit", "1"]));
    *shared = Arc::downgrade(&server);
    server
}

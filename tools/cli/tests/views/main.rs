//! Views of the real server: their rows over HTTP and over every protocol, and what happens when
//! one fails.
//!
//! Invariants
//!   * All tests that run at the same time share one server, and each has a database of its own.
//!   * A run of a view may take a third of a second there, so that an endless one is over soon.

#[path = "../harness/mod.rs"]
mod harness;

mod failing;
mod live;
mod names;
mod random;
mod refresh;
mod shapes;
mod visibility;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

use harness::websocket::v2::{Client, Rows};
use harness::{Login, Server, module};

/// No rows over HTTP.
const NOTHING: [Value; 0] = [];

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A database with the module that has views.
struct Game {
    server: Arc<Server>,
    owner: Login,
    database: &'static str,
}

impl Game {
    /// Publishes under a name that no other test uses.
    fn publish(database: &'static str) -> Self {
        Self::publish_module(database, "views")
    }

    fn publish_module(database: &'static str, name: &str) -> Self {
        let server = shared_server();
        let owner = server.new_login();
        server.publish(&owner, database, &module(name));
        Game {
            server,
            owner,
            database,
        }
    }

    #[track_caller]
    fn call(&self, login: &Login, reducer: &str, arguments: Value) {
        let result = self.server.call(login, self.database, reducer, arguments);
        assert!(result.is_ok(), "{reducer}: {result:?}");
    }

    #[track_caller]
    fn rows(&self, login: &Login, query: &str) -> Vec<Value> {
        let mut rows = self.server.rows(login, self.database, query);
        rows.sort_by_key(Value::to_string);
        rows
    }

    /// The text of an error.
    #[track_caller]
    fn sql_error(&self, login: &Login, query: &str) -> String {
        let result = self.server.sql(login, self.database, query);
        result.expect_err(query).text
    }

    #[track_caller]
    fn client(&self, login: &Login) -> Client {
        Client::of(&self.server, self.database, login)
    }

    /// What is in the module's log.
    fn log(&self) -> String {
        let route = format!("database/{}/logs?num_lines=10000", self.database);
        let request = self.server.http().get(self.server.v1(&route));
        let request = request.bearer_auth(&self.owner.token);
        self.server.send(request).unwrap()
    }

    /// How often the module has logged that it runs a view.
    fn runs(&self, view: &str) -> usize {
        let text = self.log();
        let message = format!("running {view}\"");
        text.lines().filter(|line| line.contains(&message)).count()
    }
}

fn shared_server() -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start_with(&["--view-time-limit", "0.3"]));
    *shared = Arc::downgrade(&server);
    server
}

/// A note as clients get it.
fn note(client: &Client, id: u64, day: u32, text: &str) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend_from_slice(&client.identity);
    bytes.extend_from_slice(&day.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The rows of the answer to a subscription of one query.
fn only(tables: Vec<Rows>) -> Vec<Vec<u8>> {
    assert!(tables.len() <= 1, "{tables:?}");
    let mut rows = tables.into_iter().flat_map(|table| table.rows);
    let mut rows: Vec<Vec<u8>> = rows.by_ref().collect();
    rows.sort();
    rows
}

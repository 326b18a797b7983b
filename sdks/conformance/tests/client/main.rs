//! The client against a running server, with bindings that the generator made.
//!
//! The server's binary is `SPACETIME_BIN`, or the one that the workspace's build put beside the
//! tests. Without one there is nothing to test against: every test says so, and passes.

#[allow(warnings)]
mod kitchen_sink {
    include!(concat!(env!("OUT_DIR"), "/kitchen_sink.rs"));
}
#[allow(warnings)]
mod procedures {
    include!(concat!(env!("OUT_DIR"), "/procedures.rs"));
}

/// Bindings from before, or after, messages had a text.
#[allow(warnings)]
mod chat_less {
    include!(concat!(env!("OUT_DIR"), "/chat_less.rs"));
}
#[allow(warnings)]
mod chat_more {
    include!(concat!(env!("OUT_DIR"), "/chat_more.rs"));
}

#[allow(warnings)]
mod chat {
    include!(concat!(env!("OUT_DIR"), "/chat.rs"));
}

/// The code in `docs/rust-client.md`: that it compiles is the test.
#[allow(warnings)]
mod documented {
    use spacetimedb_sdk::{
        DbContext as _, SubscriptionHandle as _, Table as _, TableWithPrimaryKey as _, credentials,
        procedure_reply, reply,
    };

    include!(concat!(env!("OUT_DIR"), "/documented.rs"));
}

mod calls;
mod cuts;
mod outdated;
mod proxy;
mod random;
mod reconnect;
mod rows;
mod server;
mod signs;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitchen_sink::*;
use parking_lot::Mutex;
use spacetimedb_sdk::{
    DbConnectionBuilder, DbContext as _, Event, Result, Table as _, TableWithPrimaryKey as _,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What callbacks were told, in order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }

    fn has(&self, line: &str) -> bool {
        self.0.lock().iter().any(|known| known == line)
    }
}

/// A connection to the kitchen sink, with everything about items and hits in a log.
struct Client {
    conn: DbConnection,
    log: Log,
}

fn builder(url: &str, database: &str) -> DbConnectionBuilder<RemoteModule> {
    DbConnection::builder()
        .with_uri(url)
        .with_database_name(database)
}

fn event_name(event: &Event<Reducer>) -> &'static str {
    match event {
        Event::Reducer(_) => "reducer",
        Event::SubscribeApplied => "applied",
        Event::UnsubscribeApplied => "unsubscribed",
        Event::SubscribeError(_) => "error",
        Event::Transaction => "transaction",
        _ => "other",
    }
}

impl Client {
    fn connect(builder: DbConnectionBuilder<RemoteModule>) -> Result<Self> {
        let log = Log::default();
        let (connected, ended) = (log.clone(), log.clone());
        let conn = builder
            .on_connect(move |_, _, _| connected.push("connected"))
            .on_disconnect(move |_, error| {
                let how = if error.is_some() { "broken" } else { "closed" };
                ended.push(how);
            })
            .build()?;
        let client = Client { conn, log };
        client.listen();
        client.until("connected");
        client.log.take();
        Ok(client)
    }

    fn listen(&self) {
        let items = self.conn.db.item();
        let log = self.log.clone();
        items.on_insert(move |ctx, item| {
            log.push(format!("+{} {}", item.label, event_name(&ctx.event)));
        });
        let log = self.log.clone();
        items.on_delete(move |ctx, item| {
            log.push(format!("-{} {}", item.label, event_name(&ctx.event)));
        });
        let log = self.log.clone();
        items.on_update(move |ctx, old, new| {
            let event = event_name(&ctx.event);
            log.push(format!("{}>{} {event}", old.label, new.label));
        });
    }

    /// Drives until `done`.
    fn drive(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "waiting for {what}; seen {:?}",
                self.log
            );
            match self.conn.advance_one_message() {
                Ok(true) => {}
                Ok(false) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => {
                    assert!(done(self), "{error} instead of {what}; seen {:?}", self.log);
                }
            }
        }
    }

    /// Drives until the log has the line.
    fn until(&self, line: &str) {
        self.drive(line, |client| client.log.has(line));
    }

    fn subscribe(&self, queries: &[&str]) -> SubscriptionHandle {
        let is_answer = |line: &String| line == "applied" || line.starts_with("refused");
        let answers = |client: &Self| {
            let log = client.log.0.lock();
            log.iter().filter(|line| is_answer(line)).count()
        };
        let before = answers(self);
        let (applied, failed) = (self.log.clone(), self.log.clone());
        let handle = self
            .conn
            .subscription_builder()
            .on_applied(move |_| applied.push("applied"))
            .on_error(move |_, error| failed.push(format!("refused: {error}")))
            .subscribe(queries);
        self.drive("the subscription's answer", |client| {
            answers(client) > before
        });
        handle
    }

    /// Adds an item, and waits for the end of the call.
    fn add(&self, label: &str, shelf: u32) {
        let is_end = |line: &String| {
            line == "added" || line.starts_with("error") || line.starts_with("failure")
        };
        let ends = |client: &Self| {
            let log = client.log.0.lock();
            log.iter().filter(|line| is_end(line)).count()
        };
        let before = ends(self);
        let log = self.log.clone();
        let added = move |ctx: &ReducerEventContext, outcome: std::result::Result<_, _>| {
            assert!(matches!(ctx.event.reducer, Reducer::InsertItem { .. }));
            log.push(match outcome {
                Ok(Ok(())) => "added".to_owned(),
                Ok(Err(error)) => format!("error: {error}"),
                Err(error) => format!("failure: {error}"),
            });
        };
        let (name, label) = ("n".to_owned(), label.to_owned());
        let reducers = &self.conn.reducers;
        reducers
            .insert_item_then(shelf, 0, name, 7, label, added)
            .unwrap();
        self.drive("the end of a call", |client| ends(client) > before);
    }

    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.conn.db.item().iter().map(|item| item.label).collect();
        labels.sort();
        labels
    }

    /// Takes the log and sorts it: for callbacks whose order is nobody's promise.
    fn sorted_log(&self) -> Vec<String> {
        let mut log = self.log.take();
        log.sort();
        log
    }
}

//! What only programs outside of web pages can be asked: connections that nobody drives, and whose
//! token the server refuses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spacetimedb_sdk::{DbContext as _, Table as _};

use super::kitchen_sink::*;
use super::server::{foreign_token, server};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Drives until there are so many lines.
fn drive(conn: &DbConnection, log: &Log, lines: usize) {
    let start = Instant::now();
    while log.lines().len() < lines {
        assert!(start.elapsed() < PATIENCE, "told only {:?}", log.lines());
        // The end of a connection is told to its callback, too.
        let _ = conn.frame_tick();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_client_that_is_not_driven_hears_nothing_and_then_everything() {
    let Some(server) = server() else { return };
    server.publish("undriven", "kitchen_sink");
    let connect = |log: &Log| {
        let log = log.clone();
        let builder = DbConnection::builder().with_uri(server.url());
        let builder = builder.with_database_name("undriven");
        let builder = builder.on_connect(move |_, _, _| log.push("connected"));
        builder.build().unwrap()
    };
    let (told, done) = (Log::default(), Log::default());
    let (idle, writer) = (connect(&told), connect(&done));
    let (applied, inserted) = (told.clone(), told.clone());
    idle.db
        .item()
        .on_insert(move |_, item| inserted.push(item.label.clone()));
    let subscription = idle.subscription_builder();
    let subscription = subscription.on_applied(move |_| applied.push("applied"));
    subscription.subscribe(["SELECT * FROM item"]);
    drive(&idle, &told, 2);

    let mut expected = told.lines();
    for n in 0..20 {
        let done = done.clone();
        let label = format!("item {n}");
        expected.push(label.clone());
        let ended = move |_: &ReducerEventContext, outcome: Result<Result<(), String>, _>| {
            done.push(format!("{}", matches!(outcome, Ok(Ok(())))));
        };
        let reducers = &writer.reducers;
        reducers
            .insert_item_then(1, 0, "a name".to_owned(), 7, label, ended)
            .unwrap();
    }
    drive(&writer, &done, 21);
    assert_eq!(done.lines()[1..], ["true"; 20]);
    // Each change was sent to both before the writer heard that its call was done.
    assert_eq!(told.lines().len(), 2);
    assert_eq!(idle.db.item().count(), 0);
    drive(&idle, &told, expected.len());
    assert_eq!(told.lines(), expected);
    assert_eq!(idle.db.item().count(), 20);
}

/// Whether `build` tells it, or the callback, is the client's affair; it is told.
#[test]
fn a_token_that_the_server_does_not_take_is_a_connect_error() {
    let (Some(server), Some(foreign)) = (server(), foreign_token()) else {
        return;
    };
    server.publish("strangers", "kitchen_sink");
    for token in [foreign, "nonsense".to_owned()] {
        let log = Log::default();
        let (connected, failed) = (log.clone(), log.clone());
        let built = DbConnection::builder()
            .with_uri(server.url())
            .with_database_name("strangers")
            .with_token(Some(token))
            .on_connect(move |_, _, _| connected.push("connected"))
            .on_connect_error(move |_, _| failed.push("failed"))
            .build();
        if let Ok(conn) = built {
            drive(&conn, &log, 1);
            assert_eq!(log.lines(), ["failed"]);
        }
    }
}

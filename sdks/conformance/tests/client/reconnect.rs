//! Connections that break and are made again.

use std::time::Duration;

use spacetimedb_sdk::{DbConnectionBuilder, DbContext as _, Reconnect, SubscriptionHandle as _};

use super::kitchen_sink::*;
use super::proxy::Proxy;
use super::server::server;
use super::{Client, Log, builder};

/// Attempts follow each other quickly, and never end.
pub fn quick() -> Reconnect {
    Reconnect {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(20),
        attempts_max: None,
    }
}

/// A client whose losses and returns are in its log.
pub fn resilient(url: &str, database: &str) -> (DbConnectionBuilder<RemoteModule>, Log) {
    let log = Log::default();
    let (lost, back) = (log.clone(), log.clone());
    let builder = builder(url, database)
        .with_reconnect(quick())
        .on_connection_lost(move |_, _| lost.push("lost"))
        .on_reconnect(move |_, _, _| back.push("back"));
    (builder, log)
}

#[test]
fn callbacks_are_told_the_difference_only() {
    let Some(server) = server() else { return };
    server.publish("difference", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let (builder_, life) = resilient(&proxy.url(), "difference");
    let client = Client::connect(builder_).unwrap();
    let writer = Client::connect(builder(&server.url(), "difference")).unwrap();
    for (label, shelf) in [("kept", 1), ("changed", 1), ("gone", 2)] {
        writer.add(label, shelf);
    }
    writer.subscribe(&["SELECT * FROM item"]);
    let handle = client.subscribe(&["SELECT * FROM item"]);
    client.subscribe(&["SELECT * FROM item WHERE shelf = 1"]);
    client.drive("the items", |client| client.labels().len() == 3);
    let identity = client.conn.identity();
    client.log.take();

    proxy.down();
    client.drive("the loss", |_| life.has("lost"));
    assert_eq!(client.labels(), ["changed", "gone", "kept"]);
    let item = |label: &str| {
        let label = label.to_owned();
        writer.conn.db.item().label().find(&label).unwrap()
    };
    let (changed, gone) = (item("changed"), item("gone"));
    let changed = Item {
        label: "new name".to_owned(),
        ..changed
    };
    writer.conn.reducers.update_item(changed).unwrap();
    writer.conn.reducers.delete_item_by_id(gone.id).unwrap();
    writer.log.take();
    writer.add("late", 1);
    // Calls that are made while there is no connection are sent once there is.
    client.conn.reducers.fail("later".to_owned()).unwrap();
    assert_eq!(client.log.take(), [""; 0]);

    proxy.up();
    client.drive("the return", |_| life.has("back"));
    assert_eq!(
        client.sorted_log(),
        ["+late applied", "-gone applied", "changed>new name applied"]
    );
    assert_eq!(client.labels(), ["kept", "late", "new name"]);
    assert_eq!(client.conn.identity(), identity);
    assert!(handle.is_active());

    // Counts are as before the loss: one of two sets goes, its rows stay where the other has them.
    handle.unsubscribe().unwrap();
    writer.add("last", 1);
    client.until("+last transaction");
    assert_eq!(client.labels(), ["kept", "last", "late", "new name"]);
}

#[test]
fn calls_whose_answer_is_lost_end_with_an_error() {
    let Some(server) = server() else { return };
    server.publish("unknown-end", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let (builder, life) = resilient(&proxy.url(), "unknown-end");
    let client = Client::connect(builder).unwrap();
    proxy.cut_after(super::proxy::Way::ToClient, 0);
    client.add("a", 1);
    let log = client.log.take();
    assert!(
        log[0].starts_with("failure: the connection was lost"),
        "{log:?}"
    );
    client.drive("the return", |_| life.has("back"));
    client.subscribe(&["SELECT * FROM item"]);
    // Whatever the server sends first is cut, which may be a ping before the call: it ran, or not.
    let labels = client.labels();
    assert!(labels.is_empty() || labels == ["a"], "{labels:?}");
}

#[test]
fn without_the_wish_a_loss_is_the_end() {
    let Some(server) = server() else { return };
    server.publish("no-wish", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let client = Client::connect(builder(&proxy.url(), "no-wish")).unwrap();
    client.subscribe(&["SELECT * FROM item"]);
    client.add("a", 1);
    client.log.take();
    proxy.down();
    client.until("broken");
    assert_eq!(client.log.take(), ["broken"]);
    assert_eq!(client.labels(), ["a"], "rows stay readable");
    assert!(!client.conn.is_active());
    assert!(client.conn.frame_tick().is_err());
}

#[test]
fn the_end_is_heard_between_attempts() {
    let Some(server) = server() else { return };
    server.publish("between", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let (builder, life) = resilient(&proxy.url(), "between");
    let client = Client::connect(builder).unwrap();
    proxy.down();
    client.drive("the loss", |_| life.has("lost"));
    client.conn.disconnect().unwrap();
    client.until("closed");
}

#[test]
fn attempts_can_be_limited() {
    let Some(server) = server() else { return };
    server.publish("limited", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let policy = Reconnect {
        attempts_max: Some(3),
        ..quick()
    };
    let builder = builder(&proxy.url(), "limited").with_reconnect(policy);
    let client = Client::connect(builder).unwrap();
    proxy.down();
    client.until("broken");
}

//! Rows and their callbacks.

use std::sync::Arc;

use spacetimedb_sdk::{
    Compression, DbContext as _, EventTable as _, SubscriptionHandle as _, Table as _,
};

use super::kitchen_sink::*;
use super::server::server;
use super::{Client, Log, builder};

#[test]
fn rows_come_change_and_go() {
    let Some(server) = server() else { return };
    server.publish("rows", "kitchen_sink");
    let [one, two] = [(); 2].map(|()| Client::connect(builder(&server.url(), "rows")).unwrap());
    one.subscribe(&["SELECT * FROM item"]);
    two.subscribe(&["SELECT * FROM item"]);
    one.log.take();
    two.log.take();

    one.add("a", 1);
    assert_eq!(one.log.take(), ["+a reducer", "added"]);
    two.until("+a transaction");
    assert_eq!(two.log.take(), ["+a transaction"]);

    let item = one.conn.db.item().label().find(&"a".to_owned()).unwrap();
    assert_eq!(one.conn.db.item().id().find(&item.id), Some(item.clone()));
    let changed = Item {
        label: "b".to_owned(),
        ..item.clone()
    };
    one.conn.reducers.update_item(changed.clone()).unwrap();
    two.until("a>b transaction");
    assert_eq!(two.conn.db.item().id().find(&item.id), Some(changed));
    assert_eq!(two.conn.db.item().label().find(&"a".to_owned()), None);

    one.conn.reducers.delete_item_by_id(item.id).unwrap();
    two.until("-b transaction");
    one.until("-b reducer");
    assert_eq!((one.conn.db.item().count(), two.labels()), (0, vec![]));
}

#[test]
fn all_tables_are_subscribed_to_at_once() {
    let Some(server) = server() else { return };
    server.publish("all", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "all")).unwrap();
    let (log, failed) = (client.log.clone(), client.log.clone());
    let handle = client
        .conn
        .subscription_builder()
        .on_applied(move |_| log.push("applied"))
        .on_error(move |_, error| failed.push(format!("refused: {error}")))
        .subscribe_to_all_tables();
    client.drive("the subscription's answer", |client| {
        !client.log.take().is_empty()
    });
    assert!(handle.is_active());
    client.add("a", 1);
    assert_eq!(client.labels(), ["a"]);
    // A table that nothing was said of either.
    client.conn.reducers.fill_sheep(2).unwrap();
    client.drive("the sheep", |client| client.conn.db.sheep().count() == 2);
}

#[test]
fn overlapping_subscriptions_count() {
    let Some(server) = server() else { return };
    server.publish("overlap", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "overlap")).unwrap();
    let all = client.subscribe(&["SELECT * FROM item", "SELECT * FROM item WHERE shelf = 1"]);
    client.log.take();
    let first = client.subscribe(&["SELECT * FROM item WHERE shelf = 1"]);
    client.log.take();
    client.add("a", 1);
    client.add("b", 2);
    client.until("+b reducer");
    assert_eq!(
        client.log.take(),
        ["+a reducer", "added", "+b reducer", "added"]
    );
    assert!(all.is_active() && !all.is_ended());

    let log = client.log.clone();
    let ended = move |ctx: &SubscriptionEventContext| {
        log.push(format!("ended with {} rows", ctx.db.item().count()));
    };
    all.clone().unsubscribe_then(Box::new(ended)).unwrap();
    assert!(all.clone().unsubscribe().is_err());
    client.until("ended with 1 rows");
    client.until("-b unsubscribed");
    assert_eq!(client.log.take(), ["ended with 1 rows", "-b unsubscribed"]);
    assert!(all.is_ended() && !all.is_active());
    assert_eq!(client.labels(), ["a"]);

    first.unsubscribe().unwrap();
    client.until("-a unsubscribed");
    assert_eq!(client.labels(), [""; 0]);
}

#[test]
fn refused_subscriptions_say_why() {
    let Some(server) = server() else { return };
    server.publish("refused", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "refused")).unwrap();
    let handle = client.subscribe(&["SELECT * FROM item WHERE nonsense = 1"]);
    assert!(handle.is_ended());
    let log = client.log.take();
    assert!(log[0].starts_with("refused: subscription error"), "{log:?}");
    // The connection goes on.
    client.subscribe(&["SELECT * FROM item"]);
    client.add("a", 1);
    assert_eq!(client.labels(), ["a"]);
}

#[test]
fn equal_events_are_each_delivered() {
    let Some(server) = server() else { return };
    server.publish("events", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "events")).unwrap();
    let log = client.log.clone();
    client.conn.db.hit().on_insert(move |_, hit| {
        log.push(format!("hit {} {}", hit.target, hit.strength));
    });
    client.subscribe(&["SELECT * FROM hit"]);
    client.log.take();
    client.conn.reducers.emit_hits(5, 3).unwrap();
    client.until("hit 5 2");
    assert_eq!(client.log.take(), ["hit 5 0", "hit 5 1", "hit 5 2"]);
    assert_eq!(client.conn.db.hit().count(), 0);
    assert_eq!(client.conn.db.hit().iter().count(), 0);
}

#[test]
fn removed_callbacks_run_no_more_and_added_ones_do() {
    let Some(server) = server() else { return };
    server.publish("callbacks", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "callbacks")).unwrap();
    client.subscribe(&["SELECT * FROM item"]);
    client.log.take();
    let log = client.log.clone();
    // A callback that replaces itself by another one while it runs.
    let nested = Arc::new(parking_lot::Mutex::new(None));
    let own_id = nested.clone();
    let id = client.conn.db.item().on_insert(move |ctx, item| {
        log.push(format!("first {}", item.label));
        if let Some(id) = own_id.lock().take() {
            ctx.db.item().remove_on_insert(id);
        }
        let log = log.clone();
        ctx.db
            .item()
            .on_insert(move |_, item| log.push(format!("second {}", item.label)));
    });
    *nested.lock() = Some(id);
    client.add("a", 1);
    client.log.take();
    client.add("b", 1);
    assert_eq!(client.log.take(), ["+b reducer", "second b", "added"]);
}

#[test]
fn all_compressions_and_confirmed_reads() {
    let Some(server) = server() else { return };
    server.publish("packed", "kitchen_sink");
    let writer = Client::connect(builder(&server.url(), "packed")).unwrap();
    for n in 0..40 {
        writer.add(&format!("a long label, to be worth packing: {n:0100}"), n);
        writer.log.take();
    }
    for compression in [Compression::None, Compression::Gzip, Compression::Brotli] {
        for confirmed in [false, true] {
            let builder = builder(&server.url(), "packed")
                .with_compression(compression)
                .with_confirmed_reads(confirmed);
            let client = Client::connect(builder).unwrap();
            client.subscribe(&["SELECT * FROM item"]);
            assert_eq!(client.labels().len(), 40, "{compression:?} {confirmed}");
        }
    }
}

#[test]
fn typed_queries() {
    let Some(server) = server() else { return };
    server.publish("typed", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "typed")).unwrap();
    for (label, shelf) in [("a", 1), ("b", 2), ("c", 3), ("it's", 4)] {
        client.add(label, shelf);
    }
    let log: Log = client.log.clone();
    log.take();
    client
        .conn
        .subscription_builder()
        .on_applied(move |_| log.push("applied"))
        .add_query(|q| {
            q.from
                .item()
                .filter(|item| item.shelf.gte(3).and(item.row.lt(5)))
        })
        .add_query(|q| q.from.item().filter(|item| item.label.eq("a")))
        .subscribe();
    client.until("applied");
    assert_eq!(client.labels(), ["a", "c", "it's"]);
}

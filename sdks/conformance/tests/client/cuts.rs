//! Connections that are cut at every byte: whatever arrived, rows and callbacks agree, and in the
//! end the client has what the server has.
//!
//! Every [`STRIDE`]th byte is tried; all of them with `SPACETIME_CUTS=all`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use spacetimedb_sdk::{DbContext as _, Table as _, TableWithPrimaryKey as _};

use super::kitchen_sink::*;
use super::proxy::{Proxy, Way};
use super::reconnect::resilient;
use super::server::server;
use super::{Client, PATIENCE, builder};

/// Prime, so that it does not always meet the same place of a message.
const STRIDE: usize = 7;

/// The rows that callbacks have told of.
type Told = Arc<Mutex<BTreeSet<String>>>;

/// Keeps the account that a careful program would keep, and panics when it does not work out.
fn keep_account(conn: &DbConnection) -> Told {
    let told = Told::default();
    let account = told.clone();
    conn.db.item().on_insert(move |_, item| {
        assert!(account.lock().insert(item.label.clone()), "came twice");
    });
    let account = told.clone();
    conn.db.item().on_delete(move |_, item| {
        assert!(account.lock().remove(&item.label), "went twice");
    });
    let account = told.clone();
    conn.db.item().on_update(move |_, old, new| {
        assert!(
            account.lock().remove(&old.label),
            "changed without being there"
        );
        assert!(account.lock().insert(new.label.clone()), "came twice");
    });
    told
}

/// One connection that is cut after so many bytes. Returns how many passed.
fn cut(proxy: &Proxy, writer: &Client, way: Way, at: usize) -> usize {
    let before = proxy.passed(way);
    proxy.cut_after(way, at);
    let (builder, _) = resilient(&proxy.url(), "cuts");
    // The handshake may be what is cut; then the program tries again.
    let Ok(conn) = builder.build() else {
        return proxy.passed(way) - before;
    };
    let told = keep_account(&conn);
    let twice = ["SELECT * FROM item", "SELECT * FROM item WHERE shelf = 1"];
    conn.subscription_builder().subscribe(twice);
    conn.subscription_builder().subscribe("SELECT * FROM item");
    let label = format!("{way:?} {at}");
    writer.add(&label, 1);
    writer.log.take();
    let expected: BTreeSet<String> = writer.labels().into_iter().collect();
    let start = Instant::now();
    loop {
        let ticked = conn.frame_tick();
        let rows: BTreeSet<String> = conn.db.item().iter().map(|item| item.label).collect();
        assert_eq!(rows, *told.lock(), "callbacks and rows differ: {label}");
        if rows == expected {
            break;
        }
        if ticked.is_err() {
            // Cut before the server's greeting: no connection had come about.
            assert!(rows.is_empty() || conn.try_identity().is_some());
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{label}: {rows:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
    let passed = proxy.passed(way) - before;
    let _ = conn.disconnect();
    // Few rows, so that a run is short.
    writer.conn.reducers.delete_item_by_label(label).unwrap();
    writer.drive("the delete", |writer| writer.labels().len() == 3);
    writer.log.take();
    passed
}

#[test]
fn every_byte() {
    let Some(server) = server() else { return };
    server.publish("cuts", "kitchen_sink");
    let stride = match std::env::var("SPACETIME_CUTS") {
        Ok(all) if all == "all" => 1,
        _ => STRIDE,
    };
    let writer = Client::connect(builder(&server.url(), "cuts")).unwrap();
    writer.subscribe(&["SELECT * FROM item"]);
    for label in ["a", "b", "c"] {
        writer.add(label, 1);
        writer.log.take();
    }
    for way in [Way::ToServer, Way::ToClient] {
        let mut at = 0;
        let mut tried = 0;
        loop {
            // A proxy of its own: what the last client left behind is not counted.
            let proxy = Proxy::start(&server.address);
            let passed = cut(&proxy, &writer, way, at);
            tried += 1;
            if passed < at {
                break;
            }
            at += stride;
        }
        eprintln!("{way:?}: {tried} cuts up to byte {at}");
        assert!(tried > 50, "only {tried} cuts: the proxy cuts nothing");
    }
}

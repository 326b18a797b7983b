//! Connections that are cut: whatever arrived, rows and callbacks agree, and in the end the page
//! has what the server has.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spacetimedb_sdk::{DbContext as _, Table as _, TableWithPrimaryKey as _, reply};

use super::checks::{Log, PATIENCE, add, builder, resilient, until};
use super::kitchen_sink::*;
use super::world::{now, pause, request, say};

/// Each way, if not every byte is tried.
const CUTS: usize = 170;
const DATABASE: &str = "cuts";

/// The rows that callbacks have told of.
type Told = Arc<Mutex<BTreeSet<String>>>;

/// Keeps the account that a careful program would keep, and panics when it does not work out.
fn keep_account(conn: &DbConnection) -> Told {
    let told = Told::default();
    let account = told.clone();
    conn.db.item().on_insert(move |_, item| {
        let is_new = account.lock().unwrap().insert(item.label.clone());
        assert!(is_new, "came twice");
    });
    let account = told.clone();
    conn.db.item().on_delete(move |_, item| {
        assert!(account.lock().unwrap().remove(&item.label), "went twice");
    });
    let account = told.clone();
    conn.db.item().on_update(move |_, old, new| {
        let mut account = account.lock().unwrap();
        assert!(account.remove(&old.label), "changed without being there");
        assert!(account.insert(new.label.clone()), "came twice");
    });
    told
}

fn rows(conn: &DbConnection) -> BTreeSet<String> {
    conn.db.item().iter().map(|item| item.label).collect()
}

/// One connection through a proxy that cuts.
async fn cut(url: &str, writer: &DbConnection, label: &str) {
    let log = Log::default();
    let builder = resilient(url, &log).with_database_name(DATABASE);
    // The handshake may be what is cut; then the program tries again.
    let Ok(conn) = builder.build().await else {
        return;
    };
    let told = keep_account(&conn);
    let twice = ["SELECT * FROM item", "SELECT * FROM item WHERE shelf = 1"];
    conn.subscription_builder().subscribe(twice);
    conn.subscription_builder().subscribe("SELECT * FROM item");
    add(writer, 1, label).await;
    let expected = rows(writer);
    let start = now();
    loop {
        let ticked = conn.frame_tick();
        let rows = rows(&conn);
        assert_eq!(rows, *told.lock().unwrap(), "callbacks and rows: {label}");
        if rows == expected {
            break;
        }
        if ticked.is_err() {
            // Cut before the server's greeting: no connection had come about.
            assert!(rows.is_empty() && conn.try_identity().is_none(), "{label}");
            break;
        }
        assert!(now() - start < PATIENCE, "{label}: {rows:?}");
        pause(Duration::from_millis(1)).await;
    }
    let _ = conn.disconnect();
    // Few rows, so that a run is short.
    let label = label.to_owned();
    let delete = |done| writer.reducers.delete_item_by_label_then(label, done);
    reply(delete).await.unwrap().unwrap();
    until("the delete", || rows(writer).len() == 3).await;
}

pub async fn everywhere(server: &str, all: bool) {
    let writer = builder(server, &Log::default()).with_database_name(DATABASE);
    let writer = writer.build().await.unwrap();
    writer.run_background_task();
    let items = writer.subscription_builder();
    items
        .subscribe_and_wait("SELECT * FROM item")
        .await
        .unwrap();
    for label in ["a", "b", "c"] {
        add(&writer, 1, label).await;
    }
    for way in ["server", "client"] {
        let whole = request(&format!("cuts/{way}/{}", usize::MAX)).await;
        cut(&whole, &writer, "whole").await;
        let bytes: usize = request(&format!("cuts/{way}")).await.parse().unwrap();
        let stride = if all { 1 } else { (bytes / CUTS).max(1) };
        // Every run tries other places.
        let first = if all { 0 } else { random_below(stride) };
        say(&format!(
            "cuts on the way to the {way}: one for {stride} of {bytes} bytes, the first at {first}"
        ));
        for at in (first..=bytes).step_by(stride) {
            let url = request(&format!("cuts/{way}/{at}")).await;
            cut(&url, &writer, &format!("{way} {at}")).await;
        }
    }
    writer.disconnect().unwrap();
}

fn random_below(bound: usize) -> usize {
    let random = js_sys::Math::random() * bound as f64;
    random as usize
}

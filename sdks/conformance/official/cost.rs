//! What a row costs a client: this project's crate and SpacetimeDB's, in one run on one machine.
//!
//! `cargo run --release --bin cost -- SERVER DATABASE [ROWS]`, where the database runs the module
//! `kitchen_sink`. The server inserts, changes and deletes all rows in one transaction each; the
//! figures are the processor time of this process from the call to the last callback, with
//! everything that a client does: reading the socket, unpacking, decoding, the cache, callbacks.

#![allow(clippy::print_stdout)]

#[allow(warnings)]
mod official {
    include!(concat!(env!("OUT_DIR"), "/kitchen_sink.rs"));
}
#[allow(warnings)]
mod own {
    include!(concat!(env!("OUT_DIR"), "/kitchen_sink_own.rs"));
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Rounds of which the median counts.
const ROUNDS: usize = 5;

/// The processor time of this process so far, in microseconds.
fn processor_micros() -> f64 {
    let own: f64 = tasks()
        .filter_map(|task| std::fs::read_to_string(format!("{task}/schedstat")).ok())
        .filter_map(|line| line.split(' ').next()?.parse::<f64>().ok())
        .sum();
    own / 1000.0
}

fn tasks() -> impl Iterator<Item = String> {
    let folder = std::fs::read_dir("/proc/self/task").expect("Linux");
    folder
        .flatten()
        .map(|task| task.path().display().to_string())
}

/// A callback that counts.
fn counter(seen: &Arc<AtomicU64>) -> impl Fn() + Send + use<> {
    let seen = seen.clone();
    move || {
        seen.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! measure {
    ($sdk:ident, $bindings:ident, $server:expr, $database:expr, $rows:expr) => {{
        use $bindings::*;
        use $sdk::{DbContext as _, Table as _, TableWithPrimaryKey as _};
        let conn = DbConnection::builder()
            .with_uri($server)
            .with_database_name($database)
            .with_compression($sdk::Compression::None)
            .build()
            .expect("a connection");
        let seen = Arc::new(AtomicU64::new(0));
        let [inserted, updated, deleted, applied] = [(); 4].map(|()| counter(&seen));
        let sheep = conn.db.sheep();
        sheep.on_insert(move |_, _| inserted());
        sheep.on_update(move |_, _, _| updated());
        sheep.on_delete(move |_, _| deleted());
        conn.subscription_builder()
            .on_applied(move |_| applied())
            .subscribe(["SELECT * FROM sheep"]);
        let wait = |target: u64| {
            while seen.load(Ordering::Relaxed) < target {
                conn.frame_tick().expect("a connection");
                std::thread::sleep(Duration::from_micros(500));
            }
            seen.store(0, Ordering::Relaxed);
        };
        wait(1);
        let mut costs = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (kind, costs) in costs.iter_mut().enumerate() {
                let start = processor_micros();
                match kind {
                    0 => conn.reducers.fill_sheep($rows),
                    1 => conn.reducers.update_while_iterating(),
                    _ => conn.reducers.delete_while_iterating(),
                }
                .expect("a connection");
                wait(u64::from($rows));
                costs.push((processor_micros() - start) / f64::from($rows));
            }
        }
        conn.disconnect().expect("a connection");
        println!("{:<20} {}", stringify!($sdk), costs.map(median).join(" "));
    }};
}

fn median(mut costs: Vec<f64>) -> String {
    costs.sort_by(f64::total_cmp);
    format!("{:>10.3}", costs[costs.len() / 2])
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, database, rest @ ..] = &arguments[..] else {
        panic!("cost SERVER DATABASE [ROWS]");
    };
    let rows: u32 = rest
        .first()
        .map_or(50_000, |rows| rows.parse().expect("a number"));
    println!("microseconds a row    insert     update     delete");
    for _ in 0..2 {
        measure!(spacetimedb_sdk, official, server.as_str(), database, rows);
        measure!(spacetime_client, own, server.as_str(), database, rows);
    }
}

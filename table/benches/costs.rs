//! What rows cost: nanoseconds of each operation, beside an ordered map of the same rows.
//!
//! Prints a table. `COSTS_ROWS=1000,1000000,10000000` sets the sizes; the default is small.
#![allow(clippy::print_stdout)] // It exists to print.

mod tables;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use spacetime_table::Datastore;
use tables::{Keyed, keyed, scattered};

/// Operations in one transaction.
const TX_ROWS: u32 = 1_000;

fn main() {
    let sizes = std::env::var("COSTS_ROWS").unwrap_or_else(|_| "1000,100000".to_owned());
    println!("ns per row           rows     insert       find     update       scan     delete");
    for rows in sizes.split(',').filter_map(|rows| rows.parse().ok()) {
        print_line("table, btree key", rows, of_table(keyed("b"), rows));
        print_line("table, hash key", rows, of_table(keyed("h"), rows));
        print_line("BTreeMap<u32, i32>", rows, of_map(rows));
    }
}

/// Insert, find, update, scan, delete.
type Costs = [f64; 5];

fn print_line(name: &str, rows: u32, costs: Costs) {
    print!("{name:<18} {rows:>9}");
    for cost in costs {
        print!(" {cost:>10.1}");
    }
    println!();
}

/// How often all rows are gone through, so that small sizes take measurable time.
fn rounds(rows: u32) -> u32 {
    (1_000_000 / rows).max(1)
}

fn measure(count: u64, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn row(key: u32, value: u32) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&key.to_le_bytes());
    row[4..].copy_from_slice(&value.to_le_bytes());
    row
}

/// Calls `change` with all keys, in transactions.
fn in_transactions(
    datastore: &mut Datastore,
    keys: impl Iterator<Item = u32>,
    mut change: impl FnMut(&mut Datastore, u32),
) {
    datastore.begin_tx();
    for (nth, key) in (1..).zip(keys) {
        change(datastore, key);
        if nth % TX_ROWS == 0 {
            black_box(datastore.commit());
            datastore.begin_tx();
        }
    }
    black_box(datastore.commit());
}

fn of_table(
    Keyed {
        mut datastore,
        table,
        index,
    }: Keyed,
    rows: u32,
) -> Costs {
    let rounds = rounds(rows);
    let count = u64::from(rounds) * u64::from(rows);
    let keys = || (0..rows).map(|n| scattered(n, rows));
    let (mut insert, mut delete) = (0.0, 0.0);
    for round in 0..rounds {
        insert += measure(count, || {
            in_transactions(&mut datastore, 0..rows, |datastore, key| {
                datastore.insert(table, &row(key, 1)).expect("a row");
            });
        });
        if round + 1 < rounds {
            delete += measure(count, || delete_all(&mut datastore, index, keys()));
        }
    }
    let mut found = Vec::new();
    let find = measure(count, || {
        for key in (0..rounds).flat_map(|_| keys()) {
            let (table, mut ptrs) = datastore
                .index_point(index, &key.to_le_bytes())
                .expect("a key");
            let ptr = ptrs.next().expect("a row");
            found.clear();
            datastore.read_row(table, ptr, &mut found);
            black_box(&found);
        }
    });
    let update = measure(count, || {
        for round in 0..rounds {
            in_transactions(&mut datastore, keys(), |datastore, key| {
                datastore
                    .update(table, index, &row(key, round + 2))
                    .expect("a row");
            });
        }
    });
    let scan = measure(count, || {
        for _ in 0..rounds {
            for ptr in datastore.scan(table).expect("the table") {
                found.clear();
                datastore.read_row(table, ptr, &mut found);
                black_box(&found);
            }
        }
    });
    delete += measure(count, || delete_all(&mut datastore, index, keys()));
    [insert, find, update, scan, delete]
}

fn delete_all(
    datastore: &mut Datastore,
    index: spacetime_types::IndexId,
    keys: impl Iterator<Item = u32>,
) {
    in_transactions(datastore, keys, |datastore, key| {
        let (table, mut ptrs) = datastore
            .index_point(index, &key.to_le_bytes())
            .expect("a key");
        let ptr = ptrs.next().expect("a row");
        drop(ptrs);
        datastore.delete(table, ptr).expect("the row");
    });
}

fn of_map(rows: u32) -> Costs {
    let rounds = rounds(rows);
    let count = u64::from(rounds) * u64::from(rows);
    let keys = || (0..rows).map(|n| scattered(n, rows));
    let mut map = BTreeMap::new();
    let (mut insert, mut delete) = (0.0, 0.0);
    for round in 0..rounds {
        insert += measure(count, || map.extend((0..rows).map(|key| (key, 1u32))));
        if round + 1 < rounds {
            delete += measure(count, || {
                keys().for_each(|key| {
                    black_box(map.remove(&key));
                });
            });
        }
    }
    let find = measure(count, || {
        for key in (0..rounds).flat_map(|_| keys()) {
            black_box(map.get(&key));
        }
    });
    let update = measure(count, || {
        for round in 0..rounds {
            for key in keys() {
                if let Some(value) = map.get_mut(&key) {
                    *value = round + 2;
                }
            }
        }
    });
    let scan = measure(count, || {
        for _ in 0..rounds {
            black_box(
                map.values()
                    .fold(0u32, |sum, value| sum.wrapping_add(*value)),
            );
        }
    });
    delete += measure(count, || {
        keys().for_each(|key| {
            black_box(map.remove(&key));
        });
    });
    [insert, find, update, scan, delete]
}

//! What keeping queries current costs: one transaction's evaluation while many are registered.
//!
//! Budgets: a transaction that concerns none of 100,000 queries costs about what it costs with no
//! query at all; one query it concerns, a microsecond more. Before the measurements a line tells
//! what registering takes. `LIVE_QUERIES=1000` sets another number of queries.
#![allow(clippy::print_stdout)] // It tells what registering takes.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fixture::{OWNER, build, caller};
use spacetime_query::{SubscriptionPlan, SubscriptionSet};
use spacetime_table::{Datastore, TxDelta};

const TABLES: &str = "\
table item public: id u64, owner u64, x i32, y i32; pk id; btree owner
table player public: id u64, zone u64; pk id; btree zone
";

fn queries_max() -> u64 {
    let text = std::env::var("LIVE_QUERIES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

fn database() -> Datastore {
    let mut datastore = build(TABLES);
    datastore.begin_tx();
    let player = datastore.table_id("player").expect("players");
    for id in 0..1_000_u64 {
        let row = [id.to_le_bytes(), (id % 10).to_le_bytes()].concat();
        datastore.insert(player, &row).expect("a player");
    }
    datastore.commit();
    datastore
}

fn item(id: u64, owner: u64, x: i32) -> Vec<u8> {
    let mut row = [id.to_le_bytes(), owner.to_le_bytes()].concat();
    row.extend_from_slice(&x.to_le_bytes());
    row.extend_from_slice(&0_i32.to_le_bytes());
    row
}

/// A transaction that inserts items.
fn insert(datastore: &mut Datastore, items: &[Vec<u8>]) -> Arc<TxDelta> {
    datastore.begin_tx();
    let table = datastore.table_id("item").expect("items");
    for item in items {
        datastore.insert(table, item).expect("an item");
    }
    datastore.commit()
}

fn register(
    datastore: &Datastore,
    count: u64,
    text: impl Fn(u64) -> String,
) -> SubscriptionSet<u64> {
    let mut set = SubscriptionSet::new();
    let (before, start) = (resident_kib(), Instant::now());
    for number in 0..count {
        let plan = SubscriptionPlan::compile(&text(number), datastore, &caller(OWNER));
        set.add(number, plan.expect("a plan"));
    }
    if count > 1_000 {
        let nanos = start.elapsed().as_nanos() / u128::from(count);
        let bytes = resident_kib().saturating_sub(before) * 1024 / count;
        println!(
            "{count} times `{}`: {nanos} ns and {bytes} bytes each",
            text(1)
        );
    }
    set
}

/// Resident memory of this process; zero where the system does not say.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The text of a query with a number in it.
type Text = fn(u64) -> String;

/// Many queries of one form; the transaction concerns none or one of them.
fn distinct_queries(criterion: &mut Criterion) {
    let forms: [(&str, Text); 4] = [
        ("id", |k| format!("SELECT * FROM item WHERE id = {k}")),
        ("chunk", |k| {
            let (low, high) = (k * 10, k * 10 + 15);
            format!("SELECT * FROM item WHERE x >= {low} AND x < {high} AND y < {k}")
        }),
        ("two columns", |k| {
            format!("SELECT * FROM item WHERE owner = {k} AND x = {k}")
        }),
        ("partner", |k| {
            let join = "SELECT i.* FROM item i JOIN player p ON i.owner = p.id";
            format!("{join} WHERE p.zone = {k}")
        }),
    ];
    for (name, text) in forms {
        let mut group = criterion.benchmark_group(format!("one row, distinct by {name}"));
        for count in [0, queries_max() / 10, queries_max()] {
            let mut datastore = database();
            let mut set = register(&datastore, count, text);
            let none = insert(&mut datastore, &[item(u64::MAX, 5_000, -5)]);
            group.bench_function(BenchmarkId::new("none concerned", count), |bench| {
                bench.iter(|| black_box(set.evaluate(&none, &datastore)));
            });
            if count == queries_max() {
                let one = insert(&mut datastore, &[item(7, 7, 75), item(77, 3, 7)]);
                group.bench_function(BenchmarkId::new("few concerned", count), |bench| {
                    bench.iter(|| black_box(set.evaluate(&one, &datastore)));
                });
            }
        }
        group.finish();
    }
}

/// Every query is concerned: the cost of each.
fn all_concerned(criterion: &mut Criterion) {
    let mut datastore = database();
    let mut set = register(&datastore, 1_000, |k| {
        format!("SELECT * FROM item WHERE x > {k}")
    });
    let delta = insert(&mut datastore, &[item(1, 1, 1_000_000)]);
    criterion.bench_function("one row, all of 1000 ranges concerned", |bench| {
        bench.iter(|| black_box(set.evaluate(&delta, &datastore)));
    });
}

/// One join while a thousand rows change on either side.
fn join(criterion: &mut Criterion) {
    let mut datastore = database();
    let join = "SELECT i.* FROM item i JOIN player p ON i.owner = p.id WHERE p.zone = 3";
    let mut set = register(&datastore, 1, |_| join.to_owned());
    let items: Vec<Vec<u8>> = (0..1_000).map(|id| item(id, id, 0)).collect();
    let delta = insert(&mut datastore, &items);
    criterion.bench_function("join, 1000 rows of the returned table", |bench| {
        bench.iter(|| black_box(set.evaluate(&delta, &datastore)));
    });
    datastore.begin_tx();
    let player = datastore.table_id("player").expect("players");
    for id in 0..1_000_u64 {
        let old = [id.to_le_bytes(), (id % 10).to_le_bytes()].concat();
        assert!(datastore.delete_eq(player, &old).expect("a delete"));
        let new = [id.to_le_bytes(), (id % 10 + 1).to_le_bytes()].concat();
        datastore.insert(player, &new).expect("a player");
    }
    let delta = datastore.commit();
    criterion.bench_function("join, 1000 updated rows of the other table", |bench| {
        bench.iter(|| black_box(set.evaluate(&delta, &datastore)));
    });
}

/// The first ten of a thousand rows while one row changes that is among them, or is not.
fn first_rows(criterion: &mut Criterion) {
    let mut datastore = database();
    let items: Vec<Vec<u8>> = (0..1_000).map(|id| item(id, id, 1_000)).collect();
    insert(&mut datastore, &items);
    for (name, x) in [("among them", 5), ("behind them", 5_000)] {
        let mut set = register(&datastore, 1, |_| {
            "SELECT * FROM item ORDER BY x LIMIT 10".to_owned()
        });
        datastore.begin_tx();
        let table = datastore.table_id("item").expect("items");
        let row = item(50_000, 1, x);
        datastore.insert(table, &row).expect("an item");
        let come = datastore.commit();
        datastore.begin_tx();
        assert!(datastore.delete_eq(table, &row).expect("a delete"));
        let gone = datastore.commit();
        // The first evaluation reads the table, which is here as it was before the row came.
        set.evaluate(&come, &datastore);
        criterion.bench_function(
            &format!("first 10 rows, a row comes and goes {name}"),
            |bench| {
                bench.iter(|| {
                    black_box(set.evaluate(&gone, &datastore));
                    black_box(set.evaluate(&come, &datastore));
                });
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = distinct_queries, all_concerned, join, first_rows
}
criterion_main!(benches);

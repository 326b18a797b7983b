//! Queries in our engine and in SQLite on the same rows, in one run.
//!
//! `cargo bench -p spacetime-sql-differential` prints microseconds a query, the best of several
//! rounds. SQLite keeps its statements prepared; ours are compiled each time, as the server does.

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use spacetime_sql_differential::{Kind, Pair, Stored, Table};

const ROWS: i64 = 100_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(200);

fn tables() -> Pair {
    let mut pair = Pair::new();
    let column = |name: &str, kind| (name.to_owned(), kind);
    let item = Table {
        name: "item".to_owned(),
        columns: vec![
            column("id", Kind::I64),
            column("k", Kind::I64),
            column("name", Kind::Text),
            column("price", Kind::F64),
        ],
        has_key: true,
        indexes: vec![vec![1]],
    };
    let rows = (0..ROWS).map(|id| {
        vec![
            Stored::I64(id),
            Stored::I64(id % 1_000),
            Stored::Text(format!("item number {id}")),
            Stored::F64(0.25),
        ]
    });
    pair.create(&item, &rows.collect::<Vec<_>>());
    let ord = Table {
        name: "ord".to_owned(),
        columns: vec![column("id", Kind::I64), column("item", Kind::I64)],
        has_key: true,
        indexes: vec![vec![1]],
    };
    let rows = (0..ROWS).map(|id| vec![Stored::I64(id), Stored::I64(id * 7 % ROWS)]);
    pair.create(&ord, &rows.collect::<Vec<_>>());
    pair
}

/// Microseconds of one call, the best round.
fn micros(ask: &dyn Fn() -> usize) -> (f64, usize) {
    let mut best = f64::INFINITY;
    let rows = ask();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut calls = 0_u32;
        while started.elapsed() < ROUND {
            black_box(ask());
            calls += 1;
        }
        let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(calls);
        best = best.min(each);
    }
    (best, rows)
}

fn main() {
    let pair = tables();
    println!(
        "{:<28} {:>8} {:>12} {:>12}",
        "query", "rows", "ours us", "SQLite us"
    );
    for (name, sql) in [
        ("point by key", "SELECT * FROM item WHERE id = 4711"),
        ("100 rows of an index", "SELECT * FROM item WHERE k = 471"),
        (
            "range of 1,000 keys",
            "SELECT * FROM item WHERE id >= 5000 AND id < 6000",
        ),
        ("scan, 1 of 10 kept", "SELECT id FROM item WHERE k % 10 = 3"),
        (
            "scan by text",
            "SELECT id FROM item WHERE name LIKE '%9999%'",
        ),
        (
            "count of a filter",
            "SELECT COUNT(*) AS n FROM item WHERE price > 1.0",
        ),
        (
            "index join, 100 rows",
            "SELECT i.id, o.id AS o FROM item i JOIN ord o ON i.id = o.item WHERE i.k = 471",
        ),
        (
            "join of everything",
            "SELECT COUNT(*) AS n FROM item i JOIN ord o ON i.id = o.item",
        ),
        (
            "1,000 groups",
            "SELECT k, SUM(id) AS s FROM item GROUP BY k",
        ),
        (
            "top 10",
            "SELECT id, name FROM item ORDER BY name DESC LIMIT 10",
        ),
        ("sort of everything", "SELECT id FROM item ORDER BY k, id"),
    ] {
        let (ours, rows) = micros(&|| pair.ask_us(sql).expect("rows").len());
        let (theirs, same) = micros(&|| pair.ask_sqlite(sql).expect("rows").len());
        assert_eq!(rows, same, "{sql}");
        println!("{name:<28} {rows:>8} {ours:>12.1} {theirs:>12.1}");
    }
}

//! What rows take of memory, all in: resident bytes of a fresh process, before and after.
//!
//! Prints a table. `MEMORY_ROWS=5000000,4000000,1000000` sets the rows of each schema; the default
//! is small. Limits for many rows: 24 bytes for the first schema, 40 for the second.
#![allow(clippy::print_stdout)] // It exists to print.

mod tables;

use std::process::Command;

use spacetime_types::AlgebraicType as T;
use tables::{Keyed, scattered, table};

const SCHEMAS: [&str; 3] = [
    "u32 btree key, i32",
    "u32 hash key, i64",
    "u64 btree key, btree string of 20",
];

/// Rows in one transaction: as a module would insert them.
const TX_ROWS: u32 = 1_000;

fn main() {
    if let Ok(child) = std::env::var("MEMORY_CHILD") {
        let (schema, rows) = child.split_once(' ').expect("schema and rows");
        let rows = rows.parse().expect("a number");
        measure(schema.parse().expect("a number"), rows);
        return;
    }
    let rows = std::env::var("MEMORY_ROWS").unwrap_or_else(|_| "200000,200000,100000".to_owned());
    println!("schema                                  rows   bytes/row resident   by own count");
    for (schema, rows) in rows.split(',').enumerate().take(SCHEMAS.len()) {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .env("MEMORY_CHILD", format!("{schema} {rows}"))
            .status();
        assert!(child.expect("a child process").success());
    }
}

fn measure(schema: usize, rows: u32) {
    let mut keyed = match schema {
        0 => table(vec![T::U32, T::I32], "b"),
        1 => table(vec![T::U32, T::I64], "h"),
        _ => table(vec![T::U64, T::String], "bb"),
    };
    // Whatever a first transaction allocates once is not the rows'.
    fill(&mut keyed, schema, 0..1, rows);
    let before = resident_bytes();
    fill(&mut keyed, schema, 1..rows, rows);
    let grown = resident_bytes() - before;
    let own = keyed.datastore.allocated_bytes();
    let per_row = |bytes: usize| {
        let bytes = u32::try_from(bytes / 16).unwrap_or(u32::MAX);
        f64::from(bytes) * 16.0 / f64::from(rows)
    };
    println!(
        "{:<36} {rows:>8} {:>20.1} {:>14.1}",
        SCHEMAS[schema],
        per_row(grown),
        per_row(own)
    );
}

fn fill(keyed: &mut Keyed, schema: usize, keys: std::ops::Range<u32>, rows: u32) {
    let mut row = Vec::new();
    keyed.datastore.begin_tx();
    for (nth, key) in (1..).zip(keys) {
        row.clear();
        row.extend_from_slice(&key.to_le_bytes());
        match schema {
            0 => row.extend_from_slice(&key.to_le_bytes()),
            1 => row.extend_from_slice(&u64::from(key).to_le_bytes()),
            _ => {
                row.extend_from_slice(&[0, 0, 0, 0, 20, 0, 0, 0]);
                let text = format!("{:020}", scattered(key, rows));
                row.extend_from_slice(text.as_bytes());
            }
        }
        keyed
            .datastore
            .insert(keyed.table, &row)
            .expect("a new row");
        if nth % TX_ROWS == 0 {
            keyed.datastore.commit();
            keyed.datastore.begin_tx();
        }
    }
    keyed.datastore.commit();
}

/// What the process holds of memory, by Linux.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.and_then(|text| text.parse().ok()).unwrap_or(0) * 1_024
}

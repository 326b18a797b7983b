//! Bringing a database back from its log: rows, transactions and bytes per second, beside a plain
//! copy of the same bytes in memory.
//!
//! `cargo bench -p spacetime-store --bench recovery [rows|calls|updates|all] [millions]`
//!
//! Budget: 5 million small rows from the log alone within 1.5 s on two cores.

#![allow(clippy::print_stdout)] // It is a program that reports to a person.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{CommitInputs, Files, Store};
use spacetime_table::IndexAlgorithm;
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_types::{AlgebraicType, ColId, ConnectionId, Identity, TableId, Timestamp};

/// What the transactions of a log do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// 10,000 new rows each.
    Rows,
    /// One new row each.
    Calls,
    /// Replaces two rows of 100,000 each, as a transfer does.
    Updates,
}

struct Made {
    rows: u64,
    transactions: u64,
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|text| !text.starts_with('-'));
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    let millions = arguments.next().and_then(|text| text.parse::<u64>().ok());
    let loads = [
        ("rows", Load::Rows, 5),
        ("calls", Load::Calls, 1),
        ("updates", Load::Updates, 1),
    ];
    for (name, load, usual) in loads {
        if what == name || what == "all" {
            let count = millions.unwrap_or(usual) * 1_000_000;
            measure(name, load, count, 'b');
            if load == Load::Rows {
                measure("rows, hash key", load, count, 'h');
                measure("rows, no key", load, count, 'n');
            }
        }
    }
}

fn measure(name: &str, load: Load, count: u64, key: char) {
    let dir = tempfile::tempdir().expect("a directory for the log");
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let replica = dir.path().join("replica");
    let made = make(&storage, &replica, load, count, key);
    let files = log_files(&replica);
    let bytes: u64 = files.iter().map(|bytes| bytes.len() as u64).sum();
    let started = Instant::now();
    for file in &files {
        black_box(file.clone());
    }
    let copy = started.elapsed().as_secs_f64();
    drop(files);
    let mut best = f64::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let mut store = Store::open(&storage, &replica, Files::Known, None).expect("a good log");
        best = best.min(started.elapsed().as_secs_f64());
        store.close();
    }
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{name}: {best:.2} s for {:.1} M rows in {} transactions, {megabytes:.0} MB: \
         {:.2} M rows/s, {:.2} M tx/s, {:.0} MB/s; a copy in memory {:.0} MB/s",
        made.rows as f64 / 1e6,
        made.transactions,
        made.rows as f64 / 1e6 / best,
        made.transactions as f64 / 1e6 / best,
        megabytes / best,
        megabytes / copy,
    );
}

fn log_files(replica: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(replica.join("clog")).expect("the log");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a segment"))
        .collect()
}

fn create_table(store: &mut Store, key: char) -> TableId {
    let columns = vec![
        ColumnDef::new("key", AlgebraicType::U32),
        ColumnDef::new("value", AlgebraicType::I32),
    ];
    let mut def = TableDef::new("t", columns);
    if key != 'n' {
        def.primary_key = Some(ColId(0));
        def.indexes.push(IndexDef {
            name: "t_key_idx".into(),
            accessor: None,
            algorithm: match key {
                'h' => IndexAlgorithm::Hash(vec![ColId(0)]),
                _ => IndexAlgorithm::BTree(vec![ColId(0)]),
            },
        });
        def.constraints.push(ConstraintDef {
            name: "t_key_key".into(),
            columns: vec![ColId(0)],
        });
    }
    store.datastore_mut().begin_tx();
    let table = store
        .datastore_mut()
        .create_table(&def)
        .expect("a definition");
    store.commit(None).expect("the log takes it");
    table
}

fn row(key: u32, value: u32) -> Vec<u8> {
    [key.to_le_bytes(), value.to_le_bytes()].concat()
}

fn inputs() -> Option<CommitInputs> {
    Some(CommitInputs {
        reducer: "transfer".into(),
        caller: Identity::ZERO,
        connection_id: ConnectionId(7),
        timestamp: Timestamp {
            micros: 1_700_000_000_000_000,
        },
        args: Bytes::from_static(&[0; 12]),
    })
}

fn make(storage: &Arc<dyn Storage>, replica: &Path, load: Load, count: u64, key: char) -> Made {
    const ACCOUNTS: u32 = 100_000;
    let mut store = Store::open(storage, replica, Files::MayBeNew, None).expect("a new log");
    let table = create_table(&mut store, key);
    let count = u32::try_from(count).expect("keys are 32 bits long");
    let mut rows = u64::from(count);
    let insert = |store: &mut Store, from: u32, to: u32| {
        store.datastore_mut().begin_tx();
        for key in from..to {
            let inserted = store.datastore_mut().insert(table, &row(key, key ^ 5));
            inserted.expect("a new row");
        }
        store.commit(inputs()).expect("the log takes it");
    };
    match load {
        Load::Rows => {
            for from in (0..count).step_by(10_000) {
                insert(&mut store, from, from + 10_000);
            }
        }
        Load::Calls => (0..count).for_each(|key| insert(&mut store, key, key + 1)),
        Load::Updates => {
            insert(&mut store, 0, ACCOUNTS);
            let mut balances: Vec<u32> = (0..ACCOUNTS).map(|key| key ^ 5).collect();
            let mut random = 1_u64;
            for _ in 0..count {
                store.datastore_mut().begin_tx();
                for _ in 0..2 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let account = u32::try_from(random >> 40).unwrap_or(0) % ACCOUNTS;
                    let balance = &mut balances[usize::try_from(account).unwrap_or(0)];
                    let datastore = store.datastore_mut();
                    let deleted = datastore.delete_eq(table, &row(account, *balance));
                    assert_eq!(deleted, Ok(true), "the row is there");
                    *balance += 1;
                    datastore
                        .insert(table, &row(account, *balance))
                        .expect("a new row");
                }
                store.commit(inputs()).expect("the log takes it");
            }
            rows = u64::from(count) * 2;
        }
    }
    let transactions = store.last_offset().map_or(0, |last| last.0 + 1);
    store.wait_durable(store.last_offset()).expect("the disk");
    store.close();
    Made { rows, transactions }
}

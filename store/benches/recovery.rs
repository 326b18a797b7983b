//! Bringing a database back from its log: rows, transactions and bytes per second, beside a plain
//! copy of the same bytes in memory.
//!
//! `cargo bench -p spacetime-store --bench recovery -- [rows|calls|updates|snapshot] [millions]`
//!
//! Times are elapsed; beside them is the processor time of the thread that applies, which does not
//! depend on what else the machine does.
//!
//! Budget: 5 million small rows from the log alone within 1.5 s on two cores.

#![allow(clippy::print_stdout)] // It is a program that reports to a person.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{CommitInputs, Files, SnapshotJob, SnapshotSettings, Store, StoreOptions};
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
    if what == "snapshot" || what == "all" {
        measure_snapshot(millions.unwrap_or(10) * 1_000_000);
    }
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

/// Processor time of this thread, in seconds.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanos.unwrap_or(f64::NAN) / 1e9
}

/// Elapsed and processor time of opening, the best of three.
fn time_opening(storage: &Arc<dyn Storage>, replica: &Path) -> (f64, f64) {
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let (started, processor) = (Instant::now(), processor_time());
        let mut store = Store::open(storage, replica, Files::Known, None).expect("good files");
        best.0 = best.0.min(started.elapsed().as_secs_f64());
        best.1 = best.1.min(processor_time() - processor);
        store.close();
    }
    best
}

/// Recovery from a snapshot, and the cost of taking one while transactions run.
fn measure_snapshot(count: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let replica = dir.path().join("replica");
    make(&storage, &replica, Load::Rows, count, 'b');
    let options = StoreOptions {
        snapshots: SnapshotSettings {
            log_bytes: 0,
            transactions: 0,
            ..SnapshotSettings::default()
        },
        ..StoreOptions::default()
    };
    let open = || Store::open_with(&storage, &replica, Files::Known, &options, None);
    let mut store = open().expect("good files");
    let started = Instant::now();
    let report = store.take_snapshot().expect("a good disk");
    let seconds = started.elapsed().as_secs_f64();
    let megabytes = report.info.content_bytes as f64 / 1e6;
    println!(
        "snapshot: {megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s, {:.0} MB written",
        megabytes / seconds,
        report.file_bytes_written as f64 / 1e6,
    );
    store.close();
    let (elapsed, processor) = time_opening(&storage, &replica);
    let rows = count as f64 / 1e6;
    println!(
        "recovery from it: {elapsed:.2} s ({processor:.2} s) for {rows:.1} M rows: \
         {:.2} M rows/s, {:.0} MB/s",
        rows / elapsed,
        megabytes / elapsed,
    );
    let mut store = open().expect("good files");
    let table = store.datastore().table_id("t").expect("the table");
    let keys = u32::try_from(count).expect("keys are 32 bits long");
    let (mut next, mut values) = (0_u32, HashMap::new());
    let mut update = |store: &mut Store| {
        // Far apart, so that each touches a page that the snapshot still has.
        next = next.wrapping_add(1_000_003) % keys;
        let datastore = store.datastore_mut();
        datastore.begin_tx();
        let value = values.entry(next).or_insert(next ^ 5);
        let deleted = datastore.delete_eq(table, &row(next, *value));
        assert_eq!(deleted, Ok(true), "the row is there");
        *value = value.wrapping_add(1);
        datastore
            .insert(table, &row(next, *value))
            .expect("a new row");
        store.commit(inputs()).expect("the log takes it");
    };
    let mut run = |store: &mut Store, seconds: f64, job: Option<SnapshotJob>| {
        let thread = job.map(|job| std::thread::spawn(move || (Instant::now(), job.run())));
        let (started, mut transactions, mut longest) = (Instant::now(), 0_u64, 0.0_f64);
        let is_running = |thread: &Option<std::thread::JoinHandle<_>>| match thread {
            Some(thread) => !thread.is_finished(),
            None => started.elapsed().as_secs_f64() < seconds,
        };
        while is_running(&thread) {
            let one = Instant::now();
            update(store);
            longest = longest.max(one.elapsed().as_secs_f64());
            transactions += 1;
        }
        let elapsed = started.elapsed().as_secs_f64();
        if let Some(thread) = thread {
            thread.join().expect("no panic").1.expect("a good disk");
        }
        (transactions as f64 / elapsed, longest, elapsed)
    };
    let alone = run(&mut store, 2.0, None);
    let job = store
        .begin_snapshot(Timestamp { micros: 0 })
        .expect("transactions");
    let beside = run(&mut store, 0.0, Some(job));
    println!(
        "transactions: {:.0}/s alone; {:.0}/s and at most {:.2} ms beside a snapshot of {:.2} s",
        alone.0,
        beside.0,
        beside.1 * 1e3,
        beside.2,
    );
    store.close();
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
    let (best, processor) = time_opening(&storage, &replica);
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{name}: {best:.2} s ({processor:.2} s) for {:.1} M rows in {} transactions, \
         {megabytes:.0} MB: {:.2} M rows/s, {:.2} M tx/s, {:.0} MB/s; a copy in memory {:.0} MB/s",
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
    let options = StoreOptions {
        snapshots: SnapshotSettings {
            log_bytes: 0,
            transactions: 0,
            ..SnapshotSettings::default()
        },
        ..StoreOptions::default()
    };
    let store = Store::open_with(storage, replica, Files::MayBeNew, &options, None);
    let mut store = store.expect("a new log");
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

//! The log next to its limits, measured in the same run: a raw write and fdatasync of the same
//! bytes, and memcpy of the same bytes.
//!
//! Budget: one commit at most 10 % above raw; reading, checking and parsing 5 M small
//! transactions within 0.5 s.
//!
//! `cargo bench -p spacetime-durability -- reading` runs one part: `one_commit`,
//! `through_the_queue` or `reading`.
//!
//! `TMPDIR` says which disk; without it, memory may be measured. `LOG_BENCH_ROUNDS` and
//! `LOG_BENCH_TRANSACTIONS` change the sizes.

#![allow(clippy::print_stdout)] // It exists to print.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_commitlog::txdata::{self, Changes, Rows};
use spacetime_commitlog::{CommitBatch, LogReader, TxVisitor, replay};
use spacetime_durability::doc_support::CountRecords;
use spacetime_durability::storage::{
    Backend, OpenMode, OsStorage, Storage, StorageFile, open_backend,
};
use spacetime_durability::{
    CLOG_DIR, Durability, EncodedRecord, Entry, GroupCommit, Options, Transaction, recover,
    replay_ahead,
};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

const RECORD_LEN: usize = 120;

fn count(variable: &str, usual: u64) -> u64 {
    let said = std::env::var(variable).ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(usual)
}

fn record() -> EncodedRecord {
    // Outputs only: a record of 120 bytes that needs no schema to be read again.
    let mut bytes = vec![0x40, 118];
    bytes.resize(RECORD_LEN, b'x');
    EncodedRecord::from(bytes)
}

fn start(storage: &Arc<dyn Storage>, dir: &Path) -> GroupCommit {
    let options = Options::default();
    let recovered = recover(storage, dir, &options, &mut CountRecords::default());
    recovered.expect("a fresh directory").1
}

fn backends() -> Vec<(&'static str, Arc<dyn Storage>)> {
    let mut backends: Vec<(&str, Arc<dyn Storage>)> = vec![("log, std", Arc::new(OsStorage))];
    match open_backend(Backend::Uring) {
        Ok(uring) => backends.push(("log, io_uring", uring)),
        Err(error) => println!("no io_uring here: {error}"),
    }
    backends
}

/// Durations, and what they say.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    fn line(&mut self, name: &str, bytes_each: usize) {
        self.0.sort_unstable();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1) as f64;
            self.0[(last * share) as usize].as_secs_f64() * 1e6
        };
        let sum: Duration = self.0.iter().sum();
        let rate = (bytes_each * self.0.len()) as f64 / sum.as_secs_f64() / 1e6;
        println!(
            "  {name:<16} p50 {:>8.0} us  p99 {:>8.0} us  p99.9 {:>8.0} us  {rate:>8.1} MB/s",
            at(0.5),
            at(0.99),
            at(0.999),
        );
    }
}

fn queue(next: TxOffset, records: u64) -> VecDeque<Entry> {
    let entry = |n| Entry::Transaction(Transaction::new(TxOffset(n), record()));
    (next.0..next.0 + records).map(entry).collect()
}

/// One commit after the other. The ways take turns, so that all see the same disk.
fn one_commit() {
    for records in [1_u64, 100, 10_000] {
        let rounds = count("LOG_BENCH_ROUNDS", if records > 1000 { 60 } else { 600 });
        let frame_len = 26 + usize::try_from(records).expect("few") * RECORD_LEN;
        println!("commit of {records} x {RECORD_LEN} bytes, written and synced, {rounds} times");
        let dir = tempfile::tempdir().expect("a directory");
        let raw = OsStorage.open(&dir.path().join("raw"), OpenMode::CreateOrTruncate);
        let raw = raw.expect("a fresh file");
        let bytes = vec![7; frame_len];
        let mut raw_latencies = Latencies::default();
        let mut logs: Vec<_> = backends()
            .into_iter()
            .map(|(name, storage)| {
                let log = start(&storage, &dir.path().join(name));
                (name, log, Latencies::default())
            })
            .collect();
        for round in 0..rounds {
            let begin = Instant::now();
            write_raw(&*raw, round * frame_len as u64, black_box(&bytes));
            raw_latencies.0.push(begin.elapsed());
            for (_, log, latencies) in &mut logs {
                let mut queue = queue(log.next(), records);
                let begin = Instant::now();
                while let Some(progress) = log.write(&mut queue).expect("a good disk") {
                    black_box(progress);
                }
                latencies.0.push(begin.elapsed());
            }
        }
        raw_latencies.line("raw", frame_len);
        for (name, _, latencies) in &mut logs {
            latencies.line(name, frame_len);
        }
    }
}

fn write_raw(file: &dyn StorageFile, at: u64, bytes: &[u8]) {
    file.write_all_at(at, bytes).expect("room on the disk");
    file.sync_data().expect("a good disk");
}

/// As fast as transactions can be appended, until all are durable; and one at a time.
fn through_the_queue() {
    let transactions = 2_000_000_u64;
    println!("through the queue, {transactions} transactions of {RECORD_LEN} bytes");
    let dir = tempfile::tempdir().expect("a directory");
    let file = OsStorage.open(&dir.path().join("raw"), OpenMode::CreateOrTruncate);
    let file = file.expect("a fresh file");
    let commit = vec![7; 8 << 20];
    let total = transactions * RECORD_LEN as u64;
    let begin = Instant::now();
    let mut at = 0;
    while at < total {
        write_raw(&*file, at, black_box(&commit));
        at += commit.len() as u64;
    }
    let rate = at as f64 / begin.elapsed().as_secs_f64() / 1e6;
    println!("  raw, commits of 8 MiB                        {rate:>8.1} MB/s");
    for (name, storage) in backends() {
        let log = start(&storage, &dir.path().join(name));
        let durability = Durability::start(log, &Options::default()).expect("a thread");
        let durable = durability.durable_offset();
        let record = Arc::new(record());
        let begin = Instant::now();
        for offset in 0..transactions {
            let transaction = Transaction::new(TxOffset(offset), Arc::clone(&record));
            durability.append(transaction).expect("a good disk");
        }
        let appended = begin.elapsed().as_secs_f64();
        let last = TxOffset(transactions - 1);
        durable
            .wait_for(last, Duration::from_secs(60))
            .expect("a good disk");
        let spent = begin.elapsed().as_secs_f64();
        println!(
            "  {name:<16} {:>9.0} transactions/s  {:>8.1} MB/s  (appended after {appended:.2} s)",
            transactions as f64 / spent,
            total as f64 / spent / 1e6,
        );
        let mut one = Latencies::default();
        for offset in transactions..transactions + 500 {
            let begin = Instant::now();
            let transaction = Transaction::new(TxOffset(offset), Arc::clone(&record));
            durability.append(transaction).expect("a good disk");
            let waited = durable.wait_for(TxOffset(offset), Duration::from_secs(60));
            waited.expect("a good disk");
            one.0.push(begin.elapsed());
        }
        one.line("  one at a time", RECORD_LEN);
    }
}

/// Takes rows of eight bytes and adds them up.
#[derive(Default)]
struct Sum {
    rows: u64,
    sum: u64,
}

impl TxVisitor for Sum {
    type Error = Infallible;

    fn begin(&mut self, _: TxOffset) -> Result<(), Infallible> {
        Ok(())
    }

    fn insert(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), Infallible> {
        let row = rows.take(8).expect("written below");
        let number = u64::from_le_bytes(*row.first_chunk().expect("eight bytes"));
        self.sum = self.sum.wrapping_add(number);
        self.rows += 1;
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Infallible> {
        self.insert(table, rows)
    }

    fn truncate(&mut self, _: TableId) -> Result<(), Infallible> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), Infallible> {
        Ok(())
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Infallible> {
        self.insert(table, rows)
    }
}

fn small_row(offset: u64) -> EncodedRecord {
    let inserts = [Rows {
        table: TableId(4096),
        row_count: 1,
        bytes: &offset.to_le_bytes(),
    }];
    let changes = Changes {
        inserts: &inserts,
        deletes: &[],
        truncates: &[],
    };
    let mut out = Vec::new();
    txdata::encode(None, None, Some(changes), &mut out);
    EncodedRecord::from(out)
}

/// Reading 5 M transactions of one small row each, from the page cache.
fn reading() {
    let transactions = count("LOG_BENCH_TRANSACTIONS", 5_000_000);
    for per_commit in [1_u64, 1000] {
        let dir = tempfile::tempdir().expect("a directory");
        let storage: Arc<dyn Storage> = Arc::new(OsStorage);
        let clog = dir.path().join("replica").join(CLOG_DIR);
        write_small_rows(dir.path(), transactions, per_commit);
        let path = clog.join("00000000000000000000.stdb.log");
        let bytes = std::fs::read(&path).expect("just written");
        println!(
            "reading {transactions} transactions of an 8-byte row, {per_commit} in a commit, {} MB",
            bytes.len() / 1_000_000
        );
        let timed = |name: &str, action: &mut dyn FnMut()| {
            let best = (0..3).map(|_| {
                let begin = Instant::now();
                action();
                begin.elapsed()
            });
            let best = best.min().expect("three").as_secs_f64();
            println!(
                "  {name:<36} {best:>6.3} s  {:>7.0} MB/s  {:>6.1} M transactions/s",
                bytes.len() as f64 / best / 1e6,
                transactions as f64 / best / 1e6,
            );
        };
        let open = || {
            let log = LogReader::open(Arc::clone(&storage), &clog, TxOffset(0));
            log.expect("a good log")
        };
        let mut copy = vec![0; bytes.len()];
        timed("memcpy", &mut || {
            copy.copy_from_slice(black_box(&bytes));
            black_box(&copy);
        });
        timed("read the file", &mut || {
            black_box(std::fs::read(&path).expect("there"));
        });
        timed("read and check commits", &mut || {
            let mut log = open();
            while let Some(commit) = log.next_commit().expect("good") {
                black_box(commit.records);
            }
        });
        timed("the same in batches", &mut || {
            let mut log = open();
            let mut batch = CommitBatch::new();
            while batch.read(&mut log).expect("good") {
                black_box(batch.commits().count());
            }
        });
        timed("replay, one thread", &mut || {
            let mut sum = Sum::default();
            replay(&mut open(), &mut sum).expect("good");
            assert_eq!(sum.rows, transactions);
        });
        timed("replay, reading ahead", &mut || {
            let mut sum = Sum::default();
            replay_ahead(open(), &mut sum, &mut |_| {}).expect("good");
            assert_eq!(sum.rows, transactions);
        });
    }
}

/// Not through group commit: a sync for each of millions of commits would take an hour.
fn write_small_rows(dir: &Path, transactions: u64, per_commit: u64) {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    drop(start(&storage, &dir.join("replica")));
    let clog = dir.join("replica").join(CLOG_DIR);
    let file = storage.open(
        &clog.join("00000000000000000000.stdb.log"),
        OpenMode::ReadWrite,
    );
    let file = file.expect("just created");
    let mut commit = spacetime_commitlog::CommitBuffer::new();
    let mut out = Vec::new();
    let mut at = 10;
    for start in (0..transactions).step_by(usize::try_from(per_commit).expect("few")) {
        for offset in start..start + per_commit {
            let record = small_row(offset);
            let pushed = commit.push(|out| spacetime_durability::Record::encode(&record, out));
            pushed.expect("small");
        }
        out.extend_from_slice(commit.finish(TxOffset(start), 0).bytes);
        commit.clear();
        if out.len() > 1 << 20 || start + per_commit >= transactions {
            file.write_all_at(at, &out).expect("room on the disk");
            at += out.len() as u64;
            out.clear();
        }
    }
}

fn main() {
    // `cargo test --benches` runs this too, and wants nothing from it.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let parts: [(&str, fn()); 3] = [
        ("one_commit", one_commit),
        ("through_the_queue", through_the_queue),
        ("reading", reading),
    ];
    let wanted = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| wanted(name));
    for (name, part) in parts {
        if all || wanted(name) {
            part();
        }
    }
}

//! Group commit next to a raw write and fdatasync of the same bytes, on a real file.
//!
//! Budget: for one record a commit, at most 10 % above raw; for thousands, within 2x of raw.
//! The directory is that of temporary files: set TMPDIR to a real disk, or memory is measured.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spacetime_commitlog::LogReader;
use spacetime_durability::doc_support::CountRecords;
use spacetime_durability::storage::{OpenMode, OsStorage, Storage};
use spacetime_durability::{
    CLOG_DIR, Durability, EncodedRecord, Entry, GroupCommit, Options, Transaction, recover,
};
use spacetime_types::TxOffset;

const RECORD_LEN: usize = 120;

fn record() -> EncodedRecord {
    // Outputs only: a record of 120 bytes that needs no schema to be read again.
    let mut bytes = vec![0x40, 118];
    bytes.resize(RECORD_LEN, b'x');
    EncodedRecord::from(bytes)
}

fn start(dir: &Path) -> GroupCommit {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let options = Options::default();
    let recovered = recover(&storage, dir, &options, &mut CountRecords::default());
    recovered.expect("a fresh directory").1
}

fn one_commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("one commit, synced");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(4));
    for records in [1_usize, 100, 10_000] {
        let frame_len = 26 + records * RECORD_LEN;
        group.throughput(Throughput::Bytes(frame_len as u64));
        let dir = tempfile::tempdir().expect("a directory");
        let file = OsStorage.open(&dir.path().join("raw"), OpenMode::CreateOrTruncate);
        let file = file.expect("a fresh file");
        let bytes = vec![7; frame_len];
        let mut at = 0;
        group.bench_function(BenchmarkId::new("raw", records), |b| {
            b.iter(|| {
                file.write_all_at(at, black_box(&bytes))
                    .expect("room on the disk");
                file.sync_data().expect("a good disk");
                at += frame_len as u64;
            });
        });
        let mut log = start(&dir.path().join("replica"));
        group.bench_function(BenchmarkId::new("log", records), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let next = log.next().0;
                    let offsets = next..next + records as u64;
                    let entry = |n| Entry::Transaction(Transaction::new(TxOffset(n), record()));
                    let mut queue: VecDeque<Entry> = offsets.map(entry).collect();
                    let begin = Instant::now();
                    while let Some(progress) = log.write(&mut queue).expect("a good disk") {
                        log.keep_watermark(&progress).expect("a good disk");
                    }
                    spent += begin.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

fn through_the_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("through the queue");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(4));
    for transactions in [1_u64, 100_000] {
        group.throughput(Throughput::Elements(transactions));
        let dir = tempfile::tempdir().expect("a directory");
        let log = start(&dir.path().join("replica"));
        let mut next = log.next().0;
        let durability = Durability::start(log, &Options::default()).expect("a thread");
        let durable = durability.durable_offset();
        let record = Arc::new(record());
        group.bench_function(BenchmarkId::new("durable", transactions), |b| {
            b.iter(|| {
                for _ in 0..transactions {
                    let transaction = Transaction::new(TxOffset(next), Arc::clone(&record));
                    durability.append(transaction).expect("a good disk");
                    next += 1;
                }
                let waited = durable.wait_for(TxOffset(next - 1), Duration::from_secs(60));
                waited.expect("a good disk");
            });
        });
    }
    group.finish();
}

fn replay(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay");
    group.sample_size(10);
    let dir = tempfile::tempdir().expect("a directory");
    let replica = dir.path().join("replica");
    let mut log = start(&replica);
    let count = 500_000;
    for batch in 0..count / 1000 {
        let offsets = batch * 1000..(batch + 1) * 1000;
        let entry = |n| Entry::Transaction(Transaction::new(TxOffset(n), record()));
        let mut queue: VecDeque<Entry> = offsets.map(entry).collect();
        log.write(&mut queue).expect("a good disk");
    }
    drop(log);
    group.throughput(Throughput::Bytes(count * RECORD_LEN as u64));
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    group.bench_function("from the page cache", |b| {
        b.iter(|| {
            let log = LogReader::open(Arc::clone(&storage), &replica.join(CLOG_DIR), TxOffset(0));
            let mut log = log.expect("a good log");
            let mut counted = CountRecords::default();
            spacetime_commitlog::replay(&mut log, &mut counted).expect("a good log");
            assert_eq!(counted.records, count);
        });
    });
    group.finish();
}

criterion_group!(benches, one_commit, through_the_thread, replay);
criterion_main!(benches);

//! Rows by key: insert, find, update, what a view makes the next update cost, and replay. The
//! figures are for one row each.
//!
//! Budgets: find 200 ns, insert 350 ns and update 650 ns including their share of the commit,
//! replay 150 ns; rows with text half as much again. Measured on two busy cores.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm, RowList};
use spacetime_types::{AlgebraicType, ColId, IndexId, TableId};

const ROWS: u64 = 100_000;
const TX_ROWS: u64 = 1000;

fn row(key: u64, value: u64, has_text: bool) -> Vec<u8> {
    let mut row = Vec::new();
    row.extend_from_slice(&key.to_le_bytes());
    row.extend_from_slice(&value.to_le_bytes());
    if has_text {
        row.extend_from_slice(&20u32.to_le_bytes());
        row.extend_from_slice(b"twenty bytes of text");
    }
    row
}

fn empty(has_text: bool) -> (Datastore, TableId, IndexId) {
    let mut columns = vec![
        ColumnDef::new("key", AlgebraicType::U64),
        ColumnDef::new("value", AlgebraicType::U64),
    ];
    if has_text {
        columns.push(ColumnDef::new("text", AlgebraicType::String));
    }
    let mut def = TableDef::new("t", columns);
    def.primary_key = Some(ColId(0));
    def.indexes.push(IndexDef {
        name: "t_key_idx_btree".into(),
        accessor: None,
        algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
    });
    def.constraints.push(ConstraintDef {
        name: "t_key_key".into(),
        columns: vec![ColId(0)],
    });
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    datastore.commit();
    let index = datastore.index_id("t_key_idx_btree").expect("the index");
    (datastore, table, index)
}

fn filled(has_text: bool) -> (Datastore, TableId, IndexId) {
    let (mut datastore, table, index) = empty(has_text);
    datastore.begin_tx();
    for key in 0..ROWS {
        datastore
            .insert(table, &row(key, key, has_text))
            .expect("a row");
    }
    datastore.commit();
    (datastore, table, index)
}

/// A walk over all keys that looks random.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ROWS
}

fn benches(criterion: &mut Criterion) {
    for (name, has_text) in [("fixed", false), ("text", true)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(TX_ROWS));
        let (mut datastore, table, index) = filled(has_text);
        let mut next = ROWS;
        group.bench_function("insert 1000 and commit", |bencher| {
            bencher.iter(|| {
                datastore.begin_tx();
                for _ in 0..TX_ROWS {
                    datastore
                        .insert(table, &row(next, next, has_text))
                        .expect("a row");
                    next += 1;
                }
                datastore.commit()
            });
        });
        let mut found = Vec::new();
        group.bench_function("find 1000", |bencher| {
            bencher.iter(|| {
                for n in 0..TX_ROWS {
                    let key = scattered(n).to_le_bytes();
                    let (table, mut rows) = datastore.index_point(index, &key).expect("a key");
                    let ptr = rows.next().expect("a row");
                    found.clear();
                    datastore.read_row(table, ptr, &mut found);
                }
            });
        });
        let mut round = 0;
        group.bench_function("update 1000 and commit", |bencher| {
            bencher.iter(|| {
                round += 1;
                datastore.begin_tx();
                for n in 0..TX_ROWS {
                    let new = row(scattered(n), round, has_text);
                    datastore.update(table, index, &new).expect("a row");
                }
                datastore.commit()
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("update 1, commit", |bencher| {
            bencher.iter(|| {
                round += 1;
                datastore.begin_tx();
                datastore
                    .update(table, index, &row(7, round, has_text))
                    .expect("a row");
                datastore.commit()
            });
        });
        group.bench_function("view, update 1, commit", |bencher| {
            bencher.iter(|| {
                let view = datastore.view();
                round += 1;
                datastore.begin_tx();
                datastore
                    .update(table, index, &row(scattered(round), round, has_text))
                    .expect("a row");
                (datastore.commit(), view)
            });
        });
        let rows: Vec<Vec<u8>> = (0..ROWS).map(|key| row(key, key, has_text)).collect();
        let rows = RowList::from_rows(rows.iter().map(Vec::as_slice));
        group.throughput(Throughput::Elements(ROWS));
        group.sample_size(10);
        group.bench_function("replay", |bencher| {
            let replay = |(mut datastore, table, _): (Datastore, TableId, IndexId)| {
                datastore.replay_begin();
                let mut bytes = rows.bytes().as_ref();
                while !bytes.is_empty() {
                    let len = datastore.replay_insert(table, bytes).expect("a row");
                    bytes = &bytes[len..];
                }
                datastore.replay_commit().expect("a record");
                datastore.finish_replay().expect("a log");
                datastore
            };
            bencher.iter_batched(|| empty(has_text), replay, BatchSize::PerIteration);
        });
        let updates: Vec<(Vec<u8>, Vec<u8>)> = (0..ROWS)
            .map(|n| {
                let key = scattered(n);
                (row(key, key, has_text), row(key, key + 1, has_text))
            })
            .collect();
        let distinct: std::collections::HashSet<u64> = (0..ROWS).map(scattered).collect();
        assert!(distinct.len() > 50_000, "most keys are updated");
        group.bench_function("replay of updates, one a record", |bencher| {
            let replay = |(mut datastore, table, _): (Datastore, TableId, IndexId)| {
                let mut is_done = vec![false; updates.len()];
                for (nth, (old, new)) in updates.iter().enumerate() {
                    let key = usize::try_from(scattered(nth as u64)).expect("a position");
                    if std::mem::replace(&mut is_done[key], true) {
                        continue;
                    }
                    datastore.replay_insert(table, new).expect("a row");
                    datastore.replay_delete(table, old).expect("a row");
                    datastore.replay_commit().expect("a record");
                }
                datastore.finish_replay().expect("a log");
                datastore
            };
            let begun = || {
                let mut filled = filled(has_text);
                filled.0.replay_begin();
                filled
            };
            bencher.iter_batched(begun, replay, BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(rows, benches);
criterion_main!(rows);

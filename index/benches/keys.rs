//! Cost of index operations, next to the standard ordered map and a plain hash map.
//!
//! Budgets for a million keys (one core of a 2020s server): point lookup in a tree 150 ns, by
//! hash 60 ns, direct 10 ns; insert in order 60 ns; scan 3 ns a row.

use criterion::{Criterion, criterion_group, criterion_main};
use hashbrown::HashMap;
use spacetime_index::{Algorithm, Index, Key, KeyShape, RowKeys};
use spacetime_page::RowPtr;
use spacetime_types::AlgebraicType;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

const ROWS: u32 = 1_000_000;

/// All numbers below `ROWS`, scattered.
fn scattered(n: u32) -> u32 {
    u32::try_from(u64::from(n) * 611_953 % u64::from(ROWS)).expect("below ROWS")
}

fn index(algorithm: Algorithm, unique: bool, column: AlgebraicType) -> Index {
    Index::new(
        algorithm,
        unique,
        KeyShape::new(&[column]).expect("a shape"),
    )
}

fn fill(mut index: Index, key_of: impl Fn(u32) -> Key) -> Index {
    for n in 0..ROWS {
        let rows = Numbered(&key_of);
        index.insert(&key_of(n), RowPtr(n), &rows).expect("unique");
    }
    index
}

/// Rows whose key is made of their pointer.
struct Numbered<F>(F);

impl<F: Fn(u32) -> Key> RowKeys for Numbered<F> {
    fn key_of(&self, ptr: RowPtr, _: &KeyShape, out: &mut Key) {
        *out = self.0(ptr.0);
    }
}

fn in_order(n: u32) -> Key {
    Key::U64(u64::from(n))
}

fn at_random(n: u32) -> Key {
    Key::U64(u64::from(scattered(n)))
}

fn text(n: u32) -> Key {
    Key::Bytes(format!("player {n:07}").as_bytes().into())
}

/// Name, algorithm, unique, column type, keys.
type Case = (&'static str, Algorithm, bool, AlgebraicType, fn(u32) -> Key);

fn benches(c: &mut Criterion) {
    use Algorithm::{BTree, Direct, Hash};
    let mut group = c.benchmark_group("index");
    group.throughput(criterion::Throughput::Elements(u64::from(ROWS)));
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300));
    group.sample_size(10);
    let cases: [Case; 8] = [
        (
            "tree u32, in order",
            BTree,
            true,
            AlgebraicType::U32,
            in_order,
        ),
        (
            "tree u32, at random",
            BTree,
            true,
            AlgebraicType::U32,
            at_random,
        ),
        (
            "tree u64, at random",
            BTree,
            true,
            AlgebraicType::U64,
            at_random,
        ),
        (
            "multi tree u64, at random",
            BTree,
            false,
            AlgebraicType::U64,
            at_random,
        ),
        (
            "tree string, in order",
            BTree,
            true,
            AlgebraicType::String,
            text,
        ),
        (
            "hash u64, at random",
            Hash,
            true,
            AlgebraicType::U64,
            at_random,
        ),
        (
            "hash string, in order",
            Hash,
            true,
            AlgebraicType::String,
            text,
        ),
        (
            "direct u32, at random",
            Direct,
            true,
            AlgebraicType::U32,
            at_random,
        ),
    ];
    for (name, algorithm, unique, column, key_of) in cases {
        let empty = index(algorithm, unique, column);
        let full = fill(empty.clone(), key_of);
        eprintln!(
            "{name}: {:.1} bytes a row",
            full.allocated_bytes() as f64 / f64::from(ROWS)
        );
        let keys: Vec<Key> = (0..ROWS).map(|n| key_of(scattered(n))).collect();
        group.bench_function(format!("{name}: insert"), |b| {
            b.iter(|| fill(empty.clone(), key_of));
        });
        group.bench_function(format!("{name}: point lookup"), |b| {
            let rows = Numbered(key_of);
            b.iter(|| {
                let found = keys.iter().filter_map(|key| full.first(key, &rows));
                found.count()
            });
        });
        if let Ok(all) = full.iter_ordered() {
            group.bench_function(format!("{name}: scan"), |b| {
                b.iter(|| all.clone().fold(0, |sum, ptr| sum ^ black_box(ptr.0)));
            });
        }
    }
    let ordered: BTreeMap<u64, u32> = (0..ROWS).map(|n| (u64::from(n), n)).collect();
    let hashed: HashMap<u64, u32, std::hash::RandomState> = ordered.clone().into_iter().collect();
    let keys: Vec<u64> = (0..ROWS).map(|n| u64::from(scattered(n))).collect();
    group.bench_function("baseline BTreeMap<u64, u32>: insert at random", |b| {
        b.iter(|| {
            let mut map = BTreeMap::new();
            for key in &keys {
                map.insert(*key, 1u32);
            }
            map
        });
    });
    group.bench_function("baseline BTreeMap<u64, u32>: point lookup", |b| {
        b.iter(|| keys.iter().filter_map(|key| ordered.get(key)).count());
    });
    group.bench_function("baseline HashMap<u64, u32>: point lookup", |b| {
        b.iter(|| keys.iter().filter_map(|key| hashed.get(key)).count());
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);

//! Cost of a row operation, next to the memory copies it cannot do without.
//!
//! Budgets (one core of a 2020s server): insert, read and remove of a row of 8 bytes 30 ns each,
//! of a row with a short string 80 ns; comparing 15 ns.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use spacetime_page::{BlobStore, RowLayout, RowPtr, RowStore, hash_row};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const ROWS: u32 = 100_000;

fn store(types: Vec<AlgebraicType>) -> RowStore {
    let elements = types.into_iter().map(|algebraic_type| ProductTypeElement {
        name: None,
        algebraic_type,
    });
    let row_type = ProductType {
        elements: elements.collect(),
    };
    RowStore::new(Arc::new(RowLayout::new(&row_type).expect("a layout")))
}

fn number_row(n: u32) -> Vec<u8> {
    [n.to_le_bytes(), (!n).to_le_bytes()].concat()
}

fn text_row(n: u32) -> Vec<u8> {
    let text = format!("player number {n}");
    let len = u32::try_from(text.len()).expect("short");
    [&n.to_le_bytes()[..], &len.to_le_bytes(), text.as_bytes()].concat()
}

fn filled(empty: &RowStore, rows: &[Vec<u8>], blobs: &mut BlobStore) -> (RowStore, Vec<RowPtr>) {
    let mut store = empty.clone();
    let ptrs = rows
        .iter()
        .map(|row| store.insert(row, blobs).expect("room"))
        .collect();
    (store, ptrs)
}

fn bench_rows(c: &mut Criterion, name: &str, empty: &RowStore, rows: &[Vec<u8>]) {
    let mut blobs = BlobStore::default();
    let (full, ptrs) = filled(empty, rows, &mut blobs);
    let layout = Arc::clone(full.layout());
    eprintln!(
        "{name}: {} bytes a row",
        full.allocated_bytes() / rows.len()
    );
    let mut group = c.benchmark_group(name);
    group.throughput(criterion::Throughput::Elements(u64::from(ROWS)));
    group
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300));
    group.sample_size(10);
    group.bench_function("baseline: append to a vector", |b| {
        b.iter(|| {
            let mut all = Vec::new();
            for row in rows {
                all.extend_from_slice(row);
            }
            all
        });
    });
    group.bench_function("insert", |b| {
        b.iter(|| filled(empty, rows, &mut blobs));
    });
    group.bench_function("remove in order", |b| {
        b.iter_batched(
            || filled(empty, rows, &mut BlobStore::default()),
            |(mut store, ptrs)| {
                let mut blobs = BlobStore::default();
                for ptr in ptrs {
                    store.remove(ptr, &mut blobs);
                }
            },
            BatchSize::LargeInput,
        );
    });
    let mut out = Vec::new();
    group.bench_function("scan and read", |b| {
        b.iter(|| {
            for ptr in &full {
                out.clear();
                full.read(ptr, &blobs, &mut out);
                black_box(&out);
            }
        });
    });
    group.bench_function("compare", |b| {
        b.iter(|| {
            ptrs.iter()
                .zip(rows)
                .filter(|(p, row)| full.row_eq(**p, row, &blobs))
                .count()
        });
    });
    group.bench_function("validate", |b| {
        b.iter(|| {
            rows.iter()
                .filter(|row| layout.validate(row).is_ok())
                .count()
        });
    });
    group.bench_function("hash", |b| {
        b.iter(|| rows.iter().fold(0, |all, row| all ^ hash_row(row)));
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    use AlgebraicType as T;
    let numbers: Vec<_> = (0..ROWS).map(number_row).collect();
    bench_rows(c, "(u32, i32)", &store(vec![T::U32, T::I32]), &numbers);
    let texts: Vec<_> = (0..ROWS).map(text_row).collect();
    bench_rows(c, "(u32, string)", &store(vec![T::U32, T::String]), &texts);
}

criterion_group!(all, benches);
criterion_main!(all);

//! Where rows go: space that is used again, pages given back, blobs counted, limits.

mod generate;

use generate::{bytes, option, product};
use spacetime_page::{BlobStore, LayoutError, RowError, RowLayout, RowPtr, RowStore};
use spacetime_types::AlgebraicType as T;
use std::sync::Arc;

const PAGE: usize = 65_536;

fn store(types: Vec<T>) -> RowStore {
    RowStore::new(Arc::new(RowLayout::new(&product(types)).unwrap()))
}

/// A row of one string or byte array.
fn text(len: usize, byte: u8) -> Vec<u8> {
    let mut row = u32::try_from(len).unwrap().to_le_bytes().to_vec();
    row.resize(4 + len, byte);
    row
}

fn check_read(rows: &RowStore, blobs: &BlobStore, ptr: RowPtr, expect: &[u8]) {
    let mut out = Vec::new();
    rows.read(ptr, blobs, &mut out);
    assert!(out == expect, "{ptr:?} reads differently");
}

#[test]
fn two_numbers_take_eight_bytes_and_a_bit() {
    let (mut rows, mut blobs) = (store(vec![T::U32, T::I32]), BlobStore::default());
    for n in 0..100_000u32 {
        let row = [n.to_le_bytes(), n.to_le_bytes()].concat();
        let ptr = rows.insert(&row, &mut blobs).unwrap();
        assert_eq!(rows.row_bytes(ptr), Some(&row[..]));
    }
    let bytes = rows.allocated_bytes();
    assert!(
        bytes < 100_000 * 8 + 100_000 / 8 + PAGE + 2_000,
        "{bytes} bytes"
    );
}

#[test]
fn a_short_string_costs_its_length_and_six_bytes() {
    let (mut rows, mut blobs) = (store(vec![T::U32, T::String]), BlobStore::default());
    for n in 0..100_000u32 {
        let row = [&n.to_le_bytes()[..], &text(5, b'x')].concat();
        rows.insert(&row, &mut blobs).unwrap();
    }
    let bytes = rows.allocated_bytes();
    assert!(
        bytes < 100_000 * (4 + 2 + 2 + 5) + 100_000 * 13 / 32 + PAGE,
        "{bytes} bytes"
    );
}

#[test]
fn a_table_of_a_few_rows_is_small() {
    let (mut rows, mut blobs) = (store(vec![T::U32, T::String]), BlobStore::default());
    assert!(rows.allocated_bytes() < 100);
    for n in 0..20u32 {
        let row = [&n.to_le_bytes()[..], &text(50, b'x')].concat();
        rows.insert(&row, &mut blobs).unwrap();
    }
    assert!(
        rows.allocated_bytes() < 6_000,
        "{} bytes",
        rows.allocated_bytes()
    );
}

#[test]
fn rows_replaced_over_and_over_stay_within_their_pages() {
    let (mut rows, mut blobs) = (store(vec![T::U32, T::String]), BlobStore::default());
    let row_of = |n: u32, age: u32| {
        let len = usize::try_from((n * 7 + age * 13) % 90).unwrap();
        [
            &n.to_le_bytes()[..],
            &text(len, b'a' + u8::try_from(age % 26).unwrap()),
        ]
        .concat()
    };
    let mut ptrs: Vec<RowPtr> = (0..5_000)
        .map(|n| rows.insert(&row_of(n, 0), &mut blobs).unwrap())
        .collect();
    let before = rows.allocated_bytes();
    for age in 1..30 {
        for (n, ptr) in (0..).zip(&mut ptrs) {
            let row = row_of(n, age);
            if age % 2 == 0 && rows.replace(*ptr, &row, &mut blobs) {
                continue;
            }
            let replaced = std::mem::replace(ptr, rows.insert(&row, &mut blobs).unwrap());
            rows.remove(replaced, &mut blobs);
        }
    }
    assert!(
        rows.allocated_bytes() <= before * 5 / 4,
        "{} bytes",
        rows.allocated_bytes()
    );
    for (n, ptr) in (0..).zip(&ptrs) {
        check_read(&rows, &blobs, *ptr, &row_of(n, 29));
    }
}

#[test]
fn free_slots_are_used_before_a_page_is_added() {
    let (mut rows, mut blobs) = (store(vec![T::U64]), BlobStore::default());
    let insert = |rows: &mut RowStore, n: u64| {
        rows.insert(&n.to_le_bytes(), &mut BlobStore::default())
            .unwrap()
    };
    let ptrs: Vec<RowPtr> = (0..40_000).map(|n| insert(&mut rows, n)).collect();
    let before = rows.allocated_bytes();
    for ptr in ptrs.iter().step_by(3) {
        rows.remove(*ptr, &mut blobs);
    }
    let freed = 40_000u64.div_ceil(3);
    for n in 0..freed {
        insert(&mut rows, n);
    }
    assert_eq!(rows.allocated_bytes(), before);
    assert_eq!(rows.len(), 40_000);
}

#[test]
fn empty_pages_are_given_back_and_their_indexes_used_again() {
    let (mut rows, mut blobs) = (store(vec![T::U64]), BlobStore::default());
    let ptrs: Vec<RowPtr> = (0..50_000u64)
        .map(|n| rows.insert(&n.to_le_bytes(), &mut blobs).unwrap())
        .collect();
    let full = rows.allocated_bytes();
    // All but the last page.
    for ptr in &ptrs[..49_152] {
        rows.remove(*ptr, &mut blobs);
    }
    assert!(
        rows.allocated_bytes() < full / 4,
        "{} bytes",
        rows.allocated_bytes()
    );
    for n in 0..49_152u64 {
        rows.insert(&n.to_le_bytes(), &mut blobs).unwrap();
    }
    assert_eq!(rows.allocated_bytes(), full);
    rows.clear(&mut blobs);
    assert!(rows.is_empty() && rows.iter().next().is_none());
    assert!(rows.allocated_bytes() < 100);
}

#[test]
fn equal_large_columns_are_stored_once() {
    let (mut rows, mut blobs) = (store(vec![T::U8, bytes()]), BlobStore::default());
    let row = |n: u8, byte| [&[n][..], &text(100_000, byte)].concat();
    let ptrs: Vec<RowPtr> = (0..5)
        .map(|n| rows.insert(&row(n, n / 4), &mut blobs).unwrap())
        .collect();
    assert_eq!((blobs.len(), blobs.uses(), blobs.bytes()), (2, 5, 200_000));
    let view = (rows.clone(), blobs.clone());
    for ptr in &ptrs[..4] {
        rows.remove(*ptr, &mut blobs);
    }
    assert_eq!((blobs.len(), blobs.uses(), blobs.bytes()), (1, 1, 100_000));
    check_read(&rows, &blobs, ptrs[4], &row(4, 1));
    rows.clear(&mut blobs);
    assert!(blobs.is_empty());
    check_read(&view.0, &view.1, ptrs[2], &row(2, 0));
}

#[test]
fn a_row_too_wide_for_a_page_moves_its_largest_columns_out() {
    let (mut rows, mut blobs) = (store(vec![T::String; 80]), BlobStore::default());
    let row: Vec<u8> = (0..80).flat_map(|n| text(992 + n, b'q')).collect();
    let ptr = rows.insert(&row, &mut blobs).unwrap();
    check_read(&rows, &blobs, ptr, &row);
    assert!(rows.row_eq(ptr, &row, &blobs));
    assert!(
        blobs.uses() > 60 && blobs.uses() < 80,
        "{} blobs",
        blobs.uses()
    );
    let mut other = row.clone();
    other[5] = b'r';
    assert!(!rows.row_eq(ptr, &other, &blobs));
    rows.remove(ptr, &mut blobs);
    assert!(blobs.is_empty());
}

#[test]
fn rows_of_nothing_are_rows() {
    let (mut rows, mut blobs) = (store(vec![]), BlobStore::default());
    let ptrs: Vec<RowPtr> = (0..3)
        .map(|_| rows.insert(&[], &mut blobs).unwrap())
        .collect();
    assert_eq!(rows.iter().collect::<Vec<_>>(), ptrs);
    check_read(&rows, &blobs, ptrs[2], &[]);
    rows.remove(ptrs[1], &mut blobs);
    assert_eq!((rows.len(), rows.contains(ptrs[1])), (2, false));
}

#[test]
fn rows_that_fill_half_a_page_and_more() {
    let (mut rows, mut blobs) = (store(vec![T::U256; 1_500]), BlobStore::default());
    let row: Vec<u8> = (0..48_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let ptrs: Vec<RowPtr> = (0..3)
        .map(|_| rows.insert(&row, &mut blobs).unwrap())
        .collect();
    for ptr in &ptrs {
        check_read(&rows, &blobs, *ptr, &row);
    }
    rows.remove(ptrs[0], &mut blobs);
    rows.insert_at(ptrs[0], &row, &mut blobs);
    check_read(&rows, &blobs, ptrs[0], &row);
}

#[test]
fn refuses_what_cannot_be_laid_out() {
    let error = |types| RowLayout::new(&product(types)).map(|_| ()).unwrap_err();
    let bytes = 2_100 * 32;
    assert_eq!(error(vec![T::U256; 2_100]), LayoutError::TooWide { bytes });
    assert_eq!(
        error(vec![T::Ref(spacetime_types::TypeRef(7))]),
        LayoutError::UnresolvedRef(7)
    );
    assert_eq!(
        error(vec![generate::sum(vec![T::U8; 257])]),
        LayoutError::TooManyVariants(257)
    );
    let deep = (0..200).fold(T::U8, |inner, _| T::Array(Box::new(inner)));
    assert_eq!(error(vec![deep]), LayoutError::TooDeep);
    let fine = (0..100).fold(T::U8, |inner, _| T::Array(Box::new(inner)));
    assert!(RowLayout::new(&product(vec![fine])).is_ok());
}

#[test]
fn says_what_is_wrong_with_a_row() {
    let check = |types: Vec<T>, row: &[u8], expect| {
        assert_eq!(
            RowLayout::new(&product(types)).unwrap().validate(row),
            Err(expect)
        );
    };
    let (expected, given) = (8, 9);
    check(
        vec![T::U32, T::U32],
        &[0; 9],
        RowError::WrongLength { expected, given },
    );
    check(
        vec![T::U8, T::Bool],
        &[0, 2],
        RowError::InvalidBool { offset: 1, byte: 2 },
    );
    check(
        vec![T::String],
        b"\x01\0\0\0\xff",
        RowError::InvalidUtf8 { offset: 0 },
    );
    check(
        vec![option(T::U8)],
        &[2, 0],
        RowError::InvalidTag {
            offset: 0,
            tag: 2,
            variants: 2,
        },
    );
    check(
        vec![T::Array(Box::new(T::String))],
        &[0xff, 0xff, 0xff, 0xff, 0, 0],
        RowError::TooShort {
            offset: 4,
            expected: 4 * (u32::MAX as usize),
            given: 2,
        },
    );
    let units = T::Array(Box::new(generate::unit()));
    let count = u32::MAX;
    check(
        vec![units.clone()],
        &count.to_le_bytes(),
        RowError::TooManyElements { offset: 0, count },
    );
    assert_eq!(
        RowLayout::new(&product(vec![units]))
            .unwrap()
            .validate(&[9, 0, 0, 0]),
        Ok(())
    );
}

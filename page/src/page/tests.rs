use super::{GARBAGE_MIN, PAGE_SIZE};
use crate::{BlobStore, RowLayout, RowPtr, RowStore};
use spacetime_types::{AlgebraicType, ProductType, ProductTypeElement};
use std::sync::Arc;

fn store() -> RowStore {
    let column = |algebraic_type| ProductTypeElement {
        name: None,
        algebraic_type,
    };
    let elements = vec![column(AlgebraicType::U8), column(AlgebraicType::String)];
    RowStore::new(Arc::new(RowLayout::new(&ProductType { elements }).unwrap()))
}

fn row(n: u8, len: u8) -> Vec<u8> {
    let mut row = vec![n, len, 0, 0, 0];
    row.resize(5 + usize::from(len), b'x');
    row
}

/// The parts of the body that no row owns.
fn check_free_bytes_are_zero(rows: &RowStore) {
    for page in rows.pages_for_tests() {
        let layout = rows.layout();
        let mut body = page.body.to_vec();
        let mut objects = 0;
        for slot in (0..layout.slots_max).filter(|slot| page.contains(*slot)) {
            let object = page.object(layout, slot);
            objects += object.len();
            body[object].fill(0);
            let start = super::index(slot) * layout.slot_size;
            body[start..start + layout.slot_size].fill(0);
        }
        assert!(
            body.iter().all(|&byte| byte == 0),
            "bytes left of a removed row"
        );
        assert_eq!(page.body.len() - page.objects_start, objects + page.garbage);
    }
}

#[test]
fn removed_rows_leave_no_bytes_behind() {
    let (mut rows, mut blobs) = (store(), BlobStore::default());
    let mut ptrs: Vec<(RowPtr, Vec<u8>)> = Vec::new();
    for step in 0..4_000u32 {
        let n = u8::try_from(step % 251).unwrap();
        let row = row(n, n / 2);
        ptrs.push((rows.insert(&row, &mut blobs).unwrap(), row));
        if step % 3 > 0 {
            let at = usize::try_from(step * 7_919).unwrap() % ptrs.len();
            rows.remove(ptrs.swap_remove(at).0, &mut blobs);
        } else if let Some((ptr, held)) = ptrs.get_mut(usize::try_from(step / 2).unwrap() % 400) {
            let row = self::row(n, n.wrapping_mul(37));
            if rows.replace(*ptr, &row, &mut blobs) {
                *held = row;
            }
        }
        if step % 500 == 0 {
            check_free_bytes_are_zero(&rows);
        }
    }
    for (ptr, row) in &ptrs {
        assert!(rows.row_eq(*ptr, row, &blobs));
    }
    check_free_bytes_are_zero(&rows);
}

#[test]
fn garbage_is_regained_once_there_is_enough() {
    let (mut rows, mut blobs) = (store(), BlobStore::default());
    let mut ptrs = Vec::new();
    while rows.pages_for_tests().count() < 2 {
        ptrs.push(rows.insert(&row(1, 100), &mut blobs).unwrap());
    }
    rows.remove(ptrs.pop().unwrap(), &mut blobs);
    assert_eq!(rows.pages_for_tests().count(), 1);
    let removed = GARBAGE_MIN / 100 + 1;
    for ptr in ptrs.iter().skip(10).take(removed) {
        rows.remove(*ptr, &mut blobs);
    }
    let garbage = rows.pages_for_tests().next().unwrap().garbage;
    assert_eq!(garbage, removed * 100);
    for _ in 0..removed {
        rows.insert(&row(2, 100), &mut blobs).unwrap();
    }
    let page = rows.pages_for_tests().next().unwrap();
    assert_eq!((rows.pages_for_tests().count(), page.garbage), (1, 0));
    assert_eq!(page.body.len(), PAGE_SIZE);
}

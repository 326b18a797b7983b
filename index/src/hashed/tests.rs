use super::{Hashed, Segment};
use spacetime_page::{RowPtr, hash_row};
use std::sync::Arc;

/// Rows whose key is their number, less what is beyond the modulus.
fn key(ptr: RowPtr, keys: u32) -> u32 {
    ptr.0 % keys
}

fn hash(ptr: RowPtr, keys: u32) -> u64 {
    hash_row(&key(ptr, keys).to_le_bytes())
}

fn rows_of(hashed: &Hashed, wanted: u32, keys: u32) -> Vec<RowPtr> {
    let found = hashed.point(hash(RowPtr(wanted), keys), |ptr| key(ptr, keys) == wanted);
    let mut found: Vec<RowPtr> = found.collect();
    found.sort_unstable();
    found
}

#[test]
fn built_at_once_is_as_built_one_by_one() {
    for (len, keys) in [
        (0, 1),
        (1, 1),
        (390, 390),
        (391, 391),
        (5_000, 5_000),
        (5_000, 700),
    ] {
        let is_unique = keys >= len;
        let hashes = (0..len).map(|n| (hash(RowPtr(n), keys), RowPtr(n)));
        let same = |a, b| key(a, keys) == key(b, keys);
        let count = usize::try_from(len).unwrap();
        let mut built = Hashed::build(count, hashes, is_unique, same).unwrap();
        let mut one_by_one = Hashed::default();
        for ptr in (0..len).map(RowPtr) {
            let same = |other| key(other, keys) == key(ptr, keys);
            let added = one_by_one.insert(hash(ptr, keys), ptr, is_unique, same);
            assert_eq!(added, Ok(()));
        }
        // Both go on as any other table: it grows and shrinks.
        for table in [&mut built, &mut one_by_one] {
            for ptr in (10_000..10_000 + len).map(RowPtr) {
                let same = |other| key(other, keys) == key(ptr, keys);
                let _ = table.insert(hash(ptr, keys), ptr, false, same);
            }
            for ptr in (0..len).step_by(3).map(RowPtr) {
                assert!(table.remove(hash(ptr, keys), ptr, |other| same(ptr, other)));
            }
        }
        assert_eq!(built.len(), one_by_one.len());
        for table in [&built, &one_by_one] {
            let segments = table.segments.iter().flatten();
            let counted: usize = segments.map(|segment| segment.counted_bytes()).sum();
            assert_eq!(table.segment_bytes, counted);
            let lists = |segment: &Arc<Segment>| -> usize {
                let used = (0..segment.lists.len()).filter(|place| {
                    let place = u32::try_from(*place).unwrap();
                    !segment.unused.contains(&place)
                });
                used.map(|place| segment.lists[place].counted_bytes()).sum()
            };
            for segment in table.segments.iter().flatten() {
                assert_eq!(segment.list_bytes, lists(segment));
            }
        }
        for wanted in 0..keys {
            let [left, right] = [&built, &one_by_one].map(|table| rows_of(table, wanted, keys));
            assert_eq!(left, right);
        }
    }
}

#[test]
fn equal_keys_are_refused_if_they_must_be_unique() {
    let hashes = (0..1_000).map(|n| (hash(RowPtr(n), 999), RowPtr(n)));
    let refused = Hashed::build(1_000, hashes, true, |a, b| key(a, 999) == key(b, 999));
    let refused = refused.map(|hashed| hashed.len());
    assert!(matches!(refused, Err(RowPtr(0 | 999))), "{refused:?}");
}

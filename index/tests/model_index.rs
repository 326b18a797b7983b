//! Indexes of random types, against an ordered map of value trees.

#[path = "../../page/tests/generate/mod.rs"]
mod generate;

use generate::{any_type, bsatn, columns, product, rows, value_of};
use proptest::prelude::*;
use proptest::sample::Index as At;
use spacetime_index::{Algorithm, Index, IndexFault, Key, KeyShape, NotOrdered, RowKeys};
use spacetime_page::RowPtr;
use spacetime_types::{AlgebraicType, AlgebraicValue, ProductType};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

type Values = Vec<AlgebraicValue>;

fn types_of(row_type: &ProductType) -> Vec<AlgebraicType> {
    row_type
        .elements
        .iter()
        .map(|element| element.algebraic_type.clone())
        .collect()
}

fn encode(shape: &KeyShape, values: &[AlgebraicValue]) -> Key {
    let parts: Vec<Vec<u8>> = values.iter().map(bsatn).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut key = Key::default();
    shape.encode(&parts, &mut key);
    assert_eq!(shape.encode_bsatn_point(&parts.concat()), Ok(key.clone()));
    key
}

/// Rows that are keys.
#[derive(Clone, Default)]
struct Rows(BTreeMap<RowPtr, Key>);

impl RowKeys for Rows {
    fn key_of(&self, ptr: RowPtr, _: &KeyShape, out: &mut Key) {
        *out = self.0[&ptr].clone();
    }
}

/// Rows whose key is a number made of their pointer.
struct Numbered<F>(F);

impl<F: Fn(u32) -> Key> RowKeys for Numbered<F> {
    fn key_of(&self, ptr: RowPtr, _: &KeyShape, out: &mut Key) {
        *out = self.0(ptr.0);
    }
}

struct Model {
    index: Index,
    rows: Rows,
    expected: BTreeMap<Values, BTreeSet<RowPtr>>,
}

impl Model {
    fn insert(&mut self, values: &[AlgebraicValue], ptr: RowPtr) {
        let key = encode(self.index.shape(), values);
        self.rows.0.insert(ptr, key.clone());
        let holders = self.expected.entry(values.to_vec()).or_default();
        match holders.first() {
            Some(holder) if self.index.is_unique() => {
                assert_eq!(self.index.insert(&key, ptr, &self.rows), Err(*holder));
                self.rows.0.remove(&ptr);
            }
            _ => {
                assert_eq!(self.index.insert(&key, ptr, &self.rows), Ok(()));
                holders.insert(ptr);
            }
        }
    }

    fn remove(&mut self, values: &[AlgebraicValue], ptr: RowPtr) {
        let key = encode(self.index.shape(), values);
        let removed = match self.expected.get_mut(values) {
            Some(holders) => {
                let removed = holders.remove(&ptr);
                if holders.is_empty() {
                    self.expected.remove(values);
                }
                removed
            }
            None => false,
        };
        assert_eq!(self.index.remove(&key, ptr, &self.rows), removed);
        if removed {
            self.rows.0.remove(&ptr);
        }
    }

    /// Adds a row, which takes the key of another over.
    fn put(&mut self, values: &[AlgebraicValue], ptr: RowPtr) {
        let key = encode(self.index.shape(), values);
        self.rows.0.insert(ptr, key.clone());
        let holders = self.expected.entry(values.to_vec()).or_default();
        let holder = holders.pop_first();
        holders.insert(ptr);
        assert_eq!(self.index.put(&key, ptr, &self.rows), holder);
        if let Some(holder) = holder {
            self.rows.0.remove(&holder);
        }
    }

    /// Another row takes the place of one, with the same key.
    fn exchange(&mut self, values: &[AlgebraicValue], old: RowPtr, new: RowPtr) {
        let key = encode(self.index.shape(), values);
        let Some(holders) = self.expected.get_mut(values) else {
            return;
        };
        if self.rows.0.contains_key(&new) || !holders.remove(&old) {
            return;
        }
        holders.insert(new);
        self.rows.0.insert(new, key.clone());
        assert!(self.index.exchange(&key, old, new, &self.rows));
        self.rows.0.remove(&old);
    }

    fn check(&self, pool: &[Values]) {
        let count: usize = self.expected.values().map(BTreeSet::len).sum();
        assert_eq!(self.index.len(), u64::try_from(count).unwrap());
        let is_row = |ptr| self.rows.0.contains_key(&ptr);
        assert_eq!(self.index.check(is_row), Ok(()));
        if let Some(ptr) = self.rows.0.keys().next() {
            let but_one = |other: RowPtr| is_row(other) && other != *ptr;
            assert_eq!(self.index.check(but_one), Err(IndexFault::NoRow(*ptr)));
        }
        for values in pool {
            let key = encode(self.index.shape(), values);
            let found: Vec<RowPtr> = self.index.point(&key, &self.rows).collect();
            let expected = self.expected.get(values).cloned().unwrap_or_default();
            assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), expected);
            assert_eq!(found.len(), expected.len());
            let first = self.index.first(&key, &self.rows);
            assert_eq!(first.is_some(), !expected.is_empty());
        }
        match self.index.iter_ordered() {
            Ok(all) => {
                let expected = self.expected.values().flatten().copied();
                assert_eq!(all.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
            Err(NotOrdered) => assert_eq!(self.index.algorithm(), Algorithm::Hash),
        }
    }

    /// A prefix of columns fixed, bounds on the next.
    fn check_range(
        &self,
        prefix: &[AlgebraicValue],
        start: Bound<&AlgebraicValue>,
        end: Bound<&AlgebraicValue>,
    ) {
        let prefix_bsatn: Vec<u8> = prefix.iter().flat_map(bsatn).collect();
        let (start_bsatn, end_bsatn) = (start.map(bsatn), end.map(bsatn));
        let (start_bsatn, end_bsatn) = (
            start_bsatn.as_ref().map(Vec::as_slice),
            end_bsatn.as_ref().map(Vec::as_slice),
        );
        let shape = self.index.shape();
        let range = shape
            .range(&prefix_bsatn, prefix.len(), start_bsatn, end_bsatn)
            .unwrap();
        let is_within = |values: &&Values| {
            let value = &values[prefix.len()];
            values[..prefix.len()] == *prefix
                && match start {
                    Bound::Included(start) => value >= start,
                    Bound::Excluded(start) => value > start,
                    Bound::Unbounded => true,
                }
                && match end {
                    Bound::Included(end) => value <= end,
                    Bound::Excluded(end) => value < end,
                    Bound::Unbounded => true,
                }
        };
        for values in self.expected.keys() {
            assert_eq!(
                range.contains(&encode(shape, values)),
                is_within(&values),
                "{range:?}"
            );
        }
        let keys = self.expected.keys().filter(is_within);
        let expected: Vec<RowPtr> = keys.flat_map(|key| &self.expected[key]).copied().collect();
        match self.index.range(&range, &self.rows) {
            Ok(found) => assert_eq!(found.collect::<Vec<_>>(), expected),
            Err(NotOrdered) => {
                assert_eq!(self.index.algorithm(), Algorithm::Hash);
                assert_eq!(range.as_point(), None);
            }
        }
    }
}

fn bound(at: u8, value: &AlgebraicValue) -> Bound<&AlgebraicValue> {
    match at % 5 {
        0 | 1 => Bound::Included(value),
        2 | 3 => Bound::Excluded(value),
        _ => Bound::Unbounded,
    }
}

/// Key types that direct indexes are for, as often as any others.
fn key_rows() -> impl Strategy<Value = (ProductType, Vec<AlgebraicValue>)> {
    use AlgebraicType as T;
    let numbers = prop::sample::select(vec![T::U8, T::U16, T::U32, T::U64]);
    let small = numbers.prop_flat_map(|number| {
        let row_type = product(vec![number]);
        let value = value_of(&T::Product(row_type.clone()), 1);
        (Just(row_type), prop::collection::vec(value, 1..20))
    });
    prop_oneof![1 => small, 3 => rows(1..4, 1..16, 3)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_a_map_from_values_to_rows(
        (row_type, pool) in key_rows(),
        algorithm in prop::sample::select(vec![
            Algorithm::BTree, Algorithm::Hash, Algorithm::Direct,
        ]),
        is_unique in any::<bool>(),
        steps in prop::collection::vec((any::<At>(), 0..12u32, 0..4u8), 0..120),
        ranges in prop::collection::vec(
            (any::<At>(), any::<At>(), any::<At>(), any::<u8>(), any::<u8>(), any::<bool>()), 8,
        ),
    ) {
        let shape = KeyShape::new(&types_of(&row_type)).unwrap();
        let pool: Vec<Values> = pool.iter().map(|row| columns(row).to_vec()).collect();
        let mut model = Model {
            index: Index::new(algorithm, is_unique, shape),
            rows: Rows::default(),
            expected: BTreeMap::new(),
        };
        let mut view = None;
        for (step, (at, ptr, action)) in steps.iter().enumerate() {
            let (values, ptr) = (at.get(&pool), RowPtr(*ptr));
            // A row has one key.
            let has = model.rows.0.contains_key(&ptr);
            match action {
                0 => model.remove(values, ptr),
                1 => model.exchange(values, ptr, RowPtr((ptr.0 * 5 + 3) % 12)),
                _ if has => {}
                2 if is_unique => model.put(values, ptr),
                _ => model.insert(values, ptr),
            }
            model.expected.retain(|_, holders| !holders.is_empty());
            if step == 40 {
                view = Some(Model {
                    index: model.index.clone(),
                    rows: model.rows.clone(),
                    expected: model.expected.clone(),
                });
            }
        }
        model.check(&pool);
        if let Some(view) = view {
            view.check(&pool);
        }
        for (column, low, high, start, end, is_point) in ranges {
            let column = column.index(row_type.elements.len());
            let (low, high) = (low.get(&pool), high.get(&pool));
            let (prefix, low, high) = (&low[..column], &low[column], &high[column]);
            let high = if is_point { low } else { high };
            model.check_range(prefix, bound(start, low), bound(end, high));
        }
        model.index.clear();
        prop_assert_eq!(model.index.len(), 0);
    }

    /// The order of keys is the order of values, for any types.
    #[test]
    fn keys_sort_as_values_do((row_type, values) in rows(1..4, 2..6, 4)) {
        let shape = KeyShape::new(&types_of(&row_type)).unwrap();
        for one in &values {
            for other in &values {
                let (a, b) = (encode(&shape, columns(one)), encode(&shape, columns(other)));
                prop_assert_eq!(a.cmp(&b), one.cmp(other), "{:?} {:?}", a, b);
            }
        }
    }

    /// Whatever bytes a module sends: an error or a key, never a panic.
    #[test]
    fn damaged_keys_are_refused(
        (types, bytes) in (prop::collection::vec(any_type(), 1..4), any::<Vec<u8>>()),
        elems in 0..4usize,
    ) {
        let shape = KeyShape::new(&types).unwrap();
        if let Ok(key) = shape.encode_bsatn_point(&bytes) {
            let mut index = Index::new(Algorithm::BTree, true, shape.clone());
            prop_assert_eq!(index.insert(&key, RowPtr(1), &Rows::default()), Ok(()));
        }
        let (start, end) = bytes.split_at(bytes.len() / 2);
        let range = shape.range(start, elems, Bound::Excluded(start), Bound::Included(end));
        prop_assert!(elems < types.len() || range.is_err());
    }
}

#[test]
fn answers_the_ranges_of_the_abi() {
    use AlgebraicType as T;
    let shape = KeyShape::new(&[T::U8, T::U16, T::String]).unwrap();
    let mut index = Index::new(Algorithm::BTree, false, shape);
    let mut known = Rows::default();
    let rows = [
        (1u8, 2u16, "cc"),
        (1, 2, "c"),
        (1, 5, ""),
        (1, 4, "x"),
        (2, 2, "cc"),
        (0, 9, ""),
    ];
    for (n, (a, b, c)) in (0..).zip(rows) {
        let c = [&[u8::try_from(c.len()).unwrap(), 0, 0, 0], c.as_bytes()].concat();
        let mut key = Key::default();
        index
            .shape()
            .encode(&[&[a], &b.to_le_bytes(), &c], &mut key);
        known.0.insert(RowPtr(n), key.clone());
        assert_eq!(index.insert(&key, RowPtr(n), &known), Ok(()));
    }
    let check = |prefix: &[u8], elems, start, end, expect: &[u32]| {
        let range = index.shape().range(prefix, elems, start, end).unwrap();
        let found: Vec<u32> = index
            .range(&range, &known)
            .unwrap()
            .map(|ptr| ptr.0)
            .collect();
        assert_eq!(found, expect);
    };
    check(
        b"junk",
        0,
        Bound::Included(&[1]),
        Bound::Included(&[1]),
        &[1, 0, 3, 2],
    );
    check(
        &[1],
        1,
        Bound::Included(&[2, 0]),
        Bound::Included(&[2, 0]),
        &[1, 0],
    );
    check(
        &[1],
        1,
        Bound::Included(&[2, 0]),
        Bound::Excluded(&[5, 0]),
        &[1, 0, 3],
    );
    check(
        &[1],
        1,
        Bound::Included(&[5, 0]),
        Bound::Excluded(&[2, 0]),
        &[],
    );
    check(&[1], 1, Bound::Excluded(&[2, 0]), Bound::Unbounded, &[3, 2]);
    let c: &[u8] = b"\x01\0\0\0c";
    check(&[1, 2, 0], 2, Bound::Excluded(c), Bound::Unbounded, &[0]);
    check(&[1, 2, 0], 2, Bound::Included(c), Bound::Included(c), &[1]);
    let point = index
        .shape()
        .encode_bsatn_point(b"\x01\x02\0\x02\0\0\0cc")
        .unwrap();
    assert_eq!(index.point(&point, &known).collect::<Vec<_>>(), [RowPtr(0)]);
    let too_long = index
        .shape()
        .range(&[], 3, Bound::Unbounded, Bound::Unbounded);
    assert!(too_long.is_err());
}

#[test]
fn a_hash_index_answers_equal_bounds_and_refuses_other_ranges() {
    let shape = KeyShape::new(&[AlgebraicType::U32]).unwrap();
    let mut index = Index::new(Algorithm::Hash, true, shape);
    let rows = Numbered(|_| Key::U64(7));
    assert_eq!(index.insert(&Key::U64(7), RowPtr(1), &rows), Ok(()));
    let seven = 7u32.to_le_bytes();
    let (start, end) = (Bound::Included(&seven[..]), Bound::Included(&seven[..]));
    let point = index.shape().range(&[], 0, start, end).unwrap();
    assert_eq!(
        index.range(&point, &rows).unwrap().collect::<Vec<_>>(),
        [RowPtr(1)]
    );
    let open = index
        .shape()
        .range(&[], 0, start, Bound::Unbounded)
        .unwrap();
    assert!(index.range(&open, &rows).is_err());
}

#[test]
fn many_rows_of_few_keys_and_few_rows_of_many_keys() {
    for algorithm in [Algorithm::BTree, Algorithm::Hash] {
        for keys in [3u64, 50_000] {
            let shape = KeyShape::new(&[AlgebraicType::U64]).unwrap();
            let mut index = Index::new(algorithm, false, shape);
            let key_of = |n: u32| Key::U64(u64::from(n).wrapping_mul(0x9e37_79b9) % keys);
            let rows = Numbered(key_of);
            for n in 0..50_000 {
                assert_eq!(index.insert(&key_of(n), RowPtr(n), &rows), Ok(()));
            }
            let view = index.clone();
            for n in (0..50_000).filter(|n| n % 7 != 0) {
                assert!(index.remove(&key_of(n), RowPtr(n), &rows));
                assert!(!index.remove(&key_of(n), RowPtr(n), &rows));
            }
            assert_eq!((index.len(), view.len()), (7_143, 50_000));
            for n in (0..50_000).step_by(97) {
                let expect = |step: u32| {
                    let rows = (0..50_000u32).filter(move |n| n % step == 0);
                    rows.filter(move |other| key_of(*other) == key_of(n))
                        .map(RowPtr)
                };
                if keys > 3 || n < 300 {
                    let mut found: Vec<RowPtr> = index.point(&key_of(n), &rows).collect();
                    found.sort();
                    assert!(found.into_iter().eq(expect(7)));
                    assert_eq!(view.point(&key_of(n), &rows).count(), expect(1).count());
                }
            }
            assert!(index.allocated_bytes() < view.allocated_bytes());
        }
    }
}

#[test]
fn a_direct_index_turns_into_a_tree_rather_than_waste_memory() {
    let shape = KeyShape::new(&[AlgebraicType::U64]).unwrap();
    let none = Rows::default();
    let mut index = Index::new(Algorithm::Direct, true, shape);
    for n in 0..1_000u64 {
        assert_eq!(
            index.insert(&Key::U64(n), RowPtr(u32::try_from(n).unwrap()), &none),
            Ok(())
        );
    }
    assert!(
        index.allocated_bytes() < 8_000,
        "{} bytes",
        index.allocated_bytes()
    );
    for far in [u64::from(u32::MAX), u64::MAX] {
        assert_eq!(index.insert(&Key::U64(far), RowPtr(5), &none), Ok(()));
        assert_eq!(
            index.insert(&Key::U64(far), RowPtr(6), &none),
            Err(RowPtr(5))
        );
    }
    assert!(
        index.allocated_bytes() < 40_000,
        "{} bytes",
        index.allocated_bytes()
    );
    assert_eq!(index.len(), 1_002);
    assert_eq!(index.first(&Key::U64(999), &none), Some(RowPtr(999)));
    assert_eq!(index.first(&Key::U64(1_000), &none), None);
    assert_eq!(index.first(&Key::U64(u64::MAX), &none), Some(RowPtr(5)));
    assert_eq!(index.iter_ordered().unwrap().count(), 1_002);
}

#[test]
fn a_unique_hash_index_stays_below_22_bytes_a_row() {
    let shape = KeyShape::new(&[AlgebraicType::U64]).unwrap();
    let mut index = Index::new(Algorithm::Hash, true, shape);
    let rows = Numbered(|n| Key::U64(u64::from(n)));
    for n in 0..150_000u32 {
        let key = Key::U64(u64::from(n));
        assert_eq!(index.insert(&key, RowPtr(n), &rows), Ok(()));
        if n % 10_000 == 9_999 {
            let bytes = index.allocated_bytes() / usize::try_from(n).unwrap();
            assert!(bytes < 22, "{bytes} bytes a row with {n} rows");
        }
    }
}

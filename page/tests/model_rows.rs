//! Rows of random types, against a plain map from row pointer to bytes.

mod generate;

use generate::{bsatn, columns, product, rows};
use proptest::prelude::*;
use spacetime_page::{BlobStore, RowLayout, RowPtr, RowStore};
use spacetime_types::AlgebraicType;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Model {
    rows: RowStore,
    blobs: BlobStore,
    expected: BTreeMap<RowPtr, Vec<u8>>,
}

impl Model {
    fn new(layout: &Arc<RowLayout>) -> Model {
        Model {
            rows: RowStore::new(Arc::clone(layout)),
            blobs: BlobStore::default(),
            expected: BTreeMap::new(),
        }
    }

    fn insert(&mut self, row: &[u8]) -> RowPtr {
        let ptr = self.rows.insert(row, &mut self.blobs).unwrap();
        assert_eq!(
            self.expected.insert(ptr, row.to_vec()),
            None,
            "{ptr:?} was taken"
        );
        ptr
    }

    fn remove(&mut self, ptr: RowPtr) -> Vec<u8> {
        self.rows.remove(ptr, &mut self.blobs);
        assert!(!self.rows.contains(ptr));
        self.expected.remove(&ptr).unwrap()
    }

    /// The old row, if there was room for the new one.
    fn replace(&mut self, ptr: RowPtr, row: &[u8]) -> Option<Vec<u8>> {
        let is_shorter = row.len() <= self.expected[&ptr].len();
        let is_done = self.rows.replace(ptr, row, &mut self.blobs);
        let is_fixed = self.rows.layout().fixed_bsatn_len().is_some();
        assert!(is_done || !(is_fixed && is_shorter), "there was room");
        is_done.then(|| self.expected.insert(ptr, row.to_vec()).unwrap())
    }

    fn nth(&self, n: usize) -> Option<RowPtr> {
        let ptrs = self.expected.keys();
        ptrs.copied().nth(n.checked_rem(self.expected.len())?)
    }

    fn check(&self) {
        assert_eq!(self.rows.len(), u64::try_from(self.expected.len()).unwrap());
        let ptrs: Vec<RowPtr> = self.rows.iter().collect();
        assert_eq!(ptrs, self.expected.keys().copied().collect::<Vec<_>>());
        for (ptr, row) in &self.expected {
            let mut out = Vec::new();
            self.rows.read(*ptr, &self.blobs, &mut out);
            assert_eq!(&out, row);
            assert!(self.rows.row_eq(*ptr, row, &self.blobs));
        }
    }
}

/// Many rows at once go where there is room, also into the holes that removed rows left.
#[test]
fn rows_stored_at_once_come_back() {
    let lens = [1_u32, 2, 8, 24, 1000, 40_000];
    for (case, len) in lens.into_iter().enumerate() {
        let len = usize::try_from(len).unwrap();
        let row_type = product(vec![AlgebraicType::U8; len]);
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let mut model = Model::new(&layout);
        let mut random = 77 + u64::try_from(case).unwrap();
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from((random >> 33) % below).unwrap()
        };
        let most = u64::try_from((200_000 / len).min(4_000) + 2).unwrap();
        for _ in 0..6 {
            let rows: Vec<u8> = (0..next(most) * len)
                .map(|_| u8::try_from(next(256)).unwrap())
                .collect();
            let mut chunks = rows.chunks_exact(len);
            let expected = &mut model.expected;
            let inserted = model.rows.insert_rows(&rows, |first, count| {
                for nth in 0..count {
                    let row = chunks.next().unwrap().to_vec();
                    let ptr = RowPtr(first.0 + nth);
                    assert_eq!(expected.insert(ptr, row), None, "{ptr:?} was taken");
                }
            });
            assert_eq!(inserted, Ok(()));
            assert_eq!(chunks.next(), None);
            model.check();
            let (skipped, step) = (next(3), 2 + next(40));
            let present: Vec<RowPtr> = model.expected.keys().copied().collect();
            for ptr in present.into_iter().skip(skipped).step_by(step) {
                model.remove(ptr);
            }
            model.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Operations with undo in reverse order, as transactions do it.
    #[test]
    fn rows_come_back_as_they_went_in(
        (row_type, values) in rows(0..6, 1..24, 6000),
        steps in prop::collection::vec((0..3u8, any::<prop::sample::Index>()), 0..160),
        undone in 0..160usize,
    ) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let pool: Vec<Vec<u8>> = values.iter().map(bsatn).collect();
        let mut model = Model::new(&layout);
        let mut log = Vec::new();
        for (action, at) in &steps {
            let row = at.get(&pool);
            match (action, model.nth(at.index(1000))) {
                (0, _) | (_, None) => log.push((model.insert(row), None)),
                (1, Some(ptr)) => log.push((ptr, Some(model.remove(ptr)))),
                (_, Some(ptr)) => if let Some(old) = model.replace(ptr, row) {
                    log.push((ptr, Some(old)));
                    log.push((ptr, None));
                }
            }
        }
        model.check();
        let view = (model.rows.clone(), model.blobs.clone(), model.expected.clone());
        for (ptr, removed) in log.into_iter().rev().take(undone) {
            if let Some(row) = removed {
                model.rows.insert_at(ptr, &row, &mut model.blobs);
                model.expected.insert(ptr, row);
            } else {
                model.remove(ptr);
            }
        }
        model.check();
        let view = Model { rows: view.0, blobs: view.1, expected: view.2 };
        view.check();
        while let Some(ptr) = model.nth(0) {
            model.remove(ptr);
        }
        prop_assert_eq!(model.blobs.uses(), 0);
        prop_assert_eq!(model.blobs.bytes(), 0);
        prop_assert!(model.rows.allocated_bytes() < 4096);
    }

    #[test]
    fn columns_are_found_in_bytes_and_in_pages((row_type, values) in rows(0..7, 1..4, 200)) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let mut model = Model::new(&layout);
        for value in &values {
            let row = bsatn(value);
            prop_assert_eq!(layout.validate(&row), Ok(()));
            let mut longer = row.clone();
            longer.extend([0xee; 3]);
            prop_assert_eq!(layout.row_len(&longer), Ok(row.len()));
            let ptr = model.insert(&row);
            let mut ranges = smallvec::SmallVec::new();
            layout.column_ranges(&row, &mut ranges);
            for (col, column) in columns(value).iter().enumerate() {
                let expected = bsatn(column);
                prop_assert_eq!(&row[layout.column_range(&row, col)], &expected[..]);
                prop_assert_eq!(&row[ranges[col].clone()], &expected[..]);
                let mut out = Vec::new();
                model.rows.read_column(ptr, col, &model.blobs, &mut out);
                prop_assert_eq!(out, expected);
            }
        }
    }

    /// A row differs from every other value of its type by bytes, wherever they differ.
    #[test]
    fn row_eq_is_equality_of_bytes((row_type, values) in rows(1..5, 2..8, 12)) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let mut model = Model::new(&layout);
        let rows: Vec<Vec<u8>> = values.iter().map(bsatn).collect();
        for row in &rows {
            let ptr = model.insert(row);
            for other in &rows {
                prop_assert_eq!(model.rows.row_eq(ptr, other, &model.blobs), row == other);
            }
        }
    }

    /// Whatever bytes come in: no panic, and what is accepted is read back unchanged.
    #[test]
    fn damaged_rows_are_refused_or_kept_as_they_are(
        (row_type, values) in rows(1..5, 1..2, 12),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let layout = Arc::new(RowLayout::new(&row_type).unwrap());
        let mut row = bsatn(&values[0]);
        prop_assume!(!row.is_empty());
        let at = at.index(row.len());
        if cut {
            row.truncate(at);
            prop_assert!(layout.validate(&row).is_err());
            prop_assert!(layout.row_len(&row).is_err());
        } else {
            row[at] = byte;
            if layout.validate(&row).is_ok() {
                Model::new(&layout).insert(&row);
            }
            row.push(0);
            prop_assert!(layout.validate(&row).is_err() || layout.fixed_bsatn_len().is_none());
        }
    }
}

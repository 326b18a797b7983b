//! Finds a row by its whole value, for tables that have no unique index to do it.
//!
//! Invariants
//!   * One entry per row, holding a part of the row's hash and its pointer: eight bytes.
//!   * The rows themselves are asked whether they are equal; hashes may collide.

use spacetime_index::Hashed;
use spacetime_page::{BlobStore, RowPtr, RowStore, hash_row};

/// The rows of a table by hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowSet {
    rows: Hashed,
}

impl RowSet {
    /// The row equal to `row`.
    pub fn find(&self, row: &[u8], rows: &RowStore, blobs: &BlobStore) -> Option<RowPtr> {
        let is_equal = |ptr| rows.row_eq(ptr, row, blobs);
        self.rows.first(hash_row(row), is_equal)
    }

    /// Adds a row that is not there.
    pub fn insert(&mut self, row: &[u8], ptr: RowPtr) {
        let inserted = self.rows.insert(hash_row(row), ptr, true, |_| false);
        assert!(inserted.is_ok(), "a new row equals none");
    }

    /// The set of these rows. Fails with a row that another one equals.
    pub fn build(
        len: usize,
        ptrs: impl Iterator<Item = RowPtr>,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> Result<RowSet, RowPtr> {
        let (mut row, mut other_row) = (Vec::new(), Vec::new());
        let hashes = ptrs.map(|ptr| {
            row.clear();
            rows.read(ptr, blobs, &mut row);
            (hash_row(&row), ptr)
        });
        let same = |ptr, other| {
            other_row.clear();
            rows.read(ptr, blobs, &mut other_row);
            rows.row_eq(other, &other_row, blobs)
        };
        let rows = Hashed::build(len, hashes, true, same)?;
        Ok(RowSet { rows })
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: &[u8], ptr: RowPtr) {
        let removed = self.rows.remove(hash_row(row), ptr, |other| other == ptr);
        assert!(removed, "the row set holds every row");
    }

    pub fn clear(&mut self) {
        self.rows = Hashed::default();
    }

    pub fn len(&self) -> u64 {
        self.rows.len()
    }

    pub fn allocated_bytes(&self) -> usize {
        self.rows.allocated_bytes()
    }

    pub fn counted_bytes(&self) -> usize {
        self.rows.counted_bytes()
    }
}

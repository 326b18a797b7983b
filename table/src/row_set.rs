//! Finds a row by its whole value, for tables that have no unique index to do it.
//!
//! Invariants
//!   * One entry per row, holding half of the row's hash and its pointer: eight bytes.
//!   * The rows themselves are asked whether they are equal; hashes may collide.

use hashbrown::HashTable;
use spacetime_page::{BlobStore, RowPtr, RowStore, hash_row};

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    ptr: RowPtr,
}

/// The rows of a table by hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowSet {
    entries: HashTable<Entry>,
}

fn half_hash(row: &[u8]) -> u32 {
    let hash = hash_row(row);
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// Spreads half a hash over 64 bits: the table uses bits of both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl RowSet {
    /// The row equal to `row`.
    pub fn find(&self, row: &[u8], rows: &RowStore, blobs: &BlobStore) -> Option<RowPtr> {
        let hash = half_hash(row);
        let is_equal = |entry: &Entry| entry.hash == hash && rows.row_eq(entry.ptr, row, blobs);
        self.entries
            .find(spread(hash), is_equal)
            .map(|entry| entry.ptr)
    }

    /// Adds a row that is not there.
    pub fn insert(&mut self, row: &[u8], ptr: RowPtr) {
        let hash = half_hash(row);
        let hasher = |entry: &Entry| spread(entry.hash);
        self.entries
            .insert_unique(spread(hash), Entry { hash, ptr }, hasher);
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: &[u8], ptr: RowPtr) {
        let found = self
            .entries
            .find_entry(spread(half_hash(row)), |entry| entry.ptr == ptr);
        assert!(found.is_ok(), "the row set holds every row");
        if let Ok(entry) = found {
            entry.remove();
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn allocated_bytes(&self) -> usize {
        self.entries.allocation_size()
    }
}

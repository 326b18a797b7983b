//! A table while a log is replayed: rows that nothing finds yet, and rows that took a key over.
//!
//! Not here: which record rows came with and what became of it (see `replay`).

use spacetime_page::{BlobStore, InsertError, RowPtr, RowStore};

use super::{Keys, Table};
use crate::schema::IndexSchema;

/// Why pending rows could not be entered into the finder. The table is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingError {
    /// An equal row is there.
    Duplicate,
    /// Another row has the key.
    Conflict,
}

impl Table {
    /// Stores a row whose key in the finder `holder` has: it takes the key over.
    pub fn supersede(
        &mut self,
        holder: RowPtr,
        row: &[u8],
        blobs: &mut BlobStore,
        keys: &mut Keys,
    ) -> Result<RowPtr, InsertError> {
        let ptr = self.rows.insert(row, blobs)?;
        assert!(self.replaying, "rows are superseded only in a replay");
        let finder = self
            .finder
            .unwrap_or_else(|| panic!("only a unique index has conflicts"));
        self.exchange_key(finder, row, (holder, ptr), blobs, keys);
        Ok(ptr)
    }

    /// Enters a superseded row into the finder again. Fails with the row that has its key.
    pub fn adopt(&mut self, ptr: RowPtr, blobs: &BlobStore, keys: &mut Keys) -> Result<(), RowPtr> {
        let mut row = Vec::new();
        self.rows.read(ptr, blobs, &mut row);
        match self.finder {
            Some(finder) => self.insert_key(finder, &row, ptr, blobs, keys),
            None => Ok(()),
        }
    }

    /// The row that can equal `row`, and whether it does.
    pub fn find_candidate(
        &self,
        row: &[u8],
        blobs: &BlobStore,
        keys: &mut Keys,
    ) -> Option<(RowPtr, bool)> {
        match self.finder {
            Some(finder) => {
                let ptr = self.find_by(finder, row, blobs, keys)?;
                Some((ptr, self.rows.row_eq(ptr, row, blobs)))
            }
            None => self.find(row, blobs, keys).map(|ptr| (ptr, true)),
        }
    }

    /// The index that finds equal rows.
    pub fn finder_schema(&self) -> Option<&IndexSchema> {
        self.finder.map(|finder| &self.schema.indexes[finder])
    }

    /// Takes rows from a snapshot into the empty table, during a replay. Nothing finds them until
    /// [`Table::index_pending`].
    pub fn take_restored(&mut self, rows: RowStore) {
        assert!(self.replaying, "rows are restored only in a replay");
        assert!(
            self.rows.is_empty(),
            "rows are restored into an empty table"
        );
        for ptr in &rows {
            self.pending.push(0, ptr, 1);
        }
        self.rows = rows;
    }

    /// Stops keeping indexes other than the finder up to date.
    pub fn begin_replay(&mut self) {
        self.replaying = true;
        for (position, index) in self.indexes.iter_mut().enumerate() {
            if self.finder != Some(position) {
                index.index.clear();
            }
        }
    }

    /// Stores valid rows, given back to back, which nothing finds until
    /// [`Table::index_pending`].
    pub fn push_pending(
        &mut self,
        rows: &[u8],
        count: u64,
        record: u64,
        blobs: &mut BlobStore,
    ) -> Result<(), InsertError> {
        assert!(self.replaying, "rows are pending only in a replay");
        let layout = &self.schema.layout;
        if count > 1 && layout.stores_rows_as_they_are() {
            let pending = &mut self.pending;
            let placed = |first, count| pending.push(record, first, count);
            return self.rows.insert_rows(rows, placed);
        }
        let mut at = 0;
        for _ in 0..count {
            let end = at + layout.valid_row_len(&rows[at..]);
            let ptr = self.rows.insert(&rows[at..end], blobs)?;
            self.pending.push(record, ptr, 1);
            at = end;
        }
        assert!(at == rows.len(), "so many rows were counted");
        Ok(())
    }

    /// Whether there are rows that nothing finds.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Enters pending rows into the finder, or into the row set. Those of records before `record`
    /// must be unlike all others; `supersedes` is told of each of the others that takes the key
    /// of another row over.
    pub fn index_pending(
        &mut self,
        record: u64,
        blobs: &BlobStore,
        keys: &mut Keys,
        supersedes: impl FnMut(RowPtr, RowPtr),
    ) -> Result<(), PendingError> {
        let mut pending = std::mem::take(&mut self.pending);
        let earlier = pending.earlier_than(record);
        let (mut finding, rows) = self.finding();
        let entered = finding.enter_pending(&pending, earlier, (rows, blobs), keys, supersedes);
        pending.clear();
        self.pending = pending;
        entered
    }
}

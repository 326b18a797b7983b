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
        self.take_key_over(ptr, holder, row, blobs, keys);
        Ok(ptr)
    }

    fn take_key_over(
        &mut self,
        ptr: RowPtr,
        holder: RowPtr,
        row: &[u8],
        blobs: &BlobStore,
        keys: &mut Keys,
    ) {
        assert!(self.replaying, "rows are superseded only in a replay");
        let finder = self
            .finder
            .unwrap_or_else(|| panic!("only a unique index has conflicts"));
        self.exchange_key(finder, row, (holder, ptr), blobs, keys);
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

    /// Takes rows from a snapshot into the empty table, during a replay. Fails with a row that
    /// another equals, or whose key another has.
    pub fn take_restored(&mut self, rows: RowStore, blobs: &BlobStore) -> Result<(), RowPtr> {
        assert!(self.replaying, "rows are restored only in a replay");
        assert!(
            self.rows.is_empty(),
            "rows are restored into an empty table"
        );
        self.rows = rows;
        self.fill(self.finder, blobs)
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
        mut supersedes: impl FnMut(RowPtr, RowPtr),
    ) -> Result<(), PendingError> {
        let pending = std::mem::take(&mut self.pending);
        let earlier = pending.earlier_than(record);
        let mut done = 0;
        if pending.len() == self.rows.len() {
            // Nothing finds any row yet. If this fails, what follows finds out why.
            let count = usize::try_from(earlier).unwrap_or(usize::MAX);
            let ptrs = pending.iter().take(count);
            if self.fill_with(self.finder, earlier, ptrs, blobs).is_ok() {
                done = count;
            }
        }
        let mut row = Vec::new();
        for (nth, ptr) in (0..).zip(pending.iter()).skip(done) {
            row.clear();
            self.rows.read(ptr, blobs, &mut row);
            let Some(finder) = self.finder else {
                let set = self.row_set.get_or_insert_default();
                if set.find(&row, &self.rows, blobs).is_some() {
                    return Err(PendingError::Duplicate);
                }
                set.insert(&row, ptr);
                continue;
            };
            let Err(holder) = self.insert_key(finder, &row, ptr, blobs, keys) else {
                continue;
            };
            if self.rows.row_eq(holder, &row, blobs) {
                return Err(PendingError::Duplicate);
            }
            if nth < earlier {
                return Err(PendingError::Conflict);
            }
            self.take_key_over(ptr, holder, &row, blobs, keys);
            supersedes(ptr, holder);
        }
        Ok(())
    }

    /// Fills the indexes that a replay left empty. Fails with the position of an index that the
    /// rows contradict.
    pub fn finish_replay(&mut self, blobs: &BlobStore) -> Result<(), usize> {
        assert!(self.replaying, "a replay ends once");
        assert!(self.pending.is_empty(), "the finder has all rows");
        self.replaying = false;
        for position in 0..self.indexes.len() {
            if self.finder != Some(position) {
                let filled = self.fill(Some(position), blobs);
                filled.map_err(|_| position)?;
            }
        }
        Ok(())
    }
}

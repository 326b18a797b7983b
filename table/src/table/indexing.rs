//! Entering many rows into what finds them: those that a migration writes anew, and at the end of a
//! replay those of all tables, in pieces that need no order.
//!
//! Not here: threads. Whoever ends a replay may run the pieces on some.

use std::sync::Arc;

use spacetime_page::{BlobStore, RowPtr, RowStore};

use super::{Keys, PendingError, Table, TableIndex, TakeRowsError};
use crate::ReplayError;
use crate::pending::Pending;
use crate::row_set::RowSet;

/// What finds the rows of a table: an index, or the row set of a table without unique ones.
#[derive(Debug)]
pub(super) enum Finding<'a> {
    Index(&'a mut TableIndex),
    Set(&'a mut RowSet),
}

impl Finding<'_> {
    fn len(&self) -> u64 {
        match self {
            Finding::Index(index) => index.index.len(),
            Finding::Set(set) => set.len(),
        }
    }

    /// Enters rows while there are none, much cheaper than one by one. If it fails there are none
    /// still.
    fn fill(
        &mut self,
        len: u64,
        ptrs: impl Iterator<Item = RowPtr>,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> Result<(), RowPtr> {
        match self {
            Finding::Index(index) => index.fill(len, ptrs, rows, blobs),
            Finding::Set(set) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                **set = RowSet::build(len, ptrs, rows, blobs)?;
                Ok(())
            }
        }
    }

    /// Enters a row. Fails with the one that has its key, or equals it; which may lose the key.
    fn enter(
        &mut self,
        ptr: RowPtr,
        row: &[u8],
        (rows, blobs): (&RowStore, &BlobStore),
        keys: &mut Keys,
        takes_over: bool,
    ) -> Result<(), RowPtr> {
        match self {
            Finding::Index(index) => {
                index.encode_key(row, rows, &mut keys.key);
                if takes_over {
                    let holder = index.put(&keys.key, ptr, rows, blobs);
                    return holder.map_or(Ok(()), Err);
                }
                index.insert(&keys.key, ptr, rows, blobs)
            }
            Finding::Set(set) => {
                set.find(row, rows, blobs).map_or(Ok(()), Err)?;
                set.insert(row, ptr);
                Ok(())
            }
        }
    }

    /// Enters pending rows, of which the first `earlier` must be unlike all others. `supersedes`
    /// is told of each of the rest that takes the key of another row over.
    pub fn enter_pending(
        &mut self,
        pending: &Pending,
        earlier: u64,
        (rows, blobs): (&RowStore, &BlobStore),
        keys: &mut Keys,
        mut supersedes: impl FnMut(RowPtr, RowPtr),
    ) -> Result<(), PendingError> {
        let mut done = 0;
        if pending.len() == rows.len() {
            // Nothing finds any row yet. If this fails, what follows finds out why.
            let count = usize::try_from(earlier).unwrap_or(usize::MAX);
            let ptrs = pending.iter().take(count);
            if self.fill(earlier, ptrs, rows, blobs).is_ok() {
                done = count;
            }
        }
        let mut buffer = std::mem::take(&mut keys.row);
        for (nth, ptr) in (0..).zip(pending.iter()).skip(done) {
            let row = match rows.row_bytes(ptr) {
                Some(row) => row,
                None => {
                    buffer.clear();
                    rows.read(ptr, blobs, &mut buffer);
                    &buffer
                }
            };
            // If that is wrong nothing of the table is used any more.
            let may_supersede = nth >= earlier;
            let Err(holder) = self.enter(ptr, row, (rows, blobs), keys, may_supersede) else {
                continue;
            };
            if rows.row_eq(holder, row, blobs) {
                return Err(PendingError::Duplicate);
            }
            if !may_supersede || matches!(self, Finding::Set(_)) {
                return Err(PendingError::Conflict);
            }
            supersedes(ptr, holder);
        }
        keys.row = buffer;
        Ok(())
    }
}

/// A piece of the work at the end of a replay: it builds and checks one index, or another
/// structure that finds the rows of one table. Pieces can be run in any order, on any thread.
#[derive(Debug)]
pub struct IndexJob<'a> {
    table: &'a Arc<str>,
    index: Option<&'a Arc<str>>,
    finding: Finding<'a>,
    /// The rows that are not entered yet.
    pending: Missing,
    rows: &'a RowStore,
    blobs: &'a BlobStore,
}

/// The rows that are not entered yet.
#[derive(Debug)]
enum Missing {
    All,
    These(Pending),
}

impl IndexJob<'_> {
    /// Number of rows to enter.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match &self.pending {
            Missing::All => self.rows.len(),
            Missing::These(pending) => pending.len(),
        }
    }

    /// Does it. Rows that contradict the index are an error.
    pub fn run(mut self) -> Result<(), ReplayError> {
        let (rows, blobs) = (self.rows, self.blobs);
        let entered = match &self.pending {
            Missing::All => {
                let filled = self.finding.fill(rows.len(), rows.iter(), rows, blobs);
                filled.map_err(|_| PendingError::Conflict)
            }
            Missing::These(pending) => {
                let (all, keys) = (pending.len(), &mut Keys::default());
                let never = |_, _| unreachable!("rows are all of earlier records");
                self.finding
                    .enter_pending(pending, all, (rows, blobs), keys, never)
            }
        };
        entered.map_err(|error| match error {
            PendingError::Duplicate => ReplayError::DuplicateRow {
                table: Arc::clone(self.table),
            },
            PendingError::Conflict => ReplayError::Conflict {
                table: Arc::clone(self.table),
                index: self.index.map_or_else(|| "?".into(), Arc::clone),
            },
        })?;
        self.check()
    }

    /// Whether what is built now has all rows, and nothing else.
    fn check(&self) -> Result<(), ReplayError> {
        let wrong = |what: String| ReplayError::Inconsistent {
            table: Arc::clone(self.table),
            what,
        };
        if self.finding.len() != self.rows.len() {
            let (found, rows) = (self.finding.len(), self.rows.len());
            return Err(wrong(format!("{found} entries for {rows} rows")));
        }
        match &self.finding {
            Finding::Index(index) => {
                let checked = index.index.check(|ptr| self.rows.contains(ptr));
                checked.map_err(|fault| wrong(fault.to_string()))
            }
            Finding::Set(_) => Ok(()),
        }
    }
}

impl Table {
    /// Copies all rows of another table, whose columns may have other types, into this empty one.
    pub fn take_rows(&mut self, from: &Table, blobs: &mut BlobStore) -> Result<(), TakeRowsError> {
        let mut row = Vec::new();
        for ptr in from.rows.iter() {
            row.clear();
            from.rows.read(ptr, blobs, &mut row);
            let checked = self.schema.layout.validate(&row);
            checked.map_err(TakeRowsError::Row)?;
            let placed = self.rows.insert(&row, blobs);
            placed.map_err(TakeRowsError::NoRoom)?;
        }
        let conflict = |position: Option<usize>| TakeRowsError::Conflict(position.unwrap_or(0));
        self.find_all(blobs).map_err(conflict)
    }

    /// Enters all rows, of which none is entered yet, into all indexes and the row set: much
    /// cheaper than row by row. Fails with the position of an index in which two have the same
    /// key, or with none if two are equal; the table is then to be cleared.
    pub fn find_all(&mut self, blobs: &BlobStore) -> Result<(), Option<usize>> {
        for position in 0..self.indexes.len() {
            if self.is_kept(position) {
                let filled = self.fill(Some(position), blobs);
                filled.map_err(|_| Some(position))?;
            }
        }
        self.fill(None, blobs).map_err(|_| None)
    }

    /// What finds equal rows, and the rows.
    pub(super) fn finding(&mut self) -> (Finding<'_>, &RowStore) {
        let finding = match self.finder {
            Some(finder) => Finding::Index(&mut self.indexes[finder]),
            None => Finding::Set(self.row_set.get_or_insert_default()),
        };
        (finding, &self.rows)
    }

    /// Ends a replay: adds what is to be done to `jobs`.
    pub fn finish_replay<'a>(&'a mut self, blobs: &'a BlobStore, jobs: &mut Vec<IndexJob<'a>>) {
        assert!(self.replaying, "a replay ends once");
        self.replaying = false;
        let mut pending = Missing::These(std::mem::take(&mut self.pending));
        let (rows, table) = (&self.rows, &self.schema.name);
        let mut job = |index, finding, pending| {
            jobs.push(IndexJob {
                table,
                index,
                finding,
                pending,
                rows,
                blobs,
            });
        };
        let indexes = self.indexes.iter_mut().zip(&self.schema.indexes);
        for (position, (index, schema)) in indexes.enumerate() {
            let missing = if self.finder == Some(position) {
                std::mem::replace(&mut pending, Missing::All)
            } else {
                Missing::All
            };
            job(Some(&schema.name), Finding::Index(index), missing);
        }
        if self.finder.is_none() {
            let set = self.row_set.get_or_insert_default();
            job(None, Finding::Set(set), pending);
        }
    }
}

const _: () = {
    const fn can_be_sent_to_threads<T: Send>() {}
    can_be_sent_to_threads::<IndexJob<'static>>();
};

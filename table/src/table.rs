//! One table: its rows, and the structures that find them.
//!
//! Invariants
//!   * No two rows are equal. Rows are equal if their bytes are.
//!   * Every row is in every index and, if no index is unique, in the row set. While a log is
//!     replayed only the *finder*, the unique index with the lowest id, is kept up to date, and
//!     *pending* rows are in no index and no row set at all.
//!   * An operation that is refused changes nothing.
//!
//! Not here: undo and deltas (see `transaction`), sequences (see `write`).

use std::sync::Arc;

use smallvec::SmallVec;
use spacetime_index::Key;
use spacetime_page::{BlobStore, InsertError, RowError, RowPtr, RowStore};
use spacetime_types::{ColId, IndexId, SequenceId};

use crate::pending::Pending;
use crate::planted::{self, Bug};
use crate::row_set::RowSet;
use crate::schema::TableSchema;

mod indexing;
mod keyed;
mod replaying;

pub use indexing::IndexJob;
pub(crate) use keyed::TableIndex;
pub(crate) use replaying::PendingError;

/// A table's rows and indexes.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub schema: Arc<TableSchema>,
    pub rows: RowStore,
    /// In the order of `schema.indexes`.
    pub indexes: Vec<TableIndex>,
    row_set: Option<RowSet>,
    /// Position of the unique index with the lowest id.
    finder: Option<usize>,
    /// Only the finder is kept up to date.
    replaying: bool,
    /// In a replay, rows that nothing finds yet.
    pending: Pending,
    /// Columns that are generated when they arrive as 0, in order.
    pub generated: SmallVec<[(ColId, SequenceId); 1]>,
}

/// What became of a row to insert.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placed {
    /// It is there now.
    Inserted(RowPtr),
    /// An equal row was there.
    Existed(RowPtr),
}

/// Why a row was not inserted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A row with this key in the unique index is there.
    Conflict { index: usize, holder: RowPtr },
    /// The table is full.
    NoRoom(InsertError),
}

/// The schema and indexes that a table had.
#[derive(Debug)]
pub(crate) struct Indexing {
    pub schema: Arc<TableSchema>,
    indexes: Vec<TableIndex>,
    /// The row set, if the table lost it since.
    row_set: Option<RowSet>,
}

/// Why rows could not be copied into a table.
#[derive(Debug)]
pub(crate) enum TakeRowsError {
    /// A row does not fit the new types.
    Row(RowError),
    /// Two rows have the same key in the index at this position.
    Conflict(usize),
    /// The table is full.
    NoRoom(InsertError),
}

/// Reused buffers of keys, and of a row.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    key: Key,
    other: Key,
    row: Vec<u8>,
}

impl Table {
    /// An empty table.
    pub fn new(schema: Arc<TableSchema>) -> Self {
        let rows = RowStore::new(Arc::clone(&schema.layout));
        let indexes = schema.indexes.iter();
        let indexes = indexes
            .map(|index| TableIndex::new(&schema, index))
            .collect();
        let mut table = Table {
            schema,
            rows,
            indexes,
            row_set: None,
            finder: None,
            replaying: false,
            pending: Pending::default(),
            generated: SmallVec::new(),
        };
        table.choose_finder();
        table.note_sequences();
        table
    }

    /// Finds out again which index finds equal rows, after indexes came or went. The row set is
    /// made or dropped accordingly.
    pub fn choose_finder(&mut self) {
        let unique = self
            .indexes
            .iter()
            .enumerate()
            .filter(|(_, index)| index.unique);
        let lowest = unique.min_by_key(|(_, index)| index.id);
        self.finder = lowest.map(|(position, _)| position);
        if self.finder.is_some() {
            self.row_set = None;
        } else if self.row_set.is_none() {
            self.row_set = Some(RowSet::default());
        }
    }

    /// Takes another schema with columns of the same types, and builds the indexes that it has
    /// and the table has not. Fails with the position of an index that the rows contradict.
    pub fn reindex(
        &mut self,
        schema: &Arc<TableSchema>,
        blobs: &BlobStore,
    ) -> Result<Indexing, usize> {
        let mut before = Indexing {
            schema: std::mem::replace(&mut self.schema, Arc::clone(schema)),
            indexes: std::mem::take(&mut self.indexes),
            row_set: None,
        };
        let mut to_fill = Vec::new();
        for (position, index) in schema.indexes.iter().enumerate() {
            let mut same = before.indexes.iter();
            let same = same.find(|old| old.id == index.id && old.unique == index.unique);
            if same.is_none() {
                to_fill.push(Some(position));
            }
            let index = same
                .cloned()
                .unwrap_or_else(|| TableIndex::new(schema, index));
            self.indexes.push(index);
        }
        if self.indexes.iter().any(|index| index.unique) {
            before.row_set = self.row_set.take();
        } else if self.row_set.is_none() {
            to_fill.push(None);
        }
        self.choose_finder();
        self.note_sequences();
        for position in to_fill {
            if self.fill(position, blobs).is_err() {
                self.restore_indexes(before);
                return Err(position.unwrap_or_default());
            }
        }
        Ok(before)
    }

    /// Undoes [`Table::reindex`].
    pub fn restore_indexes(&mut self, before: Indexing) {
        self.schema = before.schema;
        self.indexes = before.indexes;
        if before.row_set.is_some() {
            self.row_set = before.row_set;
        }
        self.choose_finder();
        self.note_sequences();
    }

    /// Takes over which columns are generated from the schema.
    pub fn note_sequences(&mut self) {
        let sequences = self.schema.sequences.iter();
        self.generated = sequences
            .map(|sequence| (sequence.column, sequence.id))
            .collect();
        self.generated.sort_unstable_by_key(|(column, _)| *column);
    }

    /// The position of an index.
    pub fn index_position(&self, id: IndexId) -> Option<usize> {
        self.indexes.iter().position(|index| index.id == id)
    }

    fn is_kept(&self, position: usize) -> bool {
        !self.replaying || self.finder == Some(position)
    }

    /// The row with the same key as `row` in an index.
    #[inline]
    pub fn find_by(
        &self,
        position: usize,
        row: &[u8],
        blobs: &BlobStore,
        keys: &mut Keys,
    ) -> Option<RowPtr> {
        let index = &self.indexes[position];
        index.key_of(row, &self.rows, &mut keys.key);
        let rows = index.rows(&self.rows, blobs);
        index.index.first(&keys.key, &rows)
    }

    /// The row equal to `row`, which is valid.
    #[inline]
    pub fn find(&self, row: &[u8], blobs: &BlobStore, keys: &mut Keys) -> Option<RowPtr> {
        match self.finder {
            Some(finder) => self
                .find_by(finder, row, blobs, keys)
                .filter(|ptr| self.rows.row_eq(*ptr, row, blobs)),
            None => {
                let set = self.row_set.as_ref();
                set.and_then(|set| set.find(row, &self.rows, blobs))
            }
        }
    }

    /// Inserts a valid row.
    #[inline]
    pub fn insert(
        &mut self,
        row: &[u8],
        blobs: &mut BlobStore,
        keys: &mut Keys,
    ) -> Result<Placed, Refusal> {
        if let Some(set) = &self.row_set
            && let Some(ptr) = set.find(row, &self.rows, blobs)
        {
            return Ok(Placed::Existed(ptr));
        }
        let ptr = self.rows.insert(row, blobs).map_err(Refusal::NoRoom)?;
        // The finder first: if an equal row is there, it says so before another index objects.
        if let Some(finder) = self.finder
            && let Err(holder) = self.insert_key(finder, row, ptr, blobs, keys)
        {
            self.rows.remove(ptr, blobs);
            return if self.rows.row_eq(holder, row, blobs) {
                Ok(Placed::Existed(holder))
            } else {
                Err(Refusal::Conflict {
                    index: finder,
                    holder,
                })
            };
        }
        for position in 0..self.indexes.len() {
            if self.finder == Some(position) || !self.is_kept(position) {
                continue;
            }
            if let Err(holder) = self.insert_key(position, row, ptr, blobs, keys) {
                self.remove_keys_before(position, row, ptr, blobs, keys);
                self.rows.remove(ptr, blobs);
                return Err(Refusal::Conflict {
                    index: position,
                    holder,
                });
            }
        }
        if let Some(set) = &mut self.row_set {
            set.insert(row, ptr);
        }
        Ok(Placed::Inserted(ptr))
    }

    fn insert_key(
        &mut self,
        position: usize,
        row: &[u8],
        ptr: RowPtr,
        blobs: &BlobStore,
        keys: &mut Keys,
    ) -> Result<(), RowPtr> {
        let index = &mut self.indexes[position];
        index.key_of(row, &self.rows, &mut keys.key);
        index.insert(&keys.key, ptr, &self.rows, blobs)
    }

    /// Takes a row, which is still stored, out of an index.
    fn remove_key(
        &mut self,
        position: usize,
        row: &[u8],
        ptr: RowPtr,
        blobs: &BlobStore,
        keys: &mut Keys,
    ) {
        let index = &mut self.indexes[position];
        index.key_of(row, &self.rows, &mut keys.key);
        let removed = index.remove(&keys.key, ptr, &self.rows, blobs);
        assert!(
            removed,
            "index {} of {} holds every row",
            index.id, self.schema.name
        );
    }

    /// Undoes an insertion that index `end` refused.
    fn remove_keys_before(
        &mut self,
        end: usize,
        row: &[u8],
        ptr: RowPtr,
        blobs: &BlobStore,
        keys: &mut Keys,
    ) {
        for position in 0..self.indexes.len() {
            let is_done = position < end || self.finder == Some(position);
            if is_done && self.is_kept(position) {
                self.remove_key(position, row, ptr, blobs, keys);
            }
        }
    }

    /// Removes the row at `ptr`, which is `row`.
    pub fn remove(&mut self, ptr: RowPtr, row: &[u8], blobs: &mut BlobStore, keys: &mut Keys) {
        for position in 0..self.indexes.len() {
            if self.is_kept(position) {
                self.remove_key(position, row, ptr, blobs, keys);
            }
        }
        if let Some(set) = &mut self.row_set {
            set.remove(row, ptr);
        }
        self.rows.remove(ptr, blobs);
    }

    /// Undoes a removal: what was done to the table since has been undone.
    pub fn restore(&mut self, ptr: RowPtr, row: &[u8], blobs: &mut BlobStore, keys: &mut Keys) {
        self.rows.insert_at(ptr, row, blobs);
        for position in 0..self.indexes.len() {
            if planted::is_on(Bug::IndexNotUndone) && position + 1 == self.indexes.len() {
                continue;
            }
            let inserted = self.insert_key(position, row, ptr, blobs, keys);
            assert!(inserted.is_ok(), "a restored row conflicts with none");
        }
        if let Some(set) = &mut self.row_set {
            set.insert(row, ptr);
        }
    }

    /// Replaces the row `old` at `ptr` by `new`, where it is if there is room; returns where it
    /// is now. Indexes whose key is the same are not touched, or get another pointer.
    pub fn update(
        &mut self,
        ptr: RowPtr,
        old: &[u8],
        new: &[u8],
        blobs: &mut BlobStore,
        keys: &mut Keys,
    ) -> Result<RowPtr, Refusal> {
        assert!(self.row_set.is_none(), "rows are updated by a unique index");
        let rekeyed = self.rekeyed(ptr, old, new, blobs, keys)?;
        for position in &rekeyed {
            self.remove_key(*position, old, ptr, blobs, keys);
        }
        if self.rows.replace(ptr, new, blobs) {
            self.insert_keys(&rekeyed, new, ptr, blobs, keys);
            return Ok(ptr);
        }
        let moved = match self.rows.insert(new, blobs) {
            Ok(moved) => moved,
            Err(error) => {
                self.insert_keys(&rekeyed, old, ptr, blobs, keys);
                return Err(Refusal::NoRoom(error));
            }
        };
        for position in 0..self.indexes.len() {
            if !rekeyed.contains(&position) {
                self.exchange_key(position, new, (ptr, moved), blobs, keys);
            }
        }
        self.insert_keys(&rekeyed, new, moved, blobs, keys);
        self.rows.remove(ptr, blobs);
        Ok(moved)
    }

    /// The indexes in which two rows have different keys. That another row has the new one is
    /// refused.
    fn rekeyed(
        &self,
        ptr: RowPtr,
        old: &[u8],
        new: &[u8],
        blobs: &BlobStore,
        keys: &mut Keys,
    ) -> Result<SmallVec<[usize; 8]>, Refusal> {
        let mut rekeyed = SmallVec::new();
        for position in 0..self.indexes.len() {
            if !self.rekey(position, ptr, old, new, keys) {
                continue;
            }
            rekeyed.push(position);
            let index = &self.indexes[position];
            let rows = index.rows(&self.rows, blobs);
            let holder = index.unique.then(|| index.index.first(&keys.key, &rows));
            if let Some(holder) = holder.flatten() {
                return Err(Refusal::Conflict {
                    index: position,
                    holder,
                });
            }
        }
        Ok(rekeyed)
    }

    /// Adds a row to indexes in which its key is free.
    fn insert_keys(
        &mut self,
        positions: &[usize],
        row: &[u8],
        ptr: RowPtr,
        blobs: &BlobStore,
        keys: &mut Keys,
    ) {
        for position in positions {
            let inserted = self.insert_key(*position, row, ptr, blobs, keys);
            assert!(inserted.is_ok(), "the key was free");
        }
    }

    /// Puts a row into the place of another with the same key in an index. Both are stored.
    fn exchange_key(
        &mut self,
        position: usize,
        row: &[u8],
        (old, new): (RowPtr, RowPtr),
        blobs: &BlobStore,
        keys: &mut Keys,
    ) {
        let index = &mut self.indexes[position];
        index.key_of(row, &self.rows, &mut keys.key);
        let exchanged = index.exchange(&keys.key, (old, new), &self.rows, blobs);
        assert!(
            exchanged,
            "index {} of {} holds every row",
            index.id, self.schema.name
        );
    }

    /// Whether the two rows have different keys; the new one is left in `keys`.
    fn rekey(&self, position: usize, ptr: RowPtr, old: &[u8], new: &[u8], keys: &mut Keys) -> bool {
        debug_assert!(self.rows.contains(ptr), "the old row is there");
        let index = &self.indexes[position];
        let layout = self.rows.layout();
        let mut columns = index.columns.iter();
        let is_same = |column: &usize| {
            old[layout.column_range(old, *column)] == new[layout.column_range(new, *column)]
        };
        if columns.all(is_same) {
            return false;
        }
        // Different bytes can be one key: 0.0 and -0.0.
        index.key_of(old, &self.rows, &mut keys.other);
        index.key_of(new, &self.rows, &mut keys.key);
        keys.key != keys.other
    }

    /// Forgets all rows.
    pub fn clear(&mut self, blobs: &mut BlobStore) {
        self.pending = Pending::default();
        self.rows.clear(blobs);
        for index in &mut self.indexes {
            index.index.clear();
        }
        if let Some(set) = &mut self.row_set {
            set.clear();
        }
    }

    /// Fills one empty index, or the row set if `position` is none. Fails with a row whose key
    /// another row has, or that another row equals.
    pub fn fill(&mut self, position: Option<usize>, blobs: &BlobStore) -> Result<(), RowPtr> {
        let rows = self.rows.clone();
        self.fill_with(position, rows.len(), rows.iter(), blobs)
    }

    /// The same with some of the rows. Nothing is filled if it fails.
    pub fn fill_with(
        &mut self,
        position: Option<usize>,
        len: u64,
        ptrs: impl Iterator<Item = RowPtr>,
        blobs: &BlobStore,
    ) -> Result<(), RowPtr> {
        if let Some(position) = position {
            return self.indexes[position].fill(len, ptrs, &self.rows, blobs);
        }
        let Some(set) = &mut self.row_set else {
            return Ok(());
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        *set = RowSet::build(len, ptrs, &self.rows, blobs)?;
        Ok(())
    }

    /// The name of an index that lacks the row.
    pub fn missing_in_index(
        &self,
        ptr: RowPtr,
        row: &[u8],
        blobs: &BlobStore,
        keys: &mut Keys,
    ) -> Option<&str> {
        let has_row = |index: &TableIndex, keys: &mut Keys| {
            index.key_of(row, &self.rows, &mut keys.key);
            let rows = index.rows(&self.rows, blobs);
            index
                .index
                .point(&keys.key, &rows)
                .any(|found| found == ptr)
        };
        let mut indexes = self.indexes.iter().zip(&self.schema.indexes);
        let lacking = indexes.find(|(index, _)| !has_row(index, keys));
        lacking.map(|(_, schema)| &*schema.name)
    }

    /// Number of entries of the row set.
    pub fn row_set_len(&self) -> Option<u64> {
        self.row_set.as_ref().map(RowSet::len)
    }

    /// About the bytes held by rows and indexes, from counters.
    pub fn counted_bytes(&self) -> usize {
        let indexes = self.indexes.iter();
        let indexes: usize = indexes.map(|index| index.index.counted_bytes()).sum();
        let set = self.row_set.as_ref().map_or(0, RowSet::counted_bytes);
        self.rows.counted_bytes() + indexes + set
    }

    /// Bytes held by rows and indexes.
    pub fn allocated_bytes(&self) -> usize {
        let indexes = self.indexes.iter();
        let indexes: usize = indexes.map(|index| index.index.allocated_bytes()).sum();
        let set = self.row_set.as_ref().map_or(0, RowSet::allocated_bytes);
        self.rows.allocated_bytes() + indexes + set
    }
}

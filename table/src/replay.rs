//! Rebuilding a database from its log, or from the rows of a snapshot.
//!
//! Between `replay_begin` and `finish_replay` there is no transaction. Each record is applied as
//! it is in the log: its inserts, then its deletes, then its truncations, then `replay_commit`.
//!
//! Invariants
//!   * A table has the row type that the rows of `st_*` tables describe at that point of the log.
//!   * Since inserts come before deletes, a row can take the key of one that is deleted later in
//!     the same record. The old row is *superseded* meanwhile: stored, but in no index. None is
//!     left when the record ends.
//!   * Only one index of each table is kept; `finish_replay` builds and checks the others. Rows
//!     of user tables enter even that one only when something must be found in the table, at the
//!     latest before they can go: so each row is checked against the others once.
//!
//! Not here: decoding records, and offsets.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use spacetime_page::{InsertError, RowPtr};
use spacetime_types::TableId;

use crate::Datastore;
use crate::error::WriteError;
use crate::schema::{FIRST_USER_ID, TableSchema};
use crate::sequence::Sequence;
use crate::system::{
    ST_COLUMN, ST_CONSTRAINT, ST_EVENT_TABLE, ST_INDEX, ST_SEQUENCE, ST_TABLE, ST_VIEW,
    SYSTEM_SEQUENCE_START, StColumn, StConstraint, StEventTable, StIndex, StSequence, StTable,
    SystemRow, bootstrap_rows,
};
use crate::table::{IndexJob, PendingError, Placed, Refusal, Table, TakeRowsError};
use crate::transaction::CatalogueOp;

mod error;

pub use error::ReplayError;

/// The state of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// The row that was there before, by the one that took its key.
    superseded: FxHashMap<(TableId, RowPtr), RowPtr>,
    /// This record changed rows that describe the schema.
    is_dirty: bool,
    /// Tables whose row type was looked up since.
    refreshed: FxHashSet<TableId>,
    /// Number of this record, from 1 on.
    record: u64,
}

/// Tables whose rows decide how rows of other tables are stored and found.
const DESCRIBING: [TableId; 6] = [
    ST_TABLE,
    ST_COLUMN,
    ST_INDEX,
    ST_CONSTRAINT,
    ST_VIEW,
    ST_EVENT_TABLE,
];

impl Datastore {
    /// Starts a replay over the rows that are there: those of a new database.
    pub fn replay_begin(&mut self) {
        assert!(!self.tx.is_open, "no replay inside a transaction");
        assert!(self.replay.is_none(), "one replay at a time");
        self.replay = Some(Replay {
            record: 1,
            ..Replay::default()
        });
        for table in self.tables.values_mut() {
            table.begin_replay();
        }
    }

    /// Starts a replay over nothing: the first record must be a snapshot, which has the rows of
    /// the built-in tables too.
    pub fn replay_begin_empty(&mut self) {
        *self = Datastore::new();
        self.replay_begin();
        for table in self.tables.values_mut() {
            table.clear(&mut self.blobs);
        }
    }

    /// Length of the row of a table at the start of `bytes`.
    pub fn replay_row_len(&mut self, table: TableId, bytes: &[u8]) -> Result<usize, ReplayError> {
        self.refresh(table)?;
        let table = self
            .tables
            .get(&table)
            .ok_or(ReplayError::UnknownTable(table))?;
        row_len(table, bytes)
    }

    /// Inserts the row at the start of `bytes`; returns its length. That it conflicts with
    /// another may be found out only when a row of the table is deleted, or at the end.
    pub fn replay_insert(&mut self, id: TableId, bytes: &[u8]) -> Result<usize, ReplayError> {
        let mut used = 0;
        self.replay_insert_rows(id, 1, bytes, &mut used)?;
        Ok(used)
    }

    /// Inserts so many rows from the start of `bytes`. `used` is their length, or where the one
    /// that is wrong begins.
    pub fn replay_insert_rows(
        &mut self,
        id: TableId,
        count: u64,
        bytes: &[u8],
        used: &mut usize,
    ) -> Result<(), ReplayError> {
        *used = 0;
        if id.0 < FIRST_USER_ID {
            for _ in 0..count {
                *used += self.replay_insert_system(id, &bytes[*used..])?;
            }
            return Ok(());
        }
        self.refresh(id)?;
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(ReplayError::UnknownTable(id))?;
        // Without this check a wrong count of rows without bytes would keep us busy for centuries.
        if count > 1 && table.schema.layout.fixed_bsatn_len() == Some(0) {
            return Err(duplicate_row(table));
        }
        *used = rows_len(table, count, bytes, used)?;
        if table.schema.is_event {
            return Ok(());
        }
        let record = replay(&mut self.replay).record;
        let pushed = table.push_pending(&bytes[..*used], count, record, &mut self.blobs);
        pushed.map_err(|error| no_room(table, error))
    }

    /// Inserts the row of a built-in table at the start of `bytes`; returns its length.
    fn replay_insert_system(&mut self, id: TableId, bytes: &[u8]) -> Result<usize, ReplayError> {
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(ReplayError::UnknownTable(id))?;
        let len = row_len(table, bytes)?;
        let row = &bytes[..len];
        let (blobs, keys) = (&mut self.blobs, &mut self.keys);
        match table.insert(row, blobs, keys) {
            Ok(Placed::Inserted(_)) => {}
            // Old versions logged rows that every new database has.
            Ok(Placed::Existed(_)) if is_about_built_in(id, row) => {}
            Ok(Placed::Existed(_)) => {
                return Err(duplicate_row(table));
            }
            Err(Refusal::Conflict { holder, .. }) => {
                let placed = table.supersede(holder, row, blobs, keys);
                let ptr = placed.map_err(|error| no_room(table, error))?;
                let replay = replay(&mut self.replay);
                replay.superseded.insert((id, ptr), holder);
            }
            Err(Refusal::NoRoom(error)) => return Err(no_room(table, error)),
        }
        self.note_change(id, true);
        Ok(len)
    }

    /// Deletes the row at the start of `bytes`; returns its length.
    pub fn replay_delete(&mut self, id: TableId, bytes: &[u8]) -> Result<usize, ReplayError> {
        let mut used = 0;
        self.replay_delete_rows(id, 1, bytes, &mut used)?;
        Ok(used)
    }

    /// Deletes so many rows from the start of `bytes`. `used` is their length, or where the one
    /// that is wrong begins.
    pub fn replay_delete_rows(
        &mut self,
        id: TableId,
        count: u64,
        bytes: &[u8],
        used: &mut usize,
    ) -> Result<(), ReplayError> {
        *used = 0;
        self.index_pending(id)?;
        for _ in 0..count {
            *used += self.replay_delete_next(id, &bytes[*used..])?;
        }
        Ok(())
    }

    fn replay_delete_next(&mut self, id: TableId, bytes: &[u8]) -> Result<usize, ReplayError> {
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(ReplayError::UnknownTable(id))?;
        let len = row_len(table, bytes)?;
        let row = &bytes[..len];
        let (blobs, keys) = (&mut self.blobs, &mut self.keys);
        let superseded = &mut replay(&mut self.replay).superseded;
        match table.find_candidate(row, blobs, keys) {
            Some((ptr, true)) => {
                table.remove(ptr, row, blobs, keys);
                if let Some(old) = superseded.remove(&(id, ptr)) {
                    let adopted = table.adopt(old, blobs, keys);
                    assert!(adopted.is_ok(), "the key has just become free");
                }
            }
            Some((ptr, false)) => {
                let old = superseded.get(&(id, ptr)).copied();
                match old.filter(|old| table.rows.row_eq(*old, row, blobs)) {
                    Some(old) => {
                        superseded.remove(&(id, ptr));
                        // It may have taken the key over from yet another row.
                        if let Some(older) = superseded.remove(&(id, old)) {
                            superseded.insert((id, ptr), older);
                        }
                        table.rows.remove(old, blobs);
                    }
                    // One of several versions, of which `replay_commit` kept another.
                    None if is_built_in_sequence(id, row) => {}
                    None => return Err(missing_row(table)),
                }
            }
            None => return Err(missing_row(table)),
        }
        self.note_change(id, false);
        Ok(len)
    }

    /// Deletes all rows of a table.
    pub fn replay_truncate(&mut self, id: TableId) -> Result<(), ReplayError> {
        self.index_pending(id)?;
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(ReplayError::UnknownTable(id))?;
        table.clear(&mut self.blobs);
        replay(&mut self.replay)
            .superseded
            .retain(|(table, _), _| *table != id);
        self.note_change(id, false);
        Ok(())
    }

    /// Ends a record of the log.
    pub fn replay_commit(&mut self) -> Result<(), ReplayError> {
        if replay(&mut self.replay).is_dirty {
            self.settle_schemas()?;
        }
        if !replay(&mut self.replay).superseded.is_empty() {
            let superseded = std::mem::take(&mut replay(&mut self.replay).superseded);
            for ((table, new), old) in superseded {
                self.settle_conflict(table, new, old)?;
            }
        }
        let replay = replay(&mut self.replay);
        if replay.is_dirty {
            replay.is_dirty = false;
            replay.refreshed.clear();
        }
        replay.record += 1;
        Ok(())
    }

    /// Ends the replay: builds indexes, sequences and schemas.
    pub fn finish_replay(&mut self) -> Result<(), ReplayError> {
        self.finish_replay_with(|jobs| jobs.into_iter().try_for_each(IndexJob::run))
    }

    /// The same; `run` has to run all jobs, in any order, on any threads.
    pub fn finish_replay_with(
        &mut self,
        run: impl FnOnce(Vec<IndexJob<'_>>) -> Result<(), ReplayError>,
    ) -> Result<(), ReplayError> {
        self.settle_schemas()?;
        assert!(self.replay.is_some(), "a replay ends once");
        self.replay = None;
        let mut jobs = Vec::new();
        for table in self.tables.values_mut() {
            table.finish_replay(&self.blobs, &mut jobs);
        }
        run(jobs)?;
        self.load_sequences()?;
        self.remove_dangling_event_marks();
        Ok(())
    }

    /// Enters rows that nothing finds yet into the finder of their table.
    pub(crate) fn index_pending(&mut self, id: TableId) -> Result<(), ReplayError> {
        let Some(table) = self.tables.get_mut(&id).filter(|table| table.has_pending()) else {
            return Ok(());
        };
        let replay = replay(&mut self.replay);
        let superseded = &mut replay.superseded;
        let indexed =
            table.index_pending(replay.record, &self.blobs, &mut self.keys, |new, old| {
                superseded.insert((id, new), old);
            });
        indexed.map_err(|error| match error {
            PendingError::Duplicate => duplicate_row(table),
            PendingError::Conflict => conflict(table),
        })
    }

    fn note_change(&mut self, table: TableId, is_insert: bool) {
        if DESCRIBING.contains(&table) {
            let replay = replay(&mut self.replay);
            replay.is_dirty = true;
            if is_insert {
                replay.refreshed.clear();
            }
        }
    }

    /// Makes sure that a table exists and has the row type described now.
    fn refresh(&mut self, id: TableId) -> Result<(), ReplayError> {
        let replay = replay(&mut self.replay);
        if id.0 < FIRST_USER_ID || !replay.is_dirty || replay.refreshed.contains(&id) {
            return Ok(());
        }
        replay.refreshed.insert(id);
        let hidden = self.hidden_rows();
        let Some(schema) = self.describe(Some(id), &hidden)?.pop() else {
            return Ok(());
        };
        match self.tables.get(&id) {
            None => self.register_replaying(schema),
            Some(table) if table.schema.row_type != schema.row_type => {
                // The rest of the schema may be half changed, so it keeps its keys until the
                // record ends.
                let columns = TableSchema {
                    indexes: table.schema.indexes.clone(),
                    constraints: table.schema.constraints.clone(),
                    ..schema
                };
                self.rebuild(columns)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Rows that another has taken the place of.
    fn hidden_rows(&mut self) -> FxHashSet<(TableId, RowPtr)> {
        let superseded = &replay(&mut self.replay).superseded;
        superseded
            .iter()
            .map(|((table, _), old)| (*table, *old))
            .collect()
    }

    fn register_replaying(&mut self, schema: TableSchema) {
        let mut table = Table::new(Arc::new(schema));
        table.begin_replay();
        self.register(table);
    }

    /// Brings all tables in line with the rows that describe them.
    pub(crate) fn settle_schemas(&mut self) -> Result<(), ReplayError> {
        let hidden = self.hidden_rows();
        let schemas = self.describe(None, &hidden)?;
        let described: FxHashSet<TableId> = schemas.iter().map(|schema| schema.id).collect();
        let gone: Vec<TableId> = self
            .tables
            .keys()
            .filter(|id| !described.contains(id))
            .copied()
            .collect();
        // Built-in tables that an old snapshot lacks: see `create_missing_system_tables`.
        for id in gone.into_iter().filter(|id| id.0 >= FIRST_USER_ID) {
            self.index_pending(id)?;
            if let Some(mut table) = self.unregister(id) {
                table.clear(&mut self.blobs);
            }
            replay(&mut self.replay)
                .superseded
                .retain(|(table, _), _| *table != id);
        }
        for schema in schemas {
            let Some(table) = self.tables.get(&schema.id) else {
                self.register_replaying(schema);
                continue;
            };
            let cached = &table.schema;
            if cached.row_type != schema.row_type || cached.indexes != schema.indexes {
                let id = schema.id;
                if id.0 < FIRST_USER_ID {
                    return Err(ReplayError::BuiltInChanged(cached.name.clone()));
                }
                self.rebuild(schema)?;
                replay(&mut self.replay)
                    .superseded
                    .retain(|(table, _), _| *table != id);
            } else {
                self.exchange_schema(&Arc::new(schema));
            }
        }
        Ok(())
    }

    /// Makes a table anew under another schema, with the same rows.
    fn rebuild(&mut self, schema: TableSchema) -> Result<(), ReplayError> {
        let id = schema.id;
        self.index_pending(id)?;
        let Some(mut old) = self.unregister(id) else {
            return Err(ReplayError::UnknownTable(id));
        };
        let mut new = Table::new(Arc::new(schema));
        new.begin_replay();
        let taken = new.take_rows(&old, &mut self.blobs);
        taken.map_err(|error| match error {
            TakeRowsError::Row(error) => ReplayError::InvalidRow {
                table: old.schema.name.clone(),
                error,
            },
            TakeRowsError::Conflict(index) => ReplayError::Conflict {
                table: old.schema.name.clone(),
                index: new.schema.indexes[index].name.clone(),
            },
            TakeRowsError::NoRoom(error) => no_room(&old, error),
        })?;
        old.clear(&mut self.blobs);
        self.register(new);
        Ok(())
    }
}

impl Datastore {
    /// Two rows of a record had the same key and both are still there. That is right only for
    /// sequences of built-in tables, whose first row differs between versions.
    fn settle_conflict(
        &mut self,
        id: TableId,
        new: RowPtr,
        old: RowPtr,
    ) -> Result<(), ReplayError> {
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(ReplayError::UnknownTable(id))?;
        let (blobs, keys) = (&mut self.blobs, &mut self.keys);
        let [new_row, old_row] = [new, old].map(|ptr| {
            let mut row = Vec::new();
            table.rows.read(ptr, blobs, &mut row);
            row
        });
        if !is_built_in_sequence(id, &new_row) {
            return Err(conflict(table));
        }
        let allocated = |row: &[u8]| StSequence::decode(row).ok().map(|row| row.allocated);
        if allocated(&new_row) >= allocated(&old_row) {
            table.rows.remove(old, blobs);
        } else {
            table.remove(new, &new_row, blobs, keys);
            let adopted = table.adopt(old, blobs, keys);
            assert!(adopted.is_ok(), "the key has just become free");
        }
        Ok(())
    }

    /// Starts every sequence at the position that its row says.
    fn load_sequences(&mut self) -> Result<(), ReplayError> {
        self.sequences.clear();
        let rows: Vec<StSequence> = self.system_rows().map(|(_, row)| row).collect();
        for row in rows {
            let schema = self.schema(row.table_id);
            let schema = Arc::clone(schema.ok_or(ReplayError::UnknownTable(row.table_id))?);
            let wrong = || ReplayError::Sequence {
                table: schema.name.clone(),
                sequence: row.sequence_name.clone(),
            };
            let mut sequences = schema.sequences.iter();
            let sequence = sequences.find(|sequence| sequence.id == row.sequence_id);
            let sequence = sequence.ok_or_else(wrong)?;
            let is_unset = row.allocated == 0 && row.min_value > 0;
            let position = if is_unset { row.start } else { row.allocated };
            let started = schema.column(sequence.column).and_then(|column| {
                Sequence::new(schema.id, sequence.clone(), &column.column_type, position)
            });
            self.sequences
                .insert(sequence.id, started.ok_or_else(wrong)?);
        }
        Ok(())
    }

    /// Old versions left rows of `st_event_table` behind when they dropped a table.
    fn remove_dangling_event_marks(&mut self) {
        let marks: Vec<(RowPtr, StEventTable)> = self
            .system_rows::<StEventTable>()
            .filter(|(_, mark)| !self.tables.contains_key(&mark.table_id))
            .collect();
        for (ptr, mark) in marks {
            if let Some(table) = self.tables.get_mut(&ST_EVENT_TABLE) {
                table.remove(ptr, &mark.to_bsatn(), &mut self.blobs, &mut self.keys);
            }
        }
    }

    /// Inside a transaction: describes built-in tables that a snapshot of an old version lacks.
    /// Returns how many there were.
    pub fn create_missing_system_tables(&mut self) -> Result<usize, WriteError> {
        let present: FxHashSet<TableId> = self
            .system_rows::<StTable>()
            .map(|(_, row)| row.table_id)
            .collect();
        let missing: Vec<Arc<TableSchema>> = self
            .tables()
            .filter(|schema| schema.is_system() && !present.contains(&schema.id))
            .cloned()
            .collect();
        for schema in &missing {
            let mut rows = Vec::new();
            bootstrap_rows(schema, SYSTEM_SEQUENCE_START, |table, row| {
                rows.push((table, row.to_vec()));
            });
            for (table, row) in rows {
                self.insert_system(table, &row)?;
            }
            for sequence in &schema.sequences {
                self.start_sequence(schema, sequence, SYSTEM_SEQUENCE_START);
                self.record(CatalogueOp::SequenceCreated(sequence.id));
            }
        }
        Ok(missing.len())
    }
}

fn replay(replay: &mut Option<Replay>) -> &mut Replay {
    let replay = replay.as_mut();
    replay.unwrap_or_else(|| panic!("records are applied between replay_begin and finish_replay"))
}

fn row_len(table: &Table, bytes: &[u8]) -> Result<usize, ReplayError> {
    let len = table.schema.layout.row_len(bytes);
    len.map_err(|error| ReplayError::InvalidRow {
        table: table.schema.name.clone(),
        error,
    })
}

/// The length of so many rows at the start of `bytes`; `wrong` is where a wrong one begins.
fn rows_len(
    table: &Table,
    count: u64,
    bytes: &[u8],
    wrong: &mut usize,
) -> Result<usize, ReplayError> {
    let len = table.schema.layout.rows_len(bytes, count);
    len.map_err(|(at, error)| {
        *wrong = at;
        ReplayError::InvalidRow {
            table: table.schema.name.clone(),
            error,
        }
    })
}

fn duplicate_row(table: &Table) -> ReplayError {
    ReplayError::DuplicateRow {
        table: table.schema.name.clone(),
    }
}

fn conflict(table: &Table) -> ReplayError {
    let index = table.finder_schema();
    ReplayError::Conflict {
        table: table.schema.name.clone(),
        index: index.map_or_else(|| "?".into(), |index| index.name.clone()),
    }
}

fn no_room(table: &Table, error: InsertError) -> ReplayError {
    ReplayError::NoRoom {
        table: table.schema.name.clone(),
        error,
    }
}

fn missing_row(table: &Table) -> ReplayError {
    ReplayError::MissingRow {
        table: table.schema.name.clone(),
    }
}

/// Whether the row describes a built-in table.
fn is_about_built_in(table: TableId, row: &[u8]) -> bool {
    let about = match table {
        ST_TABLE => StTable::decode(row).map(|row| row.table_id),
        ST_COLUMN => StColumn::decode(row).map(|row| row.table_id),
        ST_INDEX => StIndex::decode(row).map(|row| row.table_id),
        ST_CONSTRAINT => StConstraint::decode(row).map(|row| row.table_id),
        ST_SEQUENCE => StSequence::decode(row).map(|row| row.table_id),
        _ => return false,
    };
    about.is_ok_and(|about| about.0 < FIRST_USER_ID)
}

fn is_built_in_sequence(table: TableId, row: &[u8]) -> bool {
    table == ST_SEQUENCE && is_about_built_in(table, row)
}

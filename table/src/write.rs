//! Writing rows inside the open transaction.
//!
//! Order of the checks of an insertion: the bytes are a row; generated columns are filled in; an
//! equal row may be there, which is a success; unique indexes; insertion. So a duplicate row is
//! never reported as a violation.
//!
//! `insert`, `update`, `delete` ... are for modules and SQL and refuse tables that the database
//! writes itself; the same with `_system` do not.

use std::sync::Arc;

use smallvec::SmallVec;
use spacetime_page::RowPtr;
use spacetime_types::{IndexId, SequenceId, TableId};

use crate::Datastore;
use crate::error::WriteError;
use crate::planted::{self, Bug};
use crate::sequence::{Sequence, write_integer};
use crate::system::{ST_SEQUENCE, ST_SEQUENCE_ID_INDEX, StSequence, SystemRow};
use crate::table::{Placed, Refusal, Table};
use crate::transaction::Op;

/// What an insertion or update did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    pub ptr: RowPtr,
    /// BSATN of the generated columns, in column order.
    pub generated: SmallVec<[u8; 16]>,
    /// An equal row was there already; nothing changed.
    pub existed: bool,
}

/// A row in the arena of inserted rows.
struct Taken {
    /// Where it starts; it is the last one.
    start: usize,
    /// BSATN of the columns that were filled in.
    generated: SmallVec<[u8; 16]>,
}

impl Datastore {
    /// Inserts a row into a module's table.
    pub fn insert(&mut self, table: TableId, row: &[u8]) -> Result<Inserted, WriteError> {
        self.check_unprotected(table)?;
        self.insert_system(table, row)
    }

    /// Inserts a row into any table.
    pub fn insert_system(&mut self, table: TableId, row: &[u8]) -> Result<Inserted, WriteError> {
        assert!(self.tx.is_open, "writes need a transaction");
        let Taken { start, generated } = self.take_row(table, row)?;
        let (ptr, existed) = self.insert_taken(table, start)?;
        Ok(Inserted {
            ptr,
            generated,
            existed,
        })
    }

    /// Inserts the row that starts at `start` in the arena, or takes it out of there.
    pub(crate) fn insert_taken(
        &mut self,
        table: TableId,
        start: usize,
    ) -> Result<(RowPtr, bool), WriteError> {
        let found = self
            .tables
            .get_mut(&table)
            .ok_or(WriteError::NoSuchTable(table))?;
        let row = &self.tx.inserted[start..];
        match found.insert(row, &mut self.blobs, &mut self.keys) {
            Ok(Placed::Inserted(ptr)) => {
                self.tx.push_insert(table, ptr, start);
                Ok((ptr, false))
            }
            Ok(Placed::Existed(ptr)) => {
                self.tx.inserted.truncate(start);
                Ok((ptr, true))
            }
            Err(Refusal::Conflict { holder, .. })
                if planted::is_on(Bug::UniqueSkippedInTransaction)
                    && self.tx.has_inserted(table, holder) =>
            {
                let ptr = found.rows.insert(row, &mut self.blobs);
                let ptr = ptr.map_err(|error| refused(found, Refusal::NoRoom(error)))?;
                self.tx.push_insert(table, ptr, start);
                Ok((ptr, false))
            }
            Err(refusal) => {
                let error = refused(found, refusal);
                self.tx.inserted.truncate(start);
                Err(error)
            }
        }
    }

    /// Replaces the row of a module's table that has the new row's key in a unique index.
    pub fn update(
        &mut self,
        table: TableId,
        index: IndexId,
        row: &[u8],
    ) -> Result<Inserted, WriteError> {
        self.check_unprotected(table)?;
        self.update_system(table, index, row)
    }

    /// Replaces the row of any table that has the new row's key in a unique index.
    pub fn update_system(
        &mut self,
        table: TableId,
        index: IndexId,
        row: &[u8],
    ) -> Result<Inserted, WriteError> {
        assert!(self.tx.is_open, "writes need a transaction");
        let position = self.unique_index(table, index)?;
        let Taken { start, generated } = self.take_row(table, row)?;
        let updated = self.update_taken(table, position, start);
        if !matches!(updated, Ok((_, false))) {
            self.tx.inserted.truncate(start);
        }
        let (ptr, existed) = updated?;
        Ok(Inserted {
            ptr,
            generated,
            existed,
        })
    }

    /// Updates with the row that starts at `start` in the arena.
    fn update_taken(
        &mut self,
        table_id: TableId,
        position: usize,
        start: usize,
    ) -> Result<(RowPtr, bool), WriteError> {
        let missing = WriteError::NoSuchTable(table_id);
        let table = self.tables.get_mut(&table_id).ok_or(missing)?;
        let (blobs, keys) = (&mut self.blobs, &mut self.keys);
        let row = &self.tx.inserted[start..];
        let Some(old) = table.find_by(position, row, blobs, keys) else {
            return Err(WriteError::NoSuchRow {
                table: Arc::clone(&table.schema.name),
                index: Arc::clone(&table.schema.indexes[position].name),
            });
        };
        let old_start = self.tx.deleted.len();
        table.rows.read(old, blobs, &mut self.tx.deleted);
        let old_row = &self.tx.deleted[old_start..];
        if old_row == row {
            self.tx.deleted.truncate(old_start);
            return Ok((old, true));
        }
        match table.update(old, old_row, row, blobs, keys) {
            Ok(ptr) => {
                self.tx.push_delete(table_id, old, old_start);
                self.tx.push_insert(table_id, ptr, start);
                Ok((ptr, false))
            }
            Err(refusal) => {
                self.tx.deleted.truncate(old_start);
                Err(refused(table, refusal))
            }
        }
    }

    /// Deletes a row of a module's table. The row must be there.
    pub fn delete(&mut self, table: TableId, ptr: RowPtr) -> Result<(), WriteError> {
        self.check_unprotected(table)?;
        self.delete_system(table, ptr)
    }

    /// Deletes a row of any table. The row must be there.
    pub fn delete_system(&mut self, table_id: TableId, ptr: RowPtr) -> Result<(), WriteError> {
        assert!(self.tx.is_open, "writes need a transaction");
        let missing = WriteError::NoSuchTable(table_id);
        let table = self.tables.get_mut(&table_id).ok_or(missing)?;
        let start = self.tx.deleted.len();
        table.rows.read(ptr, &self.blobs, &mut self.tx.deleted);
        let row = &self.tx.deleted[start..];
        table.remove(ptr, row, &mut self.blobs, &mut self.keys);
        self.tx.push_delete(table_id, ptr, start);
        Ok(())
    }

    /// Deletes the row of a module's table that equals `row`; says whether there was one.
    pub fn delete_eq(&mut self, table: TableId, row: &[u8]) -> Result<bool, WriteError> {
        self.check_unprotected(table)?;
        self.delete_eq_system(table, row)
    }

    /// Deletes the row of any table that equals `row`; says whether there was one.
    pub fn delete_eq_system(&mut self, table: TableId, row: &[u8]) -> Result<bool, WriteError> {
        let found = self
            .tables
            .get(&table)
            .ok_or(WriteError::NoSuchTable(table))?;
        check_row(found, row)?;
        match found.find(row, &self.blobs, &mut self.keys) {
            Some(ptr) => self.delete_system(table, ptr).map(|()| true),
            None => Ok(false),
        }
    }

    /// Deletes all rows of a module's table; returns how many.
    pub fn clear(&mut self, table: TableId) -> Result<u64, WriteError> {
        self.check_unprotected(table)?;
        self.clear_system(table)
    }

    /// Deletes all rows of any table; returns how many.
    pub fn clear_system(&mut self, table_id: TableId) -> Result<u64, WriteError> {
        assert!(self.tx.is_open, "writes need a transaction");
        let missing = WriteError::NoSuchTable(table_id);
        let table = self.tables.get_mut(&table_id).ok_or(missing)?;
        let rows: Vec<RowPtr> = table.rows.iter().collect();
        for ptr in &rows {
            let start = self.tx.deleted.len();
            table.rows.read(*ptr, &self.blobs, &mut self.tx.deleted);
            self.tx.push_delete(table_id, *ptr, start);
        }
        // Cheaper than removing key by key; undo puts rows back one by one.
        table.clear(&mut self.blobs);
        let count = u64::try_from(rows.len());
        Ok(count.unwrap_or(u64::MAX))
    }

    /// Refuses tables that only the database writes.
    fn check_unprotected(&self, table: TableId) -> Result<(), WriteError> {
        let schema = self.schema(table).ok_or(WriteError::NoSuchTable(table))?;
        if schema.is_system() || schema.view.is_some() {
            return Err(WriteError::Protected(Arc::clone(&schema.name)));
        }
        Ok(())
    }

    /// The position of a unique index in its table.
    fn unique_index(&self, table: TableId, index: IndexId) -> Result<usize, WriteError> {
        let found = self
            .tables
            .get(&table)
            .ok_or(WriteError::NoSuchTable(table))?;
        let missing = WriteError::NoSuchIndex { table, index };
        let position = found.index_position(index).ok_or(missing)?;
        if !found.indexes[position].unique {
            return Err(WriteError::IndexNotUnique(index));
        }
        Ok(position)
    }

    /// Checks a row, appends it to the arena of inserted rows and fills in generated columns.
    fn take_row(&mut self, table: TableId, row: &[u8]) -> Result<Taken, WriteError> {
        let found = self
            .tables
            .get(&table)
            .ok_or(WriteError::NoSuchTable(table))?;
        check_row(found, row)?;
        let layout = &found.schema.layout;
        let mut to_generate: SmallVec<[(SequenceId, std::ops::Range<usize>); 1]> = SmallVec::new();
        for (column, sequence) in &found.generated {
            let range = layout.column_range(row, usize::from(column.0));
            if row[range.clone()].iter().all(|byte| *byte == 0) {
                to_generate.push((*sequence, range));
            }
        }
        let mut values: SmallVec<[i128; 1]> = SmallVec::new();
        for (sequence, _) in &to_generate {
            // May rewrite the sequence's row, so the arena is filled only afterwards.
            values.push(self.next_value(*sequence)?);
        }
        let start = self.tx.inserted.len();
        self.tx.inserted.extend_from_slice(row);
        let taken = &mut self.tx.inserted[start..];
        let mut generated = SmallVec::new();
        for ((_, range), value) in to_generate.into_iter().zip(values) {
            let column = &mut taken[range];
            write_integer(value, column);
            generated.extend_from_slice(column);
        }
        Ok(Taken { start, generated })
    }

    /// The next value of a sequence. It is used up, whatever becomes of the row or of the
    /// transaction.
    fn next_value(&mut self, id: SequenceId) -> Result<i128, WriteError> {
        let sequence = self.sequence_mut(id);
        if !sequence.next_fits() {
            return Err(WriteError::AutoIncOverflow {
                sequence: Arc::clone(&sequence.schema.name),
                value: sequence.value,
            });
        }
        if !sequence.has_next() {
            self.record_block(id)?;
        }
        Ok(self.sequence_mut(id).take())
    }

    /// Writes down how far a sequence may go; a block further if the last one is used up.
    fn record_block(&mut self, id: SequenceId) -> Result<(), WriteError> {
        let sequence = self.sequence_mut(id);
        let (value, recorded) = (sequence.value, sequence.recorded);
        let allocated = match sequence.needs_block() {
            true => sequence.next_block(),
            false => sequence.allocated,
        };
        if allocated == value {
            return Err(WriteError::SequenceExhausted(id));
        }
        self.tx.ops.push(Op::Sequence {
            sequence: id,
            recorded,
        });
        self.set_position(id, value, allocated);
        Ok(())
    }

    /// Makes a sequence stand at `value`, and its row say `allocated`. How to undo that is the
    /// caller's business.
    pub(crate) fn set_position(&mut self, id: SequenceId, value: i128, allocated: i128) {
        assert!(self.tx.is_open, "writes need a transaction");
        let sequence = self.sequence_mut(id);
        sequence.value = value;
        sequence.allocated = allocated;
        sequence.recorded = allocated;
        let row = StSequence::of(sequence.table, &sequence.schema, allocated).to_bsatn();
        let updated = self.update_system(ST_SEQUENCE, ST_SEQUENCE_ID_INDEX, &row);
        assert!(updated.is_ok(), "sequence {id} has a row: {updated:?}");
    }

    fn sequence_mut(&mut self, id: SequenceId) -> &mut Sequence {
        let sequence = self.sequences.get_mut(&id);
        sequence.unwrap_or_else(|| panic!("sequence {id} of a schema is known"))
    }
}

pub(crate) fn check_row(table: &Table, row: &[u8]) -> Result<(), WriteError> {
    let checked = table.schema.layout.validate(row);
    checked.map_err(|error| WriteError::InvalidRow {
        table: Arc::clone(&table.schema.name),
        error,
    })
}

fn refused(table: &Table, refusal: Refusal) -> WriteError {
    let name = Arc::clone(&table.schema.name);
    match refusal {
        Refusal::Conflict { index, .. } => WriteError::UniqueViolation {
            table: name,
            index: Arc::clone(&table.schema.indexes[index].name),
        },
        Refusal::NoRoom(error) => WriteError::NoRoom { table: name, error },
    }
}

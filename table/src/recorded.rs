//! Writing what a log recorded, into tables that are in use.
//!
//! A replay (see `replay`) brings a whole database back and keeps few indexes meanwhile. Here
//! single transactions are applied, each inside an open transaction, between others that run: rows
//! are taken as they are, and sequences go on where they are told.

use std::sync::Arc;

use spacetime_types::{SequenceId, TableId};

use crate::Datastore;
use crate::error::WriteError;
use crate::write::check_row;

impl Datastore {
    /// Inserts a row into any table; nothing is generated. Says whether it is new: false if an
    /// equal row was there.
    pub fn insert_recorded(&mut self, table: TableId, row: &[u8]) -> Result<bool, WriteError> {
        assert!(self.in_tx(), "writes need a transaction");
        let found = self
            .tables
            .get(&table)
            .ok_or(WriteError::NoSuchTable(table))?;
        check_row(found, row)?;
        let start = self.tx.inserted.len();
        self.tx.inserted.extend_from_slice(row);
        let (_, existed) = self.insert_taken(table, start)?;
        Ok(!existed)
    }

    /// Starts writing many rows into an empty table. Nothing of them is there unless
    /// [`Writing::finish`] says so.
    pub(crate) fn write_many(&mut self, table: TableId) -> Result<Writing<'_>, WriteError> {
        assert!(self.in_tx(), "writes need a transaction");
        let found = self.tables.get(&table);
        let found = found.ok_or(WriteError::NoSuchTable(table))?;
        assert!(found.rows.is_empty(), "the table is a new one");
        Ok(Writing {
            ops: self.tx.ops.len(),
            inserted: self.tx.inserted.len(),
            datastore: self,
            table,
            is_done: false,
        })
    }

    /// Lets a sequence go on with `value`, and says that its persisted row covers the values
    /// before `allocated`; the row itself is the caller's business. False, and nothing changed,
    /// if there is no such sequence or if it does not reach these values.
    pub fn place_sequence(&mut self, id: SequenceId, value: i128, allocated: i128) -> bool {
        assert!(!self.in_tx(), "a sequence is moved between transactions");
        let Some(sequence) = self.sequences.get_mut(&id) else {
            return false;
        };
        if !sequence.covers(value, allocated) {
            return false;
        }
        sequence.value = value;
        sequence.allocated = allocated;
        sequence.recorded = allocated;
        true
    }
}

/// Rows on their way into an empty table: they are stored, but no index finds them before all are
/// there.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    datastore: &'a mut Datastore,
    table: TableId,
    /// What the transaction had before.
    ops: usize,
    inserted: usize,
    is_done: bool,
}

impl Writing<'_> {
    pub fn datastore(&self) -> &Datastore {
        self.datastore
    }

    /// Stores a row; nothing is generated.
    pub fn add(&mut self, row: &[u8]) -> Result<(), WriteError> {
        let datastore = &mut *self.datastore;
        let table = datastore.tables.get_mut(&self.table);
        let table = table.ok_or(WriteError::NoSuchTable(self.table))?;
        check_row(table, row)?;
        let placed = table.rows.insert(row, &mut datastore.blobs);
        let ptr = placed.map_err(|error| WriteError::NoRoom {
            table: Arc::clone(&table.schema.name),
            error,
        })?;
        let start = datastore.tx.inserted.len();
        datastore.tx.inserted.extend_from_slice(row);
        datastore.tx.push_insert(self.table, ptr, start);
        Ok(())
    }

    /// Builds the indexes. Says whether the rows are there: no two may be equal, or have the same
    /// key in a unique index.
    pub fn finish(mut self) -> bool {
        let table = self.datastore.tables.get_mut(&self.table);
        let found = table.map(|table| table.find_all(&self.datastore.blobs));
        self.is_done = found == Some(Ok(()));
        self.is_done
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.datastore.tx.ops.truncate(self.ops);
        self.datastore.tx.inserted.truncate(self.inserted);
        if let Some(table) = self.datastore.tables.get_mut(&self.table) {
            table.clear(&mut self.datastore.blobs);
        }
    }
}

//! Writing what a log recorded, into tables that are in use.
//!
//! A replay (see `replay`) brings a whole database back and keeps few indexes meanwhile. Here
//! single transactions are applied, each inside an open transaction, between others that run: rows
//! are taken as they are, and sequences go on where they are told.

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

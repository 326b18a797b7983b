//! Bringing rows back from a log.

use spacetime_commitlog::txdata::TxVisitor;
use spacetime_table::{Datastore, ReplayError};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

/// Applies the records of a log to rows that are between `replay_begin` and `finish_replay`.
#[derive(Debug)]
pub struct Apply<'a> {
    datastore: &'a mut Datastore,
}

impl<'a> Apply<'a> {
    #[must_use]
    pub fn new(datastore: &'a mut Datastore) -> Self {
        Apply { datastore }
    }

    fn step(
        rows: &mut Reader<'_>,
        apply: impl FnOnce(&[u8]) -> Result<usize, ReplayError>,
    ) -> Result<(), ReplayError> {
        let used = apply(rows.rest())?;
        rows.take(used)
            .expect("the datastore used bytes that are there");
        Ok(())
    }
}

impl TxVisitor for Apply<'_> {
    type Error = ReplayError;

    fn begin(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_insert(table, bytes))
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_delete(table, bytes))
    }

    fn truncate(&mut self, table: TableId) -> Result<(), ReplayError> {
        self.datastore.replay_truncate(table)
    }

    fn end(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        self.datastore.replay_commit()
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes| self.datastore.replay_row_len(table, bytes))
    }
}

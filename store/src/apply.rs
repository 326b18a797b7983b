//! Bringing rows back from a log.

use spacetime_commitlog::txdata::{TxVisitor, TxdataError};
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

    /// Lets `apply` use bytes that it counts, also when it fails.
    fn step(
        rows: &mut Reader<'_>,
        apply: impl FnOnce(&[u8], &mut usize) -> Result<(), ReplayError>,
    ) -> Result<(), ReplayError> {
        let mut used = 0;
        let applied = apply(rows.rest(), &mut used);
        rows.take(used)
            .expect("the datastore used bytes that are there");
        applied
    }
}

impl TxVisitor for Apply<'_> {
    type Error = ReplayError;

    fn begin(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        let datastore = &mut *self.datastore;
        Self::step(rows, |bytes, used| {
            datastore.replay_insert_rows(table, 1, bytes, used)
        })
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        let datastore = &mut *self.datastore;
        Self::step(rows, |bytes, used| {
            datastore.replay_delete_rows(table, 1, bytes, used)
        })
    }

    fn insert_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<ReplayError>> {
        let datastore = &mut *self.datastore;
        Self::step(rows, |bytes, used| {
            datastore.replay_insert_rows(table, count, bytes, used)
        })
        .map_err(TxdataError::Visitor)
    }

    fn delete_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<ReplayError>> {
        let datastore = &mut *self.datastore;
        Self::step(rows, |bytes, used| {
            datastore.replay_delete_rows(table, count, bytes, used)
        })
        .map_err(TxdataError::Visitor)
    }

    fn truncate(&mut self, table: TableId) -> Result<(), ReplayError> {
        self.datastore.replay_truncate(table)
    }

    fn end(&mut self, _offset: TxOffset) -> Result<(), ReplayError> {
        self.datastore.replay_commit()
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Self::step(rows, |bytes, used| {
            *used = self.datastore.replay_row_len(table, bytes)?;
            Ok(())
        })
    }
}

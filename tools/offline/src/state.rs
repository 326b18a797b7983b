//! The tables as they were after a given transaction.
//!
//! Needs an undamaged log up to that transaction; what is behind it does not matter.

use std::sync::Arc;

use spacetime_commitlog::txdata::{self, Inputs, TxVisitor, TxdataError};
use spacetime_commitlog::{Commit, LogReader};
use spacetime_store::Apply;
use spacetime_table::{Datastore, ReplayError, TableSchema};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

use crate::error::OfflineError;
use crate::pass;
use crate::place::Place;
use crate::progress::{Progress, Throttled};

/// Tables at one point of the history.
#[derive(Debug)]
pub struct State {
    datastore: Datastore,
    next: u64,
}

impl State {
    /// The rows.
    #[must_use]
    pub fn datastore(&self) -> &Datastore {
        &self.datastore
    }

    /// The rows, for checks that need room to work in.
    pub fn datastore_mut(&mut self) -> &mut Datastore {
        &mut self.datastore
    }

    /// The transaction after those that were applied.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }
}

/// The state after the last transaction.
pub fn latest(place: &Place, progress: &dyn Progress) -> Result<State, OfflineError> {
    build(place, None, progress, &mut Unobserved)
}

/// The state after transaction `offset`.
pub fn after(place: &Place, offset: u64, progress: &dyn Progress) -> Result<State, OfflineError> {
    build(place, Some(offset), progress, &mut Unobserved)
}

/// Sees what transactions change while they are applied.
pub(crate) trait Observer {
    /// Whether the changes of this transaction are of interest.
    fn wants(&self, offset: u64) -> bool;
    fn inserted(&mut self, table: &Arc<TableSchema>, row: &[u8]);
    fn deleted(&mut self, table: &Arc<TableSchema>, row: &[u8]);
}

struct Unobserved;

impl Observer for Unobserved {
    fn wants(&self, _offset: u64) -> bool {
        false
    }

    fn inserted(&mut self, _table: &Arc<TableSchema>, _row: &[u8]) {}

    fn deleted(&mut self, _table: &Arc<TableSchema>, _row: &[u8]) {}
}

/// Applies all transactions up to and with `last`.
pub(crate) fn build(
    place: &Place,
    last: Option<u64>,
    progress: &dyn Progress,
    observer: &mut dyn Observer,
) -> Result<State, OfflineError> {
    let mut throttled = Throttled::new(progress, pass::total_bytes(place)?);
    let mut datastore = Datastore::new();
    datastore.replay_begin();
    let storage = Arc::clone(&place.storage);
    let mut log = LogReader::open(storage, place.log_dir(), TxOffset(0))?;
    let (mut next, mut bytes) = (0, 0);
    while last.is_none_or(|last| next <= last) {
        let Some(commit) = log.next_commit()? else {
            break;
        };
        bytes += commit.records.len() as u64;
        throttled.at(bytes);
        next = apply(&commit, last, &mut datastore, observer)?;
    }
    if let Some(wanted) = last.filter(|&last| next <= last) {
        let last = next.checked_sub(1);
        return Err(OfflineError::NotReached { wanted, last });
    }
    datastore.finish_replay()?;
    Ok(State { datastore, next })
}

/// Applies the records of a commit up to and with `last`; returns the next offset.
fn apply(
    commit: &Commit<'_>,
    last: Option<u64>,
    datastore: &mut Datastore,
    observer: &mut dyn Observer,
) -> Result<u64, OfflineError> {
    let mut records = Reader::new(commit.records);
    let start = commit.header.start.0;
    let end = start + u64::from(commit.header.record_count);
    for offset in start..end {
        if last.is_some_and(|last| offset > last) {
            return Ok(offset);
        }
        let mut visitor = Observed {
            observed: observer.wants(offset),
            datastore: &mut *datastore,
            observer: &mut *observer,
        };
        let result = txdata::decode(TxOffset(offset), &mut records, &mut visitor);
        result.map_err(|error| {
            let at = commit.records_at + records.offset() as u64;
            let cause = match error {
                TxdataError::Malformed(error) => format!("malformed record: {error}"),
                TxdataError::Visitor(error) => error.to_string(),
            };
            let cause = format!("{} at byte {at}: {cause}", commit.file.display());
            OfflineError::Apply { offset, cause }
        })?;
    }
    Ok(end)
}

struct Observed<'a> {
    datastore: &'a mut Datastore,
    observer: &'a mut dyn Observer,
    observed: bool,
}

impl Observed<'_> {
    fn row_count(&self, table: TableId) -> u64 {
        self.datastore.row_count(table).unwrap_or_default()
    }
}

impl TxVisitor for Observed<'_> {
    type Error = ReplayError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), ReplayError> {
        Apply::new(self.datastore).begin(offset)
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), ReplayError> {
        Apply::new(self.datastore).inputs(inputs)
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        let (before, begin) = (self.row_count(table), rows.offset());
        Apply::new(self.datastore).insert(table, rows)?;
        // Not for event tables, nor for rows that old logs repeat.
        if self.observed && self.row_count(table) > before {
            let row = rows.consumed_since(begin);
            if let Some(schema) = self.datastore.schema(table) {
                self.observer.inserted(schema, row);
            }
        }
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        let (before, begin) = (self.row_count(table), rows.offset());
        Apply::new(self.datastore).delete(table, rows)?;
        if self.observed && self.row_count(table) < before {
            let row = rows.consumed_since(begin);
            if let Some(schema) = self.datastore.schema(table) {
                self.observer.deleted(schema, row);
            }
        }
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), ReplayError> {
        if self.observed
            && let Some(schema) = self.datastore.schema(table)
        {
            let mut row = Vec::new();
            for ptr in self.datastore.scan(table).into_iter().flatten() {
                row.clear();
                self.datastore.read_row(table, ptr, &mut row);
                self.observer.deleted(schema, &row);
            }
        }
        Apply::new(self.datastore).truncate(table)
    }

    fn end(&mut self, offset: TxOffset) -> Result<(), ReplayError> {
        Apply::new(self.datastore).end(offset)
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        Apply::new(self.datastore).skip_row(table, rows)
    }
}

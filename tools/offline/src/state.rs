//! The tables as they were after a given transaction.
//!
//! Begins with the newest good snapshot before, if there is one, and needs an undamaged log from
//! there up to the transaction. What is behind it does not matter.

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
use crate::snapshots;

/// Tables at one point of the history.
#[derive(Debug)]
pub struct State {
    datastore: Datastore,
    next: u64,
}

impl State {
    pub(crate) fn new(datastore: Datastore, next: u64) -> Self {
        State { datastore, next }
    }

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
    build(place, Base::Snapshot(None), None, progress, &mut Unobserved)
}

/// The same by the log alone, unless that starts late.
pub(crate) fn by_log(place: &Place, progress: &dyn Progress) -> Result<State, OfflineError> {
    build(place, Base::Log, None, progress, &mut Unobserved)
}

/// The state after transaction `offset`.
pub fn after(place: &Place, offset: u64, progress: &dyn Progress) -> Result<State, OfflineError> {
    let base = Base::Snapshot(Some(offset));
    build(place, base, Some(offset), progress, &mut Unobserved)
}

/// What a state is built upon.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// The log from its first transaction, if that is still there.
    Log,
    /// The newest good snapshot, at or before this transaction.
    Snapshot(Option<u64>),
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
    base: Base,
    last: Option<u64>,
    progress: &dyn Progress,
    observer: &mut dyn Observer,
) -> Result<State, OfflineError> {
    let mut throttled = Throttled::new(progress, pass::total_bytes(place)?);
    let starts_late = place.segments()?.first().is_some_and(|start| start.0 > 0);
    let restored = match base {
        Base::Log if !starts_late => None,
        Base::Log => snapshots::newest_state(place, last),
        Base::Snapshot(newest) => snapshots::newest_state(place, newest),
    };
    let (mut datastore, mut next) = restored.unwrap_or_else(|| {
        let mut datastore = Datastore::new();
        datastore.replay_begin();
        (datastore, 0)
    });
    let storage = Arc::clone(&place.storage);
    let mut log = LogReader::open(storage, place.log_dir(), TxOffset(next))?;
    let mut bytes = 0;
    while last.is_none_or(|last| next <= last) {
        let Some(commit) = log.next_commit()? else {
            break;
        };
        bytes += commit.records.len() as u64;
        throttled.at(bytes);
        next = apply(&commit, next, last, &mut datastore, observer)?;
    }
    if let Some(wanted) = last.filter(|&last| next <= last) {
        let last = next.checked_sub(1);
        return Err(OfflineError::NotReached { wanted, last });
    }
    datastore.finish_replay()?;
    Ok(State { datastore, next })
}

/// Applies the records of a commit from `from` up to and with `last`; returns the next offset.
fn apply(
    commit: &Commit<'_>,
    from: u64,
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
        let result = match offset < from {
            true => txdata::skip(&mut records, &mut visitor),
            false => txdata::decode(TxOffset(offset), &mut records, &mut visitor),
        };
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

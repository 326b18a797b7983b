//! The past: the state after any transaction that is still on disk.
//!
//! Invariants
//!   * Only reads, takes no lock, and holds nothing up: the database may be open, here or in
//!     another process, and be written to meanwhile.
//!   * The state is exactly that after the wanted transaction, or there is an error.
//!
//! Not here: keeping past states for the next who asks.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::txdata::{self, Inputs, TxVisitor};
use spacetime_commitlog::{Commit, LogError, LogReader, TxdataError};
use spacetime_durability::CLOG_DIR;
use spacetime_durability::storage::Storage;
use spacetime_snapshot::{SnapshotError, SnapshotRepo};
use spacetime_table::{Datastore, ReadView, ReplayError};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, Timestamp, TxOffset};

use crate::apply::Apply;
use crate::open::restore_at;
use crate::options::StoreOptions;
use crate::snapshots::SNAPSHOTS_DIR;

/// Why a past state could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log cannot be read, or begins after the transaction. If segments were removed just
    /// now, another attempt may succeed.
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot apply transaction {offset}: {what}")]
    Record { offset: TxOffset, what: String },
    #[error("the past state is not consistent: {0}")]
    Inconsistent(ReplayError),
    #[error("the snapshots cannot be opened: {0}")]
    Snapshots(#[from] SnapshotError),
    /// It did not happen yet, or is not on disk yet.
    #[error("there is no transaction {wanted}: the log ends before transaction {end}")]
    NotReached { wanted: TxOffset, end: TxOffset },
    /// Nothing that is still on disk happened at or before that time.
    #[error("no transaction that is still in the log was at or before the time {0}")]
    BeforeAll(Timestamp),
}

/// A past state.
#[derive(Clone, Debug)]
pub struct Past {
    pub view: ReadView,
    /// Its last transaction.
    pub offset: TxOffset,
    /// The snapshot that it was brought back from.
    pub snapshot: Option<TxOffset>,
}

/// The state after transaction `offset` of the database in `directory`.
pub fn open_at(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    offset: TxOffset,
    options: &StoreOptions,
) -> Result<Past, PastError> {
    Ok(bring_back(storage, directory, Until::Offset(offset), offset, options)?.into_past())
}

/// The same, to go on with.
pub fn datastore_at(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    offset: TxOffset,
    options: &StoreOptions,
) -> Result<Datastore, PastError> {
    Ok(bring_back(storage, directory, Until::Offset(offset), offset, options)?.datastore)
}

/// The state at a time: after the last transaction that was called at or before it, in the order
/// of the log. (Clocks may be set back: what comes after the first later call is not looked at,
/// except that whole commits are skipped by their first call.)
pub fn open_at_time(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    time: Timestamp,
    options: &StoreOptions,
) -> Result<Past, PastError> {
    let commit = last_commit_until(storage, directory, time)?;
    let commit = commit.ok_or(PastError::BeforeAll(time))?;
    // From a snapshot that cannot be later than the transaction that is looked for.
    let base = TxOffset(commit.0.saturating_sub(1));
    Ok(bring_back(storage, directory, Until::Time(time), base, options)?.into_past())
}

/// The last transaction at or before a time.
pub fn offset_at(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    time: Timestamp,
    options: &StoreOptions,
) -> Result<TxOffset, PastError> {
    Ok(open_at_time(storage, directory, time, options)?.offset)
}

/// A past state, before it is frozen.
struct Brought {
    datastore: Datastore,
    offset: TxOffset,
    snapshot: Option<TxOffset>,
}

impl Brought {
    fn into_past(self) -> Past {
        Past {
            view: self.datastore.view(),
            offset: self.offset,
            snapshot: self.snapshot,
        }
    }
}

/// Where to stop.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// After this transaction.
    Offset(TxOffset),
    /// Before the first one that was called later.
    Time(Timestamp),
}

/// Ends the reading of a commit.
enum Stop {
    Reached,
    Wrong(String),
}

/// Applies records up to the wanted one.
struct Limited<'a> {
    apply: Apply<'a>,
    until: Until,
    last: Option<TxOffset>,
}

impl Limited<'_> {
    fn wrong(error: &ReplayError) -> Stop {
        Stop::Wrong(error.to_string())
    }

    fn run(error: TxdataError<ReplayError>) -> TxdataError<Stop> {
        match error {
            TxdataError::Malformed(error) => TxdataError::Malformed(error),
            TxdataError::Visitor(error) => TxdataError::Visitor(Self::wrong(&error)),
        }
    }
}

impl TxVisitor for Limited<'_> {
    type Error = Stop;

    fn begin(&mut self, offset: TxOffset) -> Result<(), Stop> {
        match self.until {
            Until::Offset(last) if offset > last => Err(Stop::Reached),
            _ => Ok(()),
        }
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), Stop> {
        let called = inputs.call().map(|call| call.timestamp_micros);
        match self.until {
            Until::Time(time) if called > Some(time.micros) => Err(Stop::Reached),
            _ => Ok(()),
        }
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        let applied = self.apply.insert(table, rows);
        applied.map_err(|error| Self::wrong(&error))
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        let applied = self.apply.delete(table, rows);
        applied.map_err(|error| Self::wrong(&error))
    }

    fn insert_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<Stop>> {
        let applied = self.apply.insert_rows(table, count, rows);
        applied.map_err(Self::run)
    }

    fn delete_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<Stop>> {
        let applied = self.apply.delete_rows(table, count, rows);
        applied.map_err(Self::run)
    }

    fn truncate(&mut self, table: TableId) -> Result<(), Stop> {
        let applied = self.apply.truncate(table);
        applied.map_err(|error| Self::wrong(&error))
    }

    fn end(&mut self, offset: TxOffset) -> Result<(), Stop> {
        let applied = self.apply.end(offset);
        self.last = Some(offset);
        applied.map_err(|error| Self::wrong(&error))
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        let applied = self.apply.skip_row(table, rows);
        applied.map_err(|error| Self::wrong(&error))
    }
}

/// From the newest good snapshot at or before `base`.
fn bring_back(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    until: Until,
    base: TxOffset,
    options: &StoreOptions,
) -> Result<Brought, PastError> {
    let repo = SnapshotRepo::open_read_only(Arc::clone(storage), &directory.join(SNAPSHOTS_DIR))?;
    let mut datastore = Datastore::new();
    let mut offsets = repo.list().into_iter().rev().map(|info| info.tx_offset);
    let snapshot = loop {
        let Some(offset) = offsets.find(|offset| *offset <= base) else {
            datastore = Datastore::new();
            datastore.replay_begin();
            break None;
        };
        match restore_at(&mut datastore, &repo, offset, options) {
            Ok(()) => break Some(offset),
            Err(error) => tracing::warn!(%offset, %error, "a snapshot is of no use"),
        }
        datastore = Datastore::new();
    };
    let mut limited = Limited {
        apply: Apply::new(&mut datastore),
        until,
        last: snapshot,
    };
    let from = snapshot.map_or(TxOffset(0), |offset| TxOffset(offset.0 + 1));
    let end = match until {
        Until::Offset(offset) if Some(offset) == snapshot => from,
        _ => apply_log(storage, directory, from, &mut limited)?,
    };
    let last = limited.last;
    if let Until::Offset(wanted) = until
        && last != Some(wanted)
    {
        return Err(PastError::NotReached { wanted, end });
    }
    datastore.finish_replay().map_err(PastError::Inconsistent)?;
    let offset = match (last, until) {
        (Some(last), _) => last,
        (None, Until::Time(time)) => return Err(PastError::BeforeAll(time)),
        (None, Until::Offset(wanted)) => return Err(PastError::NotReached { wanted, end }),
    };
    Ok(Brought {
        datastore,
        offset,
        snapshot,
    })
}

/// Applies the log until told to stop, or to its end; returns where that is.
fn apply_log(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    from: TxOffset,
    limited: &mut Limited<'_>,
) -> Result<TxOffset, PastError> {
    let mut log = LogReader::open(Arc::clone(storage), &directory.join(CLOG_DIR), from)?;
    let mut end = from;
    while let Some(commit) = log.next_commit()? {
        end = commit.header.end().unwrap_or(end);
        if apply_commit(&commit, from, limited)? {
            return Ok(end);
        }
        // What comes after may be half written at this moment.
        if matches!(limited.until, Until::Offset(last) if end > last) {
            return Ok(end);
        }
    }
    Ok(end)
}

/// True if this was the last commit.
fn apply_commit(
    commit: &Commit<'_>,
    from: TxOffset,
    limited: &mut Limited<'_>,
) -> Result<bool, PastError> {
    let mut records = Reader::new(commit.records);
    for nth in 0..u64::from(commit.header.record_count) {
        let offset = TxOffset(commit.header.start.0 + nth);
        let read = if offset < from {
            txdata::skip(&mut records, limited)
        } else {
            txdata::decode(offset, &mut records, limited)
        };
        let what = match read {
            Ok(()) => continue,
            Err(TxdataError::Visitor(Stop::Reached)) => return Ok(true),
            Err(TxdataError::Visitor(Stop::Wrong(what))) => what,
            Err(TxdataError::Malformed(error)) => error.to_string(),
        };
        return Err(PastError::Record { offset, what });
    }
    Ok(false)
}

/// The first transaction of the last commit whose first call was at or before a time. Rows carry
/// no length, so that only the first record of a commit can be looked at without its schema.
fn last_commit_until(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    time: Timestamp,
) -> Result<Option<TxOffset>, PastError> {
    let log_dir = directory.join(CLOG_DIR);
    let from = spacetime_commitlog::segment::list(&**storage, &log_dir).map_err(LogError::from)?;
    let from = from.first().copied().unwrap_or_default();
    let mut log = LogReader::open(Arc::clone(storage), &log_dir, from)?;
    let mut last = None;
    loop {
        let commit = match log.next_commit() {
            Ok(Some(commit)) => commit,
            Ok(None) => return Ok(last),
            // The end may be half written at this moment.
            Err(LogError::Damaged(_)) if last.is_some() => return Ok(last),
            Err(error) => return Err(error.into()),
        };
        match txdata::first_call_time(commit.records) {
            Some(called) if called > time.micros => return Ok(last),
            Some(_) => last = Some(commit.header.start),
            None => {}
        }
    }
}

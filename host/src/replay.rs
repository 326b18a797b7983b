//! Running the recorded reducer calls of a log again, without a server.
//!
//! Everything that a module can see comes from the log: who called, over which connection, when,
//! with what, and the rows. So a call has the same effect again, unless the module is another one,
//! or depends on something that it should not depend on.
//!
//! How
//!   * Every call runs on the *recorded* state before it. What differs is reported and then undone,
//!     and the recorded rows are put in its place: one difference does not cause others.
//!   * What was not a reducer call (a publication, SQL, a client without a lifecycle reducer) is
//!     taken from the log. So is what the database wrote itself in the transaction of a call: rows
//!     of system tables are put in place before the call, and those of a client that leaves are
//!     removed after it. What is compared is the rows of the module's tables.
//!   * Without a program to try, the log's own runs, each from where it was published.
//!   * Sequences go on where they stood. After a restart of the server they skipped what was left
//!     of a block, and calls that were undone used numbers up, which no log says: if a call
//!     differs, it is tried again with its sequences at the first number that was recorded, in a
//!     fresh instance, as after a restart.
//!
//! What a log cannot tell, and so is not compared
//!   * Calls that failed or changed nothing: they are not in it. A scheduled call that failed left
//!     only the removal of its row, so it equals one that fails now, or that does nothing.
//!   * What a module kept in its memory from call to call, where such unlogged calls changed it.
//!   * The order of rows in a table scan, after transactions that were rolled back.

mod applied;
mod attempt;
mod compare;
mod journal;
mod record;
mod runner;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use spacetime_commitlog::{LogError, LogReader, ReplayError as LogReplayError, replay_commit};
use spacetime_durability::CLOG_DIR;
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{StoreOptions, datastore_at};
use spacetime_table::error::WriteError;
use spacetime_table::{Datastore, ReplayError as RowsError};
use spacetime_types::{ConnectionId, Identity, Timestamp, TxOffset};

use self::journal::Journal;
use self::runner::Runner;
use crate::publish::PublishError;
use crate::wasm::CallLimits;

pub use self::compare::{Rows, TableDifference};

/// What to run again, and with what.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The program to try; `None` for those in the log.
    pub program: Option<Bytes>,
    /// The first transaction whose call is run; the state before it comes from the log.
    pub from: TxOffset,
    /// The first transaction that is left out.
    pub until: Option<TxOffset>,
    /// Rows that a difference shows of each list at most; all are counted.
    pub rows_max: usize,
    pub call_limits: CallLimits,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        ReplayOptions {
            program: None,
            from: TxOffset(0),
            until: None,
            rows_max: 10,
            call_limits: CallLimits::default(),
        }
    }
}

/// A call that does not do now what the log says that it did.
#[derive(Clone, Debug)]
pub struct Difference {
    pub offset: TxOffset,
    pub reducer: Box<str>,
    pub caller: Identity,
    pub connection_id: ConnectionId,
    pub timestamp: Timestamp,
    /// Why the call does not succeed now; `None` if it does, with other effects.
    pub failure: Option<Box<str>>,
    /// Tables with other rows than recorded, by name.
    pub tables: Vec<TableDifference>,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The transaction reached.
    pub offset: TxOffset,
    /// Bytes of records behind it.
    pub record_bytes: u64,
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Transactions from the first to the last one looked at.
    pub transactions: u64,
    /// Of them, calls that were run again.
    pub calls: u64,
    /// Of them, those that did something else.
    pub different: u64,
    pub first_difference: Option<TxOffset>,
    /// Calls that were equal only after a sequence went on elsewhere, as after a restart or a call
    /// that was undone.
    pub sequence_jumps: u64,
    /// The transaction after the last one.
    pub end: TxOffset,
}

/// Follows a replay.
pub trait ReplayObserver {
    fn difference(&mut self, difference: &Difference);

    /// Called now and then.
    fn progress(&mut self, progress: &ReplayProgress) {
        let _ = progress;
    }
}

/// Why a transaction could not be taken up.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The log does not describe a consistent state.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A recorded row does not fit what is there.
    #[error("a recorded change cannot be made: {0}")]
    Write(#[from] WriteError),
    /// A recorded row is not as the log before it says.
    #[error("the recorded {what} of a row of the table id {table} cannot be made: {why}")]
    Recorded {
        what: &'static str,
        table: spacetime_types::TableId,
        why: &'static str,
    },
    /// The program that the transaction puts in place is not one that runs here.
    #[error("the program that is put in place here cannot be run: {0}")]
    Program(#[from] PublishError),
    #[error("the program that is put in place here is of kind {0}, not WebAssembly")]
    ProgramKind(u8),
    /// Not an error: the end was reached.
    #[error("the end was reached")]
    End,
}

/// Why a log could not be replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayCallsError {
    #[error("there is no log in {}; name a replica's directory, or its clog", .0.display())]
    NoLog(PathBuf),
    #[error(transparent)]
    Log(Box<LogError>),
    #[error(transparent)]
    Step(Box<LogReplayError<StepError>>),
    #[error("the first call cannot be run: {0}")]
    Begin(Box<StepError>),
    #[error("the log ends before transaction {wanted}: its next one would be {end}")]
    EndsEarly { wanted: TxOffset, end: TxOffset },
    #[error("the wasm engine cannot be started: {0:#}")]
    Engine(wasmtime::Error),
}

impl From<Box<StepError>> for ReplayCallsError {
    fn from(error: Box<StepError>) -> Self {
        ReplayCallsError::Begin(error)
    }
}

impl From<LogError> for ReplayCallsError {
    fn from(error: LogError) -> Self {
        ReplayCallsError::Log(Box::new(error))
    }
}

/// The state before a transaction, from a snapshot beside the log if there is one. Without it the
/// log is gone through from its beginning.
fn state_before(
    storage: &Arc<dyn Storage>,
    log_dir: &Path,
    from: TxOffset,
) -> Option<Box<Datastore>> {
    let before = TxOffset(from.0.checked_sub(1)?);
    let is_in_replica = log_dir.file_name().is_some_and(|name| name == CLOG_DIR);
    let replica = log_dir.parent().filter(|_| is_in_replica)?;
    match datastore_at(storage, replica, before, &StoreOptions::default()) {
        Ok(datastore) => Some(Box::new(datastore)),
        Err(error) => {
            tracing::debug!(%before, %error, "the state before is taken from the log's beginning");
            None
        }
    }
}

/// Transactions between two reports of progress.
const PROGRESS_EVERY: u64 = 256;

/// Runs the calls of the log in `log_dir` again. The files are only read; a server may be running
/// on them, then the log ends where it was when the end was reached.
pub fn replay_calls(
    log_dir: &Path,
    options: &ReplayOptions,
    observer: &mut dyn ReplayObserver,
) -> Result<ReplaySummary, ReplayCallsError> {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let runner = Runner::new(options).map_err(ReplayCallsError::Engine)?;
    let mut journal = Journal::new(options, runner, observer);
    let mut first = TxOffset(0);
    if let Some(state) = state_before(&storage, log_dir, options.from) {
        journal.begin_with(state).map_err(Box::new)?;
        first = options.from;
    }
    let mut log = LogReader::open(storage, log_dir, first)?;
    let mut record_bytes = 0;
    let mut reported = 0;
    while let Some(commit) = log.next_commit()? {
        let len = commit.records.len();
        match replay_commit(&commit, first, &mut journal) {
            Ok(_) => {}
            Err(LogReplayError::Visitor {
                source: StepError::End,
                ..
            }) => return Ok(journal.summary()),
            Err(error) => return Err(ReplayCallsError::Step(Box::new(error))),
        }
        record_bytes += u64::try_from(len).unwrap_or(u64::MAX);
        let offset = journal.next_offset();
        if offset.0 >= reported + PROGRESS_EVERY {
            reported = offset.0;
            journal.report_progress(&ReplayProgress {
                offset,
                record_bytes,
            });
        }
    }
    let end = log.into_end();
    if end.last.is_none() {
        return Err(ReplayCallsError::NoLog(log_dir.to_owned()));
    }
    let wanted = options.until.unwrap_or(options.from);
    if end.next < wanted {
        return Err(ReplayCallsError::EndsEarly {
            wanted,
            end: end.next,
        });
    }
    Ok(journal.summary())
}

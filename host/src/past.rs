//! States of the past, for reading: rebuilt from the log, kept for the next question.
//!
//! Invariants
//!   * A state is asked for only once its transaction is durable: what was shown stays true.
//!   * One state is rebuilt at a time, on the thread that asks. The writer is not involved.
//!   * At most [`STATES_MAX`] states are kept, fewer if they are large; the least recently used
//!     one goes first.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use spacetime_commitlog::{LogError, LogReader, ReplayError as LogReplayError, TxdataError};
use spacetime_commitlog::{replay_commit, txdata};
use spacetime_durability::CLOG_DIR;
use spacetime_durability::storage::Storage;
use spacetime_query::{self as query, RowBuffer, Statement, execute_select};
use spacetime_store::Apply;
use spacetime_table::{Datastore, ReadView, ReplayError};
use spacetime_types::TxOffset;
use spacetime_types::bsatn::Reader;

use crate::sql::{SqlError, SqlResult, SqlStats};

/// States kept at most.
const STATES_MAX: usize = 4;
/// Bytes that kept states may hold together; the newest one may be larger by itself.
const STATES_BYTES_MAX: usize = 1 << 30;

/// Why a state of the past is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    #[error("transaction {asked} is not there yet: {}", match .durable {
        Some(durable) => format!("the last one on disk is {durable}"),
        None => "none is on disk".to_owned(),
    })]
    NotYet {
        asked: TxOffset,
        durable: Option<TxOffset>,
    },
    #[error("the past cannot be changed: only queries can be asked of it")]
    Change,
    #[error("views have no past that is recorded")]
    View,
    /// The log is damaged, or its beginning was removed.
    #[error("the state after transaction {at} cannot be rebuilt: {cause}")]
    Rebuild { at: TxOffset, cause: Box<str> },
}

/// The states that are kept, the last used one last.
#[derive(Debug, Default)]
pub(crate) struct PastStates {
    kept: Mutex<VecDeque<(TxOffset, ReadView)>>,
    rebuilding: Mutex<()>,
}

impl PastStates {
    /// The state after a transaction.
    pub(crate) fn after(
        &self,
        at: TxOffset,
        storage: &Arc<dyn Storage>,
        directory: &Path,
    ) -> Result<ReadView, PastError> {
        if let Some(state) = self.find(at) {
            return Ok(state);
        }
        let _one_at_a_time = self.rebuilding.lock();
        // Somebody else may have asked for the same.
        if let Some(state) = self.find(at) {
            return Ok(state);
        }
        let started = Instant::now();
        let state = rebuild(at, storage, directory)?.view();
        tracing::info!(
            directory = %directory.display(),
            offset = %at,
            milliseconds = started.elapsed().as_secs_f64() * 1000.0,
            "a state of the past was rebuilt"
        );
        self.keep(at, state.clone());
        Ok(state)
    }

    fn find(&self, at: TxOffset) -> Option<ReadView> {
        let mut kept = self.kept.lock();
        let position = kept.iter().position(|(offset, _)| *offset == at)?;
        let found = kept.remove(position)?;
        let state = found.1.clone();
        kept.push_back(found);
        Some(state)
    }

    fn keep(&self, at: TxOffset, state: ReadView) {
        let mut kept = self.kept.lock();
        kept.push_back((at, state));
        let bytes = |kept: &VecDeque<(TxOffset, ReadView)>| -> usize {
            kept.iter().map(|(_, state)| state.allocated_bytes()).sum()
        };
        while kept.len() > STATES_MAX || (kept.len() > 1 && bytes(&kept) > STATES_BYTES_MAX) {
            kept.pop_front();
        }
    }
}

/// The rows after transaction `at`, from the log alone.
fn rebuild(
    at: TxOffset,
    storage: &Arc<dyn Storage>,
    directory: &Path,
) -> Result<Box<Datastore>, PastError> {
    let failed = |cause: String| PastError::Rebuild {
        at,
        cause: cause.into(),
    };
    let log_failed = |error: LogError| failed(error.to_string());
    let mut datastore = Box::new(Datastore::new());
    datastore.replay_begin();
    let mut apply = Apply::new(&mut datastore);
    let log_dir = directory.join(CLOG_DIR);
    let mut log =
        LogReader::open(Arc::clone(storage), &log_dir, TxOffset(0)).map_err(log_failed)?;
    let mut reached = false;
    while !reached {
        let Some(commit) = log.next_commit().map_err(log_failed)? else {
            return Err(failed("the log ends before it".to_owned()));
        };
        let count = at.0 - commit.header.start.0 + 1;
        reached = count <= u64::from(commit.header.record_count);
        if count < u64::from(commit.header.record_count) {
            let mut records = Reader::new(commit.records);
            for nth in 0..count {
                let offset = TxOffset(commit.header.start.0 + nth);
                txdata::decode(offset, &mut records, &mut apply)
                    .map_err(|error: TxdataError<ReplayError>| failed(error.to_string()))?;
            }
        } else {
            replay_commit(&commit, TxOffset(0), &mut apply)
                .map_err(|error: LogReplayError<ReplayError>| failed(error.to_string()))?;
        }
    }
    datastore
        .finish_replay()
        .map_err(|error| failed(error.to_string()))?;
    Ok(datastore)
}

/// Asks a state of the past.
pub(crate) fn select(
    state: &ReadView,
    caller: &query::Caller,
    text: &str,
) -> Result<SqlResult, SqlError> {
    let started = Instant::now();
    let Statement::Select(select) = query::compile(text, state, caller)? else {
        return Err(PastError::Change.into());
    };
    let mut tables = select.plan().tables().iter();
    if tables.any(|table| table.view.is_some()) {
        return Err(PastError::View.into());
    }
    let mut rows = RowBuffer::new(None);
    execute_select(&select, state, &mut rows)
        .map_err(|error| SqlError::Execute(error.to_string().into()))?;
    Ok(SqlResult {
        columns: select.result_type().clone(),
        rows: rows.finish(),
        stats: SqlStats::default(),
        duration_micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

//! States of the past, for reading: rebuilt from a snapshot and the log, and kept for the next
//! question.
//!
//! Invariants
//!   * A state is asked for only once its transaction is durable: what was shown stays true.
//!   * One state is rebuilt at a time, on the reader thread that asks. The writer is not involved.
//!   * A question has the limits of any query. Rebuilding takes as long as it takes, as a state
//!     that could not be had in time would never be had.
//!   * At most [`STATES_MAX`] states are kept, fewer if they are large; the least recently used
//!     one goes first.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use spacetime_durability::storage::Storage;
use spacetime_query::{self as query, Statement};
use spacetime_store::{StoreOptions, open_at};
use spacetime_table::ReadView;
use spacetime_types::{Identity, TxOffset};

use crate::questions::{Asked, Question};
use crate::reads::Allowance;
use crate::sql::{SqlError, SqlResult};

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
        options: &StoreOptions,
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
        let past =
            open_at(storage, directory, at, options).map_err(|error| PastError::Rebuild {
                at,
                cause: error.to_string().into(),
            })?;
        tracing::info!(
            directory = %directory.display(),
            offset = %at,
            snapshot = ?past.snapshot,
            milliseconds = started.elapsed().as_secs_f64() * 1000.0,
            "a state of the past was rebuilt"
        );
        self.keep(at, past.view.clone());
        Ok(past.view)
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

/// Asks a state of the past. `is_wanted` is asked now and then.
pub(crate) fn select(
    state: &ReadView,
    caller: &query::Caller,
    text: &str,
    allowance: &mut Allowance,
    is_wanted: &dyn Fn() -> bool,
    database: Identity,
) -> Result<SqlResult, SqlError> {
    let started = Instant::now();
    let question = match query::compile(text, state, caller)? {
        Statement::Select(select) => Question::Select(select),
        Statement::Explain(explain) => Question::Explain(explain),
        Statement::Change(_) => return Err(PastError::Change.into()),
    };
    let mut tables = question.select().tables();
    if tables.any(|table| table.view.is_some()) {
        return Err(PastError::View.into());
    }
    let asked = Asked::new(database, caller.identity, text, started);
    let rows = allowance.answer(&asked, &question, state, is_wanted)?;
    Ok(SqlResult::of(&question, rows, started))
}

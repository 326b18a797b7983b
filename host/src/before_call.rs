//! The state before the call that is running, for queries that would wait for its end.
//!
//! A view of the rows costs the writer a copy of every page that it touches while the view lives
//! (see `worker/reading`), so there is none beside calls that end quickly. Before a call of a
//! reducer that was slow the last time, or that was not called yet, one is made and shown here;
//! queries that come while the call runs are answered from it.
//!
//! Invariants
//!   * What is shown is the state that is committed: it goes before anybody learns that the call
//!     has ended.
//!   * The writer thread never drops the last reference to a view.
//!
//! Not here: queries of connected clients, which have their place among the client's requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use spacetime_query::{self as query, Statement};
use spacetime_store::DurableWaiter;
use spacetime_table::ReadView;
use spacetime_types::TxOffset;
use tokio::sync::oneshot;

use crate::database::Shared;
use crate::questions::{Asked, Question};
use crate::request::Caller;
use crate::sql::{SqlError, SqlResult};

/// A call that takes longer is worth a view before the next one.
const QUICK: Duration = Duration::from_millis(5);

/// A state, and when it is on disk.
#[derive(Debug)]
pub(crate) struct CommittedState {
    pub(crate) view: Arc<ReadView>,
    pub(crate) last: Option<TxOffset>,
    pub(crate) durable: DurableWaiter,
}

/// Where the writer thread shows the state.
#[derive(Debug, Default)]
pub(crate) struct BeforeCall(Mutex<Option<Arc<CommittedState>>>);

impl BeforeCall {
    pub(crate) fn show(&self, state: CommittedState) {
        *self.0.lock() = Some(Arc::new(state));
    }

    /// Nothing is shown any more. What was is not to be dropped by the writer thread.
    #[must_use]
    pub(crate) fn hide(&self) -> Option<Arc<CommittedState>> {
        self.0.lock().take()
    }

    fn shown(&self) -> Option<Arc<CommittedState>> {
        self.0.lock().clone()
    }
}

/// Which reducers were quick the last time, by their numbers in the module.
#[derive(Debug, Default)]
pub(crate) struct QuickReducers(FxHashSet<u32>);

impl QuickReducers {
    pub(crate) fn contains(&self, reducer: u32) -> bool {
        self.0.contains(&reducer)
    }

    pub(crate) fn note(&mut self, reducer: u32, took: Duration) {
        match took <= QUICK {
            true => self.0.insert(reducer),
            false => self.0.remove(&reducer),
        };
    }

    /// The numbers mean other reducers from now on.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Answers a query over HTTP from the state before the running call. `None` if there is none, or
/// if the statement has to take its turn: a change, a query of views or of the system's tables
/// (which would show the caller itself), or one with a mistake, which is told in its turn.
pub(crate) async fn ask_before_call(
    shared: &Arc<Shared>,
    caller: &Caller,
    text: &str,
    confirmed: bool,
) -> Option<Result<Vec<SqlResult>, SqlError>> {
    let state = shared.before_call.shown()?;
    let asker = query::Caller {
        identity: caller.identity,
        is_owner: caller.identity == shared.owner,
    };
    let question = match query::compile(text, &state.view, &asker).ok()? {
        Statement::Select(select) => Question::Select(select),
        Statement::Explain(explain) => Question::Explain(explain),
        Statement::Change(_) => return None,
    };
    if !reads_stored_tables_only(&question) {
        return None;
    }
    let result = answer(shared, &asker, state, question, text, confirmed).await;
    Some(result.map(|result| vec![result]))
}

fn reads_stored_tables_only(question: &Question) -> bool {
    let mut tables = question.select().tables();
    tables.all(|table| table.view.is_none() && !table.is_system())
}

async fn answer(
    shared: &Arc<Shared>,
    asker: &query::Caller,
    state: Arc<CommittedState>,
    question: Question,
    text: &str,
    confirmed: bool,
) -> Result<SqlResult, SqlError> {
    let started = Instant::now();
    let room = shared.readers.reserve()?;
    let mut allowance = shared.readers.allowance_of(asker);
    let asked = Asked::new(shared.identity, asker.identity, text, started);
    let (reply, answer) = oneshot::channel();
    shared.readers.run(room, move || {
        let is_wanted = || !reply.is_closed();
        let rows = allowance.answer(&asked, &question, &state.view, &is_wanted);
        let rows = rows.map(|rows| SqlResult::of(&question, rows, started));
        let _ = reply.send((rows, state));
    });
    let failed = |_| SqlError::Execute("the query failed; see the server log".into());
    let (result, state) = answer.await.map_err(failed)?;
    let needs = state.last.filter(|_| confirmed);
    if let Some(offset) = needs.filter(|offset| shared.release.durable() < Some(*offset)) {
        let waited = tokio::task::spawn_blocking(move || state.durable.wait(offset));
        let waited = waited.await.map_err(|error| not_durable(&error))?;
        waited.map_err(|error| not_durable(&error))?;
    }
    Ok(result?)
}

fn not_durable(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::NotDurable(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reducer_is_quick_if_it_was_the_last_time() {
        let mut quick = QuickReducers::default();
        assert!(!quick.contains(7), "nothing is known of it");
        quick.note(7, QUICK);
        assert!(quick.contains(7) && !quick.contains(8));
        quick.note(7, QUICK * 2);
        assert!(!quick.contains(7));
        quick.note(7, Duration::ZERO);
        quick.forget();
        assert!(!quick.contains(7));
    }
}

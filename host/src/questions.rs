//! Queries that are asked once: counted, and written down when they are slow.
//!
//! Not here: running them (see `reads`), subscriptions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use spacetime_query::{ExplainPlan, SelectPlan};
use spacetime_types::{Identity, ProductType};

/// Characters of a slow query's text that are logged.
const TEXT_CHARS_MAX: usize = 1_000;

/// A compiled query.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Select(SelectPlan),
    Explain(ExplainPlan),
}

impl Question {
    /// The query itself, or the one that is explained.
    pub(crate) fn select(&self) -> &SelectPlan {
        match self {
            Question::Select(select) | Question::Explain(ExplainPlan { select, .. }) => select,
        }
    }

    pub(crate) fn columns(&self) -> ProductType {
        match self {
            Question::Select(select) => select.result_type().clone(),
            Question::Explain(_) => ExplainPlan::result_type(),
        }
    }

    /// Whether rows are read to answer it.
    pub(crate) fn reads(&self) -> bool {
        !matches!(self, Question::Explain(ExplainPlan { analyze: false, .. }))
    }
}

/// What the one-off queries of a database have cost since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryCounts {
    /// Queries that were run to their end, or to an error.
    pub queries: u64,
    pub failed: u64,
    /// Queries that took longer than the threshold of the log.
    pub slow: u64,
    /// Stored rows that were read.
    pub rows_visited: u64,
    /// Rows of results.
    pub rows_returned: u64,
    /// From the question to the result, together.
    pub micros: u64,
}

/// The counters behind [`QueryCounts`].
#[derive(Debug, Default)]
pub(crate) struct QueryCounters {
    queries: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
    rows_visited: AtomicU64,
    rows_returned: AtomicU64,
    micros: AtomicU64,
}

impl QueryCounters {
    pub(crate) fn counts(&self) -> QueryCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        QueryCounts {
            queries: read(&self.queries),
            failed: read(&self.failed),
            slow: read(&self.slow),
            rows_visited: read(&self.rows_visited),
            rows_returned: read(&self.rows_returned),
            micros: read(&self.micros),
        }
    }
}

/// Who asked what, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub database: Identity,
    pub caller: Identity,
    pub text: Box<str>,
    pub started: Instant,
}

impl Asked {
    pub(crate) fn new(database: Identity, caller: Identity, text: &str, started: Instant) -> Self {
        let text = match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((end, _)) => format!("{}...", &text[..end]).into(),
            None => text.into(),
        };
        Asked {
            database,
            caller,
            text,
            started,
        }
    }

    /// Counts the query, and logs it if it was slow. `rows` is that of the result, or the error.
    pub(crate) fn answered(
        &self,
        question: &Question,
        rows: Result<usize, &dyn std::fmt::Display>,
        visited: u64,
        slow: Duration,
        counters: &QueryCounters,
    ) {
        let took = self.started.elapsed();
        let add = |counter: &AtomicU64, number: u64| counter.fetch_add(number, Ordering::Relaxed);
        add(&counters.queries, 1);
        add(&counters.rows_visited, visited);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        add(&counters.micros, micros);
        let outcome = match rows {
            Ok(rows) => {
                add(
                    &counters.rows_returned,
                    u64::try_from(rows).unwrap_or(u64::MAX),
                );
                format!("{rows} rows")
            }
            Err(error) => {
                add(&counters.failed, 1);
                format!("failed: {error}")
            }
        };
        if took < slow {
            return;
        }
        add(&counters.slow, 1);
        tracing::warn!(
            database = %self.database,
            caller = %self.caller,
            milliseconds = micros / 1_000,
            visited,
            outcome,
            query = %self.text,
            plan = %question.select(),
            "slow query"
        );
    }
}

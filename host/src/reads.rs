//! Threads for queries that would take too long on a writer thread: bounded in number, in what
//! waits for them, in time and in the size of a result.
//!
//! Invariants
//!   * One database never has all threads: another one always finds one, or waits its turn behind
//!     queries that each end in bounded time.
//!   * Whoever cannot be served is told so at once; nothing waits in a queue without a bound.
//!   * A query ends soon after its deadline, which counts from the moment it was asked, after the
//!     database or the server has stopped, and after whoever asked has gone away.
//!
//! Not here: what is read (see `worker/reading`).

mod threads;

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spacetime_query::{
    self as query, Meter, Profile, ROWS_BETWEEN_CHECKS, RowBuffer, RowSink, SelectPlan,
    execute_explain, execute_metered, execute_profiled,
};
use spacetime_table::{Datastore, RowList};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::threads::Threads;
use crate::limits::{
    QUERY_TIME_DEFAULT, READERS_MIN, READS_WAITING_MAX, RESULT_BYTES_DEFAULT, RESULT_ROWS_DEFAULT,
    SLOW_QUERY_DEFAULT,
};
use crate::questions::{Asked, QueryCounters, QueryCounts, Question};

/// What one query may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// From the question to the result.
    pub time: Duration,
    /// Stored rows that it may visit, unless the owner asks; told every 1,024 rows.
    pub visits: u64,
    /// First rows of one query set, unless it is the owner's.
    pub first_rows: u64,
    pub rows: u64,
    /// Of the result, and as many again of what is sorted, grouped or told apart.
    pub bytes: usize,
    /// One-off queries that take longer are logged with their plans.
    pub slow: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits {
            time: QUERY_TIME_DEFAULT,
            visits: u64::MAX,
            first_rows: u64::MAX,
            rows: RESULT_ROWS_DEFAULT,
            bytes: RESULT_BYTES_DEFAULT,
            slow: SLOW_QUERY_DEFAULT,
        }
    }
}

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Execute(#[from] query::ExecuteError),
    /// Narrow the conditions, or use an index.
    #[error("the query took longer than {0:?} and was stopped")]
    TimedOut(Duration),
    /// Narrow the conditions, or use an index.
    #[error("the query looks at more than {0} rows, which is what this server allows")]
    TooManyVisits(u64),
    /// Narrow the conditions, or set a LIMIT.
    #[error("the result has more than {0} rows")]
    TooManyRows(u64),
    #[error("the result has more than {0} bytes")]
    TooManyBytes(usize),
    /// Ask again later.
    #[error("too many queries are waiting for this database; try again later")]
    Overloaded,
    #[error("the query was stopped: the database is not running any more, or nobody waits")]
    Stopped,
}

/// The reader threads of a server.
#[derive(Debug)]
pub(crate) struct ReaderPool {
    limits: ReadLimits,
    runtime: Handle,
    threads: Arc<Threads>,
    count: usize,
    free: Arc<Semaphore>,
}

impl ReaderPool {
    pub(crate) fn new(limits: ReadLimits, runtime: Handle) -> io::Result<Arc<ReaderPool>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        ReaderPool::with_threads(cores.max(READERS_MIN), limits, runtime)
    }

    fn with_threads(
        count: usize,
        limits: ReadLimits,
        runtime: Handle,
    ) -> io::Result<Arc<ReaderPool>> {
        Ok(Arc::new(ReaderPool {
            limits,
            threads: Arc::new(Threads::start(count, &runtime)?),
            runtime,
            count,
            free: Arc::new(Semaphore::new(count)),
        }))
    }
}

/// One database's share of the reader threads.
#[derive(Debug)]
pub(crate) struct Readers {
    pool: Arc<ReaderPool>,
    /// One fewer than there are threads.
    share: Arc<Semaphore>,
    /// Queries that wait or run.
    queries: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    counters: Arc<QueryCounters>,
}

/// Room for one query.
#[derive(Debug)]
pub(crate) struct Room {
    queries: Arc<AtomicUsize>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.queries.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Readers {
    pub(crate) fn new(pool: Arc<ReaderPool>) -> Readers {
        assert!(pool.count > 1, "a database leaves one thread to others");
        let share = Arc::new(Semaphore::new(pool.count - 1));
        Readers {
            pool,
            share,
            queries: Arc::default(),
            stopped: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// What one-off queries have cost.
    pub(crate) fn counts(&self) -> QueryCounts {
        self.counters.counts()
    }

    pub(crate) fn runtime(&self) -> Handle {
        self.pool.runtime.clone()
    }

    /// The limits of a query that the owner, or the database itself, asks now.
    pub(crate) fn allowance(&self) -> Allowance {
        let limits = self.pool.limits;
        Allowance {
            limits,
            rows_left: limits.rows,
            visits_left: u64::MAX,
            bytes_left: limits.bytes,
            deadline: Instant::now() + limits.time,
            stopped: Arc::clone(&self.stopped),
            counters: Arc::clone(&self.counters),
        }
    }

    /// The limits of a query that is asked now by `caller`.
    pub(crate) fn allowance_of(&self, caller: &query::Caller) -> Allowance {
        let mut allowance = self.allowance();
        if !caller.is_owner {
            allowance.visits_left = allowance.limits.visits;
        }
        allowance
    }

    /// The same for the first rows of a query set.
    pub(crate) fn first_rows_of(&self, caller: &query::Caller) -> Allowance {
        let mut allowance = self.allowance_of(caller);
        if !caller.is_owner {
            let limits = &mut allowance.limits;
            limits.rows = limits.rows.min(limits.first_rows);
            allowance.rows_left = limits.rows;
        }
        allowance
    }

    /// The same with less time, for what a writer thread waits for.
    pub(crate) fn allowance_for(&self, time: Duration) -> Allowance {
        let mut allowance = self.allowance();
        allowance.limits.time = time.min(allowance.limits.time);
        allowance.deadline = Instant::now() + allowance.limits.time;
        allowance
    }

    /// Room for one more query, if there is any.
    pub(crate) fn reserve(&self) -> Result<Room, ReadError> {
        let room = Room {
            queries: Arc::clone(&self.queries),
        };
        // Counted first: `room` takes it back when it is dropped.
        let before = self.queries.fetch_add(1, Ordering::Relaxed);
        if before >= READS_WAITING_MAX {
            return Err(ReadError::Overloaded);
        }
        Ok(room)
    }

    /// Runs a query on a thread as soon as one is free, in turn with other databases.
    pub(crate) fn run(&self, room: Room, job: impl FnOnce() + Send + 'static) {
        let threads = Arc::clone(&self.pool.threads);
        let (share, free) = (Arc::clone(&self.share), Arc::clone(&self.pool.free));
        let both = Arc::clone(&share)
            .try_acquire_owned()
            .and_then(|share| Ok((share, Arc::clone(&free).try_acquire_owned()?)));
        let start = move |permits: (OwnedSemaphorePermit, OwnedSemaphorePermit)| {
            move || {
                // Kept to the end, also if the job panics.
                let _held = (permits, room);
                job();
            }
        };
        if let Ok(permits) = both {
            threads.run(start(permits));
            return;
        }
        self.pool.runtime.spawn(async move {
            let (share, free) = (share.acquire_owned().await, free.acquire_owned().await);
            // The semaphores are never closed.
            let (Ok(share), Ok(free)) = (share, free) else {
                return;
            };
            threads.run(start((share, free)));
        });
    }

    /// Drops something large on a thread of the readers.
    pub(crate) fn drop_there(&self, value: impl Send + 'static) {
        self.pool.threads.run(move || drop(value));
    }

    /// Ends what runs and what waits. Nothing can be read after.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// What one statement, or all queries of one set together, may still use.
#[derive(Debug)]
pub(crate) struct Allowance {
    limits: ReadLimits,
    rows_left: u64,
    visits_left: u64,
    bytes_left: usize,
    deadline: Instant,
    stopped: Arc<AtomicBool>,
    counters: Arc<QueryCounters>,
}

impl Allowance {
    /// Answers a question that is asked once, within what is left; counts it, and logs it if it
    /// was slow.
    pub(crate) fn answer(
        &mut self,
        asked: &Asked,
        question: &Question,
        datastore: &Datastore,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<RowList, ReadError> {
        let mut visited = 0;
        let rows = self.run(None, is_wanted, &mut |sink, meter| match question {
            Question::Select(select) => {
                let mut profile = Profile::default();
                let done = execute_profiled(select, datastore, sink, meter, &mut profile);
                visited = profile.rows_visited();
                done
            }
            Question::Explain(explain) => {
                let micros = || micros_of(asked.started.elapsed());
                execute_explain(explain, datastore, sink, meter, &micros)
            }
        });
        let outcome = match &rows {
            Ok(rows) => Ok(rows.len()),
            Err(error) => Err(error as &dyn std::fmt::Display),
        };
        asked.answered(question, outcome, visited, self.limits.slow, &self.counters);
        rows
    }

    /// Runs one query within what is left. `is_wanted` is asked now and then.
    pub(crate) fn select(
        &mut self,
        select: &SelectPlan,
        fixed_row_len: Option<usize>,
        datastore: &Datastore,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<RowList, ReadError> {
        self.run(fixed_row_len, is_wanted, &mut |sink, meter| {
            execute_metered(select, datastore, sink, meter)
        })
    }

    fn run(
        &mut self,
        fixed_row_len: Option<usize>,
        is_wanted: &dyn Fn() -> bool,
        job: &mut dyn FnMut(&mut dyn RowSink, &Meter<'_>) -> Result<(), query::ExecuteError>,
    ) -> Result<RowList, ReadError> {
        let stop = Cell::new(None);
        let limits = self.limits;
        let visits_left = Cell::new(self.visits_left);
        let is_begun = Cell::new(false);
        let may_go_on = || {
            let visits = u64::from(ROWS_BETWEEN_CHECKS);
            let reason = if Instant::now() >= self.deadline {
                ReadError::TimedOut(limits.time)
            } else if self.stopped.load(Ordering::Relaxed) || !is_wanted() {
                ReadError::Stopped
            } else {
                if !is_begun.replace(true) {
                    return true;
                }
                match visits_left.get().checked_sub(visits) {
                    Some(left) => {
                        visits_left.set(left);
                        return true;
                    }
                    None => ReadError::TooManyVisits(limits.visits),
                }
            };
            stop.set(Some(reason));
            false
        };
        let mut rows = LimitedRows {
            rows: RowBuffer::new(fixed_row_len),
            limits,
            rows_left: self.rows_left,
            bytes_left: self.bytes_left,
            exceeded: None,
        };
        let meter = Meter::new(&may_go_on).holding_at_most(limits.bytes);
        let result = match may_go_on() {
            true => job(&mut rows, &meter),
            false => Ok(()),
        };
        (self.rows_left, self.bytes_left) = (rows.rows_left, rows.bytes_left);
        self.visits_left = visits_left.get();
        match stop.take().or(rows.exceeded) {
            Some(error) => Err(error),
            None => Ok(result.map(|()| rows.rows.finish())?),
        }
    }
}

pub(crate) fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Collects rows up to a limit.
struct LimitedRows {
    rows: RowBuffer,
    limits: ReadLimits,
    rows_left: u64,
    bytes_left: usize,
    exceeded: Option<ReadError>,
}

impl RowSink for LimitedRows {
    fn row(&mut self, row: &[u8]) -> ControlFlow<()> {
        let Some(rows_left) = self.rows_left.checked_sub(1) else {
            self.exceeded = Some(ReadError::TooManyRows(self.limits.rows));
            return ControlFlow::Break(());
        };
        let Some(bytes_left) = self.bytes_left.checked_sub(row.len()) else {
            self.exceeded = Some(ReadError::TooManyBytes(self.limits.bytes));
            return ControlFlow::Break(());
        };
        (self.rows_left, self.bytes_left) = (rows_left, bytes_left);
        self.rows.row(row)
    }
}

#[cfg(test)]
mod tests;

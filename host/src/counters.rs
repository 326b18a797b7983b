//! What happened to a database's clients and queries, in numbers: counted as it happens and read
//! from any thread. What is true of this moment the writer thread tells when asked ([`Gauges`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spacetime_query::QueryStats;

/// Since the database was started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) transactions: AtomicU64,
    pub(crate) transaction_nanos: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) slow_clients: AtomicU64,
    pub(crate) subscribes: AtomicU64,
    pub(crate) subscribe_errors: AtomicU64,
    pub(crate) evaluations: AtomicU64,
    pub(crate) evaluation_nanos: AtomicU64,
    pub(crate) changed_queries: AtomicU64,
    pub(crate) updates: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) row_bytes: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersNow {
    /// Transactions that were committed.
    pub transactions: u64,
    /// Time that calls had the rows for, committed or not.
    pub transaction_time: Duration,
    /// Clients that were let in.
    pub connects: u64,
    /// Clients that were cut off because they did not read.
    pub slow_clients: u64,
    pub subscribes: u64,
    pub subscribe_errors: u64,
    /// Transactions that were held against the queries.
    pub evaluations: u64,
    pub evaluation_time: Duration,
    /// Results of queries that a transaction changed.
    pub changed_queries: u64,
    /// Messages to subscribers.
    pub updates: u64,
    /// Changed rows of the queries, however many are told of them.
    pub rows: u64,
    pub row_bytes: u64,
    /// Requests that wait for the writer thread.
    pub requests_waiting: usize,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn now(&self, requests_waiting: usize) -> CountersNow {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountersNow {
            transactions: of(&self.transactions),
            transaction_time: Duration::from_nanos(of(&self.transaction_nanos)),
            connects: of(&self.connects),
            slow_clients: of(&self.slow_clients),
            subscribes: of(&self.subscribes),
            subscribe_errors: of(&self.subscribe_errors),
            evaluations: of(&self.evaluations),
            evaluation_time: Duration::from_nanos(of(&self.evaluation_nanos)),
            changed_queries: of(&self.changed_queries),
            updates: of(&self.updates),
            rows: of(&self.rows),
            row_bytes: of(&self.row_bytes),
            requests_waiting,
        }
    }
}

/// What is true of a database at one moment.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    pub clients: usize,
    pub query_sets: usize,
    /// Distinct queries.
    pub queries: usize,
    /// Messages that wait for connections to write them, and their bytes.
    pub outbox_messages: usize,
    pub outbox_bytes: usize,
    /// Of the client with the most.
    pub outbox_bytes_max: usize,
    /// Linear memory of all instances of the module.
    pub module_memory_bytes: usize,
    /// The queries that told most rows, as many as were asked for.
    pub busiest: Vec<QueryGauge>,
}

/// One query.
#[derive(Clone, Debug)]
pub struct QueryGauge {
    pub sql: Box<str>,
    pub subscribers: usize,
    pub stats: QueryStats,
}

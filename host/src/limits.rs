//! Bounds that hold for every database of a server.

use std::time::Duration;

/// Longest error message taken from a module, in bytes.
pub(crate) const ERROR_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Largest result of one run of a view, in bytes.
pub(crate) const VIEW_RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Requests that wait for one database's writer thread; whoever sends one more waits.
pub(crate) const REQUEST_QUEUE_LEN_MAX: usize = 16 * 1024;

/// Requests that the writer thread takes at once before it hands out what they produced.
pub(crate) const REQUEST_BATCH_LEN_MAX: usize = 256;

/// After so long a batch is handed out, however many requests it still has: answers wait for the
/// end of their batch.
pub(crate) const BATCH_TIME_MAX: Duration = Duration::from_millis(2);

/// What one connected client may keep current, and how it stands beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Query sets.
    pub query_sets: usize,
    pub queries_per_set: usize,
    /// Queries of all its sets together.
    pub queries: usize,
    /// Whether clients take turns when many requests wait. If not, requests are taken strictly in
    /// the order in which they came: for tests that have to know it.
    pub in_turn: bool,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            query_sets: 4096,
            queries_per_set: 1024,
            queries: 32 * 1024,
            in_turn: true,
        }
    }
}

/// Threads that read beside the writer threads, on machines with few cores.
pub(crate) const READERS_MIN: usize = 4;

/// Queries of one database that wait for a reader thread or run on one; more are refused.
pub(crate) const READS_WAITING_MAX: usize = 1024;

/// Time that one query may take, from the question to the result.
pub(crate) const QUERY_TIME_DEFAULT: Duration = Duration::from_secs(30);

/// One-off queries that take longer are logged.
pub(crate) const SLOW_QUERY_DEFAULT: Duration = Duration::from_secs(1);

/// Rows of one result, or of the first rows of one query set.
pub(crate) const RESULT_ROWS_DEFAULT: u64 = 64 * 1024 * 1024;

/// Bytes of the same. One WebSocket message holds it all.
pub(crate) const RESULT_BYTES_DEFAULT: usize = 512 * 1024 * 1024;

/// Stored rows that a request may visit on the writer thread itself. Going to a reader thread costs
/// the writer a view, the copies of the pages that it touches while the view is alive, and a
/// wake-up; the answer comes later, too.
pub(crate) const INLINE_ROWS_MAX: u64 = 512;

/// Bytes of the rows that a migration writes anew. They are one record of the log, which holds
/// less than 4 GiB; the rest is for the program and the rows of built-in tables.
pub(crate) const MIGRATION_BYTES_MAX: usize = 3 << 30;

/// Procedures of one database that wait for an instance; more are refused.
pub(crate) const PROCEDURES_WAITING_MAX: usize = 1024;

/// How long one waits.
pub(crate) const PROCEDURE_WAIT_MAX: Duration = Duration::from_secs(30);

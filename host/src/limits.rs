//! Bounds that hold for every database of a server.

/// Longest error message taken from a module, in bytes.
pub(crate) const ERROR_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Requests that wait for one database's writer thread; whoever sends one more waits.
pub(crate) const REQUEST_QUEUE_LEN_MAX: usize = 16 * 1024;

/// Requests that the writer thread takes at once before it hands out what they produced.
pub(crate) const REQUEST_BATCH_LEN_MAX: usize = 256;

/// Queries in one query set.
pub(crate) const QUERIES_PER_SET_MAX: usize = 1024;

/// Query sets of one client.
pub(crate) const QUERY_SETS_PER_CLIENT_MAX: usize = 4096;

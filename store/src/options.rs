//! How a database is kept.

use spacetime_durability::Options;
use spacetime_durability::storage::Backend;

/// How a database is opened and kept.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Where to replay from, and whether the log must exist, is decided when opening.
    pub durability: Options,
    pub snapshots: SnapshotSettings,
    pub log_retention: LogRetention,
    /// How whoever opens the operating system's files is to reach them.
    pub backend: Backend,
}

/// When snapshots are taken and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// One is taken when so many bytes went to the log since the last; 0 is never.
    pub log_bytes: u64,
    /// One is taken when so many transactions went to the log since the last; 0 is never.
    /// Replaying a million takes about a second.
    pub transactions: u64,
    /// One is taken when the database is closed in good order and has changed since the last.
    pub on_close: bool,
    /// So many of the newest are kept; the newest is kept in any case.
    pub retain: usize,
    /// Threads that decode the pages of a snapshot; 0 is one for each core, up to 8.
    pub restore_threads: usize,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        SnapshotSettings {
            log_bytes: 256 << 20,
            transactions: 1_000_000,
            on_close: false,
            retain: 2,
            restore_threads: 0,
        }
    }
}

impl SnapshotSettings {
    pub(crate) fn threads(&self) -> usize {
        const THREADS_MAX: usize = 8;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match self.restore_threads {
            0 => cores(),
            threads => threads,
        };
        threads.clamp(1, THREADS_MAX)
    }
}

/// Log behind the newest snapshot: how much of it makes another one worthwhile. Either is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBehind {
    pub bytes: u64,
    pub transactions: u64,
}

/// What becomes of the log that the oldest snapshot which is kept does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogRetention {
    /// It stays as it is: the database can be brought back as of any transaction.
    #[default]
    Keep,
    /// Segments before the newest snapshot are compressed in place, and all stay readable.
    Compress,
    /// Segments before the oldest snapshot that is kept are removed, those after it compressed.
    Remove,
}

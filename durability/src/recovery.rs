//! Opening a replica: lock, replay, judge the end of the log, continue it in place.
//!
//! Invariants
//!   * Nothing on disk is changed before the whole log was read and found good, except that the
//!     replica's directory and lock file are created if missing.
//!   * Recovery is idempotent: interrupted anywhere, it ends in the same state the next time.
//!   * A log that ends below the watermark is refused, and so is one that is gone.
//!
//! Not here: choosing a snapshot. The caller has loaded one and asks for the log behind it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use spacetime_commitlog::storage::{Storage, StorageError, StorageLock};
use spacetime_commitlog::{
    LogEnd, LogError, LogOptions, LogReader, LogWriter, ReplayError, Replayed, SealedSegments,
    Tail, TxVisitor,
};
use spacetime_types::TxOffset;

use crate::group_commit::GroupCommit;
use crate::read_ahead::replay_ahead;
use crate::replay_progress::ReplayProgress;
use crate::replica_lock::{self, LockError};
use crate::watermark::{self, DamagedWatermark, Found, Watermark};
use crate::worker::Durability;

/// Name of the log's directory in a replica's directory.
pub const CLOG_DIR: &str = "clog";

/// How to open a replica.
#[derive(Clone, Debug)]
pub struct Options {
    pub log: LogOptions,
    /// The first transaction to replay: the one after the snapshot.
    pub replay_from: TxOffset,
    /// The caller knows that this replica was written to before: an absent log is refused.
    pub must_exist: bool,
    /// Most transactions that wait. Then the appender waits.
    pub queue_len_max: usize,
    /// Most bytes that wait. Then the appender waits.
    pub queue_bytes_max: usize,
    /// A commit that has reached this size takes no more records.
    pub commit_bytes_max: usize,
    /// The watermark is synced after so many commits,
    pub commits_per_watermark: u32,
    /// and when it has been behind for so long, and when a segment is begun, and at the end.
    pub watermark_interval: Duration,
    /// Who is told how far the replay is.
    pub progress: ReplayProgress,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            log: LogOptions::default(),
            replay_from: TxOffset(0),
            must_exist: false,
            queue_len_max: 16_384,
            queue_bytes_max: 256 << 20,
            commit_bytes_max: 8 << 20,
            commits_per_watermark: 1024,
            watermark_interval: Duration::from_millis(100),
            progress: ReplayProgress::default(),
        }
    }
}

/// What recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The offset that the next transaction will have.
    pub next: TxOffset,
    pub replayed: Replayed,
    /// The end of an interrupted write, or space allocated in advance, which was cut off.
    pub cut: Option<Tail>,
    /// Ends of interrupted writes in earlier segments, left there by another server.
    pub sealed_tails: Vec<Tail>,
}

/// Why a replica was not opened. The files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError<E> {
    /// Another process, or another part of this one, has the replica open.
    #[error("the database in {} is in use by {holder}", dir.display())]
    InUse { dir: PathBuf, holder: String },
    /// The disk said no.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log is damaged, or does not fit the state it is replayed into.
    #[error(transparent)]
    Replay(ReplayError<E>),
    /// See the type.
    #[error(transparent)]
    Watermark(#[from] DamagedWatermark),
    /// Transactions that were durable are gone. Restore the log from a backup or a replica.
    #[error(
        "the log in {} ends before transaction {log_end}, but all before transaction \
         {durable_end} were written: its end is missing",
        dir.display()
    )]
    EndMissing {
        dir: PathBuf,
        log_end: TxOffset,
        durable_end: TxOffset,
    },
    /// There is no log where there was one. Restore it from a backup or a replica.
    #[error("there is no log in {}, but there was one", dir.display())]
    LogMissing { dir: PathBuf },
    /// The thread could not be started.
    #[error("cannot start the durability thread: {0}")]
    Thread(io::Error),
}

impl<E> From<LogError> for RecoverError<E> {
    fn from(error: LogError) -> Self {
        RecoverError::Replay(ReplayError::Log(error))
    }
}

/// [`recover`]s a replica and starts its durability thread.
pub fn open<V: TxVisitor>(
    storage: &Arc<dyn Storage>,
    replica_dir: &Path,
    options: &Options,
    visitor: &mut V,
) -> Result<(Recovered, Durability), RecoverError<V::Error>> {
    let (recovered, group_commit) = recover(storage, replica_dir, options, visitor)?;
    let durability = Durability::start(group_commit, options).map_err(RecoverError::Thread)?;
    Ok((recovered, durability))
}

/// Locks a replica, replays its log from `options.replay_from` into `visitor`, and opens it for
/// appending. A missing replica is created (its parent directory must exist).
pub fn recover<V: TxVisitor>(
    storage: &Arc<dyn Storage>,
    replica_dir: &Path,
    options: &Options,
    visitor: &mut V,
) -> Result<(Recovered, GroupCommit), RecoverError<V::Error>> {
    let replica = LockedReplica::lock(storage, replica_dir, options)?;
    let log = replica.replay(options, visitor)?;
    replica.resume(options, log)
}

/// A replica that nobody else can open until this is dropped: recovery in steps, for whoever
/// tries several snapshots.
#[derive(Debug)]
pub struct LockedReplica {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    log_dir: PathBuf,
    lock: Box<dyn StorageLock>,
    mark: Option<Found>,
    must_exist: bool,
}

/// A log that was read to its end and found good.
#[derive(Debug)]
pub struct GoodLog {
    replayed: Replayed,
    end: LogEnd,
}

impl LockedReplica {
    /// Takes the lock. A missing replica is created (its parent directory must exist).
    pub fn lock<E>(
        storage: &Arc<dyn Storage>,
        replica_dir: &Path,
        options: &Options,
    ) -> Result<LockedReplica, RecoverError<E>> {
        let log_dir = replica_dir.join(CLOG_DIR);
        if options.must_exist {
            check_listable(&**storage, &log_dir)?;
        } else {
            storage.create_dir(replica_dir)?;
            sync_parent(&**storage, replica_dir)?;
        }
        let lock = replica_lock::take(&**storage, replica_dir).map_err(|e| match e {
            LockError::Storage(e) => e.into(),
            LockError::Held(holder) => RecoverError::InUse {
                dir: replica_dir.to_owned(),
                holder,
            },
        })?;
        let mark = watermark::read(&**storage, replica_dir)??;
        Ok(LockedReplica {
            storage: Arc::clone(storage),
            dir: replica_dir.to_owned(),
            log_dir,
            lock,
            mark,
            must_exist: options.must_exist,
        })
    }

    /// Replays the log from `options.replay_from` into `visitor` and judges its end. Nothing on
    /// disk is changed, so this can be done again from elsewhere.
    pub fn replay<V: TxVisitor>(
        &self,
        options: &Options,
        visitor: &mut V,
    ) -> Result<GoodLog, RecoverError<V::Error>> {
        let storage = Arc::clone(&self.storage);
        let log = LogReader::open(storage, &self.log_dir, options.replay_from)?;
        let log = log.with_index_interval(options.log.index_interval_bytes);
        let mut tell = options
            .progress
            .start(|| self.log_bytes(options.replay_from))?;
        let replayed = replay_ahead(log, visitor, &mut *tell);
        let (replayed, end) = replayed.map_err(RecoverError::Replay)?;
        let existed = self.mark.is_some() || self.must_exist;
        if end.last.is_none() && existed {
            return Err(RecoverError::LogMissing {
                dir: self.log_dir.clone(),
            });
        }
        if let Some(durable_end) = self.mark.map(|mark| mark.durable_end)
            && end.next < durable_end
        {
            return Err(RecoverError::EndMissing {
                dir: self.log_dir.clone(),
                log_end: end.next,
                durable_end,
            });
        }
        Ok(GoodLog { replayed, end })
    }

    /// Bytes of the segments that hold transactions from `from` on.
    fn log_bytes(&self, from: TxOffset) -> Result<u64, StorageError> {
        let segments = SealedSegments::new(Arc::clone(&self.storage), &self.log_dir).list()?;
        let needed = segments
            .iter()
            .filter(|segment| segment.end.is_none_or(|end| end > from));
        Ok(needed.map(|segment| segment.stored_len).sum())
    }

    /// Opens the log for appending.
    pub fn resume<E>(
        self,
        options: &Options,
        log: GoodLog,
    ) -> Result<(Recovered, GroupCommit), RecoverError<E>> {
        let GoodLog { replayed, end } = log;
        if let Some(cut) = end.tail.as_ref().filter(|tail| !tail.only_zeros) {
            tracing::warn!(
                file = %cut.file.display(), at = cut.at, bytes = cut.byte_len,
                offset = %cut.offset,
                "the log ends in an interrupted write, which was never acknowledged: cutting it off"
            );
        }
        let (storage, log_dir) = (Arc::clone(&self.storage), &self.log_dir);
        let writer = LogWriter::resume(storage, log_dir, &end, options.log)?;
        // Only now: the watermark says that there is a log.
        let watermark = Watermark::open(&*self.storage, &self.dir, self.mark, end.next)?;
        let recovered = Recovered {
            next: end.next,
            replayed,
            cut: end.tail,
            sealed_tails: end.sealed_tails,
        };
        Ok((
            recovered,
            GroupCommit::new(writer, watermark, self.lock, options),
        ))
    }
}

fn check_listable<E>(storage: &dyn Storage, log_dir: &Path) -> Result<(), RecoverError<E>> {
    match storage.list(log_dir) {
        Ok(_) => Ok(()),
        Err(e) if e.is_not_found() => Err(RecoverError::LogMissing {
            dir: log_dir.to_owned(),
        }),
        Err(e) => Err(e.into()),
    }
}

fn sync_parent(storage: &dyn Storage, dir: &Path) -> Result<(), StorageError> {
    match dir.parent() {
        Some(parent) => storage.sync_dir(parent),
        None => Ok(()),
    }
}

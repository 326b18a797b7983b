//! Bringing a database back: the newest good snapshot, and the log behind it.
//!
//! ```text
//!   lock the replica
//!   for each snapshot, newest first, then for none:
//!     restore it; replay the log behind it; build and check the indexes
//!     a snapshot that is wrong: warn, and try the next older one
//!     a log that is wrong: refuse
//!   if the log begins too late for all of that: the same with snapshots that SpacetimeDB wrote
//!   open the log for appending, and the snapshots for writing
//! ```
//!
//! Invariants
//!   * Nothing on disk is changed before a consistent state was reached.
//!   * A snapshot was durable in the log when it was written. If the log does not reach it now,
//!     the log lost its end, and is refused; so is a log that begins behind every snapshot.
//!   * A database that had anything is never begun anew.
//!
//! Not here: how pages and records are applied.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use spacetime_commitlog::storage::StorageError;
use spacetime_commitlog::{DamageKind, LogError};
use spacetime_durability::storage::Storage;
use spacetime_durability::{
    GoodLog, GroupCommit, LockedReplica, Options, RecoverError, Recovered, ReplayProgress,
    Replaying,
};
use spacetime_snapshot::foreign::{self, ForeignEntry, ForeignSnapshot, ForeignState};
use spacetime_snapshot::{SnapshotError, SnapshotRepo};
use spacetime_table::{Datastore, ReplayError};
use spacetime_types::TxOffset;

use crate::apply::Apply;
use crate::foreign::{RestoreForeignError, restore_foreign};
use crate::indexing::run_jobs;
use crate::options::StoreOptions;
use crate::restore::{BadSnapshot, restore_snapshot};
use crate::snapshots::{SNAPSHOTS_DIR, SnapshotFiles};
use crate::store::Files;

/// Why a database's files could not be opened. They are as they were.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    #[error(transparent)]
    Recover(Box<RecoverError<ReplayError>>),
    #[error("the log leads to a state that is not consistent: {0}")]
    Inconsistent(ReplayError),
    /// Neither did a snapshot lead to a state, nor does the log without one. Restore the snapshots
    /// from a backup.
    #[error(
        "{refused}; and of the snapshots in {} none can be used: {}",
        directory.display(), list(tried)
    )]
    NoUsableSnapshot {
        directory: PathBuf,
        tried: Vec<UnusedSnapshot>,
        refused: Box<OpenStoreError>,
    },
    #[error("the snapshots cannot be opened: {0}")]
    Snapshots(#[from] SnapshotError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A snapshot that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedSnapshot {
    pub offset: TxOffset,
    pub why: String,
}

/// How a database came back.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The snapshot that was used.
    pub snapshot: Option<TxOffset>,
    /// Newer ones that were not.
    pub unused: Vec<UnusedSnapshot>,
    pub log: Recovered,
}

/// What recovery led to.
pub(crate) struct Opened {
    pub group_commit: GroupCommit,
    pub rest: BroughtBack,
}

/// A state, and where it came from.
pub(crate) struct BroughtBack {
    pub datastore: Box<Datastore>,
    pub recovery: Recovery,
    pub snapshots: SnapshotFiles,
}

/// Where an attempt starts from.
#[derive(Debug)]
enum Start {
    Nothing,
    Snapshot(TxOffset),
    /// One that SpacetimeDB wrote.
    Foreign(ForeignEntry),
}

impl Start {
    fn offset(&self) -> Option<TxOffset> {
        match self {
            Start::Nothing => None,
            Start::Snapshot(offset) => Some(*offset),
            Start::Foreign(entry) => Some(entry.tx_offset),
        }
    }
}

/// Why an attempt led nowhere.
enum Attempt {
    /// The snapshot is to blame, or may be.
    Snapshot(String),
    /// It is not.
    Other(OpenStoreError),
}

fn list(unused: &[UnusedSnapshot]) -> String {
    let texts = unused.iter();
    let texts: Vec<String> = texts
        .map(|unused| format!("that of transaction {}: {}", unused.offset, unused.why))
        .collect();
    texts.join("; ")
}

pub(crate) fn open_files(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    files: Files,
    options: &StoreOptions,
) -> Result<Opened, OpenStoreError> {
    let started = Instant::now();
    let mut log_options = Options {
        must_exist: files == Files::Known,
        ..options.durability.clone()
    };
    if log_options.progress.is_nobody() {
        log_options.progress = progress_lines(directory);
    }
    let replica = LockedReplica::lock(storage, directory, &log_options).map_err(recover_error)?;
    // Nothing of it is changed, not even what a crash left, until the log was found good.
    let snapshots_dir = directory.join(SNAPSHOTS_DIR);
    let snapshots = SnapshotRepo::open_read_only(Arc::clone(storage), &snapshots_dir)?;
    let mut recovery = Recovery {
        unused: unusable(&snapshots),
        ..Recovery::default()
    };
    let (datastore, log) = bring_back(&replica, &snapshots, &log_options, options, &mut recovery)
        .map_err(|refused| with_snapshots(refused, directory, &recovery))?;
    drop(snapshots);
    let (recovered, group_commit) = replica.resume(&log_options, log).map_err(recover_error)?;
    let snapshots = SnapshotFiles::open(storage, directory, options)?;
    for unused in &recovery.unused {
        // Whatever is wrong with it, retention must not count on it.
        snapshots
            .repo
            .distrust(unused.offset, "recovery could not use it");
    }
    recovery.log = recovered;
    if let Some(cut) = &recovery.log.cut {
        tracing::warn!(directory = %directory.display(), ?cut, "cut an interrupted write off");
    }
    tracing::info!(
        directory = %directory.display(),
        snapshot = recovery.snapshot.map(|offset| offset.0),
        transactions = recovery.log.replayed.transactions,
        bytes = recovery.log.replayed.record_bytes,
        milliseconds = started.elapsed().as_secs_f64() * 1000.0,
        "database opened"
    );
    Ok(Opened {
        group_commit,
        rest: BroughtBack {
            datastore,
            recovery,
            snapshots,
        },
    })
}

/// Tells the log every few seconds how far a replay is.
fn progress_lines(directory: &Path) -> ReplayProgress {
    const BETWEEN: Duration = Duration::from_secs(3);
    let (directory, started) = (directory.display().to_string(), Instant::now());
    let last = Mutex::new(started);
    ReplayProgress::new(move |replaying: &Replaying| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < BETWEEN {
            return;
        }
        *last = Instant::now();
        let (replayed, in_all) = (replaying.replayed, replaying.bytes_in_all.max(1));
        let percent = replayed.record_bytes.saturating_mul(100) / in_all;
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(
            %directory, percent = percent.min(99), transactions = replayed.transactions,
            transactions_per_second = (replayed.transactions as f64 / seconds).round(),
            megabytes_per_second = (replayed.record_bytes as f64 / seconds / 1e6).round(),
            "replaying the log"
        );
    })
}

fn recover_error(error: RecoverError<ReplayError>) -> OpenStoreError {
    OpenStoreError::Recover(Box::new(error))
}

/// Snapshots whose manifests cannot be read, newest first.
fn unusable(snapshots: &SnapshotRepo) -> Vec<UnusedSnapshot> {
    let unusable = snapshots.unusable().into_iter().rev();
    let unused = unusable.map(|unusable| UnusedSnapshot {
        offset: unusable.tx_offset,
        why: unusable.error.to_string(),
    });
    unused.collect()
}

fn with_snapshots(refused: OpenStoreError, dir: &Path, recovery: &Recovery) -> OpenStoreError {
    if recovery.unused.is_empty() {
        return refused;
    }
    OpenStoreError::NoUsableSnapshot {
        directory: dir.join(SNAPSHOTS_DIR),
        tried: recovery.unused.clone(),
        refused: Box::new(refused),
    }
}

fn bring_back(
    replica: &LockedReplica,
    snapshots: &SnapshotRepo,
    log_options: &Options,
    options: &StoreOptions,
    recovery: &mut Recovery,
) -> Result<(Box<Datastore>, GoodLog), OpenStoreError> {
    let offsets = snapshots.list().into_iter().rev();
    let candidates = offsets.map(|info| Start::Snapshot(info.tx_offset));
    for candidate in candidates.chain([Start::Nothing]) {
        match attempt(replica, snapshots, &candidate, log_options, options) {
            Ok(brought_back) => {
                recovery.snapshot = candidate.offset();
                return Ok(brought_back);
            }
            Err(Attempt::Other(refused)) if begins_late(&refused) => {
                let found = bring_back_foreign(replica, snapshots, log_options, options, recovery);
                return found.ok_or(refused);
            }
            Err(Attempt::Other(refused)) => return Err(refused),
            Err(Attempt::Snapshot(why)) => {
                let offset = candidate.offset().unwrap_or_default();
                tracing::warn!(
                    directory = %snapshots.dir().display(), %offset, %why,
                    "a snapshot is of no use: an older one is tried, or the whole log"
                );
                recovery.unused.push(UnusedSnapshot { offset, why });
            }
        }
    }
    unreachable!("without a snapshot an attempt cannot blame one")
}

/// The beginning of the log is gone.
fn begins_late(refused: &OpenStoreError) -> bool {
    let OpenStoreError::Recover(error) = refused else {
        return false;
    };
    match &**error {
        RecoverError::Replay(spacetime_commitlog::ReplayError::Log(LogError::Damaged(damage))) => {
            matches!(damage.what, DamageKind::StartsLate { .. })
        }
        _ => false,
    }
}

/// The last resort, for a database that SpacetimeDB ran and whose early log is archived.
fn bring_back_foreign(
    replica: &LockedReplica,
    snapshots: &SnapshotRepo,
    log_options: &Options,
    options: &StoreOptions,
    recovery: &mut Recovery,
) -> Option<(Box<Datastore>, GoodLog)> {
    let entries = foreign::list(&**snapshots.storage(), snapshots.dir());
    let entries = entries.unwrap_or_default().into_iter().rev();
    // A lock file that a crash left does no harm: all content is verified.
    let usable =
        |entry: &ForeignEntry| matches!(entry.state, ForeignState::Complete | ForeignState::Locked);
    for entry in entries.filter(usable) {
        let offset = entry.tx_offset;
        match attempt(
            replica,
            snapshots,
            &Start::Foreign(entry),
            log_options,
            options,
        ) {
            Ok(brought_back) => {
                tracing::info!(
                    directory = %snapshots.dir().display(), %offset,
                    "a snapshot of SpacetimeDB was used, as the log does not begin at the beginning"
                );
                recovery.snapshot = Some(offset);
                return Some(brought_back);
            }
            Err(Attempt::Snapshot(why)) => recovery.unused.push(UnusedSnapshot { offset, why }),
            Err(Attempt::Other(refused)) => {
                let why = refused.to_string();
                recovery.unused.push(UnusedSnapshot { offset, why });
            }
        }
    }
    None
}

/// Restores one snapshot, or none, and replays the log behind it.
fn attempt(
    replica: &LockedReplica,
    snapshots: &SnapshotRepo,
    start: &Start,
    log_options: &Options,
    options: &StoreOptions,
) -> Result<(Box<Datastore>, GoodLog), Attempt> {
    let mut datastore = Box::new(Datastore::new());
    let snapshot = start.offset();
    let restored = match start {
        Start::Nothing => {
            datastore.replay_begin();
            Ok(())
        }
        Start::Snapshot(offset) => restore_at(&mut datastore, snapshots, *offset, options)
            .map_err(|error| error.to_string()),
        Start::Foreign(entry) => {
            restore_foreign_at(&mut datastore, snapshots, entry).map_err(|error| error.to_string())
        }
    };
    restored.map_err(Attempt::Snapshot)?;
    let log_options = Options {
        replay_from: snapshot.map_or(TxOffset(0), |offset| TxOffset(offset.0 + 1)),
        ..log_options.clone()
    };
    let log = replica.replay(&log_options, &mut Apply::new(&mut datastore));
    let log = log.map_err(|error| match error {
        // The log is fine by itself, and does not fit the snapshot.
        RecoverError::Replay(spacetime_commitlog::ReplayError::Visitor { .. })
            if snapshot.is_some() =>
        {
            Attempt::Snapshot(error.to_string())
        }
        error => Attempt::Other(recover_error(error)),
    })?;
    let threads = options.snapshots.threads();
    match datastore.finish_replay_with(|jobs| run_jobs(jobs, threads)) {
        Ok(()) => Ok((datastore, log)),
        Err(error) if snapshot.is_some() => Err(Attempt::Snapshot(error.to_string())),
        Err(error) => Err(Attempt::Other(OpenStoreError::Inconsistent(error))),
    }
}

fn restore_foreign_at(
    datastore: &mut Datastore,
    snapshots: &SnapshotRepo,
    entry: &ForeignEntry,
) -> Result<(), RestoreForeignError> {
    let snapshot = ForeignSnapshot::open(Arc::clone(snapshots.storage()), entry)?;
    restore_foreign(datastore, &snapshot).map(drop)
}

/// Brings the rows of a snapshot back.
pub(crate) fn restore_at(
    datastore: &mut Datastore,
    snapshots: &SnapshotRepo,
    offset: TxOffset,
    options: &StoreOptions,
) -> Result<(), BadSnapshot> {
    let snapshot = snapshots.load(offset)?;
    restore_snapshot(datastore, &snapshot, options.snapshots.threads())
}

//! Taking snapshots, and what follows from having taken one.
//!
//! Invariants
//!   * A snapshot is of a moment between two transactions, and is written only when the last of
//!     them is durable: the log behind a snapshot reaches it.
//!   * The writer waits for none of it: it hands a view to a thread, one at a time.
//!   * A snapshot that cannot be written costs nothing but the next recovery's time.
//!   * Log is removed only after the snapshots that make it needless are on disk.
//!
//! Not here: what is in a snapshot's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spacetime_commitlog::{LogError, SealedSegments, StorageError};
use spacetime_durability::storage::Storage;
use spacetime_durability::{CLOG_DIR, DurableOffset, WaitError};
use spacetime_snapshot::{
    ObjectHash, Retention, SnapshotError, SnapshotHead, SnapshotRepo, WriteReport,
};
use spacetime_table::ReadView;
use spacetime_types::{Identity, Timestamp, TxOffset};

use crate::options::{LogRetention, StoreOptions};
use crate::planted::{self, Bug};

/// Name of the snapshots' directory in a replica's directory.
pub const SNAPSHOTS_DIR: &str = "snapshots";

/// Longest wait for the disk before a snapshot is given up.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(300);

/// Why a snapshot was not taken. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TakeSnapshotError {
    /// Nothing was committed yet.
    #[error("there is no transaction to take a snapshot of")]
    NoTransaction,
    /// Its last transaction is not on disk yet, or will never be.
    #[error("the last transaction of the snapshot, {offset}, is not on disk")]
    NotDurable { offset: TxOffset },
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The snapshot is there. The log before it could not be compressed or removed.
    #[error("the log before the snapshot: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database is being closed.
    #[error("the snapshot was given up")]
    Cancelled,
    #[error("the thread of the last snapshot panicked")]
    Panicked,
}

/// A state that is to be written: what a thread needs for it.
#[derive(Debug)]
pub struct SnapshotJob {
    pub(crate) view: ReadView,
    pub(crate) identity: Identity,
    pub(crate) offset: TxOffset,
    pub(crate) taken_at: Timestamp,
    pub(crate) durable: DurableOffset,
    pub(crate) files: SnapshotFiles,
    pub(crate) cancel: Arc<AtomicBool>,
}

/// Where snapshots and log are, and how they are kept.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFiles {
    pub storage: Arc<dyn Storage>,
    pub directory: PathBuf,
    pub repo: SnapshotRepo,
    pub retain: usize,
    pub log_retention: LogRetention,
}

/// The snapshots of an open database.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub files: SnapshotFiles,
    log_bytes_max: u64,
    transactions_max: u64,
    /// What went to the log since the last snapshot was begun.
    log_bytes: u64,
    transactions: u64,
    running: Option<JoinHandle<Result<WriteReport, TakeSnapshotError>>>,
    pub cancel: Arc<AtomicBool>,
}

impl SnapshotFiles {
    /// Opens the directory for snapshots, which is created if missing.
    pub fn open(
        storage: &Arc<dyn Storage>,
        directory: &Path,
        options: &StoreOptions,
    ) -> Result<Self, SnapshotError> {
        let repo = SnapshotRepo::open(Arc::clone(storage), &directory.join(SNAPSHOTS_DIR))?;
        for unusable in repo.unusable() {
            tracing::warn!(
                directory = %directory.display(), offset = %unusable.tx_offset,
                error = %unusable.error, "a snapshot cannot be used"
            );
        }
        Ok(SnapshotFiles {
            storage: Arc::clone(storage),
            directory: directory.to_owned(),
            repo,
            retain: options.snapshots.retain,
            log_retention: options.log_retention,
        })
    }
}

impl SnapshotJob {
    /// The last transaction of the state.
    #[must_use]
    pub fn offset(&self) -> TxOffset {
        self.offset
    }

    /// Waits until the state is durable, writes it, and tidies up behind it.
    pub fn run(self) -> Result<WriteReport, TakeSnapshotError> {
        // Short waits, so that closing need not wait for a disk that does not answer.
        let started = Instant::now();
        while !planted::is_on(Bug::SnapshotBeforeDurable) {
            match self
                .durable
                .wait_for(self.offset, Duration::from_millis(100))
            {
                Ok(()) => break,
                Err(WaitError::TimedOut { .. }) if started.elapsed() < DURABLE_WAIT_MAX => {
                    self.check_wanted()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let report = self.write()?;
        tracing::info!(
            directory = %self.files.directory.display(), offset = %self.offset,
            bytes = report.info.content_bytes,
            bytes_written = report.file_bytes_written,
            milliseconds = started.elapsed().as_secs_f64() * 1000.0,
            "snapshot taken"
        );
        self.tidy_up()?;
        Ok(report)
    }

    /// Writes the state, which must be durable. Without waiting and without a clock.
    pub fn write(&self) -> Result<WriteReport, TakeSnapshotError> {
        let durable = self.durable.get().offset;
        if durable < Some(self.offset) && !planted::is_on(Bug::SnapshotBeforeDurable) {
            let offset = self.offset;
            return Err(TakeSnapshotError::NotDurable { offset });
        }
        let mut writer = self.files.repo.begin(SnapshotHead {
            identity: self.identity,
            tx_offset: self.offset,
            taken_at: self.taken_at,
            extra: Vec::new(),
        })?;
        for blob in self.view.snapshot_blobs() {
            self.check_wanted()?;
            writer.blob(ObjectHash(*blob.name), blob.uses, |out| {
                out.extend_from_slice(blob.bytes);
            })?;
        }
        for table in self.view.snapshot_tables() {
            writer.table(table.id(), table.fingerprint(), table.row_count())?;
            for page in table.pages() {
                self.check_wanted()?;
                writer.page(ObjectHash(page.hash()), |out| page.write_image(out))?;
            }
        }
        Ok(writer.finish()?)
    }

    /// Removes snapshots, and the log, that the settings do not keep.
    pub fn tidy_up(&self) -> Result<(), TakeSnapshotError> {
        let files = &self.files;
        let removed = files.repo.retain(&Retention {
            newest: files.retain.max(1),
            restore_points: None,
        })?;
        if !removed.snapshots.is_empty() {
            tracing::info!(
                directory = %files.directory.display(), snapshots = removed.snapshots.len(),
                bytes = removed.pack_bytes, "old snapshots removed"
            );
        }
        let log_dir = files.directory.join(CLOG_DIR);
        let mut sealed = SealedSegments::new(Arc::clone(&files.storage), &log_dir);
        let snapshots = files.repo.list();
        // Without the log a damaged snapshot has nothing to fall back to but an older one.
        if files.log_retention == LogRetention::Remove
            && snapshots.len() >= files.retain
            && let Some(oldest) = snapshots.first()
        {
            let removed = sealed.remove_before(TxOffset(oldest.tx_offset.0 + 1))?;
            if removed.segments > 0 {
                tracing::info!(
                    directory = %files.directory.display(), segments = removed.segments,
                    bytes = removed.bytes, before = %oldest.tx_offset, "old log removed"
                );
            }
        }
        if files.log_retention != LogRetention::Keep {
            let until = TxOffset(self.offset.0 + 1);
            while sealed.compress_next_before(until)?.is_some() {
                self.check_wanted()?;
            }
        }
        Ok(())
    }

    fn check_wanted(&self) -> Result<(), TakeSnapshotError> {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(TakeSnapshotError::Cancelled),
            false => Ok(()),
        }
    }
}

impl Snapshots {
    /// `log_bytes` and `transactions` are those behind the newest snapshot.
    pub fn new(
        files: SnapshotFiles,
        options: &StoreOptions,
        log_bytes: u64,
        transactions: u64,
    ) -> Self {
        Snapshots {
            files,
            log_bytes_max: options.snapshots.log_bytes,
            transactions_max: options.snapshots.transactions,
            log_bytes,
            transactions,
            running: None,
            cancel: Arc::default(),
        }
    }

    /// Counts a transaction that went to the log. True if it is time for a snapshot.
    #[inline]
    pub fn note_transaction(&mut self, bytes: u64) -> bool {
        self.log_bytes += bytes;
        self.transactions += 1;
        let is_over = |count, max| max > 0 && count >= max;
        (is_over(self.log_bytes, self.log_bytes_max)
            || is_over(self.transactions, self.transactions_max))
            && self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether something was logged since the last snapshot.
    pub fn is_behind(&self) -> bool {
        self.transactions > 0
    }

    /// A snapshot is begun: the next is due only when as much was logged again, also if this one
    /// fails.
    pub fn note_begun(&mut self) {
        (self.log_bytes, self.transactions) = (0, 0);
    }

    /// Writes a snapshot on a thread of its own. None may be running.
    pub fn start(&mut self, job: SnapshotJob) {
        let _ = self.wait();
        let directory = self.files.directory.display().to_string();
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        let started = thread.spawn(move || {
            let result = job.run();
            match &result {
                Ok(_) | Err(TakeSnapshotError::Cancelled) => {}
                Err(error) => tracing::error!(%directory, %error, "no snapshot was taken"),
            }
            result
        });
        match started {
            Ok(thread) => self.running = Some(thread),
            Err(error) => tracing::error!(%error, "no thread for a snapshot"),
        }
    }

    /// Waits for the snapshot that is being written, if there is one.
    pub fn wait(&mut self) -> Option<Result<WriteReport, TakeSnapshotError>> {
        let thread = self.running.take()?;
        Some(thread.join().unwrap_or(Err(TakeSnapshotError::Panicked)))
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        let _ = self.wait();
    }
}

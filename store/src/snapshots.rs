//! Taking snapshots, and what follows from having taken one.
//!
//! Invariants
//!   * A snapshot is of a moment between two transactions, and is written only when the last of
//!     them is durable: the log behind a snapshot reaches it.
//!   * The writer waits for none of it: it hands a view to a thread, one at a time.
//!   * A snapshot that cannot be written costs nothing but the next recovery's time.
//!   * Log is removed only after the snapshots that make it needless are on disk, and the oldest
//!     of them was read back: without the log it is the only copy of what came before it.
//!
//! Not here: what is in a snapshot's files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

use crate::options::{LogBehind, LogRetention, StoreOptions};
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

/// Called when a snapshot was taken or not, with its last transaction or the reason.
pub type OnTaken = Box<dyn FnOnce(Result<TxOffset, String>) + Send>;

/// Who waits for the snapshot that is being written; `None` when it is done.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Option<Vec<OnTaken>>>>);

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
    waiting: Waiting,
    pub cancel: Arc<AtomicBool>,
}

impl Waiting {
    fn with<T>(&self, change: impl FnOnce(&mut Option<Vec<OnTaken>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells everybody; whoever comes later is too late. Without a result they are forgotten.
    fn end(&self, result: Option<&Result<WriteReport, TakeSnapshotError>>) {
        for waiter in self.with(Option::take).into_iter().flatten() {
            match result {
                Some(Ok(report)) => waiter(Ok(report.info.tx_offset)),
                Some(Err(error)) => waiter(Err(error.to_string())),
                None => {}
            }
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.with(|waiting| waiting.as_ref().map(Vec::len));
        f.debug_tuple("Waiting").field(&count).finish()
    }
}

/// Forgets who waits when the thread ends, also by a panic.
struct EndOfWait(Waiting);

impl Drop for EndOfWait {
    fn drop(&mut self) {
        self.0.end(None);
    }
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

    /// Removes every file of every snapshot.
    pub fn start_over(&mut self) -> Result<(), TakeSnapshotError> {
        let folder = self.directory.join(SNAPSHOTS_DIR);
        for name in self.storage.list(&folder)? {
            self.storage.remove(&folder.join(name))?;
        }
        self.storage.sync_dir(&folder)?;
        self.repo = SnapshotRepo::open(Arc::clone(&self.storage), &folder)?;
        Ok(())
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
        let keep = Retention {
            newest: files.retain.max(1),
            restore_points: None,
        };
        // Before older ones go, too: one of them may be needed instead.
        let log_begins = match files.log_retention {
            LogRetention::Remove => self.oldest_read_back(&keep)?,
            LogRetention::Keep | LogRetention::Compress => None,
        };
        let removed = files.repo.retain(&keep)?;
        if !removed.snapshots.is_empty() {
            tracing::info!(
                directory = %files.directory.display(), snapshots = removed.snapshots.len(),
                bytes = removed.pack_bytes, "old snapshots removed"
            );
        }
        let log_dir = files.directory.join(CLOG_DIR);
        let mut sealed = SealedSegments::new(Arc::clone(&files.storage), &log_dir);
        if let Some(oldest) = log_begins {
            let removed = sealed.remove_before(TxOffset(oldest.0 + 1))?;
            if removed.segments > 0 {
                tracing::info!(
                    directory = %files.directory.display(), segments = removed.segments,
                    bytes = removed.bytes, before = %oldest, "old log removed"
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

    /// The oldest of the snapshots that are kept, if there are as many as there should be, after
    /// all of it was read back. One that is damaged does not count from then on.
    fn oldest_read_back(&self, keep: &Retention) -> Result<Option<TxOffset>, TakeSnapshotError> {
        let repo = &self.files.repo;
        loop {
            let kept = repo.kept_by(keep);
            // Without the log a damaged snapshot has nothing to fall back to but an older one.
            let Some(&oldest) = kept.first().filter(|_| kept.len() >= keep.newest) else {
                return Ok(None);
            };
            self.check_wanted()?;
            let verified = repo.verify(oldest)?;
            if verified.is_good() {
                return Ok(Some(oldest));
            }
            tracing::error!(
                directory = %self.files.directory.display(), offset = %oldest,
                damages = verified.damage_count,
                first = verified.damages.first().map(tracing::field::display),
                "a snapshot is damaged: the log before it is kept"
            );
            repo.distrust(oldest, "damage was found when it was read back");
        }
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
            waiting: Waiting::default(),
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

    /// Whether so much was logged since the last snapshot.
    pub fn has_logged(&self, least: LogBehind) -> bool {
        let is_much = self.log_bytes >= least.bytes || self.transactions >= least.transactions;
        self.is_behind() && is_much
    }

    /// Waits for the snapshot that is being written. Gives back who waits if there is none.
    pub fn join(&self, on_taken: OnTaken) -> Option<OnTaken> {
        self.waiting.with(|waiting| match waiting {
            Some(waiting) => {
                waiting.push(on_taken);
                None
            }
            None => Some(on_taken),
        })
    }

    /// A snapshot is begun: the next is due only when as much was logged again, also if this one
    /// fails.
    pub fn note_begun(&mut self) {
        (self.log_bytes, self.transactions) = (0, 0);
    }

    /// Writes a snapshot on a thread of its own. None may be running.
    pub fn start(&mut self, job: SnapshotJob, on_taken: Option<OnTaken>) {
        let _ = self.wait();
        let waiters = on_taken.into_iter().collect();
        self.waiting.with(|waiting| *waiting = Some(waiters));
        let waiting = EndOfWait(self.waiting.clone());
        let directory = self.files.directory.display().to_string();
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        let started = thread.spawn(move || {
            crate::background::give_way();
            let result = job.run();
            match &result {
                Ok(_) | Err(TakeSnapshotError::Cancelled) => {}
                Err(error) => tracing::error!(%directory, %error, "no snapshot was taken"),
            }
            waiting.0.end(Some(&result));
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

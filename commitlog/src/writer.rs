//! Appending commits to a log.
//!
//! Invariants
//!   * Commits are appended at dense offsets; the writer numbers them.
//!   * A segment is synced before the next one is created, so only the last segment can have a
//!     torn tail.
//!   * When a tail is cut, the cut is synced before anything is appended: old and new bytes
//!     never mix.
//!   * What was found in the log when it was opened is synced before it counts as durable: a
//!     killed process may have left it in the page cache only. The last commit is even written
//!     again: if its sync had failed, the kernel may take its pages for clean, show them, and
//!     never write them.
//!   * After a failed write or sync the state of the file is unknown. The writer refuses
//!     everything from then on.
//!
//! Not here: when to sync and whom to tell (see `spacetime-durability`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_types::TxOffset;

use crate::commit::CommitBuffer;
use crate::reader::LogEnd;
use crate::segment::{self, HEADER_LEN, Version};
use crate::storage::{OpenMode, Storage, StorageError, StorageFile};

/// Settings of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that has reached this size is followed by another.
    pub segment_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes_max: 1 << 30,
        }
    }
}

/// Why a commit was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk said no. The log must be reopened, which finds out how far it reaches.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An earlier write or sync failed.
    #[error("the log in {} had a failed write or sync before: reopen it", dir.display())]
    FailedBefore { dir: PathBuf },
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset after the last record of the commit.
    pub end: TxOffset,
    /// The segment that had to be begun for the commit. A good moment for a snapshot.
    pub new_segment: Option<TxOffset>,
}

/// Appends to the last segment of a log.
#[derive(Debug)]
pub struct LogWriter {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    options: LogOptions,
    file: Box<dyn StorageFile>,
    len: u64,
    next: TxOffset,
    epoch: u64,
    failed: bool,
}

impl LogWriter {
    /// Continues the log in `dir`, whose end was found to be `end`; cuts a tail; creates the
    /// directory and the first segment if there is none. All of the log is durable afterwards.
    pub fn resume(
        storage: Arc<dyn Storage>,
        dir: &Path,
        end: &LogEnd,
        options: LogOptions,
    ) -> Result<Self, StorageError> {
        let (file, len) = match &end.last {
            None => {
                storage.create_dir(dir)?;
                if let Some(parent) = dir.parent() {
                    storage.sync_dir(parent)?;
                }
                new_segment(&*storage, dir, end.next)?
            }
            Some(last) if last.valid_len < HEADER_LEN as u64 => {
                new_segment(&*storage, dir, last.start)?
            }
            Some(last) => {
                let path = segment::path(dir, last.start);
                let file = storage.open(&path, OpenMode::ReadWrite)?;
                if last.file_len > last.valid_len {
                    file.set_len(last.valid_len)?;
                }
                rewrite(&*file, last.last_commit_at, last.valid_len)?;
                file.sync_data()?;
                storage.sync_dir(dir)?;
                match last.version {
                    Version::V1 => (file, last.valid_len),
                    // Version 0 is only read. Without a commit this replaces the segment.
                    Version::V0 => new_segment(&*storage, dir, end.next)?,
                }
            }
        };
        Ok(LogWriter {
            storage,
            dir: dir.to_owned(),
            options,
            file,
            len,
            next: end.next,
            epoch: end.epoch,
            failed: false,
        })
    }

    /// The offset that the next transaction will have.
    #[must_use]
    pub fn next(&self) -> TxOffset {
        self.next
    }

    /// Writes `commit` behind the last one. It is not durable before [`LogWriter::sync`].
    pub fn append(&mut self, commit: &mut CommitBuffer) -> Result<Appended, AppendError> {
        self.guarded(|log| log.append_unguarded(commit))
    }

    /// Makes everything appended so far durable.
    pub fn sync(&mut self) -> Result<(), AppendError> {
        self.guarded(|log| log.file.sync_data())
    }

    fn append_unguarded(&mut self, commit: &mut CommitBuffer) -> Result<Appended, StorageError> {
        let is_full = self.len >= self.options.segment_bytes_max && self.len > HEADER_LEN as u64;
        if is_full {
            self.file.sync_data()?;
            (self.file, self.len) = new_segment(&*self.storage, &self.dir, self.next)?;
        }
        let start = self.next;
        let frame = commit.finish(start, self.epoch);
        let end = frame
            .header
            .end()
            .expect("2^64 transactions are never reached");
        self.file.write_all_at(self.len, frame.bytes)?;
        self.len += frame.bytes.len() as u64;
        self.next = end;
        assert!(self.next > start, "a commit holds at least one record");
        Ok(Appended {
            end,
            new_segment: is_full.then_some(start),
        })
    }

    fn guarded<T>(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, AppendError> {
        if self.failed {
            let dir = self.dir.clone();
            return Err(AppendError::FailedBefore { dir });
        }
        // Also stays set if the action panics.
        self.failed = true;
        let result = action(self)?;
        self.failed = false;
        Ok(result)
    }
}

/// Writes a range of a file again as it is.
fn rewrite(file: &dyn StorageFile, begin: u64, end: u64) -> Result<(), StorageError> {
    const PIECE_BYTES: usize = 1 << 20;
    let mut piece = Vec::new();
    let mut at = begin;
    while at < end {
        let len = usize::try_from(end - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        piece.resize(len, 0);
        file.read_exact_at(at, &mut piece)?;
        file.write_all_at(at, &piece)?;
        at += len as u64;
    }
    Ok(())
}

fn new_segment(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
) -> Result<(Box<dyn StorageFile>, u64), StorageError> {
    let file = segment::create(storage, dir, start)?;
    Ok((file, HEADER_LEN as u64))
}

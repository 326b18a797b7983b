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

use crate::commit::{CommitBuffer, Frame};
use crate::offset_index::{self, INTERVAL_BYTES, IndexWriter};
use crate::planted::{self, Bug};
use crate::reader::{LastSegment, LogEnd};
use crate::segment::{self, HEADER_LEN, Version};
use crate::storage::{OpenMode, Storage, StorageError, StorageFile};

/// Settings of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that has reached this size is followed by another.
    pub segment_bytes_max: u64,
    /// Distance between entries of the offset index, in bytes of the segment. 0: no index.
    pub index_interval_bytes: u64,
    /// Set the room for a whole segment aside when it is created. A full disk is then noticed
    /// there, and not in the middle of a segment.
    pub preallocate: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes_max: 1 << 30,
            index_interval_bytes: INTERVAL_BYTES,
            preallocate: false,
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
    index: IndexWriter,
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
        if end.last.is_some() {
            segment::remove_leftovers(&*storage, dir)?;
        }
        let new_segment = |start| new_segment(&*storage, dir, start, options);
        let Opened { file, len, index } = match &end.last {
            None => {
                storage.create_dir(dir)?;
                if let Some(parent) = dir.parent() {
                    storage.sync_dir(parent)?;
                }
                new_segment(end.next)?
            }
            // Version 0 is only read, and compressed ones cannot be appended to. Without a commit
            // this replaces the segment.
            Some(last) if last.is_compressed => {
                storage.sync_dir(dir)?;
                new_segment(end.next)?
            }
            Some(last) if last.valid_len < HEADER_LEN as u64 => new_segment(last.start)?,
            Some(last) => {
                let continued = continue_segment(&*storage, dir, last, options)?;
                match last.version {
                    Version::V1 => continued,
                    Version::V0 => new_segment(end.next)?,
                }
            }
        };
        Ok(LogWriter {
            storage,
            dir: dir.to_owned(),
            options,
            file,
            len,
            index,
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
        self.guarded(Self::sync_unguarded)
    }

    /// [`LogWriter::append`] and [`LogWriter::sync`], in one go where the disk can.
    pub fn append_and_sync(&mut self, commit: &mut CommitBuffer) -> Result<Appended, AppendError> {
        self.guarded(|log| {
            let new_segment = log.begin_segment_if_full()?;
            let (at, start) = (log.len, log.next);
            let frame = log.finish(commit);
            if planted::is_on(Bug::SkipDataSync) {
                log.file.write_all_at(at, frame.bytes)?;
            } else {
                log.file.write_all_and_sync(at, frame.bytes)?;
            }
            let end = log.appended(start, &frame);
            log.index.synced();
            Ok(Appended { end, new_segment })
        })
    }

    fn append_unguarded(&mut self, commit: &mut CommitBuffer) -> Result<Appended, StorageError> {
        let new_segment = self.begin_segment_if_full()?;
        let start = self.next;
        let frame = self.finish(commit);
        self.file.write_all_at(self.len, frame.bytes)?;
        let end = self.appended(start, &frame);
        Ok(Appended { end, new_segment })
    }

    fn finish<'a>(&self, commit: &'a mut CommitBuffer) -> Frame<'a> {
        commit.finish(self.next, self.epoch)
    }

    /// Notes that a frame was written at the end.
    fn appended(&mut self, start: TxOffset, frame: &Frame<'_>) -> TxOffset {
        let end = frame.header.end();
        let end = end.expect("2^64 transactions are never reached");
        let frame_len = frame.bytes.len() as u64;
        self.index.note(start, self.len, frame_len);
        self.len += frame_len;
        self.next = end;
        assert!(self.next > start, "a commit holds at least one record");
        end
    }

    fn begin_segment_if_full(&mut self) -> Result<Option<TxOffset>, StorageError> {
        let is_full = self.len >= self.options.segment_bytes_max && self.len > HEADER_LEN as u64;
        if !is_full {
            return Ok(None);
        }
        self.sync_unguarded()?;
        let opened = new_segment(&*self.storage, &self.dir, self.next, self.options)?;
        (self.file, self.len, self.index) = (opened.file, opened.len, opened.index);
        Ok(Some(self.next))
    }

    fn sync_unguarded(&mut self) -> Result<(), StorageError> {
        if !planted::is_on(Bug::SkipDataSync) {
            self.file.sync_data()?;
        }
        self.index.synced();
        Ok(())
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

struct Opened {
    file: Box<dyn StorageFile>,
    len: u64,
    index: IndexWriter,
}

fn new_segment(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    options: LogOptions,
) -> Result<Opened, StorageError> {
    let allocated = match options.preallocate {
        true => options.segment_bytes_max,
        false => 0,
    };
    let file = segment::create(storage, dir, start, allocated)?;
    let interval = options.index_interval_bytes;
    Ok(Opened {
        file,
        len: HEADER_LEN as u64,
        index: IndexWriter::open(storage, dir, start, interval, &[]),
    })
}

/// Opens the last segment at its end, durably.
fn continue_segment(
    storage: &dyn Storage,
    dir: &Path,
    last: &LastSegment,
    options: LogOptions,
) -> Result<Opened, StorageError> {
    let path = segment::path(dir, last.start);
    let file = storage.open(&path, OpenMode::ReadWrite)?;
    if last.file_len > last.valid_len {
        file.set_len(last.valid_len)?;
    }
    rewrite(&*file, last.last_commit_at, last.valid_len)?;
    file.sync_data()?;
    storage.sync_dir(dir)?;
    // What is known of commits that were just read is better than what a file says.
    let mut known = offset_index::load(storage, dir, last.start);
    known.retain(|entry| entry.start > last.start && entry.at < last.read_from);
    known.extend_from_slice(&last.index);
    let interval = options.index_interval_bytes;
    Ok(Opened {
        file,
        len: last.valid_len,
        index: IndexWriter::open(storage, dir, last.start, interval, &known),
    })
}

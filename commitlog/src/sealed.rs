//! What can be done with segments that nobody appends to any more: compress them, remove them.
//!
//! Invariants
//!   * The last segment is never touched: the writer has it.
//!   * Segments are removed oldest first, each durably before the next: the log may start late,
//!     but a crash never leaves a gap in it.
//!   * Callers have one [`SealedSegments`] a log. It is not shared, so compressing a segment and
//!     removing it cannot happen at once.
//!
//! Not here: what may be removed. Whoever calls knows which restore points are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_types::TxOffset;

use crate::compress::{self, Compressed};
use crate::damage::LogError;
use crate::planted::{self, Bug};
use crate::segment;
use crate::storage::{Storage, StorageError};

/// A segment as it lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub start: TxOffset,
    /// The first transaction of the next segment; `None` for the last one.
    pub end: Option<TxOffset>,
    /// Bytes on disk.
    pub stored_len: u64,
    pub is_compressed: bool,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub segments: u64,
    pub bytes: u64,
}

/// The segments of a log, for all that is done to them beside reading and appending.
#[derive(Debug)]
pub struct SealedSegments {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
}

impl SealedSegments {
    /// Those of the log in `dir`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, dir: &Path) -> Self {
        SealedSegments {
            storage,
            dir: dir.to_owned(),
        }
    }

    /// All segments, oldest first.
    pub fn list(&self) -> Result<Vec<SegmentInfo>, StorageError> {
        let starts = segment::list(&*self.storage, &self.dir)?;
        let mut segments = Vec::with_capacity(starts.len());
        for (nth, &start) in starts.iter().enumerate() {
            let path = segment::path(&self.dir, start);
            let (is_compressed, stored_len) = segment::examine(&*self.storage, &path)?;
            segments.push(SegmentInfo {
                start,
                end: starts.get(nth + 1).copied(),
                stored_len,
                is_compressed,
            });
        }
        Ok(segments)
    }

    /// Compresses the oldest segment that ends at or before `until` and is not compressed yet.
    /// `None` if there is none left. Call it again until then; the log can be written to and
    /// read all the time.
    pub fn compress_next_before(
        &mut self,
        until: TxOffset,
    ) -> Result<Option<Compressed>, LogError> {
        let starts = segment::list(&*self.storage, &self.dir)?;
        for pair in starts.windows(2) {
            let &[start, end] = pair else {
                unreachable!("windows of two");
            };
            if end > until {
                break;
            }
            let done = compress::compress(&*self.storage, &self.dir, start, end)?;
            if done.is_some() {
                return Ok(done);
            }
        }
        Ok(None)
    }

    /// Removes the segments that end at or before `offset`, so that the log can still be read
    /// from `offset` on. Durable when it returns.
    pub fn remove_before(&mut self, offset: TxOffset) -> Result<Removed, StorageError> {
        let starts = segment::list(&*self.storage, &self.dir)?;
        let mut removed = Removed::default();
        for pair in starts.windows(2) {
            let &[start, end] = pair else {
                unreachable!("windows of two");
            };
            let is_needed = match planted::is_on(Bug::RetentionTooEager) {
                true => start >= offset,
                false => end > offset,
            };
            if is_needed {
                break;
            }
            let path = segment::path(&self.dir, start);
            removed.bytes += segment::examine(&*self.storage, &path)?.1;
            removed.segments += 1;
            self.storage.remove(&path)?;
            match self.storage.remove(&segment::index_path(&self.dir, start)) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
            // Before the next one goes: names vanish in any order when the power goes.
            self.storage.sync_dir(&self.dir)?;
        }
        Ok(removed)
    }
}

//! Reading a log from a given transaction to its end, across segments.
//!
//! Invariants
//!   * Offsets are dense: every commit begins where the one before it ended, in the segments'
//!     names too. Whatever breaks that is damage, never skipped.
//!   * Only at the physical end of the *last* segment may there be bytes that are no commit, and
//!     only if no valid commit follows them. They are reported as a [`Tail`], not removed.
//!   * A segment may end in such bytes as well if the next one starts exactly at the transaction
//!     that would have been there: SpacetimeDB leaves a torn tail in place and goes on in a new
//!     segment. Reported as a sealed tail.
//!   * Nothing on disk is changed.
//!
//! Not here: cutting the tail (see `writer`), the contents of records (see `replay`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_types::TxOffset;

use crate::commit::CommitHeader;
use crate::damage::{Damage, DamageKind, LogError};
use crate::offset_index::{self, INTERVAL_BYTES, IndexBuilder, IndexEntry};
use crate::planted::{self, Bug};
use crate::segment::{self, HEADER_LEN, Version};
use crate::segment_reader::{SegmentReader, Step};
use crate::storage::Storage;

/// A valid commit, at its place.
#[derive(Debug)]
pub struct Commit<'a> {
    pub header: CommitHeader,
    /// The records, back to back.
    pub records: &'a [u8],
    pub file: &'a Path,
    /// Where `records` begins in the file.
    pub records_at: u64,
}

/// Bytes behind the last valid commit of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    pub file: PathBuf,
    /// Where the tail begins.
    pub at: u64,
    pub byte_len: u64,
    /// The transaction that would have been there.
    pub offset: TxOffset,
    /// True if there are only zeros: space allocated in advance, not an interrupted write.
    pub only_zeros: bool,
}

/// The last segment of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSegment {
    pub start: TxOffset,
    pub version: Version,
    /// Bytes up to the end of the last valid commit; 0 if even the header is incomplete.
    pub valid_len: u64,
    /// Where the last valid commit begins; `valid_len` if there is none.
    pub last_commit_at: u64,
    pub file_len: u64,
    /// Nothing can be appended to it.
    pub is_compressed: bool,
    /// Where reading began: at the first commit, or where the offset index led to.
    pub read_from: u64,
    /// Index entries for what was read.
    pub index: Vec<IndexEntry>,
}

/// What the end of a log looks like: everything needed to append to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// The offset that the next transaction will have.
    pub next: TxOffset,
    /// The largest epoch seen.
    pub epoch: u64,
    /// `None` if there are no segments.
    pub last: Option<LastSegment>,
    /// What is behind the last commit of the last segment.
    pub tail: Option<Tail>,
    /// The same in earlier segments.
    pub sealed_tails: Vec<Tail>,
}

/// Reads commits in order.
#[derive(Debug)]
pub struct LogReader {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    from: TxOffset,
    /// Segments not opened yet, last one first.
    pending: Vec<TxOffset>,
    current: Option<Current>,
    index_interval: u64,
    end: LogEnd,
}

#[derive(Debug)]
struct Current {
    start: TxOffset,
    path: PathBuf,
    reader: SegmentReader,
    is_compressed: bool,
    read_from: u64,
    last_commit_at: Option<u64>,
    index: IndexBuilder,
}

impl LogReader {
    /// Opens the log in `dir` for reading transaction `from` and everything after it. Segments
    /// that end before `from` are not read, and within a segment an offset index leads there.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, from: TxOffset) -> Result<Self, LogError> {
        let mut pending = segment::list(&*storage, dir)?;
        let needed = pending.partition_point(|&start| start <= from);
        if let (0, Some(&first)) = (needed, pending.first()) {
            return Err(LogError::Damaged(Damage {
                file: segment::path(dir, first),
                at: 0,
                offset: from,
                what: DamageKind::StartsLate { first },
            }));
        }
        pending.drain(..needed.saturating_sub(1));
        let next = pending.first().copied().unwrap_or_default();
        pending.reverse();
        Ok(LogReader {
            storage,
            dir: dir.to_owned(),
            from,
            pending,
            current: None,
            index_interval: INTERVAL_BYTES,
            end: LogEnd {
                next,
                ..LogEnd::default()
            },
        })
    }

    /// Collects index entries of the last segment at this distance, in bytes.
    #[must_use]
    pub fn with_index_interval(mut self, bytes: u64) -> Self {
        self.index_interval = bytes;
        self
    }

    /// The first wanted transaction.
    #[must_use]
    pub fn from(&self) -> TxOffset {
        self.from
    }

    /// The next commit that holds a wanted transaction; the first one may begin before it.
    /// `None` at the end of the log; then [`LogReader::into_end`] describes it.
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        let (at, header) = loop {
            if self.current.is_none() && !self.open_next_segment()? {
                self.check_reached()?;
                return Ok(None);
            }
            let current = self.current.as_mut().expect("opened above");
            let at = current.reader.position();
            let step = current.reader.step(self.end.next);
            match step.map_err(|error| error.located(at, self.end.next))? {
                Step::Commit(header) => {
                    let frame_len = current.reader.position() - at;
                    current.index.note(header.start, at, frame_len);
                    current.last_commit_at = Some(at);
                    self.end.next = header.end().expect("checked when the header was read");
                    self.end.epoch = self.end.epoch.max(header.epoch);
                    let is_dropped = planted::is_on(Bug::DropLastRecordOfSegment)
                        && self.pending.last() == Some(&self.end.next);
                    if self.end.next > self.from && !is_dropped {
                        break (at, header);
                    }
                }
                step => self.leave_segment(&step)?,
            }
        };
        let current = self.current.as_mut().expect("a commit was read from it");
        let records_at = at + current.reader.version().commit_header_len() as u64;
        Ok(Some(Commit {
            header,
            records: current
                .reader
                .records(at, &header)
                .map_err(|error| LogError::from(error).located(at, header.start))?,
            file: &current.path,
            records_at,
        }))
    }

    /// What the end of the log looks like.
    ///
    /// # Panics
    /// If the log was not read to its end.
    #[must_use]
    pub fn into_end(self) -> LogEnd {
        let at_end = self.pending.is_empty() && self.current.is_none();
        assert!(at_end, "the log was not read to its end");
        self.end
    }

    fn open_next_segment(&mut self) -> Result<bool, LogError> {
        let Some(start) = self.pending.pop() else {
            return Ok(false);
        };
        let path = segment::path(&self.dir, start);
        let located = |error: LogError| error.located(0, start);
        let opened = segment::open(&*self.storage, &path);
        let opened = opened.map_err(|error| located(error.into()))?;
        let is_compressed = opened.is_compressed;
        let file_len = opened.file.byte_len()?;
        if let Some(mut reader) = SegmentReader::open(opened.file, start).map_err(located)? {
            self.jump(start, &mut reader).map_err(located)?;
            self.current = Some(Current {
                start,
                path,
                is_compressed,
                read_from: reader.position(),
                reader,
                last_commit_at: None,
                index: IndexBuilder::new(self.index_interval),
            });
            return Ok(true);
        }
        if !self.pending.is_empty() {
            return Err(self.damage(path, 0, DamageKind::ShortHeader));
        }
        self.end.tail = (file_len > 0).then_some(Tail {
            file: path,
            at: 0,
            byte_len: file_len,
            offset: start,
            only_zeros: false,
        });
        self.end.last = Some(LastSegment {
            start,
            version: Version::V1,
            valid_len: 0,
            last_commit_at: 0,
            file_len,
            is_compressed,
            read_from: 0,
            index: Vec::new(),
        });
        Ok(false)
    }

    /// Goes close to the first wanted transaction, if that lies in this segment and an index
    /// knows the way.
    fn jump(&mut self, start: TxOffset, reader: &mut SegmentReader) -> Result<(), LogError> {
        if self.from <= start {
            return Ok(());
        }
        for entry in offset_index::find(&*self.storage, &self.dir, start, self.from) {
            if entry.start > start && reader.jump(entry)? {
                self.end.next = entry.start;
                break;
            }
        }
        Ok(())
    }

    /// Judges the end of the current segment and closes it.
    fn leave_segment(&mut self, step: &Step) -> Result<(), LogError> {
        let mut current = self.current.take().expect("called while reading one");
        let reader = &mut current.reader;
        let at = reader.position();
        let tail = (!matches!(step, Step::End)).then(|| Tail {
            file: current.path.clone(),
            at,
            byte_len: reader.file_len() - at,
            offset: self.end.next,
            only_zeros: matches!(step, Step::Zeros),
        });
        if let Some(&next_segment) = self.pending.last() {
            if planted::is_on(Bug::AcceptOffsetGap) {
                self.end.next = next_segment;
            }
            if next_segment != self.end.next {
                let what = match step {
                    Step::Bad => DamageKind::BadEnd { next_segment },
                    _ => DamageKind::Gap {
                        found: next_segment,
                    },
                };
                return Err(self.damage(current.path, at, what));
            }
            self.end.sealed_tails.extend(tail);
            return Ok(());
        }
        if matches!(step, Step::Bad)
            && !planted::is_on(Bug::CutMiddleRecord)
            && let Some(next_valid) = reader
                .find_valid_commit(self.end.next)
                .map_err(|error| LogError::from(error).located(at, self.end.next))?
        {
            let what = DamageKind::BadCommit { next_valid };
            return Err(self.damage(current.path, at, what));
        }
        assert!(at >= HEADER_LEN as u64, "commits come after the header");
        self.end.tail = tail;
        self.end.last = Some(LastSegment {
            start: current.start,
            version: reader.version(),
            valid_len: at,
            last_commit_at: current.last_commit_at.unwrap_or(at),
            file_len: reader.file_len(),
            is_compressed: current.is_compressed,
            read_from: current.read_from,
            index: current.index.take(),
        });
        Ok(())
    }

    /// The log must reach up to the first wanted transaction.
    fn check_reached(&self) -> Result<(), LogError> {
        if self.end.next >= self.from {
            return Ok(());
        }
        let (file, at) = match &self.end.last {
            Some(last) => (segment::path(&self.dir, last.start), last.valid_len),
            None => (self.dir.clone(), 0),
        };
        let what = DamageKind::EndsEarly { wanted: self.from };
        Err(self.damage(file, at, what))
    }

    fn damage(&self, file: PathBuf, at: u64, what: DamageKind) -> LogError {
        LogError::Damaged(Damage {
            file,
            at,
            offset: self.end.next,
            what,
        })
    }
}

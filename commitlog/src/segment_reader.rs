//! Reading one segment commit by commit, and judging what is behind the last one.
//!
//! Invariants
//!   * Only commits with a good checksum at their own place are returned.
//!   * A bad place is the tail of an interrupted write only if no valid commit follows it.
//!     [`SegmentReader::find_valid_commit`] looks, so that rot in the middle is never taken for
//!     a tail.
//!
//! Not here: what a bad place means for the log as a whole (see `reader`).

use std::path::PathBuf;

use spacetime_types::TxOffset;

use crate::commit::{CHECKSUM_LEN, CommitHeader, checksum_holds};
use crate::damage::{Damage, DamageKind, LogError, NextValid};
use crate::offset_index::IndexEntry;
use crate::planted::{self, Bug};
use crate::segment::{HEADER_LEN, Version, decode_header};
use crate::storage::{StorageError, StorageFile};
use crate::window::Window;

/// One segment, open for reading.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    window: Window,
    version: Version,
    /// Where the next commit begins, or would begin.
    position: u64,
}

/// What is at the current position.
#[derive(Debug)]
pub(crate) enum Step {
    /// A valid commit, which was stepped over.
    Commit(CommitHeader),
    /// The end of the file, right after the last commit.
    End,
    /// Only zeros up to the end of the file: space that was allocated in advance.
    Zeros,
    /// Something that is no valid commit.
    Bad,
}

impl SegmentReader {
    /// Reads the header of the segment that starts at `offset`. `None` if the file is too short
    /// to have one.
    pub(crate) fn open(
        file: Box<dyn StorageFile>,
        offset: TxOffset,
    ) -> Result<Option<Self>, LogError> {
        let mut window = Window::new(file)?;
        if window.file_len() < HEADER_LEN as u64 {
            return Ok(None);
        }
        let header = window.get(0, HEADER_LEN as u64)?;
        let header = header.first_chunk().expect("as long as asked for");
        let version = decode_header(header).map_err(|error| Damage {
            file: window.file().path().to_owned(),
            at: 0,
            offset,
            what: DamageKind::Header(error),
        })?;
        Ok(Some(SegmentReader {
            window,
            version,
            position: HEADER_LEN as u64,
        }))
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.window.file_len()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.window.file().path().to_owned()
    }

    /// The records of a commit of this segment.
    pub(crate) fn records(
        &mut self,
        at: u64,
        header: &CommitHeader,
    ) -> Result<&[u8], StorageError> {
        let records_at = at + self.version.commit_header_len() as u64;
        self.window.get(records_at, u64::from(header.records_len))
    }

    /// Goes to the commit that an index entry points to, if there is a valid one of that offset.
    pub(crate) fn jump(&mut self, entry: IndexEntry) -> Result<bool, StorageError> {
        if entry.at < HEADER_LEN as u64 || self.file_len() <= entry.at {
            return Ok(false);
        }
        let found = self.commit_at(entry.at, self.version)?;
        let is_right = found.is_some_and(|header| header.start == entry.start);
        if is_right {
            self.position = entry.at;
        }
        Ok(is_right)
    }

    /// Reads the next commit, which must be that of `expected`.
    pub(crate) fn step(&mut self, expected: TxOffset) -> Result<Step, LogError> {
        if self.position == self.file_len() {
            return Ok(Step::End);
        }
        let Some(header) = self.commit_at(self.position, self.version)? else {
            let zeros = self.only_zeros_from(self.position)?;
            return Ok(if zeros { Step::Zeros } else { Step::Bad });
        };
        if header.start != expected && !planted::is_on(Bug::AcceptOffsetGap) {
            return Err(LogError::Damaged(Damage {
                file: self.path(),
                at: self.position,
                offset: expected,
                what: DamageKind::WrongOffset {
                    found: header.start,
                },
            }));
        }
        self.position += header.frame_len(self.version);
        Ok(Step::Commit(header))
    }

    /// Looks behind the current, bad position for a valid commit of `expected` or later.
    ///
    /// Rows are user data and could hold the bytes of a commit. Then an interrupted write looks
    /// like damage and the log is refused, which loses nothing.
    pub(crate) fn find_valid_commit(
        &mut self,
        expected: TxOffset,
    ) -> Result<Option<NextValid>, StorageError> {
        let file_len = self.file_len();
        let bad = self.position;
        let mut budget = 64 * (file_len - bad) + (1 << 20);
        for at in bad + 1..file_len.saturating_sub(Version::V0.commit_header_len() as u64) {
            let start = self.window.get(at, 8)?.first_chunk();
            let start = u64::from_le_bytes(*start.expect("eight bytes were asked for"));
            // Every transaction takes a byte at least, so offsets cannot have advanced further.
            let offset_is_plausible = start
                .checked_sub(expected.0)
                .is_some_and(|advance| advance <= at - bad);
            if !offset_is_plausible {
                continue;
            }
            for version in [Version::V1, Version::V0] {
                let Some(header) = self.header_at(at, version)? else {
                    continue;
                };
                let Some(left) = budget.checked_sub(header.frame_len(version)) else {
                    return Ok(Some(NextValid::Unknown));
                };
                budget = left;
                if self.commit_at(at, version)?.is_some() {
                    let offset = header.start;
                    return Ok(Some(NextValid::At { byte: at, offset }));
                }
            }
        }
        Ok(None)
    }

    fn only_zeros_from(&mut self, mut at: u64) -> Result<bool, StorageError> {
        while at < self.file_len() {
            let len = (self.file_len() - at).min(1 << 16);
            if self.window.get(at, len)?.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// The header of a commit that could be at `at` and fits into the file.
    fn header_at(
        &mut self,
        at: u64,
        version: Version,
    ) -> Result<Option<CommitHeader>, StorageError> {
        let left = self.file_len() - at;
        let header_len = version.commit_header_len() as u64;
        if left < header_len + CHECKSUM_LEN as u64 {
            return Ok(None);
        }
        let header = CommitHeader::decode(version, self.window.get(at, header_len)?);
        Ok(header.filter(|header| {
            header.record_count > 0 && header.end().is_some() && header.frame_len(version) <= left
        }))
    }

    /// The header of the valid commit at `at`.
    fn commit_at(
        &mut self,
        at: u64,
        version: Version,
    ) -> Result<Option<CommitHeader>, StorageError> {
        let Some(header) = self.header_at(at, version)? else {
            return Ok(None);
        };
        let frame = self.window.get(at, header.frame_len(version))?;
        Ok(checksum_holds(frame).then_some(header))
    }
}

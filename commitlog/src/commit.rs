//! A commit: a checksummed frame around the records of consecutive transactions.
//!
//! Version 1, little-endian: first offset u64, epoch u64, record count u16, record bytes u32,
//! the records, CRC-32C of everything before. Version 0 lacks the epoch.
//!
//! Invariants
//!   * A commit is all or nothing: it is either read with a good checksum or not at all.
//!   * The checksum covers the first offset, so a commit is valid at one place of the history
//!     only. (It does not cover which database it belongs to; the format has no room.)
//!   * A commit holds at least one record.
//!
//! Not here: what a record contains (see `txdata`).

use spacetime_types::TxOffset;

use crate::planted::{self, Bug};
use crate::segment::Version;

/// Bytes after the records.
pub const CHECKSUM_LEN: usize = 4;
/// Most records that one commit can hold.
pub const RECORD_COUNT_MAX: usize = u16::MAX as usize;
/// Most bytes that the records of one commit can take.
pub const RECORDS_BYTES_MAX: usize = u32::MAX as usize - 64;

const V1_HEADER_LEN: usize = Version::V1.commit_header_len();

/// The fixed part of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitHeader {
    /// Offset of the first record.
    pub start: TxOffset,
    /// Leader term; 0 unless the log is replicated.
    pub epoch: u64,
    /// Number of records.
    pub record_count: u16,
    /// Bytes of all records.
    pub records_len: u32,
}

impl CommitHeader {
    /// Decodes the first bytes of a commit. `None` if there are too few of them.
    #[inline]
    #[must_use]
    pub fn decode(version: Version, bytes: &[u8]) -> Option<CommitHeader> {
        let (start, rest) = bytes.split_first_chunk::<8>()?;
        let (epoch, rest) = match version {
            Version::V0 => (0, rest),
            Version::V1 => {
                let (epoch, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_le_bytes(*epoch), rest)
            }
        };
        let (record_count, rest) = rest.split_first_chunk::<2>()?;
        let (records_len, _) = rest.split_first_chunk::<4>()?;
        Some(CommitHeader {
            start: TxOffset(u64::from_le_bytes(*start)),
            epoch,
            record_count: u16::from_le_bytes(*record_count),
            records_len: u32::from_le_bytes(*records_len),
        })
    }

    /// Bytes of the whole frame.
    #[inline]
    #[must_use]
    pub fn frame_len(&self, version: Version) -> u64 {
        version.commit_header_len() as u64 + u64::from(self.records_len) + CHECKSUM_LEN as u64
    }

    /// Offset after the last record. `None` if the offsets would overflow.
    #[inline]
    #[must_use]
    pub fn end(&self) -> Option<TxOffset> {
        let end = self.start.0.checked_add(u64::from(self.record_count))?;
        Some(TxOffset(end))
    }
}

/// True if `frame` ends in the checksum of the bytes before it.
#[inline]
#[must_use]
pub fn checksum_holds(frame: &[u8]) -> bool {
    let Some((covered, stored)) = frame.split_last_chunk::<CHECKSUM_LEN>() else {
        return false;
    };
    crc32c::crc32c(covered) == u32::from_le_bytes(*stored) || planted::is_on(Bug::IgnoreChecksum)
}

/// A commit under construction, or complete: reused from batch to batch.
#[derive(Debug, Default)]
pub struct CommitBuffer {
    bytes: Vec<u8>,
    record_count: u16,
    finished: bool,
    /// Checksum of so many bytes of records.
    checked: usize,
    checksum: u32,
}

impl CommitBuffer {
    /// An empty commit.
    #[must_use]
    pub fn new() -> Self {
        CommitBuffer::default()
    }

    /// Forgets all records; gives memory back if an unusually large commit took much of it.
    pub fn clear(&mut self) {
        const KEPT_BYTES_MAX: usize = 16 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.record_count = 0;
        self.finished = false;
        self.checked = 0;
        self.checksum = 0;
    }

    /// Number of records so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        usize::from(self.record_count)
    }

    /// Bytes of all records so far.
    #[must_use]
    pub fn records_len(&self) -> usize {
        self.bytes.len().saturating_sub(V1_HEADER_LEN)
    }

    /// Appends one record, which `encode` writes at the end of the buffer.
    ///
    /// Fails, leaving the commit as it was, if the record does not fit any more.
    pub fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), CommitFull> {
        assert!(!self.finished, "clear() comes between finish() and push()");
        if self.record_count() == RECORD_COUNT_MAX {
            return Err(CommitFull);
        }
        if self.bytes.is_empty() {
            self.bytes.resize(V1_HEADER_LEN, 0);
        }
        let before = self.bytes.len();
        encode(&mut self.bytes);
        assert!(
            self.bytes.len() > before,
            "a record is never empty: it has a flags byte"
        );
        if self.records_len() > RECORDS_BYTES_MAX {
            self.bytes.truncate(before);
            return Err(CommitFull);
        }
        self.record_count += 1;
        Ok(())
    }

    /// Computes the checksum of the records so far, so that [`CommitBuffer::finish`] has less to
    /// do. The result is the same.
    pub fn checksum_ahead(&mut self) {
        assert!(!self.finished, "the checksum was complete");
        let begin = V1_HEADER_LEN + self.checked;
        if self.bytes.len() > begin {
            self.checksum = crc32c::crc32c_append(self.checksum, &self.bytes[begin..]);
            self.checked = self.records_len();
        }
    }

    /// The checksum of a complete header and all records.
    fn checksum(&mut self) -> u32 {
        if self.checked == 0 {
            return crc32c::crc32c(&self.bytes);
        }
        self.checksum_ahead();
        let header = crc32c::crc32c(&self.bytes[..V1_HEADER_LEN]);
        crc32c::crc32c_combine(header, self.checksum, self.checked)
    }

    /// Fills in header and checksum. The result is a version 1 frame.
    ///
    /// # Panics
    /// If there is no record.
    #[must_use]
    pub fn finish(&mut self, start: TxOffset, epoch: u64) -> Frame<'_> {
        assert!(!self.finished, "a commit is finished once");
        assert!(self.record_count > 0, "a commit holds at least one record");
        let records_len = u32::try_from(self.records_len());
        let records_len = records_len.expect("push() keeps the records below 4 GiB");
        self.bytes[..8].copy_from_slice(&start.0.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&epoch.to_le_bytes());
        self.bytes[16..18].copy_from_slice(&self.record_count.to_le_bytes());
        self.bytes[18..22].copy_from_slice(&records_len.to_le_bytes());
        let covered = V1_HEADER_LEN + self.records_len();
        let checksum = self.checksum();
        self.finished = true;
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        assert!(self.bytes.len() == covered + CHECKSUM_LEN, "frame layout");
        Frame {
            header: CommitHeader {
                start,
                epoch,
                record_count: self.record_count,
                records_len,
            },
            bytes: &self.bytes,
        }
    }
}

/// The record does not fit into this commit: write the commit, then try an empty one. If it does
/// not fit into an empty one either, the record is too large for the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the commit is full")]
pub struct CommitFull;

/// A complete version 1 commit, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub header: CommitHeader,
    pub bytes: &'a [u8],
}

#[cfg(test)]
mod tests;

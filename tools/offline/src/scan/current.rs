//! One segment while it is scanned: what is at a position, and where the next commit is.

use spacetime_commitlog::CommitHeader;
use spacetime_commitlog::commit::CHECKSUM_LEN;
use spacetime_commitlog::segment::Version;
use spacetime_commitlog::storage::StorageError;

use super::ScannedSegment;
use crate::file_view::FileView;

/// A segment that is being read.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) view: FileView,
    pub(super) version: Version,
    pub(super) position: u64,
    pub(super) summary: ScannedSegment,
    pub(super) overlap_told: bool,
    /// The last place of which it was told that it cannot be read.
    pub(super) unreadable_told: Option<u64>,
}

/// What is at a position.
pub(super) enum Found {
    Commit(CommitHeader),
    End,
    Zeros,
    Bad,
}

impl Current {
    /// What is at the position.
    pub(super) fn look(&mut self) -> Result<Found, StorageError> {
        let left = self.view.len() - self.position;
        if left == 0 {
            return Ok(Found::End);
        }
        let header_len = self.version.commit_header_len() as u64;
        let bytes = self.view.get(self.position, left.min(header_len))?;
        if bytes.iter().all(|&byte| byte == 0) && self.view.is_zero_from(self.position)? {
            return Ok(Found::Zeros);
        }
        let commit = self.commit_at(self.position, self.version)?;
        Ok(commit.map_or(Found::Bad, Found::Commit))
    }

    /// The next whole commit of `expected` or a later transaction, at or behind the position.
    pub(super) fn find_commit(
        &mut self,
        expected: u64,
    ) -> Result<Option<(u64, Version, CommitHeader)>, StorageError> {
        let bad = self.position;
        let last = self
            .view
            .len()
            .saturating_sub(Version::V0.commit_header_len() as u64);
        // Bytes that look like large commits over and over must not cost hours.
        let mut budget = 64 * (self.view.len() - bad) + (1 << 20);
        for at in bad..last {
            let start = self.view.get(at, 8)?.first_chunk();
            let start = u64::from_le_bytes(*start.expect("eight bytes were asked for"));
            // Every transaction takes a byte at least, so offsets cannot have advanced further.
            let advance = start.checked_sub(expected);
            if advance.is_none_or(|advance| advance > at - bad) {
                continue;
            }
            for version in [Version::V1, Version::V0] {
                let Some(header) = self.header_at(at, version)? else {
                    continue;
                };
                let Some(left) = budget.checked_sub(header.frame_len(version)) else {
                    return Ok(None);
                };
                budget = left;
                if self.commit_at(at, version)?.is_some() {
                    return Ok(Some((at, version, header)));
                }
            }
        }
        Ok(None)
    }

    /// The header of a commit that could be at `at` and fits into the file.
    fn header_at(
        &mut self,
        at: u64,
        version: Version,
    ) -> Result<Option<CommitHeader>, StorageError> {
        let left = self.view.len() - at;
        let header_len = version.commit_header_len() as u64;
        if left < header_len + CHECKSUM_LEN as u64 {
            return Ok(None);
        }
        let header = CommitHeader::decode(version, self.view.get(at, header_len)?);
        Ok(header.filter(|header| {
            header.record_count > 0 && header.end().is_some() && header.frame_len(version) <= left
        }))
    }

    /// The header of the whole commit at `at`.
    fn commit_at(
        &mut self,
        at: u64,
        version: Version,
    ) -> Result<Option<CommitHeader>, StorageError> {
        let Some(header) = self.header_at(at, version)? else {
            return Ok(None);
        };
        let covered = header.frame_len(version) - CHECKSUM_LEN as u64;
        let computed = self.view.checksum(at, covered)?;
        let stored = self.view.get(at + covered, CHECKSUM_LEN as u64)?;
        Ok((computed.to_le_bytes() == stored).then_some(header))
    }
}

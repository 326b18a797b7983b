//! The offset index of a segment: where some of its commits begin. An accelerator, never a truth.
//!
//! An array of entries from the start of the file, ascending: first offset of a commit u64 and
//! its byte position in the segment (not compressed) u64, little-endian. Offset 0 marks an unused
//! entry, so that the first commit of a log has none.
//!
//! Invariants
//!   * An entry is written after the sync of the commit that it refers to.
//!   * Whoever follows an entry checks the commit that it points to. A missing, short, stale or
//!     damaged index costs time and nothing else; it can lead to no wrong result.
//!   * Failures to write the index are not failures of the log. It goes without one.
//!
//! Not here: following an entry (see `segment_reader`).

use std::path::Path;

use spacetime_types::TxOffset;

use crate::segment;
use crate::storage::{OpenMode, Storage, StorageError, StorageFile};

/// Bytes of one entry.
pub const ENTRY_LEN: usize = 16;
/// Distance between entries, in bytes of the segment, unless said otherwise.
pub const INTERVAL_BYTES: u64 = 4096;
/// Most entries of one segment that are kept: 16 MiB of them.
const ENTRY_COUNT_MAX: usize = 1 << 20;
/// Entries that a lookup tries, going backwards, before it gives up.
const LOOKUP_TRIES: u64 = 4;

/// Where a commit begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its first transaction.
    pub start: TxOffset,
    /// Its first byte in the segment.
    pub at: u64,
}

impl IndexEntry {
    /// The stored form.
    #[must_use]
    pub fn encode(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.start.0.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// `None` for an unused entry.
    #[must_use]
    pub fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<IndexEntry> {
        let (start, at) = bytes.split_first_chunk::<8>()?;
        let start = u64::from_le_bytes(*start);
        let at = u64::from_le_bytes(*at.first_chunk()?);
        (start != 0).then_some(IndexEntry {
            start: TxOffset(start),
            at,
        })
    }
}

/// Decodes entries up to the first that is unused or not above the one before it.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<IndexEntry> {
    let mut entries: Vec<IndexEntry> = Vec::new();
    let stored = bytes.as_chunks::<ENTRY_LEN>().0;
    for entry in stored.iter().take(ENTRY_COUNT_MAX) {
        let Some(entry) = IndexEntry::decode(entry) else {
            break;
        };
        let is_above = entries
            .last()
            .is_none_or(|last| last.start < entry.start && last.at < entry.at);
        if !is_above {
            break;
        }
        entries.push(entry);
    }
    entries
}

/// Chooses the commits of a segment that get an entry, while they pass by.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    interval: u64,
    candidate: Option<IndexEntry>,
    bytes_since: u64,
    entries: Vec<IndexEntry>,
}

impl IndexBuilder {
    pub(crate) fn new(interval: u64) -> Self {
        IndexBuilder {
            interval,
            candidate: None,
            bytes_since: 0,
            entries: Vec::new(),
        }
    }

    /// Notes the next commit.
    pub(crate) fn note(&mut self, start: TxOffset, at: u64, frame_len: u64) {
        if self.interval == 0 {
            return;
        }
        let candidate = *self.candidate.get_or_insert(IndexEntry { start, at });
        self.bytes_since += frame_len;
        if self.bytes_since < self.interval {
            return;
        }
        self.bytes_since = 0;
        self.candidate = None;
        if candidate.start.0 > 0 && self.entries.len() < ENTRY_COUNT_MAX {
            self.entries.push(candidate);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<IndexEntry> {
        std::mem::take(&mut self.entries)
    }
}

/// The index of the segment that is being written.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    /// `None` once a write has failed, or if no index is wanted.
    file: Option<Box<dyn StorageFile>>,
    len: u64,
    builder: IndexBuilder,
}

impl IndexWriter {
    /// Begins the index of a segment that is `known` so far.
    pub(crate) fn open(
        storage: &dyn Storage,
        dir: &Path,
        start: TxOffset,
        interval: u64,
        known: &[IndexEntry],
    ) -> Self {
        let opened = (interval > 0).then(|| open_with(storage, dir, start, known));
        IndexWriter {
            file: opened.and_then(Result::ok),
            len: (known.len() * ENTRY_LEN) as u64,
            builder: IndexBuilder::new(interval),
        }
    }

    /// A commit was appended.
    pub(crate) fn note(&mut self, start: TxOffset, at: u64, frame_len: u64) {
        self.builder.note(start, at, frame_len);
    }

    /// Everything noted so far is durable: it may be referred to.
    pub(crate) fn synced(&mut self) {
        if self.builder.entries.is_empty() {
            return;
        }
        let bytes = encode_all(&self.builder.take());
        let Some(file) = &self.file else {
            return;
        };
        match file.write_all_at(self.len, &bytes) {
            Ok(()) => self.len += bytes.len() as u64,
            Err(_) => self.file = None,
        }
    }
}

fn encode_all(entries: &[IndexEntry]) -> Vec<u8> {
    let stored = entries.iter().flat_map(|entry| entry.encode());
    stored.collect()
}

fn open_with(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    known: &[IndexEntry],
) -> Result<Box<dyn StorageFile>, StorageError> {
    let path = segment::index_path(dir, start);
    let bytes = encode_all(known);
    if !known.is_empty()
        && let Ok(file) = storage.open(&path, OpenMode::ReadWrite)
        && read_all(&*file).is_some_and(|stored| stored == bytes)
    {
        return Ok(file);
    }
    let file = storage.open(&path, OpenMode::CreateOrTruncate)?;
    file.write_all_at(0, &bytes)?;
    Ok(file)
}

/// Writes the index of a segment anew.
pub(crate) fn write(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    entries: &[IndexEntry],
) -> Result<(), StorageError> {
    open_with(storage, dir, start, entries).map(drop)
}

/// The entries of a segment's index that are in order. Empty if there is none, or no readable one.
pub(crate) fn load(storage: &dyn Storage, dir: &Path, start: TxOffset) -> Vec<IndexEntry> {
    let path = segment::index_path(dir, start);
    let file = storage.open(&path, OpenMode::Read).ok();
    let bytes = file.and_then(|file| read_all(&*file));
    bytes.map(|bytes| decode(&bytes)).unwrap_or_default()
}

fn read_all(file: &dyn StorageFile) -> Option<Vec<u8>> {
    let len = usize::try_from(file.byte_len().ok()?).ok()?;
    let mut bytes = vec![0; len.min(ENTRY_COUNT_MAX * ENTRY_LEN)];
    file.read_exact_at(0, &mut bytes).ok()?;
    Some(bytes)
}

/// The last few entries at or below `wanted`, best first: at most a handful of small reads. What
/// they say must be checked.
pub(crate) fn find(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    wanted: TxOffset,
) -> Vec<IndexEntry> {
    let path = segment::index_path(dir, start);
    let file = storage.open(&path, OpenMode::Read).ok();
    file.and_then(|file| find_in(&*file, wanted))
        .unwrap_or_default()
}

fn find_in(file: &dyn StorageFile, wanted: TxOffset) -> Option<Vec<IndexEntry>> {
    // Entries below `low` are at or below the wanted one, those from `high` on are above it or
    // unused. In a damaged index that is not so; then the result is of no use, and found to be.
    let mut low = 0;
    let mut high = file.byte_len().ok()? / ENTRY_LEN as u64;
    while low < high {
        let middle = low + (high - low) / 2;
        match read_entry(file, middle)? {
            Some(entry) if entry.start <= wanted => low = middle + 1,
            _ => high = middle,
        }
    }
    let mut found = Vec::new();
    for nth in (low.saturating_sub(LOOKUP_TRIES)..low).rev() {
        found.extend(read_entry(file, nth)?.filter(|entry| entry.start <= wanted));
    }
    Some(found)
}

/// `None` if it cannot be read, `Some(None)` if it is unused.
fn read_entry(file: &dyn StorageFile, nth: u64) -> Option<Option<IndexEntry>> {
    let mut bytes = [0; ENTRY_LEN];
    let at = nth.checked_mul(ENTRY_LEN as u64)?;
    file.read_exact_at(at, &mut bytes).ok()?;
    Some(IndexEntry::decode(&bytes))
}

#[cfg(test)]
mod tests;

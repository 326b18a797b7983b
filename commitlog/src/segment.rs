//! Segment files: their names, their header, how one comes into being, and how one is opened.
//!
//! Invariants
//!   * A segment's name is the offset of its first transaction, 20 digits.
//!   * A segment becomes visible under its name only with a complete, synced header, and its
//!     directory entry is synced before [`create`] returns. So nothing in it can be
//!     acknowledged and then vanish with the file.
//!
//! Not here: what follows the header (see `commit`).

use std::path::{Path, PathBuf};

use spacetime_types::TxOffset;

use crate::compressed::{CompressedDamage, CompressedFile};
use crate::planted::{self, Bug};
use crate::storage::{OpenMode, Storage, StorageError, StorageFile};

/// First bytes of every segment.
pub const MAGIC: [u8; 6] = *b"(ds)^2";
/// Bytes before the first commit.
pub const HEADER_LEN: usize = 10;
/// First bytes of a segment that was compressed in place.
pub const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

const SUFFIX: &str = ".stdb.log";
const INDEX_SUFFIX: &str = ".stdb.ofs";
const TEMPORARY_SUFFIX: &str = ".stdb.new";
const TEMPORARY_COMPRESSED_SUFFIX: &str = ".stdb.zst-new";
const CHECKSUM_CRC32C: u8 = 0;

/// How commits in a segment are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Without an epoch; only read.
    V0,
    /// With an epoch.
    V1,
}

impl Version {
    /// Bytes before the records of a commit.
    #[must_use]
    pub const fn commit_header_len(self) -> usize {
        match self {
            Version::V0 => 14,
            Version::V1 => 22,
        }
    }
}

/// Why a segment's header was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("this is not a log segment (the file does not begin with the segment magic)")]
    NotASegment,
    #[error("log format version {found} is newer than this build knows (1): upgrade the server")]
    UnknownVersion { found: u8 },
    #[error("unknown checksum algorithm {found}: upgrade the server")]
    UnknownChecksum { found: u8 },
}

/// The header of a version 1 segment.
#[must_use]
pub fn encode_header() -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..6].copy_from_slice(&MAGIC);
    header[6] = 1;
    header[7] = CHECKSUM_CRC32C;
    header
}

/// Reads a header; the two reserved bytes are ignored.
pub fn decode_header(header: &[u8; HEADER_LEN]) -> Result<Version, HeaderError> {
    if header[..6] != MAGIC {
        return Err(HeaderError::NotASegment);
    }
    let version = match header[6] {
        0 => Version::V0,
        1 => Version::V1,
        found => return Err(HeaderError::UnknownVersion { found }),
    };
    match header[7] {
        CHECKSUM_CRC32C => Ok(version),
        found => Err(HeaderError::UnknownChecksum { found }),
    }
}

/// File name of the segment that starts at `start`.
#[must_use]
pub fn file_name(start: TxOffset) -> String {
    format!("{:020}{SUFFIX}", start.0)
}

/// The offset in a segment's file name. `None` if the name is not one that we would write.
#[must_use]
pub fn parse_file_name(name: &str) -> Option<TxOffset> {
    let digits = name.strip_suffix(SUFFIX)?;
    let canonical = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok().map(TxOffset))?
}

/// Path of the segment that starts at `start`.
#[must_use]
pub fn path(dir: &Path, start: TxOffset) -> PathBuf {
    dir.join(file_name(start))
}

/// Path of the offset index of the segment that starts at `start`.
#[must_use]
pub fn index_path(dir: &Path, start: TxOffset) -> PathBuf {
    dir.join(format!("{:020}{INDEX_SUFFIX}", start.0))
}

/// Where a segment is compressed before it takes the place of the original.
#[must_use]
pub(crate) fn compressed_path(dir: &Path, start: TxOffset) -> PathBuf {
    dir.join(format!("{:020}{TEMPORARY_COMPRESSED_SUFFIX}", start.0))
}

/// Opens a segment for reading as it was before it was compressed, if it was.
pub fn open(storage: &dyn Storage, path: &Path) -> Result<OpenSegment, StorageError> {
    let file = storage.open(path, OpenMode::Read)?;
    let (is_compressed, stored_len) = examine_open(&*file)?;
    let mut table_damage = None;
    let file = match is_compressed {
        true => {
            let file = CompressedFile::open(file)?;
            table_damage = file.table_damage().cloned();
            Box::new(file)
        }
        false => file,
    };
    Ok(OpenSegment {
        file,
        is_compressed,
        table_damage,
        stored_len,
    })
}

/// Whether a segment is compressed, and how many bytes it takes on disk.
pub(crate) fn examine(storage: &dyn Storage, path: &Path) -> Result<(bool, u64), StorageError> {
    examine_open(&*storage.open(path, OpenMode::Read)?)
}

fn examine_open(file: &dyn StorageFile) -> Result<(bool, u64), StorageError> {
    let stored_len = file.byte_len()?;
    let mut magic = [0; ZSTD_MAGIC.len()];
    if stored_len < magic.len() as u64 {
        return Ok((false, stored_len));
    }
    file.read_exact_at(0, &mut magic)?;
    Ok((magic == ZSTD_MAGIC, stored_len))
}

/// A segment, open for reading.
#[derive(Debug)]
pub struct OpenSegment {
    /// The content, not compressed.
    pub file: Box<dyn StorageFile>,
    pub is_compressed: bool,
    /// What is wrong with the seek table of a compressed segment, which can be read without it.
    pub table_damage: Option<CompressedDamage>,
    /// Bytes on disk.
    pub stored_len: u64,
}

/// Removes what an interrupted creation or compression of a segment left, and indexes without a
/// segment. Nothing depends on these files, so no sync is needed.
pub(crate) fn remove_leftovers(storage: &dyn Storage, dir: &Path) -> Result<(), StorageError> {
    let names = storage.list(dir)?;
    for name in &names {
        let is_temporary = [TEMPORARY_SUFFIX, TEMPORARY_COMPRESSED_SUFFIX]
            .iter()
            .any(|suffix| name.ends_with(suffix));
        let is_orphan = name.strip_suffix(INDEX_SUFFIX).is_some_and(|digits| {
            let segment = format!("{digits}{SUFFIX}");
            parse_file_name(&segment).is_some() && !names.contains(&segment)
        });
        if is_temporary || is_orphan {
            storage.remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// First offsets of all segments in `dir`, ascending. Other files are ignored, among them
/// offset indexes and half-created segments. A missing directory has no segments.
pub fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<TxOffset>, StorageError> {
    let names = match storage.list(dir) {
        Err(e) if e.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    let mut starts: Vec<TxOffset> = names.iter().filter_map(|n| parse_file_name(n)).collect();
    starts.sort_unstable();
    Ok(starts)
}

/// Creates an empty segment, durably, and leaves it open. An existing segment of that name is
/// replaced: the caller has made sure that it holds no commit. Room for `allocated` bytes is set
/// aside.
pub fn create(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    allocated: u64,
) -> Result<Box<dyn StorageFile>, StorageError> {
    let temporary = dir.join(format!("{:020}{TEMPORARY_SUFFIX}", start.0));
    let target = path(dir, start);
    let file = storage.open(&temporary, OpenMode::CreateOrTruncate)?;
    if allocated > 0 {
        file.allocate(allocated)?;
    }
    file.write_all_at(0, &encode_header())?;
    file.sync_data()?;
    drop(file);
    storage.rename(&temporary, &target)?;
    if !planted::is_on(Bug::SkipDirSyncOnCreate) {
        storage.sync_dir(dir)?;
    }
    storage.open(&target, OpenMode::ReadWrite)
}

#[cfg(test)]
mod tests;

//! Compressing one sealed segment in place.
//!
//! Invariants
//!   * Only a segment whose every commit was just read and found good is compressed.
//!   * The compressed file is synced, then read back and compared with the original byte for
//!     byte, then renamed over it; then the directory is synced. A crash anywhere leaves one of
//!     the two, whole. What is left under the temporary name is removed at the next opening.
//!
//! Not here: which segments to compress, and keeping others away meanwhile (see `sealed`).

use std::path::Path;

use spacetime_types::TxOffset;
use zstd::bulk::Compressor;

use crate::compressed::seek_table::SeekTable;
use crate::compressed::{CompressedDamage, CompressedFile};
use crate::damage::{Damage, DamageKind, LogError};
use crate::offset_index::{self, INTERVAL_BYTES, IndexBuilder};
use crate::planted::{self, Bug};
use crate::segment;
use crate::segment_reader::{SegmentReader, Step};
use crate::storage::{OpenMode, Storage, StorageError, StorageFile};

/// Bytes of the segment in one frame: what has to be decompressed to read one commit.
const FRAME_BYTES: usize = 64 << 10;
/// zstd's own default.
const LEVEL: i32 = 3;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed {
    pub start: TxOffset,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Compresses the segment that starts at `start` and ends before `end`. `None` if it was
/// compressed already.
pub(crate) fn compress(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    end: TxOffset,
) -> Result<Option<Compressed>, LogError> {
    let path = segment::path(dir, start);
    let (is_compressed, stored_len) = segment::examine(storage, &path)?;
    if is_compressed {
        return Ok(None);
    }
    let file = storage.open(&path, OpenMode::Read)?;
    check(storage, dir, start, end)?;
    let temporary = segment::compressed_path(dir, start);
    let done = write(storage, &*file, &temporary)
        .and_then(|bytes_after| compare(storage, &*file, &temporary).map(|()| bytes_after))
        .and_then(|bytes_after| {
            storage.rename(&temporary, &path)?;
            if !planted::is_on(Bug::SkipSyncOnCompress) {
                storage.sync_dir(dir)?;
            }
            Ok(bytes_after)
        });
    match done {
        Ok(bytes_after) => Ok(Some(Compressed {
            start,
            bytes_before: stored_len,
            bytes_after,
        })),
        Err(error) => {
            // If this fails as well, the next opening removes it.
            let _ = storage.remove(&temporary);
            Err(error.into())
        }
    }
}

/// Reads every commit of a segment, and writes its index if there is none.
fn check(
    storage: &dyn Storage,
    dir: &Path,
    start: TxOffset,
    end: TxOffset,
) -> Result<(), LogError> {
    let path = segment::path(dir, start);
    let damage = |at, offset, what| {
        LogError::Damaged(Damage {
            file: path.clone(),
            at,
            offset,
            what,
        })
    };
    let file = segment::open(storage, &path)?.file;
    let Some(mut reader) = SegmentReader::open(file, start)? else {
        return Err(damage(0, start, DamageKind::ShortHeader));
    };
    let mut index = IndexBuilder::new(INTERVAL_BYTES);
    let mut next = start;
    while next < end {
        let at = reader.position();
        match reader.step(next)? {
            Step::Commit(header) => {
                index.note(next, at, reader.position() - at);
                next = header.end().expect("checked when the header was read");
            }
            Step::End | Step::Zeros => {
                return Err(damage(at, next, DamageKind::Gap { found: end }));
            }
            Step::Bad => {
                let next_segment = end;
                return Err(damage(at, next, DamageKind::BadEnd { next_segment }));
            }
        }
    }
    if next != end {
        return Err(damage(
            reader.position(),
            next,
            DamageKind::Gap { found: end },
        ));
    }
    let entries = index.take();
    if offset_index::load(storage, dir, start).is_empty() && !entries.is_empty() {
        // An accelerator: the log is as good without it.
        let _ = offset_index::write(storage, dir, start, &entries);
    }
    Ok(())
}

/// Writes and syncs the compressed form, and returns its length.
fn write(
    storage: &dyn Storage,
    source: &dyn StorageFile,
    target: &Path,
) -> Result<u64, StorageError> {
    let failed = |e| StorageError::new("compress", source.path(), e);
    let wrong = |damage: CompressedDamage| damage.at(target);
    let mut compressor = Compressor::new(LEVEL).map_err(failed)?;
    let file = storage.open(target, OpenMode::CreateOrTruncate)?;
    let source_len = source.byte_len()?;
    let mut table = SeekTable::default();
    let mut written = 0;
    let mut at = 0;
    let mut piece = Vec::new();
    while at < source_len {
        piece.resize(piece_len(source_len - at), 0);
        source.read_exact_at(at, &mut piece)?;
        let frame = compressor.compress(&piece).map_err(failed)?;
        file.write_all_at(written, &frame)?;
        let lens = (u32::try_from(frame.len()), u32::try_from(piece.len()));
        let (Ok(frame_len), Ok(len)) = lens else {
            unreachable!("frames are small");
        };
        table.push(frame_len, len).map_err(wrong)?;
        written += frame.len() as u64;
        at += piece.len() as u64;
    }
    let table = table.encode().map_err(wrong)?;
    file.write_all_at(written, &table)?;
    if !planted::is_on(Bug::SkipSyncOnCompress) {
        file.sync_data()?;
    }
    Ok(written + table.len() as u64)
}

/// Fails unless the compressed file yields the source, byte for byte.
fn compare(
    storage: &dyn Storage,
    source: &dyn StorageFile,
    target: &Path,
) -> Result<(), StorageError> {
    let wrong = || {
        let why = "it is not what was compressed".to_owned();
        CompressedDamage::Frame { at: 0, why }.at(target)
    };
    let compressed = CompressedFile::open(storage.open(target, OpenMode::Read)?)?;
    let len = source.byte_len()?;
    if compressed.byte_len()? != len {
        return Err(wrong());
    }
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < len {
        expected.resize(piece_len(len - at), 0);
        found.resize(expected.len(), 0);
        source.read_exact_at(at, &mut expected)?;
        compressed.read_exact_at(at, &mut found)?;
        if expected != found {
            return Err(wrong());
        }
        at += expected.len() as u64;
    }
    Ok(())
}

fn piece_len(left: u64) -> usize {
    usize::try_from(left).map_or(FRAME_BYTES, |left| left.min(FRAME_BYTES))
}

//! Object files of SpacetimeDB: `objects/` + two hex digits + `/` + 62 hex digits, plain or zstd.
//!
//! A blob whose *content* is a zstd file looks like a compressed file. So the plain reading is
//! tried first, and the hash decides.

use std::io::Read;
use std::path::{Path, PathBuf};

use spacetime_commitlog::storage::{OpenMode, Storage};

use crate::error::{DamageKind, SnapshotError};
use crate::object::{OBJECT_BYTES_MAX, ObjectHash};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a page's file at most: that of a table with rows of two bytes.
pub(super) const PAGE_FILE_BYTES_MAX: u64 = 70_000;

/// Bytes of a file, none of which is believed yet.
pub(super) fn read_file(
    storage: &dyn Storage,
    path: &Path,
    bytes_max: u64,
) -> Result<Vec<u8>, SnapshotError> {
    let file = match storage.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => {
            return Err(SnapshotError::damaged(path, 0, DamageKind::Missing));
        }
        Err(error) => return Err(error.into()),
    };
    let found = file.byte_len()?;
    match usize::try_from(found) {
        Ok(len) if found <= bytes_max => {
            let mut bytes = vec![0; len];
            file.read_exact_at(0, &mut bytes)?;
            Ok(bytes)
        }
        _ => {
            let expected = bytes_max;
            let what = DamageKind::WrongLength { expected, found };
            Err(SnapshotError::damaged(path, bytes_max, what))
        }
    }
}

pub(super) fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZSTD_MAGIC)
}

/// What a zstd file holds, if that is at most `bytes_max`.
pub(super) fn decompress(
    bytes: &[u8],
    bytes_max: u64,
    path: &Path,
) -> Result<Vec<u8>, SnapshotError> {
    let damaged = |what| SnapshotError::damaged(path, 0, DamageKind::Invalid(what));
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
    let decoder = decoder.map_err(|_| damaged("the zstd decoder cannot start"))?;
    let mut out = Vec::new();
    let read = decoder.take(bytes_max + 1).read_to_end(&mut out);
    match read {
        Ok(len) if len as u64 <= bytes_max => Ok(out),
        Ok(_) => Err(damaged("more is compressed here than there can be")),
        Err(_) => Err(damaged("not a whole zstd file")),
    }
}

fn path_of(objects: &Path, hash: ObjectHash) -> PathBuf {
    let hex = hash.to_string();
    let (folder, file) = hex.split_at(2);
    objects.join(folder).join(file)
}

pub(super) fn read_blob(
    storage: &dyn Storage,
    objects: &Path,
    hash: ObjectHash,
) -> Result<Vec<u8>, SnapshotError> {
    let path = path_of(objects, hash);
    let bytes = read_file(storage, &path, u64::from(OBJECT_BYTES_MAX))?;
    if ObjectHash::of(&bytes) == hash {
        return Ok(bytes);
    }
    if is_compressed(&bytes) {
        let plain = decompress(&bytes, u64::from(OBJECT_BYTES_MAX), &path)?;
        if ObjectHash::of(&plain) == hash {
            return Ok(plain);
        }
    }
    let expected = hash;
    Err(SnapshotError::damaged(
        &path,
        0,
        DamageKind::WrongContent { expected },
    ))
}

/// The bytes of a page's file, decompressed if need be. They are not checked yet.
pub(super) fn read_page(
    storage: &dyn Storage,
    objects: &Path,
    hash: ObjectHash,
) -> Result<(PathBuf, Vec<u8>), SnapshotError> {
    let path = path_of(objects, hash);
    let bytes = read_file(storage, &path, PAGE_FILE_BYTES_MAX)?;
    // A plain page cannot begin with the magic: its second number is a multiple of the row size,
    // which is even, and the magic's is odd.
    let bytes = match is_compressed(&bytes) {
        true => decompress(&bytes, PAGE_FILE_BYTES_MAX, &path)?,
        false => bytes,
    };
    Ok((path, bytes))
}

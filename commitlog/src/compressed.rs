//! Reading a compressed segment as if it were not: zstd frames with a table of where they are.
//!
//! A sealed segment can be replaced by a file in the zstd "seekable format" under the same name:
//! frames that each hold a piece of the segment, then the [seek table](seek_table). Any byte is
//! reached by decompressing one frame. If the table is damaged and the frames are not, they are
//! found one after another.
//!
//! Invariants
//!   * The file is only believed where it is consistent: the frames fill it exactly, and each
//!     yields exactly as many bytes as the table says. Anything else is damage.
//!   * Memory is bounded by the file's length and by [`seek_table::FRAME_BYTES_MAX`], whatever
//!     the file says.
//!   * What the bytes mean is checked where it always is: by the checksums of the commits.
//!
//! Not here: making such files (see `compress`).

mod rebuild;
pub mod seek_table;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::Decompressor;

use self::seek_table::{FRAME_LEN_MAX, Frame, SeekTable};
use crate::storage::{StorageError, StorageFile};

/// Why a compressed segment cannot be read. Restore the file from a backup or a replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressedDamage {
    #[error("the compressed segment's seek table is damaged: {what}")]
    SeekTable { what: &'static str },
    #[error("the frame at byte {at} of the compressed segment cannot be decompressed: {why}")]
    Frame { at: u64, why: String },
}

impl CompressedDamage {
    pub(crate) fn at(&self, path: &Path) -> StorageError {
        let source = io::Error::new(io::ErrorKind::InvalidData, self.clone());
        StorageError::new("decompress", path, source)
    }

    /// The damage that a storage error stands for, if it stands for one.
    pub(crate) fn of(error: &StorageError) -> Option<&CompressedDamage> {
        error.source.get_ref()?.downcast_ref()
    }
}

/// The content of a compressed segment.
pub(crate) struct CompressedFile {
    file: Box<dyn StorageFile>,
    table: SeekTable,
    table_damage: Option<CompressedDamage>,
    cache: Mutex<Cache>,
}

struct Cache {
    decompressor: Decompressor<'static>,
    compressed: Vec<u8>,
    /// The frame that `bytes` is the content of.
    frame: Option<Frame>,
    bytes: Vec<u8>,
}

impl CompressedFile {
    /// Reads the seek table at the end of `file`, or finds the frames without it.
    pub(crate) fn open(file: Box<dyn StorageFile>) -> Result<Self, StorageError> {
        let (table, table_damage) = match SeekTable::read(&*file) {
            Ok(table) => (table, None),
            Err(error) => {
                let Some(damage) = CompressedDamage::of(&error).cloned() else {
                    return Err(error);
                };
                (rebuild::rebuild(&*file)?.ok_or(error)?, Some(damage))
            }
        };
        let decompressor =
            Decompressor::new().map_err(|e| StorageError::new("decompress", file.path(), e))?;
        Ok(CompressedFile {
            file,
            table,
            table_damage,
            cache: Mutex::new(Cache {
                decompressor,
                compressed: Vec::new(),
                frame: None,
                bytes: Vec::new(),
            }),
        })
    }

    /// Why the seek table at the end of the file was not used, if it was not.
    pub(crate) fn table_damage(&self) -> Option<&CompressedDamage> {
        self.table_damage.as_ref()
    }

    /// Fills `out`, which is as long as the frame's content.
    fn decompress(
        &self,
        decompressor: &mut Decompressor<'static>,
        compressed: &mut Vec<u8>,
        frame: Frame,
        out: &mut [u8],
    ) -> Result<(), StorageError> {
        assert!(frame.compressed_len <= FRAME_LEN_MAX, "checked when read");
        let len = usize::try_from(frame.compressed_len).expect("checked when read");
        compressed.resize(len, 0);
        self.file.read_exact_at(frame.compressed_at, compressed)?;
        let damage = |why: String| {
            let at = frame.compressed_at;
            CompressedDamage::Frame { at, why }.at(self.file.path())
        };
        let made = decompressor.decompress_to_buffer(compressed, out);
        match made {
            Ok(made) if made == out.len() => Ok(()),
            Ok(made) => Err(damage(format!(
                "it holds {made} bytes, not {} as the seek table says",
                out.len()
            ))),
            Err(error) => Err(damage(error.to_string())),
        }
    }
}

impl fmt::Debug for CompressedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressedFile")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl StorageFile for CompressedFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, mut buf: &mut [u8]) -> Result<usize, StorageError> {
        // A reader that panicked leaves a cache that says which frame it holds, or none.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = &mut *cache;
        let mut at = offset;
        while !buf.is_empty()
            && let Some(frame) = self.table.frame_at(at)
        {
            let frame_len = usize::try_from(frame.len).expect("checked when read");
            let skipped = usize::try_from(at - frame.at).expect("within the frame");
            let taken = buf.len().min(frame_len - skipped);
            let (piece, rest) = buf.split_at_mut(taken);
            if taken == frame_len {
                let (decompressor, compressed) = (&mut cache.decompressor, &mut cache.compressed);
                self.decompress(decompressor, compressed, frame, piece)?;
            } else {
                if cache.frame != Some(frame) {
                    cache.frame = None;
                    let mut bytes = std::mem::take(&mut cache.bytes);
                    bytes.resize(frame_len, 0);
                    let (decompressor, compressed) =
                        (&mut cache.decompressor, &mut cache.compressed);
                    self.decompress(decompressor, compressed, frame, &mut bytes)?;
                    cache.bytes = bytes;
                    cache.frame = Some(frame);
                }
                piece.copy_from_slice(&cache.bytes[skipped..skipped + taken]);
            }
            at += taken as u64;
            buf = rest;
        }
        Ok(usize::try_from(at - offset).expect("no more than the buffer's length"))
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<usize, StorageError> {
        Err(self.immutable("write"))
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        Ok(self.table.content_len())
    }

    fn set_len(&self, _: u64) -> Result<(), StorageError> {
        Err(self.immutable("resize"))
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.file.sync_data()
    }
}

impl CompressedFile {
    fn immutable(&self, operation: &'static str) -> StorageError {
        StorageError::new(
            operation,
            self.path(),
            io::ErrorKind::ReadOnlyFilesystem.into(),
        )
    }
}

#[cfg(test)]
mod tests;

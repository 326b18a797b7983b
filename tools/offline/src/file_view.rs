//! A moving window over a file that may hold anything.
//!
//! Invariants
//!   * Memory is bounded by the window, except for what the caller asks for in one piece, and
//!     callers ask for large pieces only after their checksum was found good.
//!   * The length of the file is that at the time of opening.
//!   * What cannot be read counts as zeros, so that everything else can be. Callers ask for the
//!     errors afterwards ([`FileView::take_error`]) and must tell them.

use spacetime_commitlog::storage::{StorageError, StorageFile};

const READ_BYTES: u64 = 1 << 20;
/// How much is given up around a byte that cannot be read.
const UNREADABLE_BYTES: usize = 4096;

/// A file, read in large pieces.
#[derive(Debug)]
pub(crate) struct FileView {
    file: Box<dyn StorageFile>,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
    /// The first place that could not be read since it was asked for.
    error: Option<(u64, StorageError)>,
}

impl FileView {
    pub(crate) fn new(file: Box<dyn StorageFile>) -> Result<Self, StorageError> {
        let len = file.byte_len()?;
        Ok(FileView {
            file,
            len,
            start: 0,
            bytes: Vec::new(),
            error: None,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes `at .. at + len`, which must be within the file.
    pub(crate) fn get(&mut self, at: u64, len: u64) -> Result<&[u8], StorageError> {
        assert!(at <= self.len, "a view ends with its file");
        assert!(len <= self.len - at, "a view ends with its file");
        let held_end = self.start + self.bytes.len() as u64;
        if at < self.start || at + len > held_end {
            let wanted = len.max(READ_BYTES).min(self.len - at);
            let wanted = usize::try_from(wanted).map_err(|_| self.too_large())?;
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            bytes.shrink_to(wanted.max(1 << 23));
            bytes.resize(wanted, 0);
            self.read(at, &mut bytes);
            self.start = at;
            self.bytes = bytes;
        }
        let begin = usize::try_from(at - self.start).map_err(|_| self.too_large())?;
        let len = usize::try_from(len).map_err(|_| self.too_large())?;
        Ok(&self.bytes[begin..begin + len])
    }

    /// Where and why something could not be read.
    pub(crate) fn take_error(&mut self) -> Option<(u64, StorageError)> {
        self.error.take()
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) {
        if self.file.read_exact_at(at, bytes).is_ok() {
            return;
        }
        let mut piece_at = at;
        for piece in bytes.chunks_mut(UNREADABLE_BYTES) {
            if let Err(error) = self.file.read_exact_at(piece_at, piece) {
                piece.fill(0);
                self.error.get_or_insert((piece_at, error));
            }
            piece_at += piece.len() as u64;
        }
    }

    /// CRC-32C of a range, without holding it as a whole.
    pub(crate) fn checksum(&mut self, mut at: u64, len: u64) -> Result<u32, StorageError> {
        let end = at + len;
        let mut checksum = 0;
        while at < end {
            let piece = (end - at).min(READ_BYTES);
            checksum = crc32c::crc32c_append(checksum, self.get(at, piece)?);
            at += piece;
        }
        Ok(checksum)
    }

    /// Whether there are only zeros from `at` to the end.
    pub(crate) fn is_zero_from(&mut self, mut at: u64) -> Result<bool, StorageError> {
        while at < self.len {
            let piece = (self.len - at).min(1 << 16);
            if self.get(at, piece)?.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += piece;
        }
        Ok(true)
    }

    fn too_large(&self) -> StorageError {
        let source = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
        StorageError::new("read", self.file.path(), source)
    }
}

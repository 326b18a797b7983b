//! The storage seam: every byte that the log reads or writes goes through these traits.
//!
//! The real implementations and the simulated disk are in `spacetime-durability`; this crate
//! only says what it needs from a disk.
//!
//! What an implementation promises
//!   * After `sync_data` returned `Ok`, the file's content and length survive a power loss.
//!     The *name* of the file survives only after `sync_dir` of its directory.
//!   * `rename` replaces the target atomically, in the live view and after a crash.
//!   * Nothing else is promised: unsynced writes, lengths and names may survive in any
//!     combination.
//!
//! Not here: retries. A failed sync is final, and only the caller knows that.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A storage call that failed: what was tried, on which file, and what the disk said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct StorageError {
    pub operation: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl StorageError {
    /// Attaches the operation and the path to an I/O error.
    #[must_use]
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        StorageError {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// True if the file or directory does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// How [`Storage::open`] treats an existing or missing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; it is not written to.
    Read,
    /// The file must exist; it is read and written.
    ReadWrite,
    /// The file is created, or emptied if it exists.
    CreateOrTruncate,
}

/// A tree of files.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError>;

    /// Names (not paths) of the entries of a directory, in any order.
    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError>;

    /// Creates a directory; an existing one is fine. The parent must exist.
    fn create_dir(&self, dir: &Path) -> Result<(), StorageError>;

    /// Replaces `to` by `from` within one directory.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<(), StorageError>;

    /// Makes the names in a directory survive a power loss.
    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError>;

    /// Takes an exclusive lock that ends with the returned guard or with the process, whichever
    /// comes first. The file is created if missing and then holds `content`, which is only
    /// information for people. Fails with [`io::ErrorKind::WouldBlock`] if somebody holds it.
    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError>;
}

/// An open file. Positions are explicit; there is no cursor.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Where the file is, for messages.
    fn path(&self) -> &Path;

    /// Reads up to `buf.len()` bytes; 0 means end of file.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError>;

    /// Writes up to `bytes.len()` bytes and returns how many.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError>;

    /// Length in bytes.
    fn byte_len(&self) -> Result<u64, StorageError>;

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> Result<(), StorageError>;

    /// Makes content and length survive a power loss.
    fn sync_data(&self) -> Result<(), StorageError>;

    /// Sets room aside for the first `len` bytes, so that writing them cannot fail for lack of
    /// room. The file's length stays as it is. Where the disk cannot do that, nothing happens.
    fn allocate(&self, len: u64) -> Result<(), StorageError> {
        let _ = len;
        Ok(())
    }

    /// Writes all of `bytes` and makes the file durable, in one go where the disk can.
    fn write_all_and_sync(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_all_at(offset, bytes)?;
        self.sync_data()
    }

    /// Fills `buf` completely.
    fn read_exact_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), StorageError> {
        while !buf.is_empty() {
            let read = match self.read_at(offset, buf) {
                Err(e) if e.source.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if read == 0 {
                let end = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(StorageError::new("read", self.path(), end));
            }
            assert!(read <= buf.len(), "a read returned more than was asked for");
            offset += read as u64;
            buf = &mut buf[read..];
        }
        Ok(())
    }

    /// Writes all of `bytes`.
    fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let written = match self.write_at(offset, bytes) {
                Err(e) if e.source.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if written == 0 {
                let zero = io::Error::from(io::ErrorKind::WriteZero);
                return Err(StorageError::new("write", self.path(), zero));
            }
            assert!(
                written <= bytes.len(),
                "a write took more than it was given"
            );
            offset += written as u64;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// An exclusive lock, released when dropped.
pub trait StorageLock: Send + Sync + fmt::Debug {}

//! The operating system's files, through the standard library.
//!
//! Invariants
//!   * `sync_data` is fdatasync, `sync_dir` is an fsync of the directory.
//!   * Locks are advisory locks of the operating system: they end with the process however it
//!     dies, and a leftover lock file is harmless.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{OpenMode, Storage, StorageError, StorageFile, StorageLock};

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsStorage;

/// A file of the operating system.
#[derive(Debug)]
pub(super) struct OsFile {
    path: PathBuf,
    file: File,
}

#[derive(Debug)]
struct OsLock {
    // Closing the file releases the lock.
    _file: File,
}

impl StorageLock for OsLock {}

impl OsStorage {
    pub(super) fn open_file(path: &Path, mode: OpenMode) -> Result<OsFile, StorageError> {
        let mut options = OpenOptions::new();
        match mode {
            OpenMode::Read => options.read(true),
            OpenMode::ReadWrite => options.read(true).write(true),
            OpenMode::CreateOrTruncate => {
                options.read(true).write(true).create(true).truncate(true)
            }
        };
        let file = options
            .open(path)
            .map_err(|e| StorageError::new("open", path, e))?;
        Ok(OsFile {
            path: path.to_owned(),
            file,
        })
    }
}

impl Storage for OsStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        Ok(Box::new(OsStorage::open_file(path, mode)?))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        let failed = |e| StorageError::new("list", dir, e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            // Names that are not UTF-8 are nobody's that could ask for them.
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        match std::fs::create_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            other => other.map_err(|e| StorageError::new("create directory", dir, e)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        std::fs::rename(from, to).map_err(|e| StorageError::new("rename to", to, e))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        std::fs::remove_file(path).map_err(|e| StorageError::new("remove", path, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        // Windows cannot open directories as files, and journals renames itself.
        if cfg!(windows) {
            return Ok(());
        }
        // The parent of a relative path of one component.
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|e| StorageError::new("sync directory", dir, e))
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        let failed = |e| StorageError::new("lock", path, e);
        let mut options = OpenOptions::new();
        // Not truncated yet: the content names the holder if there is one.
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => failed(io::ErrorKind::WouldBlock.into()),
            TryLockError::Error(e) => failed(e),
        })?;
        file.set_len(0).map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
        Ok(Box::new(OsLock { _file: file }))
    }
}

impl OsFile {
    #[cfg(target_os = "linux")]
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> StorageError {
        let path = self.path.clone();
        move |source| StorageError {
            operation,
            path,
            source,
        }
    }
}

impl StorageFile for OsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        read_at(&self.file, offset, buf).map_err(self.failed("read"))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        write_at(&self.file, offset, bytes).map_err(self.failed("write"))
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        let metadata = self.file.metadata().map_err(self.failed("examine"))?;
        Ok(metadata.len())
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len).map_err(self.failed("resize"))
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.file.sync_data().map_err(self.failed("sync"))
    }

    fn allocate(&self, len: u64) -> Result<(), StorageError> {
        allocate(&self.file, len).map_err(self.failed("set room aside for"))
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
            Err(Errno::INTR) => {}
            // Not on this file system: then the room is not set aside.
            Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(()),
            other => return Ok(other?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(windows)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

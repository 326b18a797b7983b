//! The operating system's files, where a commit is written and synced in one submission to
//! io_uring.
//!
//! Everything else goes the way of [`OsStorage`]: opening, reading, renaming and so on happen too
//! rarely for it to matter.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use spacetime_uring::{Done, Failed, Ring};

use super::os::OsFile;
use super::{OpenMode, OsStorage, Storage, StorageError, StorageFile, StorageLock};

/// The operating system's file system, with io_uring for what has to be durable.
#[derive(Clone, Debug)]
pub struct UringStorage {
    /// Rings that nobody uses at the moment: as many as there were commits at a time.
    rings: Arc<Mutex<Vec<Ring>>>,
}

#[derive(Debug)]
struct UringFile {
    file: OsFile,
    rings: Arc<Mutex<Vec<Ring>>>,
}

impl UringStorage {
    /// Fails where the kernel has no io_uring, or forbids it.
    pub fn new() -> io::Result<Self> {
        let ring = Ring::new()?;
        Ok(UringStorage {
            rings: Arc::new(Mutex::new(vec![ring])),
        })
    }
}

impl Storage for UringStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        let file = OsStorage::open_file(path, mode)?;
        Ok(match mode {
            OpenMode::Read => Box::new(file),
            OpenMode::ReadWrite | OpenMode::CreateOrTruncate => Box::new(UringFile {
                file,
                rings: Arc::clone(&self.rings),
            }),
        })
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        OsStorage.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        OsStorage.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        OsStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        OsStorage.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        OsStorage.sync_dir(dir)
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        OsStorage.lock(path, content)
    }
}

impl StorageFile for UringFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.file.write_at(offset, bytes)
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.file.sync_data()
    }

    fn allocate(&self, len: u64) -> Result<(), StorageError> {
        self.file.allocate(len)
    }

    fn write_all_and_sync(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let idle = self.rings.lock().pop();
        let failed = |operation, error| StorageError::new(operation, self.path(), error);
        let mut ring = match idle {
            Some(ring) => ring,
            None => Ring::new().map_err(|error| failed("open io_uring for", error))?,
        };
        let done = ring.write_and_sync(self.file.file(), offset, bytes);
        self.rings.lock().push(ring);
        match done {
            Ok(Done::Synced) => Ok(()),
            Ok(Done::Written(written)) => {
                self.write_all_at(offset + written as u64, &bytes[written..])?;
                self.sync_data()
            }
            Err(Failed::Write(error)) => Err(failed("write", error)),
            Err(Failed::Sync(error)) => Err(failed("sync", error)),
        }
    }
}

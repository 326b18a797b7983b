//! The simulated disk with a trace: what changed, in which order, and what failed.
//!
//! Reads leave no line unless they fail; there are too many, and they change nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_durability::storage::{
    OpenMode, SimStorage, Storage, StorageError, StorageFile, StorageLock,
};

use crate::trace::Trace;

/// A disk that writes down what is done to it.
#[derive(Debug)]
pub struct TracedDisk {
    disk: SimStorage,
    trace: Trace,
}

impl TracedDisk {
    #[must_use]
    pub fn shared(disk: &SimStorage, trace: &Trace) -> Arc<dyn Storage> {
        Arc::new(TracedDisk {
            disk: disk.clone(),
            trace: trace.clone(),
        })
    }
}

/// Writes the outcome of an operation down.
fn note<T>(
    trace: &Trace,
    operation: std::fmt::Arguments<'_>,
    path: &Path,
    result: Result<T, StorageError>,
) -> Result<T, StorageError> {
    let path = path.display();
    match &result {
        Ok(_) => trace.line(format_args!("  {operation} {path}")),
        Err(error) => trace.line(format_args!("  {operation} {path}: {}", error.source)),
    }
    result
}

/// The same for an operation that changes nothing.
fn note_failure<T>(
    trace: &Trace,
    operation: &str,
    path: &Path,
    result: Result<T, StorageError>,
) -> Result<T, StorageError> {
    if let Err(error) = &result
        && !error.is_not_found()
    {
        let path = path.display();
        trace.line(format_args!("  {operation} {path}: {}", error.source));
    }
    result
}

impl Storage for TracedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        let opened = self.disk.open(path, mode);
        let file = match mode {
            OpenMode::Read | OpenMode::ReadWrite => {
                note_failure(&self.trace, "open", path, opened)?
            }
            OpenMode::CreateOrTruncate => note(&self.trace, format_args!("create"), path, opened)?,
        };
        Ok(Box::new(TracedFile {
            file,
            trace: self.trace.clone(),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        note_failure(&self.trace, "list", dir, self.disk.list(dir))
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let created = self.disk.create_dir(dir);
        note(&self.trace, format_args!("create directory"), dir, created)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let renamed = self.disk.rename(from, to);
        note(&self.trace, format_args!("rename to"), to, renamed)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let removed = self.disk.remove(path);
        note(&self.trace, format_args!("remove"), path, removed)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        let synced = self.disk.sync_dir(dir);
        note(&self.trace, format_args!("sync directory"), dir, synced)
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        let locked = self.disk.lock(path, content);
        note_failure(&self.trace, "lock", path, locked)
    }
}

#[derive(Debug)]
struct TracedFile {
    file: Box<dyn StorageFile>,
    trace: Trace,
}

impl StorageFile for TracedFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let read = self.file.read_at(offset, buf);
        note_failure(&self.trace, "read", self.path(), read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        let written = self.file.write_at(offset, bytes);
        let done = written.as_ref().map_or(0, |done| *done);
        let len = bytes.len();
        let operation = format_args!("write {done} of {len} bytes at {offset} of");
        note(&self.trace, operation, self.path(), written)
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        note_failure(&self.trace, "examine", self.path(), self.file.byte_len())
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        let resized = self.file.set_len(len);
        let operation = format_args!("resize to {len} bytes");
        note(&self.trace, operation, self.path(), resized)
    }

    fn allocate(&self, len: u64) -> Result<(), StorageError> {
        let allocated = self.file.allocate(len);
        let operation = format_args!("set {len} bytes aside for");
        note(&self.trace, operation, self.path(), allocated)
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        let synced = self.file.sync_data();
        note(&self.trace, format_args!("sync"), self.path(), synced)
    }
}

/// Paths of files that hold data, sorted.
#[must_use]
pub fn data_files(disk: &SimStorage) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| {
        disk.content(file)
            .is_some_and(|content| !content.is_empty())
    });
    files
}

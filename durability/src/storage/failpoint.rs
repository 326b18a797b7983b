//! Death at a chosen operation of the disk, for tests that kill a real server.
//!
//! [`FAILPOINT_VARIABLE`] says where: `OPERATION:SUFFIX:NTH`, and `:after` to die when it is done
//! rather than before. The operation is `create`, `write`, `sync`, `resize`, `rename`, `remove` or
//! `sync-dir`; the suffix is the end of the file's name (of the target, for a rename; of the
//! directory, for `sync-dir`); the first one is 1. `rename:.manifest:2` dies right before the
//! second snapshot's manifest gets its name.
//!
//! Without the variable there is nothing: [`with_failpoint`] gives back what it was given.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{OpenMode, Storage, StorageError, StorageFile, StorageLock};

/// Environment variable that names an operation to die at.
pub const FAILPOINT_VARIABLE: &str = "SPACETIME_FAILPOINT";

/// The variable is set to something that names no operation. Unset it, or write it as
/// `OPERATION:SUFFIX:NTH` or `OPERATION:SUFFIX:NTH:after`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{FAILPOINT_VARIABLE}={text:?} names no operation of the disk: it is \
     OPERATION:SUFFIX:NTH, with `:after` or without"
)]
pub struct BadFailpoint {
    text: String,
}

/// A disk that aborts the process where the environment says so.
pub fn with_failpoint(storage: Arc<dyn Storage>) -> Result<Arc<dyn Storage>, BadFailpoint> {
    match std::env::var_os(FAILPOINT_VARIABLE) {
        None => Ok(storage),
        Some(text) => dying_at(storage, &text.to_string_lossy()),
    }
}

fn dying_at(storage: Arc<dyn Storage>, text: &str) -> Result<Arc<dyn Storage>, BadFailpoint> {
    let point = Point::parse(text).ok_or_else(|| BadFailpoint {
        text: text.to_owned(),
    })?;
    let die: Arc<dyn Fn() + Send + Sync> = Arc::new(|| std::process::abort());
    Ok(Arc::new(FailpointStorage {
        storage,
        point: Arc::new(Armed::new(point, die)),
    }))
}

/// Where to die.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Point {
    operation: String,
    suffix: String,
    nth: u64,
    after: bool,
}

impl Point {
    fn parse(text: &str) -> Option<Point> {
        const OPERATIONS: [&str; 7] = [
            "create", "write", "sync", "resize", "rename", "remove", "sync-dir",
        ];
        let mut parts = text.split(':');
        let operation = parts.next()?.to_owned();
        let suffix = parts.next()?.to_owned();
        let nth = parts.next()?.parse().ok()?;
        let after = match parts.next() {
            None => false,
            Some("after") => true,
            Some(_) => return None,
        };
        let is_known = OPERATIONS.contains(&&*operation) && nth > 0 && parts.next().is_none();
        is_known.then_some(Point {
            operation,
            suffix,
            nth,
            after,
        })
    }
}

struct Armed {
    point: Point,
    hits: AtomicU64,
    die: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.point.fmt(f)
    }
}

impl Armed {
    fn new(point: Point, die: Arc<dyn Fn() + Send + Sync>) -> Self {
        Armed {
            point,
            hits: AtomicU64::new(0),
            die,
        }
    }

    fn run<T>(&self, operation: &str, path: &Path, action: impl FnOnce() -> T) -> T {
        let is_here = self.point.operation == operation
            && path.to_string_lossy().ends_with(&*self.point.suffix)
            && self.hits.fetch_add(1, Ordering::SeqCst) + 1 == self.point.nth;
        if is_here && !self.point.after {
            (self.die)();
        }
        let result = action();
        if is_here && self.point.after {
            (self.die)();
        }
        result
    }
}

#[derive(Debug)]
struct FailpointStorage {
    storage: Arc<dyn Storage>,
    point: Arc<Armed>,
}

impl Storage for FailpointStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        let open = || self.storage.open(path, mode);
        let file = match mode {
            OpenMode::CreateOrTruncate => self.point.run("create", path, open)?,
            OpenMode::Read | OpenMode::ReadWrite => open()?,
        };
        Ok(Box::new(FailpointFile {
            file,
            point: Arc::clone(&self.point),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        self.storage.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.storage.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.point
            .run("rename", to, || self.storage.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.point.run("remove", path, || self.storage.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.point
            .run("sync-dir", dir, || self.storage.sync_dir(dir))
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        self.storage.lock(path, content)
    }
}

#[derive(Debug)]
struct FailpointFile {
    file: Box<dyn StorageFile>,
    point: Arc<Armed>,
}

impl FailpointFile {
    fn run<T>(&self, operation: &str, action: impl FnOnce() -> T) -> T {
        self.point.run(operation, self.file.path(), action)
    }
}

impl StorageFile for FailpointFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.run("write", || self.file.write_at(offset, bytes))
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.run("resize", || self.file.set_len(len))
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.run("sync", || self.file.sync_data())
    }

    fn allocate(&self, len: u64) -> Result<(), StorageError> {
        self.file.allocate(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SimStorage;

    #[test]
    fn a_place_is_parsed_or_refused() {
        let point = Point {
            operation: "rename".to_owned(),
            suffix: ".manifest".to_owned(),
            nth: 2,
            after: true,
        };
        assert_eq!(Point::parse("rename:.manifest:2:after"), Some(point));
        for wrong in [
            "",
            "rename:.manifest",
            "open:.x:1",
            "rename:.x:0",
            "sync:.x:1:before",
        ] {
            assert_eq!(Point::parse(wrong), None, "{wrong}");
            let refused = dying_at(Arc::new(SimStorage::new(0)), wrong);
            let error = refused.expect_err("no such place").to_string();
            assert!(error.contains(FAILPOINT_VARIABLE), "{error}");
        }
    }

    /// Renames `names` to `.log` files; returns how many were done when death came.
    fn renamed_at_death(place: &str) -> Option<usize> {
        let disk = SimStorage::new(0);
        let death: Arc<parking_lot::Mutex<Option<usize>>> = Arc::default();
        let die = {
            let (disk, death) = (disk.clone(), Arc::clone(&death));
            Arc::new(move || {
                let mut files = disk.files();
                files.retain(|file| file.to_string_lossy().ends_with(".log"));
                *death.lock() = Some(files.len());
            })
        };
        let storage = FailpointStorage {
            storage: Arc::new(disk),
            point: Arc::new(Armed::new(Point::parse(place).expect("a place"), die)),
        };
        for name in ["/a", "/b", "/c"] {
            let new = format!("{name}.new");
            let file = storage.open(new.as_ref(), OpenMode::CreateOrTruncate);
            file.and_then(|file| file.write_all_and_sync(0, b"x"))
                .expect("no fault");
            let log = format!("{name}.log");
            storage
                .rename(new.as_ref(), log.as_ref())
                .expect("no fault");
        }
        let found = death.lock();
        *found
    }

    #[test]
    fn death_comes_at_the_nth_operation_before_or_after_it() {
        assert_eq!(renamed_at_death("rename:.log:2"), Some(1));
        assert_eq!(renamed_at_death("rename:.log:2:after"), Some(2));
        assert_eq!(renamed_at_death("sync:.new:3"), Some(2));
        assert_eq!(renamed_at_death("write:.new:1"), Some(0));
        assert_eq!(renamed_at_death("rename:.log:4"), None);
        assert_eq!(renamed_at_death("rename:.new:1"), None);
    }
}

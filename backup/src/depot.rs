//! Where backups are kept: a folder, or a store that speaks the S3 protocol.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a depot did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    #[error("cannot {operation} {place}: {source}")]
    Io {
        operation: &'static str,
        place: String,
        source: io::Error,
    },
    #[error("cannot {operation} {place}: {reason}")]
    Store {
        operation: &'static str,
        place: String,
        reason: String,
    },
    #[error("{place} has more than {max} bytes: it is not what it should be")]
    TooLarge { place: String, max: usize },
    #[error("{0} is not a place for backups: name a folder, or s3://BUCKET/PREFIX")]
    BadPlace(String),
    #[error("this program was built without the feature `s3`; it keeps backups in folders only")]
    NoS3,
}

/// Named byte strings that are written once. Keys are paths of plain ASCII, with `/` between parts.
pub trait Depot: fmt::Debug + Send {
    /// Stores under a key, durably, all or nothing.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), DepotError>;
    /// `None` if there is nothing under the key. More than `bytes_max` bytes are an error.
    fn get(&self, key: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, DepotError>;
    fn exists(&self, key: &str) -> Result<bool, DepotError>;
    /// Keys that begin with a prefix of whole parts, sorted.
    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError>;
    /// Where a key is, for people.
    fn place(&self, key: &str) -> String;
}

/// The depot that a text names. A folder is made when something is put into it.
pub fn open_depot(place: &str) -> Result<Box<dyn Depot>, DepotError> {
    match place.split_once("://") {
        None => Ok(Box::new(Folder::new(place.into()))),
        Some(("file", path)) => Ok(Box::new(Folder::new(path.into()))),
        #[cfg(feature = "s3")]
        Some(("s3", rest)) => Ok(Box::new(crate::s3::ObjectDepot::s3(rest)?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(DepotError::NoS3),
        Some(_) => Err(DepotError::BadPlace(place.to_owned())),
    }
}

/// A depot in a folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    written: AtomicU64,
}

/// What names of files that are being written end in.
const UNFINISHED: &str = ".unfinished";

impl Folder {
    #[must_use]
    pub fn new(root: PathBuf) -> Folder {
        Folder {
            root,
            written: AtomicU64::new(0),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DepotError {
    let place = path.display().to_string();
    move |source| DepotError::Io {
        operation,
        place,
        source,
    }
}

/// Makes a directory and its parents, durably.
fn create_dir(path: &Path) -> Result<(), DepotError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_dir(parent)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error("create", path)(error));
        }
        _ => {}
    }
    sync_dir(parent.unwrap_or(Path::new(".")))
}

fn sync_dir(path: &Path) -> Result<(), DepotError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(io_error("sync", path))
}

impl Depot for Folder {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), DepotError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        create_dir(folder)?;
        // A name of its own: two programs may put the same object at once.
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}{UNFINISHED}", std::process::id());
        let unfinished = folder.join(name);
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| {
            // What is left of it is only a waste of space.
            let _ = std::fs::remove_file(&unfinished);
            io_error("write", &path)(error)
        })?;
        sync_dir(folder)
    }

    fn get(&self, key: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, DepotError> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(io_error("read", &path))?;
        if bytes.len() > bytes_max {
            return Err(DepotError::TooLarge {
                place: self.place(key),
                max: bytes_max,
            });
        }
        Ok(Some(bytes))
    }

    fn exists(&self, key: &str) -> Result<bool, DepotError> {
        let path = self.path(key);
        path.try_exists().map_err(io_error("look for", &path))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        let mut keys = Vec::new();
        let mut pending = vec![prefix.trim_end_matches('/').to_owned()];
        while let Some(folder) = pending.pop() {
            let path = self.path(&folder);
            let entries = match std::fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("list", &path)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(io_error("list", &path))?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let kind = entry.file_type().map_err(io_error("list", &path))?;
                let key = format!("{folder}/{name}");
                if kind.is_dir() {
                    pending.push(key);
                } else if !name.ends_with(UNFINISHED) {
                    keys.push(key);
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }
}

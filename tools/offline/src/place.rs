//! Where the files of a database are: a replica's directory, or the directory of a log alone.
//!
//! Not here: locks. Reading needs none; only `repair` takes one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_commitlog::segment;
use spacetime_commitlog::storage::{Storage, StorageError};
use spacetime_durability::CLOG_DIR;
use spacetime_durability::storage::OsStorage;
use spacetime_types::TxOffset;

use crate::snapshots::SNAPSHOTS_DIR;

/// Why there is nothing to read at a path.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Name an existing directory.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Name one of the replicas.
    #[error(
        "{} is a server's data directory; name the directory of one database: {}",
        dir.display(), choices.join(", ")
    )]
    DataDirectory { dir: PathBuf, choices: Vec<String> },
    /// Name a directory that holds segments, or a replica.
    #[error(
        "{} is neither a database's directory (with `{CLOG_DIR}` in it) nor a log \
         (with files like 00000000000000000000.stdb.log)",
        dir.display()
    )]
    NoLog { dir: PathBuf },
}

/// The files of one database.
#[derive(Clone, Debug)]
pub struct Place {
    pub(crate) storage: Arc<dyn Storage>,
    /// `None` for a log that lies somewhere alone.
    replica: Option<PathBuf>,
    log: PathBuf,
}

impl Place {
    /// Finds out what the directory `path` of the real disk is.
    pub fn open(path: &Path) -> Result<Place, PlaceError> {
        Place::open_on(Arc::new(OsStorage), path)
    }

    /// The same on any disk.
    pub fn open_on(storage: Arc<dyn Storage>, path: &Path) -> Result<Place, PlaceError> {
        let names = storage.list(path)?;
        let has = |name: &str| names.iter().any(|found| found == name);
        let is_log = names.iter().any(|name| name.ends_with(".stdb.log"));
        if has(CLOG_DIR) || has(SNAPSHOTS_DIR) {
            let log = path.join(CLOG_DIR);
            let replica = Some(path.to_owned());
            return Ok(Place {
                storage,
                replica,
                log,
            });
        }
        if is_log || path.file_name().is_some_and(|name| name == CLOG_DIR) {
            let parent = path.file_name().and_then(|_| path.parent());
            let in_replica = path.file_name().is_some_and(|name| name == CLOG_DIR);
            return Ok(Place {
                storage,
                replica: parent.filter(|_| in_replica).map(Path::to_owned),
                log: path.to_owned(),
            });
        }
        let dir = path.to_owned();
        if has("replicas") {
            let mut choices = storage.list(&path.join("replicas"))?;
            choices.sort_by_key(|name| (name.len(), name.clone()));
            for choice in &mut choices {
                *choice = path.join("replicas").join(&*choice).display().to_string();
            }
            return Err(PlaceError::DataDirectory { dir, choices });
        }
        Err(PlaceError::NoLog { dir })
    }

    /// The directory of the segments.
    #[must_use]
    pub fn log_dir(&self) -> &Path {
        &self.log
    }

    /// The directory of the database, if the log is part of one.
    #[must_use]
    pub fn replica_dir(&self) -> Option<&Path> {
        self.replica.as_deref()
    }

    /// First offsets of all segments, ascending.
    pub fn segments(&self) -> Result<Vec<TxOffset>, StorageError> {
        segment::list(&*self.storage, &self.log)
    }
}

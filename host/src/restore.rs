//! Putting a database that was brought back from a backup into a data directory, without a server.
//!
//! Invariants
//!   * Data that is there is not touched until the new files are complete, checked and registered;
//!     and then only if that was asked for.
//!   * No server runs on the directory meanwhile: its lock is held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{Files, OpenStoreError, Store};
use spacetime_types::{Hash, Identity, TxOffset};

use crate::control::{ControlDatabase, ControlError, DatabaseRecord, OpenControlError};
use crate::data_dir::{DataDir, DataDirError};
use crate::session_rows;

/// What is restored, and how.
#[derive(Clone, Debug)]
pub struct RestoreTarget {
    pub identity: Identity,
    pub owner: Identity,
    /// Names that the database gets, if they are free.
    pub names: Vec<String>,
    /// Let the data of a database with this identity go.
    pub replace: bool,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub directory: PathBuf,
    /// The last transaction.
    pub last: Option<TxOffset>,
    /// Rows of all tables, those of the system included.
    pub rows: u64,
    pub tables: u64,
}

/// Why nothing was restored. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    OpenControl(#[from] OpenControlError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "{} has the database {identity} already; say that it is to be replaced",
        data_dir.display()
    )]
    Exists {
        data_dir: PathBuf,
        identity: Identity,
    },
    #[error("the database {0} is locked; unlock it first")]
    Locked(Identity),
    #[error("the name `{0}` belongs to another database here")]
    NameInUse(String),
    /// The files could not be brought back.
    #[error("{0}")]
    Fill(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the restored files do not open: {0}")]
    Open(Box<OpenStoreError>),
    #[error("the restored files are not those of the database {expected}")]
    WrongDatabase { expected: Identity },
}

/// Restores into the data directory of a server that does not run. `fill` writes the files of the
/// database into the directory that it is given; they are then opened, which checks them all.
pub fn restore_into(
    data_dir: &Path,
    target: &RestoreTarget,
    fill: impl FnOnce(&Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Restored, RestoreError> {
    let held = DataDir::open(data_dir)?;
    let files = match held.has_replicas()? {
        true => Files::Known,
        false => Files::MayBeNew,
    };
    let control = ControlDatabase::open(&held.control(), files)?;
    let old = check_free(data_dir, &control, target)?;
    let mut replica = control.take_replica_number();
    while held.replica(replica).exists() {
        replica = control.take_replica_number();
    }
    let directory = held.replica(replica);
    let restored = create_dir(&directory)
        .and_then(|()| fill(&directory).map_err(RestoreError::Fill))
        .and_then(|()| check(&directory, target))
        .and_then(|(restored, program)| {
            register(&control, target, replica, program)?;
            Ok(restored)
        });
    if restored.is_err() {
        // Only this call's own files.
        let _ = std::fs::remove_dir_all(&directory);
    } else if let Some(old) = old {
        let _ = std::fs::remove_dir_all(held.replica(old.replica));
    }
    control.close();
    restored
}

fn create_dir(path: &Path) -> Result<(), RestoreError> {
    std::fs::create_dir(path).map_err(|cause| {
        RestoreError::DataDir(DataDirError::Io {
            action: "cannot create",
            path: path.to_owned(),
            cause,
        })
    })
}

/// Refuses to overwrite; gives the database that is to be replaced.
fn check_free(
    data_dir: &Path,
    control: &ControlDatabase,
    target: &RestoreTarget,
) -> Result<Option<DatabaseRecord>, RestoreError> {
    let identity = target.identity;
    for name in &target.names {
        if control.resolve(name).is_some_and(|other| other != identity) {
            return Err(RestoreError::NameInUse(name.clone()));
        }
    }
    match control.database(identity) {
        Some(_) if !target.replace => Err(RestoreError::Exists {
            data_dir: data_dir.to_owned(),
            identity,
        }),
        Some(old) if old.locked => Err(RestoreError::Locked(identity)),
        old => Ok(old),
    }
}

/// Opens the files as a server would.
fn check(directory: &Path, target: &RestoreTarget) -> Result<(Restored, Hash), RestoreError> {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let mut store = Store::open(&storage, directory, Files::Known, None)
        .map_err(|error| RestoreError::Open(Box::new(error)))?;
    let datastore = store.datastore();
    let module = session_rows::module(datastore);
    let tables: Vec<_> = datastore.tables().map(|schema| schema.id).collect();
    let rows = tables
        .iter()
        .filter_map(|id| datastore.row_count(*id))
        .sum();
    let restored = Restored {
        directory: directory.to_owned(),
        last: store.last_offset(),
        rows,
        tables: u64::try_from(tables.len()).unwrap_or(u64::MAX),
    };
    store.close();
    match module {
        Some(module) if module.database_identity == target.identity => {
            Ok((restored, module.program_hash))
        }
        _ => Err(RestoreError::WrongDatabase {
            expected: target.identity,
        }),
    }
}

fn register(
    control: &ControlDatabase,
    target: &RestoreTarget,
    replica: u64,
    program: Hash,
) -> Result<(), RestoreError> {
    if control.database(target.identity).is_some() {
        control.change(target.identity, |record| {
            record.replica = replica;
            record.owner = target.owner;
            record.initial_program = program;
        })?;
    } else {
        let record = DatabaseRecord {
            identity: target.identity,
            replica,
            owner: target.owner,
            initial_program: program,
            locked: false,
            deleted: false,
        };
        control.register(record, None)?;
    }
    if !target.names.is_empty() {
        control.set_names(target.identity, target.owner, &target.names)?;
    }
    Ok(())
}

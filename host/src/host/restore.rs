//! Bringing a backup back while the server runs: over a database that is there, or as a new one.
//!
//! Invariants
//!   * The files arrive in a directory that no record names. They are complete, cut, opened and
//!     given their identity before anything else changes; a failure leaves nothing behind.
//!   * The database that is replaced is served until the restored one runs and is registered, and
//!     its files go last.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_backup::cut::{CutError, cut_after};
use spacetime_backup::upload::{ReceiveError, receive};
use spacetime_durability::storage::{OsStorage, Storage};
use spacetime_store::{
    Files, OpenStoreError, PastError, SnapshotSettings, Store, StoreOptions, offset_at,
};
use spacetime_table::system::StModule;
use spacetime_types::{Hash, Identity, Timestamp, TxOffset};

use super::Host;
use crate::control::{ControlError, DatabaseRecord};
use crate::database::{DatabaseHandle, Start, StartError};
use crate::session_rows;

/// So many backups arrive at once; each takes disk and a thread.
pub(super) const RESTORES_MAX: usize = 2;

/// A backup to bring back.
#[derive(Clone, Debug)]
pub struct LiveRestore {
    pub place: RestorePlace,
    pub caller: Identity,
    pub moment: RestoreMoment,
    /// Most bytes of files.
    pub bytes_max: u64,
}

/// Where to.
#[derive(Clone, Debug)]
pub enum RestorePlace {
    /// In place of a database of the caller's.
    Over(Identity),
    /// As a database of the caller's that is not there yet.
    New {
        identity: Identity,
        name: Option<Box<str>>,
    },
}

/// Which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMoment {
    Latest,
    /// After this transaction.
    After(TxOffset),
    /// After the last transaction that was at that time or before.
    At(Timestamp),
}

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRestored {
    pub database: Identity,
    pub replaced: bool,
    /// The last transaction of the backup that is in it. One more follows if the database got
    /// another identity or owner.
    pub last: Option<TxOffset>,
    /// Rows of all tables, those of the system included.
    pub rows: u64,
    pub tables: u64,
}

/// Why nothing was restored. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LiveRestoreError {
    #[error("{RESTORES_MAX} backups are being restored already; try again later")]
    Busy,
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Cut(#[from] CutError),
    #[error(transparent)]
    Moment(Box<PastError>),
    #[error("the restored files do not open: {0}")]
    Open(Box<OpenStoreError>),
    #[error("the restored files are not those of a database with a module")]
    NoModule,
    #[error("the restored database cannot be given its identity: {0}")]
    Identity(Box<str>),
    #[error("the restored database does not start: {0}")]
    Start(#[from] StartError),
    #[error("cannot make {}: {source}", path.display())]
    Directory {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("restoring failed; see the server log")]
    Panicked,
}

/// Files that were brought back, and whose they are.
struct Settled {
    program: Hash,
    last: Option<TxOffset>,
    rows: u64,
    tables: u64,
}

impl Host {
    /// Reads a backup from `stream` and puts it where it belongs. To be run to its end: a caller
    /// that goes away ends the stream instead.
    pub async fn restore(
        &self,
        request: LiveRestore,
        stream: impl Read + Send + 'static,
    ) -> Result<LiveRestored, LiveRestoreError> {
        let turn = self.restoring.try_acquire();
        let _turn = turn.map_err(|_| LiveRestoreError::Busy)?;
        let identity = request.place.identity();
        // Before a byte is read.
        self.check_place(&request.place, request.caller)?;
        let replica = self.unused_replica();
        let settled = self.bring_files(replica, &request, stream).await;
        let placed = match settled {
            Ok(settled) => self.put_in_place(replica, &request, settled).await,
            Err(error) => Err(error),
        };
        match &placed {
            Ok(restored) => tracing::info!(
                database = %identity.to_hex(), rows = restored.rows, last = ?restored.last,
                replaced = restored.replaced, "restored from a backup"
            ),
            Err(error) => {
                tracing::warn!(database = %identity.to_hex(), %error, "nothing was restored");
                self.remove_files(replica);
            }
        }
        placed
    }

    /// The record of the database that is to be replaced, if there is to be one.
    fn check_place(
        &self,
        place: &RestorePlace,
        caller: Identity,
    ) -> Result<Option<DatabaseRecord>, ControlError> {
        let known = self.control.database(place.identity());
        match (place, known) {
            (RestorePlace::Over(_), None) => Err(ControlError::NoSuchDatabase),
            (RestorePlace::Over(_), Some(record)) => {
                self.check_owner(&record, caller)?;
                match record.locked {
                    true => Err(ControlError::Locked),
                    false => Ok(Some(record)),
                }
            }
            (RestorePlace::New { identity, .. }, Some(_)) => {
                Err(ControlError::IdentityInUse(*identity))
            }
            (RestorePlace::New { identity, name }, None) => {
                let Some(name) = name else { return Ok(None) };
                let is_free = match self.control.name_owner(name) {
                    Some(owner) if owner != caller => false,
                    Some(_) => self.control.resolve(name) == Some(*identity),
                    None => true,
                };
                match is_free {
                    true => Ok(None),
                    false => Err(ControlError::NameTaken(name.clone())),
                }
            }
        }
    }

    async fn bring_files(
        &self,
        replica: u64,
        request: &LiveRestore,
        stream: impl Read + Send + 'static,
    ) -> Result<Settled, LiveRestoreError> {
        let directory = self.data_dir.replica(replica);
        let (identity, owner) = (request.place.identity(), request.caller);
        let (moment, bytes_max) = (request.moment, request.bytes_max);
        let task = tokio::task::spawn_blocking(move || {
            std::fs::create_dir(&directory).map_err(|source| LiveRestoreError::Directory {
                path: directory.clone(),
                source,
            })?;
            receive(stream, &directory, bytes_max)?;
            cut(&directory, moment)?;
            settle(&directory, identity, owner)
        });
        task.await
            .unwrap_or_else(|_| Err(LiveRestoreError::Panicked))
    }

    /// Starts the restored database and registers it; then the old one goes.
    async fn put_in_place(
        &self,
        replica: u64,
        request: &LiveRestore,
        settled: Settled,
    ) -> Result<LiveRestored, LiveRestoreError> {
        let _changing = self.changing.lock().await;
        let (identity, owner) = (request.place.identity(), request.caller);
        // Again: much can have happened while the files arrived.
        let old = self.check_place(&request.place, owner)?;
        let record = DatabaseRecord {
            identity,
            replica,
            owner,
            initial_program: settled.program,
            locked: false,
            deleted: false,
        };
        // Limits of single databases go by their names.
        let name = match &request.place {
            RestorePlace::Over(_) => None,
            RestorePlace::New { name, .. } => name.as_deref(),
        };
        let handle = self.start_named(&record, Start::Existing, name).await?;
        if let Err(error) = self.register_restored(&request.place, record).await {
            handle.stop("it could not be registered").await;
            return Err(error.into());
        }
        self.swap_in(identity, handle, old.as_ref()).await;
        Ok(LiveRestored {
            database: identity,
            replaced: old.is_some(),
            last: settled.last,
            rows: settled.rows,
            tables: settled.tables,
        })
    }

    async fn register_restored(
        &self,
        place: &RestorePlace,
        record: DatabaseRecord,
    ) -> Result<(), ControlError> {
        let place = place.clone();
        self.blocking(move |control| match place {
            RestorePlace::Over(identity) => {
                let (replica, program) = (record.replica, record.initial_program);
                let changed = control.change(identity, |known| {
                    known.replica = replica;
                    known.initial_program = program;
                });
                changed.map(drop)
            }
            RestorePlace::New { name, .. } => control.register(record, name.as_deref()),
        })
        .await
    }

    /// Clients of the old database are cut off, and find the new one when they come back.
    async fn swap_in(
        &self,
        identity: Identity,
        handle: DatabaseHandle,
        old: Option<&DatabaseRecord>,
    ) {
        let before = self.databases.write().insert(identity, Ok(handle));
        if let Some(Ok(before)) = before {
            before.stop("module exited").await;
        }
        if let Some(old) = old {
            self.remove_files(old.replica);
        }
    }
}

impl RestorePlace {
    fn identity(&self) -> Identity {
        match self {
            RestorePlace::Over(identity) | RestorePlace::New { identity, .. } => *identity,
        }
    }
}

fn cut(directory: &Path, moment: RestoreMoment) -> Result<(), LiveRestoreError> {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let last = match moment {
        RestoreMoment::Latest => return Ok(()),
        RestoreMoment::After(last) => last,
        RestoreMoment::At(time) => {
            let found = offset_at(&storage, directory, time, &StoreOptions::default());
            found.map_err(|error| LiveRestoreError::Moment(Box::new(error)))?
        }
    };
    Ok(cut_after(&storage, directory, last)?)
}

/// Opens the files, which checks them, and writes into them whose they are now.
fn settle(
    directory: &Path,
    identity: Identity,
    owner: Identity,
) -> Result<Settled, LiveRestoreError> {
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let options = StoreOptions {
        // None is to be taken by itself: those before may be another database's.
        snapshots: SnapshotSettings {
            log_bytes: 0,
            transactions: 0,
            ..SnapshotSettings::default()
        },
        ..StoreOptions::default()
    };
    let opened = Store::open_with(&storage, directory, Files::Known, &options, None);
    let mut store = opened.map_err(|error| LiveRestoreError::Open(Box::new(error)))?;
    let settled = move_in(&mut store, identity, owner);
    store.close();
    settled
}

fn move_in(
    store: &mut Store,
    identity: Identity,
    owner: Identity,
) -> Result<Settled, LiveRestoreError> {
    let last = store.last_offset();
    let module = session_rows::module(store.datastore()).ok_or(LiveRestoreError::NoModule)?;
    let program = module.program_hash;
    let is_original = module.database_identity == identity;
    if !is_original || module.owner_identity != owner {
        let failed = |error: String| LiveRestoreError::Identity(error.into());
        let row = StModule {
            database_identity: identity,
            owner_identity: owner,
            ..module
        };
        store.datastore_mut().begin_tx();
        if let Err(error) = session_rows::set_module(store.datastore_mut(), &row) {
            store.datastore_mut().rollback();
            return Err(failed(error.to_string()));
        }
        let committed = store.commit(None).map_err(|e| failed(e.to_string()))?;
        let written = store.wait_durable(committed.offset);
        written.map_err(|error| failed(error.to_string()))?;
    }
    if !is_original {
        // The snapshots name the database that they are of.
        let taken = store.retake_snapshot();
        taken.map_err(|error| LiveRestoreError::Identity(error.to_string().into()))?;
    }
    let datastore = store.datastore();
    let tables: Vec<_> = datastore.tables().map(|schema| schema.id).collect();
    let rows = tables.iter().filter_map(|id| datastore.row_count(*id));
    Ok(Settled {
        program,
        last,
        rows: rows.sum(),
        tables: u64::try_from(tables.len()).unwrap_or(u64::MAX),
    })
}

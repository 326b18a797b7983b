//! All databases of one server: started when the server starts, made and changed by publishing.

mod restore;

pub use restore::{LiveRestore, LiveRestoreError, LiveRestored, RestoreMoment, RestorePlace};

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use spacetime_durability::storage::{BadFailpoint, OsStorage, with_failpoint};
use spacetime_types::{Hash, Identity};

use crate::clock::TimeSource;
use crate::control::{ControlDatabase, ControlError, DatabaseRecord, OpenControlError};
use crate::data_dir::{DataDir, DataDirError};
use crate::database::{DatabaseHandle, ModuleRuntime, Shared, Start, StartError, prepare};
use crate::limits::ClientLimits;
use crate::panic_point::{BadPanicPoint, PanicPoint};
use crate::publish::{
    MigrationPolicy, ModuleUpdate, PrePublish, PrePublished, Publish, PublishError, PublishTarget,
    Published,
};
use crate::reads::{ReaderPool, Readers};
use crate::request::DatabaseGone;
use crate::settings::{Allowances, HostConfig};
use crate::wasm::{Program, WasmEngine};
use spacetime_store::{Files, StoreOptions};

/// Why a server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenHostError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Control(#[from] OpenControlError),
    #[error(transparent)]
    Failpoint(#[from] BadFailpoint),
    #[error(transparent)]
    PanicPoint(#[from] BadPanicPoint),
    #[error("the wasm engine cannot be started: {0:#}")]
    Wasm(wasmtime::Error),
    #[error("no threads to read with: {0}")]
    Readers(std::io::Error),
}

/// A database that is registered: running, or not, and then why.
type Slot = Result<DatabaseHandle, DatabaseGone>;

/// The databases of a server and the control plane over them.
#[derive(Debug)]
pub struct Host {
    data_dir: DataDir,
    modules: ModuleRuntime,
    allowances: Allowances,
    client_limits: ClientLimits,
    store: StoreOptions,
    readers: Arc<ReaderPool>,
    control: Arc<ControlDatabase>,
    databases: RwLock<HashMap<Identity, Slot>>,
    /// Publishing and deleting are rare and long: one at a time.
    changing: tokio::sync::Mutex<()>,
    /// Backups that arrive.
    restoring: tokio::sync::Semaphore,
}

impl Host {
    /// Opens the data directory and starts every database in it. One that does not open is
    /// reported and stays as it is; the others are served.
    pub async fn open(config: HostConfig) -> Result<Arc<Host>, OpenHostError> {
        // Said once and for all, not by each database.
        with_failpoint(Arc::new(OsStorage)).map(drop)?;
        let panic_point = PanicPoint::from_environment()?;
        let data_dir = DataDir::open(&config.data_dir)?;
        // Databases without a control plane would be forgotten, and their files written over.
        let files = match data_dir.has_replicas()? {
            true => Files::Known,
            false => Files::MayBeNew,
        };
        let control = ControlDatabase::open(&data_dir.control(), files)?;
        let code_directory = Some(data_dir.compiled_modules());
        let engine = WasmEngine::new(&config.compile, code_directory);
        let host = Arc::new(Host {
            data_dir,
            client_limits: config.client_limits,
            modules: ModuleRuntime {
                engine: engine.map_err(OpenHostError::Wasm)?,
                outbound_http: config.outbound_http,
                panic_point,
                time: TimeSource::System,
                known: None,
            },
            allowances: Allowances {
                call_limits: config.call_limits,
                logs: config.logs,
                databases: config.databases,
            },
            store: config.store,
            readers: ReaderPool::new(config.read_limits, tokio::runtime::Handle::current())
                .map_err(OpenHostError::Readers)?,
            control: Arc::new(control),
            databases: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            restoring: tokio::sync::Semaphore::new(restore::RESTORES_MAX),
        });
        for record in host.control.databases() {
            let started = host.start(&record, Start::Existing).await;
            let slot = started.map_err(|error| {
                let identity = record.identity.to_hex();
                tracing::error!(database = %identity, %error, "a database could not be started");
                DatabaseGone {
                    reason: error.to_string().into(),
                }
            });
            host.databases.write().insert(record.identity, slot);
        }
        let records = host.control.databases().into_iter();
        let named = records.map(|it| (it.identity, host.control.names_of(it.identity)));
        let named: Vec<_> = named.collect();
        for database in host.allowances.unused(&named) {
            tracing::warn!(%database, "there are settings for it, but no such database");
        }
        Ok(host)
    }

    /// The control plane's records.
    #[must_use]
    pub fn control(&self) -> &ControlDatabase {
        &self.control
    }

    /// A running database; `None` if there is none of that identity.
    #[must_use]
    pub fn database(&self, identity: Identity) -> Option<Result<DatabaseHandle, DatabaseGone>> {
        self.databases.read().get(&identity).cloned()
    }

    /// The databases that run.
    #[must_use]
    pub fn running(&self) -> Vec<DatabaseHandle> {
        let databases = self.databases.read();
        databases.values().flatten().cloned().collect()
    }

    /// Databases that are registered but do not run.
    #[must_use]
    pub fn failed_databases(&self) -> Vec<(Identity, DatabaseGone)> {
        let databases = self.databases.read();
        let failed = databases
            .iter()
            .filter_map(|(id, slot)| Some((*id, slot.as_ref().err()?)));
        failed
            .map(|(identity, gone)| (identity, gone.clone()))
            .collect()
    }

    /// `name` is one that the database is about to get.
    fn shared(
        &self,
        (identity, owner): (Identity, Identity),
        replica: u64,
        name: Option<&str>,
    ) -> Shared {
        let mut names = self.control.names_of(identity);
        names.extend(name.map(str::to_owned));
        Shared::new(
            (identity, owner),
            self.data_dir.replica(replica).into(),
            self.modules.clone(),
            self.allowances.of(identity, &names),
            self.client_limits,
            self.store.clone(),
            Readers::new(Arc::clone(&self.readers)),
        )
    }

    async fn start(
        &self,
        record: &DatabaseRecord,
        start: Start,
    ) -> Result<DatabaseHandle, StartError> {
        self.start_named(record, start, None).await
    }

    async fn start_named(
        &self,
        record: &DatabaseRecord,
        start: Start,
        name: Option<&str>,
    ) -> Result<DatabaseHandle, StartError> {
        let shared = self.shared((record.identity, record.owner), record.replica, name);
        DatabaseHandle::start(shared, start).await
    }

    /// Publishes a module: makes the database, or puts the module in place of the one it has.
    pub async fn publish(&self, publish: Publish) -> Result<Published, PublishError> {
        self.check_rights(&publish)?;
        // Compiled before it is anybody's turn: what follows finds it in use.
        let _compiled = match &publish.program {
            Some(program) => {
                let engine = &self.modules.engine;
                Some(Program::load_in_time(engine, program.clone()).await?)
            }
            None => None,
        };
        let _changing = self.changing.lock().await;
        let (identity, name) = match &publish.target {
            PublishTarget::New => (publish.new_identity, None),
            PublishTarget::Identity(identity) => (*identity, None),
            PublishTarget::Name(name) => {
                let known = self.control.resolve(name);
                (known.unwrap_or(publish.new_identity), Some(&**name))
            }
        };
        match self.control.database(identity) {
            Some(record) => self.publish_over(&record, &publish).await,
            None => self.publish_new(identity, name, &publish).await,
        }
    }

    /// What can be refused before anything is compiled. It is looked at again when it counts.
    fn check_rights(&self, publish: &Publish) -> Result<(), PublishError> {
        let identity = match &publish.target {
            PublishTarget::New => return Ok(()),
            PublishTarget::Identity(identity) => Some(*identity),
            PublishTarget::Name(name) => self.control.resolve(name),
        };
        let record = identity.and_then(|identity| self.control.database(identity));
        match record {
            Some(record) => check_publisher(&record, publish),
            None => Ok(()),
        }
    }

    async fn publish_new(
        &self,
        identity: Identity,
        name: Option<&str>,
        publish: &Publish,
    ) -> Result<Published, PublishError> {
        let owner = publish.caller.identity;
        let taken = name.and_then(|name| self.control.name_owner(name));
        if let (Some(name), Some(taken)) = (name, taken)
            && taken != owner
        {
            return Err(PublishError::NameTaken(name.into()));
        }
        let (record, handle) = self.create(identity, owner, name, publish).await?;
        let registered = self.blocking({
            let (record, name) = (record.clone(), name.map(str::to_owned));
            move |control| control.register(record, name.as_deref())
        });
        if let Err(error) = registered.await {
            handle.stop("it could not be registered").await;
            self.remove_files(record.replica);
            return Err(not_registered(error));
        }
        self.databases.write().insert(identity, Ok(handle));
        Ok(Published {
            database: identity,
            created: true,
            restore_point: None,
        })
    }

    /// Makes a database's files and runs its first transaction. Nothing is left of one that fails.
    async fn create(
        &self,
        identity: Identity,
        owner: Identity,
        name: Option<&str>,
        publish: &Publish,
    ) -> Result<(DatabaseRecord, DatabaseHandle), PublishError> {
        let replica = self.unused_replica();
        let created = async {
            let shared = Arc::new(self.shared((identity, owner), replica, name));
            let program = publish.program.clone().ok_or(PublishError::NoProgram)?;
            let prepared = prepare(shared, program).await?;
            let record = DatabaseRecord {
                identity,
                replica,
                owner,
                initial_program: prepared.hash,
                locked: false,
                deleted: false,
            };
            let start = Start::New(Box::new(prepared));
            let handle = self.start_named(&record, start, name).await;
            let handle = handle.map_err(|error| match error {
                StartError::Program(error) => error,
                error => PublishError::Failed(error.to_string().into()),
            })?;
            Ok((record, handle))
        }
        .await;
        if created.is_err() {
            self.remove_files(replica);
        }
        created
    }

    /// A number for a new database's directory, which is not there.
    fn unused_replica(&self) -> u64 {
        let mut replica = self.control.take_replica_number();
        // A crash while a database was made leaves a directory that no record names.
        while self.data_dir.replica(replica).exists() {
            replica = self.control.take_replica_number();
        }
        replica
    }

    async fn publish_over(
        &self,
        record: &DatabaseRecord,
        publish: &Publish,
    ) -> Result<Published, PublishError> {
        check_publisher(record, publish)?;
        let database = record.identity;
        let handle = || {
            let handle = self.database(database);
            handle.unwrap_or_else(|| Err(not_running()))
        };
        let program = match &publish.program {
            Some(program) => program.clone(),
            None => handle()?.program().await?,
        };
        let mut restore_point = None;
        if publish.clear {
            let publish = Publish {
                program: Some(program),
                ..publish.clone()
            };
            self.replace(record, &publish).await?;
        } else {
            let handle = handle()?;
            let update = ModuleUpdate {
                module: handle.prepare(program).await?,
                mode: publish.mode.clone(),
                policy: publish.policy,
            };
            restore_point = handle.update(update).await?;
        }
        Ok(Published {
            database,
            created: false,
            restore_point,
        })
    }

    /// What publishing a module to an existing database would do. Nothing is changed.
    pub async fn pre_publish(&self, question: PrePublish) -> Result<PrePublished, PublishError> {
        let PrePublish {
            database, caller, ..
        } = &question;
        let (caller, database) = (caller.identity, *database);
        let record = self.control.database(database).ok_or_else(not_running)?;
        if caller != record.owner {
            return Err(PublishError::NotOwner { caller, database });
        }
        let handle = self.database(database);
        let handle = handle.unwrap_or_else(|| Err(not_running()))?;
        let update = ModuleUpdate {
            module: handle.prepare(question.program).await?,
            mode: question.mode,
            policy: MigrationPolicy::Compatible,
        };
        handle.preview_update(update, question.style).await
    }

    /// A new, empty replica in place of the old one. The old one goes only when the new one is
    /// registered.
    async fn replace(&self, old: &DatabaseRecord, publish: &Publish) -> Result<(), PublishError> {
        let (record, handle) = self.create(old.identity, old.owner, None, publish).await?;
        let (identity, replica) = (record.identity, record.replica);
        let initial_program: Hash = record.initial_program;
        let changed = self.blocking(move |control| {
            control.change(identity, |record| {
                record.replica = replica;
                record.initial_program = initial_program;
            })
        });
        if let Err(error) = changed.await {
            handle.stop("it could not be registered").await;
            self.remove_files(replica);
            return Err(not_registered(error));
        }
        let before = self.databases.write().insert(identity, Ok(handle));
        if let Some(Ok(before)) = before {
            before.stop("module exited").await;
        }
        self.remove_files(old.replica);
        Ok(())
    }

    /// Deletes a database: its data goes, its names keep leading to its identity.
    pub async fn delete(&self, identity: Identity, caller: Identity) -> Result<(), ControlError> {
        let _changing = self.changing.lock().await;
        let Some(record) = self.control.database(identity) else {
            return Ok(());
        };
        self.check_owner(&record, caller)?;
        if record.locked {
            return Err(ControlError::Locked);
        }
        let change = move |control: &ControlDatabase| {
            control.change(identity, |record| record.deleted = true)
        };
        self.blocking(change).await?;
        let handle = self.databases.write().remove(&identity);
        if let Some(Ok(handle)) = handle {
            handle.stop("module exited").await;
        }
        self.remove_files(record.replica);
        Ok(())
    }

    /// Locks a database against deletion and clearing, or unlocks it.
    pub async fn set_locked(
        &self,
        identity: Identity,
        caller: Identity,
        locked: bool,
    ) -> Result<(), ControlError> {
        let record = self
            .control
            .database(identity)
            .ok_or(ControlError::NoSuchDatabase)?;
        self.check_owner(&record, caller)?;
        let change = move |control: &ControlDatabase| {
            control
                .change(identity, |record| record.locked = locked)
                .map(|_| ())
        };
        self.blocking(change).await
    }

    /// Replaces all names of a database.
    pub async fn set_names(
        &self,
        identity: Identity,
        caller: Identity,
        names: Vec<String>,
    ) -> Result<(), ControlError> {
        let record = self
            .control
            .database(identity)
            .ok_or(ControlError::NoSuchDatabase)?;
        self.check_owner(&record, caller)?;
        self.blocking(move |control| control.set_names(identity, caller, &names))
            .await
    }

    fn check_owner(&self, record: &DatabaseRecord, caller: Identity) -> Result<(), ControlError> {
        let database = record.identity;
        if caller == record.owner {
            Ok(())
        } else {
            Err(ControlError::NotOwner { caller, database })
        }
    }

    /// Runs a change of the control database, which waits for the disk, off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        change: impl FnOnce(&ControlDatabase) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let control = Arc::clone(&self.control);
        let task = tokio::task::spawn_blocking(move || change(&control));
        task.await
            .unwrap_or_else(|_| Err(ControlError::NotDurable("it failed".into())))
    }

    /// Removes a replica's directory. What cannot be removed is only a waste of space.
    fn remove_files(&self, replica: u64) {
        let directory = self.data_dir.replica(replica);
        if let Err(error) = std::fs::remove_dir_all(&directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(directory = %directory.display(), %error, "not removed");
        }
    }

    /// Stops every database in good order.
    pub async fn shutdown(&self) {
        let _changing = self.changing.lock().await;
        let databases: Vec<Slot> = self
            .databases
            .write()
            .drain()
            .map(|(_, slot)| slot)
            .collect();
        for database in databases.into_iter().flatten() {
            database.stop("the server is shutting down").await;
        }
        let control = Arc::clone(&self.control);
        let _ = tokio::task::spawn_blocking(move || control.close()).await;
    }
}

fn check_publisher(record: &DatabaseRecord, publish: &Publish) -> Result<(), PublishError> {
    let (caller, database) = (publish.caller.identity, record.identity);
    if caller != record.owner {
        return Err(PublishError::NotOwner { caller, database });
    }
    if record.locked && publish.clear {
        return Err(PublishError::Locked);
    }
    Ok(())
}

fn not_running() -> DatabaseGone {
    DatabaseGone {
        reason: "it has not been started".into(),
    }
}

fn not_registered(error: ControlError) -> PublishError {
    match error {
        ControlError::NameTaken(name) => PublishError::NameTaken(name),
        error => PublishError::NotDurable(error.to_string().into()),
    }
}

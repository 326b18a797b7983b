//! What the thread and the handles of one database share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use spacetime_durability::storage::{OsStorage, Storage, open_backend, with_failpoint};
use spacetime_store::StoreOptions;
use spacetime_types::Identity;
use spacetime_types::module_def::ModuleDef;
use tokio::sync::{mpsc, watch};

use super::StartError;
use super::modules::{KnownModules, ModuleRuntime};
use crate::before_call::BeforeCall;
use crate::clock::TimeSource;
use crate::counters::Counters;
use crate::limits::ClientLimits;
use crate::module_http::OutboundHttp;
use crate::module_log::{LogSettings, ModuleLog};
use crate::outbox::Courier;
use crate::panic_point::PanicPoint;
use crate::past::PastStates;
use crate::pauses::Pauses;
use crate::procedures::{Procedure, ProcedurePool, Surroundings, Writer};
use crate::publish::PreparedModule;
use crate::reads::Readers;
use crate::release::ReleaseQueue;
use crate::request::{ClientId, DatabaseGone, Request};
use crate::wasm::{CallLimits, Quota, WasmEngine};

/// Where the files of a database are.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// `None` is the operating system's.
    pub(crate) storage: Option<Arc<dyn Storage>>,
}

impl From<PathBuf> for Place {
    fn from(directory: PathBuf) -> Place {
        Place {
            directory,
            storage: None,
        }
    }
}

/// What the thread and the handles of one database share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) owner: Identity,
    pub(crate) directory: PathBuf,
    storage: Option<Arc<dyn Storage>>,
    pub(crate) time: TimeSource,
    pub(crate) engine: Arc<WasmEngine>,
    pub(crate) quota: Quota,
    pub(crate) client_limits: ClientLimits,
    pub(crate) counters: Counters,
    pub(super) store: StoreOptions,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) log: Arc<ModuleLog>,
    pub(crate) courier: Courier,
    pub(crate) release: Arc<ReleaseQueue>,
    pub(super) past: PastStates,
    pub(crate) pauses: Option<Arc<Pauses>>,
    pub(crate) readers: Readers,
    pub(crate) before_call: BeforeCall,
    /// The way from other threads to the writer thread; leads nowhere before that is started.
    pub(crate) requests: mpsc::WeakSender<Request>,
    pub(super) definition: RwLock<Option<Arc<ModuleDef>>>,
    procedures: RwLock<Option<Arc<ProcedurePool>>>,
    outbound_http: Option<Arc<dyn OutboundHttp>>,
    pub(super) known: Option<KnownModules>,
    pub(crate) panic_point: Option<Arc<PanicPoint>>,
    /// Turns true when the database goes down: procedures that sleep wake up.
    pub(super) stopping: watch::Sender<bool>,
    next_client: AtomicU64,
    /// Procedures and HTTP handlers that were begun and have not been answered.
    pub(crate) beside: AtomicUsize,
    /// Why the database is not running, once it is not.
    pub(super) gone: Mutex<Option<Box<str>>>,
}

impl Shared {
    pub(crate) fn new(
        (identity, owner): (Identity, Identity),
        place: Place,
        modules: ModuleRuntime,
        (call_limits, log_settings): (CallLimits, LogSettings),
        client_limits: ClientLimits,
        store: StoreOptions,
        readers: Readers,
    ) -> Shared {
        let time = modules.time;
        let log = Arc::new(match &place.storage {
            None => ModuleLog::new(place.directory.join("module_logs"), log_settings),
            Some(_) => ModuleLog::in_memory(time.clone()),
        });
        // Whoever embeds a database looks into the outboxes when the writer thread is done.
        let courier = match &place.storage {
            None => Courier::start(&readers.runtime()),
            Some(_) => Courier::Direct,
        };
        Shared {
            identity,
            owner,
            directory: place.directory,
            storage: place.storage,
            time,
            engine: modules.engine,
            quota: Quota::new(call_limits),
            outbound_http: modules.outbound_http,
            known: modules.known,
            panic_point: modules.panic_point,
            client_limits,
            counters: Counters::default(),
            store,
            runtime: readers.runtime(),
            log,
            release: Arc::new(ReleaseQueue::new(courier.clone())),
            courier,
            past: PastStates::default(),
            pauses: Pauses::if_wanted(),
            readers,
            before_call: BeforeCall::default(),
            requests: mpsc::channel(1).0.downgrade(),
            definition: RwLock::new(None),
            procedures: RwLock::new(None),
            stopping: watch::Sender::new(false),
            next_client: AtomicU64::new(1),
            beside: AtomicUsize::new(0),
            gone: Mutex::new(None),
        }
    }

    /// Shows the module in place to the handles, and gives its procedures a place to run.
    pub(crate) fn set_module(&self, prepared: &PreparedModule) {
        let procedures = ProcedurePool::new(
            prepared,
            self.identity,
            Arc::clone(&self.log),
            self.quota.clone(),
            self.surroundings(),
        );
        *self.definition.write() = Some(Arc::clone(&prepared.definition));
        *self.procedures.write() = Some(procedures);
    }

    /// What runs the procedures and HTTP handlers of the module in place, once there is one.
    pub(crate) fn procedures(&self) -> Option<Arc<ProcedurePool>> {
        self.procedures.read().as_ref().map(Arc::clone)
    }

    /// A procedure of the module in place.
    pub(crate) fn procedure(&self, name: &str) -> Option<Arc<Procedure>> {
        self.procedures.read().as_ref()?.procedure(name)
    }

    /// What procedures of this database need.
    fn surroundings(&self) -> Surroundings {
        Surroundings {
            writer: Writer::new(self.requests.clone()),
            runtime: self.runtime.clone(),
            http: self.outbound_http.clone(),
            stopping: self.stopping.subscribe(),
            panic_point: self.panic_point.clone(),
            time: self.time.clone(),
            run_time_max: self.quota.limits.procedure_time_max,
            tx_time_max: self.quota.limits.call_time_max,
        }
    }

    /// Never used twice, not even across a restart of the thread: a late request of a client that
    /// was cut off must not reach another one.
    pub(crate) fn take_client_id(&self) -> ClientId {
        ClientId(self.next_client.fetch_add(1, Ordering::Relaxed))
    }

    /// The disk, to read what is there.
    pub(crate) fn disk(&self) -> Arc<dyn Storage> {
        match &self.storage {
            Some(storage) => Arc::clone(storage),
            None => Arc::new(OsStorage),
        }
    }

    /// The disk, to write on.
    pub(super) fn open_disk(&self) -> Result<Arc<dyn Storage>, StartError> {
        if let Some(storage) = &self.storage {
            return Ok(Arc::clone(storage));
        }
        let storage = open_backend(self.store.backend).map_err(StartError::Backend)?;
        Ok(with_failpoint(storage)?)
    }

    pub(super) fn gone(&self) -> DatabaseGone {
        let reason = self.gone.lock().clone();
        DatabaseGone {
            reason: reason.unwrap_or_else(|| "it has stopped".into()),
        }
    }
}

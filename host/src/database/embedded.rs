//! One database without a server: for programs that run modules in their own process, above all
//! the tests of modules.
//!
//! Whoever embeds a database brings its disk and its clock, so nothing has to touch files, and
//! time passes when it is told to. There is no control plane: no names, no other databases.
//!
//! Not here: what makes this comfortable for tests (see the crate `spacetime-testing`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spacetime_durability::storage::Storage;
use spacetime_store::StoreOptions;
use spacetime_table::migrate::Mode;
use spacetime_types::{Identity, Timestamp, TxOffset};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::modules::{KnownModules, ModuleRuntime, prepare};
use super::{DatabaseHandle, Place, Shared, Start, StartError};
use crate::clock::TimeSource;
use crate::limits::ClientLimits;
use crate::module_http::OutboundHttp;
use crate::module_log::LogSettings;
use crate::publish::{MigrationPolicy, ModuleUpdate, PublishError};
use crate::reads::{ReadLimits, ReaderPool, Readers};
use crate::request::{Caller, DatabaseGone, Request};
use crate::sql::{SqlError, SqlResult};
use crate::wasm::{CallLimits, CompileOptions, WasmEngine};

/// What a database is made of.
#[derive(Clone, Debug)]
pub struct Embedded {
    pub identity: Identity,
    pub owner: Identity,
    /// The disk, and where on it the database is.
    pub storage: Arc<dyn Storage>,
    pub directory: PathBuf,
    pub time: TimeSource,
    pub call_limits: CallLimits,
    pub client_limits: ClientLimits,
    pub read_limits: ReadLimits,
    pub store: StoreOptions,
    /// How the module sends HTTP requests; `None` if it may not.
    pub outbound_http: Option<Arc<dyn OutboundHttp>>,
}

/// Why a database could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("the wasm engine cannot be started: {0}")]
    Engine(Box<str>),
    /// The module cannot be used.
    #[error(transparent)]
    Module(#[from] PublishError),
    #[error(transparent)]
    Start(StartError),
}

impl From<StartError> for EmbedError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Program(error) => EmbedError::Module(error),
            error => EmbedError::Start(error),
        }
    }
}

/// Runs modules. A process needs one; modules that it has compiled are kept.
#[derive(Debug)]
pub struct EmbeddedRuntime {
    engine: Arc<WasmEngine>,
    known: KnownModules,
}

impl EmbeddedRuntime {
    /// Starts the wasm engine.
    pub fn new() -> Result<EmbeddedRuntime, EmbedError> {
        let engine = WasmEngine::new(&CompileOptions::default(), None);
        let engine = engine.map_err(|error| EmbedError::Engine(format!("{error:#}").into()))?;
        Ok(EmbeddedRuntime {
            engine,
            known: KnownModules::default(),
        })
    }

    /// Makes a database on an empty disk: its tables, then `init`. Needs a tokio runtime.
    pub async fn create(
        &self,
        embedded: Embedded,
        program: Bytes,
    ) -> Result<DatabaseHandle, EmbedError> {
        let prepared = prepare(Arc::new(self.shared(&embedded)?), program).await?;
        let start = Start::New(Box::new(prepared));
        Ok(DatabaseHandle::start(self.shared(&embedded)?, start).await?)
    }

    /// Opens a database that is on the disk.
    pub async fn open(&self, embedded: Embedded) -> Result<DatabaseHandle, EmbedError> {
        Ok(DatabaseHandle::start(self.shared(&embedded)?, Start::Existing).await?)
    }

    fn shared(&self, embedded: &Embedded) -> Result<Shared, StartError> {
        let modules = ModuleRuntime {
            engine: Arc::clone(&self.engine),
            outbound_http: embedded.outbound_http.clone(),
            panic_point: None,
            time: embedded.time.clone(),
            known: Some(Arc::clone(&self.known)),
        };
        let place = Place {
            directory: embedded.directory.clone(),
            storage: Some(Arc::clone(&embedded.storage)),
        };
        let pool = ReaderPool::new(embedded.read_limits, Handle::current())?;
        Ok(Shared::new(
            (embedded.identity, embedded.owner),
            place,
            modules,
            (embedded.call_limits, LogSettings::default()),
            embedded.client_limits,
            embedded.store.clone(),
            Readers::new(pool),
        ))
    }
}

/// What a database has to do without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// The time by which schedules run.
    pub now: Timestamp,
    /// Something waits for nothing but its turn: a due row, or a call that a module queued.
    pub is_due: bool,
    /// Procedures and HTTP handlers that run and do not sleep on a manual clock.
    pub running: usize,
    /// When the next scheduled row is due.
    pub next_due: Option<Timestamp>,
}

impl Work {
    /// Whether nothing happens any more until somebody asks, or time passes.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.is_due && self.running == 0
    }
}

/// A row of a scheduled table, and when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledRow {
    pub table: Arc<str>,
    /// Its primary key.
    pub row_id: u64,
    /// The reducer or procedure that it is for.
    pub function: Arc<str>,
    pub due: Timestamp,
    /// How often it runs; `None` if once.
    pub every: Option<Duration>,
    /// The row as it is now, as BSATN.
    pub row: Bytes,
}

/// Why rows were not inserted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InsertRowsError {
    #[error("there is no table `{0}`")]
    NoSuchTable(Box<str>),
    /// A row of another type, or one that breaks a constraint. None was inserted.
    #[error("{0}")]
    Refused(Box<str>),
    #[error(transparent)]
    Gone(#[from] DatabaseGone),
}

impl DatabaseHandle {
    /// What is left to do.
    pub async fn work(&self) -> Result<Work, DatabaseGone> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Work { reply }).await?;
        answer.await.map_err(|_| self.shared.gone())
    }

    /// The rows that are due some time, the next one first.
    pub async fn scheduled_rows(&self) -> Result<Vec<ScheduledRow>, DatabaseGone> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::ScheduledRows { reply }).await?;
        answer.await.map_err(|_| self.shared.gone())
    }

    /// Runs a SQL statement without a connection: the module hears nothing of it.
    pub async fn sql_aside(&self, caller: Caller, text: &str) -> Result<Vec<SqlResult>, SqlError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Sql {
            caller,
            text: text.into(),
            confirmed: false,
            connects: false,
            reply,
        })
        .await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// Inserts rows, given as BSATN, in one transaction of its own. The module is not asked;
    /// constraints, sequences and schedules work as for its own inserts.
    pub async fn insert_rows(&self, table: &str, rows: Vec<Bytes>) -> Result<(), InsertRowsError> {
        let (reply, answer) = oneshot::channel();
        let table = table.into();
        let request = Request::InsertRows { table, rows, reply };
        self.send(request).await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// Puts another module in place. The answer is the last transaction before an explicit
    /// migration.
    pub async fn replace_module(
        &self,
        program: Bytes,
        mode: Mode,
        policy: MigrationPolicy,
    ) -> Result<Option<TxOffset>, PublishError> {
        let module = self.prepare(program).await?;
        self.update(ModuleUpdate {
            module,
            mode,
            policy,
        })
        .await
    }

    /// Stops an embedded database in good order.
    pub async fn close(&self) {
        self.stop("it was closed").await;
    }
}

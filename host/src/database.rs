//! A running database: a thread that owns it, and handles to talk to it.
//!
//! A panic of the writer thread (a broken assumption, or a bug) ends that thread's work and
//! nothing else: what was committed is written out, clients are cut off, and the database is
//! opened again from disk. One that keeps failing is given up, with its files untouched.

mod embedded;
mod handlers;
mod modules;
mod shared;

pub use embedded::{EmbedError, Embedded, EmbeddedRuntime, InsertRowsError, ScheduledRow, Work};
pub use handlers::HandlerError;
pub(crate) use modules::{ModuleRuntime, prepare};
pub(crate) use shared::{Place, Shared};

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spacetime_durability::storage::BadFailpoint;
use spacetime_types::module_def::ModuleDef;
use spacetime_types::{Identity, Timestamp, TxOffset};
use tokio::sync::{mpsc, oneshot};

use crate::backup::{BackupError, BackupSnapshot, BackupSource, Have, Subject};
use crate::before_call::ask_before_call;
use crate::counters::{CountersNow, Gauges};
use crate::limits::REQUEST_QUEUE_LEN_MAX;
use crate::module::LiveModule;
use crate::module_log::{Level, ModuleLog, Record};
use crate::past::{self, PastError};
use crate::pauses::PauseFigures;
use crate::publish::{ModuleUpdate, PrePublished, PreparedModule, PublishError};
use crate::questions::QueryCounts;
use crate::release::ReleaseQueue;
use crate::request::{
    CallArgs, CallReport, Caller, ClientId, Connect, ConnectError, DatabaseGone, Request,
};
use crate::session_rows;
use crate::sql::{SqlError, SqlResult};
use crate::worker::Worker;
use spacetime_query as query;
use spacetime_store::{Files, LogBehind, OpenStoreError, Store};
use spacetime_table::migrate::Style;

/// A database that fails this often within [`FAILURE_WINDOW`] is given up.
const FAILURES_MAX: usize = 5;
const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// The writer thread's stack; wasm runs on it too.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Why nobody knows whether what was committed is on disk.
#[derive(Debug, thiserror::Error)]
pub enum WaitDurableError {
    #[error(transparent)]
    Gone(#[from] DatabaseGone),
    #[error("it was committed, but could not be made durable: {0}")]
    Failed(String),
}

/// Why a database could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    #[error("the database holds no program")]
    NoProgram,
    #[error("the database belongs to {found}, not to {expected}; its directory was mixed up")]
    WrongIdentity { expected: Identity, found: Identity },
    #[error("its program cannot be started: {0}")]
    Program(#[from] PublishError),
    #[error("io_uring, which the settings ask for, cannot be used: {0}")]
    Backend(#[source] std::io::Error),
    #[error(transparent)]
    Failpoint(#[from] BadFailpoint),
    #[error("its thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error("it failed while it was starting")]
    Panicked,
}

/// What to start with.
pub(crate) enum Start {
    /// Files that are there.
    Existing,
    /// An empty directory and the first module.
    New(Box<PreparedModule>),
}

/// A way to talk to a running database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DatabaseHandle {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    /// The definition of the module that was in place at the start.
    first: Arc<ModuleDef>,
}

impl DatabaseHandle {
    /// Starts the thread and waits until it serves.
    pub(crate) async fn start(
        mut shared: Shared,
        start: Start,
    ) -> Result<DatabaseHandle, StartError> {
        let (requests, receiver) = mpsc::channel(REQUEST_QUEUE_LEN_MAX);
        shared.requests = requests.downgrade();
        let shared = Arc::new(shared);
        let (ready, started) = oneshot::channel();
        let thread_shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(format!(
                "db-{}",
                &shared.identity.to_abbreviated_hex()[4..12]
            ))
            .stack_size(STACK_BYTES)
            .spawn(move || serve(&thread_shared, start, receiver, ready))?;
        started.await.unwrap_or(Err(StartError::Panicked))?;
        let first = shared.definition.read().as_ref().map(Arc::clone);
        Ok(DatabaseHandle {
            first: first.ok_or(StartError::NoProgram)?,
            shared,
            requests,
        })
    }

    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    #[must_use]
    pub fn owner(&self) -> Identity {
        self.shared.owner
    }

    /// The definition of the module in place.
    #[must_use]
    pub fn module_def(&self) -> Arc<ModuleDef> {
        let definition = self.shared.definition.read();
        Arc::clone(definition.as_ref().unwrap_or(&self.first))
    }

    #[must_use]
    pub fn log(&self) -> &Arc<ModuleLog> {
        &self.shared.log
    }

    /// What happened so far, and what is true now.
    pub async fn numbers(&self, busiest: usize) -> Result<(CountersNow, Gauges), DatabaseGone> {
        let waiting = self.requests.max_capacity() - self.requests.capacity();
        let (reply, answer) = oneshot::channel();
        self.send(Request::Gauges { busiest, reply }).await?;
        let gauges = answer.await.map_err(|_| self.shared.gone())?;
        Ok((self.shared.counters.now(waiting), gauges))
    }
    /// Lets a client in: runs `client_connected`.
    pub async fn connect(&self, connect: Connect) -> Result<ClientId, ConnectError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Connect { connect, reply }).await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// Queues a request. Waits while the queue is full.
    pub async fn send(&self, request: Request) -> Result<(), DatabaseGone> {
        self.requests
            .send(request)
            .await
            .map_err(|_| self.shared.gone())
    }

    /// Calls a reducer from outside any connection.
    pub async fn call_once(
        &self,
        caller: Caller,
        name: &str,
        args: CallArgs,
    ) -> Result<CallReport, DatabaseGone> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::CallOnce {
            caller,
            name: name.into(),
            args,
            reply,
        })
        .await?;
        answer.await.map_err(|_| self.shared.gone())
    }

    /// Waits until everything that is committed by now is on disk.
    pub async fn wait_durable(&self) -> Result<(), WaitDurableError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Unsaved { reply }).await?;
        let unsaved = answer.await.map_err(|_| self.shared.gone())?;
        let Some((offset, waiter)) = unsaved else {
            return Ok(());
        };
        let failed = |error: &dyn std::fmt::Display| WaitDurableError::Failed(error.to_string());
        let waited = tokio::task::spawn_blocking(move || waiter.wait(offset)).await;
        let waited = waited.map_err(|error| failed(&error))?;
        waited.map_err(|error| failed(&error))
    }

    /// Runs SQL statements.
    pub async fn sql(
        &self,
        caller: Caller,
        text: &str,
        confirmed: bool,
    ) -> Result<Vec<SqlResult>, SqlError> {
        if let Some(answer) = ask_before_call(&self.shared, &caller, text, confirmed).await {
            return answer;
        }
        let (reply, answer) = oneshot::channel();
        self.send(Request::Sql {
            caller,
            text: text.into(),
            confirmed,
            connects: true,
            reply,
        })
        .await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// What one-off queries have cost since the database was opened.
    #[must_use]
    pub fn query_counts(&self) -> QueryCounts {
        self.shared.readers.counts()
    }

    /// Asks the state after a transaction of the past, which must be on disk. Does not disturb the
    /// writer; the limits of any query hold. Reads every table: only for the owner.
    pub async fn sql_at(
        &self,
        caller: Identity,
        text: &str,
        at: TxOffset,
    ) -> Result<SqlResult, SqlError> {
        if caller != self.shared.owner {
            return Err(SqlError::NotOwner(caller));
        }
        let durable = self.shared.release.durable();
        if durable < Some(at) {
            return Err(PastError::NotYet { asked: at, durable }.into());
        }
        let (shared, text) = (Arc::clone(&self.shared), text.to_owned());
        let room = self.shared.readers.reserve()?;
        let (reply, answer) = oneshot::channel();
        self.shared.readers.run(room, move || {
            if !reply.is_closed() {
                let result = ask_past(&shared, caller, &text, at, &|| !reply.is_closed());
                let _ = reply.send(result);
            }
        });
        let panicked = |_| SqlError::Execute("the query failed; see the server log".into());
        answer.await.map_err(panicked)?
    }

    /// Opens the files for a backup, for the owner. `names` are recorded in it.
    pub async fn open_backup(
        &self,
        caller: Identity,
        names: Vec<String>,
        have: Have,
        snapshot: BackupSnapshot,
        now: Timestamp,
    ) -> Result<BackupSource, BackupError> {
        let (database, owner) = (self.shared.identity, self.shared.owner);
        if caller != owner {
            return Err(BackupError::NotOwner { caller, database });
        }
        let subject = Subject {
            database,
            owner,
            names,
            now,
        };
        let taken = match snapshot.least() {
            Some(least) => self.snapshot(least).await,
            None => None,
        };
        // What a snapshot was taken of is on disk, also if nobody was told yet.
        let durable = self.shared.release.durable().max(taken);
        let durable = durable.ok_or(BackupError::Nothing)?;
        let directory = self.shared.directory.clone();
        let storage = self.shared.disk();
        let task = tokio::task::spawn_blocking(move || {
            BackupSource::open(&storage, &directory, durable, &have, subject)
        });
        task.await.map_err(|_| BackupError::Panicked)?
    }

    /// How long the writer thread was busy with one thing; `None` if that is not measured.
    #[must_use]
    pub fn pauses(&self, reset: bool) -> Option<PauseFigures> {
        let pauses = self.shared.pauses.as_ref();
        pauses.map(|pauses| pauses.figures(reset))
    }

    /// Takes a snapshot if there is so much log. Without one a backup is as good, only slower to
    /// restore.
    async fn snapshot(&self, least: LogBehind) -> Option<TxOffset> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Snapshot { least, reply }).await.ok()?;
        match answer.await {
            Ok(Ok(taken)) => Some(taken),
            Ok(Err(reason)) => {
                tracing::info!(database = %self.identity().to_hex(), reason, "no snapshot");
                None
            }
            Err(_) => None,
        }
    }

    pub(crate) async fn update(
        &self,
        update: ModuleUpdate,
    ) -> Result<Option<TxOffset>, PublishError> {
        let (reply, answer) = oneshot::channel();
        let update = Box::new(update);
        self.send(Request::Update { update, reply }).await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// What an update would do.
    pub(crate) async fn preview_update(
        &self,
        update: ModuleUpdate,
        style: Style,
    ) -> Result<PrePublished, PublishError> {
        let (reply, answer) = oneshot::channel();
        let preview = Request::PreviewUpdate {
            update: Box::new(update),
            style,
            reply,
        };
        self.send(preview).await?;
        answer.await.map_err(|_| self.shared.gone())?
    }

    /// The program in place.
    pub(crate) async fn program(&self) -> Result<Bytes, PublishError> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Program { reply }).await?;
        let program = answer.await.map_err(|_| self.shared.gone())?;
        program.ok_or(PublishError::NoProgram)
    }

    /// Compiles a module for this database, off its thread.
    pub(crate) async fn prepare(&self, program: Bytes) -> Result<PreparedModule, PublishError> {
        prepare(Arc::clone(&self.shared), program).await
    }

    /// Stops the database: clients are told, the log is synced, the files are closed.
    pub(crate) async fn stop(&self, reason: &str) {
        *self.shared.gone.lock() = Some(reason.into());
        let _ = self.shared.stopping.send(true);
        let (reply, answer) = oneshot::channel();
        let stop = Request::Stop {
            reason: reason.into(),
            reply: Some(reply),
        };
        if self.requests.send(stop).await.is_ok() {
            let _ = answer.await;
        }
        self.shared.readers.stop();
    }
}

/// Asks a state of the past on a reader thread.
fn ask_past(
    shared: &Shared,
    caller: Identity,
    text: &str,
    at: TxOffset,
    is_wanted: &dyn Fn() -> bool,
) -> Result<SqlResult, SqlError> {
    let storage = shared.disk();
    let state = shared
        .past
        .after(at, &storage, &shared.directory, &shared.store)?;
    let caller = query::Caller {
        identity: caller,
        is_owner: true,
    };
    let mut allowance = shared.readers.allowance();
    past::select(
        &state,
        &caller,
        text,
        &mut allowance,
        is_wanted,
        shared.identity,
    )
}

type Ready = oneshot::Sender<Result<(), StartError>>;

/// The thread: opens, serves, and opens again after a failure.
fn serve(shared: &Arc<Shared>, start: Start, mut requests: mpsc::Receiver<Request>, ready: Ready) {
    let mut start = Some(start);
    let mut ready = Some(ready);
    let mut failures: Vec<Instant> = Vec::new();
    loop {
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| -> Result<(), StartError> {
            let mut worker = open(shared, start.take().unwrap_or(Start::Existing))?;
            if let Some(ready) = ready.take() {
                let _ = ready.send(Ok(()));
            }
            worker.run(&mut requests);
            Ok(())
        }));
        match run {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(database = %shared.identity.to_hex(), %error, "cannot be opened");
                *shared.gone.lock() = Some(error.to_string().into());
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Err(error));
                }
                return;
            }
            Err(_panic) => {
                shared.release.restart();
                drop(shared.before_call.hide());
                let now = Instant::now();
                failures.retain(|failure| now - *failure < FAILURE_WINDOW);
                failures.push(now);
                let message = "the database failed and is opened again from its log";
                shared.log.append(&Record::host(Level::Error, message));
                tracing::error!(database = %shared.identity.to_hex(), "{message}");
                if ready.is_some() || failures.len() > FAILURES_MAX {
                    *shared.gone.lock() = Some("it failed repeatedly; see the server log".into());
                    return;
                }
            }
        }
    }
}

fn open(shared: &Arc<Shared>, start: Start) -> Result<Worker, StartError> {
    let files = match &start {
        // Registered only after its first transaction was durable.
        Start::Existing => Files::Known,
        Start::New(_) => Files::MayBeNew,
    };
    let on_durable = ReleaseQueue::follower(Arc::clone(&shared.release));
    let storage = shared.open_disk()?;
    let store = Store::open_with(
        &storage,
        &shared.directory,
        files,
        &shared.store,
        Some(on_durable),
    )?;
    let live = |prepared: &PreparedModule| {
        LiveModule::new(
            prepared,
            shared.identity,
            Arc::clone(&shared.log),
            &shared.quota,
        )
    };
    match start {
        Start::New(prepared) => {
            let mut worker = Worker::new(Arc::clone(shared), store, live(&prepared));
            worker.initialize(&prepared)?;
            shared.set_module(&prepared);
            Ok(worker)
        }
        Start::Existing => {
            let row = session_rows::module(store.datastore()).ok_or(StartError::NoProgram)?;
            if row.database_identity != shared.identity {
                let (expected, found) = (shared.identity, row.database_identity);
                return Err(StartError::WrongIdentity { expected, found });
            }
            let prepared = shared.load_module(row.program_bytes.into())?;
            shared.set_module(&prepared);
            Ok(Worker::new(Arc::clone(shared), store, live(&prepared)))
        }
    }
}

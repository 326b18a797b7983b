//! The database under test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use spacetime_host::{
    Caller, ClientLimits, DatabaseHandle, EmbedError, Embedded, EmbeddedRuntime, InsertRowsError,
    ManualClock, MigrationPolicy, Mode, PublishError, ReadLimits, SimStorage, SqlError, SqlResult,
    TimeSource,
};
use spacetime_store::StoreOptions;
use spacetime_types::{
    AlgebraicType, ConnectionId, Identity, ProductType, Timestamp, Typespace, json,
};
use tokio::runtime::Runtime;

use crate::args::IntoArgs;
use crate::builder::{Builder, OpenError};
use crate::client::{Client, ConnectError};
use crate::http::{HttpAnswer, Routed, request_of};
use crate::log::LogLine;
use crate::outcome::{self, CallError};
use crate::rows::Rows;
use crate::schedule::Scheduled;

/// Who says who the users of a test are.
pub(crate) const ISSUER: &str = "https://testing.invalid";

/// Where the database is on its disk.
const DIRECTORY: &str = "/database";

/// Bad lines of the log that an error tells.
const BAD_LINES_MAX: usize = 5;

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
#[error("{query}: {reason}")]
pub struct QueryError {
    query: String,
    reason: Box<SqlError>,
}

/// What the database and its clients share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Arc<ManualClock>,
    settings: Builder,
    running: Mutex<Running>,
    next_connection: AtomicU64,
}

#[derive(Debug)]
struct Running {
    disk: SimStorage,
    handle: DatabaseHandle,
    /// Everything that was said, as far as it was looked at.
    lines: Vec<LogLine>,
    /// Lines of the log that `take_logs` has given out.
    lines_taken: usize,
}

impl Running {
    /// The log so far.
    fn lines(&mut self) -> &[LogLine] {
        let text = self.handle.log().take_memory();
        self.lines.extend(LogLine::parse_all(&text));
        &self.lines
    }
}

/// What runs the databases of all tests in a process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).thread_name("testing");
        runtime.enable_time().build().expect("threads can be made")
    })
}

fn modules() -> Result<&'static EmbeddedRuntime, EmbedError> {
    static MODULES: OnceLock<EmbeddedRuntime> = OnceLock::new();
    if let Some(modules) = MODULES.get() {
        return Ok(modules);
    }
    let modules = EmbeddedRuntime::new()?;
    Ok(MODULES.get_or_init(|| modules))
}

pub(crate) fn block_on<T>(what: impl Future<Output = T>) -> T {
    runtime().block_on(what)
}

impl Inner {
    pub(crate) fn handle(&self) -> DatabaseHandle {
        self.running.lock().handle.clone()
    }

    fn embedded(settings: &Builder, clock: &Arc<ManualClock>, disk: &SimStorage) -> Embedded {
        Embedded {
            identity: Identity::from_claims(ISSUER, "database"),
            owner: settings.owner,
            storage: Arc::new(disk.clone()),
            directory: PathBuf::from(DIRECTORY),
            time: TimeSource::Manual(Arc::clone(clock)),
            call_limits: settings.limits,
            client_limits: ClientLimits::default(),
            read_limits: ReadLimits::default(),
            store: StoreOptions::default(),
            outbound_http: settings.network.clone(),
        }
    }

    /// Somebody who calls, on a connection of a new id.
    pub(crate) fn caller(&self, identity: Identity, name: &str) -> Caller {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let high = u128::from(self.settings.seed.wrapping_add(1)) << 64;
        let claims = serde_json::json!({
            "hex_identity": identity.to_hex(),
            "sub": name,
            "iss": ISSUER,
            "aud": ["testing"],
            "iat": self.clock.now().micros / 1_000_000,
            "exp": null,
        });
        Caller {
            identity,
            connection_id: ConnectionId(high | u128::from(number)),
            claims_json: claims.to_string().into(),
        }
    }

    pub(crate) fn logs(&self) -> Vec<LogLine> {
        self.running.lock().lines().to_vec()
    }

    /// The last bad lines of the log.
    pub(crate) fn bad_lines(&self) -> String {
        let mut running = self.running.lock();
        let bad: Vec<String> = running
            .lines()
            .iter()
            .rev()
            .filter(|line| line.is_bad())
            .take(BAD_LINES_MAX)
            .map(ToString::to_string)
            .collect();
        bad.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    async fn ask(&self, identity: Identity, query: &str) -> Result<SqlResult, QueryError> {
        let caller = self.caller(identity, "");
        let handle = self.handle();
        let results = self.answered(handle.sql_aside(caller, query)).await;
        let mut results = results.map_err(|reason| QueryError {
            query: query.to_owned(),
            reason: Box::new(reason),
        })?;
        assert_eq!(results.len(), 1, "one statement at a time: {query}");
        self.settle().await;
        Ok(results.remove(0))
    }

    /// The columns of a table.
    async fn columns(&self, table: &str) -> Result<ProductType, QueryError> {
        let query = format!("SELECT * FROM \"{table}\" LIMIT 0");
        let result = self.ask(self.settings.owner, &query).await?;
        Ok(result.columns)
    }
}

/// A module at work. See the [crate] for what it is good for.
///
/// Cheap to clone; clones are the same database.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    pub(crate) inner: Arc<Inner>,
}

impl TestDatabase {
    /// Settings other than the usual ones.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A database with the module in this `.wasm` file.
    pub fn from_wasm(path: impl AsRef<Path>) -> Result<TestDatabase, OpenError> {
        Builder::default().from_wasm(path)
    }

    /// A database with the module in this folder, which is built first.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<TestDatabase, OpenError> {
        Builder::default().from_folder(folder)
    }

    /// A database with this module, the bytes of a `.wasm` file.
    pub fn from_bytes(program: impl Into<Bytes>) -> Result<TestDatabase, OpenError> {
        Builder::default().from_bytes(program)
    }

    pub(crate) fn create(settings: Builder, program: Bytes) -> Result<TestDatabase, EmbedError> {
        let clock = ManualClock::new(settings.start_with_seed());
        let disk = SimStorage::new(settings.seed);
        let embedded = Inner::embedded(&settings, &clock, &disk);
        let handle = block_on(modules()?.create(embedded, program))?;
        let running = Running {
            disk,
            handle,
            lines: Vec::new(),
            lines_taken: 0,
        };
        let inner = Inner {
            clock,
            settings,
            running: Mutex::new(running),
            next_connection: AtomicU64::new(1),
        };
        let database = TestDatabase {
            inner: Arc::new(inner),
        };
        block_on(database.inner.settle());
        Ok(database)
    }

    /// The identity of the user of this name: always the same.
    #[must_use]
    pub fn identity(&self, name: &str) -> Identity {
        Identity::from_claims(ISSUER, name)
    }

    /// The owner's identity.
    #[must_use]
    pub fn owner(&self) -> Identity {
        self.inner.settings.owner
    }

    /// The database's own identity: the sender of scheduled calls.
    #[must_use]
    pub fn database_identity(&self) -> Identity {
        self.inner.handle().identity()
    }

    /// Lets the user of this name in, as over WebSocket.
    pub fn connect(&self, name: &str) -> Result<Client, ConnectError> {
        Client::connect(&self.inner, self.identity(name), name)
    }

    /// Lets an identity in.
    pub fn connect_as(&self, identity: Identity) -> Result<Client, ConnectError> {
        Client::connect(&self.inner, identity, &identity.to_hex())
    }

    /// Calls a reducer or procedure as the owner does over HTTP: on a connection of its own, with
    /// the module's lifecycle reducers. Gives what a procedure returned.
    pub fn call(&self, function: &str, args: impl IntoArgs) -> Result<Value, CallError> {
        self.call_as(self.owner(), function, args)
    }

    /// The same by somebody else.
    pub fn call_as(
        &self,
        identity: Identity,
        function: &str,
        args: impl IntoArgs,
    ) -> Result<Value, CallError> {
        let inner = &self.inner;
        let caller = inner.caller(identity, &identity.to_hex());
        let (handle, args) = (inner.handle(), args.into_args());
        let report = block_on(async {
            let call = handle.call_once(caller, function, args);
            let report = inner.answered(call).await;
            inner.settle().await;
            report
        });
        let report = report.unwrap_or_else(|gone| panic!("{gone}"));
        outcome::of_call(function, report.outcome, || inner.bad_lines())
    }

    /// Makes a request to one of the module's own HTTP routes, such as `/hello`.
    pub fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Routed {
        let (handle, request) = (self.inner.handle(), request_of(method, path));
        let answer = block_on(async {
            let call = handle.call_http_handler(path, request, body.into());
            let answer = self.inner.answered(call).await;
            self.inner.settle().await;
            answer
        });
        match answer {
            Ok(Some((response, body))) => Routed::Answered(HttpAnswer::from_module(response, body)),
            Ok(None) => Routed::NoRoute,
            Err(error) => Routed::Broke(format!("{error}\n{}", self.inner.bad_lines())),
        }
    }

    /// The rows of a SQL query, as the owner sees them: private tables, too. Also runs `INSERT`,
    /// `UPDATE` and `DELETE`.
    pub fn sql(&self, query: &str) -> Result<Rows, QueryError> {
        self.sql_as(self.owner(), query)
    }

    /// The same as somebody else sees it: public tables, with the module's row-level security.
    pub fn sql_as(&self, identity: Identity, query: &str) -> Result<Rows, QueryError> {
        let result = block_on(self.inner.ask(identity, query))?;
        Ok(Rows::new(&result.columns, &result.rows))
    }

    /// All rows of a table or view.
    ///
    /// # Panics
    /// If there is none of this name.
    #[must_use]
    pub fn rows(&self, table: &str) -> Rows {
        let rows = self.sql(&format!("SELECT * FROM \"{table}\""));
        rows.unwrap_or_else(|error| panic!("{error}"))
    }

    /// How many rows a table or view has.
    ///
    /// # Panics
    /// If there is none of this name.
    #[must_use]
    pub fn count(&self, table: &str) -> usize {
        self.rows(table).len()
    }

    /// Puts rows into a table without asking the module: one object, or a list of them. Columns
    /// that are generated are given as 0. All rows or none are put in.
    pub fn insert(&self, table: &str, rows: impl Serialize) -> Result<(), InsertRowsError> {
        let refused = |text: String| InsertRowsError::Refused(text.into());
        let rows = serde_json::to_value(rows).map_err(|error| refused(error.to_string()))?;
        let rows = match rows {
            Value::Array(rows) => rows,
            row => vec![row],
        };
        block_on(async {
            let columns = self.inner.columns(table).await;
            let columns = columns.map_err(|_| InsertRowsError::NoSuchTable(table.into()))?;
            let row_type = AlgebraicType::Product(columns);
            let encode = |row: &Value| {
                let (typespace, mut bytes) = (Typespace::default(), Vec::new());
                json::json_to_bsatn(&typespace, &row_type, &row.to_string(), &mut bytes)
                    .map_err(|error| refused(format!("{row}: {error}")))?;
                Ok::<_, InsertRowsError>(Bytes::from(bytes))
            };
            let rows = rows.iter().map(encode).collect::<Result<_, _>>()?;
            self.inner.handle().insert_rows(table, rows).await?;
            self.inner.settle().await;
            Ok(())
        })
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Lets time pass. What is due on the way runs, each at its time.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("a time that a clock can show");
        let target = self.now().micros.checked_add(micros);
        self.advance_to(Timestamp::from_micros(
            target.expect("a time that a clock can show"),
        ));
    }

    /// Lets time pass until then; not at all if that is over.
    pub fn advance_to(&self, time: Timestamp) {
        block_on(self.inner.pass_until(time));
    }

    /// Lets time pass until the next thing is due, and lets it happen. Gives the time then; `None`
    /// if nothing is planned.
    pub fn advance_to_next(&self) -> Option<Timestamp> {
        block_on(self.inner.pass_to_next())
    }

    /// Sets the machine's clock, forward or back, without time passing in between: what was due
    /// before runs at once, and repeated calls that were missed are left out.
    pub fn set_clock(&self, time: Timestamp) {
        self.inner.clock.set(time);
        block_on(self.inner.settle());
    }

    /// Rows of scheduled tables in the order in which they are due.
    #[must_use]
    pub fn schedules(&self) -> Vec<Scheduled> {
        block_on(async {
            let planned = self.inner.handle().scheduled_rows().await;
            let planned = planned.unwrap_or_else(|gone| panic!("{gone}"));
            let mut scheduled = Vec::with_capacity(planned.len());
            let mut known: Vec<(Arc<str>, Arc<ProductType>)> = Vec::new();
            for row in planned {
                let found = known.iter().find(|(table, _)| *table == row.table);
                let columns = match found {
                    Some((_, columns)) => Arc::clone(columns),
                    None => {
                        let columns = self.inner.columns(&row.table).await;
                        let columns = columns.expect("a scheduled table is a table");
                        let columns = Arc::new(columns);
                        known.push((Arc::clone(&row.table), Arc::clone(&columns)));
                        columns
                    }
                };
                scheduled.push(Scheduled::new(row, &columns));
            }
            scheduled
        })
    }

    /// When the next row of a scheduled table is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        block_on(self.inner.settle()).next_due
    }

    /// Everything that was logged.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.inner.logs()
    }

    /// What was logged since the last time that this was asked.
    #[must_use]
    pub fn take_logs(&self) -> Vec<LogLine> {
        let mut running = self.inner.running.lock();
        let taken = running.lines_taken;
        let new = running.lines()[taken..].to_vec();
        running.lines_taken += new.len();
        new
    }

    /// The log as text, for messages of assertions.
    #[must_use]
    pub fn log_text(&self) -> String {
        let lines: Vec<String> = self.logs().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// Puts another version of the module in place, as `spacetime publish` does.
    pub fn publish(&self, program: impl Into<Bytes>) -> Result<(), PublishError> {
        self.publish_with(program, Mode::Automatic, MigrationPolicy::Compatible)
    }

    /// The same with a migration of another kind, or one that may break clients.
    pub fn publish_with(
        &self,
        program: impl Into<Bytes>,
        mode: Mode,
        policy: MigrationPolicy,
    ) -> Result<(), PublishError> {
        block_on(async {
            let handle = self.inner.handle();
            handle.replace_module(program.into(), mode, policy).await?;
            self.inner.settle().await;
            Ok(())
        })
    }

    /// Waits until everything that was committed is on disk.
    pub fn sync(&self) {
        let caller = self.inner.caller(self.owner(), "owner");
        let query = "SELECT * FROM st_module LIMIT 0";
        let handle = self.inner.handle();
        block_on(handle.sql(caller, query, true)).expect("the disk is in order");
    }

    /// Stops the database in good order and starts it again. Connections are gone.
    pub fn restart(&self) {
        let disk = self.inner.running.lock().disk.clone();
        block_on(self.inner.handle().close());
        self.start_on(disk.after_restart());
    }

    /// Cuts the power and starts the database again. What was not on disk yet may be lost; call
    /// [`TestDatabase::sync`] before if it must not be. `seed` chooses what of it is lost.
    pub fn cut_power(&self, seed: u64) {
        let disk = self.inner.running.lock().disk.power_cut_copy(seed);
        block_on(self.inner.handle().close());
        self.start_on(disk);
    }

    fn start_on(&self, disk: SimStorage) {
        let inner = &self.inner;
        // Its log goes with the one that was stopped.
        let _ = inner.running.lock().lines();
        let embedded = Inner::embedded(&inner.settings, &inner.clock, &disk);
        let opened = modules().map(|modules| block_on(modules.open(embedded)));
        let handle = match opened {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) | Err(error) => panic!("the database cannot be opened: {error}"),
        };
        {
            let mut running = inner.running.lock();
            running.disk = disk;
            running.handle = handle;
        }
        block_on(inner.settle());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let handle = self.handle();
        runtime().spawn(async move { handle.close().await });
    }
}

//! Databases as running things.
//!
//! A [`Host`] owns the databases of one server. Each database is one writer thread that owns its
//! tables and its module's wasm instance and takes [`Request`]s from a bounded queue; what it has
//! to say to clients goes into their [`Outbox`]es. The control plane (names, owners) is a database
//! of the same kind.
//!
//! Not here: HTTP, sockets and wire formats (see `spacetime-api`).

mod backup;
mod before_call;
mod clock;
mod control;
mod counters;
mod data_dir;
mod database;
mod host;
mod inspect;
mod limits;
mod module;
mod module_http;
mod module_log;
mod module_schema;
mod outbox;
mod panic_point;
mod past;
mod pauses;
pub mod planted;
mod procedures;
mod publish;
mod questions;
mod reads;
mod release;
mod replay;
mod request;
mod restore;
mod session_rows;
mod settings;
mod sql;
mod views;
mod visibility;
mod wasm;
mod worker;

pub use backup::{BackupError, BackupSnapshot, BackupSource, Have};
pub use clock::{ManualClock, TimeSource};
pub use control::{ControlDatabase, ControlError, DatabaseRecord, OpenControlError};
pub use counters::{CountersNow, Gauges, QueryGauge};
pub use data_dir::DataDirError;
pub use database::{
    DatabaseHandle, EmbedError, Embedded, EmbeddedRuntime, HandlerError, InsertRowsError,
    ScheduledRow, StartError, WaitDurableError, Work,
};
pub use host::{
    Host, LiveRestore, LiveRestoreError, LiveRestored, OpenHostError, RestoreMoment, RestorePlace,
};
pub use inspect::{InspectError, describe_program};
pub use limits::ClientLimits;
pub use module_http::{
    HttpHeader, HttpMethod, HttpOutcome, HttpRequest, HttpResponse, HttpVersion, OutboundHttp,
    RawBytes,
};
pub use module_log::{Frame, Level, LogSettings, ModuleLog, Record, level_of_line};
pub use outbox::{
    CallInfo, ClientUpdate, EncodedOnce, FrameCache, Outbox, OutboxLimits, OutboxMessage,
    OutboxReceiver, ProcedureFault, ProcedureValue, QuerySetId, ReducerOutcome, RequestId, RowType,
    TableChange, outbox,
};
pub use panic_point::{BadPanicPoint, PANIC_VARIABLE};
pub use past::PastError;
pub use pauses::{MEASURE_VARIABLE, PauseFigures};
pub use publish::{
    MigrationPolicy, ModuleUpdate, Outlook, PrePublish, PrePublished, Publish, PublishError,
    PublishTarget, Published, migration_token,
};
pub use questions::QueryCounts;
pub use reads::{ReadError, ReadLimits};
pub use replay::{
    Difference, ReplayCallsError, ReplayObserver, ReplayOptions, ReplayProgress, ReplaySummary,
    Rows, StepError, TableDifference, replay_calls,
};
pub use request::{
    CallArgs, CallOutcome, CallReport, Caller, ClientId, Connect, ConnectError, DatabaseGone,
    ReducerCall, Request,
};
pub use restore::{RestoreError, RestoreTarget, Restored, restore_into};
pub use settings::{DatabaseSettings, HostConfig};
pub use spacetime_code_cache::CacheKey;
pub use spacetime_durability::storage::{Backend, SimStorage, Storage};
pub use spacetime_store::{LogRetention, OpenStoreError, StoreOptions};
pub use spacetime_table::migrate::{Hints, Mode, Rename, Style, ValueHint};
pub use sql::{SqlError, SqlResult, SqlStats};
pub use wasm::{CallLimits, CompileOptions, CreateInstanceError, LoadProgramError};

//! Everything that can be asked of a running database: one closed enum, taken in order by its
//! writer thread from one bounded queue.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_store::{DurableWaiter, LogBehind};
use spacetime_table::migrate::Style;
use spacetime_types::{ConnectionId, Identity, TxOffset};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::counters::Gauges;
use crate::database::{InsertRowsError, ScheduledRow, Work};
use crate::outbox::{Outbox, QuerySetId, ReducerOutcome, RequestId, SetSerial};
use crate::procedures::{BeginTx, ProcedureDone};
use crate::publish::{ModuleUpdate, PrePublished, PublishError};
use crate::sql::{SqlError, SqlResult};
use crate::wasm::ImmediateCall;

/// A connected client, as its database numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    pub identity: Identity,
    pub connection_id: ConnectionId,
    /// The claims of the token that the caller logged in with, as JSON text.
    pub claims_json: Arc<str>,
}

/// A client that wants to connect.
#[derive(Debug)]
pub struct Connect {
    pub caller: Caller,
    /// Hold messages back until what they tell is durable.
    pub confirmed: bool,
    /// v1 clients may not subscribe to event tables.
    pub event_tables: bool,
    /// Whether results of calls tell the arguments as JSON.
    pub json: bool,
    pub outbox: Outbox,
}

/// Why a client was not let in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The module's `client_connected` reducer said no, or broke.
    #[error("{0}")]
    Rejected(Box<str>),
    #[error("the time budget of client_connected is used up")]
    OutOfBudget,
    #[error(transparent)]
    Gone(#[from] DatabaseGone),
}

/// The database stopped, failed or was deleted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database is not running: {reason}")]
pub struct DatabaseGone {
    pub reason: Box<str>,
}

/// Arguments of a call.
#[derive(Clone, Debug)]
pub enum CallArgs {
    /// The parameters' BSATN, concatenated.
    Bsatn(Bytes),
    /// SATS-JSON text: an array in order, or an object by name.
    Json(Bytes),
}

/// What an HTTP caller learns of its call.
#[derive(Clone, Debug)]
pub struct CallReport {
    pub outcome: CallOutcome,
    pub duration_micros: u64,
}

/// How a call over HTTP ended.
#[derive(Clone, Debug)]
pub enum CallOutcome {
    Reducer(ReducerOutcome),
    /// A procedure's return value as JSON text.
    Procedure(Box<str>),
    /// A procedure broke; the module's log has the details.
    ProcedureFailed(Box<str>),
    ProcedureOutOfBudget,
    /// Neither a reducer nor a procedure of that name, or a private one.
    NoSuchFunction,
    /// The arguments do not decode.
    BadArgs(Box<str>),
    /// A lifecycle reducer was called by name.
    Lifecycle(Box<str>),
    /// `client_connected` refused the caller.
    Connect(ConnectError),
}

/// A message to the writer thread.
#[derive(Debug)]
pub enum Request {
    Connect {
        connect: Connect,
        reply: oneshot::Sender<Result<ClientId, ConnectError>>,
    },
    Disconnect {
        client: ClientId,
    },
    CallReducer {
        client: ClientId,
        request_id: RequestId,
        call: ReducerCall,
    },
    CallProcedure {
        client: ClientId,
        request_id: RequestId,
        name: Box<str>,
        args: CallArgs,
    },
    Subscribe {
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        queries: Vec<Box<str>>,
    },
    Unsubscribe {
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        send_dropped_rows: bool,
    },
    /// From a reader thread: a set is registered, but its first rows could not be read, and the
    /// client is told so.
    FirstRowsFailed {
        client: ClientId,
        query_set: QuerySetId,
        serial: SetSerial,
    },
    OneOff {
        client: ClientId,
        message_id: Bytes,
        query: Box<str>,
    },
    /// A call from outside any connection: connect, call, disconnect.
    CallOnce {
        caller: Caller,
        name: Box<str>,
        args: CallArgs,
        reply: oneshot::Sender<CallReport>,
    },
    Sql {
        caller: Caller,
        text: Box<str>,
        confirmed: bool,
        /// Whether the caller is connected for as long as this takes, as over HTTP.
        connects: bool,
        reply: oneshot::Sender<Result<Vec<SqlResult>, SqlError>>,
    },
    /// The last transaction so far and how to wait for it, if it is not on disk yet.
    Unsaved {
        reply: oneshot::Sender<Option<(TxOffset, DurableWaiter)>>,
    },
    /// Takes a snapshot if there is so much log behind the last one, and tells when it is there.
    Snapshot {
        least: LogBehind,
        reply: oneshot::Sender<Result<TxOffset, String>>,
    },
    /// From a procedure: it wants the rows for a transaction.
    BeginTx(BeginTx),
    /// Calls that an HTTP handler asked for.
    CallSoon(Vec<ImmediateCall>),
    /// A procedure ended.
    ProcedureDone(Box<ProcedureDone>),
    /// What is true of the database now, in numbers.
    Gauges {
        /// How many queries are named.
        busiest: usize,
        reply: oneshot::Sender<Gauges>,
    },
    /// What is left to do without being asked.
    Work {
        reply: oneshot::Sender<Work>,
    },
    ScheduledRows {
        reply: oneshot::Sender<Vec<ScheduledRow>>,
    },
    /// Inserts rows past the module.
    InsertRows {
        table: Box<str>,
        rows: Vec<Bytes>,
        reply: oneshot::Sender<Result<(), InsertRowsError>>,
    },
    /// Puts another module in place of the running one. The answer is the last transaction
    /// before an explicit migration.
    Update {
        update: Box<ModuleUpdate>,
        reply: oneshot::Sender<Result<Option<TxOffset>, PublishError>>,
    },
    /// What that would do. Nothing is changed.
    PreviewUpdate {
        update: Box<ModuleUpdate>,
        style: Style,
        reply: oneshot::Sender<Result<PrePublished, PublishError>>,
    },
    /// The program in place.
    Program {
        reply: oneshot::Sender<Option<Bytes>>,
    },
    /// Drains, syncs, and ends the thread.
    Stop {
        reason: Box<str>,
        reply: Option<oneshot::Sender<()>>,
    },
}

/// A reducer call of a connected client.
#[derive(Debug)]
pub struct ReducerCall {
    pub reducer: Box<str>,
    pub args: CallArgs,
    /// v1's `NoSuccessNotify`: the caller gets its update like any other client and nothing else.
    pub quiet: bool,
    /// Given back when the call is done: for calls that have no answer.
    pub permit: Option<OwnedSemaphorePermit>,
}

//! The end of a procedure, on its way to the writer thread: the answer must come after what the
//! procedure committed, and wait for the disk with it.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_types::{TableId, Timestamp};
use tokio::sync::oneshot;

use super::pool::{Procedure, ProcedureError};
use crate::outbox::RequestId;
use crate::request::{CallReport, Caller, ClientId};
use crate::wasm::ImmediateCall;

/// Who waits for a procedure.
#[derive(Debug)]
pub(crate) enum Origin {
    Client {
        client: ClientId,
        request_id: RequestId,
        /// The value is wanted as text, too.
        as_json: bool,
    },
    /// A call from outside any connection: the caller was let in and has to be seen off.
    Once {
        caller: Caller,
        reply: oneshot::Sender<CallReport>,
    },
    /// A row of a scheduled table that runs every so many microseconds.
    Interval {
        table: TableId,
        row_id: u64,
        intended: Timestamp,
        every: i64,
    },
    /// Nobody.
    Module,
}

/// A procedure that ended.
#[derive(Debug)]
pub struct ProcedureDone {
    pub(crate) origin: Origin,
    pub(crate) procedure: Arc<Procedure>,
    pub(crate) result: Result<Bytes, ProcedureError>,
    pub(crate) immediate: Vec<ImmediateCall>,
    pub(crate) timestamp: Timestamp,
    pub(crate) duration_micros: u64,
}

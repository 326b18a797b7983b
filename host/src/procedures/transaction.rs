//! One transaction of a procedure: the rows go from the writer thread to the procedure's thread,
//! and back.
//!
//! Invariants
//!   * While the rows are lent, the writer waits for them. The procedure can only compute
//!     meanwhile, within a limit, so they come back soon.
//!   * If the thread that has the rows dies with them, the writer fails too, and the database is
//!     opened again from its log.

use spacetime_table::Datastore;
use spacetime_types::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::request::Request;
use crate::wasm::ImmediateCall;

/// A procedure's question for the rows.
#[derive(Debug)]
pub struct BeginTx {
    pub(crate) reply: oneshot::Sender<Result<Lent, Box<str>>>,
}

/// The rows, inside a transaction, with the time that it counts as.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) rows: Box<Datastore>,
    pub(crate) timestamp: Timestamp,
    pub(crate) back: oneshot::Sender<Returned>,
}

/// The rows on their way back.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) rows: Box<Datastore>,
    pub(crate) immediate: Vec<ImmediateCall>,
    pub(crate) end: End,
}

/// What becomes of the transaction.
#[derive(Debug)]
pub(crate) enum End {
    Commit(oneshot::Sender<Result<(), Box<str>>>),
    Abort,
}

/// Why a transaction did not begin, or was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TxError {
    #[error("the database is not running any more")]
    Gone,
    #[error("{0}")]
    Refused(Box<str>),
}

/// The way to the writer thread. All calls wait: not for asynchronous code.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    requests: mpsc::WeakSender<Request>,
}

impl Writer {
    pub(crate) fn new(requests: mpsc::WeakSender<Request>) -> Writer {
        Writer { requests }
    }

    /// Waits for the turn of this transaction.
    pub(crate) fn begin(&self) -> Result<(Box<Datastore>, Timestamp, OpenTx), TxError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.upgrade().ok_or(TxError::Gone)?;
        requests
            .blocking_send(Request::BeginTx(BeginTx { reply }))
            .map_err(|_| TxError::Gone)?;
        // The queue must not be kept alive by those who wait in it.
        drop(requests);
        let lent = answer.blocking_recv().map_err(|_| TxError::Gone)?;
        let lent = lent.map_err(TxError::Refused)?;
        Ok((lent.rows, lent.timestamp, OpenTx { back: lent.back }))
    }
}

/// A transaction whose rows are here.
#[derive(Debug)]
pub(crate) struct OpenTx {
    back: oneshot::Sender<Returned>,
}

impl OpenTx {
    /// Waits until the transaction is committed.
    pub(crate) fn commit(
        self,
        rows: Box<Datastore>,
        immediate: Vec<ImmediateCall>,
    ) -> Result<(), TxError> {
        let (reply, answer) = oneshot::channel();
        let returned = Returned {
            rows,
            immediate,
            end: End::Commit(reply),
        };
        self.back.send(returned).map_err(|_| TxError::Gone)?;
        let committed = answer.blocking_recv().map_err(|_| TxError::Gone)?;
        committed.map_err(TxError::Refused)
    }

    /// Undoes the transaction.
    pub(crate) fn abort(self, rows: Box<Datastore>, immediate: Vec<ImmediateCall>) {
        // If nobody takes them back, the writer is gone, and its rows count for nothing.
        let _ = self.back.send(Returned {
            rows,
            immediate,
            end: End::Abort,
        });
    }
}

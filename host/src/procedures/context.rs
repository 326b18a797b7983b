//! What a procedure has beside its arguments: a way to the rows, to the network, and time.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spacetime_types::ConnectionId;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::transaction::{OpenTx, Writer};
use crate::clock::TimeSource;
use crate::module_http::OutboundHttp;
use crate::panic_point::PanicPoint;

/// The database goes down: nothing waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database is stopping")]
pub(crate) struct Stopping;

/// What procedures of one database share.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) writer: Writer,
    pub(crate) runtime: Handle,
    /// `None` if modules may not send requests.
    pub(crate) http: Option<Arc<dyn OutboundHttp>>,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) time: TimeSource,
    /// For tests.
    pub(crate) panic_point: Option<Arc<PanicPoint>>,
    /// How long one call may compute.
    pub(crate) run_time_max: Duration,
    /// How long one transaction may keep the rows.
    pub(crate) tx_time_max: Duration,
}

/// One call of a procedure or of an HTTP handler.
#[derive(Debug)]
pub(crate) struct ProcedureContext {
    pub(crate) surroundings: Surroundings,
    /// The claims of the caller's token, for the connection that the call names.
    pub(crate) claims: Option<(ConnectionId, Arc<str>)>,
    pub(crate) open: Option<OpenTx>,
    stopwatch: Stopwatch,
}

/// Time that counts only while it runs.
#[derive(Clone, Copy, Debug)]
struct Stopwatch {
    left: Duration,
    since: Instant,
}

impl ProcedureContext {
    pub(crate) fn new(
        surroundings: Surroundings,
        claims: Option<(ConnectionId, Arc<str>)>,
    ) -> ProcedureContext {
        let left = surroundings.run_time_max;
        ProcedureContext {
            surroundings,
            claims,
            open: None,
            stopwatch: Stopwatch {
                left,
                since: Instant::now(),
            },
        }
    }

    /// How long the procedure may go on computing before it is stopped.
    pub(crate) fn time_left(&self) -> Duration {
        let Stopwatch { left, since } = self.stopwatch;
        let left = left.saturating_sub(since.elapsed());
        match self.open {
            Some(_) => left.min(self.surroundings.tx_time_max),
            None => left,
        }
    }

    /// Runs something that waits. The wait does not count.
    pub(crate) fn waiting<T>(&mut self, wait: impl FnOnce(&mut Self) -> T) -> T {
        self.stopwatch.left = self
            .stopwatch
            .left
            .saturating_sub(self.stopwatch.since.elapsed());
        let result = wait(self);
        self.stopwatch.since = Instant::now();
        result
    }

    /// Waits for `what`, or until the database stops.
    pub(crate) fn block_on<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Stopping> {
        self.waiting(|this| {
            let mut stopping = this.surroundings.stopping.clone();
            this.surroundings.runtime.block_on(async {
                tokio::select! {
                    result = what => Ok(result),
                    // An error means that the database is gone already.
                    _ = stopping.wait_for(|stopping| *stopping) => Err(Stopping),
                }
            })
        })
    }
}

//! The context of procedures, and the transactions that they open.

use std::convert::Infallible;
use std::ops::Deref;

use super::{Chance, ReducerContext, database_identity};
use crate::http::HttpClient;
use crate::sys::{Errno, host};
use crate::types::{ConnectionId, Identity, Timestamp};

/// What a procedure is given. It is in no transaction: see [`ProcedureContext::with_tx`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ProcedureContext {
    /// When the call began, or when it last woke up.
    pub timestamp: Timestamp,
    /// Requests to other servers.
    pub http: HttpClient,
    sender: Identity,
    connection_id: Option<ConnectionId>,
    #[cfg_attr(not(feature = "rand"), allow(dead_code))]
    pub(super) chance: Chance,
}

/// A transaction of a procedure. It is a [`ReducerContext`] too.
#[derive(Debug)]
pub struct TxContext(ReducerContext);

impl Deref for TxContext {
    type Target = ReducerContext;

    fn deref(&self) -> &ReducerContext {
        &self.0
    }
}

impl AsRef<ReducerContext> for TxContext {
    fn as_ref(&self) -> &ReducerContext {
        &self.0
    }
}

impl ProcedureContext {
    pub(crate) fn new(
        sender: Identity,
        connection_id: Option<ConnectionId>,
        timestamp: Timestamp,
    ) -> Self {
        ProcedureContext {
            timestamp,
            http: HttpClient {},
            sender,
            connection_id,
            chance: Chance::default(),
        }
    }

    /// Who calls.
    pub fn sender(&self) -> Identity {
        self.sender
    }

    /// Through which connection; none if the database calls by itself.
    pub fn connection_id(&self) -> Option<ConnectionId> {
        self.connection_id
    }

    /// The identity of this database.
    pub fn database_identity(&self) -> Identity {
        database_identity()
    }

    /// The identity of this database.
    #[deprecated = "use `database_identity`"]
    pub fn identity(&self) -> Identity {
        database_identity()
    }

    /// Waits without holding anything up. `timestamp` is the time of waking up afterwards.
    pub fn sleep_until(&mut self, wake: Timestamp) {
        let now = host::procedure_sleep_until(wake.to_micros_since_unix_epoch());
        self.timestamp = Timestamp::from_micros_since_unix_epoch(now);
    }

    /// Runs `body` in a transaction and commits it. If the commit fails, `body` runs once more.
    pub fn with_tx<T>(&mut self, body: impl Fn(&TxContext) -> T) -> T {
        with_tx(self.sender, self.connection_id, body)
    }

    /// Runs `body` in a transaction, which an error undoes.
    pub fn try_with_tx<T, E>(&mut self, body: impl Fn(&TxContext) -> Result<T, E>) -> Result<T, E> {
        commit_or_retry(self.sender, self.connection_id, body)
    }
}

#[cfg(feature = "rand")]
super::random_methods!(ProcedureContext);

/// A transaction that nothing but a panic undoes.
pub(crate) fn with_tx<T>(
    sender: Identity,
    connection_id: Option<ConnectionId>,
    body: impl Fn(&TxContext) -> T,
) -> T {
    let run = |tx: &TxContext| Ok::<T, Infallible>(body(tx));
    match commit_or_retry(sender, connection_id, run) {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// A transaction that an error undoes, and that is tried again if it cannot be committed.
pub(crate) fn commit_or_retry<T, E>(
    sender: Identity,
    connection_id: Option<ConnectionId>,
    body: impl Fn(&TxContext) -> Result<T, E>,
) -> Result<T, E> {
    let run = || {
        let started = host::procedure_start_mut_tx().unwrap_or_else(|errno| fail("begin", errno));
        let timestamp = Timestamp::from_micros_since_unix_epoch(started);
        let tx = TxContext(ReducerContext::new(sender, connection_id, timestamp));
        let result = body(&tx);
        if result.is_err() {
            host::procedure_abort_mut_tx().unwrap_or_else(|errno| fail("undo", errno));
        }
        result
    };
    let value = run()?;
    let Err(errno) = host::procedure_commit_mut_tx() else {
        return Ok(value);
    };
    log::warn!("a transaction could not be committed and runs once more: {errno}");
    let value = run()?;
    host::procedure_commit_mut_tx().unwrap_or_else(|errno| fail("commit", errno));
    Ok(value)
}

#[cold]
fn fail(what: &str, errno: Errno) -> ! {
    panic!("cannot {what} a transaction: {errno}")
}

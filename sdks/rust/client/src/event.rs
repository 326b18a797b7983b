//! Events: why a callback runs.

use crate::Timestamp;
use crate::error::{Error, InternalError};

/// Why rows have changed. More cases may come.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Event<R> {
    /// A reducer that this connection called was committed.
    Reducer(ReducerEvent<R>),
    /// The first rows of a subscription came, or those after a reconnect.
    SubscribeApplied,
    /// A subscription has ended, and its rows are gone.
    UnsubscribeApplied,
    /// The connection has ended.
    Disconnected,
    /// The server gave up a subscription, and its rows are gone.
    SubscribeError(Error),
    /// Somebody else's transaction, or one that no call of this connection made.
    Transaction,
}

/// The end of a reducer call of this connection.
#[derive(Clone, Debug)]
pub struct ReducerEvent<R> {
    /// When the reducer ran: its `ctx.timestamp`.
    pub timestamp: Timestamp,
    /// How it ended.
    pub status: Status,
    /// The reducer and its arguments.
    pub reducer: R,
}

/// How a reducer call ended.
#[derive(Clone, Debug)]
pub enum Status {
    /// Its changes are made.
    Committed,
    /// It returned an error; nothing has changed.
    Err(String),
    /// It could not run, or not to its end; or the connection was lost before the answer came, and
    /// then nobody here knows whether it ran.
    Panic(InternalError),
}

//! What a program says before there is a connection.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use http::Uri;
use tokio::sync::mpsc::unbounded_channel;

use super::DbContextImpl;
use super::diary::Diary;
use super::drive::Driver;
use super::incoming;
use super::link::{self, Commands, ConnectFailure, Link, Target};
use super::requests::Requests;
use crate::Identity;
use crate::error::{Error, InternalError, Result};
use crate::module::{DbConnection as _, SpacetimeModule};
use crate::wire::frame::Compression;

/// See [`DbConnectionBuilder::with_silence_limit`].
const SILENCE_MAX: Duration = Duration::from_secs(30);

type OnConnect<M> = Box<dyn FnOnce(&<M as SpacetimeModule>::DbConnection, Identity, &str) + Send>;
type OnConnectError<M> = Box<dyn FnOnce(&<M as SpacetimeModule>::ErrorContext, Error) + Send>;
type OnDisconnect<M> = Box<dyn FnOnce(&<M as SpacetimeModule>::ErrorContext, Option<Error>) + Send>;
type OnConnectionLost<M> = Box<dyn FnMut(&<M as SpacetimeModule>::ErrorContext, Error) + Send>;
type OnReconnect<M> = Box<dyn FnMut(&<M as SpacetimeModule>::DbConnection, Identity, &str) + Send>;

/// The callbacks of the connection itself.
pub(super) struct Lifecycle<M: SpacetimeModule> {
    pub(super) on_connect: Option<OnConnect<M>>,
    pub(super) on_connect_error: Option<OnConnectError<M>>,
    pub(super) on_disconnect: Option<OnDisconnect<M>>,
    pub(super) on_connection_lost: Option<OnConnectionLost<M>>,
    pub(super) on_reconnect: Option<OnReconnect<M>>,
}

/// Whether and how a connection that breaks is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The wait before the first attempt; every further wait is twice as long.
    pub delay_min: Duration,
    /// The longest wait.
    pub delay_max: Duration,
    /// Attempts in a row before the connection is given up. `None`: it never is.
    pub attempts_max: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Reconnect {
            delay_min: Duration::from_millis(200),
            delay_max: Duration::from_secs(30),
            attempts_max: None,
        }
    }
}

/// Makes a connection.
pub struct DbConnectionBuilder<M: SpacetimeModule> {
    uri: Option<Uri>,
    database: Option<String>,
    token: Option<String>,
    #[cfg(not(target_arch = "wasm32"))]
    certificates: Option<Arc<[u8]>>,
    compression: Compression,
    confirmed: Option<bool>,
    reconnect: Option<Reconnect>,
    silence_max: Duration,
    debug_path: Option<PathBuf>,
    lifecycle: Lifecycle<M>,
}

impl<M: SpacetimeModule> Debug for DbConnectionBuilder<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbConnectionBuilder")
            .field("uri", &self.uri)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl<M: SpacetimeModule> Default for DbConnectionBuilder<M> {
    fn default() -> Self {
        Self::new()
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, name: &str) {
    assert!(place.is_none(), "{name} can be said only once");
    *place = Some(value);
}

impl<M: SpacetimeModule> DbConnectionBuilder<M> {
    /// Nothing said yet.
    #[must_use]
    pub fn new() -> Self {
        DbConnectionBuilder {
            uri: None,
            database: None,
            token: None,
            #[cfg(not(target_arch = "wasm32"))]
            certificates: None,
            compression: Compression::default(),
            confirmed: None,
            reconnect: None,
            silence_max: SILENCE_MAX,
            debug_path: None,
            lifecycle: Lifecycle {
                on_connect: None,
                on_connect_error: None,
                on_disconnect: None,
                on_connection_lost: None,
                on_reconnect: None,
            },
        }
    }

    /// The server, as in `http://127.0.0.1:3000`; by `https` or `wss` the connection is encrypted.
    /// Panics if this is no address.
    #[must_use]
    pub fn with_uri<E: Debug>(mut self, uri: impl TryInto<Uri, Error = E>) -> Self {
        let uri = uri.try_into();
        self.uri = Some(uri.expect("`with_uri` takes the address of a server"));
        self
    }

    /// The database, by its name or its identity.
    #[must_use]
    pub fn with_database_name(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Who this client is: what `on_connect` gave earlier. Without one it is somebody new.
    #[must_use]
    pub fn with_token(mut self, token: Option<impl Into<String>>) -> Self {
        self.token = token.map(Into::into);
        self
    }

    /// Certificates, as the text of a PEM file, that are trusted beside the authorities that
    /// browsers trust: for a server whose certificate one has made oneself.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub fn with_trusted_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.certificates = Some(Arc::from(pem.as_ref()));
        self
    }

    /// How the server may pack what it sends.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Whether to be told of transactions only once they are on the server's disk. If this is not
    /// said, the server decides.
    #[must_use]
    pub fn with_confirmed_reads(mut self, confirmed: bool) -> Self {
        self.confirmed = Some(confirmed);
        self
    }

    /// Makes the connection again whenever it breaks. The rows stay; once all subscriptions have
    /// been answered, callbacks are told the difference.
    #[must_use]
    pub fn with_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = Some(reconnect);
        self
    }

    /// A connection on which nothing has come for so long is asked for a sign of life, and given up
    /// when nothing has come for as long again. If this is not said, it is 30 seconds.
    #[must_use]
    pub fn with_silence_limit(mut self, limit: Duration) -> Self {
        self.silence_max = limit;
        self
    }

    /// Writes what the connection does to the end of a file, a line for every message: to look for
    /// faults. Each connection needs a file of its own. In web pages the lines go to the log.
    #[must_use]
    pub fn with_debug_to_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.debug_path = Some(path.into());
        self
    }

    /// Runs `callback` once the server has said who this client is.
    #[must_use]
    pub fn on_connect(
        mut self,
        callback: impl FnOnce(&M::DbConnection, Identity, &str) + Send + 'static,
    ) -> Self {
        let place = &mut self.lifecycle.on_connect;
        set_once(place, Box::new(callback), "`on_connect`");
        self
    }

    /// Runs `callback` if the connection ends before that.
    #[must_use]
    pub fn on_connect_error(
        mut self,
        callback: impl FnOnce(&M::ErrorContext, Error) + Send + 'static,
    ) -> Self {
        let place = &mut self.lifecycle.on_connect_error;
        set_once(place, Box::new(callback), "`on_connect_error`");
        self
    }

    /// Runs `callback` when the connection is over: without an error if the program wanted it.
    #[must_use]
    pub fn on_disconnect(
        mut self,
        callback: impl FnOnce(&M::ErrorContext, Option<Error>) + Send + 'static,
    ) -> Self {
        let place = &mut self.lifecycle.on_disconnect;
        set_once(place, Box::new(callback), "`on_disconnect`");
        self
    }

    /// Runs `callback` every time the connection breaks and is made again
    /// ([`with_reconnect`](Self::with_reconnect)).
    #[must_use]
    pub fn on_connection_lost(
        mut self,
        callback: impl FnMut(&M::ErrorContext, Error) + Send + 'static,
    ) -> Self {
        let place = &mut self.lifecycle.on_connection_lost;
        set_once(place, Box::new(callback), "`on_connection_lost`");
        self
    }

    /// Runs `callback` every time that has succeeded, after the callbacks of rows.
    #[must_use]
    pub fn on_reconnect(
        mut self,
        callback: impl FnMut(&M::DbConnection, Identity, &str) + Send + 'static,
    ) -> Self {
        let place = &mut self.lifecycle.on_reconnect;
        set_once(place, Box::new(callback), "`on_reconnect`");
        self
    }

    /// Connects. Returns when the server has agreed to a socket; callbacks run later, when the
    /// connection is driven. Panics if the address or the database is missing.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn build(self) -> Result<M::DbConnection> {
        let (connection, link) = self.prepare()?;
        let (connected, outcome) = std::sync::mpsc::sync_channel(1);
        let report = move |outcome| drop(connected.send(outcome));
        link::spawn(link.start(report)).map_err(failed)?;
        settle(connection, outcome.recv().ok())
    }

    /// The same for web pages, where nothing may wait but a future.
    #[cfg(target_arch = "wasm32")]
    pub async fn build(self) -> Result<M::DbConnection> {
        let (connection, link) = self.prepare()?;
        let (connected, outcome) = tokio::sync::oneshot::channel();
        link::spawn(link.start(move |outcome| drop(connected.send(outcome))));
        settle(connection, outcome.await.ok())
    }

    fn prepare(self) -> Result<(DbContextImpl<M>, Link<M>)> {
        let target = Target {
            uri: self.uri.expect("`with_uri` has to be said"),
            database: self.database.expect("`with_database_name` has to be said"),
            token: self.token.map(Arc::from),
            #[cfg(not(target_arch = "wasm32"))]
            certificates: self.certificates,
            compression: self.compression,
            confirmed: self.confirmed,
            connection_id: crate::unstable::connection_id(),
            silence_max: self.silence_max,
            has_connected: false,
        };
        let diary = Diary::open(self.debug_path)?;
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = unbounded_channel();
        let (incoming_sender, incoming_receiver) = incoming::channel();
        let driver = Driver::new(incoming_receiver, self.lifecycle);
        let requests = Requests::new(sender, queued_bytes.clone());
        let connection = DbContextImpl::new(driver, requests, target.connection_id);
        let link = Link {
            target,
            reconnect: self.reconnect,
            commands: Commands::new(receiver, queued_bytes),
            incoming: incoming_sender,
            written: AtomicU64::new(0),
            diary,
        };
        Ok((connection, link))
    }
}

fn settle<M: SpacetimeModule>(
    connection: DbContextImpl<M>,
    outcome: Option<std::result::Result<(), ConnectFailure>>,
) -> Result<M::DbConnection> {
    match outcome {
        Some(Ok(())) => Ok(M::DbConnection::new(connection)),
        Some(Err(failure)) => Err(failed(failure.error)),
        None => Err(failed(InternalError::new("the connecting task has ended"))),
    }
}

fn failed(source: InternalError) -> Error {
    Error::FailedToConnect { source }
}

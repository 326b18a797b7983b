//! A connection: what all its handles and contexts share.
//!
//! Three parties work on it:
//!   * programs, from any thread: they read the cache, and put calls and subscriptions into
//!     [`requests`], from where they are sent at once;
//!   * the task of the socket (`link`): it decodes what comes, and connects again;
//!   * whoever drives the connection ([`drive`]): applies what came, and runs callbacks.
//!
//! Invariants
//!   * At most one thread drives at a time. While callbacks run, nothing but the drive's own lock
//!     is held, so they may do everything except driving.
//!   * Request ids rise in the order in which messages are sent.
//!   * Every callback of a call runs exactly once, also when the connection is lost.

mod answers;
mod builder;
mod diary;
mod drive;
mod incoming;
mod link;
mod requests;
mod table_handle;

use std::sync::Arc;
use std::thread::ThreadId;

use parking_lot::{Mutex, RwLock};

pub use builder::{DbConnectionBuilder, Reconnect};
use drive::Driver;
use requests::Requests;
pub use table_handle::{IndexHandle, TableHandle, UniqueConstraintHandle};

use crate::cache::ClientCache;
use crate::callbacks::DbCallbacks;
use crate::error::{Error, InternalError, Result};
use crate::module::{InModule, Reducer as _, SpacetimeModule};
use crate::sats::bsatn;
use crate::sats::de::DeserializeOwned;
use crate::sats::ser::Serialize;
use crate::subscription::{OnAppliedCallback, OnEndedCallback, OnErrorCallback};
use crate::wire::QuerySetId;
use crate::{ConnectionId, Identity};

/// A change of the callbacks of rows, put aside until no callback runs.
type Registration<M> = Box<dyn FnOnce(&mut DbCallbacks<M>) + Send>;

/// Who this client is to the server.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    identity: Option<Identity>,
    connection_id: Option<ConnectionId>,
    is_over: bool,
}

struct Shared<M: SpacetimeModule> {
    cache: RwLock<ClientCache<M>>,
    requests: Mutex<Requests<M>>,
    registrations: Mutex<Vec<Registration<M>>>,
    session: Mutex<Session>,
    driver: tokio::sync::Mutex<Driver<M>>,
    /// The thread that runs callbacks at this moment.
    driving: Mutex<Option<ThreadId>>,
}

/// A handle on a connection. Cloning it is cheap.
pub struct DbContextImpl<M: SpacetimeModule> {
    shared: Arc<Shared<M>>,
}

impl<M: SpacetimeModule> Clone for DbContextImpl<M> {
    fn clone(&self) -> Self {
        DbContextImpl {
            shared: self.shared.clone(),
        }
    }
}

impl<M: SpacetimeModule> std::fmt::Debug for DbContextImpl<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DbContextImpl")
            .field(&*self.shared.session.lock())
            .finish()
    }
}

impl<M: SpacetimeModule> DbContextImpl<M> {
    fn new(driver: Driver<M>, requests: Requests<M>, connection_id: Option<ConnectionId>) -> Self {
        let session = Session {
            connection_id,
            ..Session::default()
        };
        DbContextImpl {
            shared: Arc::new(Shared {
                cache: RwLock::new(ClientCache::new()),
                requests: Mutex::new(requests),
                registrations: Mutex::default(),
                session: Mutex::new(session),
                driver: tokio::sync::Mutex::new(driver),
                driving: Mutex::default(),
            }),
        }
    }

    /// A handle on a table.
    #[must_use]
    pub fn get_table<Row>(&self, name: &'static str) -> TableHandle<Row>
    where
        Row: InModule<Module = M>,
    {
        TableHandle::new(self.clone(), name)
    }

    /// Whether the connection has not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.shared.session.lock().is_over
    }

    /// Ends the connection. What was sent before still arrives.
    pub fn disconnect(&self) -> Result<()> {
        if self.shared.requests.lock().close() {
            self.shared.session.lock().is_over = true;
            Ok(())
        } else {
            Err(Error::Disconnected)
        }
    }

    /// Who this client is, if the server has said so.
    #[must_use]
    pub fn try_identity(&self) -> Option<Identity> {
        self.shared.session.lock().identity
    }

    /// Which connection this is, if that is known.
    #[must_use]
    pub fn try_connection_id(&self) -> Option<ConnectionId> {
        self.shared.session.lock().connection_id
    }

    /// Which connection this is. Panics before the server has said so.
    #[must_use]
    pub fn connection_id(&self) -> ConnectionId {
        self.try_connection_id()
            .expect("the connection's id is known once `on_connect` has run")
    }

    /// Calls a reducer, and runs `callback` when it has ended.
    pub fn invoke_reducer_with_callback<Args>(
        &self,
        args: Args,
        callback: impl FnOnce(
            &M::ReducerEventContext,
            std::result::Result<std::result::Result<(), String>, InternalError>,
        ) + Send
        + 'static,
    ) -> Result<()>
    where
        Args: Into<M::Reducer>,
    {
        let reducer: M::Reducer = args.into();
        let arguments = match reducer.args_bsatn() {
            Ok(arguments) => arguments,
            Err(never) => match never {},
        };
        let mut requests = self.shared.requests.lock();
        requests.call_reducer(reducer, &arguments, Box::new(callback))
    }

    /// Calls a procedure, and runs `callback` when it has ended.
    pub fn invoke_procedure_with_callback<Args, Ret>(
        &self,
        name: &'static str,
        args: Args,
        callback: impl FnOnce(&M::ProcedureEventContext, std::result::Result<Ret, InternalError>)
        + Send
        + 'static,
    ) where
        Args: Serialize,
        Ret: DeserializeOwned,
    {
        let arguments = match bsatn::to_vec(&args) {
            Ok(arguments) => arguments,
            Err(never) => match never {},
        };
        let answer = move |ctx: &M::ProcedureEventContext, outcome: std::result::Result<_, _>| {
            let outcome = outcome.and_then(|bytes: bytes::Bytes| {
                bsatn::from_slice(&bytes).map_err(|error| {
                    InternalError::failed_parse(std::any::type_name::<Ret>(), name)
                        .with_cause(error)
                })
            });
            callback(ctx, outcome);
        };
        let mut requests = self.shared.requests.lock();
        requests.call_procedure(name, &arguments, Box::new(answer));
    }

    pub(crate) fn subscribe(
        &self,
        queries: Box<[Box<str>]>,
        on_applied: Option<OnAppliedCallback<M>>,
        on_error: Option<OnErrorCallback<M>>,
    ) -> QuerySetId {
        let mut requests = self.shared.requests.lock();
        requests.subscribe(queries.into(), on_applied, on_error)
    }

    pub(crate) fn unsubscribe(
        &self,
        set: QuerySetId,
        on_ended: Option<OnEndedCallback<M>>,
    ) -> Result<()> {
        self.shared.requests.lock().unsubscribe(set, on_ended)
    }

    pub(crate) fn set_is_ended(&self, set: QuerySetId) -> bool {
        self.shared.requests.lock().set_is_ended(set)
    }

    pub(crate) fn set_is_active(&self, set: QuerySetId) -> bool {
        self.shared.requests.lock().set_is_active(set)
    }

    fn register(&self, registration: Registration<M>) {
        self.shared.registrations.lock().push(registration);
    }
}

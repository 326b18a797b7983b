//! Functions that answer requests.

use crate::context::{Chance, TxContext, commit_or_retry, with_tx};
use crate::http::HttpClient;
use crate::sys::host;
use crate::types::{Identity, Timestamp};

/// A function that answers requests, by name. The attribute `handler` makes one.
#[cfg(feature = "unstable")]
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    pub(super) name: &'static str,
}

#[cfg(feature = "unstable")]
impl Handler {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Handler { name }
    }
}

/// What a handler is given. Nobody is known to be asking, and no transaction is open.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandlerContext {
    /// When the request came.
    pub timestamp: Timestamp,
    /// Requests to other servers.
    pub http: HttpClient,
    #[cfg_attr(not(feature = "rand"), allow(dead_code))]
    chance: Chance,
}

#[cfg_attr(not(feature = "unstable"), allow(dead_code))]
impl HandlerContext {
    pub(crate) fn new(timestamp: Timestamp) -> Self {
        HandlerContext {
            timestamp,
            http: HttpClient {},
            chance: Chance::default(),
        }
    }

    /// The identity of this database.
    pub fn database_identity(&self) -> Identity {
        Identity::from_byte_array(host::identity())
    }

    /// The identity of this database.
    #[deprecated = "use `database_identity`"]
    pub fn identity(&self) -> Identity {
        self.database_identity()
    }

    /// Runs `body` in a transaction and commits it. If the commit fails, `body` runs once more.
    pub fn with_tx<T>(&mut self, body: impl Fn(&TxContext) -> T) -> T {
        with_tx(Identity::ZERO, None, body)
    }

    /// Runs `body` in a transaction, which an error undoes.
    pub fn try_with_tx<T, E>(&mut self, body: impl Fn(&TxContext) -> Result<T, E>) -> Result<T, E> {
        commit_or_retry(Identity::ZERO, None, body)
    }
}

#[cfg(feature = "rand")]
crate::context::random_methods!(HandlerContext);

//! The context of reducers.

use super::{AnonymousViewContext, AuthCtx, Chance, Local, ViewContext, database_identity};
use crate::types::{ConnectionId, Identity, Timestamp};

/// What a reducer is given: the database, the caller and the time.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReducerContext {
    /// The database.
    pub db: Local,
    /// When the call began.
    pub timestamp: Timestamp,
    sender: Identity,
    connection_id: Option<ConnectionId>,
    sender_auth: AuthCtx,
    #[cfg_attr(not(feature = "rand"), allow(dead_code))]
    pub(super) chance: Chance,
}

impl ReducerContext {
    pub(crate) fn new(
        sender: Identity,
        connection_id: Option<ConnectionId>,
        timestamp: Timestamp,
    ) -> Self {
        ReducerContext {
            db: Local {},
            timestamp,
            sender,
            connection_id,
            sender_auth: AuthCtx::of(connection_id),
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

    /// How the caller proved who they are.
    pub fn sender_auth(&self) -> &AuthCtx {
        &self.sender_auth
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

    /// The context for calling a view's function.
    pub fn as_read_only(&self) -> ViewContext {
        ViewContext::new(self.sender)
    }

    /// The context for calling the function of a view without a caller.
    pub fn as_anonymous_read_only(&self) -> AnonymousViewContext {
        AnonymousViewContext::new()
    }
}

#[cfg(feature = "rand")]
super::random_methods!(ReducerContext);

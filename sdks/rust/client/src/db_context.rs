//! What every connection and every callback's context can do.

use crate::error::Result;
use crate::{ConnectionId, Identity};

/// A connection to a database, or the context of a callback, which stands for it.
pub trait DbContext {
    /// The tables.
    type DbView;
    /// The reducers.
    type Reducers;
    /// The procedures.
    type Procedures;
    /// What makes subscriptions.
    type SubscriptionBuilder;

    /// The rows that the client has.
    fn db(&self) -> &Self::DbView;

    /// Calls of reducers.
    fn reducers(&self) -> &Self::Reducers;

    /// Calls of procedures.
    fn procedures(&self) -> &Self::Procedures;

    /// Whether there is a connection, or one is being made.
    fn is_active(&self) -> bool;

    /// Ends the connection. What was sent before still arrives.
    fn disconnect(&self) -> Result<()>;

    /// Begins a subscription.
    fn subscription_builder(&self) -> Self::SubscriptionBuilder;

    /// Who this client is. Panics before the server has said so: use
    /// [`try_identity`](DbContext::try_identity) when that is possible.
    fn identity(&self) -> Identity {
        self.try_identity()
            .expect("the identity is known once `on_connect` has run")
    }

    /// Who this client is, if the server has said so.
    fn try_identity(&self) -> Option<Identity>;

    /// Which connection this is. Panics before the server has said so.
    fn connection_id(&self) -> ConnectionId;

    /// Which connection this is, if the server has said so.
    fn try_connection_id(&self) -> Option<ConnectionId>;
}

//! What the first message tells a client about itself.

use spacetime_types::{ConnectionId, Identity};

/// The client as the server knows it.
#[derive(Clone)]
pub struct Greeting {
    pub identity: Identity,
    pub connection_id: ConnectionId,
    /// The token that the client came with, or the one made for it.
    pub token: Box<str>,
}

impl std::fmt::Debug for Greeting {
    /// Without the token: it must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeting")
            .field("identity", &self.identity)
            .field("connection_id", &self.connection_id)
            .finish_non_exhaustive()
    }
}

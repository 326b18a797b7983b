//! Rows about live connections: `st_client`, `st_connection_credentials`.

use std::sync::Arc;

use spacetime_types::{ConnectionId, Identity};

use super::system_rows;

system_rows! {
    /// A live connection.
    StClient in ST_CLIENT {
        identity: Identity,
        connection_id: ConnectionId,
    }

    /// The claims of a live connection.
    StConnectionCredentials in ST_CONNECTION_CREDENTIALS {
        connection_id: ConnectionId,
        /// JSON text.
        jwt_payload: Arc<str>,
    }
}

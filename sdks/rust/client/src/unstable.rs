//! What may go away.

use std::sync::OnceLock;

use crate::ConnectionId;
use crate::error::{InternalError, Result};

static CONNECTION_ID: OnceLock<ConnectionId> = OnceLock::new();

/// Makes every connection of this process have this id. Can be said once.
pub fn set_connection_id(id: ConnectionId) -> Result<()> {
    let known = CONNECTION_ID.get_or_init(|| id);
    if *known == id {
        return Ok(());
    }
    Err(InternalError::new("the connection id has been set to another one").into())
}

pub(crate) fn connection_id() -> Option<ConnectionId> {
    CONNECTION_ID.get().copied()
}

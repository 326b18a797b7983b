//! The wall clock and chance, which only the edge may look at.

use std::time::{SystemTime, UNIX_EPOCH};

use spacetime_types::{ConnectionId, Identity, Timestamp};
use uuid::Uuid;

use crate::auth::OWN_ISSUER;

/// Now.
pub(crate) fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |past| past.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Now in seconds since the epoch, as tokens count.
pub(crate) fn now_s() -> i64 {
    now().micros.div_euclid(1_000_000)
}

/// A connection id that no other connection has.
pub(crate) fn new_connection_id() -> ConnectionId {
    loop {
        let id = ConnectionId(rand::random());
        if id != ConnectionId::ZERO {
            return id;
        }
    }
}

/// The identity of a new database. Nobody has a token for it.
pub(crate) fn new_database_identity() -> Identity {
    Identity::from_claims(OWN_ISSUER, &Uuid::new_v4().to_string())
}

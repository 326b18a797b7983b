//! Rows of the system tables that the host keeps: the module's, and those of live clients.

use std::sync::Arc;

use spacetime_table::Datastore;
use spacetime_table::error::WriteError;
use spacetime_table::system::{StClient, StConnectionCredentials, StModule, SystemRow};
use spacetime_types::bsatn::Encode;
use spacetime_types::{ConnectionId, Identity, IndexId};

/// The unique index of `st_connection_credentials` on the connection id.
const CREDENTIALS_INDEX: IndexId = IndexId(13);

pub(crate) fn insert_client(
    datastore: &mut Datastore,
    identity: Identity,
    connection_id: ConnectionId,
    claims_json: &Arc<str>,
) -> Result<(), WriteError> {
    datastore.insert_system_row(&StClient {
        identity,
        connection_id,
    })?;
    let jwt_payload = Arc::clone(claims_json);
    datastore.insert_system_row(&StConnectionCredentials {
        connection_id,
        jwt_payload,
    })?;
    Ok(())
}

pub(crate) fn delete_client(
    datastore: &mut Datastore,
    identity: Identity,
    connection_id: ConnectionId,
) -> Result<(), WriteError> {
    let client = StClient {
        identity,
        connection_id,
    };
    datastore.delete_eq_system(StClient::TABLE, &client.to_bsatn())?;
    if let Some(jwt_payload) = credentials(datastore, connection_id) {
        let row = StConnectionCredentials {
            connection_id,
            jwt_payload,
        };
        datastore.delete_eq_system(StConnectionCredentials::TABLE, &row.to_bsatn())?;
    }
    Ok(())
}

/// The claims that a connection logged in with.
pub(crate) fn credentials(datastore: &Datastore, connection: ConnectionId) -> Option<Arc<str>> {
    let mut key = Vec::new();
    connection.encode(&mut key);
    let (table, mut rows) = datastore.index_point(CREDENTIALS_INDEX, &key).ok()?;
    let mut row = Vec::new();
    datastore.read_row(table, rows.next()?, &mut row);
    StConnectionCredentials::decode(&row)
        .ok()
        .map(|row| row.jwt_payload)
}

/// The clients that the database believes to be connected.
pub(crate) fn clients(datastore: &Datastore) -> Vec<(Identity, ConnectionId)> {
    let rows = datastore.system_rows::<StClient>();
    rows.map(|(_, row)| (row.identity, row.connection_id))
        .collect()
}

/// The program in place; `None` before the first one.
pub(crate) fn module(datastore: &Datastore) -> Option<StModule> {
    datastore
        .system_rows::<StModule>()
        .next()
        .map(|(_, row)| row)
}

/// Replaces the program.
pub(crate) fn set_module(datastore: &mut Datastore, row: &StModule) -> Result<(), WriteError> {
    datastore.delete_system_rows::<StModule>(|_| true)?;
    datastore.insert_system_row(row)?;
    Ok(())
}

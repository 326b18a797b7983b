//! What a reducer learns about its caller, the time and chance.

use spacetimedb::{reducer, table, ConnectionId, Identity, ReducerContext, Table, Timestamp, Uuid};

/// One row for each `record_caller`.
#[table(accessor = caller, public)]
pub struct Caller {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub identity: Identity,
    pub connection: Option<ConnectionId>,
    pub database: Identity,
    pub moment: Timestamp,
    pub is_internal: bool,
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub random: u64,
    pub uuid_v4: Uuid,
    pub uuid_v7: Uuid,
}

/// Writes down everything the context knows.
#[reducer]
pub fn record_caller(ctx: &ReducerContext) -> Result<(), String> {
    let auth = ctx.sender_auth();
    let claims = auth.jwt();
    let uuid_v4 = ctx.new_uuid_v4().map_err(|error| error.to_string())?;
    let uuid_v7 = ctx.new_uuid_v7().map_err(|error| error.to_string())?;
    ctx.db.caller().insert(Caller {
        id: 0,
        identity: ctx.sender(),
        connection: ctx.connection_id(),
        database: ctx.database_identity(),
        moment: ctx.timestamp,
        is_internal: auth.is_internal(),
        issuer: claims.map(|claims| claims.issuer().to_owned()),
        subject: claims.map(|claims| claims.subject().to_owned()),
        random: ctx.random(),
        uuid_v4,
        uuid_v7,
    });
    Ok(())
}

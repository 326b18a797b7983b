//! The reducers the server itself calls, and a record of every such call.

use spacetimedb::{reducer, table, ConnectionId, Identity, ReducerContext, Table};

/// One row for each lifecycle call that committed, in order.
#[table(accessor = lifecycle_call, public)]
pub struct LifecycleCall {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub what: String,
    pub identity: Identity,
    pub connection: Option<ConnectionId>,
}

/// Present while the module turns away everybody who connects.
#[table(accessor = closed_door, public)]
pub struct ClosedDoor {
    #[primary_key]
    pub id: u8,
    pub reason: String,
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    log::info!("init");
    record(ctx, "init");
}

#[reducer(client_connected)]
pub fn client_connected(ctx: &ReducerContext) -> Result<(), String> {
    if let Some(door) = ctx.db.closed_door().id().find(0) {
        return Err(door.reason);
    }
    record(ctx, "connected");
    Ok(())
}

#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) {
    record(ctx, "disconnected");
}

/// From now on, whoever connects is turned away with this reason.
#[reducer]
pub fn close_door(ctx: &ReducerContext, reason: String) {
    ctx.db.closed_door().insert(ClosedDoor { id: 0, reason });
}

#[reducer]
pub fn open_door(ctx: &ReducerContext) {
    ctx.db.closed_door().clear();
}

fn record(ctx: &ReducerContext, what: &str) {
    ctx.db.lifecycle_call().insert(LifecycleCall {
        id: 0,
        what: what.to_owned(),
        identity: ctx.sender(),
        connection: ctx.connection_id(),
    });
}

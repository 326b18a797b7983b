//! People with names.

use spacetimedb::{reducer, table, ReducerContext, Table};

#[table(accessor = person, public)]
pub struct Person {
    name: String,
}

/// Runs once, when the database is made.
#[reducer(init)]
pub fn init(_ctx: &ReducerContext) {}

/// Runs whenever a client connects.
#[reducer(client_connected)]
pub fn identity_connected(_ctx: &ReducerContext) {}

/// Runs whenever a client is gone.
#[reducer(client_disconnected)]
pub fn identity_disconnected(_ctx: &ReducerContext) {}

/// Adds a person.
#[reducer]
pub fn add(ctx: &ReducerContext, name: String) {
    ctx.db.person().insert(Person { name });
}

/// Greets everybody in the log.
#[reducer]
pub fn say_hello(ctx: &ReducerContext) {
    for person in ctx.db.person().iter() {
        log::info!("Hello, {}!", person.name);
    }
    log::info!("Hello, World!");
}

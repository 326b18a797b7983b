//! An event table: its rows are seen by subscribers and are gone with the transaction.

use spacetimedb::{reducer, table, ReducerContext, Table};

/// Something that happened.
#[table(accessor = hit, public, event)]
pub struct Hit {
    pub target: u32,
    pub strength: i32,
}

/// Publishes `count` events.
#[reducer]
pub fn emit_hits(ctx: &ReducerContext, target: u32, count: u32) {
    for strength in 0..count {
        ctx.db.hit().insert(Hit {
            target,
            strength: strength as i32,
        });
    }
}

/// Publishes an event, and then fails: nobody must see it.
#[reducer]
pub fn emit_hit_and_fail(ctx: &ReducerContext, target: u32) -> Result<(), String> {
    ctx.db.hit().insert(Hit {
        target,
        strength: 1,
    });
    Err("the event must not be seen".to_owned())
}

/// Checks that no event of an earlier transaction is still there.
#[reducer]
pub fn check_no_hits(ctx: &ReducerContext) -> Result<(), String> {
    match ctx.db.hit().count() {
        0 => Ok(()),
        count => Err(format!("{count} events outlived their transaction")),
    }
}

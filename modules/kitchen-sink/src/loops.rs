//! Changing a table while reading it.
//!
//! An iterator sees the rows that were there when it was opened; what the loop itself inserts
//! or deletes may or may not be seen, but no row is seen twice and none comes back to life.

use spacetimedb::{reducer, table, ReducerContext, Table};

use crate::indexes::expect;

/// The rows that are counted.
#[table(accessor = sheep, public)]
pub struct Sheep {
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub field: u32,
    pub name: String,
}

/// Replaces the flock by `count` sheep, ten to a field.
#[reducer]
pub fn fill_sheep(ctx: &ReducerContext, count: u32) {
    ctx.db.sheep().clear();
    for id in 0..count {
        ctx.db.sheep().insert(Sheep {
            id,
            field: id / 10,
            name: format!("sheep {id}"),
        });
    }
}

#[reducer]
pub fn delete_while_iterating(ctx: &ReducerContext) -> Result<(), String> {
    let before = ctx.db.sheep().count() as usize;
    let mut seen = 0;
    for sheep in ctx.db.sheep().iter() {
        if !ctx.db.sheep().id().delete(sheep.id) {
            return Err(format!("sheep {} was seen, but is not there", sheep.id));
        }
        seen += 1;
    }
    expect("seen", seen, before)?;
    expect("left", ctx.db.sheep().count() as usize, 0)
}

#[reducer]
pub fn delete_while_filtering(ctx: &ReducerContext, field: u32) -> Result<(), String> {
    for sheep in ctx.db.sheep().field().filter(field) {
        ctx.db.sheep().id().delete(sheep.id);
    }
    expect(
        "left in the field",
        ctx.db.sheep().field().filter(field).count(),
        0,
    )
}

/// Renames every sheep while walking over them.
#[reducer]
pub fn update_while_iterating(ctx: &ReducerContext) -> Result<(), String> {
    let before = ctx.db.sheep().count() as usize;
    for sheep in ctx.db.sheep().iter().take(before) {
        let name = format!("renamed {}", sheep.id);
        ctx.db.sheep().id().update(Sheep { name, ..sheep });
    }
    expect("count", ctx.db.sheep().count() as usize, before)?;
    expect("rows", ctx.db.sheep().iter().count(), before)
}

/// Deletes a row and inserts an equal one: the transaction as a whole changes nothing.
#[reducer]
pub fn delete_and_reinsert(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    let sheep = ctx
        .db
        .sheep()
        .id()
        .find(id)
        .ok_or_else(|| format!("no sheep {id}"))?;
    ctx.db.sheep().id().delete(id);
    ctx.db.sheep().insert(sheep);
    Ok(())
}

/// Inserts a row and deletes it again: the transaction as a whole changes nothing.
#[reducer]
pub fn insert_and_delete(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    ctx.db.sheep().insert(Sheep {
        id,
        field: 0,
        name: String::new(),
    });
    expect("deleted", usize::from(ctx.db.sheep().id().delete(id)), 1)
}

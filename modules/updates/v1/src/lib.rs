//! A module that is updated while clients follow its view, and that is called while its database
//! breaks.

use spacetimedb::{reducer, table, view, AnonymousViewContext, ReducerContext, Table};

#[table(accessor = item, public)]
pub struct Item {
    #[primary_key]
    pub id: u64,
    pub text: String,
}

/// Adds an item.
#[reducer]
pub fn add(ctx: &ReducerContext, id: u64, text: String) {
    log::info!("adding {id}");
    ctx.db.item().insert(Item { id, text });
}

/// The items as people read them.
#[view(accessor = shown, public)]
pub fn shown(ctx: &AnonymousViewContext) -> Vec<Item> {
    let items = (0..1000).filter_map(|id| ctx.db.item().id().find(id));
    items.collect()
}

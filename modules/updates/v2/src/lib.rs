//! The same, with a view that shouts, and that cannot cope with the text `bad`.

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
    log::info!("adding {id}, now in the second version");
    ctx.db.item().insert(Item { id, text });
}

/// Changes an item.
#[reducer]
pub fn change(ctx: &ReducerContext, id: u64, text: String) {
    ctx.db.item().id().update(Item { id, text });
}

/// The items, louder.
#[view(accessor = shown, public)]
pub fn shown(ctx: &AnonymousViewContext) -> Vec<Item> {
    let items = (0..1000).filter_map(|id| ctx.db.item().id().find(id));
    let louder = items.map(|item| {
        assert!(item.text != "bad", "this text is bad");
        let text = item.text.to_uppercase();
        Item { text, ..item }
    });
    louder.collect()
}

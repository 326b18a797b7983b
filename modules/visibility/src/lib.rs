//! Rules that hide rows from clients: everybody sees their own letters, those of the groups that
//! they are in, and nobody else's.

use spacetimedb::{
    client_visibility_filter, reducer, table, view, Filter, Identity, ReducerContext, Table,
    ViewContext,
};

/// What only its author and its group see.
#[table(accessor = letter, public)]
#[derive(Clone)]
pub struct Letter {
    #[primary_key]
    pub id: u64,
    #[index(btree)]
    pub author: Identity,
    #[index(btree)]
    pub group: u32,
    pub text: String,
}

/// Who is in which group. Nobody sees it, but the rules read it.
#[table(accessor = member)]
pub struct Member {
    #[index(btree)]
    pub person: Identity,
    #[index(btree)]
    pub group: u32,
}

/// Seen by everybody.
#[table(accessor = notice, public)]
pub struct Notice {
    #[primary_key]
    pub id: u64,
}

#[client_visibility_filter]
const OWN: Filter = Filter::Sql("SELECT * FROM letter WHERE author = :sender");

#[client_visibility_filter]
const OF_THE_GROUP: Filter = Filter::Sql(
    "SELECT letter.* FROM letter JOIN member ON letter.group = member.group \
     WHERE member.person = :sender",
);

/// Writes a letter, over the one with this id if there is one.
#[reducer]
pub fn write(ctx: &ReducerContext, id: u64, group: u32, text: String) {
    ctx.db.letter().id().delete(id);
    ctx.db.letter().insert(Letter {
        id,
        author: ctx.sender(),
        group,
        text,
    });
}

/// Takes the caller into a group.
#[reducer]
pub fn enter(ctx: &ReducerContext, group: u32) {
    ctx.db.member().insert(Member {
        person: ctx.sender(),
        group,
    });
}

/// Takes the caller out of all groups.
#[reducer]
pub fn leave(ctx: &ReducerContext) {
    ctx.db.member().person().delete(ctx.sender());
}

/// Puts up a notice.
#[reducer]
pub fn announce(ctx: &ReducerContext, id: u64) {
    ctx.db.notice().insert(Notice { id });
}

/// A view runs with the module's rights: the rules do not restrict it.
#[view(accessor = every_letter, public)]
pub fn every_letter(ctx: &ViewContext) -> Vec<Letter> {
    ctx.db.letter().group().filter(0u32..).collect()
}

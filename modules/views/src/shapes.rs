//! Views of every shape over one private table, and views that misbehave when told to.

use spacetimedb::{
    reducer, table, view, AnonymousViewContext, Identity, Query, RawQuery, ReducerContext,
    SpacetimeType, Table, ViewContext,
};

use crate::{player__query, Player};

/// Seen by nobody but through the views.
#[table(accessor = note, index(accessor = by_author_and_day, btree(columns = [author, day])))]
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    #[primary_key]
    pub id: u64,
    pub author: Identity,
    pub day: u32,
    pub text: String,
}

/// What the misbehaving views are to do.
#[table(accessor = switch)]
pub struct Switch {
    #[primary_key]
    pub name: String,
    pub value: u32,
}

/// Gone with its transaction.
#[table(accessor = ping, public, event)]
pub struct Ping {
    pub number: u32,
}

/// A row that no table has.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Count {
    pub rows: u64,
}

/// Writes a note of the caller, over the one with this id if there is one.
#[reducer]
pub fn write_note(ctx: &ReducerContext, id: u64, day: u32, text: String) {
    let note = Note {
        id,
        author: ctx.sender(),
        day,
        text,
    };
    ctx.db.note().id().delete(id);
    ctx.db.note().insert(note);
}

/// Writes a note and fails after it.
#[reducer]
pub fn write_note_and_fail(ctx: &ReducerContext, id: u64) -> Result<(), String> {
    write_note(ctx, id, 0, "never seen".to_owned());
    Err("as asked".to_owned())
}

/// Removes a note.
#[reducer]
pub fn erase_note(ctx: &ReducerContext, id: u64) {
    ctx.db.note().id().delete(id);
}

/// Tells a misbehaving view what to do.
#[reducer]
pub fn set_switch(ctx: &ReducerContext, name: String, value: u32) {
    ctx.db.switch().name().delete(&name);
    ctx.db.switch().insert(Switch { name, value });
}

/// Sends an event.
#[reducer]
pub fn send_ping(ctx: &ReducerContext, number: u32) {
    ctx.db.ping().insert(Ping { number });
}

/// By the first column of an index, with a key.
#[view(accessor = my_notes, public, primary_key = id)]
pub fn my_notes(ctx: &ViewContext) -> Vec<Note> {
    log::info!("running my_notes");
    let notes = ctx.db.note().by_author_and_day();
    notes.filter(ctx.sender()).collect()
}

/// By a range of the second column.
#[view(accessor = my_week, public)]
pub fn my_week(ctx: &ViewContext) -> Vec<Note> {
    log::info!("running my_week");
    let notes = ctx.db.note().by_author_and_day();
    notes.filter((ctx.sender(), 7u32..14)).collect()
}

/// By the primary key.
#[view(accessor = first_note, public)]
pub fn first_note(ctx: &AnonymousViewContext) -> Option<Note> {
    log::info!("running first_note");
    ctx.db.note().id().find(1)
}

/// By the number of rows.
#[view(accessor = note_count, public, name = "NoteCount")]
pub fn note_count(ctx: &AnonymousViewContext) -> Option<Count> {
    let rows = ctx.db.note().count();
    (rows > 0).then_some(Count { rows })
}

/// A query with the caller in it.
#[view(accessor = my_notes_by_query, public)]
pub fn my_notes_by_query(ctx: &ViewContext) -> impl Query<Note> {
    log::info!("running my_notes_by_query");
    let author = ctx.sender();
    ctx.from.note().filter(move |note| note.author.eq(author))
}

/// A query over two tables: the players who wrote something.
#[view(accessor = writer, public)]
pub fn writer(ctx: &AnonymousViewContext) -> impl Query<Player> {
    ctx.from
        .note()
        .right_semijoin(ctx.from.player(), |note, player| note.id.eq(player.id))
}

/// As many equal rows as the switch says, or a failure.
#[view(accessor = moody, public)]
pub fn moody(ctx: &AnonymousViewContext) -> Vec<Count> {
    let switch = ctx.db.switch().name().find("moody".to_owned());
    match switch.map_or(0, |switch| switch.value) {
        100 => panic!("not in the mood"),
        101 => loop {
            std::hint::black_box(());
        },
        rows => vec![Count { rows: 1 }; rows as usize],
    }
}

/// Two rows with one key, if the switch says so.
#[view(accessor = twins, public, primary_key = id)]
pub fn twins(ctx: &ViewContext) -> Vec<Note> {
    let switch = ctx.db.switch().name().find("twins".to_owned());
    let count = switch.map_or(0, |switch| switch.value);
    let author = ctx.sender();
    let note = |day| Note {
        id: 1,
        author,
        day,
        text: String::new(),
    };
    (0..count).map(note).collect()
}

/// Text that is a query, or not.
#[view(accessor = raw, public)]
pub fn raw(ctx: &AnonymousViewContext) -> RawQuery<Player> {
    let switch = ctx.db.switch().name().find("raw".to_owned());
    RawQuery::new(match switch.map_or(0, |switch| switch.value) {
        0 => String::new(),
        1 => "SELECT * FROM player WHERE level > 5".to_owned(),
        2 => "SELECT * FROM player WHERE owner = :sender".to_owned(),
        3 => "SELECT * FROM veteran".to_owned(),
        4 => "SELECT * FROM score".to_owned(),
        _ => "SELEC * FROM player".to_owned(),
    })
}

/// Counts events: there are none between transactions, so there are never any.
#[view(accessor = ping_count, public)]
pub fn ping_count(ctx: &AnonymousViewContext) -> Option<Count> {
    let rows = ctx.db.ping().count();
    Some(Count { rows })
}

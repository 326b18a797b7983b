//! The same data after changes that are made by themselves: a column with a default value, an
//! index, a grown enum, a new table, one less without rows.

use spacetimedb::{reducer, table, ReducerContext, ScheduleAt, SpacetimeType, Table};

#[derive(SpacetimeType, Clone, Copy, PartialEq)]
pub enum Rank {
    Novice,
    Expert,
    Legend,
}

#[table(accessor = player, public)]
pub struct Player {
    #[primary_key]
    #[auto_inc]
    id: u32,
    #[index(btree)]
    name: String,
    score: u16,
    rank: Rank,
    #[default(7u8)]
    level: u8,
}

#[table(accessor = badge, public)]
pub struct Badge {
    #[primary_key]
    name: String,
}

#[table(accessor = counter, public)]
pub struct Counter {
    #[primary_key]
    what: String,
    times: u64,
}

#[table(accessor = tick_timer, scheduled(tick))]
pub struct TickTimer {
    #[primary_key]
    #[auto_inc]
    scheduled_id: u64,
    scheduled_at: ScheduleAt,
}

fn count(ctx: &ReducerContext, what: &str) {
    let counters = ctx.db.counter();
    match counters.what().find(what.to_string()) {
        Some(counter) => {
            counters.what().update(Counter {
                times: counter.times + 1,
                ..counter
            });
        }
        None => {
            counters.insert(Counter {
                what: what.to_string(),
                times: 1,
            });
        }
    }
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    count(ctx, "init");
}

#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) {
    count(ctx, "disconnected from v2");
}

#[reducer]
pub fn tick(ctx: &ReducerContext, _timer: TickTimer) {
    count(ctx, "tick of v2");
}

#[reducer]
pub fn add_player(ctx: &ReducerContext, name: String, score: u16) {
    ctx.db.player().insert(Player {
        id: 0,
        name,
        score,
        rank: Rank::Legend,
        level: 1,
    });
}

#[reducer]
pub fn level_of(ctx: &ReducerContext, name: String) -> Result<(), String> {
    let found: Vec<u8> = ctx
        .db
        .player()
        .name()
        .filter(&name)
        .map(|p| p.level)
        .collect();
    Err(format!("{found:?}"))
}

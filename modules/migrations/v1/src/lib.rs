//! A game's data on its first day.

use spacetimedb::{reducer, table, ReducerContext, ScheduleAt, SpacetimeType, Table, TimeDuration};

#[derive(SpacetimeType, Clone, Copy, PartialEq)]
pub enum Rank {
    Novice,
    Expert,
}

#[table(accessor = player, public)]
pub struct Player {
    #[primary_key]
    #[auto_inc]
    id: u32,
    name: String,
    score: u16,
    rank: Rank,
}

/// Nobody writes to it.
#[table(accessor = unused, public)]
pub struct Unused {
    n: u8,
}

/// How often something happened.
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
    ctx.db.tick_timer().insert(TickTimer {
        scheduled_id: 0,
        scheduled_at: TimeDuration::from_micros(50_000).into(),
    });
}

#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) {
    count(ctx, "disconnected from v1");
}

#[reducer]
pub fn tick(ctx: &ReducerContext, _timer: TickTimer) {
    count(ctx, "tick of v1");
}

#[reducer]
pub fn add_player(ctx: &ReducerContext, name: String, score: u16) {
    ctx.db.player().insert(Player {
        id: 0,
        name,
        score,
        rank: Rank::Expert,
    });
}

//! The same data after changes that have to be asked for: another name for the table and a column,
//! a wider key, a column that may be empty, one that is gone, and another order.

use spacetimedb::{reducer, table, ReducerContext, ScheduleAt, SpacetimeType, Table};

#[derive(SpacetimeType, Clone, Copy, PartialEq)]
pub enum Rank {
    Novice,
    Expert,
    Legend,
}

#[table(accessor = hero, public)]
pub struct Hero {
    rank: Rank,
    #[unique]
    nick: String,
    level: Option<u16>,
    #[primary_key]
    #[auto_inc]
    id: u64,
    coins: i64,
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

#[reducer]
pub fn tick(ctx: &ReducerContext, _timer: TickTimer) {
    count(ctx, "tick of v3");
}

#[reducer]
pub fn add_hero(ctx: &ReducerContext, nick: String, coins: i64) {
    ctx.db.hero().insert(Hero {
        rank: Rank::Legend,
        nick,
        level: None,
        id: 0,
        coins,
    });
}

//! A game in real time: players and bots move through a field, eat food, and eat who is smaller.
//! Twenty times a second a scheduled reducer moves all bodies and settles who eats whom.
//!
//! Invariants
//!   * A player who is online has exactly one row in `player`, and one in `body` while alive.
//!   * Bodies are inside of the field; their radius follows from their mass.
//!   * There is one row in `clock`, and it counts the ticks: rows of one tick come in one message.

mod motion;
mod noise;

use std::time::Duration;

use spacetimedb::{reducer, table, Identity, ReducerContext, ScheduleAt, Table};

use crate::noise::Noise;

pub const FIELD: f32 = 2000.0;
pub const TICK_MS: u64 = 50;
const FOOD_COUNT: u32 = 250;
const BOTS_AT_START: u32 = 40;
const BOTS_MAX: u32 = 500;
const NAME_CHARS_MAX: usize = 16;
pub const MASS_AT_START: f32 = 12.0;
/// Who has just come is left alone for five seconds.
const SAFE_TICKS: u64 = 100;

/// Which tick it is. Clients place what they see in time by it.
#[table(accessor = clock, public)]
pub struct Clock {
    #[primary_key]
    id: u32,
    tick: u64,
}

/// Somebody who plays, or has played.
#[table(accessor = player, public)]
pub struct Player {
    #[primary_key]
    identity: Identity,
    name: String,
    online: bool,
    /// The largest mass that they have had.
    best: u32,
}

/// What moves. The bodies of bots have no owner.
#[table(accessor = body, public)]
#[derive(Clone)]
pub struct Body {
    #[primary_key]
    #[auto_inc]
    id: u64,
    #[index(btree)]
    owner: Option<Identity>,
    name: String,
    color: u8,
    x: f32,
    y: f32,
    mass: f32,
    /// Where it is heading, in radians, and how fast, from 0 to 1.
    heading: f32,
    speed: f32,
    /// The tick from which on others may eat it.
    safe_until: u64,
}

/// What lies around.
#[table(accessor = food, public)]
pub struct Food {
    #[primary_key]
    #[auto_inc]
    id: u64,
    x: f32,
    y: f32,
    color: u8,
}

#[table(accessor = tick_timer, scheduled(tick))]
pub struct TickTimer {
    #[primary_key]
    #[auto_inc]
    id: u64,
    scheduled_at: ScheduleAt,
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    ctx.db.clock().insert(Clock { id: 0, tick: 0 });
    ctx.db.tick_timer().insert(TickTimer {
        id: 0,
        scheduled_at: Duration::from_millis(TICK_MS).into(),
    });
    let mut noise = Noise::new(ctx.timestamp.to_micros_since_unix_epoch());
    for _ in 0..FOOD_COUNT {
        drop_food(ctx, &mut noise);
    }
    for number in 0..BOTS_AT_START {
        add_bot(ctx, number, &mut noise);
    }
}

#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) {
    let players = ctx.db.player();
    if let Some(player) = players.identity().find(ctx.sender()) {
        players.identity().update(Player {
            online: false,
            ..player
        });
    }
    for body in bodies_of(ctx, ctx.sender()) {
        ctx.db.body().id().delete(body.id);
    }
}

/// Begins to play, or begins again after having been eaten.
#[reducer]
pub fn join(ctx: &ReducerContext, name: String) -> Result<(), String> {
    let name = name.trim();
    if name.is_empty() || NAME_CHARS_MAX < name.chars().count() {
        return Err(format!("a name has 1 to {NAME_CHARS_MAX} characters"));
    }
    let players = ctx.db.player();
    match players.identity().find(ctx.sender()) {
        Some(player) => {
            players.identity().update(Player {
                name: name.to_owned(),
                online: true,
                ..player
            });
        }
        None => {
            players.insert(Player {
                identity: ctx.sender(),
                name: name.to_owned(),
                online: true,
                best: 0,
            });
        }
    }
    if bodies_of(ctx, ctx.sender()).is_empty() {
        let mut noise = Noise::new(ctx.timestamp.to_micros_since_unix_epoch());
        let color = noise.below(8);
        add_body(ctx, Some(ctx.sender()), name.to_owned(), color, &mut noise);
    }
    Ok(())
}

/// Where the caller wants to go.
#[reducer]
pub fn steer(ctx: &ReducerContext, heading: f32, speed: f32) -> Result<(), String> {
    if !heading.is_finite() || !speed.is_finite() {
        return Err("heading and speed are numbers".to_owned());
    }
    for body in bodies_of(ctx, ctx.sender()) {
        ctx.db.body().id().update(Body {
            heading,
            speed: speed.clamp(0.0, 1.0),
            ..body
        });
    }
    Ok(())
}

/// How many bots there are from now on.
#[reducer]
pub fn set_bots(ctx: &ReducerContext, count: u32) -> Result<(), String> {
    if BOTS_MAX < count {
        return Err(format!("at most {BOTS_MAX} bots"));
    }
    let bots = bodies_without_owner(ctx);
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    for bot in bots.iter().skip(wanted) {
        ctx.db.body().id().delete(bot.id);
    }
    let mut noise = Noise::new(ctx.timestamp.to_micros_since_unix_epoch());
    for number in bots.len()..wanted {
        add_bot(ctx, u32::try_from(number).unwrap_or(u32::MAX), &mut noise);
    }
    Ok(())
}

#[reducer]
pub fn tick(ctx: &ReducerContext, _timer: TickTimer) -> Result<(), String> {
    if ctx.sender() != ctx.database_identity() {
        return Err("only the clock may do this".to_owned());
    }
    motion::advance(ctx);
    Ok(())
}

fn bodies_of(ctx: &ReducerContext, owner: Identity) -> Vec<Body> {
    let owned = |body: &Body| body.owner == Some(owner);
    ctx.db.body().iter().filter(owned).collect()
}

fn bodies_without_owner(ctx: &ReducerContext) -> Vec<Body> {
    let ownerless = |body: &Body| body.owner.is_none();
    ctx.db.body().iter().filter(ownerless).collect()
}

fn add_bot(ctx: &ReducerContext, number: u32, noise: &mut Noise) {
    let color = noise.below(8);
    add_body(ctx, None, format!("bot {number}"), color, noise);
}

pub fn add_body(
    ctx: &ReducerContext,
    owner: Option<Identity>,
    name: String,
    color: u8,
    noise: &mut Noise,
) {
    let is_bot = owner.is_none();
    let now = ctx.db.clock().id().find(0).map_or(0, |clock| clock.tick);
    ctx.db.body().insert(Body {
        id: 0,
        owner,
        name,
        color,
        x: noise.unit() * FIELD,
        y: noise.unit() * FIELD,
        mass: MASS_AT_START + if is_bot { noise.unit() * 20.0 } else { 0.0 },
        heading: noise.unit() * std::f32::consts::TAU,
        speed: if is_bot { 1.0 } else { 0.0 },
        safe_until: now + if is_bot { 0 } else { SAFE_TICKS },
    });
}

pub fn drop_food(ctx: &ReducerContext, noise: &mut Noise) {
    ctx.db.food().insert(Food {
        id: 0,
        x: noise.unit() * FIELD,
        y: noise.unit() * FIELD,
        color: noise.below(8),
    });
}

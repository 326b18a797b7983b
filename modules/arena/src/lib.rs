//! A game whose parts are many tables. A player has circles, which can split and later merge; a
//! circle is an entity, and so is food. What a player has is put aside while they are away.
//!
//! Invariants
//!   * An entity is in `entity` or in `absent_entity`, and so is everything that belongs to it.
//!   * Every circle and every piece of food has the entity with its number.
//!   * What happens later is a row: five schedules, two of which run again and again.
//!
//! Not here: how circles move and what touches what (see `physics`).

mod physics;
mod vector;

use std::time::Duration;

use spacetimedb::rand::Rng;
use spacetimedb::{reducer, table, Identity, ReducerContext, ScheduleAt, Table, Timestamp};

pub use vector::Vector;

pub const WORLD_SIZE: u64 = 1000;
pub const MASS_AT_START: u32 = 15;
const FOOD_MAX: u64 = 600;
const MOVE_EVERY: Duration = Duration::from_millis(50);
const FEED_EVERY: Duration = Duration::from_millis(500);
const DECAY_EVERY: Duration = Duration::from_secs(5);
const MERGE_AFTER: Duration = Duration::from_secs(5);

/// One row.
#[table(accessor = config, public)]
pub struct Config {
    #[primary_key]
    pub id: u32,
    pub world_size: u64,
}

/// What has a place and a size.
#[table(accessor = entity, public)]
#[table(accessor = absent_entity)]
#[derive(Clone, Debug)]
pub struct Entity {
    #[primary_key]
    #[auto_inc]
    pub id: u32,
    pub position: Vector,
    pub mass: u32,
}

/// A piece of a player.
#[table(accessor = circle, public, index(accessor = by_player, btree(columns = [player])))]
#[table(accessor = absent_circle, index(accessor = by_player, btree(columns = [player])))]
#[derive(Clone, Debug)]
pub struct Circle {
    #[primary_key]
    pub entity: u32,
    pub player: u32,
    pub direction: Vector,
    /// From 0 to 1.
    pub speed: f32,
    pub split_at: Timestamp,
}

/// Somebody.
#[table(accessor = player, public)]
#[table(accessor = absent_player)]
#[derive(Clone, Debug)]
pub struct Player {
    #[primary_key]
    pub identity: Identity,
    #[unique]
    #[auto_inc]
    pub id: u32,
    pub name: String,
}

#[table(accessor = food, public)]
pub struct Food {
    #[primary_key]
    pub entity: u32,
}

/// Told to who is there, and kept by nobody.
#[table(accessor = consumed, public, event)]
pub struct Consumed {
    pub eaten: u32,
    pub eater: u32,
}

#[table(accessor = move_timer, scheduled(move_all_players))]
pub struct MoveTimer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
}

#[table(accessor = food_timer, scheduled(spawn_food))]
pub struct FoodTimer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
}

#[table(accessor = decay_timer, scheduled(decay))]
pub struct DecayTimer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
}

/// Once, for the player who split.
#[table(accessor = merge_timer, scheduled(merge))]
pub struct MergeTimer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
    pub player: u32,
}

/// At once, but after the tick that found it out.
#[table(accessor = consume_timer, scheduled(consume))]
pub struct ConsumeTimer {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub scheduled_at: ScheduleAt,
    pub eaten: u32,
    pub eater: u32,
}

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    ctx.db.config().insert(Config {
        id: 0,
        world_size: WORLD_SIZE,
    });
    ctx.db.move_timer().insert(MoveTimer {
        id: 0,
        scheduled_at: MOVE_EVERY.into(),
    });
    ctx.db.food_timer().insert(FoodTimer {
        id: 0,
        scheduled_at: FEED_EVERY.into(),
    });
    ctx.db.decay_timer().insert(DecayTimer {
        id: 0,
        scheduled_at: DECAY_EVERY.into(),
    });
}

/// Somebody comes, or comes back to what they had.
#[reducer(client_connected)]
pub fn connect(ctx: &ReducerContext) {
    let Some(player) = ctx.db.absent_player().identity().find(ctx.sender()) else {
        ctx.db.player().insert(Player {
            identity: ctx.sender(),
            id: 0,
            name: String::new(),
        });
        return;
    };
    ctx.db.absent_player().identity().delete(player.identity);
    let circles: Vec<Circle> = ctx
        .db
        .absent_circle()
        .by_player()
        .filter(player.id)
        .collect();
    for circle in circles {
        if let Some(entity) = ctx.db.absent_entity().id().find(circle.entity) {
            ctx.db.absent_entity().id().delete(entity.id);
            ctx.db.entity().insert(entity);
        }
        ctx.db.absent_circle().entity().delete(circle.entity);
        ctx.db.circle().insert(circle);
    }
    ctx.db.player().insert(player);
}

/// What somebody has waits for them.
#[reducer(client_disconnected)]
pub fn disconnect(ctx: &ReducerContext) -> Result<(), String> {
    let player = player_of(ctx)?;
    let circles: Vec<Circle> = ctx.db.circle().by_player().filter(player.id).collect();
    for circle in circles {
        if let Some(entity) = ctx.db.entity().id().find(circle.entity) {
            ctx.db.entity().id().delete(entity.id);
            ctx.db.absent_entity().insert(entity);
        }
        ctx.db.circle().entity().delete(circle.entity);
        ctx.db.absent_circle().insert(circle);
    }
    ctx.db.player().identity().delete(player.identity);
    ctx.db.absent_player().insert(player);
    Ok(())
}

#[reducer]
pub fn enter_game(ctx: &ReducerContext, name: String) -> Result<(), String> {
    if name.is_empty() {
        return Err("a player has a name".to_owned());
    }
    let player = player_of(ctx)?;
    let player = ctx.db.player().identity().update(Player { name, ..player });
    spawn_circle(ctx, player.id)
}

#[reducer]
pub fn respawn(ctx: &ReducerContext) -> Result<(), String> {
    let player = player_of(ctx)?;
    spawn_circle(ctx, player.id)
}

#[reducer]
pub fn suicide(ctx: &ReducerContext) -> Result<(), String> {
    let player = player_of(ctx)?;
    for circle in ctx.db.circle().by_player().filter(player.id) {
        destroy(ctx, circle.entity);
    }
    Ok(())
}

#[reducer]
pub fn update_player_input(ctx: &ReducerContext, direction: Vector) -> Result<(), String> {
    let player = player_of(ctx)?;
    let direction = direction.finite().ok_or("a direction is two numbers")?;
    for circle in ctx.db.circle().by_player().filter(player.id) {
        ctx.db.circle().entity().update(Circle {
            direction: direction.normalized(),
            speed: direction.length().min(1.0),
            ..circle
        });
    }
    Ok(())
}

/// Every circle that is heavy enough becomes two, for a while.
#[reducer]
pub fn player_split(ctx: &ReducerContext) -> Result<(), String> {
    let player = player_of(ctx)?;
    let circles: Vec<Circle> = ctx.db.circle().by_player().filter(player.id).collect();
    let mut count = circles.len();
    for circle in circles {
        if physics::CIRCLES_MAX <= count || !split(ctx, &circle) {
            continue;
        }
        count += 1;
    }
    ctx.db.merge_timer().insert(MergeTimer {
        id: 0,
        scheduled_at: (ctx.timestamp + MERGE_AFTER).into(),
        player: player.id,
    });
    Ok(())
}

fn split(ctx: &ReducerContext, circle: &Circle) -> bool {
    let Some(entity) = ctx.db.entity().id().find(circle.entity) else {
        return false;
    };
    let half = entity.mass / 2;
    if half < MASS_AT_START {
        return false;
    }
    let position = entity.position + circle.direction;
    ctx.db.entity().id().update(Entity {
        mass: entity.mass - half,
        ..entity
    });
    let part = ctx.db.entity().insert(Entity {
        id: 0,
        position,
        mass: half,
    });
    ctx.db.circle().insert(Circle {
        entity: part.id,
        split_at: ctx.timestamp,
        ..circle.clone()
    });
    ctx.db.circle().entity().update(Circle {
        split_at: ctx.timestamp,
        ..circle.clone()
    });
    true
}

#[reducer]
pub fn move_all_players(ctx: &ReducerContext, _timer: MoveTimer) {
    physics::move_circles(ctx);
    physics::find_meals(ctx);
}

#[reducer]
pub fn spawn_food(ctx: &ReducerContext, _timer: FoodTimer) {
    if ctx.db.player().count() == 0 {
        return;
    }
    for _ in ctx.db.food().count()..FOOD_MAX {
        let entity = ctx.db.entity().insert(Entity {
            id: 0,
            position: somewhere(ctx),
            mass: ctx.rng().gen_range(2..5),
        });
        ctx.db.food().insert(Food { entity: entity.id });
    }
}

/// Large circles lose one part in a hundred.
#[reducer]
pub fn decay(ctx: &ReducerContext, _timer: DecayTimer) {
    for circle in ctx.db.circle().iter() {
        let Some(entity) = ctx.db.entity().id().find(circle.entity) else {
            continue;
        };
        if entity.mass > MASS_AT_START {
            let mass = (entity.mass - entity.mass / 100).max(MASS_AT_START);
            ctx.db.entity().id().update(Entity { mass, ..entity });
        }
    }
}

/// A player's circles become the first of them.
#[reducer]
pub fn merge(ctx: &ReducerContext, timer: MergeTimer) {
    let mut circles = ctx.db.circle().by_player().filter(timer.player);
    let Some(first) = circles.next() else {
        return;
    };
    for circle in circles {
        feed(ctx, first.entity, circle.entity);
    }
}

#[reducer]
pub fn consume(ctx: &ReducerContext, timer: ConsumeTimer) {
    // Either of them may be gone since.
    if feed(ctx, timer.eater, timer.eaten) {
        ctx.db.consumed().insert(Consumed {
            eaten: timer.eaten,
            eater: timer.eater,
        });
    }
}

/// One entity takes the mass of the other, which is gone; false if one of them is gone already.
fn feed(ctx: &ReducerContext, eater: u32, eaten: u32) -> bool {
    let entities = ctx.db.entity();
    let (Some(eater), Some(eaten)) = (entities.id().find(eater), entities.id().find(eaten)) else {
        return false;
    };
    entities.id().update(Entity {
        mass: eater.mass + eaten.mass,
        ..eater
    });
    destroy(ctx, eaten.id);
    true
}

fn destroy(ctx: &ReducerContext, entity: u32) {
    ctx.db.food().entity().delete(entity);
    ctx.db.circle().entity().delete(entity);
    ctx.db.entity().id().delete(entity);
}

fn player_of(ctx: &ReducerContext) -> Result<Player, String> {
    let player = ctx.db.player().identity().find(ctx.sender());
    player.ok_or_else(|| "you are not connected".to_owned())
}

fn spawn_circle(ctx: &ReducerContext, player: u32) -> Result<(), String> {
    if ctx.db.circle().by_player().filter(player).next().is_some() {
        return Err("you are playing already".to_owned());
    }
    let entity = ctx.db.entity().insert(Entity {
        id: 0,
        position: somewhere(ctx),
        mass: MASS_AT_START,
    });
    ctx.db.circle().insert(Circle {
        entity: entity.id,
        player,
        direction: Vector { x: 0.0, y: 1.0 },
        speed: 0.0,
        split_at: Timestamp::UNIX_EPOCH,
    });
    Ok(())
}

fn somewhere(ctx: &ReducerContext) -> Vector {
    let mut rng = ctx.rng();
    let size = WORLD_SIZE as f32;
    Vector {
        x: rng.gen_range(0.0..size),
        y: rng.gen_range(0.0..size),
    }
}

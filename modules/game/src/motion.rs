//! One tick: bots choose where to go, everybody moves, and who is large enough eats.

use spacetimedb::{ReducerContext, Table};

use crate::noise::Noise;
use crate::{
    add_body, body, clock, drop_food, food, player, Body, Clock, Food, Player, FIELD,
    MASS_AT_START, TICK_MS,
};

/// Units a second, of a body of the mass at the start; larger ones are slower.
const SPEED: f32 = 160.0;
const FOOD_MASS: f32 = 1.0;
const MASS_MAX: f32 = 400.0;
/// What a body that has eaten keeps of its mass from tick to tick.
const KEPT: f32 = 0.9995;
/// What is this much larger eats the other.
const EATS: f32 = 1.25;
/// Bots look for food this near.
const BOT_SIGHT: f32 = 250.0;

fn radius(mass: f32) -> f32 {
    4.0 * mass.sqrt()
}

fn distance_squared(ax: f32, ay: f32, bx: f32, by: f32) -> f32 {
    (ax - bx).powi(2) + (ay - by).powi(2)
}

pub fn advance(ctx: &ReducerContext) {
    let clocks = ctx.db.clock();
    let Some(now) = clocks.id().find(0) else {
        return;
    };
    let tick = now.tick + 1;
    clocks.id().update(Clock { id: 0, tick });
    let mut noise = Noise::new(ctx.timestamp.to_micros_since_unix_epoch());
    let foods: Vec<Food> = ctx.db.food().iter().collect();
    let mut bodies: Vec<Body> = ctx.db.body().iter().collect();
    let before = bodies.clone();
    for body in &mut bodies {
        if body.owner.is_none() && (tick + body.id) % 10 == 0 {
            choose_heading(body, &foods, &mut noise);
        }
        step(body);
    }
    eat_food(ctx, &mut bodies, foods, &mut noise);
    let eaten = eat_bodies(&mut bodies, tick);
    for (old, new) in before.iter().zip(&bodies) {
        if eaten.contains(&new.id) {
            ctx.db.body().id().delete(new.id);
            if new.owner.is_none() {
                add_body(ctx, None, new.name.clone(), new.color, &mut noise);
            }
        } else if (old.x, old.y, old.mass) != (new.x, new.y, new.mass) {
            ctx.db.body().id().update(new.clone());
            note_best(ctx, new);
        }
    }
}

/// To the nearest food that it sees, or somewhere.
fn choose_heading(body: &mut Body, foods: &[Food], noise: &mut Noise) {
    let nearest = foods
        .iter()
        .map(|food| (distance_squared(body.x, body.y, food.x, food.y), food))
        .filter(|(distance, _)| *distance < BOT_SIGHT.powi(2))
        .min_by(|(a, _), (b, _)| a.total_cmp(b));
    body.heading = match nearest {
        Some((_, food)) => (food.y - body.y).atan2(food.x - body.x),
        None => body.heading + noise.unit() - 0.5,
    };
}

fn step(body: &mut Body) {
    let seconds = f32::from(u16::try_from(TICK_MS).unwrap_or(u16::MAX)) / 1000.0;
    let slow = (MASS_AT_START / body.mass).powf(0.25);
    let way = SPEED * slow * body.speed * seconds;
    let (x, y) = (
        body.x + way * body.heading.cos(),
        body.y + way * body.heading.sin(),
    );
    body.mass = (body.mass * KEPT).max(MASS_AT_START);
    body.x = x.clamp(0.0, FIELD);
    body.y = y.clamp(0.0, FIELD);
    // Bots turn round at the edge.
    if body.owner.is_none() && (x, y) != (body.x, body.y) {
        body.heading += std::f32::consts::FRAC_PI_2;
    }
}

fn eat_food(ctx: &ReducerContext, bodies: &mut [Body], foods: Vec<Food>, noise: &mut Noise) {
    for food in foods {
        let eater = bodies.iter_mut().find(|body| {
            distance_squared(body.x, body.y, food.x, food.y) < radius(body.mass).powi(2)
        });
        if let Some(body) = eater {
            body.mass = (body.mass + FOOD_MASS).min(MASS_MAX);
            ctx.db.food().id().delete(food.id);
            drop_food(ctx, noise);
        }
    }
}

/// The ids of the bodies that were eaten. Who eats takes half of the mass.
fn eat_bodies(bodies: &mut [Body], tick: u64) -> Vec<u64> {
    let mut eaten = Vec::new();
    for a in 0..bodies.len() {
        for b in 0..bodies.len() {
            let (Some(large), Some(small)) = (bodies.get(a), bodies.get(b)) else {
                continue;
            };
            let reach = radius(large.mass);
            if large.mass < EATS * small.mass
                || tick < small.safe_until
                || reach.powi(2) < distance_squared(large.x, large.y, small.x, small.y)
                || eaten.contains(&large.id)
                || eaten.contains(&small.id)
            {
                continue;
            }
            eaten.push(small.id);
            let gained = small.mass / 2.0;
            if let Some(large) = bodies.get_mut(a) {
                large.mass = (large.mass + gained).min(MASS_MAX);
            }
        }
    }
    eaten
}

/// The score is whole numbers: rows of players change rarely.
fn note_best(ctx: &ReducerContext, body: &Body) {
    let Some(owner) = body.owner else {
        return;
    };
    let players = ctx.db.player();
    if let Some(player) = players.identity().find(owner) {
        // Masses are far below what a u32 cannot hold.
        let mass = body.mass.floor() as u32;
        if player.best < mass {
            players.identity().update(Player {
                best: mass,
                ..player
            });
        }
    }
}

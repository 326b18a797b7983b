//! How circles move, and who eats whom.

use spacetimedb::{ReducerContext, Table};

use crate::{circle, consume_timer, entity, Circle, ConsumeTimer, Entity, Vector, WORLD_SIZE};

pub const CIRCLES_MAX: usize = 16;
/// How far the smallest circle comes in a tick.
const STEP: f32 = 10.0;
/// Who eats is this much heavier.
const HEAVIER: f32 = 1.15;

fn radius(mass: u32) -> f32 {
    (mass as f32).sqrt()
}

/// Heavy circles are slow.
fn step(mass: u32) -> f32 {
    STEP / (1.0 + radius(mass) / 10.0)
}

pub fn move_circles(ctx: &ReducerContext) {
    let size = WORLD_SIZE as f32;
    for circle in ctx.db.circle().iter() {
        if circle.speed == 0.0 {
            continue;
        }
        let Some(entity) = ctx.db.entity().id().find(circle.entity) else {
            continue;
        };
        let place = entity.position + circle.direction * (circle.speed * step(entity.mass));
        ctx.db.entity().id().update(Entity {
            position: Vector {
                x: place.x.clamp(0.0, size),
                y: place.y.clamp(0.0, size),
            },
            ..entity
        });
    }
}

/// What each circle covers is eaten, each by a call of its own.
pub fn find_meals(ctx: &ReducerContext) {
    let entities: Vec<Entity> = ctx.db.entity().iter().collect();
    let circles: Vec<(Circle, Entity)> = ctx
        .db
        .circle()
        .iter()
        .filter_map(|circle| {
            let entity = ctx.db.entity().id().find(circle.entity)?;
            Some((circle, entity))
        })
        .collect();
    let owner = |id: u32| {
        let mut owners = circles.iter();
        owners.find_map(|(circle, _)| (circle.entity == id).then_some(circle.player))
    };
    for (circle, eater) in &circles {
        let reach = radius(eater.mass);
        for eaten in &entities {
            let is_near = (eaten.position - eater.position).length() < reach;
            if !is_near || eaten.id == eater.id || owner(eaten.id) == Some(circle.player) {
                continue;
            }
            let is_food = owner(eaten.id).is_none();
            if is_food || eaten.mass as f32 * HEAVIER < eater.mass as f32 {
                ctx.db.consume_timer().insert(ConsumeTimer {
                    id: 0,
                    scheduled_at: ctx.timestamp.into(),
                    eaten: eaten.id,
                    eater: eater.id,
                });
            }
        }
    }
}

//! Names in the program that are not the stored ones, and a farewell that can fail.

#![allow(non_snake_case)]

use spacetimedb::{reducer, table, ReducerContext, Table};

use crate::shapes::switch as _;

/// Stored under another name, with a column whose name is converted.
#[table(
    accessor = thing,
    name = "LoudThing",
    public,
    index(accessor = by_speed, btree(columns = [topSpeed]))
)]
pub struct Thing {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub topSpeed: u32,
}

/// Adds a thing, unless there is one of this speed: found by an index with a converted name.
#[reducer(name = "AddThing")]
pub fn add_thing(ctx: &ReducerContext, speed: u32) -> Result<(), String> {
    let things = ctx.db.thing();
    if things.by_speed().filter(speed).next().is_some() {
        return Err(format!("there is a thing of speed {speed}"));
    }
    things.insert(Thing {
        id: 0,
        topSpeed: speed,
    });
    Ok(())
}

/// Fails if the switch says so; the client is gone all the same.
#[reducer(client_disconnected)]
pub fn farewell(ctx: &ReducerContext) -> Result<(), String> {
    let switch = ctx.db.switch().name().find("farewell".to_owned());
    match switch.map_or(0, |switch| switch.value) {
        100 => panic!("no farewell"),
        101 => Err("not yet".to_owned()),
        _ => Ok(()),
    }
}

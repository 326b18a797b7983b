//! Reducers that go wrong, each in one way. None of them may change anything, take the server
//! down, or slow down another database.

use std::hint::black_box;

use spacetimedb::{reducer, table, ReducerContext, Table};

/// Where the failing reducers write before they fail.
#[table(accessor = ledger, public)]
pub struct Ledger {
    #[primary_key]
    pub id: u32,
    #[unique]
    pub name: String,
    pub value: i64,
}

/// The one that works, to see that the database still does.
#[reducer]
pub fn insert_ledger(ctx: &ReducerContext, id: u32, name: String, value: i64) {
    ctx.db.ledger().insert(Ledger { id, name, value });
}

#[reducer]
pub fn fail(_ctx: &ReducerContext, text: String) -> Result<(), String> {
    Err(text)
}

/// Inserts, updates and deletes, and then fails: all three must be undone.
#[reducer]
pub fn fail_after_writes(ctx: &ReducerContext, text: String) -> Result<(), String> {
    write_to_ledger(ctx);
    Err(text)
}

#[reducer]
pub fn panic_now(_ctx: &ReducerContext, text: String) {
    panic!("{text}");
}

#[reducer]
pub fn panic_after_writes(ctx: &ReducerContext, text: String) {
    write_to_ledger(ctx);
    panic!("{text}");
}

/// Executes the wasm instruction `unreachable`.
#[reducer]
pub fn trap_now(_ctx: &ReducerContext) {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable()
}

#[reducer]
pub fn loop_forever(_ctx: &ReducerContext) {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Loops through calls into the host, which a limit on wasm instructions alone would not see.
#[reducer]
pub fn loop_in_host_forever(ctx: &ReducerContext) {
    loop {
        black_box(ctx.db.ledger().count());
    }
}

#[reducer]
pub fn grow_memory_forever(_ctx: &ReducerContext) {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

#[reducer]
pub fn recurse_forever(_ctx: &ReducerContext) {
    black_box(recurse(0));
}

/// Inserts rows until the database refuses.
#[reducer]
pub fn insert_forever(ctx: &ReducerContext) {
    for id in 0.. {
        ctx.db.ledger().insert(Ledger {
            id,
            name: format!("row {id}"),
            value: 0,
        });
    }
}

/// A duplicate key through `insert`: the library panics.
#[reducer]
pub fn insert_duplicate(ctx: &ReducerContext) {
    let row = |name: &str| Ledger {
        id: 900_001,
        name: name.to_owned(),
        value: 0,
    };
    ctx.db.ledger().insert(row("first"));
    ctx.db.ledger().insert(row("second"));
}

/// A duplicate value of a unique column, handed back as the reducer's error.
#[reducer]
pub fn try_insert_duplicate(ctx: &ReducerContext) -> Result<(), String> {
    let row = |id: u32| Ledger {
        id,
        name: "duplicate".to_owned(),
        value: 0,
    };
    ctx.db.ledger().try_insert(row(900_002))?;
    ctx.db.ledger().try_insert(row(900_003))?;
    Ok(())
}

/// A refused insert leaves the transaction usable: the rest of it commits.
#[reducer]
pub fn recover_from_duplicate(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    let row = |value: i64| Ledger {
        id,
        name: format!("recovered {id}"),
        value,
    };
    ctx.db.ledger().insert(row(1));
    if ctx.db.ledger().try_insert(row(2)).is_ok() {
        return Err("a duplicate was accepted".to_owned());
    }
    match ctx.db.ledger().id().find(id) {
        Some(Ledger { value: 1, .. }) => Ok(()),
        Some(Ledger { value, .. }) => Err(format!("the refused insert left the value {value}")),
        None => Err("the refused insert took the first row with it".to_owned()),
    }
}

/// An update to a row that is not there: the library panics.
#[reducer]
pub fn update_missing(ctx: &ReducerContext, id: u32) {
    ctx.db.ledger().id().update(Ledger {
        id,
        name: format!("missing {id}"),
        value: 0,
    });
}

/// Opens iterators without ever closing them.
#[reducer]
pub fn leak_iterators(ctx: &ReducerContext, count: u32) {
    for _ in 0..count {
        std::mem::forget(ctx.db.ledger().iter());
    }
}

fn write_to_ledger(ctx: &ReducerContext) {
    let ledger = ctx.db.ledger();
    let victim = ledger.iter().map(|row| row.id).min();
    ledger.insert(Ledger {
        id: 900_000,
        name: "undo me".to_owned(),
        value: 1,
    });
    ledger.id().update(Ledger {
        id: 900_000,
        name: "undo me too".to_owned(),
        value: 2,
    });
    if let Some(id) = victim {
        ledger.id().delete(id);
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    recurse(depth + 1).wrapping_add(frame[63])
}

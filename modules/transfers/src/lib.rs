//! Loads for measuring: transfers between accounts, and plain operations by the thousand.
//!
//! Invariants
//!   * `transfer` keeps the sum of all balances, and no balance falls below zero.
//!   * `insert_many`, `find_many`, `update_many` touch the keys `start .. start + n`; each fails
//!     (and so changes nothing) if a key is not in the state it expects, so a measured call
//!     that answers "committed" has really done `n` operations.

use spacetimedb::{reducer, table, ReducerContext, Table};

/// What every account holds after `seed`.
const OPENING_BALANCE: i64 = 1_000_000;

/// An account.
#[table(accessor = account, public)]
pub struct Account {
    #[primary_key]
    id: u32,
    balance: i64,
}

/// The smallest row with a key: what the per-operation loads work on.
#[table(accessor = cell, public)]
pub struct Cell {
    #[primary_key]
    key: u32,
    value: i32,
}

/// Replaces all accounts by `n` fresh ones with the ids `0 .. n`.
#[reducer]
pub fn seed(ctx: &ReducerContext, n: u32) {
    let accounts = ctx.db.account();
    accounts.clear();
    for id in 0..n {
        accounts.insert(Account {
            id,
            balance: OPENING_BALANCE,
        });
    }
}

/// Moves `amount` from one account to another.
#[reducer]
pub fn transfer(ctx: &ReducerContext, from: u32, to: u32, amount: i64) -> Result<(), String> {
    if from == to {
        return Err("an account cannot send to itself".to_owned());
    }
    if amount <= 0 {
        return Err("the amount must be positive".to_owned());
    }
    let accounts = ctx.db.account();
    let source = accounts
        .id()
        .find(from)
        .ok_or_else(|| format!("no account {from}"))?;
    let target = accounts
        .id()
        .find(to)
        .ok_or_else(|| format!("no account {to}"))?;
    if source.balance < amount {
        return Err("insufficient funds".to_owned());
    }
    let received = target
        .balance
        .checked_add(amount)
        .ok_or("the balance would overflow")?;
    accounts.id().update(Account {
        balance: source.balance - amount,
        ..source
    });
    accounts.id().update(Account {
        balance: received,
        ..target
    });
    Ok(())
}

/// Fails unless the balances of all accounts sum up to `expected`.
#[reducer]
pub fn check_total(ctx: &ReducerContext, expected: i64) -> Result<(), String> {
    let total: i64 = ctx.db.account().iter().map(|account| account.balance).sum();
    if total == expected {
        Ok(())
    } else {
        Err(format!("the balances sum up to {total}, not to {expected}"))
    }
}

/// Does nothing: the cost of a call.
#[reducer]
pub fn empty(_ctx: &ReducerContext) {}

/// Inserts `n` cells.
#[reducer]
pub fn insert_many(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
    let cells = ctx.db.cell();
    for key in keys(start, n)? {
        cells.try_insert(Cell {
            key,
            value: value_of(key),
        })?;
    }
    Ok(())
}

/// Looks `n` cells up by key.
#[reducer]
pub fn find_many(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
    let cells = ctx.db.cell();
    for key in keys(start, n)? {
        if cells.key().find(key).is_none() {
            return Err(format!("no cell {key}"));
        }
    }
    Ok(())
}

/// Reads and rewrites `n` cells.
#[reducer]
pub fn update_many(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
    let cells = ctx.db.cell();
    for key in keys(start, n)? {
        let cell = cells
            .key()
            .find(key)
            .ok_or_else(|| format!("no cell {key}"))?;
        cells.key().update(Cell {
            value: cell.value.wrapping_add(1),
            ..cell
        });
    }
    Ok(())
}

/// Reads every cell once.
#[reducer]
pub fn iterate_all(ctx: &ReducerContext, expected_count: u32) -> Result<(), String> {
    let count = ctx.db.cell().iter().count();
    if count == expected_count as usize {
        Ok(())
    } else {
        Err(format!("there are {count} cells, not {expected_count}"))
    }
}

/// Deletes `n` cells, one by one.
#[reducer]
pub fn delete_many(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
    let cells = ctx.db.cell();
    for key in keys(start, n)? {
        if !cells.key().delete(key) {
            return Err(format!("no cell {key}"));
        }
    }
    Ok(())
}

/// Deletes every cell at once.
#[reducer]
pub fn delete_all(ctx: &ReducerContext) {
    ctx.db.cell().clear();
}

fn keys(start: u32, n: u32) -> Result<std::ops::Range<u32>, String> {
    let end = start.checked_add(n).ok_or("start + n does not fit a u32")?;
    Ok(start..end)
}

fn value_of(key: u32) -> i32 {
    (key % 1000) as i32
}

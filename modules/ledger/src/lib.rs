//! Numbered transfers, for checking what a database still has after its server was killed.
//!
//! Invariants
//!   * Every committed `transfer` adds one to the counter, in the order of the commits, and leaves
//!     one entry with the value that it found.
//!   * The sum of all balances never changes.
//!   * `presence` holds exactly the connections that are open.

use spacetimedb::{reducer, table, ConnectionId, ReducerContext, Table};

/// An account. Balances may fall below zero: no transfer fails.
#[table(accessor = account, public)]
pub struct Account {
    #[primary_key]
    id: u32,
    balance: i64,
}

/// How many transfers were committed.
#[table(accessor = counter, public)]
pub struct Counter {
    #[primary_key]
    id: u8,
    committed: u64,
}

/// One committed transfer: the `seq`th of its client, the `place`th of all.
#[table(accessor = entry, public)]
pub struct Entry {
    #[primary_key]
    place: u64,
    /// Not a key, so that a number that is given out twice shows.
    #[auto_inc]
    id: u64,
    client: u32,
    seq: u64,
}

/// An open connection.
#[table(accessor = presence, public)]
pub struct Presence {
    #[primary_key]
    connection: ConnectionId,
}

/// How many connections were opened and closed since the beginning.
#[table(accessor = visits, public)]
pub struct Visits {
    #[primary_key]
    id: u8,
    opened: u64,
    closed: u64,
}

const OPENING_BALANCE: i64 = 1000;
const ACCOUNTS: u32 = 64;

#[reducer(init)]
pub fn init(ctx: &ReducerContext) {
    for id in 0..ACCOUNTS {
        let balance = OPENING_BALANCE;
        ctx.db.account().insert(Account { id, balance });
    }
    ctx.db.counter().insert(Counter {
        id: 0,
        committed: 0,
    });
    ctx.db.visits().insert(Visits {
        id: 0,
        opened: 0,
        closed: 0,
    });
}

#[reducer(client_connected)]
pub fn client_connected(ctx: &ReducerContext) -> Result<(), String> {
    let connection = ctx.connection_id().ok_or("no connection id")?;
    ctx.db.presence().try_insert(Presence { connection })?;
    let visits = ctx.db.visits().id();
    let row = visits.find(0).ok_or("no visits")?;
    visits.update(Visits {
        opened: row.opened + 1,
        ..row
    });
    Ok(())
}

#[reducer(client_disconnected)]
pub fn client_disconnected(ctx: &ReducerContext) -> Result<(), String> {
    let connection = ctx.connection_id().ok_or("no connection id")?;
    if !ctx.db.presence().connection().delete(connection) {
        return Err("the connection was not open".to_owned());
    }
    let visits = ctx.db.visits().id();
    let row = visits.find(0).ok_or("no visits")?;
    visits.update(Visits {
        closed: row.closed + 1,
        ..row
    });
    Ok(())
}

/// The `seq`th transfer of `client`.
#[reducer]
pub fn transfer(
    ctx: &ReducerContext,
    client: u32,
    seq: u64,
    from: u32,
    to: u32,
    amount: i64,
) -> Result<(), String> {
    let counters = ctx.db.counter().id();
    let counter = counters.find(0).ok_or("no counter")?;
    let place = counter.committed;
    counters.update(Counter {
        committed: place + 1,
        ..counter
    });
    ctx.db.entry().try_insert(Entry {
        place,
        id: 0,
        client,
        seq,
    })?;
    change(ctx, from, -amount)?;
    change(ctx, to, amount)
}

fn change(ctx: &ReducerContext, id: u32, by: i64) -> Result<(), String> {
    let accounts = ctx.db.account().id();
    let account = accounts.find(id).ok_or("no such account")?;
    accounts.update(Account {
        balance: account.balance + by,
        ..account
    });
    Ok(())
}

/// Deletes the entries before `place`.
#[reducer]
pub fn forget(ctx: &ReducerContext, place: u64) {
    let old: Vec<Entry> = ctx.db.entry().iter().filter(|e| e.place < place).collect();
    for entry in old {
        ctx.db.entry().place().delete(entry.place);
    }
}

/// `count` entries from `start` on that nobody counts: rows to send to subscribers.
#[reducer]
pub fn flood(ctx: &ReducerContext, start: u64, count: u64) -> Result<(), String> {
    for place in start..start.saturating_add(count) {
        ctx.db.entry().try_insert(Entry {
            place,
            id: 0,
            client: u32::MAX,
            seq: 0,
        })?;
    }
    Ok(())
}

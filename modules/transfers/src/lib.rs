//! Loads for measuring: transfers between accounts, and plain operations by the thousand.
//!
//! Invariants
//!   * `transfer` keeps the sum of all balances, and no balance falls below zero.
//!   * `insert_many`, `find_many`, `update_many` touch the keys `start .. start + n`; each fails
//!     (and so changes nothing) if a key is not in the state it expects, so a measured call
//!     that answers "committed" has really done `n` operations. The same with `_hash` and `_text`
//!     work on tables of other kinds.

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

/// A row that is found by the hash of its key.
#[table(accessor = hash_cell, public)]
pub struct HashCell {
    #[primary_key]
    #[index(hash)]
    key: u32,
    value: i64,
}

/// A row with a second, ordered index over text.
#[table(accessor = text_cell, public)]
pub struct TextCell {
    #[primary_key]
    key: u64,
    #[index(btree)]
    text: String,
}

/// A row of 64 bytes: what loads with subscribers change.
#[table(accessor = item, public)]
pub struct Item {
    #[primary_key]
    id: u32,
    /// Given by whoever changed the row last.
    stamp: u64,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u32,
}

/// Replaces all items by `n` fresh ones with the ids `0 .. n`.
#[reducer]
pub fn fill_items(ctx: &ReducerContext, n: u32) {
    let items = ctx.db.item();
    items.clear();
    for id in 0..n {
        items.insert(Item {
            id,
            stamp: 0,
            a: 1,
            b: 2,
            c: 3,
            d: 4,
            e: 5,
            f: 6,
            g: 7,
        });
    }
}

/// Changes one item.
#[reducer]
pub fn touch(ctx: &ReducerContext, id: u32, stamp: u64) -> Result<(), String> {
    let items = ctx.db.item();
    let item = items.id().find(id).ok_or_else(|| format!("no item {id}"))?;
    items.id().update(Item { stamp, ..item });
    Ok(())
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

/// The plain operations on one table of cells.
macro_rules! operations {
    (
        $table:ident, $row:ident, $key_type:ty,
        $insert:ident, $find:ident, $update:ident, $iterate:ident, $delete:ident, $clear:ident
    ) => {
        /// Inserts `n` cells.
        #[reducer]
        pub fn $insert(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
            let cells = ctx.db.$table();
            for key in keys(start, n)? {
                cells.try_insert($row::new(key))?;
            }
            Ok(())
        }

        /// Looks `n` cells up by key.
        #[reducer]
        pub fn $find(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
            let cells = ctx.db.$table();
            for key in keys(start, n)? {
                if cells.key().find(<$key_type>::from(key)).is_none() {
                    return Err(format!("no cell {key}"));
                }
            }
            Ok(())
        }

        /// Reads and rewrites `n` cells.
        #[reducer]
        pub fn $update(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
            let cells = ctx.db.$table();
            for key in keys(start, n)? {
                let cell = cells
                    .key()
                    .find(<$key_type>::from(key))
                    .ok_or_else(|| format!("no cell {key}"))?;
                cells.key().update(cell.changed());
            }
            Ok(())
        }

        /// Reads every cell once.
        #[reducer]
        pub fn $iterate(ctx: &ReducerContext, expected_count: u32) -> Result<(), String> {
            let count = ctx.db.$table().iter().count();
            if count == expected_count as usize {
                Ok(())
            } else {
                Err(format!("there are {count} cells, not {expected_count}"))
            }
        }

        /// Deletes `n` cells, one by one.
        #[reducer]
        pub fn $delete(ctx: &ReducerContext, start: u32, n: u32) -> Result<(), String> {
            let cells = ctx.db.$table();
            for key in keys(start, n)? {
                if !cells.key().delete(<$key_type>::from(key)) {
                    return Err(format!("no cell {key}"));
                }
            }
            Ok(())
        }

        /// Deletes every cell at once.
        #[reducer]
        pub fn $clear(ctx: &ReducerContext) {
            ctx.db.$table().clear();
        }
    };
}

operations!(
    cell,
    Cell,
    u32,
    insert_many,
    find_many,
    update_many,
    iterate_all,
    delete_many,
    delete_all
);
operations!(
    hash_cell,
    HashCell,
    u32,
    insert_many_hash,
    find_many_hash,
    update_many_hash,
    iterate_all_hash,
    delete_many_hash,
    delete_all_hash
);
operations!(
    text_cell,
    TextCell,
    u64,
    insert_many_text,
    find_many_text,
    update_many_text,
    iterate_all_text,
    delete_many_text,
    delete_all_text
);

impl Cell {
    fn new(key: u32) -> Self {
        Cell {
            key,
            value: value_of(key),
        }
    }

    fn changed(self) -> Self {
        Cell {
            value: self.value.wrapping_add(1),
            ..self
        }
    }
}

impl HashCell {
    fn new(key: u32) -> Self {
        HashCell {
            key,
            value: i64::from(value_of(key)),
        }
    }

    fn changed(self) -> Self {
        HashCell {
            value: self.value.wrapping_add(1),
            ..self
        }
    }
}

impl TextCell {
    fn new(key: u32) -> Self {
        TextCell {
            key: u64::from(key),
            // Twenty bytes, in another order than the keys.
            text: format!("{:020}", key.wrapping_mul(2_654_435_761)),
        }
    }

    fn changed(mut self) -> Self {
        self.text.replace_range(..1, "1");
        self
    }
}

fn keys(start: u32, n: u32) -> Result<std::ops::Range<u32>, String> {
    let end = start.checked_add(n).ok_or("start + n does not fit a u32")?;
    Ok(start..end)
}

fn value_of(key: u32) -> i32 {
    (key % 1000) as i32
}

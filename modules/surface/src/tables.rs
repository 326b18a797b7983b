//! Tables of every form.

use spacetimedb::{reducer, table, Identity, ReducerContext, ScheduleAt, Timestamp, Uuid};

use crate::types::{Level, Scoped};

/// All arguments, in another order.
#[table(
    index(accessor = by_both, btree(columns = [number, level,],),),
    index(name = "ByLevel", hash(columns = [level]), accessor = level_hash),
    public,
    name = "Renamed",
    accessor = arguments,
)]
#[derive(Clone, Debug)]
pub struct Arguments {
    #[primary_key]
    #[auto_inc]
    pub number: u64,
    pub level: Level,
    #[unique]
    #[index(hash)]
    pub code: u128,
    #[index(btree)]
    pub owner: Option<Identity>,
}

/// Two tables with one kind of rows, and a third.
#[table(accessor = current, public)]
#[table(accessor = former)]
#[table(
    accessor = third,
    name = "TheThird",
    private,
    index(accessor = at_x, btree(columns = [x, y]))
)]
#[derive(Clone, Debug)]
pub struct Stacked {
    #[auto_inc]
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub x: i32,
    pub y: i32,
    #[default(5u8)]
    pub z: u8,
}

/// Direct indexes over everything that they can be over.
#[table(accessor = dense, index(accessor = by_slot, direct(column = [slot])))]
pub struct Dense {
    #[primary_key]
    #[index(direct)]
    pub byte: u8,
    #[unique]
    pub slot: u16,
    #[unique]
    #[index(direct)]
    pub word: u32,
    #[unique]
    #[index(direct)]
    pub long: u64,
    #[unique]
    #[index(direct)]
    pub level: Level,
}

/// Every type that can be unique.
#[table(accessor = keyed)]
#[derive(Clone, Debug)]
pub struct Keyed {
    #[unique]
    pub a8: i8,
    #[unique]
    pub b16: u16,
    #[unique]
    pub a64: i64,
    #[unique]
    pub a128: i128,
    #[unique]
    pub b256: spacetimedb::sats::u256,
    #[unique]
    pub flag: bool,
    #[unique]
    pub name: String,
    #[unique]
    pub identity: Identity,
    #[unique]
    pub connection: spacetimedb::ConnectionId,
    #[unique]
    pub time: Timestamp,
    #[unique]
    pub uuid: Uuid,
    #[unique]
    pub level: Level,
    #[unique]
    pub hash: spacetimedb::spacetimedb_lib::Hash,
}

/// Keys that cannot be searched for can still be unique and indexed.
#[table(accessor = odd_keys, index(accessor = by_place, btree(columns = [place, weight])))]
pub struct OddKeys {
    #[unique]
    pub place: Scoped,
    #[index(btree)]
    pub weight: f64,
    #[unique]
    pub tags: Vec<String>,
}

/// Sequences of every width.
#[table(accessor = counted)]
pub struct Counted {
    #[auto_inc]
    pub a8: i8,
    #[auto_inc]
    pub b8: u8,
    #[auto_inc]
    pub a16: i16,
    #[auto_inc]
    pub b16: u16,
    #[auto_inc]
    pub a32: i32,
    #[auto_inc]
    pub b32: u32,
    #[auto_inc]
    pub a64: i64,
    #[auto_inc]
    pub b64: u64,
    #[auto_inc]
    pub a128: i128,
    #[auto_inc]
    pub b128: u128,
    #[auto_inc]
    pub a256: spacetimedb::sats::i256,
    #[auto_inc]
    pub b256: spacetimedb::sats::u256,
}

pub const SEVEN: u32 = 7;

const fn computed(n: i64) -> i64 {
    n * 2
}

/// Defaults of every form.
#[table(accessor = defaults)]
pub struct Defaults {
    pub id: u32,
    #[default(true)]
    pub flag: bool,
    #[default(SEVEN + 1)]
    pub constant: u32,
    #[default(computed(-4))]
    pub computed: i64,
    #[default("it's")]
    pub text: String,
    #[default(1.5)]
    pub float: f64,
    #[default(Level::High)]
    pub level: Level,
    #[default(None)]
    pub none: Option<String>,
    #[default(Some(3))]
    pub some: Option<u16>,
    #[default(Scoped { x: 1.0, y: -1.0 })]
    pub place: Scoped,
    #[default(Timestamp::UNIX_EPOCH)]
    pub time: Timestamp,
    #[default(Identity::ZERO)]
    pub identity: Identity,
}

/// A schedule with a column of another name, and a function in another module.
#[table(
    accessor = alarm,
    public,
    scheduled(crate::tables::inner::ring, at = when),
    index(accessor = by_who, hash(columns = [who]))
)]
pub struct Alarm {
    pub who: Identity,
    pub when: ScheduleAt,
    #[primary_key]
    pub key: u64,
}

/// One with a comma at the end.
#[table(accessor = plain_alarm, scheduled(plain_ring,))]
pub struct PlainAlarm {
    #[primary_key]
    #[auto_inc]
    pub scheduled_id: u64,
    pub scheduled_at: ScheduleAt,
}

#[reducer]
pub fn plain_ring(_ctx: &ReducerContext, _alarm: PlainAlarm) {}

pub mod inner {
    use spacetimedb::{reducer, ReducerContext};

    use super::Alarm;

    #[reducer]
    pub fn ring(_ctx: &ReducerContext, alarm: Alarm) -> Result<(), String> {
        Err(alarm.who.to_string())
    }

    /// Visible here only.
    #[spacetimedb::table(accessor = hidden)]
    struct Hidden {
        #[primary_key]
        id: u32,
        #[unique]
        other: u32,
    }

    #[spacetimedb::reducer]
    fn hide(ctx: &ReducerContext) {
        use spacetimedb::Table as _;
        ctx.db.hidden().insert(Hidden { id: 1, other: 2 });
        ctx.db.hidden().other().find(2);
    }
}

/// An event table with everything that it can have.
#[table(accessor = signal, name = "SIGNAL", public, event)]
pub struct Signal {
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub strength: i32,
}

/// No columns.
#[table(accessor = empty)]
pub struct Empty {}

/// Other attributes stay where they are.
#[derive(Clone, Debug, PartialEq)]
#[table(accessor = decorated, public)]
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Decorated {
    /// The key.
    #[primary_key]
    #[allow(unused)]
    pub id: u32,
    #[cfg(any(unix, not(unix)))]
    #[index(btree)]
    pub there: u8,
}

/// The library by another name.
pub mod renamed {
    use spacetimedb as stdb;
    use stdb::Table as _;

    #[stdb::table(accessor = by_other_name, public)]
    pub struct ByOtherName {
        #[primary_key]
        pub id: u32,
    }

    #[stdb::reducer]
    pub fn call_by_other_name(ctx: &stdb::ReducerContext) {
        ctx.db.by_other_name().insert(ByOtherName { id: 1 });
    }
}

//! One ordered and one hash index over every type that can be a key.
//!
//! The order of keys is the type's own order, which for signed numbers is not the order of their
//! bytes: `check_key_order` walks over zero in every type.

use spacetimedb::sats::{i256, u256};
use spacetimedb::{reducer, table, ConnectionId, Identity, ReducerContext, Table, Timestamp, Uuid};

use crate::columns::Color;
use crate::indexes::expect;

/// Ordered indexes.
#[table(accessor = ordered_key, public)]
pub struct OrderedKey {
    #[primary_key]
    pub id: u32,
    #[index(btree)]
    pub flag: bool,
    #[index(btree)]
    pub int8: i8,
    #[index(btree)]
    pub uint8: u8,
    #[index(btree)]
    pub int16: i16,
    #[index(btree)]
    pub uint16: u16,
    #[index(btree)]
    pub int32: i32,
    #[index(btree)]
    pub uint32: u32,
    #[index(btree)]
    pub int64: i64,
    #[index(btree)]
    pub uint64: u64,
    #[index(btree)]
    pub int128: i128,
    #[index(btree)]
    pub uint128: u128,
    #[index(btree)]
    pub int256: i256,
    #[index(btree)]
    pub uint256: u256,
    #[index(btree)]
    pub text: String,
    #[index(btree)]
    pub identity: Identity,
    #[index(btree)]
    pub connection: ConnectionId,
    #[index(btree)]
    pub uuid: Uuid,
    #[index(btree)]
    pub moment: Timestamp,
    #[index(btree)]
    pub color: Color,
}

/// Hash indexes.
#[table(accessor = hashed_key, public)]
pub struct HashedKey {
    #[primary_key]
    #[index(hash)]
    pub id: u32,
    #[index(hash)]
    pub flag: bool,
    #[index(hash)]
    pub int64: i64,
    #[index(hash)]
    pub uint256: u256,
    #[unique]
    #[index(hash)]
    pub text: String,
    #[index(hash)]
    pub identity: Identity,
    #[index(hash)]
    pub uuid: Uuid,
    #[index(hash)]
    pub color: Color,
}

/// Inserts one row for each of -8 ..= 7, and asks every ordered index for the upper half.
#[reducer]
pub fn check_key_order(ctx: &ReducerContext) -> Result<(), String> {
    let keys = ctx.db.ordered_key();
    keys.clear();
    for n in -8..8i8 {
        keys.insert(ordered_key(n));
    }
    expect("bool", keys.flag().filter(true).count(), 8)?;
    expect("i8", keys.int8().filter(0i8..).count(), 8)?;
    expect("u8", keys.uint8().filter(8u8..).count(), 8)?;
    expect("i16", keys.int16().filter(0i16..).count(), 8)?;
    expect("u16", keys.uint16().filter(8u16..).count(), 8)?;
    expect("i32", keys.int32().filter(0i32..).count(), 8)?;
    expect("u32", keys.uint32().filter(8u32..).count(), 8)?;
    expect("i64", keys.int64().filter(0i64..).count(), 8)?;
    expect("u64", keys.uint64().filter(8u64..).count(), 8)?;
    expect("i128", keys.int128().filter(0i128..).count(), 8)?;
    expect("u128", keys.uint128().filter(8u128..).count(), 8)?;
    expect("i256", keys.int256().filter(i256::from(0i8)..).count(), 8)?;
    expect("u256", keys.uint256().filter(u256::from(8u8)..).count(), 8)?;
    expect("text", keys.text().filter("key 08".."key 99").count(), 8)?;
    expect("identity", keys.identity().filter(identity(8)..).count(), 8)?;
    expect(
        "connection",
        keys.connection().filter(connection(8)..).count(),
        8,
    )?;
    expect("uuid", keys.uuid().filter(Uuid::from_u128(8)..).count(), 8)?;
    expect(
        "timestamp",
        keys.moment().filter(Timestamp::UNIX_EPOCH..).count(),
        8,
    )?;
    expect("enum", keys.color().filter(Color::Green).count(), 5)?;
    expect(
        "i256 exactly",
        keys.int256().filter(i256::from(-8i8)).count(),
        1,
    )?;
    expect("text exactly", keys.text().filter("key 15").count(), 1)
}

/// Inserts rows, and finds them again through every hash index.
#[reducer]
pub fn check_hash_indexes(ctx: &ReducerContext) -> Result<(), String> {
    let keys = ctx.db.hashed_key();
    keys.clear();
    for id in 0..300u32 {
        keys.insert(HashedKey {
            id,
            flag: id.is_multiple_of(2),
            int64: i64::from(id % 10) - 5,
            uint256: u256::from(id % 3) << 200,
            text: format!("hashed {id}"),
            identity: identity(id as u8),
            uuid: Uuid::from_u128(u128::from(id % 100)),
            color: color(id as u8),
        });
    }
    expect("bool", keys.flag().filter(true).count(), 150)?;
    expect("i64", keys.int64().filter(-5i64).count(), 30)?;
    expect(
        "u256",
        keys.uint256().filter(u256::from(2u8) << 200).count(),
        100,
    )?;
    expect("identity", keys.identity().filter(identity(1)).count(), 2)?;
    expect("uuid", keys.uuid().filter(Uuid::from_u128(7)).count(), 3)?;
    expect("delete", keys.int64().delete(-5i64) as usize, 30)?;
    expect("deleted", keys.int64().filter(-5i64).count(), 0)?;
    match keys.text().find("hashed 299".to_owned()) {
        Some(row) if row.id == 299 && keys.id().find(299).is_some() => Ok(()),
        _ => Err("row 299 is not found".to_owned()),
    }
}

/// The row for `n` in -8 .. 8; unsigned columns hold `n + 8`.
fn ordered_key(n: i8) -> OrderedKey {
    let up = (n + 8) as u8;
    OrderedKey {
        id: u32::from(up),
        flag: n >= 0,
        int8: n,
        uint8: up,
        int16: n.into(),
        uint16: up.into(),
        int32: n.into(),
        uint32: up.into(),
        int64: n.into(),
        uint64: up.into(),
        int128: n.into(),
        uint128: up.into(),
        int256: n.into(),
        uint256: up.into(),
        text: format!("key {up:02}"),
        identity: identity(up),
        connection: connection(up),
        uuid: Uuid::from_u128(up.into()),
        moment: Timestamp::from_micros_since_unix_epoch(n.into()),
        color: color(up),
    }
}

fn identity(n: u8) -> Identity {
    Identity::from_u256(u256::from(n))
}

fn connection(n: u8) -> ConnectionId {
    ConnectionId::from_u128(n.into())
}

fn color(n: u8) -> Color {
    [Color::Red, Color::Green, Color::Blue][usize::from(n % 3)]
}

//! Generated values of every integer type: as the key, and beside it.
//!
//! The tables are written out one by one because the library's macro, given a table name by
//! another macro, does not compile for a table with a generated column.

use spacetimedb::sats::{i256, u256};
use spacetimedb::{reducer, table, ReducerContext, Table};

/// A sequence for every integer type in one row. None of the columns is unique.
#[table(accessor = auto_inc_all, public)]
#[derive(Default)]
pub struct AutoIncAll {
    #[primary_key]
    pub id: u32,
    #[auto_inc]
    pub int8: i8,
    #[auto_inc]
    pub uint8: u8,
    #[auto_inc]
    pub int16: i16,
    #[auto_inc]
    pub uint16: u16,
    #[auto_inc]
    pub int32: i32,
    #[auto_inc]
    pub uint32: u32,
    #[auto_inc]
    pub int64: i64,
    #[auto_inc]
    pub uint64: u64,
    #[auto_inc]
    pub int128: i128,
    #[auto_inc]
    pub uint128: u128,
    #[auto_inc]
    pub int256: i256,
    #[auto_inc]
    pub uint256: u256,
}

#[table(accessor = auto_inc_i8, public)]
pub struct AutoIncI8 {
    #[primary_key]
    #[auto_inc]
    pub id: i8,
    pub note: u32,
}

#[table(accessor = auto_inc_u8, public)]
pub struct AutoIncU8 {
    #[primary_key]
    #[auto_inc]
    pub id: u8,
    pub note: u32,
}

#[table(accessor = auto_inc_i32, public)]
pub struct AutoIncI32 {
    #[primary_key]
    #[auto_inc]
    pub id: i32,
    pub note: u32,
}

#[table(accessor = auto_inc_u32, public)]
pub struct AutoIncU32 {
    #[primary_key]
    #[auto_inc]
    pub id: u32,
    pub note: u32,
}

#[table(accessor = auto_inc_u64, public)]
pub struct AutoIncU64 {
    #[primary_key]
    #[auto_inc]
    pub id: u64,
    pub note: u32,
}

#[table(accessor = auto_inc_i128, public)]
pub struct AutoIncI128 {
    #[primary_key]
    #[auto_inc]
    pub id: i128,
    pub note: u32,
}

#[table(accessor = auto_inc_u256, public)]
pub struct AutoIncU256 {
    #[primary_key]
    #[auto_inc]
    pub id: u256,
    pub note: u32,
}

/// Inserts one row with every column zero, and checks that every one was generated.
#[reducer]
pub fn insert_auto_inc_all(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    let row = ctx.db.auto_inc_all().try_insert(AutoIncAll {
        id,
        ..AutoIncAll::default()
    })?;
    let wide = [
        row.int256 == i256::from(0u8),
        row.uint256 == u256::from(0u8),
    ];
    let signed = [
        row.int8.into(),
        row.int16.into(),
        row.int32.into(),
        row.int64.into(),
        row.int128,
    ];
    let unsigned = [
        row.uint8.into(),
        row.uint16.into(),
        row.uint32.into(),
        row.uint64.into(),
        row.uint128,
    ];
    if wide.contains(&true) || signed.contains(&0i128) || unsigned.contains(&0u128) {
        return Err("a column was not generated".to_owned());
    }
    Ok(())
}

/// Inserts `count` rows into the table whose key has the type `key_type` ("u8", "u256", ...).
/// Answers with the library's own error when the type runs out of values.
#[reducer]
pub fn insert_auto_inc(ctx: &ReducerContext, key_type: String, count: u32) -> Result<(), String> {
    for note in 0..count {
        let db = &ctx.db;
        match key_type.as_str() {
            "i8" => inserted(db.auto_inc_i8().try_insert(AutoIncI8 { id: 0, note })),
            "u8" => inserted(db.auto_inc_u8().try_insert(AutoIncU8 { id: 0, note })),
            "i32" => inserted(db.auto_inc_i32().try_insert(AutoIncI32 { id: 0, note })),
            "u32" => inserted(db.auto_inc_u32().try_insert(AutoIncU32 { id: 0, note })),
            "u64" => inserted(db.auto_inc_u64().try_insert(AutoIncU64 { id: 0, note })),
            "i128" => inserted(db.auto_inc_i128().try_insert(AutoIncI128 { id: 0, note })),
            "u256" => {
                let id = u256::from(0u8);
                inserted(db.auto_inc_u256().try_insert(AutoIncU256 { id, note }))
            }
            other => Err(format!("no table with a generated key of type {other}")),
        }?;
    }
    Ok(())
}

fn inserted<Row, Error: Into<String>>(result: Result<Row, Error>) -> Result<(), String> {
    result.map(|_| ()).map_err(Into::into)
}

/// Inserts a row with a key that the caller chose: nothing is generated then.
#[reducer]
pub fn insert_auto_inc_u32_at(ctx: &ReducerContext, id: u32, note: u32) -> Result<(), String> {
    let row = ctx.db.auto_inc_u32().try_insert(AutoIncU32 { id, note })?;
    if id != 0 && row.id != id {
        return Err(format!("asked for the key {id}, got {}", row.id));
    }
    Ok(())
}

//! Tables with a column of every type, and reducers which store, change and remove whole rows.

use spacetimedb::sats::{i256, u256};
use spacetimedb::{
    reducer, table, ConnectionId, Identity, ReducerContext, ScheduleAt, SpacetimeType, Table,
    TimeDuration, Timestamp, Uuid,
};

/// A plain enum: one byte, and allowed as a key.
#[derive(SpacetimeType, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Red,
    Green,
    Blue,
}

/// A struct of fixed size.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// An enum with every kind of payload.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub enum Shape {
    Nothing,
    Circle(f64),
    Rectangle(Size),
    Labelled(String),
    Group(Vec<Size>),
}

/// Structs, enums and lists inside one another.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Nested {
    pub label: String,
    pub sizes: Vec<Size>,
    pub shape: Shape,
    pub color: Color,
    pub maybe_shape: Option<Shape>,
    pub outcome: Result<Size, String>,
}

/// A struct without fields.
#[derive(SpacetimeType, Clone, Debug, PartialEq)]
pub struct Empty {}

/// Every type of fixed size that a single number can have. Rows are their own BSATN.
#[table(accessor = number, public)]
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    #[primary_key]
    pub id: u32,
    pub flag: bool,
    pub int8: i8,
    pub uint8: u8,
    pub int16: i16,
    pub uint16: u16,
    pub int32: i32,
    pub uint32: u32,
    pub int64: i64,
    pub uint64: u64,
    pub int128: i128,
    pub uint128: u128,
    pub int256: i256,
    pub uint256: u256,
    pub float32: f32,
    pub float64: f64,
}

/// Text, bytes, lists, sums and the special types.
#[table(accessor = composite, public)]
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    #[primary_key]
    pub id: u32,
    pub text: String,
    pub bytes: Vec<u8>,
    pub words: Vec<String>,
    pub longs: Vec<u64>,
    pub floats: Vec<f64>,
    pub flags: Vec<bool>,
    pub color: Color,
    pub size: Size,
    pub shape: Shape,
    pub nested: Nested,
    pub empty: Empty,
    pub maybe_int: Option<i32>,
    pub maybe_text: Option<String>,
    pub maybe_maybe: Option<Option<u8>>,
    pub outcome: Result<u32, String>,
    pub identity: Identity,
    pub connection: ConnectionId,
    pub moment: Timestamp,
    pub span: TimeDuration,
    pub uuid: Uuid,
    pub due: ScheduleAt,
    pub list_of_lists: Vec<Vec<u16>>,
}

/// Rows without a key: equal rows are one row.
#[table(accessor = plain, public)]
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    pub a: i32,
    pub text: String,
}

/// Visible to the owner only.
#[table(accessor = secret)]
pub struct Secret {
    #[primary_key]
    pub id: u32,
    pub text: String,
}

/// A column with a default, which a later version of the module might have added.
#[table(accessor = defaulted, public)]
pub struct Defaulted {
    #[primary_key]
    pub id: u32,
    #[default(7u32)]
    pub level: u32,
    #[default("none")]
    pub note: String,
}

#[reducer]
pub fn insert_number(ctx: &ReducerContext, row: Number) {
    ctx.db.number().insert(row);
}

#[reducer]
pub fn update_number(ctx: &ReducerContext, row: Number) {
    ctx.db.number().id().update(row);
}

#[reducer]
pub fn delete_number(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    expect_removed(ctx.db.number().id().delete(id), id)
}

#[reducer]
pub fn insert_composite(ctx: &ReducerContext, row: Composite) {
    ctx.db.composite().insert(row);
}

#[reducer]
pub fn update_composite(ctx: &ReducerContext, row: Composite) {
    ctx.db.composite().id().update(row);
}

#[reducer]
pub fn delete_composite(ctx: &ReducerContext, id: u32) -> Result<(), String> {
    expect_removed(ctx.db.composite().id().delete(id), id)
}

/// Stores rows made inside the module, so that a test needs no arguments: `count` numbers and
/// composites with the ids `first .. first + count`, all different, all types used.
#[reducer]
pub fn insert_samples(ctx: &ReducerContext, first: u32, count: u32) -> Result<(), String> {
    let end = first
        .checked_add(count)
        .ok_or("first + count does not fit a u32")?;
    for id in first..end {
        let number = sample_number(id);
        let composite = sample_composite(ctx, id);
        if ctx.db.number().insert(number.clone()) != number {
            return Err(format!("number {id} came back changed from insert"));
        }
        if ctx.db.composite().insert(composite.clone()) != composite {
            return Err(format!("composite {id} came back changed from insert"));
        }
    }
    Ok(())
}

/// Checks that the rows of `insert_samples` read back as they were stored.
#[reducer]
pub fn check_samples(ctx: &ReducerContext, first: u32, count: u32) -> Result<(), String> {
    let end = first
        .checked_add(count)
        .ok_or("first + count does not fit a u32")?;
    for id in first..end {
        if ctx.db.number().id().find(id) != Some(sample_number(id)) {
            return Err(format!("number {id} is not what was stored"));
        }
        let found = ctx
            .db
            .composite()
            .id()
            .find(id)
            .ok_or_else(|| format!("no composite {id}"))?;
        // The caller and the time differ from call to call; everything else must be the same.
        let mut expected = sample_composite(ctx, id);
        expected.identity = found.identity;
        expected.connection = found.connection;
        expected.moment = found.moment;
        expected.due = found.due;
        if found != expected {
            return Err(format!("composite {id} is not what was stored"));
        }
    }
    Ok(())
}

#[reducer]
pub fn insert_plain(ctx: &ReducerContext, a: i32, text: String) {
    ctx.db.plain().insert(Plain { a, text });
}

#[reducer]
pub fn delete_plain(ctx: &ReducerContext, a: i32, text: String) -> Result<(), String> {
    if ctx.db.plain().delete(Plain { a, text }) {
        Ok(())
    } else {
        Err("no such row".to_owned())
    }
}

/// Stores one row whose text has `text_bytes` bytes: rows larger than a page must work.
#[reducer]
pub fn insert_big_row(ctx: &ReducerContext, a: i32, text_bytes: u32) {
    let text = "x".repeat(text_bytes as usize);
    ctx.db.plain().insert(Plain { a, text });
}

#[reducer]
pub fn keep_secret(ctx: &ReducerContext, id: u32, text: String) {
    ctx.db.secret().insert(Secret { id, text });
}

#[reducer]
pub fn insert_defaulted(ctx: &ReducerContext, id: u32, level: u32, note: String) {
    ctx.db.defaulted().insert(Defaulted { id, level, note });
}

fn expect_removed(removed: bool, id: u32) -> Result<(), String> {
    if removed {
        Ok(())
    } else {
        Err(format!("no row {id}"))
    }
}

fn sample_number(id: u32) -> Number {
    let wide = i128::from(id) << 90;
    Number {
        id,
        flag: id % 2 == 1,
        int8: (id % 256) as u8 as i8,
        uint8: (id % 256) as u8,
        int16: -((id % 30_000) as i16),
        uint16: (id % 60_000) as u16,
        int32: -((id % 2_000_000_000) as i32),
        uint32: !id,
        int64: -(i64::from(id) << 20),
        uint64: u64::from(id) << 31,
        int128: -wide,
        uint128: u128::MAX - u128::from(id),
        int256: i256::from(-wide),
        uint256: u256::MAX - u256::from(id),
        float32: id as f32 / 4.0,
        float64: -f64::from(id) / 8.0,
    }
}

fn sample_composite(ctx: &ReducerContext, id: u32) -> Composite {
    let size = Size {
        width: id,
        height: id ^ 0xff,
    };
    Composite {
        id,
        text: format!("text {id}"),
        bytes: (0..id % 50).map(|byte| byte as u8).collect(),
        words: (0..id % 4).map(|word| format!("word {word}")).collect(),
        longs: (0..id % 5).map(|long| u64::from(long) << 40).collect(),
        floats: vec![0.0, -1.5, f64::INFINITY],
        flags: vec![id.is_multiple_of(2); 3],
        color: sample_color(id),
        size: size.clone(),
        shape: sample_shape(id, &size),
        nested: Nested {
            label: format!("nested {id}"),
            sizes: vec![size.clone(); (id % 3) as usize],
            shape: Shape::Labelled(String::new()),
            color: sample_color(id + 1),
            maybe_shape: id.is_multiple_of(2).then(|| sample_shape(id + 1, &size)),
            outcome: if id.is_multiple_of(2) {
                Ok(size)
            } else {
                Err("odd".to_owned())
            },
        },
        empty: Empty {},
        maybe_int: id.is_multiple_of(2).then_some(-(id as i32)),
        maybe_text: id.is_multiple_of(3).then(|| "some".to_owned()),
        maybe_maybe: [None, Some(None), Some(Some(3))][(id % 3) as usize],
        outcome: if id.is_multiple_of(2) {
            Ok(id)
        } else {
            Err(format!("error {id}"))
        },
        identity: ctx.sender(),
        connection: ctx.connection_id().unwrap_or(ConnectionId::ZERO),
        moment: ctx.timestamp,
        span: TimeDuration::from_micros(-i64::from(id)),
        uuid: Uuid::from_u128(u128::from(id) << 64),
        due: ScheduleAt::Time(ctx.timestamp),
        list_of_lists: vec![vec![], vec![1, 2], vec![id as u16]],
    }
}

fn sample_color(id: u32) -> Color {
    [Color::Red, Color::Green, Color::Blue][(id % 3) as usize]
}

fn sample_shape(id: u32, size: &Size) -> Shape {
    match id % 5 {
        0 => Shape::Nothing,
        1 => Shape::Circle(f64::from(id)),
        2 => Shape::Rectangle(size.clone()),
        3 => Shape::Labelled(format!("shape {id}")),
        _ => Shape::Group(vec![size.clone(), size.clone()]),
    }
}

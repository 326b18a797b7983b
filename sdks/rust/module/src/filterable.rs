//! Which values can be looked up in an index.

use ethnum::{I256, U256};

use crate::bsatn::Serialize;
use crate::types::{ConnectionId, Hash, Identity, Timestamp, Uuid};

/// A value that an index can be searched for, and the type of the columns it is compared with.
/// Derived with [`SpacetimeType`](trait@crate::SpacetimeType) for enums whose variants hold
/// nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key of an index",
    label = "not the type of a key, or not of this column",
    note = "keys are integers, `bool`, `String` (searched for by `&str` or `&String`), `Identity`, \
            `ConnectionId`, `Timestamp`, `Uuid`, `Hash`, and enums whose variants hold nothing",
    note = "a number without a type is taken for an `i32`: write `5u64` for a `u64` column"
)]
pub trait FilterableValue: Serialize {
    /// The type of the column.
    type Column;
}

macro_rules! filterable {
    ($($type:ty),*) => {$(
        impl FilterableValue for $type {
            type Column = $type;
        }

        impl FilterableValue for &$type {
            type Column = $type;
        }
    )*};
}

filterable!(
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    u64,
    i64,
    u128,
    i128,
    U256,
    I256,
    bool,
    Identity,
    ConnectionId,
    Timestamp,
    Uuid,
    Hash
);

impl FilterableValue for &str {
    type Column = String;
}

impl FilterableValue for &String {
    type Column = String;
}

/// A type that a direct index can have as its key: a small number counted from zero.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a direct index",
    label = "not the key of a direct index",
    note = "a direct index takes `u8`, `u16`, `u32`, `u64`, and enums whose variants hold nothing"
)]
#[doc(hidden)]
pub trait DirectIndexKey {}

impl DirectIndexKey for u8 {}
impl DirectIndexKey for u16 {}
impl DirectIndexKey for u32 {}
impl DirectIndexKey for u64 {}

/// A type that a sequence can fill in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be counted up",
    label = "not an integer",
    note = "`#[auto_inc]` needs a column of an integer type"
)]
#[doc(hidden)]
pub trait SequenceValue: Sized {
    /// Whether the host is to generate the value.
    fn is_zero(&self) -> bool;
}

macro_rules! sequences {
    ($($type:ty: $zero:expr),*) => {$(
        impl SequenceValue for $type {
            #[inline]
            fn is_zero(&self) -> bool {
                *self == $zero
            }
        }
    )*};
}

sequences!(
    u8: 0, i8: 0, u16: 0, i16: 0, u32: 0, i32: 0, u64: 0, i64: 0, u128: 0, i128: 0,
    U256: U256::ZERO, I256: I256::ZERO
);

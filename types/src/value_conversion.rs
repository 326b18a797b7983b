//! From Rust values to [`AlgebraicValue`]s, and the few ways back that the engine needs.

use crate::{
    AlgebraicValue, ArrayValue, ConnectionId, F32, F64, Hash, Identity, ScheduleAt, SumValue,
    TimeDuration, Timestamp, Uuid,
};
use ethnum::{I256, U256};

macro_rules! from_scalar {
    ($($scalar:ty => $variant:ident),* $(,)?) => {$(
        impl From<$scalar> for AlgebraicValue {
            fn from(value: $scalar) -> Self {
                AlgebraicValue::$variant(value.into())
            }
        }
    )*};
}

from_scalar! {
    bool => Bool,
    i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64, u64 => U64,
    i128 => I128, u128 => U128, I256 => I256, U256 => U256, f32 => F32, f64 => F64,
    &str => String, String => String, Box<str> => String,
}

impl From<f32> for F32 {
    fn from(value: f32) -> Self {
        F32(value)
    }
}

impl From<f64> for F64 {
    fn from(value: f64) -> Self {
        F64(value)
    }
}

impl From<&[u8]> for AlgebraicValue {
    fn from(bytes: &[u8]) -> Self {
        AlgebraicValue::Array(ArrayValue::Bytes(bytes.into()))
    }
}

impl From<Vec<u8>> for AlgebraicValue {
    fn from(bytes: Vec<u8>) -> Self {
        AlgebraicValue::Array(ArrayValue::Bytes(bytes.into()))
    }
}

impl<T: Into<AlgebraicValue>> From<Option<T>> for AlgebraicValue {
    fn from(value: Option<T>) -> Self {
        match value {
            Some(value) => AlgebraicValue::sum(0, value.into()),
            None => AlgebraicValue::sum(1, AlgebraicValue::unit()),
        }
    }
}

macro_rules! from_one_field_product {
    ($($native:ty, $value:ident => $field:expr;)*) => {$(
        impl From<$native> for AlgebraicValue {
            fn from($value: $native) -> Self {
                AlgebraicValue::Product(vec![AlgebraicValue::from($field)])
            }
        }
    )*};
}

from_one_field_product! {
    Identity, identity => identity.to_u256();
    ConnectionId, id => id.0;
    Timestamp, timestamp => timestamp.micros;
    TimeDuration, duration => duration.micros;
    Uuid, uuid => uuid.0;
}

impl From<Hash> for AlgebraicValue {
    fn from(hash: Hash) -> Self {
        AlgebraicValue::U256(hash.to_u256())
    }
}

impl From<ScheduleAt> for AlgebraicValue {
    fn from(value: ScheduleAt) -> Self {
        match value {
            ScheduleAt::Interval(interval) => AlgebraicValue::sum(0, interval.into()),
            ScheduleAt::Time(time) => AlgebraicValue::sum(1, time.into()),
        }
    }
}

impl AlgebraicValue {
    /// The empty product.
    #[must_use]
    pub fn unit() -> Self {
        AlgebraicValue::Product(Vec::new())
    }

    /// A variant with its payload.
    #[must_use]
    pub fn sum(tag: u8, value: AlgebraicValue) -> Self {
        AlgebraicValue::Sum(SumValue {
            tag,
            value: Box::new(value),
        })
    }

    /// An array that is not one of bytes.
    #[must_use]
    pub fn array(values: impl IntoIterator<Item = AlgebraicValue>) -> Self {
        AlgebraicValue::Array(ArrayValue::Values(values.into_iter().collect()))
    }

    /// The elements, if this is a product.
    #[must_use]
    pub fn as_product(&self) -> Option<&[AlgebraicValue]> {
        match self {
            AlgebraicValue::Product(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            AlgebraicValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer that fits. Unsigned 256-bit numbers above the signed
    /// range do not.
    #[must_use]
    pub fn as_integer(&self) -> Option<I256> {
        Some(match self {
            AlgebraicValue::I8(number) => I256::from(*number),
            AlgebraicValue::U8(number) => I256::from(*number),
            AlgebraicValue::I16(number) => I256::from(*number),
            AlgebraicValue::U16(number) => I256::from(*number),
            AlgebraicValue::I32(number) => I256::from(*number),
            AlgebraicValue::U32(number) => I256::from(*number),
            AlgebraicValue::I64(number) => I256::from(*number),
            AlgebraicValue::U64(number) => I256::from(*number),
            AlgebraicValue::I128(number) => I256::from(*number),
            AlgebraicValue::U128(number) => I256::from(*number),
            AlgebraicValue::I256(number) => *number,
            AlgebraicValue::U256(number) => I256::try_from(*number).ok()?,
            _ => return None,
        })
    }
}

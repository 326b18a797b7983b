//! What a column can be compared with.

use super::Col;
use crate::sats::{i256, u256};
use crate::{ConnectionId, Identity, Timestamp, Uuid};

/// A value of a column of type `V`, or another such column of the table with rows `T`.
pub trait Operand<T, V> {
    /// Its text in a query.
    fn to_sql(&self) -> String;
}

impl<T, V> Operand<T, V> for Col<T, V> {
    fn to_sql(&self) -> String {
        self.sql()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<T> Operand<T, $number> for $number {
            fn to_sql(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(
    i8, u8, i16, u16, i32, u32, i64, u64, i128, u128, i256, u256, f32, f64
);

impl<T> Operand<T, bool> for bool {
    fn to_sql(&self) -> String {
        let text = if *self { "TRUE" } else { "FALSE" };
        text.to_owned()
    }
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl<T> Operand<T, String> for &str {
    fn to_sql(&self) -> String {
        string(self)
    }
}

impl<T> Operand<T, String> for String {
    fn to_sql(&self) -> String {
        string(self)
    }
}

impl<T> Operand<T, String> for &String {
    fn to_sql(&self) -> String {
        string(self)
    }
}

impl<T> Operand<T, Identity> for Identity {
    fn to_sql(&self) -> String {
        format!("0x{}", self.to_hex())
    }
}

impl<T> Operand<T, ConnectionId> for ConnectionId {
    fn to_sql(&self) -> String {
        format!("0x{}", self.to_hex())
    }
}

impl<T> Operand<T, Uuid> for Uuid {
    fn to_sql(&self) -> String {
        format!("0x{:032x}", self.as_u128())
    }
}

impl<T> Operand<T, Timestamp> for Timestamp {
    fn to_sql(&self) -> String {
        format!("'{self}'")
    }
}

impl<T> Operand<T, Vec<u8>> for Vec<u8> {
    fn to_sql(&self) -> String {
        bytes(self)
    }
}

impl<T> Operand<T, Vec<u8>> for &[u8] {
    fn to_sql(&self) -> String {
        bytes(self)
    }
}

fn bytes(bytes: &[u8]) -> String {
    format!("0x{}", spacetime_types::hex::encode(bytes))
}

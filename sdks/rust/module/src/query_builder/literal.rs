//! Values in the text of a query.

use std::fmt::{Display, Write};

use ethnum::{I256, U256};

use crate::types::{ConnectionId, Identity, TimeDuration, Timestamp, Uuid};

/// A value that can stand in a query.
pub trait LiteralValue {
    /// Appends it.
    fn write_literal(&self, out: &mut String);
}

fn write(value: impl Display, out: &mut String) {
    // Writing to a `String` does not fail.
    let _ = write!(out, "{value}");
}

/// Appends a name in double quotes; those inside are doubled.
pub(crate) fn write_quoted(name: &str, out: &mut String) {
    out.push('"');
    out.push_str(&name.replace('"', "\"\""));
    out.push('"');
}

/// Appends a text in single quotes; those inside are doubled.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''"));
    out.push('\'');
}

/// Appends the name of a variant that holds nothing.
pub fn write_variant(name: &str, out: &mut String) {
    write_text(name, out);
}

macro_rules! literals {
    ($($type:ty: |$value:ident, $out:ident| $write:expr;)*) => {$(
        impl LiteralValue for $type {
            fn write_literal(&self, $out: &mut String) {
                let $value = self;
                $write
            }
        }
    )*};
}

macro_rules! numbers {
    ($($type:ty),*) => {
        literals! { $($type: |value, out| write(value, out);)* }
    };
}

numbers!(
    i8, u8, i16, u16, i32, u32, i64, u64, i128, u128, I256, U256, f64
);

literals! {
    f32: |value, out| write(f64::from(*value), out);
    bool: |value, out| out.push_str(if *value { "TRUE" } else { "FALSE" });
    String: |value, out| write_text(value, out);
    &String: |value, out| write_text(value, out);
    Identity: |value, out| write(format_args!("0x{}", value.to_hex()), out);
    ConnectionId: |value, out| write(format_args!("0x{}", value.to_hex()), out);
    Timestamp: |value, out| write_text(&value.to_string(), out);
    TimeDuration: |value, out| write(value.to_micros(), out);
    Uuid: |value, out| write_text(&value.to_string(), out);
    Vec<u8>: |value, out| {
        out.push_str("0x");
        for byte in value {
            write(format_args!("{byte:02x}"), out);
        }
    };
}

//! The few BSATN shapes that protocol messages are made of: numbers, bytes, strings, arrays.
//!
//! Invariant: a length that the peer sends is compared with the bytes that are left before
//! anything is allocated for it.

use spacetime_types::bsatn::{DecodeError, Reader};

/// Reads an array of strings.
pub(super) fn read_strings(reader: &mut Reader<'_>) -> Result<Vec<Box<str>>, DecodeError> {
    let offset = reader.offset();
    let count = reader.len()?;
    // Each string has at least its own length of four bytes.
    let left = reader.rest().len();
    let needed = count.saturating_mul(4);
    if needed > left {
        return Err(DecodeError::TooShort {
            offset,
            what: "array of strings",
            needed,
            left,
        });
    }
    let mut strings = Vec::with_capacity(count);
    for _ in 0..count {
        strings.push(reader.str()?.into());
    }
    Ok(strings)
}

/// Appends a length or count.
///
/// Messages are built from rows that are in memory; one that passes 4 GiB cannot be expressed in
/// the protocol at all, and the outbox bounds stop it long before.
pub(super) fn write_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).unwrap_or_else(|_| panic!("a message part has {len} bytes"));
    out.extend_from_slice(&len.to_le_bytes());
}

/// Appends a `u32`.
pub(super) fn write_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a `u64`.
pub(super) fn write_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends an `i64`.
pub(super) fn write_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends a byte string.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a string.
pub(super) fn write_str(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

/// Appends an optional `u32`: tag 0 and the number, or tag 1.
pub(super) fn write_option_u32(out: &mut Vec<u8>, number: Option<u32>) {
    match number {
        Some(number) => {
            out.push(0);
            write_u32(out, number);
        }
        None => out.push(1),
    }
}

//! The payload of a record: what one transaction was called with and which rows it changed.
//!
//! flags u8, then the sections that the flags name: inputs (reducer and arguments), outputs
//! (text), mutations (inserted rows, deleted rows, emptied tables).
//!
//! Invariants
//!   * Rows carry no length. They can only be read in log order by somebody who knows the row
//!     type of every table *at that point of the log*, hence [`TxVisitor`]: it consumes each row
//!     itself and may change its schema after any of them.
//!   * Tables are ascending in each list when written, so that the system tables' rows, which
//!     define a table, come before the first row of that table.
//!   * Reading is bounded: a count of rows can never outrun the bytes that are there.
//!
//! Not here: the meaning of rows.

mod decode;
mod encode;

pub use decode::{TxVisitor, TxdataError, decode, first_call_time, skip};
pub use encode::{Changes, RowSet, Rows, encode};

use spacetime_types::bsatn::{DecodeError, Reader};

const HAS_INPUTS: u8 = 0x80;
const HAS_OUTPUTS: u8 = 0x40;
const HAS_MUTATIONS: u8 = 0x20;

/// Longest reducer name that is stored; longer ones are cut at a character.
pub const REDUCER_NAME_BYTES_MAX: usize = 255;

/// The reducer call that caused a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs<'a> {
    pub reducer: &'a str,
    /// Everything after the name; see [`Inputs::call`].
    pub arguments: &'a [u8],
}

impl<'a> Inputs<'a> {
    /// Takes the arguments apart. `None` if they are shorter than a call's fixed part, as in
    /// logs that no server wrote.
    #[must_use]
    pub fn call(&self) -> Option<Call<'a>> {
        let (caller, rest) = self.arguments.split_first_chunk::<32>()?;
        let (connection, rest) = rest.split_first_chunk::<16>()?;
        let (timestamp, arguments) = rest.split_first_chunk::<8>()?;
        Some(Call {
            caller: *caller,
            connection: *connection,
            timestamp_micros: i64::from_le_bytes(*timestamp),
            arguments,
        })
    }
}

/// Who called a reducer, when, with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Identity, little-endian.
    pub caller: [u8; 32],
    /// Connection id, little-endian; zero if there was no connection.
    pub connection: [u8; 16],
    /// Microseconds since the Unix epoch.
    pub timestamp_micros: i64,
    /// BSATN of the reducer's arguments, back to back.
    pub arguments: &'a [u8],
}

impl Call<'_> {
    /// The `arguments` of [`Inputs`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(56 + self.arguments.len());
        bytes.extend_from_slice(&self.caller);
        bytes.extend_from_slice(&self.connection);
        bytes.extend_from_slice(&self.timestamp_micros.to_le_bytes());
        bytes.extend_from_slice(self.arguments);
        bytes
    }
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("seven bits"));
}

#[inline]
fn read_varint(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    // Nearly all numbers are below 128.
    let [byte] = read_array::<1>(reader)?;
    match byte {
        0..0x80 => Ok(u64::from(byte)),
        _ => read_long_varint(reader, byte),
    }
}

#[cold]
fn read_long_varint(reader: &mut Reader<'_>, first: u8) -> Result<u64, DecodeError> {
    let mut number = u64::from(first & 0x7f);
    for shift in (7..64).step_by(7) {
        let [byte] = read_array::<1>(reader)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    let offset = reader.offset();
    Err(DecodeError::Other(format!(
        "variable-length number above 64 bits before offset {offset}"
    )))
}

#[inline]
fn read_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
    let bytes = reader.take(N)?;
    Ok(bytes.try_into().expect("take() returns as many as asked"))
}

#[inline]
fn read_u32(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    read_array(reader).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;

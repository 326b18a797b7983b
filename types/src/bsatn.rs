//! BSATN: little-endian, unaligned, not self-describing. The type is known from context.
//!
//! Invariants
//!   * Every decoder is bounded: lengths are checked against the bytes that are left before
//!     anything is allocated, nesting stops at [`DEPTH_MAX`], and elements that take no bytes
//!     use up a budget (see [`Reader::nested`]).
//!   * `encode` then `decode` gives the same value; nothing is padded or aligned.
//!
//! Not here: which type a value has (the caller knows), and the JSON form (see `json`).

mod impls;
mod macros;
mod reader;
mod type_codec;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use impls::check_empty_elements;
pub use reader::Reader;
pub use value::{decode_value, encode_value, skip_value};

/// Deepest nesting of types or values that a decoder follows.
pub const DEPTH_MAX: usize = 128;

/// Most elements of an array whose elements take no bytes. Without it four bytes of input could
/// cost minutes.
pub const EMPTY_ELEMENT_COUNT_MAX: usize = 65_536;

/// A sum's tag is one byte.
pub const VARIANT_COUNT_MAX: usize = 256;

/// Why bytes could not be decoded. The sender must correct its data; nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("data too short for {what}: Expected {needed}, given {left}")]
    TooShort {
        offset: usize,
        what: &'static str,
        needed: usize,
        left: usize,
    },
    /// The value ended before the bytes did.
    #[error("unexpected data length: Expected {offset}, given {}", .offset + .left)]
    TrailingBytes { offset: usize, left: usize },
    /// A bool is the byte 0 or 1.
    #[error("byte {byte} not valid as `bool` (must be 0 or 1)")]
    InvalidBool { offset: usize, byte: u8 },
    /// The sum type has no variant with this tag.
    #[error("unknown tag {tag:#x} for sum type {type_name}")]
    InvalidTag {
        offset: usize,
        tag: u8,
        type_name: &'static str,
    },
    /// A string must be UTF-8.
    #[error("invalid utf8")]
    InvalidUtf8 { offset: usize },
    /// A fixed-size array got another number of elements.
    #[error("too {} elements for array", if .given < .expected { "few" } else { "many" })]
    ArrayLen { expected: usize, given: usize },
    /// More of something than the format allows.
    #[error("too many {what}: {given} given, at most {max} allowed")]
    TooMany {
        what: &'static str,
        given: usize,
        max: usize,
    },
    /// The value or type is nested too deeply.
    #[error("nesting deeper than {DEPTH_MAX} levels at offset {offset}")]
    TooDeep { offset: usize },
    /// A type reference points outside the typespace, or only at other references in a circle.
    #[error("unresolvable type reference &{0}")]
    BadRef(u32),
    /// A rule of the type that is being read was broken.
    #[error("{0}")]
    Other(String),
}

/// A Rust type with a BSATN form.
pub trait Encode {
    /// Appends the BSATN form to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Appends the elements of an array, without the count. Bytes are copied in one go.
    fn encode_elements(elements: &[Self], out: &mut Vec<u8>)
    where
        Self: Sized,
    {
        for element in elements {
            element.encode(out);
        }
    }
}

/// A Rust type that can be read back from BSATN.
pub trait Decode<'a>: Sized {
    /// Reads one value at the cursor.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Reads `count` values. Bytes are copied in one go.
    fn decode_elements(reader: &mut Reader<'a>, count: usize) -> Result<Vec<Self>, DecodeError> {
        impls::decode_elements_one_by_one(reader, count)
    }
}

/// The BSATN form of `value`.
#[must_use]
pub fn to_vec<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// Reads a value from the front of `bytes`; surplus bytes are ignored.
pub fn from_slice<'a, T: Decode<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    T::decode(&mut Reader::new(bytes))
}

/// Reads a value that takes up all of `bytes`.
pub fn from_slice_exact<'a, T: Decode<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Appends the count or byte length that opens arrays and strings.
#[inline]
pub fn encode_len(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    assert!(len < u32::MAX, "len too long");
    out.extend_from_slice(&len.to_le_bytes());
}

//! BSATN: little-endian, unaligned, not self-describing. The type is known from context.
//!
//! Every decoder is bounded: lengths are checked against the bytes that are left before anything
//! is allocated, and nesting stops at [`DEPTH_MAX`].

/// Deepest nesting of types or values that a decoder follows.
pub const DEPTH_MAX: usize = 128;

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{needed} bytes expected at offset {offset}, {left} left")]
    TooShort {
        offset: usize,
        needed: usize,
        left: usize,
    },
    #[error("{left} surplus bytes after offset {offset}")]
    TrailingBytes { offset: usize, left: usize },
    #[error("invalid bool byte {byte:#04x} at offset {offset}")]
    InvalidBool { offset: usize, byte: u8 },
    #[error("invalid tag {tag} at offset {offset} for {type_name}")]
    InvalidTag {
        offset: usize,
        tag: u8,
        type_name: &'static str,
    },
    #[error("invalid UTF-8 in the string at offset {offset}")]
    InvalidUtf8 { offset: usize },
    #[error("nesting deeper than {DEPTH_MAX} levels at offset {offset}")]
    TooDeep { offset: usize },
    #[error("unresolvable type reference &{0}")]
    BadRef(u32),
    #[error("{0}")]
    Other(String),
}

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, offset: 0 }
    }

    /// Bytes consumed so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not consumed yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// Takes the next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.bytes.len() - self.offset;
        if left < len {
            return Err(DecodeError::TooShort {
                offset: self.offset,
                needed: len,
                left,
            });
        }
        let taken = &self.bytes[self.offset..self.offset + len];
        self.offset += len;
        Ok(taken)
    }

    /// Fails unless everything was consumed.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes {
                offset: self.offset,
                left,
            }),
        }
    }
}

/// A Rust type with a BSATN form.
pub trait Encode {
    /// Appends the BSATN form to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A Rust type that can be read back from BSATN.
pub trait Decode<'a>: Sized {
    /// Reads one value at the cursor.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

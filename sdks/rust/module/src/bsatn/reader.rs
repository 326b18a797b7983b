//! The bytes that are still to be decoded, and what can be wrong with them.

use std::fmt;

/// Elements without bytes are believed up to this number.
const EMPTY_ELEMENTS_MAX: usize = 1 << 16;

/// Bytes, from the front of which values are read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'de> {
    bytes: &'de [u8],
}

/// Why bytes are not a value of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are fewer bytes than the type needs.
    TooShort {
        /// What was being read.
        for_type: &'static str,
        /// How many bytes it has.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// A text is not UTF-8.
    InvalidUtf8,
    /// A bool is neither 0 nor 1.
    InvalidBool(u8),
    /// An enum has no such variant.
    InvalidTag {
        /// The number that is not one of a variant.
        tag: u8,
        /// The enum, if it has a name.
        sum_name: Option<&'static str>,
    },
    /// An array of a fixed length has another one.
    ArrayLength {
        /// The type's.
        expected: usize,
        /// The value's.
        given: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecodeError::TooShort {
                for_type,
                expected,
                given,
            } => write!(
                f,
                "data too short for {for_type}: Expected {expected}, given {given}"
            ),
            DecodeError::InvalidUtf8 => f.write_str("invalid utf8"),
            DecodeError::InvalidBool(byte) => {
                write!(f, "byte {byte} not valid as `bool` (must be 0 or 1)")
            }
            DecodeError::InvalidTag { tag, sum_name } => {
                let name = sum_name.unwrap_or("<unknown>");
                write!(f, "unknown tag {tag:#x} for sum type {name}")
            }
            DecodeError::ArrayLength { expected, given } if expected < given => {
                f.write_str("too many elements for array")
            }
            DecodeError::ArrayLength { .. } => f.write_str("too few elements for array"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl<'de> Reader<'de> {
    /// Over all of the bytes.
    pub const fn new(bytes: &'de [u8]) -> Self {
        Reader { bytes }
    }

    /// What has not been read.
    pub const fn remaining(&self) -> &'de [u8] {
        self.bytes
    }

    /// The next bytes.
    #[inline]
    pub fn take(&mut self, len: usize, for_type: &'static str) -> Result<&'de [u8], DecodeError> {
        match self.bytes.split_at_checked(len) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(self.too_short(len, for_type)),
        }
    }

    /// The next bytes, of a number known beforehand.
    #[inline]
    pub fn array<const N: usize>(
        &mut self,
        for_type: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(*taken)
            }
            None => Err(self.too_short(N, for_type)),
        }
    }

    /// The number of elements or bytes that follow.
    #[inline]
    pub fn read_len(&mut self) -> Result<usize, DecodeError> {
        let len = u32::from_le_bytes(self.array("u32")?);
        // A module's addresses have 32 bits, so every number of bytes fits.
        usize::try_from(len).map_err(|_| self.too_short(usize::MAX, "[u8]"))
    }

    /// The tag of a variant.
    #[inline]
    pub fn tag(&mut self) -> Result<u8, DecodeError> {
        let [tag] = self.array("u8")?;
        Ok(tag)
    }

    /// Refuses a number of elements that the remaining bytes cannot hold.
    pub(super) fn check_count(&self, count: usize) -> Result<(), DecodeError> {
        if count <= self.bytes.len().max(EMPTY_ELEMENTS_MAX) {
            return Ok(());
        }
        Err(self.too_short(count, "array"))
    }

    #[cold]
    fn too_short(&self, expected: usize, for_type: &'static str) -> DecodeError {
        DecodeError::TooShort {
            for_type,
            expected,
            given: self.bytes.len(),
        }
    }
}

//! A hash of 32 bytes, as a column.

use std::fmt;

use ethnum::U256;

use super::hex::{self, HexString, ParseHexError};
use super::keccak::keccak256;
use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DecodeError, Deserialize, Reader, Serialize};
use crate::spacetime_type::{SpacetimeType, TypeBuilder};

/// How many bytes a hash has.
pub const HASH_SIZE: usize = 32;

/// The hash of some bytes: Keccak-256.
pub fn hash_bytes(bytes: impl AsRef<[u8]>) -> Hash {
    Hash::from_byte_array(keccak256(bytes.as_ref()))
}

/// 32 bytes; to the database, a number of 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash {
    /// The bytes.
    pub data: [u8; 32],
}

impl Hash {
    /// All zero.
    pub const ZERO: Hash = Hash { data: [0; 32] };

    /// From its bytes.
    pub const fn from_byte_array(data: [u8; HASH_SIZE]) -> Self {
        Hash { data }
    }

    /// The first half of the bytes.
    pub fn abbreviate(&self) -> &[u8; 16] {
        let (half, _) = self.data.split_first_chunk().expect("32 is more than 16");
        half
    }

    /// Reads 64 digits; `0x` may stand before them.
    pub fn from_hex(hex: impl AsRef<[u8]>) -> Result<Self, ParseHexError> {
        hex::parse(hex.as_ref()).map(Hash::from_byte_array)
    }

    /// From the number, whose low byte comes first.
    pub fn from_u256(number: U256) -> Self {
        Hash {
            data: number.to_le_bytes(),
        }
    }

    /// The number, whose low byte comes first.
    pub fn to_u256(self) -> U256 {
        U256::from_le_bytes(self.data)
    }

    /// The digits of the bytes.
    pub fn to_hex(&self) -> HexString<32> {
        HexString::new(self.data)
    }
}

impl Serialize for Hash {
    fn serialize(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.data);
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        Ok(Hash {
            data: reader.array("u256")?,
        })
    }
}

impl SpacetimeType for Hash {
    fn make_type(_: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::U256
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().fmt(f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hash").field(&self.to_hex()).finish()
    }
}

//! A hash of 32 bytes, as a column.

use std::fmt;

use ethnum::U256;

use super::hex::HexString;
use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DecodeError, Deserialize, Reader, Serialize};
use crate::spacetime_type::{SpacetimeType, TypeBuilder};

/// 32 bytes; to the database, a number of 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash {
    /// The bytes.
    pub data: [u8; 32],
}

impl Hash {
    /// All zero.
    pub const ZERO: Hash = Hash { data: [0; 32] };

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

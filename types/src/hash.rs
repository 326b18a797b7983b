//! Hashes of programs and view arguments.
//!
//! A hash is 32 bytes whose BSATN form is the same bytes. In the type system it is a plain `U256`
//! read little-endian, so its number (and JSON form) is byte-reversed against its hex text.

use crate::bsatn::{Decode, DecodeError, Encode, Reader};
use crate::{ParseHexError, hex};
use ethnum::U256;
use sha3::Digest;

/// 32 bytes of a cryptographic hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// All zero, for "no program yet".
    pub const ZERO: Hash = Hash([0; 32]);

    /// Keccak-256 (with the original padding, not that of SHA3).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Hash(sha3::Keccak256::digest(bytes).into())
    }

    /// The hash under which the rows of a view called with these arguments are kept.
    #[must_use]
    pub fn of_view_args(args_bsatn: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"spacetimedb::view::args::v1\0");
        hasher.update(args_bsatn);
        Hash(*hasher.finalize().as_bytes())
    }

    /// 64 lower-case hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(&self.0)
    }

    /// Parses exactly 64 hex digits; no prefix.
    pub fn from_hex(text: &str) -> Result<Self, ParseHexError> {
        hex::decode_array(text).map(Hash)
    }

    /// The number that stands for this hash in the type system.
    #[must_use]
    pub fn to_u256(self) -> U256 {
        U256::from_le_bytes(self.0)
    }

    /// From the number that stands for this hash in the type system.
    #[must_use]
    pub fn from_u256(number: U256) -> Self {
        Hash(number.to_le_bytes())
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl std::str::FromStr for Hash {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        Hash::from_hex(text)
    }
}

impl Encode for Hash {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl<'a> Decode<'a> for Hash {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.array("u256").map(Hash)
    }
}

//! Who calls: a number of 256 bits that follows from a token's claims.

use std::fmt;
use std::str::FromStr;

use ethnum::U256;

use super::digest::blake3;
use super::hex::{self, HexString, ParseHexError};
use super::one_number;

/// Somebody who may connect, or a database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity {
    number: U256,
}

one_number!(Identity, "__identity__", U256, number);

const fn halves(bytes: [u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    let mut place = 0;
    while place < 16 {
        halves[0][place] = bytes[place];
        halves[1][place] = bytes[place + 16];
        place += 1;
    }
    halves
}

impl Identity {
    /// Nobody.
    pub const ZERO: Identity = Identity { number: U256::ZERO };

    /// The number one.
    pub const ONE: Identity = Identity { number: U256::ONE };

    /// From its bytes, low byte first.
    pub const fn from_byte_array(bytes: [u8; 32]) -> Self {
        let [first, second] = halves(bytes);
        Identity {
            number: U256::from_words(u128::from_le_bytes(second), u128::from_le_bytes(first)),
        }
    }

    /// From its bytes, high byte first.
    pub const fn from_be_byte_array(bytes: [u8; 32]) -> Self {
        let [first, second] = halves(bytes);
        Identity {
            number: U256::from_words(u128::from_be_bytes(first), u128::from_be_bytes(second)),
        }
    }

    /// From the number.
    pub const fn from_u256(number: U256) -> Self {
        Identity { number }
    }

    /// The number.
    pub const fn to_u256(&self) -> U256 {
        self.number
    }

    /// The bytes, low byte first.
    pub fn to_byte_array(&self) -> [u8; 32] {
        self.number.to_le_bytes()
    }

    /// The bytes, high byte first.
    pub fn to_be_byte_array(&self) -> [u8; 32] {
        self.number.to_be_bytes()
    }

    /// The identity of whoever has a token with these claims.
    pub fn from_claims(issuer: &str, subject: &str) -> Self {
        let hash = blake3(format!("{issuer}|{subject}").as_bytes());
        let mut checked = [0; 28];
        checked[..2].copy_from_slice(&[0xc2, 0x00]);
        checked[2..].copy_from_slice(&hash[..26]);
        let checksum = blake3(&checked);
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&checked[..2]);
        bytes[2..6].copy_from_slice(&checksum[..4]);
        bytes[6..].copy_from_slice(&hash[..26]);
        Identity::from_be_byte_array(bytes)
    }

    /// As people see it: 64 digits, high byte first.
    pub fn to_hex(&self) -> HexString<32> {
        HexString::new(self.to_be_byte_array())
    }

    /// The first 8 of those bytes.
    pub fn abbreviate(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.to_be_byte_array();
        [a, b, c, d, e, f, g, h]
    }

    /// The first 16 of those digits.
    pub fn to_abbreviated_hex(&self) -> HexString<8> {
        HexString::new(self.abbreviate())
    }

    /// Reads 64 digits; `0x` may stand before them.
    pub fn from_hex(hex: impl AsRef<[u8]>) -> Result<Self, ParseHexError> {
        hex::parse(hex.as_ref()).map(Identity::from_be_byte_array)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().fmt(f)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.to_hex()).finish()
    }
}

impl FromStr for Identity {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        Identity::from_hex(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_follows_from_claims() {
        let identity = Identity::from_claims("http://localhost", "alice");
        let hex = "c2005bed7d1568285f2d8c211c9464ba93678ff552324a0d04c83bbeaabd6b96";
        assert_eq!(identity.to_string(), hex);
        assert_eq!(Identity::from_hex(hex), Ok(identity));
        assert_eq!(format!("0x{hex}").parse(), Ok(identity));
        assert_eq!(
            identity.to_abbreviated_hex().to_string(),
            "c2005bed7d156828"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "c200",
            "zz",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(66),
        ] {
            assert!(Identity::from_hex(text).is_err(), "{text:?}");
        }
    }
}

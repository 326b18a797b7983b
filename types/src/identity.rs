//! Who is calling ([`Identity`]) and over which connection ([`ConnectionId`]).
//!
//! Both are numbers that are written as big-endian hex and encoded as little-endian BSATN.

use crate::bsatn::{Decode, DecodeError, Encode, Reader};
use crate::hex;
use ethnum::U256;

#[cfg(test)]
mod tests;

/// Why a hex text is not the wanted number. Correct the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseHexError {
    /// Wrong number of digits.
    #[error("Expected {expected} hex digits, given {given}")]
    Length { expected: usize, given: usize },
    /// Something that is not `0-9a-fA-F`.
    #[error("Invalid character {character:?} at position {position} in a hex text")]
    Digit { character: char, position: usize },
    /// Either of the above, for a connection id.
    #[error("ConnectionIds must be 32 hex characters (16 bytes) in length. {0}")]
    ConnectionId(Box<ParseHexError>),
}

/// A user, or a database. Order is numeric, which is that of the hex text.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    be_bytes: [u8; 32],
}

impl Identity {
    /// Nobody.
    pub const ZERO: Identity = Identity { be_bytes: [0; 32] };

    /// From the bytes in the order of the hex text.
    #[must_use]
    pub const fn from_be_bytes(be_bytes: [u8; 32]) -> Self {
        Identity { be_bytes }
    }

    /// The bytes in the order of the hex text.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.be_bytes
    }

    /// From the bytes in BSATN order.
    #[must_use]
    pub fn from_le_bytes(mut bytes: [u8; 32]) -> Self {
        bytes.reverse();
        Identity { be_bytes: bytes }
    }

    /// The bytes in BSATN order.
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 32] {
        let mut bytes = self.be_bytes;
        bytes.reverse();
        bytes
    }

    /// From the bytes in BSATN order, under the name that client programs know.
    #[must_use]
    pub fn from_byte_array(bytes: [u8; 32]) -> Self {
        Identity::from_le_bytes(bytes)
    }

    /// The bytes in BSATN order, under the name that client programs know.
    #[must_use]
    pub fn to_byte_array(self) -> [u8; 32] {
        self.to_le_bytes()
    }

    /// From the bytes in the order of the hex text, under the name that client programs know.
    #[must_use]
    pub fn from_be_byte_array(bytes: [u8; 32]) -> Self {
        Identity::from_be_bytes(bytes)
    }

    /// The bytes in the order of the hex text, under the name that client programs know.
    #[must_use]
    pub fn to_be_byte_array(self) -> [u8; 32] {
        self.to_be_bytes()
    }

    /// From the number.
    #[must_use]
    pub fn from_u256(number: U256) -> Self {
        Identity::from_be_bytes(number.to_be_bytes())
    }

    /// The number.
    #[must_use]
    pub fn to_u256(self) -> U256 {
        U256::from_be_bytes(self.be_bytes)
    }

    /// The identity of a token's subject. The separator is not escaped, so `("a|b", "c")` and
    /// `("a", "b|c")` are the same.
    #[must_use]
    pub fn from_claims(issuer: &str, subject: &str) -> Self {
        const PREFIX: [u8; 2] = [0xc2, 0x00];
        let mut hasher = blake3::Hasher::new();
        hasher.update(issuer.as_bytes());
        hasher.update(b"|");
        hasher.update(subject.as_bytes());
        let claims_hash = hasher.finalize();
        let claims_hash = &claims_hash.as_bytes()[..26];

        let mut hasher = blake3::Hasher::new();
        hasher.update(&PREFIX);
        hasher.update(claims_hash);
        let checksum = hasher.finalize();

        let mut be_bytes = [0; 32];
        be_bytes[..2].copy_from_slice(&PREFIX);
        be_bytes[2..6].copy_from_slice(&checksum.as_bytes()[..4]);
        be_bytes[6..].copy_from_slice(claims_hash);
        Identity { be_bytes }
    }

    /// 64 lower-case hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(&self.be_bytes)
    }

    /// The first 8 of the bytes as text shows them.
    #[must_use]
    pub fn abbreviate(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.be_bytes;
        [a, b, c, d, e, f, g, h]
    }

    /// The first 16 hex digits, for people.
    #[must_use]
    pub fn to_abbreviated_hex(self) -> String {
        hex::encode(&self.abbreviate())
    }

    /// Parses 64 hex digits of either case, after an optional `0x`.
    pub fn from_hex(text: &str) -> Result<Self, ParseHexError> {
        hex::decode_array(strip_prefix(text)).map(Identity::from_be_bytes)
    }
}

/// `0x` and `X'` are accepted; a quote at the end is then refused as a digit.
fn strip_prefix(text: &str) -> &str {
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("X'"))
        .unwrap_or(text)
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({self})")
    }
}

impl std::str::FromStr for Identity {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        Identity::from_hex(text)
    }
}

impl Encode for Identity {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl<'a> Decode<'a> for Identity {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.array("u256").map(Identity::from_le_bytes)
    }
}

/// One connection of a client. 0 means none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u128);

impl ConnectionId {
    /// No connection.
    pub const ZERO: ConnectionId = ConnectionId(0);

    /// From the number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        ConnectionId(number)
    }

    /// The number.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// `None` for zero.
    #[must_use]
    pub fn none_if_zero(self) -> Option<Self> {
        (self != ConnectionId::ZERO).then_some(self)
    }

    /// From the bytes of the number, least significant first.
    #[must_use]
    pub const fn from_le_byte_array(bytes: [u8; 16]) -> Self {
        ConnectionId(u128::from_le_bytes(bytes))
    }

    /// From the bytes of the number, most significant first: the order of the text form.
    #[must_use]
    pub const fn from_be_byte_array(bytes: [u8; 16]) -> Self {
        ConnectionId(u128::from_be_bytes(bytes))
    }

    /// The bytes of the number, least significant first.
    #[must_use]
    pub const fn as_le_byte_array(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The bytes of the number, most significant first.
    #[must_use]
    pub const fn as_be_byte_array(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The first 8 bytes of that.
    #[must_use]
    pub fn abbreviate(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.as_be_byte_array();
        [a, b, c, d, e, f, g, h]
    }

    /// 32 lower-case hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(&self.0.to_be_bytes())
    }

    /// The first 16 of them.
    #[must_use]
    pub fn to_abbreviated_hex(self) -> String {
        hex::encode(&self.abbreviate())
    }

    /// Parses 32 hex digits of either case, after an optional `0x`.
    pub fn from_hex(text: &str) -> Result<Self, ParseHexError> {
        hex::decode_array(strip_prefix(text))
            .map(|bytes| ConnectionId(u128::from_be_bytes(bytes)))
            .map_err(|error| ParseHexError::ConnectionId(Box::new(error)))
    }
}

impl From<u128> for ConnectionId {
    fn from(number: u128) -> Self {
        ConnectionId(number)
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConnectionId({self})")
    }
}

impl std::str::FromStr for ConnectionId {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        ConnectionId::from_hex(text)
    }
}

impl Encode for ConnectionId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for ConnectionId {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(ConnectionId)
    }
}

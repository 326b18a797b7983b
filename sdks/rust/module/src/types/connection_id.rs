//! Which of a client's connections it is.

use std::fmt;
use std::net::Ipv6Addr;

use super::hex::{self, HexString, ParseHexError};
use super::one_number;

/// A connection of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConnectionId {
    number: u128,
}

one_number!(ConnectionId, "__connection_id__", U128, number);

impl ConnectionId {
    /// No connection.
    pub const ZERO: ConnectionId = ConnectionId { number: 0 };

    /// From the number.
    pub const fn from_u128(number: u128) -> Self {
        ConnectionId { number }
    }

    /// The number.
    pub const fn to_u128(&self) -> u128 {
        self.number
    }

    /// From its bytes, low byte first.
    pub const fn from_le_byte_array(bytes: [u8; 16]) -> Self {
        ConnectionId {
            number: u128::from_le_bytes(bytes),
        }
    }

    /// From its bytes, high byte first.
    pub const fn from_be_byte_array(bytes: [u8; 16]) -> Self {
        ConnectionId {
            number: u128::from_be_bytes(bytes),
        }
    }

    /// From a slice of 16 bytes, high byte first; panics if there are more or fewer.
    pub fn from_be_slice(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().try_into();
        ConnectionId::from_be_byte_array(bytes.expect("a connection id has 16 bytes"))
    }

    /// As an address of IPv6 with the same bits.
    pub fn to_ipv6(self) -> Ipv6Addr {
        Ipv6Addr::from(self.number)
    }

    /// That address as text.
    pub fn to_ipv6_string(self) -> String {
        self.to_ipv6().to_string()
    }

    /// The bytes, low byte first.
    pub const fn as_le_byte_array(&self) -> [u8; 16] {
        self.number.to_le_bytes()
    }

    /// The bytes, high byte first.
    pub const fn as_be_byte_array(&self) -> [u8; 16] {
        self.number.to_be_bytes()
    }

    /// Reads 32 digits; `0x` may stand before them.
    pub fn from_hex(hex: &str) -> Result<Self, ParseHexError> {
        hex::parse(hex.as_bytes()).map(ConnectionId::from_be_byte_array)
    }

    /// As people see it: 32 digits, high byte first.
    pub fn to_hex(self) -> HexString<16> {
        HexString::new(self.as_be_byte_array())
    }

    /// The first 8 of those bytes.
    pub fn abbreviate(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.as_be_byte_array();
        [a, b, c, d, e, f, g, h]
    }

    /// The first 16 of those digits.
    pub fn to_abbreviated_hex(self) -> HexString<8> {
        HexString::new(self.abbreviate())
    }

    /// Zero means none.
    pub fn none_if_zero(self) -> Option<Self> {
        (self != ConnectionId::ZERO).then_some(self)
    }
}

impl From<u128> for ConnectionId {
    fn from(number: u128) -> Self {
        ConnectionId { number }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().fmt(f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionId").field(&self.to_hex()).finish()
    }
}

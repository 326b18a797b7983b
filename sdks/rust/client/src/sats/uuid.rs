//! UUIDs, with the methods that programs know.

use std::cell::Cell;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

use spacetime_types::bsatn::{Decode, DecodeError, Encode, Reader};
use spacetime_types::{
    ParseUuidError, Timestamp as Instant, TimestampBeforeEpoch, Uuid as Number, UuidVersion,
};

use super::Timestamp;

/// A number of 128 bits that nobody else has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(Number);

impl Uuid {
    /// All zero.
    pub const NIL: Self = Uuid(Number::NIL);
    /// All ones.
    pub const MAX: Self = Uuid(Number::MAX);

    /// A UUID of version 4, out of random bytes.
    #[must_use]
    pub fn from_random_bytes_v4(random: [u8; 16]) -> Self {
        Uuid(Number::from_random_v4(random))
    }

    /// A UUID of version 7, ordered by time and then by `counter`, which is counted up.
    pub fn from_counter_v7(
        counter: &Cell<u32>,
        now: Timestamp,
        random: &[u8; 4],
    ) -> Result<Self, TimestampBeforeEpoch> {
        let now = Instant::from_micros(now.to_micros_since_unix_epoch());
        let (number, next) = Number::from_counter_v7(counter.get(), now, *random)?;
        counter.set(next);
        Ok(Uuid(number))
    }

    /// Reads the simple, hyphenated, URN or braced form.
    pub fn parse_str(text: &str) -> Result<Self, ParseUuidError> {
        Number::parse(text).map(Uuid)
    }

    /// `None` if unknown.
    #[must_use]
    pub fn get_version(&self) -> Option<UuidVersion> {
        self.0.version()
    }

    /// As the crate `uuid` has it.
    #[must_use]
    pub fn to_uuid(self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.as_u128())
    }

    /// From the number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Uuid(Number(number))
    }

    /// The number.
    #[must_use]
    pub const fn as_u128(&self) -> u128 {
        self.0.0
    }
}

impl Display for Uuid {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        Uuid::parse_str(text)
    }
}

impl Encode for Uuid {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for Uuid {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Number::decode(reader).map(Uuid)
    }
}

//! UUIDs as 128-bit numbers, and making them from given random bytes.

use crate::bsatn::{Decode, DecodeError, Encode, Reader};
use crate::{Timestamp, hex};

/// The big-endian reading of the 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

/// The versions that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidVersion {
    /// All zero.
    Nil,
    /// Random.
    V4,
    /// Ordered by time.
    V7,
    /// All ones.
    Max,
}

/// The text is not a UUID in its simple, hyphenated, URN or braced form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid UUID `{text}`: {reason}")]
pub struct ParseUuidError {
    text: Box<str>,
    reason: Box<str>,
}

/// A version 7 UUID cannot hold a time before 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version 7 UUID cannot be made for the time {0} before the Unix epoch")]
pub struct TimestampBeforeEpoch(pub Timestamp);

impl Uuid {
    /// All zero.
    pub const NIL: Uuid = Uuid(0);
    /// All ones.
    pub const MAX: Uuid = Uuid(u128::MAX);
    /// The counter of version 7 wraps after this value.
    pub const COUNTER_MAX: u32 = 0x7fff_ffff;

    /// A random UUID.
    #[must_use]
    pub fn from_random_v4(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(u128::from_be_bytes(bytes))
    }

    /// A UUID ordered by time and then by `counter`, of which 31 bits are used. Returns the next
    /// counter too.
    pub fn from_counter_v7(
        counter: u32,
        now: Timestamp,
        random: [u8; 4],
    ) -> Result<(Self, u32), TimestampBeforeEpoch> {
        let micros = u64::try_from(now.micros).map_err(|_| TimestampBeforeEpoch(now))?;
        let millis = micros / 1_000;
        let counter = counter & Uuid::COUNTER_MAX;
        let [_, _, m0, m1, m2, m3, m4, m5] = millis.to_be_bytes();
        let [c0, c1, c2, c3] = (counter << 1).to_be_bytes();
        let [r0, r1, r2, r3] = random;
        let bytes = [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5, // the time
            0x70,
            c0,
            0x80,
            c1,
            c2,
            c3, // version, variant, and the counter in between
            r0 & 0x7f,
            r1,
            r2,
            r3,
        ];
        let next_counter = counter.wrapping_add(1) & Uuid::COUNTER_MAX;
        Ok((Uuid(u128::from_be_bytes(bytes)), next_counter))
    }

    /// `None` if unknown.
    #[must_use]
    pub fn version(self) -> Option<UuidVersion> {
        match (self, self.0.to_be_bytes()[6] >> 4) {
            (Uuid::NIL, _) => Some(UuidVersion::Nil),
            (Uuid::MAX, _) => Some(UuidVersion::Max),
            (_, 4) => Some(UuidVersion::V4),
            (_, 7) => Some(UuidVersion::V7),
            _ => None,
        }
    }

    /// Parses the simple, hyphenated, URN or braced form.
    pub fn parse(text: &str) -> Result<Self, ParseUuidError> {
        match uuid::Uuid::parse_str(text) {
            Ok(uuid) => Ok(Uuid(uuid.as_u128())),
            Err(error) => Err(ParseUuidError {
                text: text.chars().take(64).collect::<String>().into(),
                reason: error.to_string().into(),
            }),
        }
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = hex::encode(&self.0.to_be_bytes());
        let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
        let (d, e) = (&digits[16..20], &digits[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl std::str::FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        Uuid::parse(text)
    }
}

impl Encode for Uuid {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<'a> Decode<'a> for Uuid {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(Uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_uuids_have_version_and_variant() {
        let check = |byte, text: &str| {
            let uuid = Uuid::from_random_v4([byte; 16]);
            assert_eq!(uuid.to_string(), text);
            assert_eq!(uuid.version(), Some(UuidVersion::V4));
        };
        check(0x00, "00000000-0000-4000-8000-000000000000");
        check(0xff, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn time_ordered_uuids() {
        let check = |micros, counter, random: u32, text: &str, next| {
            let now = Timestamp { micros };
            let (uuid, counter) =
                Uuid::from_counter_v7(counter, now, random.to_be_bytes()).unwrap();
            assert_eq!(uuid.to_string(), text);
            assert_eq!(counter, next);
            assert_eq!(uuid.version(), Some(UuidVersion::V7));
        };
        let now = 1_700_000_000_123_456;
        check(
            1_686_000_000_000,
            1,
            0,
            "0000647e-5180-7000-8000-000200000000",
            2,
        );
        check(
            now,
            0x7fff_ffff,
            0xffff_ffff,
            "018bcfe5-687b-70ff-80ff-fffe7fffffff",
            0,
        );
        check(
            now,
            0x1234_5678,
            0xa1b2_c3d4,
            "018bcfe5-687b-7024-8068-acf021b2c3d4",
            0x1234_5679,
        );
        assert!(Uuid::from_counter_v7(0, Timestamp { micros: -1 }, [0; 4]).is_err());
    }

    #[test]
    fn parses_four_forms() {
        let uuid = Uuid(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        for text in [
            "01020304-0506-0708-090a-0b0c0d0e0f10",
            "0102030405060708090A0B0C0D0E0F10",
            "urn:uuid:01020304-0506-0708-090a-0b0c0d0e0f10",
            "{01020304-0506-0708-090a-0b0c0d0e0f10}",
        ] {
            assert_eq!(Uuid::parse(text), Ok(uuid));
        }
        assert_eq!(uuid.version(), None);
        assert_eq!(Uuid::NIL.version(), Some(UuidVersion::Nil));
        assert_eq!(Uuid::MAX.version(), Some(UuidVersion::Max));
        assert!(Uuid::parse("0102").is_err());
    }
}

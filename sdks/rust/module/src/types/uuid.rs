//! UUIDs: numbers of 128 bits, random (version 4) or ordered by time (version 7).

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use super::hex;
use super::{Timestamp, one_number};

/// A universally unique identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid {
    number: u128,
}

one_number!(Uuid, "__uuid__", U128, number);

/// The versions that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// All zero.
    Nil,
    /// Random.
    V4,
    /// Ordered by time.
    V7,
    /// All ones.
    Max,
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID, such as 01234567-89ab-cdef-0123-456789abcdef")
    }
}

impl std::error::Error for ParseUuidError {}

/// The counter of version 7 wraps after this value.
const COUNTER_MAX: u32 = 0x7fff_ffff;

impl Uuid {
    /// All zero.
    pub const NIL: Uuid = Uuid { number: 0 };
    /// All ones.
    pub const MAX: Uuid = Uuid { number: u128::MAX };

    /// A random UUID.
    pub fn from_random_bytes_v4(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_u128(u128::from_be_bytes(bytes))
    }

    /// A UUID ordered by time and then by `counter`, of which 31 bits are used; it is advanced.
    /// A time before 1970 is an error.
    pub fn from_counter_v7(
        counter: &Cell<u32>,
        now: Timestamp,
        random_bytes: &[u8; 4],
    ) -> anyhow::Result<Self> {
        let Ok(micros) = u64::try_from(now.to_micros_since_unix_epoch()) else {
            anyhow::bail!("a version 7 UUID cannot hold a time before 1970: {now}");
        };
        let count = counter.get() & COUNTER_MAX;
        counter.set(count.wrapping_add(1) & COUNTER_MAX);
        let [_, _, m0, m1, m2, m3, m4, m5] = (micros / 1_000).to_be_bytes();
        let [c0, c1, c2, c3] = (count << 1).to_be_bytes();
        let [r0, r1, r2, r3] = *random_bytes;
        // The time; the version, the variant, and the counter in between; what is random.
        let (time, tail) = ([m0, m1, m2, m3, m4, m5], [r0 & 0x7f, r1, r2, r3]);
        let middle = [0x70, c0, 0x80, c1, c2, c3];
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&time);
        bytes[6..12].copy_from_slice(&middle);
        bytes[12..].copy_from_slice(&tail);
        Ok(Uuid::from_u128(u128::from_be_bytes(bytes)))
    }

    /// From the number, which is the big-endian reading of the 16 bytes.
    pub const fn from_u128(number: u128) -> Self {
        Uuid { number }
    }

    /// The number.
    pub const fn as_u128(&self) -> u128 {
        self.number
    }

    /// Reads the simple, hyphenated, URN or braced form.
    pub fn parse_str(text: &str) -> Result<Self, ParseUuidError> {
        let inner = text
            .strip_prefix("urn:uuid:")
            .or_else(|| {
                text.strip_prefix('{')
                    .and_then(|text| text.strip_suffix('}'))
            })
            .unwrap_or(text);
        let digits: String = match inner.len() {
            36 => {
                let hyphens = [8, 13, 18, 23];
                let right = inner
                    .bytes()
                    .enumerate()
                    .all(|(place, byte)| (byte == b'-') == hyphens.contains(&place));
                if !right {
                    return Err(ParseUuidError);
                }
                inner.split('-').collect()
            }
            _ => inner.to_owned(),
        };
        if digits.len() != 32 {
            return Err(ParseUuidError);
        }
        let bytes = hex::parse(digits.as_bytes()).map_err(|_| ParseUuidError)?;
        Ok(Uuid::from_u128(u128::from_be_bytes(bytes)))
    }

    /// `None` if it is of another version.
    pub fn get_version(&self) -> Option<Version> {
        match (*self, self.number.to_be_bytes()[6] >> 4) {
            (Uuid::NIL, _) => Some(Version::Nil),
            (Uuid::MAX, _) => Some(Version::Max),
            (_, 4) => Some(Version::V4),
            (_, 7) => Some(Version::V7),
            _ => None,
        }
    }
}

#[cfg(feature = "uuid")]
impl Uuid {
    /// As the crate `uuid` has it.
    pub fn to_uuid(self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.number)
    }
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for Uuid {
    fn from(uuid: uuid::Uuid) -> Self {
        Uuid::from_u128(uuid.as_u128())
    }
}

#[cfg(feature = "uuid")]
impl From<Uuid> for uuid::Uuid {
    fn from(uuid: Uuid) -> Self {
        uuid.to_uuid()
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.number.to_be_bytes().into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uuid")
            .field("__uuid__", &self.number)
            .finish()
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        Uuid::parse_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_by_time_and_counter() {
        let check = |micros, counter, random, text: &str, next| {
            let counter = Cell::new(counter);
            let now = Timestamp::from_micros_since_unix_epoch(micros);
            let uuid = Uuid::from_counter_v7(&counter, now, &random).unwrap();
            assert_eq!((uuid.to_string().as_str(), counter.get()), (text, next));
            assert_eq!(uuid.get_version(), Some(Version::V7));
        };
        check(
            1_686_000_000_000,
            1,
            [0; 4],
            "0000647e-5180-7000-8000-000200000000",
            2,
        );
        check(
            1_700_000_000_123_456,
            0x7fff_ffff,
            [0xff; 4],
            "018bcfe5-687b-70ff-80ff-fffe7fffffff",
            0,
        );
        check(
            1_700_000_000_123_456,
            0x1234_5678,
            [0xa1, 0xb2, 0xc3, 0xd4],
            "018bcfe5-687b-7024-8068-acf021b2c3d4",
            0x1234_5679,
        );
        let before = Timestamp::from_micros_since_unix_epoch(-1);
        assert!(Uuid::from_counter_v7(&Cell::new(0), before, &[0; 4]).is_err());
    }

    #[test]
    fn random_ones_and_texts() {
        let zero = Uuid::from_random_bytes_v4([0; 16]);
        assert_eq!(zero.to_string(), "00000000-0000-4000-8000-000000000000");
        let ones = Uuid::from_random_bytes_v4([0xff; 16]);
        assert_eq!(ones.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let text = "01020304-0506-0708-090a-0b0c0d0e0f10";
        let forms = [
            text.to_owned(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
        ];
        for form in forms {
            assert_eq!(form.parse::<Uuid>().unwrap().to_string(), text, "{form}");
        }
        for form in [
            "",
            "0102",
            "0102030405060708090a0b0c-0d0e0f10",
            "{01}",
            "0x0102",
        ] {
            assert!(form.parse::<Uuid>().is_err(), "{form}");
        }
    }
}

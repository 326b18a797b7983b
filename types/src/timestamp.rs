//! Points in time, spans of time, and when to run a scheduled reducer.
//!
//! Not here: reading a clock. Whoever needs the time is given it.

use crate::bsatn::{Decode, DecodeError, Encode, Reader};

/// Microseconds since the Unix epoch, UTC; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    pub micros: i64,
}

/// A signed span in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeDuration {
    pub micros: i64,
}

impl Timestamp {
    /// 1970-01-01.
    pub const UNIX_EPOCH: Timestamp = Timestamp { micros: 0 };

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp { micros }
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_add(self, duration: TimeDuration) -> Option<Self> {
        self.micros
            .checked_add(duration.micros)
            .map(Timestamp::from_micros)
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_sub(self, duration: TimeDuration) -> Option<Self> {
        self.micros
            .checked_sub(duration.micros)
            .map(Timestamp::from_micros)
    }

    /// The span from `earlier` to `self`; `None` on overflow.
    #[must_use]
    pub fn checked_since(self, earlier: Timestamp) -> Option<TimeDuration> {
        self.micros
            .checked_sub(earlier.micros)
            .map(TimeDuration::from_micros)
    }
}

impl TimeDuration {
    /// No time.
    pub const ZERO: TimeDuration = TimeDuration { micros: 0 };

    /// From signed microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        TimeDuration { micros }
    }

    /// The span without its sign, as the standard library has it.
    #[must_use]
    pub fn abs(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.micros.unsigned_abs())
    }
}

impl Encode for Timestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        self.micros.encode(out);
    }
}

impl<'a> Decode<'a> for Timestamp {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(Timestamp::from_micros)
    }
}

impl Encode for TimeDuration {
    fn encode(&self, out: &mut Vec<u8>) {
        self.micros.encode(out);
    }
}

impl<'a> Decode<'a> for TimeDuration {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Decode::decode(reader).map(TimeDuration::from_micros)
    }
}

crate::bsatn_enum! {
    /// When to run a scheduled reducer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ScheduleAt {
        /// Again and again; a negative interval counts by its absolute value.
        Interval(TimeDuration),
        /// Once. The past means now.
        Time(Timestamp),
    }
}

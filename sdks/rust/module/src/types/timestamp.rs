//! Points in time and spans of time, in microseconds.
//!
//! Not here: reading a clock. A module learns the time from its context.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, SystemTime};

use super::one_number;
use super::time_text::{self, ParseTimestampError};

/// Microseconds since the Unix epoch, UTC; may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

/// A signed span in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeDuration {
    micros: i64,
}

one_number!(
    Timestamp,
    "__timestamp_micros_since_unix_epoch__",
    I64,
    micros
);
one_number!(TimeDuration, "__time_duration_micros__", I64, micros);

/// A span of the standard library's; `None` if it is longer than 292,000 years.
fn micros_of(duration: Duration) -> Option<i64> {
    i64::try_from(duration.as_micros()).ok()
}

impl Timestamp {
    /// 1970-01-01.
    pub const UNIX_EPOCH: Timestamp = Timestamp { micros: 0 };

    /// There is no clock in a module.
    #[deprecated = "there is no clock in a module: use `ctx.timestamp`"]
    pub fn now() -> Self {
        panic!("there is no clock in a module: use `ctx.timestamp`")
    }

    /// From microseconds since the Unix epoch.
    pub const fn from_micros_since_unix_epoch(micros: i64) -> Self {
        Timestamp { micros }
    }

    /// Microseconds since the Unix epoch.
    pub const fn to_micros_since_unix_epoch(self) -> i64 {
        self.micros
    }

    /// So long after the Unix epoch.
    pub const fn from_time_duration_since_unix_epoch(duration: TimeDuration) -> Self {
        Timestamp {
            micros: duration.micros,
        }
    }

    /// How long after the Unix epoch it is.
    pub const fn to_time_duration_since_unix_epoch(self) -> TimeDuration {
        TimeDuration {
            micros: self.micros,
        }
    }

    /// So long after the Unix epoch. Panics if it is out of range.
    pub fn from_duration_since_unix_epoch(duration: Duration) -> Self {
        let micros = micros_of(duration).expect("the duration is too long for a `Timestamp`");
        Timestamp { micros }
    }

    /// How long after the Unix epoch it is; the error says how long before it.
    pub fn to_duration_since_unix_epoch(self) -> Result<Duration, Duration> {
        self.to_time_duration_since_unix_epoch().to_duration()
    }

    /// How long after `earlier` it is; `None` if it is before it.
    pub fn duration_since(self, earlier: Timestamp) -> Option<Duration> {
        self.time_duration_since(earlier)?.to_duration().ok()
    }

    /// How long after `earlier` it is; `None` on overflow.
    pub fn time_duration_since(self, earlier: Timestamp) -> Option<TimeDuration> {
        let micros = self.micros.checked_sub(earlier.micros)?;
        Some(TimeDuration { micros })
    }

    /// `None` on overflow.
    pub fn checked_add(&self, duration: TimeDuration) -> Option<Self> {
        let micros = self.micros.checked_add(duration.micros)?;
        Some(Timestamp { micros })
    }

    /// `None` on overflow.
    pub fn checked_sub(&self, duration: TimeDuration) -> Option<Self> {
        let micros = self.micros.checked_sub(duration.micros)?;
        Some(Timestamp { micros })
    }

    /// `None` on overflow.
    pub fn checked_add_duration(&self, duration: Duration) -> Option<Self> {
        let micros = micros_of(duration)?;
        self.checked_add(TimeDuration { micros })
    }

    /// `None` on overflow.
    pub fn checked_sub_duration(&self, duration: Duration) -> Option<Self> {
        let micros = micros_of(duration)?;
        self.checked_sub(TimeDuration { micros })
    }

    /// As the standard library has it. Panics if it is out of the range of that.
    pub fn to_system_time(self) -> SystemTime {
        let time = match self.to_duration_since_unix_epoch() {
            Ok(after) => SystemTime::UNIX_EPOCH.checked_add(after),
            Err(before) => SystemTime::UNIX_EPOCH.checked_sub(before),
        };
        time.expect("the timestamp is out of range of `SystemTime`")
    }

    /// From what the standard library has. Panics if it is out of range.
    pub fn from_system_time(time: SystemTime) -> Self {
        let duration = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => micros_of(after),
            Err(error) => micros_of(error.duration()).map(|micros| -micros),
        };
        let micros = duration.expect("the time is out of range of `Timestamp`");
        Timestamp { micros }
    }

    /// Reads an RFC 3339 time with an offset. Digits below a microsecond are dropped.
    pub fn parse_from_rfc3339(text: &str) -> Result<Timestamp, ParseTimestampError> {
        time_text::parse(text).map(Timestamp::from_micros_since_unix_epoch)
    }

    /// As the crate `chrono` has it.
    #[cfg(feature = "chrono")]
    pub fn to_chrono_date_time(&self) -> Result<chrono::DateTime<chrono::Utc>, OutOfRange> {
        chrono::DateTime::from_timestamp_micros(self.micros).ok_or(OutOfRange)
    }

    /// As an RFC 3339 time. The years 0 to 9999 have one.
    pub fn to_rfc3339(&self) -> Result<String, ParseTimestampError> {
        let text = self.to_string();
        if text.starts_with(['+', '-']) {
            return Err(ParseTimestampError);
        }
        Ok(text)
    }
}

/// The crate `chrono` has no such time: its years end with 262,142.
#[cfg(feature = "chrono")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

#[cfg(feature = "chrono")]
impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is out of the range of `chrono`")
    }
}

#[cfg(feature = "chrono")]
impl std::error::Error for OutOfRange {}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        time_text::write_timestamp(self.micros, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timestamp")
            .field("__timestamp_micros_since_unix_epoch__", &self.micros)
            .finish()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Timestamp::from_system_time(time)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        time.to_system_time()
    }
}

impl TimeDuration {
    /// No time.
    pub const ZERO: TimeDuration = TimeDuration { micros: 0 };

    /// From signed microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        TimeDuration { micros }
    }

    /// Signed microseconds.
    pub const fn to_micros(self) -> i64 {
        self.micros
    }

    /// As the standard library has it; the error is the length of a negative one.
    pub fn to_duration(self) -> Result<Duration, Duration> {
        if self.micros < 0 {
            Err(self.to_duration_abs())
        } else {
            Ok(self.to_duration_abs())
        }
    }

    /// Without its sign.
    pub fn to_duration_abs(self) -> Duration {
        Duration::from_micros(self.micros.unsigned_abs())
    }

    /// A negative one counts as zero.
    pub fn to_duration_saturating(self) -> Duration {
        self.to_duration().unwrap_or(Duration::ZERO)
    }

    /// Without its sign; the most negative one becomes the longest.
    pub fn abs(self) -> Self {
        TimeDuration {
            micros: self.micros.saturating_abs(),
        }
    }

    /// Panics if it is longer than 292,000 years.
    pub fn from_duration(duration: Duration) -> Self {
        let micros = micros_of(duration).expect("the duration is too long for a `TimeDuration`");
        TimeDuration { micros }
    }

    /// `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let micros = self.micros.checked_add(other.micros)?;
        Some(TimeDuration { micros })
    }

    /// `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let micros = self.micros.checked_sub(other.micros)?;
        Some(TimeDuration { micros })
    }

    /// The ISO 8601 form, such as `-PT1.5S`.
    pub fn to_iso8601(self) -> String {
        time_text::iso8601(self.micros)
    }
}

impl fmt::Display for TimeDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { '-' } else { '+' };
        let micros = self.micros.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl fmt::Debug for TimeDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeDuration")
            .field("__time_duration_micros__", &self.micros)
            .finish()
    }
}

impl From<Duration> for TimeDuration {
    fn from(duration: Duration) -> Self {
        TimeDuration::from_duration(duration)
    }
}

impl TryFrom<TimeDuration> for Duration {
    /// The length of a negative one.
    type Error = Duration;

    fn try_from(duration: TimeDuration) -> Result<Self, Duration> {
        duration.to_duration()
    }
}

macro_rules! operators {
    ($($left:ty, $right:ty: $plus:ident, $minus:ident;)*) => {$(
        impl Add<$right> for $left {
            type Output = $left;

            fn add(self, right: $right) -> $left {
                self.$plus(right).expect("a time went out of range")
            }
        }

        impl Sub<$right> for $left {
            type Output = $left;

            fn sub(self, right: $right) -> $left {
                self.$minus(right).expect("a time went out of range")
            }
        }

        impl AddAssign<$right> for $left {
            fn add_assign(&mut self, right: $right) {
                *self = *self + right;
            }
        }

        impl SubAssign<$right> for $left {
            fn sub_assign(&mut self, right: $right) {
                *self = *self - right;
            }
        }
    )*};
}

operators! {
    Timestamp, TimeDuration: checked_add, checked_sub;
    Timestamp, Duration: checked_add_duration, checked_sub_duration;
    TimeDuration, TimeDuration: checked_add, checked_sub;
}

//! Points in time, spans of time, and when a scheduled reducer runs, with the methods that
//! programs know.
//!
//! Invariant: both are microseconds in 64 bits with a sign. Operators panic on overflow, as those
//! of the standard library do; `checked_..` do not.

use std::fmt::{Display, Formatter};
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, SystemTime};

use spacetime_types::bsatn::{Decode, DecodeError, Encode, Reader};
use spacetime_types::{ParseTimestampError, Timestamp as Instant};

/// A point in time, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

/// A span of time in microseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeDuration {
    micros: i64,
}

/// When a scheduled reducer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScheduleAt {
    /// Again and again.
    Interval(TimeDuration),
    /// Once.
    Time(Timestamp),
}

/// A year that RFC 3339 cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("RFC 3339 has the years 0 to 9999 only; this is {0} microseconds from the Unix epoch")]
pub struct YearOutOfRange(i64);

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).expect("292,000 years are enough for every span")
}

/// The browser's clock, which counts milliseconds.
#[cfg(all(target_arch = "wasm32", feature = "browser"))]
fn browser_micros() -> i64 {
    let millis = Duration::from_secs_f64(js_sys::Date::now().max(0.0) / 1000.0);
    micros(millis)
}

impl Timestamp {
    /// 1970-01-01, UTC.
    pub const UNIX_EPOCH: Self = Timestamp { micros: 0 };

    /// The time of this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        let now = Self::from_system_time(SystemTime::now());
        #[cfg(all(target_arch = "wasm32", feature = "browser"))]
        let now = Self::from_micros_since_unix_epoch(browser_micros());
        now
    }

    /// Microseconds since the Unix epoch; negative before it.
    #[must_use]
    pub const fn to_micros_since_unix_epoch(self) -> i64 {
        self.micros
    }

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros_since_unix_epoch(micros: i64) -> Self {
        Timestamp { micros }
    }

    /// The span since the Unix epoch.
    #[must_use]
    pub const fn to_time_duration_since_unix_epoch(self) -> TimeDuration {
        TimeDuration::from_micros(self.micros)
    }

    /// From the span since the Unix epoch.
    #[must_use]
    pub const fn from_time_duration_since_unix_epoch(span: TimeDuration) -> Self {
        Timestamp {
            micros: span.micros,
        }
    }

    /// The span since the Unix epoch, or as the error the span before it.
    pub fn to_duration_since_unix_epoch(self) -> Result<Duration, Duration> {
        self.to_time_duration_since_unix_epoch().to_duration()
    }

    /// From the span since the Unix epoch.
    #[must_use]
    pub fn from_duration_since_unix_epoch(span: Duration) -> Self {
        Timestamp {
            micros: micros(span),
        }
    }

    /// As the standard library has it.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        match self.to_duration_since_unix_epoch() {
            Ok(after) => SystemTime::UNIX_EPOCH + after,
            Err(before) => SystemTime::UNIX_EPOCH - before,
        }
    }

    /// From what the standard library has.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::from_duration_since_unix_epoch(after),
            Err(before) => Timestamp {
                micros: -micros(before.duration()),
            },
        }
    }

    /// The span since `earlier`. `None` if that was later.
    #[must_use]
    pub fn duration_since(self, earlier: Timestamp) -> Option<Duration> {
        self.time_duration_since(earlier)?.to_duration().ok()
    }

    /// The span since `earlier`; negative if that was later. `None` on overflow.
    #[must_use]
    pub fn time_duration_since(self, earlier: Timestamp) -> Option<TimeDuration> {
        let micros = self.micros.checked_sub(earlier.micros)?;
        Some(TimeDuration { micros })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_add(&self, span: TimeDuration) -> Option<Self> {
        let micros = self.micros.checked_add(span.micros)?;
        Some(Timestamp { micros })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_sub(&self, span: TimeDuration) -> Option<Self> {
        let micros = self.micros.checked_sub(span.micros)?;
        Some(Timestamp { micros })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_add_duration(&self, span: Duration) -> Option<Self> {
        let micros = i64::try_from(span.as_micros()).ok()?;
        self.checked_add(TimeDuration { micros })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_sub_duration(&self, span: Duration) -> Option<Self> {
        let micros = i64::try_from(span.as_micros()).ok()?;
        self.checked_sub(TimeDuration { micros })
    }

    /// As text, in UTC.
    pub fn to_rfc3339(&self) -> Result<String, YearOutOfRange> {
        let text = self.to_string();
        // Longer years have a sign.
        match text.starts_with(['+', '-']) {
            true => Err(YearOutOfRange(self.micros)),
            false => Ok(text),
        }
    }

    /// From such a text.
    pub fn parse_from_rfc3339(text: &str) -> Result<Self, ParseTimestampError> {
        let micros = Instant::parse(text)?.micros;
        Ok(Timestamp { micros })
    }
}

impl TimeDuration {
    /// No time.
    pub const ZERO: Self = TimeDuration { micros: 0 };

    /// From microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        TimeDuration { micros }
    }

    /// Microseconds.
    #[must_use]
    pub const fn to_micros(self) -> i64 {
        self.micros
    }

    /// As the standard library has it, or as the error the opposite of a negative span.
    pub fn to_duration(self) -> Result<Duration, Duration> {
        let duration = self.to_duration_abs();
        match self.micros < 0 {
            true => Err(duration),
            false => Ok(duration),
        }
    }

    /// Without its sign.
    #[must_use]
    pub const fn to_duration_abs(self) -> Duration {
        Duration::from_micros(self.micros.unsigned_abs())
    }

    /// As the standard library has it; none for a negative span.
    #[must_use]
    pub fn to_duration_saturating(self) -> Duration {
        self.to_duration().unwrap_or(Duration::ZERO)
    }

    /// Seconds in the form of ISO 8601, as in `PT1.5S`.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        if micros == 0 {
            return "P0D".to_owned();
        }
        let fraction = format!("{:06}", micros % 1_000_000);
        let (seconds, fraction) = (micros / 1_000_000, fraction.trim_end_matches('0'));
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}PT{seconds}{point}{fraction}S")
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        TimeDuration {
            micros: self.micros.saturating_abs(),
        }
    }

    /// From what the standard library has.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        TimeDuration {
            micros: micros(duration),
        }
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let micros = self.micros.checked_add(other.micros)?;
        Some(TimeDuration { micros })
    }

    /// `None` on overflow.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let micros = self.micros.checked_sub(other.micros)?;
        Some(TimeDuration { micros })
    }
}

impl Display for Timestamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Instant::from_micros(self.micros).fmt(f)
    }
}

impl Display for TimeDuration {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "+" };
        let micros = self.micros.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl From<Duration> for TimeDuration {
    fn from(duration: Duration) -> Self {
        Self::from_duration(duration)
    }
}

impl TryFrom<TimeDuration> for Duration {
    type Error = Duration;

    /// The error is the opposite of a negative span.
    fn try_from(span: TimeDuration) -> Result<Self, Self> {
        span.to_duration()
    }
}

impl ScheduleAt {
    /// How long it is from `now` until then: none if it is over.
    #[must_use]
    pub fn to_duration_from(&self, now: Timestamp) -> Duration {
        match self {
            ScheduleAt::Interval(interval) => interval.to_duration_abs(),
            ScheduleAt::Time(time) => time.duration_since(now).unwrap_or_default(),
        }
    }

    /// When that is, seen from `now`.
    #[must_use]
    pub fn to_timestamp_from(&self, now: Timestamp) -> Timestamp {
        match self {
            ScheduleAt::Interval(interval) => now + *interval,
            ScheduleAt::Time(time) => *time,
        }
    }
}

impl From<SystemTime> for ScheduleAt {
    fn from(time: SystemTime) -> Self {
        ScheduleAt::Time(time.into())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::from_system_time(time)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        time.to_system_time()
    }
}

impl From<Duration> for ScheduleAt {
    fn from(interval: Duration) -> Self {
        ScheduleAt::Interval(interval.into())
    }
}

impl From<TimeDuration> for ScheduleAt {
    fn from(interval: TimeDuration) -> Self {
        ScheduleAt::Interval(interval)
    }
}

impl From<Timestamp> for ScheduleAt {
    fn from(time: Timestamp) -> Self {
        ScheduleAt::Time(time)
    }
}

macro_rules! operators {
    ($($left:ty, $span:ty);*) => {$(
        impl Add<$span> for $left {
            type Output = Self;

            fn add(self, span: $span) -> Self {
                self.checked_add(span.into()).expect("a sum in 64 bits of microseconds")
            }
        }

        impl AddAssign<$span> for $left {
            fn add_assign(&mut self, span: $span) {
                *self = *self + span;
            }
        }

        impl Sub<$span> for $left {
            type Output = Self;

            fn sub(self, span: $span) -> Self {
                self.checked_sub(span.into()).expect("a difference in 64 bits of microseconds")
            }
        }

        impl SubAssign<$span> for $left {
            fn sub_assign(&mut self, span: $span) {
                *self = *self - span;
            }
        }
    )*};
}

operators!(Timestamp, TimeDuration; Timestamp, Duration; TimeDuration, TimeDuration);

macro_rules! micros_codec {
    ($($name:ident),*) => {$(
        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.micros.encode(out);
            }
        }

        impl<'a> Decode<'a> for $name {
            fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
                i64::decode(reader).map(|micros| $name { micros })
            }
        }
    )*};
}

micros_codec!(Timestamp, TimeDuration);

impl Encode for ScheduleAt {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ScheduleAt::Interval(interval) => {
                out.push(0);
                interval.encode(out);
            }
            ScheduleAt::Time(time) => {
                out.push(1);
                time.encode(out);
            }
        }
    }
}

impl<'a> Decode<'a> for ScheduleAt {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.u8()? {
            0 => TimeDuration::decode(reader).map(ScheduleAt::Interval),
            1 => Timestamp::decode(reader).map(ScheduleAt::Time),
            tag => Err(DecodeError::InvalidTag {
                offset,
                tag,
                type_name: "ScheduleAt",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spacetime_types::bsatn;

    const NOON: Timestamp = Timestamp::from_micros_since_unix_epoch(1_700_000_000_123_456);

    #[test]
    fn conversions_and_arithmetic() {
        assert_eq!(Timestamp::from_system_time(NOON.to_system_time()), NOON);
        let before = Timestamp::from_micros_since_unix_epoch(-1);
        assert_eq!(Timestamp::from_system_time(before.to_system_time()), before);
        assert_eq!(NOON - Duration::from_secs(1) + Duration::from_secs(1), NOON);
        assert_eq!(before.duration_since(NOON), None);
        assert_eq!(
            NOON.duration_since(Timestamp::UNIX_EPOCH),
            NOON.to_duration_since_unix_epoch().ok()
        );
        let text = NOON.to_rfc3339().unwrap();
        assert_eq!(Timestamp::parse_from_rfc3339(&text), Ok(NOON));
        let far = Timestamp::from_micros_since_unix_epoch(i64::MAX);
        assert_eq!(far.to_rfc3339(), Err(YearOutOfRange(i64::MAX)));
        assert_eq!(far.checked_add(TimeDuration::from_micros(1)), None);
        let span = TimeDuration::from_micros(-1_500_000);
        assert_eq!(span.to_string(), "-1.500000");
        assert_eq!(span.to_duration(), Err(Duration::from_millis(1500)));
    }

    #[test]
    fn bytes_are_those_of_the_server() {
        let plain = spacetime_types::Timestamp::from_micros(NOON.micros);
        assert_eq!(bsatn::to_vec(&NOON), bsatn::to_vec(&plain));
        for at in [ScheduleAt::Time(NOON), Duration::from_micros(7).into()] {
            let bytes = bsatn::to_vec(&at);
            assert_eq!(bsatn::from_slice_exact(&bytes), Ok(at));
            let plain: spacetime_types::ScheduleAt = bsatn::from_slice_exact(&bytes).unwrap();
            assert_eq!(bsatn::to_vec(&plain), bytes);
        }
    }
}

//! RFC 3339 for timestamps and ISO 8601 for durations.
//!
//! Dates are those of the proleptic Gregorian calendar. Every `i64` of microseconds has a text;
//! years outside 0 to 9999 are written with a sign, and such texts are not read back.

use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The text is not an RFC 3339 time with an offset, or the time has no such text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time with an offset, such as 2025-02-10T15:45:30Z")
    }
}

impl std::error::Error for ParseTimestampError {}

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Day 0 is 1970-01-01. Years are counted from March, so that the leap day comes last.
    fn from_day_number(day_number: i64) -> Self {
        let days = day_number + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Date { year, month, day }
    }

    fn day_number(&self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// Whether the month and the day exist.
    fn exists(&self) -> bool {
        let same = Date::from_day_number(self.day_number());
        (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && (same.month, same.day) == (self.month, self.day)
    }
}

/// Writes microseconds since the Unix epoch as a time.
pub(super) fn write_timestamp(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let date = Date::from_day_number(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    if (0..=9999).contains(&date.year) {
        write!(f, "{:04}", date.year)?;
    } else {
        write!(f, "{:+05}", date.year)?;
    }
    let (hour, minute) = (second_of_day / 3_600, second_of_day / 60 % 60);
    let (month, day, second) = (date.month, date.day, second_of_day % 60);
    write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    if fraction % 1_000 != 0 {
        write!(f, ".{fraction:06}")?;
    } else if fraction != 0 {
        write!(f, ".{:03}", fraction / 1_000)?;
    }
    f.write_str("+00:00")
}

/// Microseconds since the Unix epoch. The offset is mandatory, the separator `T` or a space.
pub(super) fn parse(text: &str) -> Result<i64, ParseTimestampError> {
    let mut scanner = Scanner {
        rest: text.as_bytes(),
    };
    scanner.micros().ok_or(ParseTimestampError)
}

/// The ISO 8601 form of a span of microseconds.
pub(super) fn iso8601(micros: i64) -> String {
    if micros == 0 {
        return "P0D".to_owned();
    }
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if fraction == 0 {
        return format!("{sign}PT{seconds}S");
    }
    let fraction = format!("{fraction:06}");
    let fraction = fraction.trim_end_matches('0');
    format!("{sign}PT{seconds}.{fraction}S")
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn micros(&mut self) -> Option<i64> {
        let date = Date {
            year: self.digits(4)?,
            month: self.after(b"-")?.digits(2)?,
            day: self.after(b"-")?.digits(2)?,
        };
        let hour = self.after(b"Tt ")?.digits(2)?;
        let minute = self.after(b":")?.digits(2)?;
        let second = self.after(b":")?.digits(2)?;
        // A leap second is written as second 60 and counts as the first one of the next minute.
        if !date.exists() || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let micros = self.fraction_micros()?;
        let offset_seconds = self.offset_seconds()?;
        if !self.rest.is_empty() {
            return None;
        }
        let second_of_day = hour * 3_600 + minute * 60 + second - offset_seconds;
        let seconds = date.day_number() * SECONDS_PER_DAY + second_of_day;
        seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(micros)
    }

    fn fraction_micros(&mut self) -> Option<i64> {
        if self.after(b".").is_none() {
            return Some(0);
        }
        let mut micros = 0;
        let mut unit = MICROS_PER_SECOND / 10;
        let mut digit = self.digits(1)?;
        loop {
            micros += digit * unit;
            unit /= 10;
            match self.digits(1) {
                Some(next) => digit = next,
                None => return Some(micros),
            }
        }
    }

    fn offset_seconds(&mut self) -> Option<i64> {
        if self.after(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.after(b"-").is_some() {
            -1
        } else {
            self.after(b"+")?;
            1
        };
        let hour = self.digits(2)?;
        let minute = self.after(b":")?.digits(2)?;
        (hour < 24 && minute < 60).then_some(sign * (hour * 3_600 + minute * 60))
    }

    /// Steps over one byte, if it is one of `wanted`.
    fn after(&mut self, wanted: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.rest.split_first()?;
        wanted.contains(first).then(|| {
            self.rest = rest;
            self
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let mut number = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
        }
        self.rest = rest;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TimeDuration, Timestamp};

    fn check(micros: i64, text: &str) {
        let timestamp = Timestamp::from_micros_since_unix_epoch(micros);
        assert_eq!(timestamp.to_string(), text);
        assert_eq!(Timestamp::parse_from_rfc3339(text), Ok(timestamp));
    }

    #[test]
    fn timestamps_as_text() {
        check(1_700_000_000_123_456, "2023-11-14T22:13:20.123456+00:00");
        check(1_700_000_000_120_000, "2023-11-14T22:13:20.120+00:00");
        check(-1, "1969-12-31T23:59:59.999999+00:00");
        check(951_782_400_000_000, "2000-02-29T00:00:00+00:00");
        check(253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00");
        let last = Timestamp::from_micros_since_unix_epoch(i64::MAX);
        assert_eq!(last.to_string(), "+294247-01-10T04:00:54.775807+00:00");
        assert!(last.to_rfc3339().is_err());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2025-02-10 15:45:30",
            "2023-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
        ] {
            assert!(Timestamp::parse_from_rfc3339(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_as_text() {
        let check = |micros, text: &str, iso: &str| {
            let duration = TimeDuration::from_micros(micros);
            assert_eq!(duration.to_string(), text);
            assert_eq!(duration.to_iso8601(), iso);
        };
        check(-1_500_000, "-1.500000", "-PT1.5S");
        check(0, "+0.000000", "P0D");
        check(
            i64::MIN,
            "-9223372036854.775808",
            "-PT9223372036854.775808S",
        );
    }
}

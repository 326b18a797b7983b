//! When to run a scheduled function.

use std::time::{Duration, SystemTime};

use super::{TimeDuration, Timestamp};
use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DecodeError, Deserialize, Reader, Serialize};
use crate::spacetime_type::{SpacetimeType, TypeBuilder};

/// When a row of a schedule table is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScheduleAt {
    /// Again and again, this long after each other.
    Interval(TimeDuration),
    /// Once. The past means now.
    Time(Timestamp),
}

impl ScheduleAt {
    /// How long it is from `from` until the first run; nothing for the past.
    pub fn to_duration_from(&self, from: Timestamp) -> Duration {
        match self {
            ScheduleAt::Interval(interval) => interval.to_duration_abs(),
            ScheduleAt::Time(time) => time.duration_since(from).unwrap_or(Duration::ZERO),
        }
    }

    /// When the first run is, seen from `from`.
    pub fn to_timestamp_from(&self, from: Timestamp) -> Timestamp {
        match self {
            ScheduleAt::Interval(interval) => from + *interval,
            ScheduleAt::Time(time) => *time,
        }
    }

    /// Its type.
    pub fn get_type() -> AlgebraicType {
        ScheduleAt::make_type(&mut TypeBuilder::default())
    }
}

impl From<TimeDuration> for ScheduleAt {
    fn from(interval: TimeDuration) -> Self {
        ScheduleAt::Interval(interval)
    }
}

impl From<Duration> for ScheduleAt {
    fn from(interval: Duration) -> Self {
        ScheduleAt::Interval(interval.into())
    }
}

impl From<Timestamp> for ScheduleAt {
    fn from(time: Timestamp) -> Self {
        ScheduleAt::Time(time)
    }
}

impl From<SystemTime> for ScheduleAt {
    fn from(time: SystemTime) -> Self {
        ScheduleAt::Time(time.into())
    }
}

impl Serialize for ScheduleAt {
    fn serialize(&self, out: &mut Vec<u8>) {
        match self {
            ScheduleAt::Interval(interval) => {
                out.push(0);
                interval.serialize(out);
            }
            ScheduleAt::Time(time) => {
                out.push(1);
                time.serialize(out);
            }
        }
    }
}

impl<'de> Deserialize<'de> for ScheduleAt {
    fn deserialize(reader: &mut Reader<'de>) -> Result<Self, DecodeError> {
        match reader.tag()? {
            0 => Deserialize::deserialize(reader).map(ScheduleAt::Interval),
            1 => Deserialize::deserialize(reader).map(ScheduleAt::Time),
            tag => Err(DecodeError::InvalidTag {
                tag,
                sum_name: Some("ScheduleAt"),
            }),
        }
    }
}

impl SpacetimeType for ScheduleAt {
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        AlgebraicType::sum([
            ("Interval", TimeDuration::make_type(types)),
            ("Time", Timestamp::make_type(types)),
        ])
    }
}

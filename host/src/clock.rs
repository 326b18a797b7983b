//! The time that reducers see.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spacetime_types::Timestamp;

/// Wall-clock time that never repeats and never goes back within one database: guests seed their
/// random numbers with it, so two reducers must not share a timestamp.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    last_micros: i64,
}

impl Clock {
    pub(crate) fn now(&mut self) -> Timestamp {
        self.last_micros = wall_micros().max(self.last_micros + 1);
        Timestamp::from_micros(self.last_micros)
    }
}

/// Microseconds since the Unix epoch; negative before it.
pub(crate) fn wall_micros() -> i64 {
    let clamp = |micros: u128| i64::try_from(micros).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => clamp(since.as_micros()),
        Err(before) => -clamp(before.duration().as_micros()),
    }
}

/// How long to wait for a point in time; nothing if it has passed.
pub(crate) fn until(time: Timestamp) -> Duration {
    let micros = time.micros.saturating_sub(wall_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

//! The time that modules see, and the time by which schedules run.
//!
//! Invariants
//!   * The time of one database never repeats and never goes back while it runs: guests seed their
//!     random numbers with it, so two reducers must not share a timestamp.
//!   * When the machine's clock is set back, a database's time goes on at its pace until the
//!     machine's has caught up, so a schedule neither waits for that nor runs twice. When the
//!     clock is set forward, or the machine slept, the time follows at once.
//!   * Nobody sleeps longer than [`RECHECK`] without looking at the clock again: timers do not
//!     count the time that a machine sleeps, and know nothing of a clock that was set.
//!
//! Not here: limits on how long something may take. They always count real time.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use spacetime_types::Timestamp;
use tokio::sync::watch;

/// How late something may be after the machine's clock was set forward.
const RECHECK: Duration = Duration::from_secs(1);

/// Where time comes from.
#[derive(Clone, Debug, Default)]
pub enum TimeSource {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<ManualClock>),
}

/// One look at the clocks, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Since the Unix epoch; may be set back.
    wall: i64,
    /// Since some moment; only grows, at the same pace.
    steady: i64,
}

impl TimeSource {
    fn read(&self) -> Reading {
        match self {
            TimeSource::System => Reading {
                wall: system_micros(),
                steady: steady_micros(),
            },
            TimeSource::Manual(clock) => clock.state.lock().reading,
        }
    }

    /// The time that people see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.read().wall)
    }

    /// Waits until a point in time; not at all if it has passed.
    pub async fn sleep_until(&self, time: Timestamp) {
        match self {
            TimeSource::System => {
                while let Some(left) = left_until(time, self.now()) {
                    tokio::time::sleep(left.min(RECHECK)).await;
                }
            }
            TimeSource::Manual(clock) => clock.sleep_until(time).await,
        }
    }

    /// How many wait on a manual clock that has to be moved before they go on.
    pub(crate) fn sleepers(&self) -> usize {
        match self {
            TimeSource::System => 0,
            TimeSource::Manual(clock) => clock.state.lock().asleep().count(),
        }
    }
}

/// A clock for tests: it stands still until somebody moves it.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<ManualState>,
    moved: watch::Sender<()>,
}

#[derive(Debug)]
struct ManualState {
    reading: Reading,
    /// Who waits for which time, each with a number of its own.
    sleepers: BTreeSet<(i64, u64)>,
    next_sleeper: u64,
}

impl ManualState {
    fn asleep(&self) -> impl Iterator<Item = i64> {
        let now = self.reading.wall;
        let times = self.sleepers.iter().map(|(time, _)| *time);
        times.filter(move |time| *time > now)
    }
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(start: Timestamp) -> Arc<ManualClock> {
        let (moved, _) = watch::channel(());
        let reading = Reading {
            wall: start.micros,
            steady: 0,
        };
        let state = ManualState {
            reading,
            sleepers: BTreeSet::new(),
            next_sleeper: 0,
        };
        Arc::new(ManualClock {
            state: Mutex::new(state),
            moved,
        })
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.state.lock().reading.wall)
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.change(|reading| {
            reading.wall = reading.wall.saturating_add(micros);
            reading.steady = reading.steady.saturating_add(micros);
        });
    }

    /// Somebody sets the clock, forward or back, or the machine sleeps: no time passes for timers.
    pub fn set(&self, time: Timestamp) {
        self.change(|reading| reading.wall = time.micros);
    }

    /// The earliest time that something waits for.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let state = self.state.lock();
        state.asleep().next().map(Timestamp::from_micros)
    }

    fn change(&self, change: impl FnOnce(&mut Reading)) {
        change(&mut self.state.lock().reading);
        self.moved.send_replace(());
    }

    async fn sleep_until(&self, time: Timestamp) {
        let mut moved = self.moved.subscribe();
        let sleeper = {
            let mut state = self.state.lock();
            if state.reading.wall >= time.micros {
                return;
            }
            state.next_sleeper += 1;
            let sleeper = (time.micros, state.next_sleeper);
            state.sleepers.insert(sleeper);
            sleeper
        };
        let _sleeping = Sleeping {
            clock: self,
            sleeper,
        };
        while self.now() < time {
            // The sender lives as long as the clock.
            let _ = moved.changed().await;
        }
    }
}

/// Takes a sleeper off the list, also if it is not waited for to the end.
struct Sleeping<'a> {
    clock: &'a ManualClock,
    sleeper: (i64, u64),
}

impl Drop for Sleeping<'_> {
    fn drop(&mut self) {
        self.clock.state.lock().sleepers.remove(&self.sleeper);
    }
}

/// The time of one database.
#[derive(Debug)]
pub(crate) struct Clock {
    source: TimeSource,
    /// A look from which the time goes on if the machine's clock is set back.
    anchor: Reading,
    last_micros: i64,
}

impl Clock {
    pub(crate) fn new(source: TimeSource) -> Clock {
        Clock {
            anchor: source.read(),
            source,
            last_micros: i64::MIN,
        }
    }

    /// A timestamp that was never given out before.
    pub(crate) fn now(&mut self) -> Timestamp {
        let micros = self.go_on();
        self.last_micros = micros.max(self.last_micros.saturating_add(1));
        Timestamp::from_micros(self.last_micros)
    }

    /// The time, for comparisons: no earlier than any timestamp given out.
    pub(crate) fn current(&mut self) -> Timestamp {
        Timestamp::from_micros(self.go_on().max(self.last_micros))
    }

    fn go_on(&mut self) -> i64 {
        let reading = self.source.read();
        let passed = reading.steady.saturating_sub(self.anchor.steady);
        let expected = self.anchor.wall.saturating_add(passed);
        if reading.wall >= expected {
            self.anchor = reading;
        }
        reading.wall.max(expected)
    }

    /// How long to wait for a point in time before looking at the clock again; `None` if only a
    /// move of a manual clock can bring it nearer.
    pub(crate) fn wait_for(&mut self, time: Timestamp) -> Option<Duration> {
        let Some(left) = left_until(time, self.current()) else {
            return Some(Duration::ZERO);
        };
        match self.source {
            TimeSource::System => Some(left.min(RECHECK)),
            TimeSource::Manual(_) => None,
        }
    }
}

fn left_until(time: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = time.micros.saturating_sub(now.micros);
    let left = u64::try_from(left).ok().filter(|left| *left > 0);
    left.map(Duration::from_micros)
}

/// Microseconds since the Unix epoch; negative before it.
fn system_micros() -> i64 {
    let clamp = |micros: u128| i64::try_from(micros).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => clamp(since.as_micros()),
        Err(before) => -clamp(before.duration().as_micros()),
    }
}

fn steady_micros() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn timestamps_never_repeat_and_follow_the_clock() {
        let manual = ManualClock::new(at(SECOND));
        let mut clock = Clock::new(TimeSource::Manual(Arc::clone(&manual)));
        assert_eq!(clock.current(), at(SECOND));
        assert_eq!(clock.now(), at(SECOND));
        assert_eq!(clock.now(), at(SECOND + 1));
        assert_eq!(clock.current(), at(SECOND + 1));
        manual.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), at(2 * SECOND));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let manual = ManualClock::new(at(100 * SECOND));
        let mut clock = Clock::new(TimeSource::Manual(Arc::clone(&manual)));
        manual.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), at(101 * SECOND));
        manual.set(at(0));
        assert_eq!(clock.now(), at(101 * SECOND + 1));
        manual.advance(Duration::from_secs(5));
        assert_eq!(clock.current(), at(106 * SECOND));
        manual.set(at(500 * SECOND));
        assert_eq!(clock.now(), at(500 * SECOND));
        manual.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), at(501 * SECOND));
    }

    #[test]
    fn waiting_for_the_machines_clock_is_cut_into_pieces() {
        let mut clock = Clock::new(TimeSource::System);
        let now = clock.current();
        assert_eq!(clock.wait_for(now), Some(Duration::ZERO));
        let later = at(now.micros + 3600 * SECOND);
        assert_eq!(clock.wait_for(later), Some(RECHECK));
        let mut still = Clock::new(TimeSource::Manual(ManualClock::new(now)));
        assert_eq!(still.wait_for(later), None);
    }

    #[tokio::test]
    async fn sleepers_on_a_manual_clock_wait_for_it() {
        let manual = ManualClock::new(at(0));
        let source = TimeSource::Manual(Arc::clone(&manual));
        source.sleep_until(at(0)).await;
        let sleeper = tokio::spawn({
            let source = source.clone();
            async move { source.sleep_until(at(SECOND)).await }
        });
        while source.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(manual.next_wake(), Some(at(SECOND)));
        manual.advance(Duration::from_secs(1));
        assert_eq!(source.sleepers(), 0);
        sleeper.await.expect("it woke up");
        assert_eq!(manual.next_wake(), None);
    }
}

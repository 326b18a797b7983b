//! How long a writer thread is busy with one thing, in processor time: a request, what is due,
//! handing out what a batch has to say. It is how long anything else has to wait for it, without
//! the time for which the system runs other threads.
//!
//! Measured only where [`MEASURE_VARIABLE`] is set: it costs a system call for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Environment variable that has writer threads measured.
pub const MEASURE_VARIABLE: &str = "SPACETIME_MEASURE_PAUSES";

/// Parts of a power of two.
const PARTS: u64 = 8;
const PARTS_LOG: u32 = PARTS.ilog2();
const BUCKETS: usize = (64 - PARTS_LOG as usize) * PARTS as usize;

/// What was measured, in nanoseconds; the last parts of a number are not exact, but for the
/// longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PauseFigures {
    pub count: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub longest: u64,
    /// Those of a millisecond or more.
    pub over_1_ms: u64,
}

/// A histogram that one thread writes and others read.
#[derive(Debug)]
pub(crate) struct Pauses {
    buckets: Vec<AtomicU64>,
    longest: AtomicU64,
    over_1_ms: AtomicU64,
}

impl Pauses {
    /// If they are to be measured.
    pub(crate) fn if_wanted() -> Option<Arc<Pauses>> {
        std::env::var_os(MEASURE_VARIABLE)?;
        Some(Arc::new(Pauses::new()))
    }

    fn new() -> Pauses {
        Pauses {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            longest: AtomicU64::new(0),
            over_1_ms: AtomicU64::new(0),
        }
    }

    fn record(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.longest.fetch_max(nanos, Ordering::Relaxed);
        if nanos >= 1_000_000 {
            self.over_1_ms.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was measured since the last reset.
    pub(crate) fn figures(&self, reset: bool) -> PauseFigures {
        let read = |value: &AtomicU64| match reset {
            true => value.swap(0, Ordering::Relaxed),
            false => value.load(Ordering::Relaxed),
        };
        let counts: Vec<u64> = self.buckets.iter().map(read).collect();
        let count: u64 = counts.iter().sum();
        // The end of the bucket that has so many in a thousand below it.
        let at = |thousandths: u64| {
            let mut left = (count * thousandths).div_ceil(1000);
            let found = counts.iter().position(|&bucket| {
                left = left.saturating_sub(bucket);
                left == 0
            });
            found.map_or(0, end_of)
        };
        let longest = read(&self.longest);
        PauseFigures {
            count,
            p50: at(500).min(longest),
            p99: at(990).min(longest),
            p999: at(999).min(longest),
            longest,
            over_1_ms: read(&self.over_1_ms),
        }
    }
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.max(PARTS);
    let shift = nanos.ilog2() - PARTS_LOG;
    let bucket = u64::from(shift) * PARTS + ((nanos >> shift) - PARTS);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest number in a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (shift, part) = (bucket / PARTS, bucket % PARTS);
    let end = u128::from(PARTS + part + 1) << shift;
    u64::try_from(end - 1).unwrap_or(u64::MAX)
}

/// A writer thread's watch.
#[derive(Debug)]
pub(crate) struct PauseWatch {
    pauses: Option<Arc<Pauses>>,
    since: u64,
}

impl PauseWatch {
    pub(crate) fn new(pauses: Option<Arc<Pauses>>) -> PauseWatch {
        PauseWatch { pauses, since: 0 }
    }

    /// Something begins.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if self.pauses.is_some() {
            self.since = thread_nanos();
        }
    }

    /// It has ended, and the next thing begins.
    #[inline]
    pub(crate) fn note(&mut self) {
        if let Some(pauses) = &self.pauses {
            let now = thread_nanos();
            pauses.record(now.saturating_sub(self.since));
            self.since = now;
        }
    }
}

/// Processor time of this thread.
#[cfg(unix)]
fn thread_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(not(unix))]
fn thread_nanos() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        let mut before = 0;
        for nth in 0..4000_u64 {
            let nanos = nth * nth * nth;
            let bucket = bucket_of(nanos);
            assert!(bucket >= before && bucket < BUCKETS);
            before = bucket;
            let end = end_of(bucket);
            assert!(
                end >= nanos && end <= (nanos + nanos / PARTS).max(PARTS),
                "{nanos}: {end}"
            );
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(end_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn figures_are_those_of_what_was_recorded() {
        let pauses = Pauses::new();
        assert_eq!(pauses.figures(false), PauseFigures::default());
        for nanos in 1..=1000 {
            pauses.record(nanos * 1000);
        }
        pauses.record(3_000_000);
        let figures = pauses.figures(true);
        assert_eq!((figures.count, figures.longest), (1001, 3_000_000));
        assert_eq!(figures.over_1_ms, 2);
        let near = |found: u64, expected: u64| found >= expected && found < expected * 9 / 8;
        assert!(near(figures.p50, 500_000), "{figures:?}");
        assert!(near(figures.p99, 990_000), "{figures:?}");
        assert_eq!(pauses.figures(false), PauseFigures::default());
    }

    #[cfg(unix)]
    #[test]
    fn a_watch_counts_work_and_no_waiting() {
        let pauses = Arc::new(Pauses::new());
        let mut watch = PauseWatch::new(Some(Arc::clone(&pauses)));
        watch.begin();
        std::thread::sleep(std::time::Duration::from_millis(50));
        watch.note();
        assert!(pauses.figures(true).longest < 20_000_000);
        let started = thread_nanos();
        while thread_nanos() < started + 3_000_000 {}
        watch.note();
        assert!(pauses.figures(true).longest >= 3_000_000);
    }
}

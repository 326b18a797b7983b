//! Many seeds, on all processors.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::activation::Activations;
use crate::seed::{Outcome, Settings, run_seed};
use crate::trace::Keep;

/// A run of many seeds.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub seeds: Range<u64>,
    pub settings: Settings,
    /// Ends after so long, however many seeds are left.
    pub time_max: Option<Duration>,
    /// Threads; each runs one seed at a time.
    pub jobs: usize,
    /// One seed in so many is run twice, and the hashes compared.
    pub repeat_every: u64,
    /// Ends after so many seeds with a violation.
    pub failures_max: usize,
}

/// What a campaign led to.
#[derive(Debug, Default)]
pub struct Report {
    pub seeds: u64,
    pub elapsed: Duration,
    pub activations: Activations,
    /// Seeds with a violation, in order.
    pub failures: Vec<Outcome>,
    /// Seeds that had two different traces.
    pub not_deterministic: Vec<u64>,
    pub repeated: u64,
}

impl Campaign {
    /// Runs the seeds. `progress` is called from time to time.
    pub fn run(&self, progress: impl Fn(&Report) + Sync) -> Report {
        let started = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        let report = Mutex::new(Report::default());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(started, &next, &report, &progress));
            }
        });
        let mut report = report.into_inner();
        report.elapsed = started.elapsed();
        report.failures.sort_by_key(|outcome| outcome.seed);
        report
    }

    fn work(
        &self,
        started: Instant,
        next: &AtomicU64,
        report: &Mutex<Report>,
        progress: &(impl Fn(&Report) + Sync),
    ) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_late = self.time_max.is_some_and(|max| started.elapsed() >= max);
            let has_enough = report.lock().failures.len() >= self.failures_max;
            if seed >= self.seeds.end || is_late || has_enough {
                return;
            }
            let outcome = run_seed(seed, self.settings, Keep::HashOnly);
            let repeated = seed.is_multiple_of(self.repeat_every.max(1));
            let again = repeated.then(|| run_seed(seed, self.settings, Keep::HashOnly).hash);
            let mut report = report.lock();
            report.seeds += 1;
            report.elapsed = started.elapsed();
            report.activations.add_all(&outcome.activations);
            report.repeated += u64::from(repeated);
            if again.is_some_and(|again| again != outcome.hash) {
                report.not_deterministic.push(seed);
            }
            if outcome.violation.is_some() {
                report.failures.push(outcome);
            }
            progress(&report);
        }
    }
}

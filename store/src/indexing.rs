//! The end of a recovery: indexes are built and checked on a few threads, the largest first.
//!
//! Invariants
//!   * Whatever the threads do: the outcome is that of one job after another.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

use spacetime_table::{IndexJob, ReplayError};

/// Fewer rows are not worth a thread.
const ROWS_MIN: u64 = 50_000;

/// Runs all jobs on so many threads.
pub(crate) fn run_jobs(jobs: Vec<IndexJob<'_>>, threads: usize) -> Result<(), ReplayError> {
    let large = jobs.iter().filter(|job| job.rows() >= ROWS_MIN).count();
    let threads = threads.min(large);
    if threads <= 1 {
        return jobs.into_iter().try_for_each(IndexJob::run);
    }
    let mut waiting: Vec<(usize, IndexJob<'_>)> = jobs.into_iter().enumerate().collect();
    // Taken from the end.
    waiting.sort_by_key(|(nth, job)| (job.rows(), Reverse(*nth)));
    let waiting = Mutex::new(waiting);
    let failed: Mutex<Vec<(usize, ReplayError)>> = Mutex::default();
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((nth, job)) = next else { return };
            if let Err(error) = job.run() {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push((nth, error));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let first = failed.into_iter().min_by_key(|(nth, _)| *nth);
    first.map_or(Ok(()), |(_, error)| Err(error))
}

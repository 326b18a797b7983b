//! How near a load came to what the disk allows.
//!
//! A server that confirms what is on disk, and has one batch on its way there at a time, commits
//! at most all calls in flight with each sync. Fewer bytes than the server wrote for them would
//! be unfair to compare with, so the disk is measured with batches of that size.

use serde::Serialize;

use crate::commit::{CommitFigures, Manner};
use crate::report::LoadFigures;

/// Below this, loads write too little for the kernel's count of pages to mean anything.
const BATCH_BYTES_MIN: u64 = 128;
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// A load next to the disk alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LimitFigures {
    pub name: &'static str,
    pub alpha: Option<f64>,
    pub calls_in_flight: u64,
    /// What the server wrote for so many calls.
    pub batch_bytes: u64,
    pub limit_per_second: f64,
    pub transactions_per_second: f64,
}

fn calls_in_flight(load: &LoadFigures) -> u64 {
    u64::from(load.connections) * u64::from(load.in_flight)
}

/// What the server wrote for all calls in flight, if the load waits for the disk at all.
fn batch_bytes(load: &LoadFigures) -> Option<u64> {
    let bytes = load.server_written_bytes? * calls_in_flight(load) as f64;
    // A cast from float saturates.
    let bytes = bytes as u64;
    let is_in_range = (BATCH_BYTES_MIN..=BATCH_BYTES_MAX).contains(&bytes);
    (load.confirmed && is_in_range).then_some(bytes)
}

/// The sizes to measure the disk with, ascending; of sizes that are nearly the same only one.
pub(crate) fn sizes(asked: &[u64], loads: &[LoadFigures]) -> Vec<u64> {
    let mut sizes: Vec<u64> = loads
        .iter()
        .filter_map(batch_bytes)
        .chain(asked.to_vec())
        .collect();
    sizes.sort_unstable();
    sizes.dedup_by(|larger, smaller| *larger - *smaller <= *smaller / 8);
    sizes
}

/// Compares each load with the measured size that is nearest to its own.
pub(crate) fn compare(loads: &[LoadFigures], commits: &[CommitFigures]) -> Vec<LimitFigures> {
    let compare_one = |load: &LoadFigures| {
        let batch_bytes = batch_bytes(load)?;
        let appends = commits.iter().filter(|it| it.manner == Manner::Append);
        let nearest = appends.min_by_key(|it| it.batch_bytes.abs_diff(batch_bytes))?;
        let calls_in_flight = calls_in_flight(load);
        Some(LimitFigures {
            name: load.name,
            alpha: load.alpha,
            calls_in_flight,
            batch_bytes,
            limit_per_second: nearest.syncs_per_second * calls_in_flight as f64,
            transactions_per_second: load.transactions_per_second,
        })
    };
    loads.iter().filter_map(compare_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::report::{Latency, example_load};

    fn load(in_flight: u32, written: Option<f64>) -> LoadFigures {
        LoadFigures {
            connections: 10,
            in_flight,
            server_written_bytes: written,
            ..example_load()
        }
    }

    fn commit(batch_bytes: u64, syncs_per_second: f64) -> CommitFigures {
        CommitFigures {
            manner: Manner::Append,
            batch_bytes,
            syncs_per_second,
            bytes_per_second: 0.0,
            latency: Latency::of(&Histogram::new()),
        }
    }

    #[test]
    fn sizes_are_those_asked_for_and_those_of_the_loads() {
        let loads = [load(4, Some(100.0)), load(4, Some(105.0)), load(1, None)];
        assert_eq!(sizes(&[128, 1 << 20], &loads), [128, 4000, 1 << 20]);
        assert!(sizes(&[], &[load(1, Some(0.1))]).is_empty());
        let unconfirmed = LoadFigures {
            confirmed: false,
            ..load(4, Some(100.0))
        };
        assert!(sizes(&[], &[unconfirmed]).is_empty());
    }

    #[test]
    fn a_load_is_compared_with_the_nearest_size() {
        let commits = [
            commit(128, 9000.0),
            commit(4100, 2000.0),
            commit(70_000, 10.0),
        ];
        let found = compare(&[load(4, Some(100.0)), load(4, None)], &commits);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].batch_bytes, found[0].calls_in_flight), (4000, 40));
        assert!((found[0].limit_per_second - 80_000.0).abs() < 1e-6);
    }
}

//! Many seeds, some at a time.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::activation::Activations;
use crate::run::{Outcome, Settings, run_seed};
use crate::server::Server;

/// A run of many seeds.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub seeds: Range<u64>,
    pub settings: Settings,
    /// Ends after so long, however many seeds are left.
    pub time_max: Option<Duration>,
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
    pub failures: Vec<Outcome>,
    /// Seeds whose clients were told something else the second time.
    pub not_deterministic: Vec<u64>,
    pub repeated: u64,
}

/// A runtime for everything here.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime")
}

impl Campaign {
    /// Runs the seeds, one after another. `progress` is called after each.
    pub fn run(&self, mut progress: impl FnMut(&Report)) -> Result<Report> {
        runtime()?.block_on(async {
            let server = Server::start().await?;
            let started = Instant::now();
            let mut report = Report::default();
            for seed in self.seeds.clone() {
                let is_late = self.time_max.is_some_and(|max| started.elapsed() >= max);
                if is_late || report.failures.len() >= self.failures_max {
                    break;
                }
                let outcome = run_seed(&server, seed, self.settings).await?;
                if seed.is_multiple_of(self.repeat_every.max(1)) {
                    let again = run_seed(&server, seed, self.settings).await?;
                    report.repeated += 1;
                    if again.hash != outcome.hash {
                        report.not_deterministic.push(seed);
                    }
                }
                report.seeds += 1;
                report.elapsed = started.elapsed();
                report.activations.add_all(&outcome.activations);
                if outcome.violation.is_some() {
                    report.failures.push(outcome);
                }
                progress(&report);
            }
            Ok(report)
        })
    }
}

/// A seed whose public clients could tell two histories apart that differ only in what is hidden
/// from them, or a violation in one of them.
#[derive(Debug)]
pub struct Leak {
    pub seed: u64,
    /// Those who were told different things.
    pub clients: Vec<usize>,
    pub violation: Option<String>,
}

/// Runs each seed twice, with different rows in private tables.
pub fn find_leaks(seeds: Range<u64>, settings: Settings) -> Result<(Activations, Vec<Leak>)> {
    runtime()?.block_on(async {
        let server = Server::start().await?;
        let (mut activations, mut leaks) = (Activations::default(), Vec::new());
        for seed in seeds {
            let mut outcomes = Vec::new();
            for hidden in [1, 2] {
                let settings = Settings {
                    hidden: Some(hidden),
                    ..settings
                };
                let outcome = run_seed(&server, seed, settings).await?;
                activations.add_all(&outcome.activations);
                outcomes.push(outcome);
            }
            let violation = outcomes.iter_mut().find_map(|one| one.violation.take());
            let clients = different(&outcomes[0].public, &outcomes[1].public);
            if violation.is_some() || !clients.is_empty() {
                leaks.push(Leak {
                    seed,
                    clients,
                    violation,
                });
            }
        }
        Ok((activations, leaks))
    })
}

/// The names with two hashes, or with one in one list only.
fn different(left: &[(usize, blake3::Hash)], right: &[(usize, blake3::Hash)]) -> Vec<usize> {
    let not_in = |list: &[(usize, blake3::Hash)], other: &[(usize, blake3::Hash)]| {
        let only = list.iter().filter(|entry| !other.contains(entry));
        only.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let mut names = not_in(left, right);
    names.extend(not_in(right, left));
    names.sort_unstable();
    names.dedup();
    names
}

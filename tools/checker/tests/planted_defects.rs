//! Every planted bug is caught, and without one nothing is. A process of its own, since the bugs
//! are on for all of it.
//!
//! Runs only with `--features planted-bugs`.

#![cfg(feature = "planted-bugs")]

use spacetime_checker::{Campaign, Report, Settings, planted};

const SEEDS_MAX: u64 = 50;

fn first_failure(seeds: u64) -> Report {
    let campaign = Campaign {
        seeds: 0..seeds,
        settings: Settings::default(),
        time_max: None,
        repeat_every: u64::MAX,
        failures_max: 1,
    };
    campaign.run(|_| {}).expect("the server runs")
}

#[test]
fn every_planted_bug_is_caught_and_nothing_else() {
    planted::switch(None);
    let (mut missed, mut seeds_max) = (Vec::new(), 0);
    for bug in planted::all() {
        planted::switch(Some(bug));
        let report = first_failure(SEEDS_MAX);
        planted::switch(None);
        match report.failures.first() {
            Some(outcome) => {
                let violation = outcome.violation.as_deref().unwrap_or_default();
                let line = violation.lines().next().unwrap_or_default();
                let seed = outcome.seed;
                eprintln!("{}: seed {seed}: {line:.200}", bug.name());
                seeds_max = seeds_max.max(seed + 1);
            }
            None => missed.push(bug.name()),
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
    // The seeds that caught them find nothing in the code as it is.
    let report = first_failure(seeds_max);
    let violation = report.failures.first().map(|outcome| &outcome.violation);
    assert_eq!(violation, None);
    assert_eq!(report.seeds, seeds_max);
}

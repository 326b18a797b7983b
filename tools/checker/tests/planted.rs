//! Every planted bug is caught. A process of its own, since the bugs are on for all of it.
//!
//! Runs only with `--features planted-bugs`.

#![cfg(feature = "planted-bugs")]

use spacetime_checker::{Campaign, Settings, planted};

const SEEDS_MAX: u64 = 50;

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for bug in planted::all() {
        planted::switch(Some(bug));
        let campaign = Campaign {
            seeds: 0..SEEDS_MAX,
            settings: Settings::default(),
            time_max: None,
            repeat_every: u64::MAX,
            failures_max: 1,
        };
        let report = campaign.run(|_| {}).expect("the server runs");
        planted::switch(None);
        if report.failures.is_empty() {
            missed.push(bug.name());
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
}

//! Every planted bug is caught. A process of its own, since the bugs are on for all of it.
//!
//! Runs only with `--features planted-bugs`.

#![cfg(feature = "planted-bugs")]

use spacetime_sim::planted::PlantedBug;
use spacetime_sim::{Campaign, Settings};

const SEEDS_MAX: u64 = 1000;

#[test]
fn every_planted_bug_is_caught() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in PlantedBug::all() {
        bug.switch_on();
        let campaign = Campaign {
            seeds: 0..SEEDS_MAX,
            settings: Settings::default(),
            time_max: None,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            repeat_every: u64::MAX,
            failures_max: 1,
        };
        let report = campaign.run(|_| {});
        PlantedBug::switch_all_off();
        if report.failures.is_empty() {
            missed.push(bug.name());
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

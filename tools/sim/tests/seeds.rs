//! A few seeds on every change; `SPACETIME_SIM_SEEDS` sets how many.

use std::panic::set_hook;

use spacetime_durability::storage::Fault;
use spacetime_sim::{Campaign, NullControl, Report, Settings, fail_every_operation};

const SEEDS: u64 = 80;

fn run(seeds: u64, null: NullControl, failures_max: usize) -> Report {
    // What panics is reported with its seed.
    set_hook(Box::new(|_| {}));
    let campaign = Campaign {
        seeds: 0..seeds,
        settings: Settings {
            null,
            ..Settings::default()
        },
        time_max: None,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        repeat_every: 4,
        failures_max,
    };
    campaign.run(|_| {})
}

/// The command that shows what went wrong.
fn explain(report: &Report) -> String {
    let failures = report.failures.iter();
    let lines = failures.map(|outcome| {
        let violation = outcome.violation.as_ref().map(ToString::to_string);
        format!(
            "cargo run -p spacetime-sim -- replay {}: {}\n",
            outcome.seed,
            violation.unwrap_or_default()
        )
    });
    lines.collect()
}

#[test]
fn no_seed_breaks_a_promise_and_every_fault_comes_about() {
    let seeds = std::env::var("SPACETIME_SIM_SEEDS");
    let seeds = seeds.map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let report = run(seeds, NullControl::None, 5);
    assert!(report.failures.is_empty(), "{}", explain(&report));
    assert_eq!(report.not_deterministic, Vec::<u64>::new());
    assert_eq!((report.seeds, report.repeated), (seeds, seeds.div_ceil(4)));
    let idle = report.activations.below_floor(seeds);
    assert_eq!(idle, [], "{:?}", report.activations);
}

#[test]
fn without_syncs_losses_are_seen() {
    for null in [NullControl::NoFileSyncs, NullControl::NoDirSyncs] {
        let report = run(20, null, 1);
        assert!(!report.failures.is_empty(), "{null:?}: nobody noticed");
    }
}

#[test]
fn any_operation_of_the_disk_may_fail() {
    set_hook(Box::new(|_| {}));
    let all = fail_every_operation(0, 3);
    let failures: Vec<String> = all
        .failures
        .iter()
        .filter_map(|(io, outcome)| Some(format!("{io:?}: {}", outcome.violation.as_ref()?)))
        .collect();
    assert_eq!(failures, Vec::<String>::new());
    let idle = all.failed.iter().filter(|(_, failed)| *failed == 0);
    // A file is resized only where a crash has left a torn end, and here is none.
    let idle: Vec<Fault> = idle.map(|(fault, _)| *fault).collect();
    assert_eq!(idle, [Fault::SetLenError]);
}

//! A few seeds on every change; `SPACETIME_CHECKER_SEEDS` sets how many.

use spacetime_checker::activation::Kind;
use spacetime_checker::{Campaign, Report, Settings, Tamper, find_leaks};

const SEEDS: u64 = 160;

fn run(seeds: u64, settings: Settings, failures_max: usize) -> Report {
    let campaign = Campaign {
        seeds: 0..seeds,
        settings,
        time_max: None,
        repeat_every: 40,
        failures_max,
    };
    campaign.run(|_| {}).expect("the server runs")
}

/// The command that shows what went wrong.
fn explain(report: &Report) -> String {
    let failures = report.failures.iter();
    let lines = failures.map(|outcome| {
        format!(
            "cargo run -p spacetime-checker -- replay {}: {}\n",
            outcome.seed,
            outcome.violation.as_deref().unwrap_or_default()
        )
    });
    lines.collect()
}

#[test]
fn clients_are_told_what_is_true_and_everything_comes_about() {
    let seeds = std::env::var("SPACETIME_CHECKER_SEEDS");
    let seeds = seeds.map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let report = run(seeds, Settings::default(), 3);
    assert!(report.failures.is_empty(), "{}", explain(&report));
    assert_eq!(report.not_deterministic, Vec::<u64>::new());
    assert_eq!((report.seeds, report.repeated), (seeds, seeds.div_ceil(40)));
    let idle = report.activations.below_floor(seeds);
    assert_eq!(idle, [], "{:?}", report.activations);
}

#[test]
fn wrong_messages_are_noticed() {
    for tamper in [Tamper::DropUpdate, Tamper::RepeatUpdate, Tamper::DropRow] {
        let settings = Settings {
            tamper,
            ..Settings::default()
        };
        let report = run(5, settings, 1);
        assert!(!report.failures.is_empty(), "{tamper:?}: nobody noticed");
    }
}

#[test]
fn what_is_undone_leaves_no_trace() {
    const UNDONE_SEEDS: u64 = 12;
    let settings = Settings {
        undone: true,
        ..Settings::default()
    };
    let report = run(UNDONE_SEEDS, settings, 1);
    assert!(report.failures.is_empty(), "{}", explain(&report));
    let (undone, traps) = (
        report.activations.of(Kind::Rollback),
        report.activations.of(Kind::Trap),
    );
    assert!(
        undone > 3000 && traps > 600,
        "{undone} and {traps} calls were undone"
    );
}

#[test]
fn hidden_rows_leave_no_trace() {
    let (activations, leaks) = find_leaks(0..20, Settings::default()).expect("the server runs");
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(activations.of(Kind::HiddenChange) > 2000, "{activations:?}");
}

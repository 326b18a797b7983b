//! `spacetime-sim`: simulates one database for as many seeds as wanted.

#![allow(clippy::print_stdout, reason = "a command line")]

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use spacetime_sim::activation::Kind;
use spacetime_sim::planted::PlantedBug;
use spacetime_sim::{
    Campaign, FaultFamilies, Keep, NullControl, Outcome, Report, Settings, fail_every_operation,
    run_seed,
};

/// Simulates one database, from transaction to disk and back: one seed, one trace.
#[derive(Debug, Parser)]
#[command(name = "spacetime-sim")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run many seeds. Fails if a promise is broken, a trace differs the second time, or a kind of
    /// fault hardly ever came about.
    Run {
        /// First seed and the one after the last: `0..1000`.
        #[arg(long, default_value = "0..1000", value_parser = parse_seeds)]
        seeds: Range<u64>,
        /// Families of faults, by comma.
        #[arg(long, value_delimiter = ',', default_value = "disk,crashes,damage")]
        faults: Vec<Family>,
        /// Stop after so many minutes.
        #[arg(long)]
        minutes: Option<u64>,
        /// Threads; one for each processor if it is not given.
        #[arg(long)]
        jobs: Option<usize>,
        /// Run one seed in so many twice.
        #[arg(long, default_value_t = 1)]
        repeat_every: u64,
        /// Stop after so many seeds with a broken promise.
        #[arg(long, default_value_t = 10)]
        failures_max: usize,
    },
    /// Run one seed and print its trace.
    Replay {
        seed: u64,
        #[arg(long, value_delimiter = ',', default_value = "disk,crashes,damage")]
        faults: Vec<Family>,
        /// With this bug switched on; needs the feature `planted-bugs`.
        #[arg(long)]
        planted: Option<String>,
        #[arg(long, value_enum, default_value_t = Null::None)]
        null: Null,
    },
    /// Switch on one planted bug after another, and run seeds until it is caught.
    Planted {
        /// Only this one.
        #[arg(long)]
        bug: Option<String>,
        /// Give up after so many seeds.
        #[arg(long, default_value_t = 1000)]
        seeds_max: u64,
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Let every operation of a small run fail, one after another.
    Io {
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Only every so manieth operation of each kind.
        #[arg(long, default_value_t = 1)]
        stride: u64,
    },
    /// Run with syncs that do nothing. Fails if nobody notices.
    Null {
        #[arg(long, default_value_t = 100)]
        seeds_max: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Family {
    Disk,
    Crashes,
    Damage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Null {
    None,
    FileSyncs,
    DirSyncs,
}

fn main() -> Result<ExitCode> {
    // Panics are broken promises and are reported as such.
    std::panic::set_hook(Box::new(|_| {}));
    let is_good = match Arguments::parse().command {
        Command::Run {
            seeds,
            faults,
            minutes,
            jobs,
            repeat_every,
            failures_max,
        } => {
            let campaign = Campaign {
                seeds,
                settings: Settings {
                    families: families(&faults),
                    ..Settings::default()
                },
                time_max: minutes.map(|minutes| Duration::from_secs(60 * minutes)),
                jobs: jobs.unwrap_or_else(processors),
                repeat_every,
                failures_max,
            };
            report(&campaign.run(note_progress), &faults)
        }
        Command::Replay {
            seed,
            faults,
            planted,
            null,
        } => replay(seed, &faults, planted.as_deref(), null)?,
        Command::Planted {
            bug,
            seeds_max,
            jobs,
        } => catch_planted(bug.as_deref(), seeds_max, jobs.unwrap_or_else(processors))?,
        Command::Io { seed, stride } => fail_all(seed, stride),
        Command::Null { seeds_max } => catch_null(seeds_max),
    };
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn parse_seeds(text: &str) -> Result<Range<u64>> {
    let (start, end) = text.split_once("..").context("two numbers: `0..1000`")?;
    let seeds = start.parse()?..end.parse()?;
    if seeds.is_empty() {
        bail!("there is no seed in {text}");
    }
    Ok(seeds)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn families(faults: &[Family]) -> FaultFamilies {
    FaultFamilies {
        disk: faults.contains(&Family::Disk),
        crashes: faults.contains(&Family::Crashes),
        damage: faults.contains(&Family::Damage),
    }
}

fn note_progress(report: &Report) {
    if report.seeds.is_multiple_of(1000) {
        let seconds = report.elapsed.as_secs_f64();
        let failures = report.failures.len();
        println!(
            "{} seeds, {seconds:.0} s, {failures} failures",
            report.seeds
        );
    }
}

/// Prints what a campaign led to. False if that is not as it must be.
fn report(report: &Report, faults: &[Family]) -> bool {
    let seconds = report.elapsed.as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s: {:.1} seeds/s, {} of them run twice",
        report.seeds,
        count(report.seeds) / seconds,
        report.repeated,
    );
    println!("\n{:<22} {:>10} {:>12}", "kind", "times", "at least");
    for (kind, floor) in Kind::FLOORS {
        let floor = floor * report.seeds / 1000;
        println!(
            "{:<22} {:>10} {floor:>12}",
            format!("{kind:?}"),
            report.activations.of(kind)
        );
    }
    let all_faults = faults.len() == 3;
    let idle = match all_faults {
        true => report.activations.below_floor(report.seeds),
        false => Vec::new(),
    };
    for (kind, times, floor) in &idle {
        println!("IDLE: {kind:?} came {times} times, at least {floor} are expected");
    }
    for seed in &report.not_deterministic {
        println!("NOT DETERMINISTIC: seed {seed} had two traces");
    }
    for outcome in &report.failures {
        print_failure(outcome, faults);
    }
    idle.is_empty() && report.not_deterministic.is_empty() && report.failures.is_empty()
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn print_failure(outcome: &Outcome, faults: &[Family]) {
    let names: Vec<String> = faults
        .iter()
        .filter_map(|family| Some(family.to_possible_value()?.get_name().to_owned()))
        .collect();
    if let Some(violation) = &outcome.violation {
        println!(
            "\nFAILED: seed {}, trace {}: {violation}",
            outcome.seed, outcome.hash
        );
        let (seed, names) = (outcome.seed, names.join(","));
        println!("  again: spacetime-sim replay {seed} --faults {names}");
    }
}

fn replay(seed: u64, faults: &[Family], planted: Option<&str>, null: Null) -> Result<bool> {
    let bug = planted.map(PlantedBug::named).transpose()?;
    if let Some(bug) = bug {
        bug.switch_on();
    }
    let settings = Settings {
        families: families(faults),
        null: match null {
            Null::None => NullControl::None,
            Null::FileSyncs => NullControl::NoFileSyncs,
            Null::DirSyncs => NullControl::NoDirSyncs,
        },
        io_fault: None,
    };
    let outcome = run_seed(seed, settings, Keep::Lines);
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("seed {seed}, trace {}", outcome.hash);
    Ok(outcome.violation.is_none())
}

fn catch_planted(bug: Option<&str>, seeds_max: u64, jobs: usize) -> Result<bool> {
    let bugs = match bug {
        Some(name) => vec![PlantedBug::named(name)?],
        None => PlantedBug::all(),
    };
    if bugs.is_empty() {
        bail!("no bug is planted: build with `--features planted-bugs`");
    }
    let mut all_caught = true;
    for bug in bugs {
        bug.switch_on();
        let report = first_failure(Settings::default(), seeds_max, jobs);
        PlantedBug::switch_all_off();
        match report.failures.first() {
            Some(outcome) => {
                let violation = outcome
                    .violation
                    .as_ref()
                    .map_or("", |violation| violation.checker);
                println!(
                    "{:<40} caught after {:>4} seeds, {:>5.1} s, by {violation}: seed {}",
                    bug.name(),
                    outcome.seed + 1,
                    report.elapsed.as_secs_f64(),
                    outcome.seed,
                );
            }
            None => println!("{:<40} NOT CAUGHT in {} seeds", bug.name(), report.seeds),
        }
        all_caught &= !report.failures.is_empty();
    }
    Ok(all_caught)
}

fn first_failure(settings: Settings, seeds_max: u64, jobs: usize) -> Report {
    let campaign = Campaign {
        seeds: 0..seeds_max,
        settings,
        time_max: None,
        jobs,
        repeat_every: u64::MAX,
        failures_max: 1,
    };
    campaign.run(|_| {})
}

fn fail_all(seed: u64, stride: u64) -> bool {
    let all = fail_every_operation(seed, stride);
    for (fault, times) in &all.failed {
        println!("{:<22} {times:>6} operations failed", format!("{fault:?}"));
    }
    for (io, outcome) in &all.failures {
        if let Some(violation) = &outcome.violation {
            println!("FAILED: seed {seed}, {io:?}: {violation}");
        }
    }
    all.failures.is_empty()
}

fn catch_null(seeds_max: u64) -> bool {
    let mut all_caught = true;
    for null in [NullControl::NoFileSyncs, NullControl::NoDirSyncs] {
        let settings = Settings {
            null,
            ..Settings::default()
        };
        let report = first_failure(settings, seeds_max, 1);
        match report
            .failures
            .first()
            .and_then(|outcome| outcome.violation.as_ref())
        {
            Some(violation) => {
                println!("{null:?}: caught after {} seeds: {violation}", report.seeds);
            }
            None => println!("{null:?}: NOT CAUGHT in {} seeds", report.seeds),
        }
        all_caught &= !report.failures.is_empty();
    }
    all_caught
}

//! `spacetime-checker`: checks for as many seeds as wanted what clients are told.

#![allow(clippy::print_stdout, reason = "a command line")]

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use spacetime_checker::activation::Kind;
use spacetime_checker::{
    Campaign, Report, Server, Settings, Tamper, find_leaks, planted, run_seed, runtime,
};

/// Drives a database with random clients, and compares all that they are told with queries
/// evaluated from scratch: one seed, one schedule.
#[derive(Debug, Parser)]
#[command(name = "spacetime-checker")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run many seeds. Fails if a client is told anything wrong, if a seed goes another way the
    /// second time, or if something hardly ever came about.
    Run {
        /// First seed and the one after the last: `0..100`.
        #[arg(long, default_value = "0..100", value_parser = parse_seeds)]
        seeds: Range<u64>,
        #[command(flatten)]
        size: Size,
        /// Stop after so many minutes.
        #[arg(long)]
        minutes: Option<u64>,
        /// Run one seed in so many twice.
        #[arg(long, default_value_t = 20)]
        repeat_every: u64,
        /// Stop after so many seeds with something wrong.
        #[arg(long, default_value_t = 5)]
        failures_max: usize,
    },
    /// Run one seed.
    Replay {
        seed: u64,
        /// Print the messages of this client.
        #[arg(long)]
        client: Option<usize>,
        /// With hidden changes made up from this number.
        #[arg(long)]
        hidden: Option<u64>,
        #[command(flatten)]
        size: Size,
    },
    /// Run each seed twice with different rows in private tables. Fails if a client that may not
    /// see them is told anything else.
    Hidden {
        #[arg(long, default_value = "0..20", value_parser = parse_seeds)]
        seeds: Range<u64>,
        #[command(flatten)]
        size: Size,
    },
    /// Switch on one planted bug after another, and run seeds until it is caught. Needs the feature
    /// `planted-bugs`.
    Planted {
        /// Only this one.
        #[arg(long)]
        bug: Option<String>,
        /// Give up after so many seeds.
        #[arg(long, default_value_t = 50)]
        seeds_max: u64,
    },
    /// Make messages wrong on purpose. Fails if nobody notices.
    Null {
        #[arg(long, default_value_t = 5)]
        seeds_max: u64,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct Size {
    /// Requests in each run.
    #[arg(long, default_value_t = Settings::default().steps)]
    steps: usize,
    /// Most clients of a run.
    #[arg(long, default_value_t = Settings::default().clients_max)]
    clients: usize,
    /// Make every call of a client first with an error or a trap after each of its changes.
    #[arg(long)]
    undone: bool,
}

impl Size {
    fn settings(self) -> Settings {
        Settings {
            steps: self.steps,
            clients_max: self.clients,
            undone: self.undone,
            ..Settings::default()
        }
    }
}

fn main() -> Result<ExitCode> {
    let is_good = match Arguments::parse().command {
        Command::Run {
            seeds,
            size,
            minutes,
            repeat_every,
            failures_max,
        } => {
            let campaign = Campaign {
                seeds,
                settings: size.settings(),
                time_max: minutes.map(|minutes| Duration::from_secs(60 * minutes)),
                repeat_every,
                failures_max,
            };
            let report = campaign.run(note_progress)?;
            print_report(&report, size)
        }
        Command::Replay {
            seed,
            client,
            hidden,
            size,
        } => {
            let settings = Settings {
                traced: client,
                hidden,
                ..size.settings()
            };
            replay(seed, settings)?
        }
        Command::Hidden { seeds, size } => {
            let (activations, leaks) = find_leaks(seeds, size.settings())?;
            for leak in &leaks {
                let seed = leak.seed;
                match &leak.violation {
                    Some(violation) => println!("FAILED: seed {seed}: {violation}"),
                    None => println!("LEAK: seed {seed}, to clients {:?}", leak.clients),
                }
            }
            println!("{} hidden changes", activations.of(Kind::HiddenChange));
            leaks.is_empty() && activations.of(Kind::HiddenChange) > 0
        }
        Command::Planted { bug, seeds_max } => catch_planted(bug.as_deref(), seeds_max)?,
        Command::Null { seeds_max } => catch_null(seeds_max)?,
    };
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn replay(seed: u64, settings: Settings) -> Result<bool> {
    let outcome = runtime()?.block_on(async {
        let server = Server::start().await?;
        run_seed(&server, seed, settings).await
    })?;
    for line in &outcome.trace {
        println!("{line}");
    }
    match &outcome.violation {
        Some(violation) => println!("FAILED: seed {seed}: {violation}"),
        None => println!("seed {seed}: all as it must be"),
    }
    Ok(outcome.violation.is_none())
}

fn parse_seeds(text: &str) -> Result<Range<u64>> {
    let (start, end) = text.split_once("..").context("two numbers: `0..100`")?;
    let seeds = start.parse()?..end.parse()?;
    if seeds.is_empty() {
        bail!("there is no seed in {text}");
    }
    Ok(seeds)
}

fn note_progress(report: &Report) {
    if report.seeds.is_multiple_of(100) {
        println!(
            "{} seeds, {:.0} s, {} updates, {} failures",
            report.seeds,
            report.elapsed.as_secs_f64(),
            report.activations.of(Kind::Update),
            report.failures.len()
        );
    }
}

/// Prints what a campaign led to. False if that is not as it must be.
fn print_report(report: &Report, size: Size) -> bool {
    println!(
        "{} seeds in {:.1} s, {} of them run twice; {} messages and {} updates checked",
        report.seeds,
        report.elapsed.as_secs_f64(),
        report.repeated,
        report.activations.of(Kind::Message),
        report.activations.of(Kind::Update),
    );
    println!("\n{:<22} {:>10} {:>12}", "kind", "times", "at least");
    for (kind, floor) in Kind::FLOORS {
        let name = format!("{kind:?}");
        let floor = floor * report.seeds / 100;
        println!("{name:<22} {:>10} {floor:>12}", report.activations.of(kind));
    }
    let idle = report.activations.below_floor(report.seeds);
    for (kind, times, floor) in &idle {
        println!("IDLE: {kind:?} came {times} times, at least {floor} are expected");
    }
    print_failures(report, size) && idle.is_empty()
}

fn print_failures(report: &Report, size: Size) -> bool {
    for seed in &report.not_deterministic {
        println!("NOT DETERMINISTIC: seed {seed} went two ways");
    }
    for outcome in &report.failures {
        let violation = outcome.violation.as_deref().unwrap_or_default();
        println!("\nFAILED: seed {}: {violation}", outcome.seed);
        println!(
            "  again: spacetime-checker replay {} --steps {} --clients {}{}",
            outcome.seed,
            size.steps,
            size.clients,
            if size.undone { " --undone" } else { "" }
        );
    }
    report.not_deterministic.is_empty() && report.failures.is_empty()
}

fn first_failure(settings: Settings, seeds_max: u64) -> Result<Report> {
    let campaign = Campaign {
        seeds: 0..seeds_max,
        settings,
        time_max: None,
        repeat_every: u64::MAX,
        failures_max: 1,
    };
    campaign.run(|_| {})
}

fn catch_planted(name: Option<&str>, seeds_max: u64) -> Result<bool> {
    let bugs = planted::all();
    let chosen = bugs.iter();
    let chosen: Vec<_> = chosen
        .filter(|bug| name.is_none_or(|name| bug.name() == name))
        .collect();
    if chosen.is_empty() {
        bail!("no such bug is planted: {bugs:?}; build with `--features planted-bugs`");
    }
    let mut all_caught = true;
    for bug in chosen {
        planted::switch(Some(*bug));
        let report = first_failure(Settings::default(), seeds_max)?;
        planted::switch(None);
        match report.failures.first() {
            Some(outcome) => println!(
                "{:<28} caught after {:>3} seeds, {:>5.1} s: seed {}",
                bug.name(),
                report.seeds,
                report.elapsed.as_secs_f64(),
                outcome.seed,
            ),
            None => println!("{:<28} NOT CAUGHT in {} seeds", bug.name(), report.seeds),
        }
        all_caught &= !report.failures.is_empty();
    }
    Ok(all_caught)
}

fn catch_null(seeds_max: u64) -> Result<bool> {
    let mut all_caught = true;
    for tamper in [Tamper::DropUpdate, Tamper::RepeatUpdate, Tamper::DropRow] {
        let settings = Settings {
            tamper,
            ..Settings::default()
        };
        let report = first_failure(settings, seeds_max)?;
        match report.failures.first() {
            Some(_) => println!("{tamper:?}: caught after {} seeds", report.seeds),
            None => println!("{tamper:?}: NOT CAUGHT in {} seeds", report.seeds),
        }
        all_caught &= !report.failures.is_empty();
    }
    Ok(all_caught)
}

//! `spacetime commitlog verify`.

use anyhow::{Context, Result, bail};
use clap::Args;
use spacetime_offline::verify::{VerifyOptions, VerifyReport, verify};

use super::LogArguments;
use crate::output::{note, say};
use crate::progress_bar::Bar;

pub(super) const EXAMPLES: &str = "\
Examples:
  spacetime commitlog verify data/replicas/1
  spacetime commitlog verify data/replicas/1 --replay --json

The exit status is 0 if the log is whole, also if it ends in an interrupted write, which servers
cut off by themselves. It is 1 if there is damage.";

/// The flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Apply all transactions to tables too, and check those
    #[arg(long)]
    replay: bool,
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<()> {
    let place = arguments.log.log.open()?;
    let options = VerifyOptions {
        replay: arguments.replay,
    };
    let bar = Bar::new("verifying");
    let report = verify(&place, &options, &bar)?;
    let speed = bar.finish(report.bytes);
    if arguments.log.json {
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&report);
        note(format_args!("read {speed}"));
    }
    if report.damaged {
        bail!("the log in {} is damaged", report.log);
    }
    Ok(())
}

fn print(report: &VerifyReport) {
    for finding in &report.findings {
        say(finding);
    }
    if report.further_findings > 0 {
        say(format_args!("and {} more", report.further_findings));
    }
    let range = match (report.first, report.next) {
        (Some(first), Some(next)) if next > first => format!(" ({first} to {})", next - 1),
        _ => String::new(),
    };
    say(format_args!(
        "{} segments, {} commits, {} readable transactions{range}, {} rows",
        report.segments, report.commits, report.readable_transactions, report.rows
    ));
    if let Some(replay) = &report.replay {
        say(format_args!(
            "replayed: {} tables with {} rows, all indexes and sequences in order",
            replay.tables, replay.rows
        ));
    }
    if !report.damaged {
        say("the log is whole");
        return;
    }
    if report.lost_transactions + report.unreadable_transactions > 0 {
        say(format_args!(
            "lost: {} transactions; whole but not readable: {}",
            report.lost_transactions, report.unreadable_transactions
        ));
    }
    if let Some(good_until) = report.good_until {
        say(format_args!(
            "everything before transaction {good_until} is whole; what is behind can be seen with \
             `spacetime commitlog show`, and cut off with `spacetime commitlog repair`"
        ));
    }
}

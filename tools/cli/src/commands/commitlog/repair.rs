//! `spacetime commitlog repair`.

use anyhow::{Context, Result, bail};
use clap::Args;
use spacetime_offline::repair::{Plan, plan, plan_behind_snapshot};
use spacetime_offline::verify::{VerifyOptions, verify};

use super::LogPath;
use crate::output::say;
use crate::progress_bar::Bar;

pub(super) const EXAMPLES: &str = "\
Examples:
  spacetime commitlog repair data/replicas/1          shows what would be done
  spacetime commitlog repair data/replicas/1 --yes    does it

If a snapshot that is whole leads to the end of the log from behind the damage, the log is made to
begin there: no row is lost, only the history before. Otherwise, and with --cut, the log ends where
the damage begins, and transactions behind it are lost to the database, as a log cannot have holes.
Look at them first with `spacetime commitlog show --from N`. Nothing is deleted: every file that is
changed or taken away is kept beside it as *.before-repair-N.";

/// The flags of `repair`.
#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    #[command(flatten)]
    log: LogPath,
    /// Do it; without this nothing is changed
    #[arg(long, short = 'y')]
    yes: bool,
    /// Cut the log where the damage begins, even if a snapshot behind it would save the rest
    #[arg(long)]
    cut: bool,
    /// Cut the log before this transaction, even if it is whole
    #[arg(long, value_name = "OFFSET")]
    keep_until: Option<u64>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &RepairArguments) -> Result<()> {
    let place = arguments.log.open()?;
    let bar = Bar::new("looking");
    let behind = match arguments.cut || arguments.keep_until.is_some() {
        true => None,
        false => plan_behind_snapshot(&place, &bar)?,
    };
    let plan = match behind {
        Some(plan) => plan,
        None => plan(&place, arguments.keep_until, &bar)?,
    };
    bar.finish(0);
    if arguments.json {
        say(serde_json::to_string_pretty(&plan).context("the plan as JSON")?);
    } else {
        print(&plan);
    }
    if plan.is_empty() {
        return Ok(());
    }
    if !arguments.yes {
        bail!("nothing was changed; repeat with --yes to do this");
    }
    plan.apply()
        .context("the repair was interrupted; it can be started again")?;
    let bar = Bar::new("verifying");
    let report = verify(&place, &VerifyOptions { replay: true }, &bar)?;
    bar.finish(0);
    if report.damaged {
        let first = report
            .findings
            .iter()
            .find(|finding| finding.severity.is_damage());
        let first = first.map(ToString::to_string).unwrap_or_default();
        bail!("the log is still damaged: {first}");
    }
    if !arguments.json {
        say("done; the log is whole now");
    }
    Ok(())
}

fn print(plan: &Plan) {
    for finding in &plan.damage {
        say(finding);
    }
    if plan.is_empty() {
        say("the log is whole: there is nothing to repair");
        return;
    }
    if let Some(behind) = &plan.behind {
        say(format_args!(
            "\nno row is lost: the snapshot at transaction {} is whole, and so is the log from \
             transaction {} to its end. The history is lost: transactions {} to {} will not be in \
             the log, so states before that snapshot cannot be brought back any more",
            behind.snapshot,
            behind.log_begins,
            behind.log_began,
            behind.log_begins.saturating_sub(1)
        ));
        for action in &plan.actions {
            say(format_args!("  {action}"));
        }
        return;
    }
    say(format_args!(
        "\nthe log will end before transaction {}; {} whole transactions behind it are lost{}",
        plan.new_end,
        plan.lost_readable,
        match plan.lost_anyway {
            0 => String::new(),
            lost => format!(", beside {lost} that the damage has taken"),
        }
    ));
    for action in &plan.actions {
        say(format_args!("  {action}"));
    }
}

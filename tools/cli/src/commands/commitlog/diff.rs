//! `spacetime commitlog diff`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use spacetime_offline::compare::{self, CompareReport};
use spacetime_offline::diff::{self, StateDiff, TableDiff};
use spacetime_offline::row_text::push_json;
use spacetime_offline::{Place, TableShape};

use super::LogPath;
use super::show::{print, print_rows};
use crate::output::say;
use crate::progress_bar::Bar;

pub(super) const EXAMPLES: &str = "\
Examples:
  spacetime commitlog diff data/replicas/1 --from 100 --to 250
  spacetime commitlog diff data/replicas/1 --with backup/replicas/1

With --from and --to: the rows that differ between the states after these two transactions.
With --with: the first transaction that differs between two logs, and in what.
The exit status is 1 if there is a difference.";

/// The flags of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    log: LogPath,
    /// Compare the state after this transaction
    #[arg(
        long,
        value_name = "OFFSET",
        requires = "to",
        required_unless_present = "with"
    )]
    from: Option<u64>,
    /// with the state after this one
    #[arg(long, value_name = "OFFSET", requires = "from")]
    to: Option<u64>,
    /// Compare with another log
    #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "to"])]
    with: Option<PathBuf>,
    /// Print long values whole
    #[arg(long)]
    full: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DiffArguments) -> Result<()> {
    let place = arguments.log.open()?;
    if let Some(other) = &arguments.with {
        return two_logs(&place, &Place::open(other)?, arguments);
    }
    let (Some(from), Some(to)) = (arguments.from, arguments.to) else {
        unreachable!("the flags require each other");
    };
    let bar = Bar::new("replaying");
    let found = diff::between(&place, from, to, &bar)?;
    bar.finish(0);
    if arguments.json {
        let report = state_json(&found)?;
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print_states(&found, arguments.full);
    }
    if !found.tables.is_empty() {
        bail!("{} tables differ", found.tables.len());
    }
    Ok(())
}

fn print_states(found: &StateDiff, full: bool) {
    for table in &found.tables {
        say(format_args!(
            "{}: {} added, {} removed, {} changed",
            table.shape.name,
            table.added.len(),
            table.removed.len(),
            table.changed.len()
        ));
        let removed = table.removed.iter().map(|row| ("-", row.as_slice()));
        let added = table.added.iter().map(|row| ("+", row.as_slice()));
        let changed = table
            .changed
            .iter()
            .flat_map(|(before, after)| [("<", before.as_slice()), (">", after.as_slice())]);
        print_rows(&table.shape, removed.chain(added).chain(changed), full);
        say("");
    }
    if found.tables.is_empty() {
        let (from, to) = (found.from, found.to);
        say(format_args!(
            "no table differs between transactions {from} and {to}"
        ));
    }
}

fn state_json(found: &StateDiff) -> Result<Value> {
    let tables: Result<Vec<Value>> = found.tables.iter().map(table_json).collect();
    Ok(json!({"from": found.from, "to": found.to, "tables": tables?}))
}

fn table_json(table: &TableDiff) -> Result<Value> {
    let rows = |rows: &[Vec<u8>]| -> Result<Vec<Value>> {
        rows.iter().map(|row| row_json(&table.shape, row)).collect()
    };
    let changed: Result<Vec<Value>> = table
        .changed
        .iter()
        .map(|(before, after)| {
            let (before, after) = (
                row_json(&table.shape, before)?,
                row_json(&table.shape, after)?,
            );
            Ok(json!({"before": before, "after": after}))
        })
        .collect();
    Ok(json!({
        "id": table.shape.id.0,
        "name": *table.shape.name,
        "added": rows(&table.added)?,
        "removed": rows(&table.removed)?,
        "changed": changed?,
    }))
}

fn row_json(shape: &TableShape, row: &[u8]) -> Result<Value> {
    if shape.layout.validate(row).is_err() {
        return Ok(json!(spacetime_types::hex::encode(row)));
    }
    let mut text = String::new();
    push_json(shape, row, &mut text);
    serde_json::from_str(&text).context("a row as JSON")
}

fn two_logs(left: &Place, right: &Place, arguments: &DiffArguments) -> Result<()> {
    let bar = Bar::new("comparing");
    let report = compare::logs(left, right, &bar)?;
    bar.finish(0);
    if arguments.json {
        let report = compare_json(&report)?;
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print_compared(&report, arguments.full);
    }
    match &report.difference {
        Some(difference) => bail!("the logs differ from transaction {} on", difference.offset),
        None => Ok(()),
    }
}

fn print_compared(report: &CompareReport, full: bool) {
    for (side, name) in [(&report.left, "left"), (&report.right, "right")] {
        say(format_args!("{name}: {}", side.log));
        for finding in &side.findings {
            say(format_args!("  {finding}"));
        }
    }
    say(format_args!("{} transactions are equal", report.equal));
    if report.stored_differently > 0 {
        say(format_args!(
            "{} of them are stored in another order",
            report.stored_differently
        ));
    }
    let Some(difference) = &report.difference else {
        return;
    };
    say(format_args!("\ntransaction {} differs:", difference.offset));
    for what in &difference.what {
        say(format_args!("  {what}"));
    }
    for (transaction, name) in [(&difference.left, "left"), (&difference.right, "right")] {
        if let Some(transaction) = transaction {
            say(format_args!("\n{name}:"));
            print(transaction, full);
        }
    }
}

fn compare_json(report: &CompareReport) -> Result<Value> {
    let difference = match &report.difference {
        None => Value::Null,
        Some(difference) => {
            let side = |transaction: &Option<_>| match transaction {
                Some(transaction) => transaction_json(transaction),
                None => Ok(Value::Null),
            };
            json!({
                "offset": difference.offset,
                "what": difference.what,
                "left": side(&difference.left)?,
                "right": side(&difference.right)?,
            })
        }
    };
    Ok(json!({
        "left": report.left,
        "right": report.right,
        "equal": report.equal,
        "stored_differently": report.stored_differently,
        "difference": difference,
    }))
}

fn transaction_json(transaction: &spacetime_offline::show::ShownTransaction) -> Result<Value> {
    serde_json::from_str(&transaction.to_json()).context("a transaction as JSON")
}

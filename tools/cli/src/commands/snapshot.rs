//! `spacetime snapshot`: the snapshots of a stopped database.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use spacetime_offline::snapshots::{self, SnapshotCheck, SnapshotEntry, SnapshotList, Writer};
use spacetime_offline::{Place, PlaceError};
use spacetime_types::Timestamp;

use super::commitlog::{ExportFlags, write_state};
use super::sql::psql_table;
use crate::output::say;
use crate::progress_bar::size;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// List the snapshots of a database, its own and those that SpacetimeDB wrote
    #[command(after_help = "Example:\n  spacetime snapshot list data/replicas/1")]
    List(ListArguments),
    /// Read every byte of all snapshots, or of one; exits with 1 if there is damage
    #[command(after_help = "Example:\n  spacetime snapshot verify data/replicas/1 --rows")]
    Verify(VerifyArguments),
    /// Show the tables in a snapshot
    #[command(after_help = "Example:\n  spacetime snapshot show data/replicas/1 --at 1000")]
    Show(OneArguments),
    /// Write the rows of a snapshot as JSON lines, CSV or SQL
    #[command(after_help = "Example:\n  spacetime snapshot export data/replicas/1 -f csv -o out")]
    Export(ExportArguments),
    /// Remove a snapshot and what only it needs
    #[command(after_help = "Example:\n  spacetime snapshot remove data/replicas/1 --at 1000 --yes")]
    Remove(RemoveArguments),
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct ReplicaPath {
    /// The directory of a database (DATA/replicas/N)
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

/// The flags of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    replica: ReplicaPath,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Which snapshot.
#[derive(Debug, Args)]
pub(crate) struct OneArguments {
    #[command(flatten)]
    replica: ReplicaPath,
    /// The transaction after which it was taken [default: the newest]
    #[arg(long, value_name = "OFFSET")]
    at: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    replica: ReplicaPath,
    /// Only this one
    #[arg(long, value_name = "OFFSET")]
    at: Option<u64>,
    /// Bring the rows back too, and check those
    #[arg(long)]
    rows: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The flags of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    replica: ReplicaPath,
    /// The transaction after which it was taken [default: the newest]
    #[arg(long, value_name = "OFFSET")]
    at: Option<u64>,
    #[command(flatten)]
    what: ExportFlags,
}

/// The flags of `remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    replica: ReplicaPath,
    /// The transaction after which it was taken
    #[arg(long, value_name = "OFFSET")]
    at: u64,
    /// Do it
    #[arg(long, short = 'y')]
    yes: bool,
}

impl ReplicaPath {
    fn open(&self) -> Result<Place, PlaceError> {
        Place::open(&self.path)
    }
}

/// Runs one.
pub(crate) fn run(command: &SnapshotCommand) -> Result<()> {
    match command {
        SnapshotCommand::List(arguments) => list(arguments),
        SnapshotCommand::Verify(arguments) => verify(arguments),
        SnapshotCommand::Show(arguments) => show(arguments),
        SnapshotCommand::Export(arguments) => {
            let place = arguments.replica.open()?;
            let offset = offset_or_newest(&place, arguments.at)?;
            write_state(&snapshots::state(&place, offset)?, &arguments.what)
        }
        SnapshotCommand::Remove(arguments) => remove(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<()> {
    let list = snapshots::list(&arguments.replica.open()?)?;
    if arguments.json {
        say(serde_json::to_string_pretty(&list).context("the report as JSON")?);
    } else {
        print_list(&list);
    }
    Ok(())
}

fn print_list(list: &SnapshotList) {
    let names = [
        "transaction",
        "taken",
        "written by",
        "tables",
        "rows",
        "pages",
        "blobs",
        "content",
        "stored",
        "problem",
    ];
    let names = names.map(str::to_owned).to_vec();
    say(psql_table(names, list.snapshots.iter().map(entry_row)));
    say(format_args!(
        "\n{} snapshots in {}",
        list.snapshots.len(),
        list.dir
    ));
    if list.pack_bytes > 0 {
        say(format_args!(
            "{} on disk; without sharing it would be {}",
            size(list.pack_bytes),
            size(list.unshared_bytes)
        ));
    }
    for leftover in &list.leftovers {
        say(format_args!("part of no snapshot: {leftover}"));
    }
}

fn entry_row(entry: &SnapshotEntry) -> Vec<String> {
    let taken = entry.taken_at_micros.map(Timestamp::from_micros);
    let writer = match entry.writer {
        Writer::Native => "this system",
        Writer::SpacetimeDb => "SpacetimeDB",
    };
    // What is not known is not shown.
    let known = |number: u64| match (number, &entry.problem) {
        (0, Some(_)) => String::new(),
        (number, _) => number.to_string(),
    };
    vec![
        entry.offset.to_string(),
        taken.map_or_else(String::new, |taken| taken.to_string()),
        writer.to_owned(),
        known(entry.tables),
        known(entry.rows),
        known(entry.pages),
        known(entry.blobs),
        size(entry.content_bytes),
        size(entry.stored_bytes),
        entry.problem.clone().unwrap_or_default(),
    ]
}

fn offset_or_newest(place: &Place, wanted: Option<u64>) -> Result<u64> {
    if let Some(offset) = wanted {
        return Ok(offset);
    }
    let list = snapshots::list(place)?;
    let mut good = list
        .snapshots
        .iter()
        .filter(|entry| entry.problem.is_none());
    let newest = good.next_back();
    let newest = newest.with_context(|| format!("there is no usable snapshot in {}", list.dir))?;
    Ok(newest.offset)
}

fn verify(arguments: &VerifyArguments) -> Result<()> {
    let place = arguments.replica.open()?;
    let list = snapshots::list(&place)?;
    let wanted = |entry: &&SnapshotEntry| arguments.at.is_none_or(|at| entry.offset == at);
    let mut checks = Vec::new();
    let mut bad = 0_usize;
    let mut found = false;
    for entry in list.snapshots.iter().filter(wanted) {
        found = true;
        if let Some(problem) = &entry.problem {
            bad += 1;
            checks.push(json!({"offset": entry.offset, "problem": problem}));
            if !arguments.json {
                say(format_args!("transaction {}: {problem}", entry.offset));
            }
            continue;
        }
        let check = snapshots::verify(&place, entry.offset, arguments.rows)?;
        bad += usize::from(!check.damages.is_empty());
        if !arguments.json {
            print_check(&check);
        }
        checks.push(serde_json::to_value(&check).context("the report as JSON")?);
    }
    if arguments.json {
        let report = json!({"dir": list.dir, "snapshots": checks, "damaged": bad > 0});
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    }
    if let (false, Some(at)) = (found, arguments.at) {
        bail!("there is no snapshot at transaction {at} in {}", list.dir);
    }
    if bad > 0 {
        bail!("{bad} snapshots in {} are damaged", list.dir);
    }
    Ok(())
}

fn print_check(check: &SnapshotCheck) {
    for damage in &check.damages {
        say(format_args!(
            "damage: {}, byte {}: {}",
            damage.file, damage.byte, damage.text
        ));
    }
    if check.further_damages > 0 {
        say(format_args!("and {} more", check.further_damages));
    }
    let rows = check
        .rows
        .map(|rows| format!(", {rows} rows in good order"));
    let word = if check.damages.is_empty() {
        "whole"
    } else {
        "damaged"
    };
    say(format_args!(
        "transaction {}: {word}; {} objects with {}{}",
        check.offset,
        check.objects,
        size(check.bytes),
        rows.unwrap_or_default()
    ));
}

fn show(arguments: &OneArguments) -> Result<()> {
    let place = arguments.replica.open()?;
    let offset = offset_or_newest(&place, arguments.at)?;
    let tables = snapshots::tables(&place, offset)?;
    if arguments.json {
        let report = json!({"offset": offset, "tables": tables});
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
        return Ok(());
    }
    let names = ["id", "table", "rows"].map(str::to_owned).to_vec();
    let rows = tables.iter();
    let rows = rows.map(|table| {
        vec![
            table.id.to_string(),
            table.name.clone(),
            table.rows.to_string(),
        ]
    });
    say(psql_table(names, rows));
    say(format_args!("\nthe state after transaction {offset}"));
    Ok(())
}

fn remove(arguments: &RemoveArguments) -> Result<()> {
    let place = arguments.replica.open()?;
    if !arguments.yes {
        bail!(
            "the snapshot at transaction {} would be removed; repeat with --yes to do this",
            arguments.at
        );
    }
    snapshots::remove(&place, arguments.at)?;
    say(format_args!(
        "removed the snapshot at transaction {}",
        arguments.at
    ));
    Ok(())
}

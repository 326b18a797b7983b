//! `spacetime replay`: runs the recorded reducer calls of a log again and tells what differs.
//!
//! Works on files, without a server. The exit status is 0 if every call does what it did then,
//! and 1 if one does not.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use spacetime_host::{
    Difference, ReplayObserver, ReplayOptions, ReplayProgress, ReplaySummary, Rows,
    TableDifference, replay_calls,
};
use spacetime_types::TxOffset;

use crate::output::say;
use crate::session::read_file;

/// The flags of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The log: a replica's directory, its `clog`, or a data directory with one replica
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Try this module instead of the ones in the log
    #[arg(long, short = 'm', value_name = "FILE.wasm")]
    module: Option<PathBuf>,
    /// The first transaction to run again; the state before it comes from the log
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: u64,
    /// The first transaction to leave out
    #[arg(long, value_name = "OFFSET")]
    until: Option<u64>,
    /// Show at most so many differences; all are counted
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    show: u64,
    /// Show at most so many rows of a kind in a difference
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rows: usize,
    /// One JSON object a line: the differences, then the summary
    #[arg(long)]
    json: bool,
}

/// Replays, tells, and ends the program with status 1 if anything differs.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<()> {
    let program = arguments.module.as_ref().map(read_file).transpose()?;
    let options = ReplayOptions {
        program: program.map(Into::into),
        from: TxOffset(arguments.from),
        until: arguments.until.map(TxOffset),
        rows_max: arguments.rows,
        ..ReplayOptions::default()
    };
    let log = log_directory(&arguments.directory)?;
    let mut report = Report {
        arguments,
        shown: 0,
        bar: progress_bar(&log),
    };
    let summary = replay_calls(&log, &options, &mut report);
    report.bar.finish_and_clear();
    let summary = summary.context("the log cannot be replayed")?;
    match arguments.json {
        true => say(summary_json(&summary)),
        false => say(summary_text(&summary, report.shown)),
    }
    if summary.different > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// The log that a directory is or has.
fn log_directory(directory: &Path) -> Result<PathBuf> {
    let clog = directory.join("clog");
    if clog.is_dir() {
        return Ok(clog);
    }
    let replicas = directory.join("replicas");
    if !replicas.is_dir() {
        if directory.is_dir() {
            return Ok(directory.to_owned());
        }
        bail!("{} is not a directory", directory.display());
    }
    let entries = std::fs::read_dir(&replicas)
        .with_context(|| format!("cannot list {}", replicas.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("clog")))
        .filter(|clog| clog.is_dir())
        .collect();
    found.sort_unstable();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => bail!("there is no replica in {}", replicas.display()),
        several => {
            let names: Vec<String> = several
                .iter()
                .filter_map(|clog| clog.parent().map(|path| path.display().to_string()))
                .collect();
            bail!(
                "{} has several replicas; name one of them: {}",
                directory.display(),
                names.join(", ")
            )
        }
    }
}

/// Shown on a terminal only.
fn progress_bar(log: &Path) -> ProgressBar {
    let bytes = std::fs::read_dir(log).map_or(0, |entries| {
        entries
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    });
    let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style)
}

/// Prints differences as they come.
struct Report<'a> {
    arguments: &'a ReplayArguments,
    shown: u64,
    bar: ProgressBar,
}

impl ReplayObserver for Report<'_> {
    fn difference(&mut self, difference: &Difference) {
        if self.shown >= self.arguments.show {
            return;
        }
        self.shown += 1;
        let text = match self.arguments.json {
            true => difference_json(difference).to_string(),
            false => difference_text(difference),
        };
        self.bar.suspend(|| say(text));
    }

    fn progress(&mut self, progress: &ReplayProgress) {
        self.bar.set_position(progress.record_bytes);
        self.bar
            .set_message(format!("transaction {}", progress.offset));
    }
}

/// The four lists of a table's difference: their keys, the signs before their rows, the rows.
fn lists(table: &TableDifference) -> [(&'static str, &'static str, &Rows); 4] {
    [
        ("not_inserted", "recorded +", &table.not_inserted),
        ("also_inserted", "now      +", &table.also_inserted),
        ("not_deleted", "recorded -", &table.not_deleted),
        ("also_deleted", "now      -", &table.also_deleted),
    ]
}

fn difference_text(difference: &Difference) -> String {
    let mut text = format!(
        "transaction {}: {} called by {} at {}",
        difference.offset,
        difference.reducer,
        difference.caller.to_abbreviated_hex(),
        difference.timestamp,
    );
    // Writing to a string cannot fail.
    if let Some(failure) = &difference.failure {
        let _ = write!(text, "\n  recorded: committed\n  now:      {failure}");
    }
    for table in &difference.tables {
        let _ = write!(text, "\n  table {}", table.table);
        for (_, sign, rows) in lists(table) {
            for row in &rows.shown {
                let _ = write!(text, "\n    {sign} {row}");
            }
            let shown = u64::try_from(rows.shown.len()).unwrap_or(u64::MAX);
            if rows.count > shown {
                let _ = write!(text, "\n    {sign} ... {} more", rows.count - shown);
            }
        }
    }
    text
}

fn difference_json(difference: &Difference) -> Value {
    let rows = |rows: &Rows| {
        let shown = rows
            .shown
            .iter()
            .map(|row| serde_json::from_str(row).unwrap_or_else(|_| Value::String(row.clone())));
        json!({"count": rows.count, "rows": shown.collect::<Vec<Value>>()})
    };
    let tables = difference.tables.iter().map(|table| {
        let mut object = json!({"table": &*table.table});
        for (key, _, list) in lists(table) {
            object[key] = rows(list);
        }
        object
    });
    json!({
        "kind": "difference",
        "offset": difference.offset.0,
        "reducer": &*difference.reducer,
        "caller": difference.caller.to_hex(),
        "connection_id": difference.connection_id.to_hex(),
        "timestamp_micros": difference.timestamp.micros,
        "failure": difference.failure.as_deref(),
        "tables": tables.collect::<Vec<Value>>(),
    })
}

fn summary_json(summary: &ReplaySummary) -> Value {
    json!({
        "kind": "summary",
        "equal": summary.different == 0,
        "transactions": summary.transactions,
        "calls": summary.calls,
        "different": summary.different,
        "first_difference": summary.first_difference.map(|offset| offset.0),
        "sequence_jumps": summary.sequence_jumps,
        "end": summary.end.0,
    })
}

fn summary_text(summary: &ReplaySummary, shown: u64) -> String {
    let ran = format!(
        "{} of {} transactions were calls and ran again",
        summary.calls, summary.transactions
    );
    match summary.first_difference {
        None => format!("{ran}: no difference."),
        Some(first) => {
            let hidden = match summary.different > shown {
                true => format!(" ({shown} shown)"),
                false => String::new(),
            };
            format!(
                "{ran}: {} differ{hidden}, the first is transaction {first}.",
                summary.different
            )
        }
    }
}

//! `spacetime commitlog export`.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::json;
use spacetime_offline::export::{Choice, ExportedTable, Format, to_directory, to_stream};
use spacetime_offline::state::{self, State};
use spacetime_offline::{NoProgress, OfflineError};

use super::LogPath;
use crate::output::{note, say};
use crate::progress_bar::Bar;

pub(super) const EXAMPLES: &str = "\
Examples:
  spacetime commitlog export data/replicas/1 --format sql | sqlite3 copy.db
  spacetime commitlog export data/replicas/1 --at 1000 --format csv --out folder
  spacetime commitlog export data/replicas/1 --table player

Without --out everything goes to stdout; JSON lines then name their table.";

/// The flags of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    log: LogPath,
    #[command(flatten)]
    what: ExportFlags,
    /// The state after this transaction [default: the last one]
    #[arg(long, value_name = "OFFSET")]
    at: Option<u64>,
}

/// What to write, and where.
#[derive(Debug, Args)]
pub(crate) struct ExportFlags {
    /// Only this table; can be given several times
    #[arg(long, short = 't', value_name = "TABLE")]
    table: Vec<String>,
    /// The built-in st_* tables too
    #[arg(long)]
    system: bool,
    /// How to write rows
    #[arg(long, short = 'f', value_enum, default_value_t = FormatName::Jsonl)]
    format: FormatName,
    /// Write a file for each table into this directory; files that are there are not overwritten
    #[arg(long, short = 'o', value_name = "DIR")]
    out: Option<PathBuf>,
    /// With --out: print what was written as JSON
    #[arg(long, requires = "out")]
    json: bool,
}

/// Names of formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a line of names
    Csv,
    /// CREATE TABLE and INSERT statements
    Sql,
}

pub(super) fn run(arguments: &ExportArguments) -> Result<()> {
    let place = arguments.log.open()?;
    let bar = Bar::new("replaying");
    let state = match arguments.at {
        Some(offset) => state::after(&place, offset, &bar),
        None => state::latest(&place, &bar),
    }?;
    bar.finish(0);
    write(&state, &arguments.what)
}

/// Writes the rows of a state as the flags say.
pub(crate) fn write(state: &State, flags: &ExportFlags) -> Result<()> {
    let choice = Choice {
        tables: flags.table.clone(),
        system: flags.system,
    };
    let format = match flags.format {
        FormatName::Jsonl => Format::JsonLines,
        FormatName::Csv => Format::Csv,
        FormatName::Sql => Format::Sql,
    };
    let datastore = state.datastore();
    let Some(folder) = &flags.out else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = to_stream(datastore, &choice, format, &mut out, &NoProgress);
        return match written.and_then(|_| Ok(out.flush()?)) {
            // The reader has gone away.
            Err(OfflineError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            other => Ok(other?),
        };
    };
    let written = to_directory(datastore, &choice, format, folder, &NoProgress)?;
    if flags.json {
        let report = json!({"next": state.next(), "tables": written});
        say(serde_json::to_string_pretty(&report).context("the report as JSON")?);
    } else {
        print(&written);
        note(format_args!(
            "the state before transaction {}",
            state.next()
        ));
    }
    Ok(())
}

fn print(written: &[ExportedTable]) {
    for table in written {
        let file = table.file.as_deref().unwrap_or_else(|| "-".as_ref());
        say(format_args!(
            "{}: {} rows in {}",
            table.name,
            table.rows,
            file.display()
        ));
    }
}

//! `spacetime commitlog`: the files of a stopped database.
//!
//! Everything that is known comes from `spacetime-offline`; here are the flags and the look.
//!
//! Invariants
//!   * Reports go to stdout, as text or with `--json`; progress and remarks to stderr.
//!   * The exit status of `verify` is 1 if there is damage, and of `diff` if there is a
//!     difference: both say so as an error, after the report.

mod diff;
mod export;
mod list;
mod repair;
mod show;
mod stat;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use spacetime_offline::Place;

pub(crate) use diff::DiffArguments;
pub(crate) use export::{ExportArguments, ExportFlags, write as write_state};
pub(crate) use repair::RepairArguments;
pub(crate) use show::ShowArguments;
pub(crate) use verify::VerifyArguments;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum CommitlogCommand {
    /// List the segments of a log, with what is in them
    #[command(after_help = "Example:\n  spacetime commitlog list data/replicas/1")]
    List(LogArguments),
    /// Count transactions and rows: by table, by reducer, by size, over time
    #[command(after_help = "Example:\n  spacetime commitlog stat data/replicas/1 --json")]
    Stat(LogArguments),
    /// Show transactions with their calls and rows
    #[command(after_help = show::EXAMPLES)]
    Show(ShowArguments),
    /// Check every checksum and every invariant; exits with 1 if there is damage
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArguments),
    /// Cut a damaged log off where it stops being whole; the original is kept
    #[command(after_help = repair::EXAMPLES)]
    Repair(RepairArguments),
    /// Compare two points of one log, or two logs
    #[command(after_help = diff::EXAMPLES)]
    Diff(DiffArguments),
    /// Write the rows of a database, as they are or were, as JSON lines, CSV or SQL
    #[command(after_help = export::EXAMPLES)]
    Export(ExportArguments),
}

/// Which log, and how to tell of it.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    #[command(flatten)]
    pub(crate) log: LogPath,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which log.
#[derive(Debug, Args)]
pub(crate) struct LogPath {
    /// The directory of a database (DATA/replicas/N), or of a log (with files *.stdb.log)
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

impl LogPath {
    pub(crate) fn open(&self) -> Result<Place> {
        Ok(Place::open(&self.path)?)
    }
}

/// Runs one.
pub(crate) fn run(command: &CommitlogCommand) -> Result<()> {
    match command {
        CommitlogCommand::List(arguments) => list::run(arguments),
        CommitlogCommand::Stat(arguments) => stat::run(arguments),
        CommitlogCommand::Show(arguments) => show::run(arguments),
        CommitlogCommand::Verify(arguments) => verify::run(arguments),
        CommitlogCommand::Repair(arguments) => repair::run(arguments),
        CommitlogCommand::Diff(arguments) => diff::run(arguments),
        CommitlogCommand::Export(arguments) => export::run(arguments),
    }
}

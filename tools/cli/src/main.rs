//! The `spacetime` binary: the server, and everything that people do with one.

mod output;
mod start;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run databases, publish modules to them, and talk to them.
#[derive(Debug, Parser)]
#[command(
    name = "spacetime",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    /// Put configuration and data under this directory
    #[arg(long, global = true, value_name = "DIR")]
    root_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server
    Start(start::StartArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Start(start) => start::start(&start, arguments.root_dir.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

//! `spacetime version`: which version this is.
//!
//! There is one program and no launcher in front of it, so there are no versions to choose from:
//! what would install or choose one says how it is done instead.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::output::say;

/// The flags of `version`.
#[derive(Debug, Args)]
pub(crate) struct VersionArguments {
    #[command(subcommand)]
    command: Option<VersionCommand>,
}

#[derive(Debug, Subcommand)]
enum VersionCommand {
    /// List the versions that are installed: this one
    List {
        /// Accepted for compatibility; there is no list of all
        #[arg(long, hide = true)]
        all: bool,
    },
    /// Not supported: the program that is started is the version that is used
    #[command(hide = true)]
    Use(Ignored),
    /// Not supported
    #[command(hide = true)]
    Upgrade(Ignored),
    /// Not supported
    #[command(hide = true)]
    Install(Ignored),
    /// Not supported
    #[command(hide = true)]
    Uninstall(Ignored),
    /// Not supported
    #[command(hide = true)]
    Link(Ignored),
}

/// Whatever is said there is not looked at.
#[derive(Debug, Args)]
struct Ignored {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<String>,
}

/// Shows the version.
pub(crate) fn run(long_version: &str, arguments: &VersionArguments) -> Result<()> {
    match &arguments.command {
        None => {
            let program = std::env::current_exe().unwrap_or_default();
            say(format_args!("Path: {}", program.display()));
            say(format_args!("spacetime {long_version}"));
            Ok(())
        }
        Some(VersionCommand::List { .. }) => {
            say(format_args!("{} (current)", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
        Some(
            VersionCommand::Use(_)
            | VersionCommand::Upgrade(_)
            | VersionCommand::Install(_)
            | VersionCommand::Uninstall(_)
            | VersionCommand::Link(_),
        ) => bail!(
            "this program does not manage versions: for another one, check out its sources and \
             run `cargo install --path tools/cli`"
        ),
    }
}

//! The `spacetime` binary: the server, and everything that people do with one.
//!
//! Invariants
//!   * The exit status is 0 for success, 1 for an error that is told as `Error: ..`, and 2 for
//!     arguments that are not understood.
//!   * Results and progress go to stdout, everything else to stderr (see `output`).

mod cli_toml;
mod commands;
mod env_local;
mod line_editor;
mod output;
mod package_manager;
mod paths;
mod private_file;
mod progress_bar;
mod project;
mod prompt;
mod schema;
mod server_address;
mod server_tokens;
mod session;
mod similar;
mod templates;
mod terminal;
mod trust;
mod unreachable;
mod web_login;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory as _, Parser, Subcommand};

use commands::{
    backup, build, call, commitlog, database, describe, dev, extract_schema, generate, init, list,
    login, logs, mcp, publish, replay, restore, server, shell, snapshot, sql, start, subscribe,
    top, version,
};
use paths::Paths;

const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nspacetimedb tool version ",
    env!("CARGO_PKG_VERSION"),
    "; spacetimedb-lib version ",
    env!("CARGO_PKG_VERSION"),
    ";"
);

/// Run databases, publish modules to them, and talk to them.
#[derive(Debug, Parser)]
#[command(
    name = "spacetime",
    version,
    long_version = LONG_VERSION,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    /// Put configuration and data under this directory
    #[arg(long, global = true, value_name = "DIR", display_order = 900)]
    root_dir: Option<PathBuf>,
    /// Use this file instead of the usual cli.toml
    #[arg(long, global = true, value_name = "FILE", display_order = 901)]
    config_path: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a module into a database, new or not
    Publish(Box<publish::PublishArguments>),
    /// Delete a database and all its data
    Delete(database::DatabaseArguments),
    /// Show what a module has logged
    Logs(logs::LogsArguments),
    /// Call a reducer or a procedure
    Call(call::CallArguments),
    /// Show the tables and functions of a database
    Describe(describe::DescribeArguments),
    /// Work on a project: build, publish, generate and run, again after every change
    Dev(Box<dev::DevArguments>),
    /// Generate what a client needs to talk to a module
    Generate(Box<generate::GenerateArguments>),
    /// Query a database, or change it, with SQL
    Sql(sql::SqlArguments),
    /// Let tools that speak the Model Context Protocol use a database
    Mcp(mcp::McpArguments),
    /// Give a database another name
    Rename(database::RenameArguments),
    /// List your databases
    List(list::ListArguments),
    /// Log in, or show the login
    Login(login::LoginArguments),
    /// Forget the login
    Logout(login::LogoutArguments),
    /// Make a new project
    Init(init::InitArguments),
    /// Build a module
    Build(build::BuildArguments),
    /// Manage the servers that have a name here
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// Print the rows of queries as they change
    Subscribe(subscribe::SubscribeArguments),
    /// Start a server
    Start(start::StartArguments),
    /// Keep a database from being deleted
    Lock(database::DatabaseArguments),
    /// Let a database be deleted again
    Unlock(database::DatabaseArguments),
    /// Watch a server: its databases, what they do, and what they cost
    Top(top::TopArguments),
    /// Copy a running database, only what is new, and check such copies
    Backup(backup::BackupArguments),
    /// Bring a database back from a backup, as it was after any transaction
    Restore(restore::RestoreArguments),
    /// Run the recorded reducer calls of a log again, and tell what differs
    Replay(replay::ReplayArguments),
    /// Look at, check, repair and export the files of a stopped database
    #[command(subcommand)]
    Commitlog(commitlog::CommitlogCommand),
    /// Look at, check and remove the snapshots of a stopped database
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Print a script that completes commands in a shell
    Completions(shell::CompletionsArguments),
    /// Print the manual page of this program, or of a command
    Man(shell::ManArguments),
    /// Show the version of this program
    Version(version::VersionArguments),
    /// Print the definition of a module's program as JSON
    #[command(hide = true)]
    ExtractSchema(extract_schema::ExtractSchemaArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let paths = Paths::new(
        arguments.root_dir.as_deref(),
        arguments.config_path.as_deref(),
    );
    match run(&paths, &arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            // Arguments that only the configuration could tell to be missing.
            Ok(error) => error.exit(),
            Err(error) => {
                output::error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

fn run(paths: &Paths, command: &Command) -> Result<()> {
    match command {
        Command::Start(arguments) => start::run(paths, arguments),
        Command::Build(arguments) => build::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Commitlog(command) => commitlog::run(command),
        Command::Snapshot(command) => snapshot::run(command),
        Command::ExtractSchema(arguments) => extract_schema::run(arguments),
        Command::Generate(arguments) => generate::run(arguments),
        Command::Completions(arguments) => shell::completions(Arguments::command(), arguments),
        Command::Man(arguments) => shell::man(Arguments::command(), arguments),
        Command::Version(arguments) => version::run(LONG_VERSION, arguments),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start the async runtime")?;
            runtime.block_on(talk(paths, command))
        }
    }
}

/// The commands that talk to a server.
async fn talk(paths: &Paths, command: &Command) -> Result<()> {
    match command {
        Command::Backup(arguments) => backup::run(paths, arguments).await,
        Command::Restore(arguments) => restore::run(paths, arguments).await,
        Command::Publish(arguments) => publish::run(paths, arguments).await,
        Command::Delete(arguments) => database::delete(paths, arguments).await,
        Command::Logs(arguments) => logs::run(paths, arguments).await,
        Command::Call(arguments) => call::run(paths, arguments).await,
        Command::Describe(arguments) => describe::run(paths, arguments).await,
        Command::Dev(arguments) => dev::run(paths, arguments).await,
        Command::Sql(arguments) => sql::run(paths, arguments).await,
        Command::Mcp(arguments) => mcp::run(paths, arguments).await,
        Command::Rename(arguments) => database::rename(paths, arguments).await,
        Command::List(arguments) => list::run(paths, arguments).await,
        Command::Login(arguments) => login::login(paths, arguments).await,
        Command::Logout(arguments) => login::logout(paths, arguments).await,
        Command::Server(command) => server::run(paths, command).await,
        Command::Subscribe(arguments) => subscribe::run(paths, arguments).await,
        Command::Lock(arguments) => database::lock(paths, arguments).await,
        Command::Unlock(arguments) => database::unlock(paths, arguments).await,
        Command::Top(arguments) => top::run(paths, arguments).await,
        Command::Start(_)
        | Command::Build(_)
        | Command::Init(_)
        | Command::Replay(_)
        | Command::Commitlog(_)
        | Command::Snapshot(_)
        | Command::ExtractSchema(_)
        | Command::Generate(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Version(_) => {
            unreachable!("these need no server and were done before")
        }
    }
}

//! The project's own chores. `cargo xtask run` does the main job, `cargo xtask test` checks
//! everything; the other commands are parts of these two.

mod checks;
mod fuzz;
mod process;
mod run;
mod server;
mod setup;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Arguments {
    #[command(subcommand)]
    command: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Build the server, start it, publish the chat module, and stay until Ctrl-C
    Run(run::RunArguments),
    /// Set up, then run every check and every test there is, and say how long each took
    Test,
    /// Find (or install) what builds modules, and the TypeScript client's packages
    Setup,
    /// Build the modules in modules/ and print where they are
    BuildModules,
    /// Test a running server with the official TypeScript client and with this project's
    TestTypescript {
        /// The server, as in http://127.0.0.1:3000
        #[arg(long)]
        server: String,
        /// A database that runs the chat module
        #[arg(long, default_value = "chat")]
        chat: String,
        /// A database that runs the kitchen-sink module
        #[arg(long, default_value = "kitchen-sink")]
        kitchen_sink: String,
        /// A database that runs the views module
        #[arg(long, default_value = "views")]
        views: String,
        /// A database that runs the procedures module
        #[arg(long, default_value = "procedures")]
        procedures: String,
        /// A database that runs the game module
        #[arg(long, default_value = "game")]
        game: String,
    },
    /// Run the scenarios for clients with SpacetimeDB's own Rust client; needs OpenSSL
    TestOfficialRust,
    /// Run the scenarios with this project's Rust client in headless Chromium
    TestWebPages,
    /// Make and use a project of every template, with the published SDKs and with this project's;
    /// installs what they need (minutes the first time)
    TestTemplates {
        /// Only these
        templates: Vec<String>,
    },
    /// Check the rules that a compiler does not know
    Tidy,
    /// Run the fuzz targets, a minute each, if cargo-fuzz is installed
    Fuzz(fuzz::FuzzArguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Chore::Run(arguments) => run::run(&arguments),
        Chore::Test => checks::run_all(),
        Chore::Setup => setup::everything(),
        Chore::BuildModules => setup::build_modules().map(|folder| {
            process::say(&folder.display().to_string());
        }),
        Chore::TestTypescript {
            server,
            chat,
            kitchen_sink,
            views,
            procedures,
            game,
        } => setup::typescript_packages().and_then(|()| {
            let databases = [&chat, &kitchen_sink, &views, &procedures, &game];
            checks::typescript(&server, databases.map(String::as_str), None)
        }),
        Chore::TestOfficialRust => checks::official_rust_client(),
        Chore::TestWebPages => checks::rust_client_in_web_pages(),
        Chore::TestTemplates { templates } => checks::templates(&templates),
        Chore::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Chore::Tidy => tidy::check(&repository_folder()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("Error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The folder with the workspace's `Cargo.toml`: the one that cargo runs this for, since a build
/// folder that two checkouts share may hold what was compiled in the other.
fn repository_folder() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.ancestors().nth(2).unwrap_or(&here).to_owned()
}

/// The folder that native builds go to.
fn target_folder() -> PathBuf {
    let root = repository_folder();
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

//! The main job: a server with the chat module in it, ready to be tried.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::process::say;
use crate::server::{Server, build_binary};
use crate::{repository_folder, setup};

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The options of `cargo xtask run`.
#[derive(Debug, clap::Args)]
pub struct RunArguments {
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen_addr: SocketAddr,
    /// Where databases, keys and the login are kept [default: .xtask in the repository]
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// Why the wait for the end is over.
enum End {
    Asked,
    ServerEnded,
}

/// Sets up, builds, starts, publishes, and stays.
pub fn run(arguments: &RunArguments) -> Result<()> {
    let modules = setup::build_modules()?;
    say("building the server (the first time takes some minutes)");
    let binary = build_binary()?;
    let folder = match &arguments.data_dir {
        Some(folder) => std::path::absolute(folder)?,
        None => repository_folder().join(".xtask"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen for signals")?;
    let mut server = Server::start(&binary, &folder, arguments.listen_addr)?;
    server.publish("chat", &modules.join("chat.wasm"))?;
    say_what_to_try(&server);
    match runtime.block_on(wait_for_the_end(&mut server))? {
        End::Asked => server.stop(),
        End::ServerEnded => bail!("the server ended by itself"),
    }
}

async fn wait_for_the_end(server: &mut Server) -> Result<End> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(End::Asked),
            _ = terminate.recv() => return Ok(End::Asked),
            () = tokio::time::sleep(POLL_INTERVAL) => {
                if server.ended()?.is_some() {
                    return Ok(End::ServerEnded);
                }
            }
        }
    }
}

fn say_what_to_try(server: &Server) {
    let url = server.url();
    let command = server.command_line();
    say(&format!(
        "\nThe server listens on {url} and runs the database `chat` (see modules/chat).\n\
         In another terminal, try:\n\n  \
         spacetime=\"{command}\"\n  \
         $spacetime call --server {url} chat send_message '\"hello\"'\n  \
         $spacetime sql --server {url} chat 'SELECT * FROM message'\n  \
         $spacetime subscribe --server {url} chat 'SELECT * FROM message'\n  \
         $spacetime logs --server {url} chat\n\n\
         Ctrl-C stops the server; its data stays, and is there again the next time.\n"
    ));
}

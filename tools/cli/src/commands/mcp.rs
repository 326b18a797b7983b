//! `spacetime mcp`: a bridge for tools that speak the Model Context Protocol over their standard
//! streams to a server that speaks it over HTTP.
//!
//! Invariant: nothing but answers goes to the standard output, one a line.

use std::io::BufRead as _;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::cli_toml::CliToml;
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::server_address::resolve;
use crate::session::{ServerFlags, Session, percent_encoded};

/// What JSON-RPC calls a failure of the other side.
const INTERNAL_ERROR: i32 = -32603;

/// The flags of `mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArguments {
    /// The database; without one the tools take a database each time
    #[arg(env = "SPACETIMEDB_DB_NAME")]
    database: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
    /// Ask as nobody in particular
    #[arg(long)]
    anonymous: bool,
}

/// Hands requests on and answers back, until the end of the input.
pub(crate) async fn run(paths: &Paths, arguments: &McpArguments) -> Result<()> {
    warn_unstable();
    let server = arguments.server.server.as_deref();
    let file = CliToml::load(&paths.cli_toml()?)?;
    // A login could not be asked for, nor told of: the streams belong to the protocol.
    let url = resolve(&file, server)?;
    let session = match arguments.anonymous {
        true => Session::anonymous(&url)?,
        false => Session::saved(&file, &url).await?,
    };
    let route = match &arguments.database {
        Some(database) => format!("database/{}/mcp", percent_encoded(database)),
        None => "mcp".to_owned(),
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.context("cannot read a request")?;
        if line.trim().is_empty() {
            continue;
        }
        match ask(&session, &route, &line).await {
            Ok(None) => {}
            Ok(Some(answer)) => say(answer),
            // A notification has no answer, whatever becomes of it.
            Err(failure) => {
                let request: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(id) = request.get("id") {
                    let message = format!("{failure:#}");
                    let error = json!({"code": INTERNAL_ERROR, "message": message});
                    say(json!({"jsonrpc": "2.0", "id": id, "error": error}));
                }
            }
        }
    }
    Ok(())
}

async fn ask(session: &Session, route: &str, request: &str) -> Result<Option<Value>> {
    let request = session
        .post(route)
        .header(CONTENT_TYPE, "application/json")
        .body(request.to_owned());
    let answer = session.success(request).await?;
    if answer.status() == StatusCode::ACCEPTED {
        return Ok(None);
    }
    let text = answer.text().await.context("the answer was cut off")?;
    // Read and written again, so that it is one line.
    serde_json::from_str(&text)
        .map(Some)
        .context("the server sent damaged JSON")
}

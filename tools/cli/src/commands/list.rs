//! `spacetime list`: the databases of the one who asks.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::sql::psql_table;
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::session::{As, ServerFlags, Session};

/// The flags of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    server: ServerFlags,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Prints names and identities.
pub(crate) async fn run(paths: &Paths, arguments: &ListArguments) -> Result<()> {
    warn_unstable();
    let server = arguments.server.server.as_deref();
    let session = Session::open_asking(paths, server, As::Me, arguments.yes).await?;
    let me = session.identity()?;
    let answer = session
        .json(session.get(&format!("identity/{me}/databases")))
        .await?;
    let identities = strings(&answer["identities"]).context("the server's list is damaged")?;
    if identities.is_empty() {
        say(format_args!("No databases found for {me}."));
        return Ok(());
    }
    let mut rows = Vec::with_capacity(identities.len());
    for identity in identities {
        let answer = session
            .json(session.get(&format!("database/{identity}/names")))
            .await?;
        let names = strings(&answer["names"]).context("the server's list is damaged")?;
        rows.push(vec![names.join(", "), identity]);
    }
    rows.sort();
    say(format_args!("Associated databases for user {me}:\n"));
    say(psql_table(
        vec!["Database Name(s)".into(), "Identity".into()],
        rows.into_iter(),
    ));
    Ok(())
}

fn strings(list: &Value) -> Option<Vec<String>> {
    let list = list.as_array()?.iter();
    list.map(|text| Some(text.as_str()?.to_owned())).collect()
}

//! `spacetime sql`: queries and changes, one text at a time or from a prompt.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::call::fetch_schema;
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::project::{Picked, Project, missing, pick_query};
use crate::session::{As, ServerFlags, Session};

mod highlight;
mod prompt;
mod results;

pub(crate) use results::psql_table;

use results::{StatementResult, read_results};

/// The flags of `sql`.
#[derive(Debug, Args)]
#[command(override_usage = "spacetime sql [OPTIONS] [DATABASE] <QUERY>")]
pub(crate) struct SqlArguments {
    /// The database (unless spacetime.json names the only one), and the SQL
    #[arg(value_name = "WORDS", num_args = 0..=2)]
    words: Vec<String>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Whether to wait until what is read or written is on disk
    #[arg(long, value_name = "true|false")]
    confirmed: Option<bool>,
    /// Ask the state after this transaction (owner only; queries only)
    #[arg(long, value_name = "OFFSET")]
    at_tx: Option<u64>,
    /// Show how the query would be run: its plan, and how many rows are expected
    #[arg(long)]
    explain: bool,
    /// Run the query and show its plan with the rows and the time that it took
    #[arg(long, conflicts_with = "explain")]
    analyze: bool,
    /// Read statements from a prompt
    #[arg(long, conflicts_with_all = ["explain", "analyze"])]
    interactive: bool,
    #[command(flatten)]
    server: ServerFlags,
    /// Ask as nobody in particular
    #[arg(long)]
    anonymous: bool,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

/// Forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// Comma separated values, with the names of the columns first
    Csv,
    /// What the server sends
    Json,
}

/// Runs the text, or all that is typed.
pub(crate) async fn run(paths: &Paths, arguments: &SqlArguments) -> Result<()> {
    warn_unstable();
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_query(project.as_ref(), &arguments.words, arguments.interactive)?;
    let Picked {
        database,
        server,
        rest,
    } = picked;
    let who = if arguments.anonymous {
        As::Anonymous
    } else {
        As::Me
    };
    let server = arguments.server.server.as_deref().or(server.as_deref());
    let session = Session::open_for_data(paths, server, who, arguments.yes).await?;
    let identity = session.database(&database).await?;
    let mut route = format!("database/{identity}/sql");
    let confirmed = arguments
        .confirmed
        .map(|confirmed| format!("confirmed={confirmed}"));
    let at_tx = arguments.at_tx.map(|offset| format!("at_tx={offset}"));
    let parameters: Vec<String> = confirmed.into_iter().chain(at_tx).collect();
    if !parameters.is_empty() {
        route.push('?');
        route.push_str(&parameters.join("&"));
    }
    if arguments.interactive {
        let names = prompt::Names::of(&fetch_schema(&session, &identity).await?);
        return prompt::run(&session, &route, &database, names).await;
    }
    let [query] = rest.as_slice() else {
        return Err(missing("sql", "<QUERY>", "[OPTIONS] <DATABASE> <QUERY>"));
    };
    let query = match (arguments.explain, arguments.analyze) {
        (true, _) => format!("EXPLAIN {query}"),
        (_, true) => format!("EXPLAIN ANALYZE {query}"),
        _ => query.clone(),
    };
    let is_explained = arguments.explain || arguments.analyze;
    let body = ask(&session, &route, &query).await?;
    show(&body, arguments.format, is_explained)
}

fn show(body: &str, format: Format, is_explained: bool) -> Result<()> {
    let tables = |form: fn(&StatementResult) -> String| -> Result<String> {
        let tables: Vec<String> = read_results(body)?.iter().map(form).collect();
        Ok(tables.join("\n\n"))
    };
    match format {
        Format::Json => say(body),
        Format::Csv => say(tables(StatementResult::csv)?),
        Format::Text if is_explained => {
            let results = read_results(body)?;
            let rows = results.iter().flat_map(|result| &result.rows).flatten();
            let lines: Vec<&str> = rows.filter_map(Value::as_str).collect();
            say(lines.join("\n"));
        }
        Format::Text => say(tables(StatementResult::table)?),
    }
    Ok(())
}

/// The answer to a text, as the server sends it.
async fn ask(session: &Session, route: &str, query: &str) -> Result<String> {
    let answer = session
        .success(session.post(route).body(query.to_owned()))
        .await?;
    answer.text().await.context("the answer was cut off")
}

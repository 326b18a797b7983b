//! `spacetime delete`, `rename`, `lock` and `unlock`: a database as a whole.

use anyhow::{Context, Result, anyhow};
use clap::Args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::init::check_database_name;
use crate::output::say;
use crate::paths::Paths;
use crate::project::{Project, pick_by_first};
use crate::prompt::yes_or_no;
use crate::session::{As, ServerFlags, Session, percent_encoded, refuse_failure};

/// A database, and where it is.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArguments {
    /// The database, by name or identity; the only one in spacetime.json if absent
    database: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
    /// Answer every question with yes
    #[arg(long, short = 'y')]
    yes: bool,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

/// The flags of `rename`.
#[derive(Debug, Args)]
pub(crate) struct RenameArguments {
    /// The database, by identity or by the name that it has
    database: String,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    to: String,
    #[command(flatten)]
    server: ServerFlags,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
}

/// A session with the server of a database, its name as it was given, and its identity.
async fn open(
    paths: &Paths,
    arguments: &DatabaseArguments,
    command: &str,
) -> Result<(Session, String, String)> {
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_by_first(project.as_ref(), arguments.database.as_deref(), command)?;
    let server = arguments
        .server
        .server
        .as_deref()
        .or(picked.server.as_deref());
    let session = Session::open_asking(paths, server, As::Me, arguments.yes).await?;
    let identity = session.database(&picked.database).await?;
    Ok((session, picked.database, identity))
}

/// Deletes a database and all its data.
pub(crate) async fn delete(paths: &Paths, arguments: &DatabaseArguments) -> Result<()> {
    let (session, name, identity) = open(paths, arguments, "delete").await?;
    let question = format!(
        "Are you sure you want to delete database {name} ({identity})? \
         This action cannot be undone."
    );
    if !yes_or_no(arguments.yes, &question)? {
        say("Aborting");
        return Ok(());
    }
    let route = format!("database/{identity}");
    let answer = session.send(session.delete(&route)).await?;
    if answer.status() != StatusCode::PRECONDITION_REQUIRED {
        return refuse_failure(answer).await.map(drop);
    }
    // The server wants to be told once more, because there are children.
    let text = answer.text().await.context("the answer was cut off")?;
    let confirmation: Value =
        serde_json::from_str(&text).context("the server sent damaged JSON")?;
    let token = confirmation["confirmation_token"].as_str();
    let token = token.context("the server's question has no token")?;
    say(format_args!(
        "WARNING: Deleting the database {identity} will also delete its children!"
    ));
    if !arguments.yes {
        say(tree(&confirmation["database_tree"]));
    }
    if !yes_or_no(
        arguments.yes,
        "Do you want to proceed deleting above databases?",
    )? {
        say("Aborting");
        return Ok(());
    }
    let route = format!("{route}?token={}", percent_encoded(token));
    session.success(session.delete(&route)).await.map(drop)
}

/// Gives a database another name.
pub(crate) async fn rename(paths: &Paths, arguments: &RenameArguments) -> Result<()> {
    check_database_name(&arguments.to)?;
    let server = arguments.server.server.as_deref();
    let session = Session::open_asking(paths, server, As::Me, arguments.yes).await?;
    let identity = session.database(&arguments.database).await?;
    let request = session.put(&format!("database/{identity}/names"));
    let answer = session.send(request.json(&json!([arguments.to]))).await?;
    if let Some(status) = answer.error_for_status_ref().err() {
        let text = answer.text().await.context("the answer was cut off")?;
        let status = anyhow!(status).context(refused_name(text, &arguments.to));
        return Err(status.context(format!("cannot set name to {}", arguments.to)));
    }
    say(format_args!(
        "Name set to {} for identity {identity}.",
        arguments.to
    ));
    Ok(())
}

/// The server's answer in words.
fn refused_name(answer: String, name: &str) -> String {
    let told: Value = serde_json::from_str(&answer).unwrap_or_default();
    match (told["OtherError"].as_str(), told.get("PermissionDenied")) {
        (Some(told), _) => told.to_owned(),
        (None, Some(_)) => format!("a database of somebody else is called {name}"),
        (None, None) => answer,
    }
}

/// Keeps a database from being deleted.
pub(crate) async fn lock(paths: &Paths, arguments: &DatabaseArguments) -> Result<()> {
    let (session, name, identity) = open(paths, arguments, "lock").await?;
    session
        .success(session.post(&format!("database/{identity}/lock")))
        .await?;
    say(format_args!(
        "Database {name} is now locked. It cannot be deleted until unlocked."
    ));
    Ok(())
}

/// Lets it be deleted again.
pub(crate) async fn unlock(paths: &Paths, arguments: &DatabaseArguments) -> Result<()> {
    let (session, name, identity) = open(paths, arguments, "unlock").await?;
    session
        .success(session.post(&format!("database/{identity}/unlock")))
        .await?;
    say(format_args!("Database {name} is now unlocked."));
    Ok(())
}

/// A database and its children, one a line.
fn tree(node: &Value) -> String {
    /// Deepest child that is shown.
    const DEPTH_MAX: usize = 32;
    fn write(node: &Value, indent: &str, depth: usize, lines: &mut Vec<String>) {
        let children = node["children"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (position, child) in children
            .iter()
            .enumerate()
            .take_while(|_| depth < DEPTH_MAX)
        {
            let is_last = position + 1 == children.len();
            let (branch, below) = if is_last {
                ("\u{2514}\u{2500}\u{2500} ", "    ")
            } else {
                ("\u{251c}\u{2500}\u{2500} ", "\u{2502}   ")
            };
            lines.push(format!("{indent}{branch}{}", label(&child["root"])));
            write(child, &format!("{indent}{below}"), depth + 1, lines);
        }
    }
    let mut lines = vec![label(&node["root"])];
    write(node, "", 0, &mut lines);
    lines.join("\n")
}

fn label(database: &Value) -> String {
    let names = database["database_names"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let identity = database["database_identity"].as_str().unwrap_or("?");
    format!("{identity}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_name_is_refused_is_told_in_words() {
        let told = |answer: &str| refused_name(answer.to_owned(), "chat");
        assert_eq!(told(r#"{"OtherError":"it is in use"}"#), "it is in use");
        let taken = told(r#"{"PermissionDenied":{"domain":"chat"}}"#);
        assert_eq!(taken, "a database of somebody else is called chat");
        assert_eq!(told("no JSON"), "no JSON");
    }

    #[test]
    fn a_tree_has_branches() {
        let node = |id: &str, children: Value| {
            let root = json!({"database_identity": id, "database_names": [id, "x"]});
            json!({"root": root, "children": children})
        };
        let leaf = node("c", json!([]));
        let root = node("a", json!([node("b", json!([leaf])), node("d", json!([]))]));
        assert_eq!(
            tree(&root),
            "a: a, x\n\u{251c}\u{2500}\u{2500} b: b, x\n\
             \u{2502}   \u{2514}\u{2500}\u{2500} c: c, x\n\
             \u{2514}\u{2500}\u{2500} d: d, x"
        );
    }
}

//! `spacetime describe`: what is in a database.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::call::fetch_schema;
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::project::{Project, pick_function};
use crate::schema::{Schema, signature, type_name};
use crate::session::{As, ServerFlags, Session};

/// The flags of `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The database (unless spacetime.json names the only one), and `reducer NAME` or `table NAME`
    /// for one thing in it
    #[arg(value_name = "DATABASE> [reducer|table] [NAME", num_args = 0..=3)]
    words: Vec<String>,
    /// The module's own definition, as JSON
    #[arg(long)]
    json: bool,
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

/// One thing in a database.
#[derive(Debug, Clone, Copy)]
enum Entity<'a> {
    Reducer(&'a str),
    Table(&'a str),
}

/// Prints the definition.
pub(crate) async fn run(paths: &Paths, arguments: &DescribeArguments) -> Result<()> {
    const USAGE: &str = "[OPTIONS] <DATABASE> [reducer|table <NAME>]";
    warn_unstable();
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_function(project.as_ref(), &arguments.words, "describe", USAGE)?;
    let words: Vec<&str> = picked.rest.iter().map(String::as_str).collect();
    let entity = match words.as_slice() {
        [] => None,
        ["reducer", name] => Some(Entity::Reducer(name)),
        ["table", name] => Some(Entity::Table(name)),
        _ => bail!("what to describe is `reducer NAME` or `table NAME`, or nothing for everything"),
    };
    let who = if arguments.anonymous {
        As::Anonymous
    } else {
        As::Me
    };
    let server = arguments
        .server
        .server
        .as_deref()
        .or(picked.server.as_deref());
    let session = Session::open_asking(paths, server, who, arguments.yes).await?;
    let identity = session.database(&picked.database).await?;
    if arguments.json {
        let definition = definition(&session, &identity).await?;
        let shown = match entity {
            None => &definition,
            Some(entity) => find(&definition, entity)?,
        };
        say(serde_json::to_string_pretty(shown).context("a definition has to have a JSON form")?);
        return Ok(());
    }
    let schema = fetch_schema(&session, &identity).await?;
    say(for_people(&schema, entity)?);
    Ok(())
}

/// The newest form of the definition that the server has.
async fn definition(session: &Session, identity: &str) -> Result<Value> {
    let version = |number: u8| format!("database/{identity}/schema?version={number}");
    let answer = session.send(session.get(&version(10))).await?;
    if answer.status().is_client_error() {
        return session.json(session.get(&version(9))).await;
    }
    let answer = crate::session::refuse_failure(answer).await?;
    let text = answer.text().await.context("the answer was cut off")?;
    serde_json::from_str(&text).context("the server sent damaged JSON")
}

/// The definition of one thing, in the sections of version 10 or the lists of version 9.
fn find<'a>(definition: &'a Value, entity: Entity<'_>) -> Result<&'a Value> {
    let (list, section, name) = match entity {
        Entity::Reducer(name) => ("reducers", "Reducers", name),
        Entity::Table(name) => ("tables", "Tables", name),
    };
    let sections = definition["sections"].as_array().into_iter().flatten();
    let in_sections = sections
        .filter_map(|part| part[section].as_array())
        .flatten();
    let in_list = definition[list].as_array().into_iter().flatten();
    let is_called = |value: &&Value| {
        ["name", "source_name"]
            .iter()
            .any(|key| value[*key].as_str() == Some(name))
    };
    let found = in_list.chain(in_sections).find(is_called);
    match entity {
        Entity::Reducer(_) => found.context("no such reducer"),
        Entity::Table(_) => found.context("no such table"),
    }
}

fn for_people(schema: &Schema, entity: Option<Entity<'_>>) -> Result<String> {
    let table = |name: &str, row: &spacetime_types::ProductType| {
        let columns = row.elements.iter().map(|column| {
            let ty = type_name(schema, &column.algebraic_type);
            format!("\n    {}: {ty}", column.name.as_deref().unwrap_or("?"))
        });
        format!("table {name}{}", columns.collect::<String>())
    };
    match entity {
        Some(Entity::Table(name)) => Ok(table(
            name,
            schema.row_type_of(name).context("no such table")?,
        )),
        Some(Entity::Reducer(name)) => {
            let mut reducers = schema.reducers.iter();
            let reducer = reducers.find(|reducer| reducer.name == name);
            Ok(format!(
                "reducer {}",
                signature(schema, reducer.context("no such reducer")?)
            ))
        }
        None => {
            let tables = schema.tables.iter().map(|(name, row)| table(name, row));
            let reducers = schema.reducers.iter().map(|reducer| ("reducer", reducer));
            let procedures = schema
                .procedures
                .iter()
                .map(|procedure| ("procedure", procedure));
            let functions = reducers
                .chain(procedures)
                .map(|(kind, function)| format!("{kind} {}", signature(schema, function)));
            Ok(tables.chain(functions).collect::<Vec<String>>().join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_thing_is_found_in_both_forms() {
        let nine = json!({"tables": [{"name": "t"}], "reducers": [{"name": "r"}]});
        let ten = json!({"sections": [
            {"Typespace": {}},
            {"Tables": [{"source_name": "t"}]},
            {"Reducers": [{"source_name": "r"}]},
        ]});
        for definition in [nine, ten] {
            assert!(find(&definition, Entity::Table("t")).is_ok());
            assert!(find(&definition, Entity::Reducer("r")).is_ok());
            let error = find(&definition, Entity::Reducer("t")).unwrap_err();
            assert_eq!(error.to_string(), "no such reducer");
            let error = find(&definition, Entity::Table("r")).unwrap_err();
            assert_eq!(error.to_string(), "no such table");
        }
    }
}

//! `spacetime describe`: what is in a database.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::call::fetch_schema;
use crate::output::{say, warn_unstable};
use crate::paths::Paths;
use crate::project::{Project, pick_function};
use crate::schema::{Function, Schema, Table, signature, type_name};
use crate::session::{As, ServerFlags, Session};
use crate::similar::nearest;

/// The flags of `describe`.
#[derive(Debug, Args)]
#[command(
    override_usage = "spacetime describe [OPTIONS] [DATABASE] [table|view|reducer|procedure <NAME>]"
)]
pub(crate) struct DescribeArguments {
    /// The database (unless spacetime.json names the only one), and `table NAME`, `view NAME`,
    /// `reducer NAME` or `procedure NAME` for one thing in it
    #[arg(value_name = "WORDS", num_args = 0..=3)]
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
    Procedure(&'a str),
    Table(&'a str),
    View(&'a str),
}

/// Prints the definition.
pub(crate) async fn run(paths: &Paths, arguments: &DescribeArguments) -> Result<()> {
    const USAGE: &str = "[OPTIONS] <DATABASE> [table|view|reducer|procedure <NAME>]";
    warn_unstable();
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_function(project.as_ref(), &arguments.words, "describe", USAGE)?;
    let words: Vec<&str> = picked.rest.iter().map(String::as_str).collect();
    let entity = match words.as_slice() {
        [] => None,
        ["reducer", name] => Some(Entity::Reducer(name)),
        ["procedure", name] => Some(Entity::Procedure(name)),
        ["table", name] => Some(Entity::Table(name)),
        ["view", name] => Some(Entity::View(name)),
        _ => bail!(
            "what to describe is `table NAME`, `view NAME`, `reducer NAME` or `procedure NAME`, \
             or nothing for everything"
        ),
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
    let session = Session::open_for_data(paths, server, who, arguments.yes).await?;
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
        Entity::Procedure(name) => ("misc_exports", "Procedures", name),
        Entity::Table(name) => ("tables", "Tables", name),
        Entity::View(name) => ("misc_exports", "Views", name),
    };
    let sections = definition["sections"].as_array().into_iter().flatten();
    let in_sections = sections
        .filter_map(|part| part[section].as_array())
        .flatten();
    let in_list = definition[list].as_array().into_iter().flatten();
    // Among other things, version 9 says in front what a thing is.
    let kind = section.trim_end_matches('s');
    let in_list = in_list.filter_map(|value| match list {
        "misc_exports" => value.get(kind),
        _ => Some(value),
    });
    let all: Vec<&Value> = in_list.chain(in_sections).collect();
    let names = |value: &'a Value| {
        let keys = ["name", "source_name"];
        keys.into_iter().filter_map(|key| value[key].as_str())
    };
    let found = all.iter().find(|value| names(value).any(|it| it == name));
    let others = || all.iter().flat_map(|value| names(value));
    found.copied().with_context(|| nothing(entity, others()))
}

/// That it is not there, and which of the others may have been meant.
fn nothing<'a>(entity: Entity<'_>, others: impl Iterator<Item = &'a str>) -> String {
    let (kind, name) = match entity {
        Entity::Reducer(name) => ("reducer", name),
        Entity::Procedure(name) => ("procedure", name),
        Entity::Table(name) => ("table", name),
        Entity::View(name) => ("view", name),
    };
    match nearest(name, others) {
        Some(near) => format!("no such {kind}: `{name}`. Did you mean `{near}`?"),
        None => format!("no such {kind}: `{name}`"),
    }
}

fn for_people(schema: &Schema, entity: Option<Entity<'_>>) -> Result<String> {
    let relation = |is_view: bool, name: &str| {
        let mut tables = schema.tables.iter();
        let found = tables.find(|table| table.name == name && table.is_view == is_view);
        found.map(|table| relation(schema, table))
    };
    let called = |kind: &str, functions: &[Function], name: &str| {
        let mut functions = functions.iter();
        let found = functions.find(|function| function.name == name);
        found.map(|found| function(schema, kind, found))
    };
    let found = match entity {
        Some(Entity::Table(name)) => relation(false, name),
        Some(Entity::View(name)) => relation(true, name),
        Some(Entity::Reducer(name)) => called("reducer", &schema.reducers, name),
        Some(Entity::Procedure(name)) => called("procedure", &schema.procedures, name),
        None => {
            let mut all: Vec<String> = Vec::new();
            all.extend(
                schema
                    .tables
                    .iter()
                    .map(|table| self::relation(schema, table)),
            );
            for (kind, functions) in [
                ("reducer", &schema.reducers),
                ("procedure", &schema.procedures),
            ] {
                all.extend(functions.iter().map(|it| function(schema, kind, it)));
            }
            return Ok(all.join("\n"));
        }
    };
    found.with_context(|| entity.map_or_else(String::new, |it| nothing(it, names(schema, it))))
}

/// What else there is of the same kind.
fn names<'a>(schema: &'a Schema, entity: Entity<'_>) -> impl Iterator<Item = &'a str> {
    let functions: &[Function] = match entity {
        Entity::Reducer(_) => &schema.reducers,
        Entity::Procedure(_) => &schema.procedures,
        Entity::Table(_) | Entity::View(_) => &[],
    };
    let tables = schema.tables.iter().filter(move |table| match entity {
        Entity::Table(_) => !table.is_view,
        Entity::View(_) => table.is_view,
        Entity::Reducer(_) | Entity::Procedure(_) => false,
    });
    let functions = functions.iter().map(|function| function.name.as_str());
    functions.chain(tables.map(|table| table.name.as_str()))
}

/// `reducer add(name: String)`
fn function(schema: &Schema, kind: &str, function: &Function) -> String {
    let mut line = format!("{kind} {}", signature(schema, function));
    if let Some(returns) = &function.returns {
        line.push_str(&format!(" -> {}", type_name(schema, returns)));
    }
    if function.is_lifecycle {
        line.push_str(" (called by the server)");
    }
    line
}

/// A table or view, and its columns on lines of their own.
fn relation(schema: &Schema, table: &Table) -> String {
    let in_brackets = |notes: &str| match notes {
        "" => String::new(),
        notes => format!(" ({notes})"),
    };
    let kind = if table.is_view { "view" } else { "table" };
    let mut text = format!(
        "{kind} {}{}",
        table.name,
        in_brackets(&table.notes.join(", "))
    );
    for (position, column) in (0..).zip(table.row.elements.iter()) {
        let notes = table.column_notes.get(&position);
        text.push_str(&format!(
            "\n    {}: {}{}",
            column.name.as_deref().unwrap_or("?"),
            type_name(schema, &column.algebraic_type),
            in_brackets(&notes.map(|notes| notes.join(", ")).unwrap_or_default())
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_thing_is_found_in_both_forms() {
        let nine = json!({
            "tables": [{"name": "t"}], "reducers": [{"name": "r"}],
            "misc_exports": [{"View": {"name": "v"}}, {"Procedure": {"name": "p"}}],
        });
        let ten = json!({"sections": [
            {"Typespace": {}},
            {"Tables": [{"source_name": "t"}]},
            {"Reducers": [{"source_name": "r"}]},
            {"Views": [{"source_name": "v"}]},
            {"Procedures": [{"source_name": "p"}]},
        ]});
        for definition in [nine, ten] {
            assert!(find(&definition, Entity::Table("t")).is_ok());
            assert!(find(&definition, Entity::Reducer("r")).is_ok());
            assert_eq!(
                find(&definition, Entity::View("v"))
                    .unwrap()
                    .as_object()
                    .unwrap()
                    .len(),
                1
            );
            assert!(find(&definition, Entity::Procedure("p")).is_ok());
            let error = find(&definition, Entity::Procedure("v")).unwrap_err();
            assert_eq!(
                error.to_string(),
                "no such procedure: `v`. Did you mean `p`?"
            );
            let error = find(&definition, Entity::Reducer("t")).unwrap_err();
            assert_eq!(error.to_string(), "no such reducer: `t`. Did you mean `r`?");
            let error = find(&definition, Entity::Table("people")).unwrap_err();
            assert_eq!(error.to_string(), "no such table: `people`");
        }
    }
}

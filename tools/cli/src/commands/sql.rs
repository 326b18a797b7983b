//! `spacetime sql`: queries and changes, one text at a time or from a prompt.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent};
use serde_json::Value;
use spacetime_types::bsatn::Reader;
use spacetime_types::json::json_to_bsatn;
use spacetime_types::satn::{Style, write_bsatn};
use spacetime_types::{AlgebraicType, ProductType, Typespace};

use crate::output::{error, say, say_part, warn_unstable};
use crate::paths::Paths;
use crate::project::{Picked, Project, missing, pick_query};
use crate::schema::product_from_json;
use crate::session::{As, ServerFlags, Session};

/// The flags of `sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// The database (unless spacetime.json names the only one), and the SQL
    #[arg(value_name = "DATABASE> <QUERY", num_args = 0..=2)]
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
    let session = Session::open(paths, server, who).await?;
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
        return prompt(&session, &route).await;
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
    match arguments.format {
        Format::Json => say(body),
        Format::Text if is_explained => {
            let results = read_results(&body)?;
            let rows = results.iter().flat_map(|result| &result.rows).flatten();
            let lines: Vec<&str> = rows.filter_map(Value::as_str).collect();
            say(lines.join("\n"));
        }
        Format::Text => {
            let results = read_results(&body)?;
            let tables: Vec<String> = results.iter().map(StatementResult::table).collect();
            say(tables.join("\n\n"));
        }
    }
    Ok(())
}

async fn ask(session: &Session, route: &str, query: &str) -> Result<String> {
    let answer = session
        .success(session.post(route).body(query.to_owned()))
        .await?;
    answer.text().await.context("the answer was cut off")
}

/// Statements line by line, until the end of the input or `.exit`.
async fn prompt(session: &Session, route: &str) -> Result<()> {
    say("Type SQL, one statement a line; .clear clears the screen, .exit ends.");
    loop {
        say_part("db> ");
        let mut line = String::new();
        let len = std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("cannot read a line")?;
        match line.trim() {
            "" if len == 0 => return Ok(()),
            "" => {}
            ".exit" => return Ok(()),
            ".clear" => say_part("\x1b[2J\x1b[H"),
            query => {
                let start = Instant::now();
                let answer = ask(session, route, query).await;
                let took = start.elapsed();
                match answer.and_then(|body| read_results(&body)) {
                    Ok(results) => {
                        for result in results {
                            say(format_args!("{}\n{}\n", result.table(), result.summary()));
                        }
                        say(format_args!("Roundtrip time: {}", milliseconds(took)));
                    }
                    Err(failure) => error(&failure),
                }
            }
        }
    }
}

/// What one statement gave.
#[derive(Debug)]
struct StatementResult {
    columns: ProductType,
    rows: Vec<Vec<Value>>,
    counts: [(&'static str, u64); 3],
    duration: Duration,
}

fn read_results(body: &str) -> Result<Vec<StatementResult>> {
    let damaged = "the server sent a result that cannot be read";
    let results: Vec<Value> = serde_json::from_str(body).context(damaged)?;
    results
        .iter()
        .map(|result| read_result(result).context(damaged))
        .collect()
}

fn read_result(result: &Value) -> Result<StatementResult> {
    let rows = result["rows"].as_array().context("it has no rows")?;
    let rows = rows
        .iter()
        .map(|row| row.as_array().cloned().context("a row is not an array"));
    let count = |key: &str| result["stats"][key].as_u64().unwrap_or_default();
    Ok(StatementResult {
        columns: product_from_json(&result["schema"])?,
        rows: rows.collect::<Result<_>>()?,
        counts: [
            ("inserted", count("rows_inserted")),
            ("deleted", count("rows_deleted")),
            ("updated", count("rows_updated")),
        ],
        duration: Duration::from_micros(
            result["total_duration_micros"].as_u64().unwrap_or_default(),
        ),
    })
}

impl StatementResult {
    /// The rows as `psql` shows them; nothing for a statement without columns.
    fn table(&self) -> String {
        if self.columns.elements.is_empty() {
            return String::new();
        }
        let names = self.columns.elements.iter().enumerate();
        let names = names.map(|(position, column)| match &column.name {
            Some(name) => name.to_string(),
            None => format!("column {position}"),
        });
        let cells = |row: &Vec<Value>| -> Vec<String> {
            let types = self
                .columns
                .elements
                .iter()
                .map(|column| &column.algebraic_type);
            types.zip(row).map(|(ty, value)| cell(ty, value)).collect()
        };
        psql_table(names.collect(), self.rows.iter().map(cells))
    }

    /// `(2 rows) [inserted: 1, server: 0.10ms]`
    fn summary(&self) -> String {
        let rows = self.rows.len();
        let unit = if rows == 1 { "row" } else { "rows" };
        let counts = self.counts.iter().filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> = counts
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        parts.push(format!("server: {}", milliseconds(self.duration)));
        format!("({rows} {unit}) [{}]", parts.join(", "))
    }
}

/// A value in the console's notation. What that cannot show (a NaN is null here) is left as JSON.
fn cell(ty: &AlgebraicType, value: &Value) -> String {
    let typespace = Typespace::default();
    let mut bytes = Vec::new();
    let mut text = String::new();
    let json = value.to_string();
    if json_to_bsatn(&typespace, ty, &json, &mut bytes).is_err() {
        return json;
    }
    match write_bsatn(
        &typespace,
        ty,
        &mut Reader::new(&bytes),
        Style::Console,
        &mut text,
    ) {
        Ok(()) => text,
        Err(_) => json,
    }
}

/// A table as `psql` prints it.
pub(crate) fn psql_table(names: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_style(TableComponent::VerticalLines, '|')
        .set_style(TableComponent::HeaderLines, '-')
        .set_style(TableComponent::MiddleHeaderIntersections, '+')
        .set_header(names);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    table.to_string()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2}ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(columns: &[(&str, Value)], rows: &Value) -> StatementResult {
        let elements = columns.iter().map(|(name, ty)| {
            let name = if name.is_empty() {
                json!({"none": []})
            } else {
                json!({"some": name})
            };
            json!({"name": name, "algebraic_type": ty})
        });
        let elements: Vec<Value> = elements.collect();
        let body = json!([{
            "schema": {"elements": elements},
            "rows": rows,
            "total_duration_micros": 1500,
            "stats": {"rows_inserted": 2, "rows_deleted": 0, "rows_updated": 1},
        }]);
        read_results(&body.to_string()).unwrap().remove(0)
    }

    #[test]
    fn tables_look_as_in_psql() {
        let columns = [("id", json!({"U32": []})), ("name", json!({"String": []}))];
        let full = result(&columns, &json!([[1, "Alice"], [22222, "B"]]));
        assert_eq!(
            full.table(),
            " id    | name    \n-------+---------\n 1     | \"Alice\" \n 22222 | \"B\"     "
        );
        assert_eq!(
            full.summary(),
            "(2 rows) [inserted: 2, updated: 1, server: 1.50ms]"
        );
        let empty = result(&columns, &json!([]));
        assert_eq!(empty.table(), " id | name \n----+------");
        let one = result(&[("", json!({"Bool": []}))], &json!([[true]]));
        assert_eq!(one.table(), " column 0 \n----------\n true     ");
        assert!(one.summary().starts_with("(1 row) "));
        assert_eq!(result(&[], &json!([])).table(), "");
    }

    #[test]
    fn values_are_in_the_notation_of_the_console() {
        let check = |ty: Value, value: Value, expected: &str| {
            let ty = crate::schema::type_from_json(&ty).unwrap();
            assert_eq!(cell(&ty, &value), expected);
        };
        check(json!({"Array": {"U8": []}}), json!("01ff"), "0x01ff");
        check(json!({"F64": []}), Value::Null, "null");
        check(json!({"F64": []}), json!(1.0), "1");
        let unit =
            json!({"name": {"some": "none"}, "algebraic_type": {"Product": {"elements": []}}});
        let some = json!({"name": {"some": "some"}, "algebraic_type": {"I32": []}});
        let option = json!({"Sum": {"variants": [some, unit]}});
        check(option.clone(), json!([0, 5]), "(some = 5)");
        check(option, json!([1, []]), "(none = ())");
        let large = "340282366920938463463374607431768211455";
        check(
            json!({"U128": []}),
            serde_json::from_str(large).unwrap(),
            large,
        );
    }

    #[test]
    fn damaged_results_are_refused() {
        for body in [
            "",
            "{}",
            "[{}]",
            r#"[{"schema":{"elements":[]},"rows":[1]}]"#,
        ] {
            assert!(read_results(body).is_err(), "{body}");
        }
    }
}

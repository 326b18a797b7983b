//! `spacetime commitlog show`.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use clap::Args;
use spacetime_offline::TableShape;
use spacetime_offline::filter::{Condition, Filter};
use spacetime_offline::row_text::console_text;
use spacetime_offline::show::{ShownTable, ShownTransaction, show};
use spacetime_types::{Timestamp, hex};

use super::LogPath;
use crate::commands::sql::psql_table;
use crate::output::{note, say};

pub(super) const EXAMPLES: &str = "\
Examples:
  spacetime commitlog show data/replicas/1 --limit 10
  spacetime commitlog show data/replicas/1 --table player --where name=Ann
  spacetime commitlog show data/replicas/1 --reducer join --since 2026-11-22T20:00:00Z --json

Times are RFC 3339 or microseconds since 1970. A transaction that no reducer call has made, and
that has no time therefore, counts as made at the time of the one before it.";

/// Longest text of a value unless --full is given.
const CELL_CHARS_MAX: usize = 70;

/// The flags of `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    log: LogPath,
    /// Only changes of this table, by name or id; can be given several times
    #[arg(long, short = 't', value_name = "TABLE")]
    table: Vec<String>,
    /// Only calls of this reducer; can be given several times
    #[arg(long, short = 'r', value_name = "REDUCER")]
    reducer: Vec<String>,
    /// The first transaction
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// The last transaction
    #[arg(long, value_name = "OFFSET")]
    to: Option<u64>,
    /// Not before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Only rows with this value in this column; can be given several times
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    conditions: Vec<String>,
    /// Most transactions
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Print long values whole
    #[arg(long)]
    full: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(micros) = text.parse() {
        return Ok(micros);
    }
    let time = Timestamp::parse(text).map_err(|error| error.to_string())?;
    Ok(time.micros)
}

pub(super) fn run(arguments: &ShowArguments) -> Result<()> {
    let place = arguments.log.open()?;
    let conditions: Result<Vec<_>, _> = arguments
        .conditions
        .iter()
        .map(|text| Condition::parse(text))
        .collect();
    let filter = Filter {
        tables: arguments.table.clone(),
        reducers: arguments.reducer.clone(),
        from: arguments.from,
        to: arguments.to,
        since_micros: arguments.since,
        until_micros: arguments.until,
        conditions: conditions?,
        limit: arguments.limit,
    };
    // A bar between lines of output would only be in the way.
    let report = show(
        &place,
        &filter,
        &spacetime_offline::NoProgress,
        &mut |shown| {
            if arguments.json {
                say(shown.to_json());
            } else {
                print(shown, arguments.full);
            }
            ControlFlow::Continue(())
        },
    );
    let report = report.context("cannot show the log")?;
    for finding in &report.findings {
        note(finding);
    }
    if !arguments.json {
        note(format_args!("{} transactions", report.shown));
    }
    Ok(())
}

/// A heading, and for each table its rows with a sign before them.
pub(super) fn print(shown: &ShownTransaction, full: bool) {
    let mut head = format!("transaction {}", shown.offset);
    if let Some(call) = &shown.call {
        if let Some(time) = call.time {
            head.push_str(&format!("  {time}"));
        }
        let arguments = shorten(&hex::encode(&call.arguments), full);
        head.push_str(&format!("  {}({arguments})", call.reducer));
        if let Some(caller) = call.caller {
            head.push_str(&format!("  by {}", caller.to_abbreviated_hex()));
        }
    }
    say(format_args!(
        "{head}  [{} bytes at {}:{}]",
        shown.bytes, shown.file, shown.byte
    ));
    if let Some(outputs) = &shown.outputs {
        say(format_args!("  returned: {}", shorten(outputs, full)));
    }
    for table in &shown.tables {
        print_table(table, full);
    }
    if shown.after_damage {
        say("  (transactions before this one were lost; columns may be wrong)");
    }
    if let Some(broken) = &shown.broken {
        say(format_args!("  unreadable from here: {broken}"));
    }
    say("");
}

fn print_table(table: &ShownTable, full: bool) {
    if table.truncated {
        say(format_args!("  {}: all rows are deleted", table.name()));
    }
    let Some(shape) = &table.shape else { return };
    let rows = [("-", &table.deletes), ("+", &table.inserts)];
    let rows = rows.into_iter().flat_map(|(sign, rows)| {
        let signed = rows.iter().map(move |row| (sign, row.as_slice()));
        signed.collect::<Vec<_>>()
    });
    print_rows(shape, rows, full);
}

/// Rows of a table, each with a sign before it.
pub(super) fn print_rows<'a>(
    shape: &TableShape,
    rows: impl Iterator<Item = (&'a str, &'a [u8])>,
    full: bool,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let mut names = vec![shape.name.to_string()];
    names.extend(shape.column_names().map(str::to_owned));
    let cells = rows.map(|(sign, row)| {
        let mut cells = vec![sign.to_owned()];
        // A row of an earlier type of the table need not be one of the present type.
        if shape.layout.validate(row).is_err() {
            cells.push(format!("0x{}", shorten(&hex::encode(row), full)));
            cells.resize(shape.row_type.elements.len() + 1, String::new());
            return cells;
        }
        let columns = shape.columns_of(row).into_iter();
        cells.extend(
            shape
                .row_type
                .elements
                .iter()
                .zip(columns)
                .map(|(element, range)| {
                    let value = row.get(range).unwrap_or_default();
                    shorten(&console_text(&element.algebraic_type, value), full)
                }),
        );
        cells
    });
    let text = psql_table(names, cells);
    for line in text.lines() {
        say(format_args!("  {}", line.trim_end()));
    }
}

/// Keeps the beginning of a long text, on one line.
fn shorten(text: &str, full: bool) -> String {
    let mut clean = String::with_capacity(text.len().min(4 * CELL_CHARS_MAX));
    let most = if full { usize::MAX } else { CELL_CHARS_MAX };
    for (n, c) in text.chars().enumerate() {
        if n >= most {
            clean.push_str(&format!("... ({} bytes)", text.len()));
            break;
        }
        // Text in rows is anybody's; it must not reach the terminal as a command.
        match c.is_control() {
            true => clean.extend(c.escape_default()),
            false => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_texts_become_short_and_harmless() {
        assert_eq!(shorten("abc", false), "abc");
        assert_eq!(shorten("a\n\u{1b}[31m", false), "a\\n\\u{1b}[31m");
        let long = "x".repeat(100);
        assert_eq!(
            shorten(&long, false),
            format!("{}... (100 bytes)", "x".repeat(CELL_CHARS_MAX))
        );
        assert_eq!(shorten(&long, true), long);
    }

    #[test]
    fn times_are_numbers_or_dates() {
        assert_eq!(parse_time("12"), Ok(12));
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert!(parse_time("yesterday").is_err());
    }
}

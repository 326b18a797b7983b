//! `spacetime logs`: what a module has said, and what it goes on to say.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use serde_json::Value;
use spacetime_types::Timestamp;

use crate::output::{Colour, say};
use crate::paths::Paths;
use crate::project::{Project, pick_by_first};
use crate::session::{As, ServerFlags, Session};

/// How many old lines a follower gets unless they say otherwise.
const FOLLOWED_LINES: u32 = 10;
/// Longest line that is waited for.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The mark of lines that the server wrote itself.
const INTERNAL: &str = "__spacetimedb__";

/// The flags of `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The database, by name or identity; the only one in spacetime.json if absent
    database: Option<String>,
    /// Only the last lines [default: all, or 10 with --follow]
    #[arg(long, short = 'n', value_name = "COUNT")]
    num_lines: Option<u32>,
    /// Go on with new lines as they come
    #[arg(long, short = 'f')]
    follow: bool,
    /// How lines are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only lines that are as bad as this, or worse
    #[arg(long, short = 'l', value_enum)]
    level: Option<Level>,
    /// Only lines of exactly this level
    #[arg(long, requires = "level")]
    level_exact: bool,
    #[command(flatten)]
    server: ServerFlags,
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// Ignore spacetime.json
    #[arg(long)]
    no_config: bool,
}

/// Forms of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// As the server sends it, an object a line
    Json,
}

/// How bad, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Panic,
}

/// Prints the lines.
pub(crate) async fn run(paths: &Paths, arguments: &LogsArguments) -> Result<()> {
    let project = Project::find_here(arguments.no_config, None)?;
    let picked = pick_by_first(project.as_ref(), arguments.database.as_deref(), "logs")?;
    let server = arguments
        .server
        .server
        .as_deref()
        .or(picked.server.as_deref());
    let session = Session::open_for_data(paths, server, As::Me, arguments.yes).await?;
    let identity = session.database(&picked.database).await?;
    let count = arguments
        .num_lines
        .or(arguments.follow.then_some(FOLLOWED_LINES));
    let mut route = route(&identity, count, arguments.follow);
    if let Some(level) = arguments.level {
        // Counted after the choice. A server that does not know it sends all, which is no harm.
        let name = level.to_possible_value();
        let name = name.as_ref().map_or("trace", |value| value.get_name());
        route.push_str(&format!("&level={name}"));
    }
    stream(&session, &route, |line| print(line, arguments)).await
}

fn route(identity: &str, count: Option<u32>, follow: bool) -> String {
    let count = count.map_or_else(String::new, |count| format!("&num_lines={count}"));
    format!("database/{identity}/logs?follow={follow}{count}")
}

/// Hands over the lines of a log, and those that come if it is followed.
async fn stream(session: &Session, route: &str, mut on_line: impl FnMut(&[u8])) -> Result<()> {
    let answer = session.success(session.get(route)).await?;
    let mut chunks = answer.bytes_stream();
    let mut pending = Vec::new();
    while let Some(chunk) = chunks.next().await {
        pending.extend_from_slice(&chunk.context("the log was cut off")?);
        let whole = pending
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in pending[..whole].split(|byte| *byte == b'\n') {
            on_line(line);
        }
        pending.drain(..whole);
        anyhow::ensure!(
            pending.len() <= LINE_BYTES_MAX,
            "a line of the log does not end"
        );
    }
    on_line(&pending);
    Ok(())
}

/// Follows a log until the server ends it: some lines of before, then what comes, as text with
/// something in front.
pub(crate) async fn follow_as_text(
    session: &Session,
    identity: &str,
    count: u32,
    prefix: &str,
) -> Result<()> {
    stream(session, &route(identity, Some(count), true), |line| {
        let line = String::from_utf8_lossy(line);
        match serde_json::from_str::<Value>(&line) {
            Ok(record) => say(format_args!("{prefix}{}", text(&record))),
            Err(_) if line.trim().is_empty() => {}
            Err(_) => say(format_args!("{prefix}{line}")),
        }
    })
    .await
}

fn print(line: &[u8], arguments: &LogsArguments) {
    let line = String::from_utf8_lossy(line);
    if line.trim().is_empty() {
        return;
    }
    let Ok(record) = serde_json::from_str::<Value>(&line) else {
        // Not a record: better shown as it is than lost.
        say(line);
        return;
    };
    if !is_wanted(&record, arguments.level, arguments.level_exact) {
        return;
    }
    match arguments.format {
        Format::Json => say(line),
        Format::Text => say(text(&record)),
    }
}

fn is_wanted(record: &Value, wanted: Option<Level>, exact: bool) -> bool {
    let level = record["level"].as_str().unwrap_or_default();
    match (wanted, Level::from_str(level, true)) {
        (Some(wanted), Ok(level)) => level == wanted || (!exact && wanted < level),
        _ => true,
    }
}

/// `2024-01-01T00:00:00.123456Z  INFO: function file.rs:12: message`
fn text(record: &Value) -> String {
    let field = |name: &str| record[name].as_str().filter(|text| *text != INTERNAL);
    let micros = record["ts"].as_i64().unwrap_or_default();
    let time = Timestamp { micros }.to_string().replace("+00:00", "Z");
    let level = field("level").unwrap_or_default().to_uppercase();
    let colour = match level.as_str() {
        "ERROR" | "PANIC" => Colour::Red,
        "WARN" => Colour::Yellow,
        "INFO" => Colour::Green,
        _ => Colour::Dim,
    };
    let level = colour.paint(&format!("{level:>5}"));
    let mut line = format!("{time} {level}: ");
    let place = field("filename").map(|file| match record["line_number"].as_u64() {
        Some(number) => format!("{file}:{number}"),
        None => file.to_owned(),
    });
    let places = field("function")
        .map(str::to_owned)
        .into_iter()
        .chain(place);
    let places = places.collect::<Vec<String>>().join(" ");
    if !places.is_empty() {
        line.push_str(&format!("{places}: "));
    }
    line.push_str(record["message"].as_str().unwrap_or_default());
    for frame in record["trace"].as_array().into_iter().flatten() {
        let name = |key: &str| frame[key].as_str().unwrap_or("?").to_owned();
        line.push_str(&format!(
            "\n    in {} :: {}",
            name("module_name"),
            name("func_name")
        ));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_one_line_and_a_panic_has_its_trace() {
        let mut record = json!({
            "level": "Info", "ts": 1_704_067_200_123_456_i64, "target": "m",
            "filename": "src/lib.rs", "line_number": 12, "function": "add", "message": "hello",
        });
        assert_eq!(
            text(&record),
            "2024-01-01T00:00:00.123456Z  INFO: add src/lib.rs:12: hello"
        );
        record["filename"] = json!(INTERNAL);
        assert_eq!(
            text(&record),
            "2024-01-01T00:00:00.123456Z  INFO: add: hello"
        );
        record["level"] = json!("Panic");
        record["function"] = json!(INTERNAL);
        record["trace"] = json!([{"module_name": "m", "func_name": "f"}]);
        assert_eq!(
            text(&record),
            "2024-01-01T00:00:00.123456Z PANIC: hello\n    in m :: f"
        );
    }

    #[test]
    fn levels_filter_from_below_or_exactly() {
        let record = |level: &str| json!({ "level": level });
        let warn = Some(Level::Warn);
        assert!(!is_wanted(&record("Info"), warn, false));
        assert!(is_wanted(&record("Warn"), warn, true));
        assert!(is_wanted(&record("Panic"), warn, false));
        assert!(!is_wanted(&record("Error"), warn, true));
        assert!(is_wanted(&record("Trace"), None, false));
        assert!(is_wanted(&record("Strange"), warn, false));
    }
}

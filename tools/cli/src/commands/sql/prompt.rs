//! The prompt of `sql --interactive`: a line editor with history, completion and colours.
//!
//! Without a terminal it reads lines, and shows neither prompt nor colours.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use super::highlight::{KEYWORDS, coloured};
use super::results::{milliseconds, read_results};
use crate::line_editor::{Assistant, Input, LineEditor};
use crate::output::{error, note, say, say_part, wants_colour};
use crate::schema::Schema;
use crate::session::Session;

/// In the home directory, where other clients of this kind keep theirs.
const HISTORY_FILE: &str = ".stdb.history.txt";
const COMMANDS: [(&str, &str); 4] = [
    (".clear", "clear the screen"),
    (".exit", "end"),
    (".help", "show this"),
    (".tables", "show the tables and their columns"),
];

/// What is in the database, for completion.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Tables and views, with their columns.
    tables: Vec<(String, Vec<String>)>,
}

impl Names {
    pub(super) fn of(schema: &Schema) -> Self {
        let tables = schema.tables.iter().map(|table| {
            let columns = table
                .row
                .elements
                .iter()
                .filter_map(|column| column.name.as_deref());
            (table.name.clone(), columns.map(str::to_owned).collect())
        });
        Names {
            tables: tables.collect(),
        }
    }

    /// What a word may become: after a table and a dot its columns, else anything that fits.
    fn completions(&self, before: &str, word: &str) -> Vec<String> {
        if let Some(table) = before.strip_suffix('.') {
            let table = table
                .rsplit(|letter: char| !is_name(letter))
                .next()
                .unwrap_or_default();
            let found = self.tables.iter().find(|(name, _)| name == table);
            let columns = found
                .map(|(_, columns)| columns.as_slice())
                .unwrap_or_default();
            return starting(columns.iter().map(String::as_str), word);
        }
        let last = before.split_whitespace().next_back().unwrap_or_default();
        let wants_table = ["from", "join", "into", "update"]
            .iter()
            .any(|keyword| last.eq_ignore_ascii_case(keyword));
        let tables = self.tables.iter().map(|(name, _)| name.as_str());
        if wants_table {
            return starting(tables, word);
        }
        let columns = self
            .tables
            .iter()
            .flat_map(|(_, columns)| columns)
            .map(String::as_str);
        let mut found = starting(tables.chain(columns), word);
        if !word.is_empty() {
            found.extend(starting(KEYWORDS.iter().copied(), word));
        }
        found
    }
}

/// Those that start with a word in any case, each once.
fn starting<'a>(names: impl Iterator<Item = &'a str>, word: &str) -> Vec<String> {
    let fits = |name: &&str| {
        let start = name.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let mut found: Vec<String> = names.filter(fits).map(str::to_owned).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What the line editor asks while somebody types.
struct SqlAssistant {
    names: Names,
    has_colour: bool,
}

impl Assistant for SqlAssistant {
    fn complete(&self, before: &str) -> (usize, Vec<String>) {
        if before.starts_with('.') {
            return (0, starting(COMMANDS.iter().map(|(name, _)| *name), before));
        }
        let start = before
            .char_indices()
            .rev()
            .find(|(_, letter)| !is_name(*letter))
            .map_or(0, |(at, letter)| at + letter.len_utf8());
        let (before, word) = before.split_at(start);
        (start, self.names.completions(before, word))
    }

    fn coloured(&self, line: &str) -> String {
        match self.has_colour {
            true => coloured(line),
            false => line.to_owned(),
        }
    }
}

/// Statements line by line, until the end of the input or `.exit`.
pub(super) async fn run(
    session: &Session,
    route: &str,
    database: &str,
    names: Names,
) -> Result<()> {
    let home = std::env::var_os("HOME");
    let history = home.map(|home| PathBuf::from(home).join(HISTORY_FILE));
    let mut editor = LineEditor::new(history);
    let assistant = SqlAssistant {
        names,
        has_colour: wants_colour(&std::io::stdout()),
    };
    say("Type SQL, one statement a line. Tab completes, .help shows what else there is.");
    let prompt = format!("\u{1fa90}{database}> ");
    loop {
        let line = match editor.read(&prompt, &assistant)? {
            Input::Line(line) => line,
            Input::Interrupted => continue,
            Input::End => break,
        };
        match line.trim() {
            "" => {}
            ".exit" => break,
            ".clear" => say_part("\x1b[2J\x1b[H"),
            ".help" => help(),
            ".tables" => tables(&assistant.names),
            command if command.starts_with('.') => {
                note(format_args!("There is no command `{command}`; see .help."));
            }
            query => show(session, route, query).await,
        }
    }
    if let Err(failure) = editor.save() {
        note(format_args!("{failure:#}"));
    }
    Ok(())
}

async fn show(session: &Session, route: &str, query: &str) {
    let start = Instant::now();
    let answer = super::ask(session, route, query).await;
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

fn help() {
    for (name, what) in COMMANDS {
        say(format_args!("{name:8} {what}"));
    }
}

fn tables(names: &Names) {
    for (name, columns) in &names.tables {
        say(format_args!("{name} ({})", columns.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let table = |name: &str, columns: &[&str]| {
            let columns = columns.iter().map(|column| (*column).to_owned());
            (name.to_owned(), columns.collect())
        };
        Names {
            tables: vec![
                table("person", &["id", "name"]),
                table("pet", &["id", "person_id"]),
            ],
        }
    }

    #[test]
    fn words_become_what_fits_their_place() {
        let check = |before: &str, word: &str, expected: &[&str]| {
            assert_eq!(
                names().completions(before, word),
                expected,
                "{before}|{word}"
            );
        };
        check("SELECT * FROM ", "pe", &["person", "pet"]);
        check("SELECT * from ", "", &["person", "pet"]);
        check("SELECT person.", "", &["id", "name"]);
        check("SELECT * FROM pet WHERE pet.", "p", &["person_id"]);
        check("SELECT nothing.", "", &[]);
        check("SELECT ", "person_", &["person_id"]);
        check("", "sel", &["SELECT"]);
        check("SELECT * FROM pet ", "Wh", &["WHERE"]);
    }

    #[test]
    fn completion_starts_where_the_word_does() {
        let assistant = SqlAssistant {
            names: names(),
            has_colour: false,
        };
        let complete = |before: &str| {
            let (start, found) = assistant.complete(before);
            (start, found.join(" "))
        };
        assert_eq!(complete("SELECT * FROM per"), (14, "person".to_owned()));
        assert_eq!(complete("SELECT pet.i"), (11, "id".to_owned()));
        assert_eq!(complete(".e"), (0, ".exit".to_owned()));
        assert_eq!(complete("SELECT '\u{e9}' na"), (12, "name".to_owned()));
    }
}

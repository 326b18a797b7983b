//! Lines that people type: they can be edited, come back from a history, and complete themselves.
//!
//! Invariants
//!   * The terminal is in its own mode only while a line is typed.
//!   * Without a terminal lines are read as they come, and nothing is written.
//!
//! Lines that are longer than the terminal is wide are scrolled sideways.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::terminal::{KeyMode, is_there, size};

mod history;
mod keys;
mod line;

use history::History;
use keys::{Key, Keys};
use line::Line;

/// What helps with a line.
pub(crate) trait Assistant {
    /// Where the word before the cursor starts, in bytes, and what it may become.
    fn complete(&self, before: &str) -> (usize, Vec<String>);

    /// The line in colours, of the same width.
    fn coloured(&self, line: &str) -> String;
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Line(String),
    /// Ctrl-C: the line is thrown away.
    Interrupted,
    /// Ctrl-D on an empty line, or the end of the input.
    End,
}

/// Reads lines, and remembers them.
#[derive(Debug)]
pub(crate) struct LineEditor {
    history: History,
}

impl LineEditor {
    /// With the history of this file, if it can be read.
    pub(crate) fn new(history: Option<PathBuf>) -> Self {
        LineEditor {
            history: History::load(history),
        }
    }

    /// The next line. One that starts with a space is not remembered.
    pub(crate) fn read(&mut self, prompt: &str, assistant: &impl Assistant) -> Result<Input> {
        if !is_there() {
            return read_plain();
        }
        let mode = KeyMode::enter(false)?;
        let (columns, _) = size();
        let mut editing = Editing {
            prompt,
            columns,
            line: Line::default(),
            offset: 0,
            place: self.history.len(),
            typed: String::new(),
        };
        let input = editing.run(&self.history, assistant);
        drop(mode);
        println_end()?;
        let input = input?;
        if let Input::Line(line) = &input {
            self.history.add(line);
        }
        Ok(input)
    }

    /// Keeps what was typed for the next time.
    pub(crate) fn save(&self) -> Result<()> {
        self.history.save()
    }
}

fn read_plain() -> Result<Input> {
    let mut line = String::new();
    let len = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read a line")?;
    Ok(match len {
        0 => Input::End,
        _ => Input::Line(line.trim_end_matches(['\r', '\n']).to_owned()),
    })
}

/// One line while it is typed.
struct Editing<'a> {
    prompt: &'a str,
    columns: usize,
    line: Line,
    /// Letters that are scrolled out to the left.
    offset: usize,
    /// Which line of the history is shown; its length is the new line.
    place: usize,
    /// The new line while another is shown.
    typed: String,
}

impl Editing<'_> {
    fn run(&mut self, history: &History, assistant: &impl Assistant) -> Result<Input> {
        let stdin = std::io::stdin().lock();
        let keys = Keys::new(stdin.bytes().map_while(Result::ok));
        self.draw(assistant)?;
        for key in keys {
            match key {
                Key::Enter => return Ok(Input::Line(self.line.text())),
                Key::Interrupt => return Ok(Input::Interrupted),
                Key::End if self.line.is_empty() => return Ok(Input::End),
                Key::End => self.line.delete(),
                Key::Up => self.show(self.place.saturating_sub(1), history),
                Key::Down => self.show(self.place + 1, history),
                Key::Complete => self.complete(assistant)?,
                Key::Clear => write("\x1b[2J\x1b[H")?,
                key => self.line.apply(key),
            }
            self.draw(assistant)?;
        }
        Ok(Input::End)
    }

    /// Shows another line of the history, or the new one behind its end.
    fn show(&mut self, place: usize, history: &History) {
        let place = place.min(history.len());
        if self.place == history.len() {
            self.typed = self.line.text();
        }
        self.place = place;
        self.line.set(history.line(place).unwrap_or(&self.typed));
    }

    fn complete(&mut self, assistant: &impl Assistant) -> Result<()> {
        let before = self.line.before();
        let (start, found) = assistant.complete(&before);
        match found.as_slice() {
            [] => write("\x07"),
            [only] => {
                self.line.replace_before(start, only);
                Ok(())
            }
            several => {
                self.line
                    .replace_before(start, &shared_start(several, &before[start..]));
                write(&format!("\r\n{}\r\n", in_columns(several, self.columns)))
            }
        }
    }

    fn draw(&mut self, assistant: &impl Assistant) -> Result<()> {
        let prompt_width = line::width_of(self.prompt);
        let room = self.columns.saturating_sub(prompt_width + 1).max(1);
        self.offset = self.line.offset_for(self.offset, room);
        let shown = assistant.coloured(&self.line.window(self.offset, room));
        let cursor = prompt_width + self.line.width_before(self.offset);
        write(&format!("\r{}{shown}\x1b[K\r\x1b[{cursor}C", self.prompt))
    }
}

/// The longest start that all have; what was typed if that is longer.
fn shared_start(texts: &[String], typed: &str) -> String {
    let Some(first) = texts.first() else {
        return typed.to_owned();
    };
    let is_shared = |len: &usize| {
        let start = first.get(..*len);
        start.is_some_and(|start| texts.iter().all(|text| text.starts_with(start)))
    };
    let len = (0..=first.len()).rev().find(is_shared).unwrap_or(0);
    if len < typed.len() {
        return typed.to_owned();
    }
    first.get(..len).unwrap_or(typed).to_owned()
}

fn in_columns(texts: &[String], columns: usize) -> String {
    /// Most that are listed.
    const LISTED_MAX: usize = 100;
    let width = texts.iter().map(String::len).max().unwrap_or(0) + 2;
    let per_row = (columns / width).max(1);
    let listed = texts.len().min(LISTED_MAX);
    let rows = texts[..listed].chunks(per_row).map(|row| {
        let cells: Vec<String> = row.iter().map(|text| format!("{text:width$}")).collect();
        cells.concat().trim_end().to_owned()
    });
    let mut rows: Vec<String> = rows.collect();
    if listed < texts.len() {
        rows.push(format!("({} more)", texts.len() - listed));
    }
    rows.join("\r\n")
}

fn println_end() -> Result<()> {
    write("\r\n")
}

fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("the terminal is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_have_in_common_is_filled_in() {
        let texts = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(shared_start(&texts(&["person", "pet"]), "p"), "pe");
        assert_eq!(shared_start(&texts(&["SELECT", "SET"]), "se"), "SE");
        assert_eq!(shared_start(&texts(&["a", "b"]), "x"), "x");
        assert_eq!(shared_start(&texts(&["\u{e9}a", "\u{e9}b"]), ""), "\u{e9}");
    }

    #[test]
    fn lists_fit_the_terminal() {
        let texts: Vec<String> = (0..120).map(|number| format!("name{number}")).collect();
        let shown = in_columns(&texts, 40);
        assert!(shown.lines().all(|line| line.len() <= 40));
        assert!(shown.ends_with("(20 more)"));
        assert_eq!(in_columns(&texts[..2], 5), "name0\r\nname1");
    }
}

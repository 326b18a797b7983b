//! Text in the making: lines with indentation, and the set of files.
//!
//! Invariant: no file ends up in the set twice, whatever the case of its name: some file systems
//! would keep only one of the two.

use std::collections::BTreeMap;
use std::fmt;

use crate::{GENERATED_MARK, GenerateError, GeneratedFile};

/// Lines of code.
#[derive(Debug)]
pub(crate) struct Code {
    text: String,
    depth: usize,
    unit: &'static str,
}

impl Code {
    /// A file that begins with the mark. `unit` is one step of indentation.
    pub fn new(unit: &'static str) -> Self {
        let text = format!(
            "{GENERATED_MARK}. CHANGES TO IT\n\
             // WILL BE LOST. CHANGE THE MODULE AND RUN `spacetime generate` INSTEAD.\n"
        );
        Code {
            text,
            depth: 0,
            unit,
        }
    }

    /// A part of a file, to be put into one with [`Code::append`].
    pub fn part(unit: &'static str) -> Self {
        Code {
            text: String::new(),
            depth: 0,
            unit,
        }
    }

    /// Another text after this one, as it is.
    pub fn append(&mut self, part: &Code) {
        self.text.push_str(&part.text);
    }

    /// Whether `name` occurs as a whole identifier.
    pub fn mentions(&self, name: &str) -> bool {
        let is_boundary =
            |character: char| !(character.is_alphanumeric() || "_$".contains(character));
        self.text.split(is_boundary).any(|word| word == name)
    }

    /// One line, or several. Empty lines are not indented.
    pub fn line(&mut self, line: impl fmt::Display) {
        let lines = line.to_string();
        for line in lines.split('\n') {
            if !line.is_empty() {
                for _ in 0..self.depth {
                    self.text.push_str(self.unit);
                }
                self.text.push_str(line);
            }
            self.text.push('\n');
        }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Everything that `body` writes is indented one step more.
    pub fn indented(&mut self, body: impl FnOnce(&mut Self)) {
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    /// `head {`, the body, `}`.
    pub fn block(&mut self, head: impl fmt::Display, body: impl FnOnce(&mut Self)) {
        self.block_with(head, "}", body);
    }

    /// `head {`, the body, and `tail`, which begins with the closing brace.
    pub fn block_with(
        &mut self,
        head: impl fmt::Display,
        tail: &str,
        body: impl FnOnce(&mut Self),
    ) {
        let head = head.to_string();
        let opening = if head.is_empty() {
            "{".to_owned()
        } else {
            format!("{head} {{")
        };
        self.line(opening);
        self.indented(body);
        self.line(tail);
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// The files made so far.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// By path in lower case.
    files: BTreeMap<String, GeneratedFile>,
}

impl Files {
    pub fn add(&mut self, path: impl Into<String>, code: Code) -> Result<(), GenerateError> {
        let path = path.into();
        let file = GeneratedFile {
            path: path.clone(),
            text: code.finish(),
        };
        match self.files.insert(path.to_lowercase(), file) {
            None => Ok(()),
            Some(_) => Err(GenerateError::SameName {
                what: format!("the file `{path}`"),
            }),
        }
    }

    pub fn into_sorted(self) -> Vec<GeneratedFile> {
        self.files.into_values().collect()
    }
}

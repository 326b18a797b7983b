//! The house rules that neither the compiler nor its lints know, checked as a test.
//!
//! Invariants
//!   * A rule has no exception but those in `exceptions.rs`, each with its reason; an exception
//!     that no file needs any more is itself a complaint.
//!   * The files are read from the disk, not from version control, so that a mistake shows
//!     before it is committed.

mod book;
mod exceptions;
mod manifest;
mod parity;
mod rust;
mod text;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::say;
use exceptions::EXCEPTIONS;

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: [&str; 8] = [
    ".git",
    ".xtask",
    "bindings",
    "dist",
    "generated",
    "generated_docs",
    "node_modules",
    "target",
];

/// What a complaint is about; exceptions are made per rule and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    LineLength,
    FileLength,
    FunctionLength,
    FileSize,
    FileName,
    FileHead,
    Whitespace,
    Ascii,
    RegistryHost,
    Reminder,
    BannedCall,
    OutsideWorld,
    Unsafe,
    Manifest,
    Licence,
    Book,
    Link,
    UnusedException,
}

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint {
    pub path: String,
    /// Counted from one; zero is the file as a whole.
    pub line: usize,
    pub rule: Rule,
    pub message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {:?}: {}",
            self.path, self.line, self.rule, self.message
        )
    }
}

/// A file as the rules see it.
#[derive(Debug)]
pub(crate) struct File<'a> {
    /// From the repository's root, with `/` between folders.
    pub path: &'a str,
    pub text: &'a str,
}

impl File<'_> {
    pub(crate) fn complain(
        &self,
        line: usize,
        rule: Rule,
        message: impl Into<String>,
    ) -> Complaint {
        Complaint {
            path: self.path.to_owned(),
            line,
            rule,
            message: message.into(),
        }
    }

    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether it is test code from the first line to the last.
    pub(crate) fn is_test(&self) -> bool {
        let in_folder = |folder: &str| self.path.split('/').rev().skip(1).any(|p| p == folder);
        in_folder("tests") || in_folder("benches") || self.path.ends_with("/tests.rs")
    }
}

/// Checks every file below `root`; the error says how many complaints were printed.
pub(crate) fn check(root: &Path) -> Result<()> {
    let complaints = complaints_below(root)?;
    for complaint in &complaints {
        say(&complaint.to_string());
    }
    match complaints.len() {
        0 => Ok(()),
        count => bail!("{count} breaches of the house rules"),
    }
}

fn complaints_below(root: &Path) -> Result<Vec<Complaint>> {
    let mut paths = Vec::new();
    collect_files(root, "", &mut paths)?;
    paths.sort();
    let mut complaints = Vec::new();
    let known: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let contents = std::fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap_or_default();
    let mut functions: HashSet<String> = HashSet::new();
    for path in &paths {
        let bytes = std::fs::read(root.join(path)).with_context(|| format!("reading {path}"))?;
        // Other files are fixtures; only their size is of interest.
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let file = File { path, text };
                check_file(&file, &mut complaints);
                functions.extend(parity::functions(&file).map(str::to_owned));
                if file.extension() == "md" {
                    book::check_page(&file, &contents, &mut complaints);
                    book::check_links(&file, &known, &mut complaints);
                }
            }
            Err(_) => text::check_size(&File { path, text: "" }, bytes.len(), &mut complaints),
        }
    }
    let page = std::fs::read_to_string(root.join("docs/parity.md")).unwrap_or_default();
    parity::check(&page, &functions, &known, &mut complaints);
    check_licence_files(&paths, &mut complaints);
    Ok(without_exceptions(complaints))
}

fn check_file(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    text::check(file, complaints);
    if file.extension() == "rs" {
        rust::check(file, complaints);
    }
    if file.path.ends_with("Cargo.toml") {
        manifest::check(file, complaints);
    }
}

fn check_licence_files(paths: &[String], complaints: &mut Vec<Complaint>) {
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !paths.iter().any(|path| path == licence) {
            let file = File {
                path: licence,
                text: "",
            };
            complaints.push(file.complain(0, Rule::Licence, "the licence's text is missing"));
        }
    }
}

fn without_exceptions(complaints: Vec<Complaint>) -> Vec<Complaint> {
    let mut used = BTreeSet::new();
    let mut left = Vec::new();
    for complaint in complaints {
        let exception = EXCEPTIONS
            .iter()
            .position(|it| it.rule == complaint.rule && it.path == complaint.path);
        match exception {
            Some(index) => drop(used.insert(index)),
            None => left.push(complaint),
        }
    }
    for (index, exception) in EXCEPTIONS.iter().enumerate() {
        assert!(!exception.reason.is_empty(), "every exception has a reason");
        if !used.contains(&index) {
            let file = File {
                path: exception.path,
                text: "",
            };
            let message = format!("the exception to {:?} is not needed", exception.rule);
            left.push(file.complain(0, Rule::UnusedException, message));
        }
    }
    left.sort();
    left
}

fn collect_files(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<()> {
    let full = root.join(folder);
    for entry in std::fs::read_dir(&full).with_context(|| format!("listing {}", full.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            collect_files(root, &path, paths)?;
        } else if kind.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Rules for any text file: lengths, white space, characters, names, and words that must not be.

use super::{Complaint, File, Rule};

const LINE_CHARS_MAX: usize = 100;
const FILE_BYTES_MAX: usize = 200 * 1024;

/// Written by hand and read line by line; documents, tables and test data may be wider.
const LINE_LIMITED: [&str; 6] = ["rs", "ts", "mjs", "js", "sh", "wat"];

/// Written by tools, for tools.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 7] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager",
];

/// Source, as opposed to documents and data.
const SOURCE: [&str; 9] = ["rs", "toml", "ts", "mjs", "js", "sh", "wat", "sql", "yml"];

/// Where packages come from is a matter of the machine that builds. (Put together here, so that
/// this file does not break its own rule.)
const REGISTRY_HOSTS: [&str; 6] = [
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("https://crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("proxy.golang", ".org"),
];

/// Work that was put off belongs in the list of what is not done, where it is seen.
const REMINDERS: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

pub(crate) fn check(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    check_name(file, complaints);
    check_size(file, file.text.len(), complaints);
    let lock = LOCK_FILES.iter().any(|name| file.path.ends_with(name));
    check_words(file, lock, complaints);
    if lock {
        return;
    }
    check_lines(file, complaints);
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let line = file.text.lines().count();
        complaints.push(file.complain(line, Rule::Whitespace, "no line break at the end"));
    }
}

pub(crate) fn check_size(file: &File<'_>, bytes: usize, complaints: &mut Vec<Complaint>) {
    let lock = LOCK_FILES.iter().any(|name| file.path.ends_with(name));
    if !lock && FILE_BYTES_MAX < bytes {
        let message = format!("{bytes} bytes; at most {FILE_BYTES_MAX}");
        complaints.push(file.complain(0, Rule::FileSize, message));
    }
}

fn check_name(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    for part in file.path.split('/') {
        let stem = part.split('.').next().unwrap_or(part);
        if EMPTY_NAMES.contains(&stem) {
            let message = format!("{stem:?} does not say what is in it; name the idea");
            complaints.push(file.complain(0, Rule::FileName, message));
        }
    }
}

fn check_words(file: &File<'_>, lock: bool, complaints: &mut Vec<Complaint>) {
    for (number, line) in numbered(file.text) {
        if let Some(host) = REGISTRY_HOSTS.iter().find(|host| line.contains(**host)) {
            let message = format!("names the registry host {host}");
            complaints.push(file.complain(number, Rule::RegistryHost, message));
        }
        let reminder = REMINDERS.iter().find(|word| has_word(line, word));
        if let (Some(word), false) = (reminder, lock) {
            let message = format!("{word}: do it, or write it where it is seen");
            complaints.push(file.complain(number, Rule::Reminder, message));
        }
    }
}

fn check_lines(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    let extension = file.extension();
    let limited = LINE_LIMITED.contains(&extension);
    let source = SOURCE.contains(&extension);
    for (number, line) in numbered(file.text) {
        let chars = line.chars().count();
        if limited && LINE_CHARS_MAX < chars {
            let message = format!("{chars} characters; at most {LINE_CHARS_MAX}");
            complaints.push(file.complain(number, Rule::LineLength, message));
        }
        if source && line.ends_with([' ', '\t', '\r']) {
            complaints.push(file.complain(number, Rule::Whitespace, "white space at the end"));
        }
        if source && !line.is_ascii() {
            let message = "a character that is not ASCII; write it as an escape, or in words";
            complaints.push(file.complain(number, Rule::Ascii, message));
        }
    }
}

/// Lines with their numbers, counted from one.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Whether `word` stands in `line` by itself, not inside a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line
            .get(start + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

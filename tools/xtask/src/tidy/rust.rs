//! Rules for Rust source: lengths, heads, banned calls, and what the core must not touch.
//!
//! The source is read as text, as `cargo fmt` lays it out; comments are left out where a rule is
//! about code. What follows `mod tests {` in a file is test code.

use super::text::{GENERATED, has_word, numbered};
use super::{Complaint, File, Rule};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Calls that are banned everywhere, with what to do instead.
const BANNED: [(&str, &str); 5] = [
    (concat!("dbg", "!("), "remove it"),
    (concat!("todo", "!("), "write it"),
    (
        concat!("unimplemented", "!("),
        "write it, or return a typed error",
    ),
    (
        concat!("#[ign", "ore"),
        "a test that does not run tests nothing; delete or repair it",
    ),
    (
        concat!("#[should", "_panic"),
        "catch the panic and check its message",
    ),
];

/// Crates that are plain state machines: time, randomness and bytes come in as arguments.
const PURE_CRATES: [&str; 5] = ["types", "page", "index", "table", "query"];

/// What those crates must not mention.
const OUTSIDE_WORLD: [&str; 12] = [
    "Instant",
    "SystemTime",
    "now_utc",
    "new_v4",
    "now_v7",
    "std::thread",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "rand",
    "tokio",
];

pub(crate) fn check(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    if file.text.starts_with(GENERATED) {
        return;
    }
    let code_lines = lines_before_tests(file);
    check_banned(file, complaints);
    if file.is_test() {
        return;
    }
    check_head(file, complaints);
    if FILE_LINES_MAX < code_lines {
        let message = format!("{code_lines} lines; at most {FILE_LINES_MAX}: split it by idea");
        complaints.push(file.complain(0, Rule::FileLength, message));
    }
    check_functions(file, code_lines, complaints);
    if file
        .path
        .split('/')
        .next()
        .is_some_and(|folder| PURE_CRATES.contains(&folder))
    {
        check_outside_world(file, code_lines, complaints);
    }
}

/// How many lines come before the file's unit tests.
fn lines_before_tests(file: &File<'_>) -> usize {
    if file.is_test() {
        return 0;
    }
    let all = file.text.lines().count();
    let tests = numbered(file.text).find(|(_, line)| line.starts_with("mod tests {"));
    tests.map_or(all, |(number, _)| number)
}

fn check_head(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    if !file.text.starts_with("//!") {
        let message = "no `//!` at the top: say what it is for, and what holds";
        complaints.push(file.complain(1, Rule::FileHead, message));
    }
}

fn check_banned(file: &File<'_>, complaints: &mut Vec<Complaint>) {
    for (number, line) in numbered(file.text) {
        let code = without_comment(line);
        for (call, instead) in BANNED {
            if code.contains(call) {
                let message = format!("`{call}` is banned: {instead}");
                complaints.push(file.complain(number, Rule::BannedCall, message));
            }
        }
        if has_word(code, "unsafe") && !code.contains('"') {
            let message = "unsafe code; find another way";
            complaints.push(file.complain(number, Rule::Unsafe, message));
        }
    }
}

fn check_outside_world(file: &File<'_>, code_lines: usize, complaints: &mut Vec<Complaint>) {
    for (number, line) in numbered(file.text).take(code_lines) {
        let code = without_comment(line);
        if let Some(word) = OUTSIDE_WORLD.iter().find(|word| has_word(code, word)) {
            let message = format!("`{word}` in a crate that must not know the outside world");
            complaints.push(file.complain(number, Rule::OutsideWorld, message));
        }
    }
}

fn check_functions(file: &File<'_>, code_lines: usize, complaints: &mut Vec<Complaint>) {
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in numbered(file.text).take(code_lines) {
        match &open {
            None => {
                let one_line = line.ends_with('}') || line.ends_with(';');
                if let (Some(name), false) = (function_name(line), one_line) {
                    let indent = &line[..line.len() - line.trim_start().len()];
                    open = Some((number, name.to_owned(), format!("{indent}}}")));
                }
            }
            Some((start, name, end)) => {
                let declared_only = line.ends_with(';') && line.trim_start().starts_with(')');
                if line != end && !declared_only {
                    continue;
                }
                let lines = number - start + 1;
                if FUNCTION_LINES_MAX < lines {
                    let message =
                        format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
                    complaints.push(file.complain(*start, Rule::FunctionLength, message));
                }
                open = None;
            }
        }
    }
}

/// The name, if a function starts in this line.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let introduction = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "extern",
        "\"C\"",
    ];
    let first = words.find(|word| !introduction.contains(word))?;
    if first != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

fn without_comment(line: &str) -> &str {
    // A `//` inside a string is cut as well; the rules then see less code, never more.
    line.split("//").next().unwrap_or(line)
}

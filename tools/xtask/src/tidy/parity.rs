//! Rules for the list of what works: the tests and files that it names are there.

use std::collections::{BTreeSet, HashSet};

use super::{Complaint, File, Rule};

const PAGE: &str = "docs/parity.md";
/// The short forms of folders that the page uses.
const FOLDERS: [(&str, &str); 7] = [
    ("c/", "tools/cli/tests/"),
    ("g/", "tools/codegen/tests/"),
    ("k/", "tools/cli/tests/kitchen_sink/"),
    ("m/", "sdks/rust/module/tests/"),
    ("s/", "sdks/conformance/tests/"),
    ("ts/", "sdks/typescript-tests/test/"),
    ("v/", "tools/cli/tests/views/"),
];
/// Names with fewer are words of a language.
const UNDERSCORES_MIN: usize = 2;

/// The names of the functions in a Rust file.
pub(super) fn functions<'a>(file: &File<'a>) -> impl Iterator<Item = &'a str> {
    let is_rust = file.extension() == "rs";
    let text = if is_rust { file.text } else { "" };
    text.split("fn ").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
        Some(&rest[..end])
    })
}

/// Complains about tests and files in the page's tables that do not exist.
pub(super) fn check(
    page: &str,
    functions: &HashSet<String>,
    paths: &BTreeSet<&str>,
    complaints: &mut Vec<Complaint>,
) {
    let file = File {
        path: PAGE,
        text: page,
    };
    let rows = page
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("| "));
    for (index, row) in rows {
        let Some(shown_by) = row.trim_end_matches(" |").rsplit(" | ").next() else {
            continue;
        };
        // Between backticks are files, between those names of tests and words.
        for (position, part) in shown_by.split('`').enumerate() {
            let missing = match position % 2 {
                0 => missing_test(part, functions).map(|name| format!("no test is called {name}")),
                _ => (!is_there(part, paths)).then(|| format!("there is no file {part}")),
            };
            complaints.extend(missing.map(|it| file.complain(index + 1, Rule::Book, it)));
        }
    }
}

fn missing_test<'a>(text: &'a str, functions: &HashSet<String>) -> Option<&'a str> {
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let is_name = |word: &&str| word.matches('_').count() >= UNDERSCORES_MIN;
    words
        .filter(is_name)
        .find(|word| !functions.contains(*word))
}

/// Whether a file or folder is called so, or ends so; what is no path is there.
fn is_there(shown: &str, paths: &BTreeSet<&str>) -> bool {
    let is_path = shown.contains('/') && !shown.contains([' ', '*', '<']);
    if !is_path {
        return true;
    }
    let folder = FOLDERS.iter().find(|(short, _)| shown.starts_with(short));
    let whole = match folder {
        Some((short, whole)) => format!("{whole}{}", &shown[short.len()..]),
        None => shown.to_owned(),
    };
    let whole = format!("/{}", whole.trim_end_matches('/'));
    paths.iter().any(|path| {
        let path = format!("/{path}");
        path.match_indices(&whole).any(|(at, _)| {
            let rest = &path[at + whole.len()..];
            rest.is_empty() || rest.starts_with(['/', '.'])
        })
    })
}

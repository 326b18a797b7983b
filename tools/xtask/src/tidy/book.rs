//! Rules for documents: each page of the book is in its table of contents, and links lead to files
//! that exist.

use std::collections::BTreeSet;

use super::{Complaint, File, Rule};

const FOLDER: &str = "docs/";
const CONTENTS: &str = "docs/SUMMARY.md";

/// Complains about a page that the contents do not name. `contents` are those of the book.
pub(super) fn check_page(file: &File<'_>, contents: &str, complaints: &mut Vec<Complaint>) {
    let is_page = file.path.starts_with(FOLDER) && file.path.ends_with(".md");
    if !is_page || file.path == CONTENTS {
        return;
    }
    let listed = links(contents).any(|(_, target)| join(CONTENTS, target) == file.path);
    if !listed {
        let message = format!("the page is missing in {CONTENTS}");
        complaints.push(file.complain(0, Rule::Book, message));
    }
}

/// Complains about links from a document to files that are not there.
pub(super) fn check_links(
    file: &File<'_>,
    paths: &BTreeSet<&str>,
    complaints: &mut Vec<Complaint>,
) {
    for (line, target) in links(file.text) {
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains(':') {
            continue;
        }
        let path = join(file.path, target);
        let folder = format!("{}/", path.trim_end_matches('/'));
        let exists = paths.contains(path.as_str())
            || paths
                .range(folder.as_str()..)
                .next()
                .is_some_and(|p| p.starts_with(&folder));
        if !exists {
            let message = format!("a link leads to {path}, which does not exist");
            complaints.push(file.complain(line, Rule::Link, message));
        }
    }
}

/// Lines and targets of the links `[text](target)` outside of code blocks.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    lines.flat_map(|(index, line)| {
        let parts = line.split("](").skip(1);
        parts.filter_map(move |part| Some((index + 1, part.split_once(')')?.0)))
    })
}

/// The path of `target` as seen from the file at `from`.
fn join(from: &str, target: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

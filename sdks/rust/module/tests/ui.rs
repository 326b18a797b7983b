//! What the compiler says about mistakes in modules: where, and in which words.
//!
//! The files in `ui` are compiled, and what is said is compared with what is written beside them.
//! `UPDATE_UI=1` writes it anew; read the change. Compared are the messages, the places and the
//! notes without a place of their own; what a compiler of another version adds does not matter.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CASES: [&str; 3] = ["functions", "table_arguments", "types"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui")
}

/// A package with a binary for every case.
fn manifest() -> String {
    let library = env!("CARGO_MANIFEST_DIR");
    let mut manifest = format!(
        "[workspace]\n\n[package]\nname = \"ui\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         autobins = false\n\n[dependencies]\nspacetimedb = {{ package = \"spacetime-module\", \
         path = {library:?}, features = [\"unstable\"] }}\n"
    );
    for case in CASES {
        let path = folder().join(format!("{case}.rs"));
        write!(manifest, "\n[[bin]]\nname = {case:?}\npath = {path:?}\n").unwrap();
    }
    manifest
}

fn target_folder() -> PathBuf {
    // The test lies in `<target>/<profile>/deps`.
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("ui")
}

/// Every message of the compiler, one JSON object a line.
fn messages() -> Vec<Value> {
    let target = target_folder();
    let package = target.join("package");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("Cargo.toml"), manifest()).unwrap();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.lock");
    std::fs::copy(lock, package.join("Cargo.lock")).unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap())
        .args([
            "check",
            "--keep-going",
            "--message-format=json",
            "--quiet",
            "--offline",
        ])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", target.join("target"))
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let parsed = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let messages: Vec<Value> = parsed.collect();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        messages.len() > CASES.len(),
        "cargo did not get to compiling: {said}"
    );
    messages
}

/// Notes that are the library's: the compiler's own are about something else.
fn is_own_note(child: &Value) -> bool {
    let text = child["message"].as_str().unwrap_or_default();
    let others = [
        "required ",
        "the following ",
        "the full ",
        "consider ",
        "this error ",
        "`#[",
    ];
    child["level"] == "note"
        && child["spans"].as_array().is_none_or(Vec::is_empty)
        && !others.iter().any(|other| text.starts_with(other))
}

/// One error: its text, its place in the file, what is written there, and the notes.
fn shown(message: &Value) -> String {
    let mut text = format!(
        "error: {}\n",
        message["message"].as_str().unwrap_or_default()
    );
    let spans = message["spans"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for span in spans.iter().filter(|span| span["is_primary"] == true) {
        let (line, column) = (&span["line_start"], &span["column_start"]);
        let source = span["text"][0]["text"].as_str().unwrap_or_default().trim();
        writeln!(text, "  at {line}:{column}: {source}").unwrap();
        if let Some(label) = span["label"].as_str() {
            writeln!(text, "  label: {label}").unwrap();
        }
    }
    let children = message["children"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for child in children.iter().filter(|child| is_own_note(child)) {
        writeln!(
            text,
            "  note: {}",
            child["message"].as_str().unwrap_or_default()
        )
        .unwrap();
    }
    text
}

#[test]
fn mistakes_are_explained() {
    let messages = messages();
    let mut wrong = Vec::new();
    for case in CASES {
        let is_error = |message: &&Value| {
            message["target"]["name"] == case
                && message["message"]["level"] == "error"
                && message["message"]["spans"]
                    .as_array()
                    .is_some_and(|spans| !spans.is_empty())
        };
        let errors = messages.iter().filter(is_error);
        let mut found: Vec<String> = errors.map(|message| shown(&message["message"])).collect();
        found.sort();
        let found = found.join("\n");
        let file = folder().join(format!("{case}.txt"));
        if std::env::var_os("UPDATE_UI").is_some() {
            std::fs::write(&file, &found).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != found {
            eprintln!("=== {case}\n{found}");
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "other messages than expected: {wrong:?}");
}

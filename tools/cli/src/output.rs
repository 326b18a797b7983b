//! The one place that prints: results and progress to stdout, what went wrong to stderr.
//!
//! Invariant: a reader that goes away (`spacetime logs db | head`) ends the program quietly.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// A line of results or progress.
pub(crate) fn say(line: impl Display) {
    write(format_args!("{line}\n"));
}

/// Text without a line end, shown at once.
pub(crate) fn say_part(text: impl Display) {
    write(format_args!("{text}"));
}

fn write(text: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_fmt(text).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        // A full disk behind a redirection: nobody else can be told.
        Err(error) => {
            eprintln!("Error: cannot write to the standard output: {error}");
            std::process::exit(1);
        }
        Ok(()) => {}
    }
}

/// Something to know that is not a result.
pub(crate) fn note(line: impl Display) {
    eprintln!("{line}");
}

/// The head of a command whose flags may still change.
pub(crate) fn warn_unstable() {
    eprintln!("WARNING: This command is UNSTABLE and subject to breaking changes.\n");
}

/// An error and what caused it.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("Error: {error}");
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if !causes.is_empty() {
        eprintln!("\nCaused by:");
        for cause in causes {
            eprintln!("    {cause}");
        }
    }
}

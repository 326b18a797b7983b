//! The one place that prints: results and progress to stdout, what went wrong to stderr.

#![expect(
    clippy::print_stdout,
    reason = "this is where a command's results are printed"
)]

use std::fmt::Display;

/// A line of results or progress.
pub(crate) fn say(line: impl Display) {
    println!("{line}");
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

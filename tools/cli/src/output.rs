//! The one place that prints: results and progress to stdout, what went wrong to stderr.
//!
//! Invariants
//!   * A reader that goes away (`spacetime logs db | head`) ends the program quietly.
//!   * There are colours on terminals only, and none where NO_COLOR is set.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::sync::OnceLock;

/// Colours of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Dim,
}

impl Colour {
    /// The text in this colour, if it goes to a terminal.
    pub(crate) fn paint(self, text: &str) -> String {
        static COLOURED: OnceLock<bool> = OnceLock::new();
        match *COLOURED.get_or_init(|| wants_colour(&std::io::stdout())) {
            true => self.painted(text),
            false => text.to_owned(),
        }
    }

    fn painted(self, text: &str) -> String {
        let code = match self {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Dim => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether what goes there may be coloured.
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    let refuses = std::env::var_os("NO_COLOR").is_some();
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !refuses && !is_dumb && stream.is_terminal()
}

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
    let head = match wants_colour(&std::io::stderr()) {
        true => Colour::Red.painted("Error:"),
        false => "Error:".to_owned(),
    };
    eprintln!("{head} {error}");
    let mut last = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors say their cause themselves.
        if !last.contains(&cause) {
            causes.push(cause.clone());
        }
        last = cause;
    }
    if !causes.is_empty() {
        eprintln!("\nCaused by:");
        for cause in causes {
            eprintln!("    {cause}");
        }
    }
}

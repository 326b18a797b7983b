//! The terminal in another mode for a while: keys come one by one, and are not echoed. `stty` sets
//! it up, which is wherever there is a terminal.
//!
//! Invariant: whatever ends the while, the terminal is given back as it was.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What a terminal has that does not tell its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// The mode, until it is dropped.
#[derive(Debug)]
pub(crate) struct KeyMode {
    /// How it was, as `stty` tells it.
    before: String,
}

impl KeyMode {
    /// From now on. With `signals` Ctrl-C interrupts; without, it is a key.
    pub(crate) fn enter(signals: bool) -> Result<Self> {
        let mode = KeyMode {
            before: stty(&["-g"])?.trim().to_owned(),
        };
        let isig = if signals { "isig" } else { "-isig" };
        stty(&["-icanon", "-echo", isig, "min", "1", "time", "0"])?;
        Ok(mode)
    }
}

impl Drop for KeyMode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing given back.
        drop(stty(&[&self.before]));
    }
}

/// Whether somebody types, and sees what is written.
pub(crate) fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Columns and rows.
pub(crate) fn size() -> (usize, usize) {
    let told = stty(&["size"]).unwrap_or_default();
    let mut numbers = told.split_whitespace().map(str::parse::<usize>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(rows)), Some(Ok(columns))) if rows > 0 && columns > 0 => (columns, rows),
        _ => USUAL_SIZE,
    }
}

fn stty(arguments: &[&str]) -> Result<String> {
    let output = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::inherit())
        .output()
        .context("`stty` cannot be started")?;
    if !output.status.success() {
        bail!("the terminal cannot be used");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

//! Running other programs, and saying what is going on.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Writes one line for the person who started the chore. A closed pipe is no reason to stop.
pub fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // Nobody is left to tell if this fails.
    drop(writeln!(output, "{line}"));
}

/// The cargo that started this chore.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(crate::repository_folder());
    cargo
}

/// Runs a program to its end, with its output shown as it comes.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// The same, for a program that might never end: it is killed when the time is up.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = show(command);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("`{shown}` failed ({status})");
            }
            return Ok(());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    bail!(
        "`{shown}` did not end within {} s; it was killed",
        limit.as_secs()
    )
}

/// Runs a program to its end and returns what it printed, without the last line break.
pub fn output_of(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

//! `cargo xtask fuzz`: runs each target of `fuzz/` for a while, if `cargo fuzz` is installed.
//!
//! The compiler is the project's own: `RUSTC_BOOTSTRAP` lets it take the flags that cargo-fuzz
//! passes. No sanitizer: there is no unsafe code of ours to watch, and without one it is faster.
//! The same checks run as property tests in any case (`tools/fuzz-oracles/tests`).

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use toml::{Table, Value};

use crate::process::{cargo, run_within, say};
use crate::{repository_folder, target_folder};

/// What the fuzzer may take beyond its time: it starts, and builds the first time.
const SLACK: Duration = Duration::from_secs(30 * 60);
/// Inputs are small; what needs more memory than this is a defect.
const MEMORY_MB: u32 = 1024;
/// Bytes of an input.
const INPUT_LEN_MAX: u32 = 4096;

#[derive(Debug, Args)]
pub struct FuzzArguments {
    /// How long to run each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this one
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets; one that finds something fails the whole, after all have run.
pub fn fuzz(arguments: &FuzzArguments) -> Result<()> {
    let targets = targets()?;
    let chosen: Vec<&String> = match &arguments.target {
        None => targets.iter().collect(),
        Some(wanted) => targets.iter().filter(|name| *name == wanted).collect(),
    };
    if chosen.is_empty() {
        bail!("there is no such target; there are: {}", targets.join(", "));
    }
    if !is_installed() {
        say(&format!(
            "Skipped, as cargo-fuzz is not installed (`cargo install cargo-fuzz`): {}. Their \
             checks run as property tests all the same: cargo test -p spacetime-fuzz-oracles",
            targets.join(", ")
        ));
        return Ok(());
    }
    let mut failed = Vec::new();
    for target in chosen {
        say(&format!("=== {target}, {} s", arguments.seconds));
        if let Err(error) = run_target(target, arguments.seconds) {
            say(&format!("Error: {error:#}"));
            failed.push(target.as_str());
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!(
            "failed: {}; the inputs are below {}, and `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none \
             TARGET FILE` runs one again",
            failed.join(", "),
            target_folder().join("fuzz").join("found").display()
        ),
    }
}

/// All targets, for a limited time each; as a step of the tests.
pub fn all_for_a_minute() -> Result<()> {
    fuzz(&FuzzArguments {
        seconds: 60,
        target: None,
    })
}

/// The names in the targets' manifest.
fn targets() -> Result<Vec<String>> {
    let path = repository_folder().join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    let table: Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let bins = table.get("bin").and_then(Value::as_array);
    let names = bins
        .into_iter()
        .flatten()
        .filter_map(|bin| bin.get("name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}

fn is_installed() -> bool {
    let mut version = cargo();
    version
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

fn run_target(target: &str, seconds: u64) -> Result<()> {
    // Beside the builds, not among the sources: inputs of any bytes break the house rules.
    let build = target_folder().join("fuzz");
    let corpus = build.join("corpus").join(target);
    let found = found_folder(target);
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    let mut command: Command = cargo();
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &build)
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .arg(corpus)
        .arg("--")
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-max_len={INPUT_LEN_MAX}"))
        .args(["-timeout=10", "-print_final_stats=1", "-verbosity=0"]);
    run_within(&mut command, Duration::from_secs(seconds) + SLACK)
}

/// Where inputs go that broke something.
fn found_folder(target: &str) -> PathBuf {
    target_folder().join("fuzz").join("found").join(target)
}

//! Bindings for the client, from the program that was just built.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::project::{GenerateEntry, Project};

/// Flags of `generate` that an entry of the configuration may set, and whether they are paths.
const FLAGS: [(&str, &str, bool); 4] = [
    ("namespace", "--namespace", false),
    ("uproject-dir", "--uproject-dir", true),
    ("unreal-module-name", "--unreal-module-name", false),
    ("module-prefix", "--module-prefix", false),
];

/// Those of one entry.
pub(super) fn generate_entry(
    project: &Project,
    entry: &GenerateEntry,
    program: &Path,
) -> Result<()> {
    entry.check_keys()?;
    let lang = entry
        .text("language")?
        .context("an element of `generate` has no language")?;
    let mut generate = command(lang, program)?;
    if let Some(folder) = entry.text("out-dir")? {
        generate.arg("--out-dir").arg(project.path(folder));
    }
    for (key, flag, is_path) in FLAGS {
        match entry.text(key)? {
            Some(value) if is_path => generate.arg(flag).arg(project.path(value)),
            Some(value) => generate.args([flag, value]),
            None => &mut generate,
        };
    }
    if entry.flag("include-private")? {
        generate.arg("--include-private");
    }
    run(generate)
}

/// Those for a client that is not configured.
pub(super) fn generate(lang: &str, folder: &Path, program: &Path) -> Result<()> {
    let mut generate = command(lang, program)?;
    generate.arg("--out-dir").arg(folder);
    run(generate)
}

fn command(lang: &str, program: &Path) -> Result<Command> {
    let this = std::env::current_exe().context("this program's file is not known")?;
    let mut generate = Command::new(this);
    generate
        .args(["generate", "--no-config", "--yes", "--lang", lang])
        .arg("--bin-path")
        .arg(program)
        .stdin(Stdio::null());
    Ok(generate)
}

fn run(mut generate: Command) -> Result<()> {
    let status = generate.status().context("cannot start the generator")?;
    if !status.success() {
        bail!("the bindings were not generated ({status})");
    }
    Ok(())
}

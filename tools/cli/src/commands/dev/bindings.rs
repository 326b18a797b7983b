//! Bindings for the client, from the program that was just built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::project::{GenerateEntry, Project};
use crate::templates::BINDINGS_FOLDER;

/// Flags of `generate` that an entry of the configuration may set, and whether they are paths.
const FLAGS: [(&str, &str, bool); 4] = [
    ("namespace", "--namespace", false),
    ("uproject-dir", "--uproject-dir", true),
    ("unreal-module-name", "--unreal-module-name", false),
    ("module-prefix", "--module-prefix", false),
];

/// Folders in folders of bindings that are looked at.
const DEPTH_MAX: usize = 8;

/// Those of one entry. True if they have changed.
pub(super) fn generate_entry(
    project: &Project,
    entry: &GenerateEntry,
    program: &Path,
) -> Result<bool> {
    entry.check_keys()?;
    let lang = entry
        .text("language")?
        .context("an element of `generate` has no language")?;
    let mut generate = command(lang, program)?;
    let folder = entry.text("out-dir")?.map(|folder| project.path(folder));
    if let Some(folder) = &folder {
        generate.arg("--out-dir").arg(folder);
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
    run(
        generate,
        folder.as_deref().unwrap_or(Path::new(BINDINGS_FOLDER)),
    )
}

/// Those for a client that is not configured. True if they have changed.
pub(super) fn generate(lang: &str, folder: &Path, program: &Path) -> Result<bool> {
    let mut generate = command(lang, program)?;
    generate.arg("--out-dir").arg(folder);
    run(generate, folder)
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

fn run(mut generate: Command, folder: &Path) -> Result<bool> {
    let before = times(folder, 0);
    let status = generate.status().context("cannot start the generator")?;
    if !status.success() {
        bail!("the bindings were not generated ({status})");
    }
    Ok(times(folder, 0) != before)
}

/// When each file in a folder was written; only those that change are.
fn times(folder: &Path, depth: usize) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut times = BTreeMap::new();
    let Some(entries) = std::fs::read_dir(folder).ok().filter(|_| depth < DEPTH_MAX) else {
        return times;
    };
    for entry in entries.filter_map(Result::ok) {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => times.extend(self::times(&entry.path(), depth + 1)),
            false => {
                let written = entry.metadata().and_then(|it| it.modified()).ok();
                times.insert(entry.path(), written);
            }
        }
    }
    times
}

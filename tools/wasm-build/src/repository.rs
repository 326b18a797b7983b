//! The modules of this repository, for its own tests, benchmarks and chores.
//!
//! They are built once, into `modules-build` in the target folder, and copied to `modules` in
//! it; when nothing has changed this takes about a second.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::{Build, BuildError, Install, RouteError, build, find_route};

/// A folder with the modules already built: tests then do not ask cargo again, each process
/// for itself.
const BUILT_VARIABLE: &str = "SPACETIME_MODULES_DIR";

/// Why a module of this repository is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Install what the message names.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Look at the compiler's messages.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Look at the disk: full, or not to be read or written.
    #[error("cannot read or write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Use the name of one of the modules listed.
    #[error("there is no module {name:?} in {}; there are: {known}", folder.display())]
    NoSuchModule {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The names that exist.
        known: String,
    },
}

/// The `.wasm` file of one of the repository's modules, by its file name without the ending
/// (`chat`, `kitchen_sink`, `transfers`). Builds all of them on the first call in a process,
/// unless they were built before and the environment says where.
pub fn repository_module(name: &str) -> Result<PathBuf, RepositoryError> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    // Tests of one process ask side by side: the first one builds, the others wait.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = match FOLDER.get() {
        Some(folder) => folder,
        None => {
            let folder = match std::env::var_os(BUILT_VARIABLE) {
                Some(folder) => PathBuf::from(folder),
                None => build_repository_modules(Install::Never, &mut |_| {})?,
            };
            FOLDER.get_or_init(|| folder)
        }
    };
    let file = folder.join(format!("{name}.wasm"));
    if file.is_file() {
        return Ok(file);
    }
    Err(RepositoryError::NoSuchModule {
        name: name.to_owned(),
        folder: folder.clone(),
        known: names_in(folder).join(", "),
    })
}

/// Builds all of the repository's modules and returns the folder with the `.wasm` files.
pub fn build_repository_modules(
    install: Install,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, RepositoryError> {
    let folder = repository_folder().join("modules");
    build_all(&folder, "modules", true, install, say)
}

/// The same with this project's own library for modules instead of the official one, from the
/// very same sources: only the manifests are others, written next to the artifacts.
pub fn build_repository_modules_with_own_library(
    install: Install,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, RepositoryError> {
    let folder = target_folder().join("modules-own-manifests");
    write_manifests(&repository_folder(), &folder)?;
    build_all(&folder, "modules-own", false, install, say)
}

/// Builds the workspace in `folder` into `{name}-build` and copies its modules to `name`.
fn build_all(
    folder: &Path,
    name: &str,
    locked: bool,
    install: Install,
    say: &mut dyn FnMut(&str),
) -> Result<PathBuf, RepositoryError> {
    let route = find_route(folder, install, say)?;
    say(&format!("building {name}: {}", route.describe()));
    let target = target_folder();
    let artifacts = build(
        &route,
        &Build {
            target_folder: Some(target.join(format!("{name}-build"))),
            locked,
            ..Build::release(folder)
        },
    )?;
    let folder = target.join(name);
    std::fs::create_dir_all(&folder).map_err(write_error(&folder))?;
    for artifact in artifacts {
        let Some(name) = artifact.file_name() else {
            continue;
        };
        let copy = folder.join(name);
        copy_if_different(&artifact, &copy).map_err(write_error(&copy))?;
    }
    Ok(folder)
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> RepositoryError + use<> {
    let path = path.to_owned();
    move |source| RepositoryError::Write { path, source }
}

/// What the modules' manifest says about the official library.
const OFFICIAL_LIBRARY: &str = "spacetimedb = \"";

/// Writes manifests of a workspace like that of the modules, whose packages have the same sources
/// and this project's library under the official one's name.
fn write_manifests(repository: &Path, folder: &Path) -> Result<(), RepositoryError> {
    let modules = repository.join("modules");
    let library = repository.join("sdks/rust/module");
    let read = |path: &Path| std::fs::read_to_string(path).map_err(write_error(path));
    let write = |path: &Path, text: &str| {
        if std::fs::read_to_string(path).is_ok_and(|existing| existing == text) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(path);
        std::fs::create_dir_all(parent).map_err(write_error(parent))?;
        std::fs::write(path, text).map_err(write_error(path))
    };
    let workspace = read(&modules.join("Cargo.toml"))?;
    let dependency =
        format!("spacetimedb = {{ package = \"spacetime-module\", path = {library:?} }}");
    let lines = workspace
        .lines()
        .map(|line| match line.starts_with(OFFICIAL_LIBRARY) {
            true => dependency.as_str(),
            false => line,
        });
    let own: Vec<&str> = lines.collect();
    write(&folder.join("Cargo.toml"), &(own.join("\n") + "\n"))?;
    // The same versions of everything that both libraries use.
    let lock = folder.join("Cargo.lock");
    if !lock.exists() {
        write(&lock, &read(&modules.join("Cargo.lock"))?)?;
    }
    for member in members(&workspace) {
        let manifest = read(&modules.join(member).join("Cargo.toml"))?;
        let source = modules.join(member).join("src/lib.rs");
        let lib = format!("[lib]\npath = {source:?}\n");
        let manifest = manifest.replace("[lib]\n", &lib);
        write(&folder.join(member).join("Cargo.toml"), &manifest)?;
    }
    Ok(())
}

/// The folders of a workspace's members: one to a line, between quotes.
fn members(workspace: &str) -> Vec<&str> {
    workspace
        .lines()
        .skip_while(|line| !line.starts_with("members"))
        .take_while(|line| *line != "]")
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect()
}

/// Leaves an equal copy alone, and never shows a half-written one: another process may be
/// reading it.
fn copy_if_different(source: &Path, target: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(source)?;
    if std::fs::read(target).is_ok_and(|existing| existing == bytes) {
        return Ok(());
    }
    let partial = target.with_extension(format!("{}.partial", std::process::id()));
    std::fs::write(&partial, bytes)?;
    std::fs::rename(partial, target)
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn repository_folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The folder that this build's own artifacts go to.
fn target_folder() -> PathBuf {
    let root = repository_folder();
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_once_and_kept_while_equal() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("a"), folder.path().join("b.wasm"));
        std::fs::write(&source, b"one").unwrap();
        copy_if_different(&source, &target).unwrap();
        let first = std::fs::metadata(&target).unwrap().modified().unwrap();
        copy_if_different(&source, &target).unwrap();
        assert_eq!(
            std::fs::metadata(&target).unwrap().modified().unwrap(),
            first
        );
        std::fs::write(&source, b"two").unwrap();
        copy_if_different(&source, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"two");
        assert_eq!(names_in(folder.path()), ["b"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn manifests_name_the_own_library_and_the_same_sources() {
        let folder = tempfile::tempdir().unwrap();
        write_manifests(&repository_folder(), folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let workspace = read("Cargo.toml");
        assert!(
            workspace.contains("package = \"spacetime-module\""),
            "{workspace}"
        );
        assert!(!workspace.contains(OFFICIAL_LIBRARY), "{workspace}");
        assert!(
            members(&workspace).contains(&"migrations/v1"),
            "{workspace}"
        );
        assert!(read("chat/Cargo.toml").contains("modules/chat/src/lib.rs"));
    }

    #[test]
    fn the_repository_folder_is_the_one_with_the_modules() {
        assert!(
            repository_folder()
                .join("modules/chat/Cargo.toml")
                .is_file()
        );
    }
}

//! What has to be on a machine before the project can be built, run and tested.
//!
//! Everything here is quick when there is nothing to do, and says what it installs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use spacetime_wasm_build::{
    Install, Route, build_repository_modules, build_repository_modules_with_own_library, find_route,
};

use crate::process::{output_of, run, say};
use crate::repository_folder;

/// The oldest Node that the TypeScript client is tested with.
const NODE_MAJOR_MIN: u32 = 20;

/// All of it.
pub fn everything() -> Result<()> {
    wasm_route()?;
    typescript_packages()
}

/// Makes sure that modules can be built here.
pub fn wasm_route() -> Result<()> {
    let modules = repository_folder().join("modules");
    let route = find_route(&modules, Install::IfMissing, &mut say)?;
    say(&format!("building modules: {}", route.describe()));
    Ok(())
}

/// Builds all modules; returns the folder with the `.wasm` files.
pub fn build_modules() -> Result<PathBuf> {
    Ok(build_repository_modules(Install::IfMissing, &mut say)?)
}

/// Builds them with this project's library for modules instead of the official one.
pub fn build_modules_with_own_library() -> Result<PathBuf> {
    Ok(build_repository_modules_with_own_library(
        Install::IfMissing,
        &mut say,
    )?)
}

/// The folder of this project's TypeScript client.
pub fn typescript_client_folder() -> PathBuf {
    repository_folder().join("sdks").join("typescript")
}

/// The folder of the scenarios that run with the official TypeScript client and with this one.
pub fn typescript_folder() -> PathBuf {
    repository_folder().join("sdks").join("typescript-tests")
}

/// Builds the TypeScript client, and installs what it and the scenarios need, as the lock files
/// have it.
pub fn typescript_packages() -> Result<()> {
    check_node()?;
    let client = typescript_client_folder();
    install_packages(&client)?;
    run(Command::new("npm")
        .args(["run", "build", "--silent"])
        .current_dir(&client))?;
    install_packages(&typescript_folder())
}

fn install_packages(folder: &Path) -> Result<()> {
    if is_up_to_date(folder) {
        return Ok(());
    }
    say(&format!("installing: npm ci (in {})", folder.display()));
    let quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    run(Command::new("npm").args(quiet).current_dir(folder))
}

/// Whether OpenSSL's headers are there, installed if that is possible.
pub fn has_openssl() -> bool {
    let is_there = || {
        let probe = Command::new("pkg-config")
            .args(["--exists", "openssl"])
            .status();
        probe.is_ok_and(|status| status.success())
    };
    let install = [
        "install",
        "-y",
        "--no-install-recommends",
        "libssl-dev",
        "pkg-config",
    ];
    is_there() || (Command::new("apt-get").args(install).status().is_ok() && is_there())
}

/// Whether the toolchain in use can lint for WebAssembly as it is.
pub fn has_wasm_target() -> Result<bool> {
    let route = find_route(&repository_folder(), Install::IfMissing, &mut say)?;
    Ok(matches!(route, Route::Target))
}

/// Whether there is a browser, installed if that is possible.
pub fn has_chromium() -> bool {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    let is_there = || named.iter().chain(&places).any(|place| place.exists());
    let install = ["install", "-y", "--no-install-recommends", "chromium"];
    is_there() || (Command::new("apt-get").args(install).status().is_ok() && is_there())
}

fn check_node() -> Result<()> {
    let needed = format!("Node {NODE_MAJOR_MIN} or newer, with npm, is needed for the tests");
    let version = output_of(Command::new("node").arg("--version"))
        .with_context(|| format!("{needed}; install it (Debian: apt-get install nodejs npm)"))?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|n| n.parse().ok());
    match major {
        Some(major) if NODE_MAJOR_MIN <= major => Ok(()),
        _ => bail!("{needed}; here it is {version:?}"),
    }
}

/// Whether npm has installed exactly this lock file: it keeps a copy of what it installed.
fn is_up_to_date(folder: &Path) -> bool {
    let modified = |file: PathBuf| std::fs::metadata(file).and_then(|meta| meta.modified());
    let wanted = modified(folder.join("package-lock.json"));
    let installed = modified(folder.join("node_modules").join(".package-lock.json"));
    matches!((wanted, installed), (Ok(wanted), Ok(installed)) if wanted <= installed)
}

//! How this machine can compile Rust to WebAssembly.
//!
//! In order of preference:
//!   1. the active toolchain has the target's standard library;
//!   2. rustup can add it;
//!   3. a compiler with the sources of its standard library is there (Debian's `rustc-web` and
//!      `rust-web-src`, or rustup's `rust-src`), and cargo builds the library with the module;
//!   4. as root on Debian, those packages can be installed.
//!
//! Invariant: a route is returned only after what it needs was seen on disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TARGET;

/// Takes the choice away from [`find_route`]: `target` or `build-std`.
const ROUTE_VARIABLE: &str = "SPACETIME_WASM_ROUTE";

/// Debian's packages: a recent compiler, the sources of its library, a linker for wasm.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld"];

/// Where Debian's compiler lies; the active toolchain's comes first on the path.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// Linkers for wasm that may be on the path, best first. The versioned names are Debian's.
const LINKERS: [&str; 3] = ["wasm-ld", "rust-lld", "wasm-ld-14"];

/// A way to compile to WebAssembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The active toolchain brings the target's standard library.
    Target,
    /// The standard library is compiled along with the module.
    BuildStd {
        /// The compiler whose library's sources are there; none is the active toolchain's.
        rustc: Option<PathBuf>,
        /// What links the module.
        linker: PathBuf,
    },
}

impl Route {
    /// What this route is, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Target => format!("the active toolchain has the target {TARGET}"),
            Self::BuildStd { rustc, linker } => {
                let rustc = rustc.as_deref().unwrap_or(Path::new("rustc"));
                format!(
                    "{} builds its standard library for {TARGET} along with the module, {} links",
                    rustc.display(),
                    linker.display()
                )
            }
        }
    }

    /// Adds to a `cargo build` what this route needs.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        let Self::BuildStd { rustc, linker } = self else {
            return;
        };
        if let Some(rustc) = rustc {
            cargo.env("RUSTC", rustc);
        }
        cargo
            // Building the library is open to nightly compilers only; this opens it to any.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .arg("-Zbuild-std=std,panic_abort");
    }

    /// Keeps artifacts of different compilers apart: they cannot be mixed.
    pub(crate) fn folder(&self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::BuildStd { .. } => "build-std",
        }
    }
}

/// Whether [`find_route`] may install what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// Look only.
    Never,
    /// Ask rustup for the target and, as root, Debian's package manager for a compiler.
    IfMissing,
}

/// Why modules cannot be built here.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Nothing that can compile to WebAssembly is here. Install one of the two things named.
    #[error(
        "no Rust compiler here can build for {TARGET}.\n{tried}\
         Install one of these, then try again:\n  \
         rustup target add {TARGET}\n  \
         apt-get install {packages}    (Debian, as root)",
        packages = DEBIAN_PACKAGES.join(" ")
    )]
    NoCompiler {
        /// What was tried, one line each.
        tried: String,
    },
    /// Set the variable to one of the values named, or remove it.
    #[error("{ROUTE_VARIABLE} is {found:?}; it can be `target` or `build-std`")]
    UnknownRoute {
        /// What it was set to.
        found: String,
    },
}

/// Finds a way to compile the module in `folder` to WebAssembly (a toolchain file in it counts);
/// `say` gets a line before each thing that is installed.
pub fn find_route(
    folder: &Path,
    install: Install,
    say: &mut dyn FnMut(&str),
) -> Result<Route, RouteError> {
    let (target, build_std) = match std::env::var(ROUTE_VARIABLE).as_deref() {
        Err(_) | Ok("") => (true, true),
        Ok("target") => (true, false),
        Ok("build-std") => (false, true),
        Ok(found) => {
            return Err(RouteError::UnknownRoute {
                found: found.to_owned(),
            });
        }
    };
    let mut tried = String::new();
    if target {
        if has_target(folder) {
            return Ok(Route::Target);
        }
        if install == Install::IfMissing {
            say(&format!("installing: rustup target add {TARGET}"));
            note(
                &mut tried,
                run(folder, "rustup", &["target", "add", TARGET]),
            );
            if has_target(folder) {
                return Ok(Route::Target);
            }
        }
    }
    if build_std {
        if let Some(route) = build_std_route(folder) {
            return Ok(route);
        }
        if install == Install::IfMissing {
            install_debian_packages(folder, &mut tried, say);
            if let Some(route) = build_std_route(folder) {
                return Ok(route);
            }
        }
    }
    Err(RouteError::NoCompiler { tried })
}

/// Whether the active toolchain's standard library exists for the target.
fn has_target(folder: &Path) -> bool {
    let Some(sysroot) = sysroot(folder, Path::new("rustc")) else {
        return false;
    };
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    has_file_starting_with(&library, "libstd-")
}

/// A compiler whose library's sources are there, together with a linker.
fn build_std_route(folder: &Path) -> Option<Route> {
    let system = Path::new(SYSTEM_RUSTC);
    let rustc = if has_library_sources(folder, Path::new("rustc")) {
        None
    } else if system.is_file() && has_library_sources(folder, system) {
        Some(system.to_owned())
    } else {
        return None;
    };
    Some(Route::BuildStd {
        rustc,
        linker: find_linker(folder)?,
    })
}

fn has_library_sources(folder: &Path, rustc: &Path) -> bool {
    sysroot(folder, rustc).is_some_and(|root| {
        root.join("lib/rustlib/src/rust/library/std/Cargo.toml")
            .is_file()
    })
}

/// The toolchain's own linker, or one on the path.
fn find_linker(folder: &Path) -> Option<PathBuf> {
    let own = sysroot(folder, Path::new("rustc")).and_then(|root| {
        let hosts = std::fs::read_dir(root.join("lib/rustlib")).ok()?;
        hosts
            .filter_map(Result::ok)
            .map(|host| host.path().join("bin").join("rust-lld"))
            .find(|linker| linker.is_file())
    });
    own.or_else(|| LINKERS.iter().find_map(|name| on_path(name)))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn has_file_starting_with(folder: &Path, start: &str) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with(start))
    })
}

fn sysroot(folder: &Path, rustc: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    let output = command
        .args(["--print", "sysroot"])
        .current_dir(folder)
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim_end()))
}

fn install_debian_packages(folder: &Path, tried: &mut String, say: &mut dyn FnMut(&str)) {
    if on_path("apt-get").is_none() {
        tried.push_str("  apt-get: there is none\n");
        return;
    }
    if !is_root() {
        tried.push_str("  apt-get: not tried, since this is not root\n");
        return;
    }
    say(&format!(
        "installing: apt-get install {}",
        DEBIAN_PACKAGES.join(" ")
    ));
    note(tried, run(folder, "apt-get", &["update", "--quiet"]));
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    arguments.extend(DEBIAN_PACKAGES);
    note(tried, run(folder, "apt-get", &arguments));
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn note(tried: &mut String, result: Result<(), String>) {
    if let Err(line) = result {
        tried.push_str("  ");
        tried.push_str(&line);
        tried.push('\n');
    }
}

/// Runs a program to its end; the error is one line with the last thing it said.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let shown = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no message");
    Err(format!("{shown}: {}: {last}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_install_when_there_is_nothing() {
        let error = RouteError::NoCompiler {
            tried: "  rustup: no\n".to_owned(),
        }
        .to_string();
        for part in [
            "  rustup: no\n",
            "rustup target add wasm32",
            "apt-get install rustc-web",
        ] {
            assert!(error.contains(part), "{part:?} is missing from {error:?}");
        }
    }

    #[test]
    fn a_failing_program_is_reported_in_one_line() {
        let error = run(
            ".".as_ref(),
            "sh",
            &["-c", "echo first >&2; echo last >&2; exit 3"],
        )
        .unwrap_err();
        assert!(
            error.ends_with(": last") && error.lines().count() == 1,
            "{error:?}"
        );
        let error = run(".".as_ref(), "no-such-program-anywhere", &[]).unwrap_err();
        assert!(error.starts_with("no-such-program-anywhere"), "{error:?}");
    }

    #[test]
    fn only_the_second_route_changes_the_compiler() {
        let mut cargo = Command::new("cargo");
        Route::Target.apply(&mut cargo);
        assert_eq!(cargo.get_envs().count() + cargo.get_args().count(), 0);
        let linker = PathBuf::from("/linker");
        Route::BuildStd {
            rustc: Some("/compiler".into()),
            linker,
        }
        .apply(&mut cargo);
        let compiler = cargo
            .get_envs()
            .find(|(name, _)| *name == "RUSTC")
            .and_then(|(_, v)| v);
        assert_eq!(compiler, Some("/compiler".as_ref()));
    }
}

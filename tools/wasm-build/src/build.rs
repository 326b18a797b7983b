//! One `cargo build` of a module, or of a workspace of modules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Route, TARGET};

/// What to build, and how.
#[derive(Debug, Clone)]
pub struct Build {
    /// The folder with the module's `Cargo.toml`.
    pub folder: PathBuf,
    /// Where artifacts go; none is cargo's own choice.
    pub target_folder: Option<PathBuf>,
    /// Optimised or not.
    pub profile: Profile,
    /// Cargo features, comma separated; empty for the defaults.
    pub features: String,
    /// Whether the lock file must be there and right.
    pub locked: bool,
}

/// How much the compiler optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Fast to build, slow to run.
    Debug,
    /// What is published.
    Release,
}

impl Build {
    /// An optimised build with the module's default features.
    pub fn release(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            target_folder: None,
            profile: Profile::Release,
            features: String::new(),
            locked: false,
        }
    }
}

/// Why a module was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Point to the folder with the module's `Cargo.toml`.
    #[error("there is no Cargo.toml in {}", folder.display())]
    NoManifest {
        /// Where it should have been.
        folder: PathBuf,
    },
    /// Install cargo, or put it on the path.
    #[error("cannot start cargo: {0}")]
    Start(#[source] std::io::Error),
    /// The compiler has said what is wrong, on the standard error stream.
    #[error("cargo could not build the module in {} ({status})", folder.display())]
    Failed {
        /// What was being built.
        folder: PathBuf,
        /// How cargo ended.
        status: std::process::ExitStatus,
    },
    /// Add `crate-type = ["cdylib"]` under `[lib]` in the module's `Cargo.toml`.
    #[error(
        "the build of {} made no .wasm file; its Cargo.toml needs `crate-type = [\"cdylib\"]` \
         under [lib]",
        folder.display()
    )]
    NoWasm {
        /// What was built.
        folder: PathBuf,
    },
}

/// Builds, and returns the `.wasm` files in the order in which cargo finished them. The
/// compiler's messages go to the standard error stream. Quick when everything is up to date.
pub fn build(route: &Route, build: &Build) -> Result<Vec<PathBuf>, BuildError> {
    if !build.folder.join("Cargo.toml").is_file() {
        return Err(BuildError::NoManifest {
            folder: build.folder.clone(),
        });
    }
    let output = cargo(route, build).output().map_err(BuildError::Start)?;
    if !output.status.success() {
        let folder = build.folder.clone();
        return Err(BuildError::Failed {
            folder,
            status: output.status,
        });
    }
    let artifacts = wasm_artifacts(&String::from_utf8_lossy(&output.stdout));
    if artifacts.is_empty() {
        return Err(BuildError::NoWasm {
            folder: build.folder.clone(),
        });
    }
    Ok(artifacts)
}

fn cargo(route: &Route, build: &Build) -> Command {
    // Inside a cargo run, `CARGO` is that very cargo.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut cargo = Command::new(program);
    cargo.arg("build").arg("--target").arg(TARGET);
    route.apply(&mut cargo);
    if build.profile == Profile::Release {
        cargo.arg("--release");
    }
    if !build.features.is_empty() {
        cargo.arg("--features").arg(&build.features);
    }
    if build.locked {
        cargo.arg("--locked");
    }
    if let Some(folder) = &build.target_folder {
        cargo.env("CARGO_TARGET_DIR", folder.join(route.folder()));
    }
    cargo
        .arg("--message-format=json-render-diagnostics")
        .current_dir(&build.folder)
        // Flags for the native build mean nothing to this target, or stop it.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    cargo
}

/// The `.wasm` files among the artifacts that cargo reports, one JSON object a line.
fn wasm_artifacts(messages: &str) -> Vec<PathBuf> {
    let is_wasm = |file: &PathBuf| file.extension().is_some_and(|end| end == "wasm");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(is_wasm)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_wasm_files_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","filenames":["/t/liblog.rlib","/t/liblog.rmeta"]}"#,
            "\nnot json at all\n",
            r#"{"reason":"build-script-executed","filenames":["/t/no.wasm"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","filenames":["/t/chat.wasm"]}"#,
            "\n",
        );
        assert_eq!(wasm_artifacts(messages), [PathBuf::from("/t/chat.wasm")]);
        assert_eq!(wasm_artifacts(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_without_a_manifest_is_refused_before_cargo_runs() {
        let folder = tempfile::tempdir().unwrap();
        let error = build(&Route::Target, &Build::release(folder.path())).unwrap_err();
        assert!(matches!(error, BuildError::NoManifest { .. }), "{error}");
    }

    #[test]
    fn native_flags_do_not_reach_a_module_build() {
        let target_folder = Some(PathBuf::from("/t"));
        let build = Build {
            target_folder,
            ..Build::release("somewhere".as_ref())
        };
        let cargo = cargo(&Route::Target, &build);
        let set: Vec<_> = cargo
            .get_envs()
            .filter(|(_, value)| value.is_some())
            .collect();
        assert_eq!(
            set,
            [("CARGO_TARGET_DIR".as_ref(), Some("/t/target".as_ref()))]
        );
        assert!(
            cargo
                .get_envs()
                .any(|(name, value)| name == "RUSTFLAGS" && value.is_none())
        );
    }
}

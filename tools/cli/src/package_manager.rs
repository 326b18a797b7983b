//! Programs that install the packages of a client in TypeScript, and run it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::output::{note, say};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
    Deno,
}

impl PackageManager {
    /// Those that one can choose from for most projects.
    pub(crate) const USUAL: [PackageManager; 4] = [
        PackageManager::Npm,
        PackageManager::Pnpm,
        PackageManager::Yarn,
        PackageManager::Bun,
    ];

    /// The program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PackageManager::Npm => "npm",
            PackageManager::Pnpm => "pnpm",
            PackageManager::Yarn => "yarn",
            PackageManager::Bun => "bun",
            PackageManager::Deno => "deno",
        }
    }

    /// What starts a client.
    pub(crate) fn run_command(self) -> String {
        match self {
            PackageManager::Deno => "deno task dev".to_owned(),
            other => format!("{} run dev", other.name()),
        }
    }

    /// The one that the project is for, whatever somebody likes.
    pub(crate) fn required(folder: &Path) -> Option<Self> {
        if folder.join("deno.json").is_file() {
            return Some(PackageManager::Deno);
        }
        let manifest = manifest(folder)?;
        let dev = manifest["scripts"]["dev"].as_str().unwrap_or_default();
        dev.starts_with("bun ").then_some(PackageManager::Bun)
    }

    /// The one that the project is for, or was installed with before; otherwise npm.
    pub(crate) fn of(folder: &Path) -> Self {
        let locks = [
            ("pnpm-lock.yaml", PackageManager::Pnpm),
            ("yarn.lock", PackageManager::Yarn),
            ("bun.lock", PackageManager::Bun),
            ("bun.lockb", PackageManager::Bun),
        ];
        let by_lock = || {
            let mut found = locks.iter().filter(|(lock, _)| folder.join(lock).is_file());
            found.next().map(|(_, manager)| *manager)
        };
        Self::required(folder)
            .or_else(by_lock)
            .unwrap_or(PackageManager::Npm)
    }

    /// Installs what the project needs. What goes wrong is said, and no more: the project is there.
    pub(crate) fn install(self, folder: &Path) {
        let name = self.name();
        say(format_args!("{name} install"));
        let status = Command::new(name)
            .arg("install")
            .current_dir(folder)
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => note(format_args!(
                "{name} install failed ({status}); try it again later"
            )),
            Err(error) => note(format_args!("{name} cannot be started: {error}")),
        }
    }
}

/// Installs the packages that the project asks for, if one of them is neither in it nor above it.
pub(crate) fn install_missing(folder: &Path) {
    if let Some(package) = missing(folder) {
        say(format_args!("The package {package} is not installed yet."));
        PackageManager::of(folder).install(folder);
    }
}

/// The first package that the project asks for and does not have.
fn missing(folder: &Path) -> Option<String> {
    let manifest = manifest(folder)?;
    // Packages of Yarn may be without folders.
    if folder.join(".pnp.cjs").is_file() {
        return None;
    }
    let folder = std::path::absolute(folder).ok()?;
    let lists = ["dependencies", "devDependencies"];
    let mut names = lists
        .iter()
        .filter_map(|list| manifest[list].as_object())
        .flat_map(|list| list.keys());
    let is_there = |name: &str| {
        let mut places = folder.ancestors().map(|above| above.join("node_modules"));
        places.any(|place| place.join(name).is_dir())
    };
    names.find(|name| !is_there(name)).cloned()
}

fn manifest(folder: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(folder.join("package.json")).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_says_who_installs_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        assert_eq!(PackageManager::of(folder.path()), PackageManager::Npm);
        write("pnpm-lock.yaml", "").unwrap();
        assert_eq!(PackageManager::of(folder.path()), PackageManager::Pnpm);
        write("package.json", r#"{"scripts":{"dev":"bun --watch x"}}"#).unwrap();
        assert_eq!(PackageManager::of(folder.path()), PackageManager::Bun);
        write("deno.json", "{}").unwrap();
        let deno = PackageManager::of(folder.path());
        assert_eq!(deno.run_command(), "deno task dev");
        assert_eq!(PackageManager::Pnpm.run_command(), "pnpm run dev");
    }

    #[test]
    fn packages_may_be_in_the_project_or_above_it() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("client");
        std::fs::create_dir_all(folder.join("node_modules/@a/b")).unwrap();
        assert_eq!(missing(&folder), None);
        let manifest = r#"{"dependencies":{"@a/b":"1"},"devDependencies":{"c":"1"}}"#;
        std::fs::write(folder.join("package.json"), manifest).unwrap();
        assert_eq!(missing(&folder).as_deref(), Some("c"));
        std::fs::create_dir_all(above.path().join("node_modules/c")).unwrap();
        assert_eq!(missing(&folder), None);
    }
}

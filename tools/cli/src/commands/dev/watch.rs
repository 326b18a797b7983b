//! Noticing that files change: their times and lengths are looked at, a few times a second. That
//! works on every file system, and costs little for the sources of a module.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ignore::WalkBuilder;

/// How often the files are looked at, and how long they have to be quiet after a change.
const INTERVAL: Duration = Duration::from_millis(300);
/// Folders whose files are made by tools.
const IGNORED: [&str; 19] = [
    ".git",
    ".hg",
    ".svn",
    "target",
    "build",
    "bin",
    "obj",
    "node_modules",
    "dist",
    ".next",
    ".nuxt",
    ".output",
    "__pycache__",
    ".venv",
    "venv",
    ".vs",
    ".idea",
    ".cargo",
    "module_bindings",
];
/// Written by the build itself.
const LOCK_FILES: [&str; 4] = [
    "Cargo.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
];
/// Most files that are looked at.
const FILES_MAX: usize = 20_000;

type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Some files and folders, and how they looked.
pub(super) struct Watch {
    roots: Vec<PathBuf>,
    seen: Seen,
}

impl Watch {
    /// From now on.
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        let seen = look(&roots);
        Watch { roots, seen }
    }

    /// Returns when something has changed, and then nothing for a while.
    pub(super) async fn changed(&mut self) {
        let mut last = self.look().await;
        while last == self.seen {
            tokio::time::sleep(INTERVAL).await;
            last = self.look().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = self.look().await;
            if now == last {
                break;
            }
            last = now;
        }
        self.seen = last;
    }

    async fn look(&self) -> Seen {
        let roots = self.roots.clone();
        let looked = tokio::task::spawn_blocking(move || look(&roots)).await;
        looked.unwrap_or_default()
    }
}

fn look(roots: &[PathBuf]) -> Seen {
    let mut seen = Seen::new();
    for root in roots.iter().filter(|root| root.exists()) {
        let walk = WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .filter_entry(|entry| {
                let name = entry.file_name().to_string_lossy();
                // The root itself may be called like one of them.
                entry.depth() == 0 || !IGNORED.contains(&&*name)
            })
            .build();
        for entry in walk.filter_map(Result::ok).take(FILES_MAX) {
            let name = entry.file_name().to_string_lossy();
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            if !is_file || LOCK_FILES.contains(&&*name) {
                continue;
            }
            if let Ok(data) = entry.metadata() {
                let state = (data.modified().ok(), data.len());
                seen.insert(entry.into_path(), state);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_what_tools_write_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let roots = [folder.path().to_owned(), folder.path().join("absent.json")];
        write("src/lib.rs", "1");
        write(".gitignore", "generated/\n");
        let first = look(&roots);
        assert_eq!(first.len(), 2);
        for path in ["target/x", "Cargo.lock", "generated/x", "a/node_modules/x"] {
            write(path, "1");
            assert_eq!(look(&roots), first, "{path}");
        }
        write("src/lib.rs", "22");
        let second = look(&roots);
        assert_ne!(second, first);
        write("absent.json", "{}");
        assert_ne!(look(&roots), second);
        let program = [folder.path().join("target/x")];
        assert_eq!(
            look(&program).len(),
            1,
            "a file that is named counts, wherever it is"
        );
    }
}

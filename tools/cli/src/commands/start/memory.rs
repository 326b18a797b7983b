//! `--in-memory`: databases in a folder of the machine's memory, gone when the server ends.
//!
//! Everything works as on a disk, snapshots and log among it, so that there is one way to do
//! things; but log that no snapshot needs is removed, for memory is what there is least of.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use spacetime_host::{LogRetention, StoreOptions};

/// Where the memory file system is.
const MEMORY: &str = "/dev/shm";
const PREFIX: &str = "spacetime-in-memory-";
/// The file that a server has locked as long as it runs.
const PID_FILE: &str = "spacetime.pid";
/// A snapshot is taken when so much went to the log, which can go then.
const LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The folder, removed when dropped.
#[derive(Debug)]
pub(super) struct MemoryFolder {
    path: PathBuf,
}

impl MemoryFolder {
    pub(super) fn make() -> Result<Self> {
        let memory = Path::new(MEMORY);
        ensure!(
            memory.is_dir(),
            "--in-memory needs {MEMORY}, which is not there; use a --data-dir in a memory file \
             system"
        );
        remove_abandoned(memory);
        let path = memory.join(format!("{PREFIX}{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(MemoryFolder { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bounds what the log takes.
    pub(super) fn limit(store: &mut StoreOptions) {
        store.log_retention = LogRetention::Remove;
        store.snapshots.log_bytes = match store.snapshots.log_bytes {
            0 => LOG_BYTES,
            bytes => bytes.min(LOG_BYTES),
        };
        store.snapshots.retain = 1;
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        // Nobody is left to tell; the next server that runs like this tries again.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes what servers that were killed have left.
fn remove_abandoned(memory: &Path) {
    let Ok(entries) = std::fs::read_dir(memory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        // One without the file is about to be filled. Whoever runs holds the lock.
        let pid_file = File::options().write(true).open(path.join(PID_FILE));
        if pid_file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

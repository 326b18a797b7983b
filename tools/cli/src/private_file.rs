//! Files with secrets, which several processes change.
//!
//! Invariants
//!   * Readers see the old file or the new one, never a part. Two writers wait for each other, so
//!     neither change is lost.
//!   * Only the owner can read such a file.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Held while a file is read, edited and replaced; released when dropped.
#[derive(Debug)]
pub(crate) struct Edit {
    path: PathBuf,
    _lock: File,
}

impl Edit {
    /// Waits until nobody else changes the file. Makes its folder.
    pub(crate) fn begin(path: &Path) -> std::io::Result<Self> {
        let folder = path.parent();
        if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let lock = File::options()
            .create(true)
            .append(true)
            .open(with_suffix(path, ".lock"))?;
        lock.lock()?;
        Ok(Edit {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Puts `text` in the place of what the file held.
    pub(crate) fn replace(self, text: &str) -> std::io::Result<()> {
        let fresh = with_suffix(&self.path, ".new");
        write_private(&fresh, text)?;
        std::fs::rename(&fresh, &self.path)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // One left over from a crash may have other permissions.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

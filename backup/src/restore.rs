//! Bringing the files of a backup back.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::OnProgress;
use crate::depot::Depot;
use crate::index::{BackupIndex, IndexedFile};
use crate::object::{ObjectError, fetch};

/// Why the files were not brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("byte {at} of {path} cannot be restored: {error}")]
    Piece {
        path: String,
        at: u64,
        error: ObjectError,
    },
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Writes the files of a backup into a directory, durably. The directory is new or empty.
pub fn restore_files(
    depot: &dyn Depot,
    index: &BackupIndex,
    directory: &Path,
    on_progress: OnProgress<'_>,
) -> Result<(), RestoreError> {
    let total = index.bytes();
    let mut done = 0;
    for file in &index.files {
        let path = directory.join(&file.path);
        let folder = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        restore_file(depot, file, &path, &mut |len| {
            done += len;
            on_progress(done, total);
        })?;
    }
    for folder in index
        .files
        .iter()
        .filter_map(|file| Path::new(&file.path).parent())
    {
        sync_dir(&directory.join(folder))?;
    }
    sync_dir(directory)
}

fn restore_file(
    depot: &dyn Depot,
    file: &IndexedFile,
    path: &Path,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<(), RestoreError> {
    let mut output = File::create_new(path).map_err(io_error("create", path))?;
    let mut at = 0;
    for piece in &file.pieces {
        let content = fetch(depot, piece).map_err(|error| RestoreError::Piece {
            path: file.path.clone(),
            at,
            error,
        })?;
        output
            .write_all(&content)
            .map_err(io_error("write", path))?;
        at += piece.len;
        on_bytes(piece.len);
    }
    output.sync_all().map_err(io_error("sync", path))
}

pub(crate) fn sync_dir(path: &Path) -> Result<(), RestoreError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(io_error("sync", path))
}

pub(crate) fn io_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Io {
        operation,
        path,
        source,
    }
}

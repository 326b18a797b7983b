//! What a connection does, line by line, for whoever looks for a fault in it: in a file, and in
//! web pages, which have no files, in the program's log.
//!
//! Invariant: a line that cannot be written is left out; the connection goes on.

use std::fmt::Arguments;
use std::path::PathBuf;

use crate::Timestamp;
use crate::error::InternalError;

/// Nothing is written unless a path was given.
#[derive(Debug, Default)]
pub(super) struct Diary {
    #[cfg(not(target_arch = "wasm32"))]
    file: Option<std::fs::File>,
    #[cfg(target_arch = "wasm32")]
    path: Option<PathBuf>,
}

impl Diary {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, InternalError> {
        let Some(path) = path else {
            return Ok(Diary::default());
        };
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path);
        let file = file.map_err(|error| {
            let message = format!(
                "{}: the file for debugging cannot be written",
                path.display()
            );
            InternalError::new(message).with_cause(error)
        })?;
        Ok(Diary { file: Some(file) })
    }

    #[cfg(target_arch = "wasm32")]
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, InternalError> {
        Ok(Diary { path })
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn note(&self, line: Arguments<'_>) {
        use std::io::Write as _;
        if let Some(mut file) = self.file.as_ref() {
            // One write for one line, so that lines of several connections stay whole.
            let line = format!("{} {line}\n", Timestamp::now());
            let _ = file.write_all(line.as_bytes());
        }
    }

    #[cfg(target_arch = "wasm32")]
    pub(super) fn note(&self, line: Arguments<'_>) {
        if let Some(path) = &self.path {
            log::debug!("{} {} {line}", path.display(), Timestamp::now());
        }
    }
}

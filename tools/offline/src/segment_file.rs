//! Opening a segment's content, whether it is compressed or not.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile};

/// What was learned when a segment was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedSegment {
    /// Bytes on disk.
    pub(crate) stored_len: u64,
    pub(crate) compressed: bool,
}

/// A segment's content.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: Box<dyn StorageFile>,
    pub(crate) info: OpenedSegment,
}

/// Opens a segment for reading.
pub(crate) fn open(storage: &Arc<dyn Storage>, path: &Path) -> Result<SegmentFile, StorageError> {
    let file = storage.open(path, OpenMode::Read)?;
    let stored_len = file.byte_len()?;
    Ok(SegmentFile {
        file,
        info: OpenedSegment {
            stored_len,
            compressed: false,
        },
    })
}

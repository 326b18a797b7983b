//! Checking an offset index against its segment. A wrong one is harmless: readers look twice.

use serde::Serialize;
use spacetime_commitlog::segment;
use spacetime_commitlog::storage::{OpenMode, StorageError};
use spacetime_types::TxOffset;

use crate::file_view::FileView;
use crate::place::Place;

/// What the name of an index ends in.
pub(crate) const SUFFIX: &str = ".stdb.ofs";

const ENTRY_LEN: u64 = 16;

/// Whether a segment's offset index is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexState {
    /// There is none; readers begin at the segment's start.
    None,
    /// All entries point at the commits that they name.
    Good,
    /// Some entries do not.
    Wrong,
    /// The file cannot be read.
    Unreadable,
}

/// An offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IndexReport {
    pub state: IndexState,
    pub entries: u64,
    pub wrong_entries: u64,
    /// Byte of the first wrong entry in the index file.
    pub first_wrong: Option<u64>,
}

/// Name of the index of the segment that starts at `start`.
pub(crate) fn file_name(start: u64) -> String {
    format!("{start:020}{SUFFIX}")
}

/// Compares the index of a segment with the commits that it points at.
pub(crate) fn check(place: &Place, start: u64, valid_len: u64) -> IndexReport {
    let mut report = IndexReport {
        state: IndexState::None,
        entries: 0,
        wrong_entries: 0,
        first_wrong: None,
    };
    let path = place.log_dir().join(file_name(start));
    let file = match place.storage.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return report,
        Err(_) => {
            report.state = IndexState::Unreadable;
            return report;
        }
    };
    let checked = FileView::new(file).and_then(|mut index| {
        let path = segment::path(place.log_dir(), TxOffset(start));
        let content = segment::open(&*place.storage, &path)?;
        let mut content = FileView::new(content.file)?;
        check_entries(&mut index, &mut content, valid_len, &mut report)
    });
    report.state = match checked {
        Err(_) => IndexState::Unreadable,
        Ok(()) if report.wrong_entries > 0 => IndexState::Wrong,
        Ok(()) => IndexState::Good,
    };
    report
}

fn check_entries(
    index: &mut FileView,
    content: &mut FileView,
    valid_len: u64,
    report: &mut IndexReport,
) -> Result<(), StorageError> {
    let mut before = (0, 0);
    for nth in 0..index.len() / ENTRY_LEN {
        let entry = index.get(nth * ENTRY_LEN, ENTRY_LEN)?;
        let (key, value) = entry.split_at(8);
        let number = |bytes: &[u8]| {
            bytes
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let (key, value) = (number(key), number(value));
        // Unused slots are zero, and the file has a fixed length.
        if key == 0 {
            break;
        }
        report.entries += 1;
        let in_order = key > before.0 && value > before.1;
        let fits = value < valid_len && value.saturating_add(8) <= content.len();
        let is_right = in_order && fits && number(content.get(value, 8)?) == key;
        if !is_right {
            report.wrong_entries += 1;
            report.first_wrong.get_or_insert(nth * ENTRY_LEN);
        }
        before = (key, value);
    }
    Ok(())
}

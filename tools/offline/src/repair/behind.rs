//! Beginning the log behind the damage, where a snapshot has the state that leads there.
//!
//! Invariants
//!   * The snapshot was read in full and its rows were restored, and every transaction behind it
//!     was applied to them, before anything is planned: what a server will open was opened once.
//!   * The log keeps its end. Nothing that a server would show now is lost, only the way there.
//!   * Interrupted anywhere, the same plan is found again: the segment that begins behind the
//!     damage is whole before an old one is renamed.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use spacetime_commitlog::segment::{self, HEADER_LEN, Version};
use spacetime_commitlog::storage::{OpenMode, StorageError};
use spacetime_commitlog::txdata::{self, TxdataError};
use spacetime_durability::WATERMARK_FILE;
use spacetime_store::Apply;
use spacetime_types::TxOffset;
use spacetime_types::bsatn::Reader;

use super::{Action, Plan, copy_range, free_number, inner, kept_name, survey, sync_parent};
use crate::error::OfflineError;
use crate::finding::Severity;
use crate::index_check;
use crate::place::Place;
use crate::progress::Progress;
use crate::scan::{Event, Scan};
use crate::snapshots;
use crate::verify::durable_end;

/// What a log begins with that has lost its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// The snapshot that stands for everything before it.
    pub snapshot: u64,
    /// The first transaction that is left in the log.
    pub log_begins: u64,
    /// The first transaction that was there before.
    pub log_began: u64,
}

/// The commits at the end of a log that follow each other without any damage.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WholeEnd {
    /// Where the first of them is.
    file: String,
    byte: u64,
    version: Version,
    start: u64,
    /// Where the last of them in that file ends.
    byte_end: u64,
    /// The transaction after the last.
    end: u64,
}

/// Plans to begin the log behind the damage. `None` if there is no damage, or if this would lose
/// anything of the state. Holds the database's lock until the plan is dropped.
pub fn plan_behind_snapshot(
    place: &Place,
    progress: &dyn Progress,
) -> Result<Option<Plan>, OfflineError> {
    let lock = super::take_lock(place)?;
    let found = survey(place, None, progress)?;
    if !found.stopped || place.replica_dir().is_none() {
        return Ok(None);
    }
    let Some(whole) = whole_end(place)? else {
        return Ok(None);
    };
    let is_watermark_bad = match durable_end(place) {
        Ok(end) if end > Some(whole.end) => return Ok(None),
        end => end.is_err(),
    };
    let offsets: Vec<u64> = snapshots::usable(place);
    // One that the log does not reach shows that the log lost its end.
    if offsets.last().is_none_or(|&last| last >= whole.end) {
        return Ok(None);
    }
    let mut candidates = offsets.into_iter().filter(|at| at + 1 >= whole.start);
    let Some(snapshot) = candidates.find(|&at| leads_to_the_end(place, at, &whole)) else {
        return Ok(None);
    };
    let segments = place.segments()?;
    let behind = Behind {
        snapshot,
        log_begins: whole.start,
        log_began: segments.first().map_or(0, |start| start.0),
    };
    Ok(Some(Plan {
        damage: found.damage,
        new_end: whole.end,
        lost_readable: 0,
        lost_anyway: 0,
        behind: Some(behind),
        actions: actions(place, &whole, &segments, is_watermark_bad)?,
        place: Some(place.clone()),
        lock: lock.map(Arc::new),
    }))
}

/// The longest whole end of a log.
fn whole_end(place: &Place) -> Result<Option<WholeEnd>, OfflineError> {
    let mut longest = whole_end_from(place, TxOffset(0))?;
    // A segment that was cut out of one before it, by a repair that was interrupted, has what that
    // one has, and looks like damage.
    for &start in place.segments()?.iter().rev() {
        if longest.as_ref().is_some_and(|end| end.start <= start.0) {
            continue;
        }
        let found = whole_end_from(place, start)?;
        if found.as_ref().map(|end| end.start) >= longest.as_ref().map(|end| end.start) {
            break;
        }
        longest = found;
    }
    Ok(longest)
}

fn whole_end_from(place: &Place, from: TxOffset) -> Result<Option<WholeEnd>, StorageError> {
    let mut scan = Scan::open_from(place, from)?;
    let mut whole: Option<WholeEnd> = None;
    while let Some(event) = scan.next() {
        match event {
            Event::Finding(finding) if finding.severity == Severity::Damage => whole = None,
            Event::Finding(_) | Event::SegmentEnd(_) => {}
            Event::Commit(commit) => {
                let start = commit.header.start.0;
                let byte_end = commit.at + commit.header.frame_len(commit.version);
                let whole = whole.get_or_insert_with(|| WholeEnd {
                    file: commit.file.to_owned(),
                    byte: commit.at,
                    version: commit.version,
                    start,
                    byte_end,
                    end: start,
                });
                if whole.file == commit.file {
                    whole.byte_end = byte_end;
                }
                whole.end = start + u64::from(commit.header.record_count);
            }
        }
    }
    Ok(whole)
}

/// Whether a snapshot is whole, and everything behind it can be applied to it.
fn leads_to_the_end(place: &Place, snapshot: u64, whole: &WholeEnd) -> bool {
    let check = snapshots::verify(place, snapshot, true);
    check.is_ok_and(|check| check.damages.is_empty()) && replays(place, snapshot, whole).is_ok()
}

fn replays(place: &Place, snapshot: u64, whole: &WholeEnd) -> Result<(), OfflineError> {
    let mut datastore = snapshots::open_state(place, snapshot)?;
    let from = snapshot.saturating_add(1);
    let mut scan = Scan::open_from(place, TxOffset(whole.start))?;
    let mut next = from;
    while let Some(event) = scan.next() {
        let Event::Commit(commit) = event else {
            continue;
        };
        let start = commit.header.start.0;
        let end = start + u64::from(commit.header.record_count);
        if end <= from {
            continue;
        }
        let mut records = Reader::new(commit.records);
        for offset in start..end {
            let mut visitor = Apply::new(&mut datastore);
            let applied = match offset < from {
                true => txdata::skip(&mut records, &mut visitor),
                false => txdata::decode(TxOffset(offset), &mut records, &mut visitor),
            };
            applied.map_err(|error| OfflineError::Apply {
                offset,
                cause: match error {
                    TxdataError::Malformed(error) => error.to_string(),
                    TxdataError::Visitor(error) => error.to_string(),
                },
            })?;
        }
        next = end;
    }
    if next != whole.end {
        let (wanted, last) = (whole.end, next.checked_sub(1));
        return Err(OfflineError::NotReached { wanted, last });
    }
    datastore.finish_replay()?;
    datastore.check_integrity()?;
    Ok(())
}

fn actions(
    place: &Place,
    whole: &WholeEnd,
    segments: &[TxOffset],
    is_watermark_bad: bool,
) -> Result<Vec<Action>, OfflineError> {
    let number = free_number(place)?;
    let set_aside = |file: PathBuf| {
        let kept_as = kept_name(&file, number);
        Action::SetAside { file, kept_as }
    };
    let mut actions = Vec::new();
    if is_watermark_bad {
        actions.push(set_aside(PathBuf::from(WATERMARK_FILE)));
    }
    let first = segment::file_name(TxOffset(whole.start));
    if first != whole.file {
        actions.push(Action::Begin {
            file: inner(place, &first),
            with: inner(place, &whole.file),
            byte: whole.byte,
            bytes: whole.byte_end - whole.byte,
            is_v0: whole.version == Version::V0,
        });
    }
    let names = place.storage.list(place.log_dir())?;
    for start in segments.iter().filter(|start| start.0 < whole.start) {
        let index = index_check::file_name(start.0);
        if names.contains(&index) {
            actions.push(set_aside(inner(place, &index)));
        }
        actions.push(set_aside(inner(place, &segment::file_name(*start))));
    }
    Ok(actions)
}

/// Makes a segment of a part of another one.
pub(super) fn begin(
    place: &Place,
    file: &std::path::Path,
    with: &std::path::Path,
    (byte, bytes): (u64, u64),
    is_v0: bool,
) -> Result<(), OfflineError> {
    let storage = &*place.storage;
    let content = segment::open(storage, with)?;
    let temporary = file.with_extension("repair");
    let shorter = storage.open(&temporary, OpenMode::CreateOrTruncate)?;
    let mut header = segment::encode_header();
    if is_v0 {
        header[6] = 0;
    }
    shorter.write_all_at(0, &header)?;
    copy_range(&*content.file, byte, &*shorter, HEADER_LEN as u64, bytes)?;
    shorter.sync_data()?;
    drop((content, shorter));
    storage.rename(&temporary, file)?;
    sync_parent(storage, file)?;
    Ok(())
}

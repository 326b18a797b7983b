//! The snapshots of a database, ours and SpacetimeDB's: what there is, whether it is whole, and
//! the rows in it.
//!
//! Only [`remove`] changes anything.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use spacetime_snapshot::foreign::{self, ForeignEntry, ForeignSnapshot, ForeignState};
use spacetime_snapshot::{SnapshotError, SnapshotInfo, SnapshotRepo, Verified};
pub use spacetime_store::SNAPSHOTS_DIR;
use spacetime_store::{restore_foreign, restore_snapshot};
use spacetime_table::Datastore;
use spacetime_types::TxOffset;

use crate::error::OfflineError;
use crate::place::Place;
use crate::state::State;

/// Who wrote a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Writer {
    /// This system.
    Native,
    /// SpacetimeDB. It can be read, not continued.
    SpacetimeDb,
}

/// A snapshot in short. What is not known is 0.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotEntry {
    /// The last transaction in it.
    pub offset: u64,
    pub writer: Writer,
    pub taken_at_micros: Option<i64>,
    pub identity: Option<String>,
    pub tables: u64,
    pub rows: u64,
    pub pages: u64,
    pub blobs: u64,
    pub content_bytes: u64,
    /// On disk; what several snapshots share counts for each.
    pub stored_bytes: u64,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// All snapshots.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SnapshotList {
    pub dir: String,
    pub snapshots: Vec<SnapshotEntry>,
    /// Bytes of all packs on disk, and what they would be without sharing.
    pub pack_bytes: u64,
    pub unshared_bytes: u64,
    /// Files that belong to no snapshot: left by a crash.
    pub leftovers: Vec<String>,
}

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotCheck {
    pub offset: u64,
    pub writer: Writer,
    pub objects: u64,
    pub bytes: u64,
    /// Rows, if the state was restored and found consistent.
    pub rows: Option<u64>,
    pub damages: Vec<SnapshotDamage>,
    pub further_damages: u64,
}

/// A place where a snapshot is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotDamage {
    pub file: String,
    pub byte: u64,
    pub text: String,
}

/// A table in a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotTable {
    pub id: u32,
    pub name: String,
    pub rows: u64,
}

fn dir(place: &Place) -> PathBuf {
    let root = place.replica_dir().unwrap_or_else(|| place.log_dir());
    root.join(SNAPSHOTS_DIR)
}

fn repo(place: &Place) -> Result<SnapshotRepo, OfflineError> {
    let storage = Arc::clone(&place.storage);
    Ok(SnapshotRepo::open_read_only(storage, &dir(place))?)
}

fn foreign_entries(place: &Place) -> Result<Vec<ForeignEntry>, OfflineError> {
    Ok(foreign::list(&*place.storage, &dir(place))?)
}

/// Lists all snapshots, oldest first.
pub fn list(place: &Place) -> Result<SnapshotList, OfflineError> {
    let repo = repo(place)?;
    let stats = repo.stats();
    let mut snapshots: Vec<SnapshotEntry> = repo.list().iter().map(native_entry).collect();
    snapshots.extend(repo.unusable().iter().map(|unusable| SnapshotEntry {
        problem: Some(unusable.error.to_string()),
        ..empty_entry(unusable.tx_offset, Writer::Native)
    }));
    for entry in foreign_entries(place)? {
        snapshots.push(foreign_entry(place, &entry));
    }
    snapshots.sort_by_key(|entry| entry.offset);
    Ok(SnapshotList {
        dir: dir(place).display().to_string(),
        snapshots,
        pack_bytes: stats.pack_bytes,
        unshared_bytes: stats.unshared_bytes,
        leftovers: repo.open_report().left.clone(),
    })
}

fn empty_entry(offset: TxOffset, writer: Writer) -> SnapshotEntry {
    SnapshotEntry {
        offset: offset.0,
        writer,
        taken_at_micros: None,
        identity: None,
        tables: 0,
        rows: 0,
        pages: 0,
        blobs: 0,
        content_bytes: 0,
        stored_bytes: 0,
        problem: None,
    }
}

fn native_entry(info: &SnapshotInfo) -> SnapshotEntry {
    SnapshotEntry {
        taken_at_micros: Some(info.taken_at.micros),
        identity: Some(info.identity.to_string()),
        tables: info.table_count,
        rows: info.row_count,
        pages: info.page_count,
        blobs: info.blob_count,
        content_bytes: info.content_bytes,
        stored_bytes: info.stored_bytes,
        ..empty_entry(info.tx_offset, Writer::Native)
    }
}

fn foreign_entry(place: &Place, entry: &ForeignEntry) -> SnapshotEntry {
    let empty = empty_entry(entry.tx_offset, Writer::SpacetimeDb);
    let set_aside = match entry.state {
        ForeignState::Complete | ForeignState::Locked => None,
        ForeignState::Incomplete => Some("it was never finished"),
        ForeignState::Invalid => Some("it was set aside as invalid"),
        ForeignState::Archived => Some("it was archived"),
    };
    if let Some(problem) = set_aside {
        let problem = Some(problem.to_owned());
        return SnapshotEntry { problem, ..empty };
    }
    match ForeignSnapshot::open(Arc::clone(&place.storage), entry) {
        Err(error) => SnapshotEntry {
            problem: Some(error.to_string()),
            ..empty
        },
        Ok(snapshot) => {
            let manifest = snapshot.manifest();
            let pages = manifest.tables.iter().flat_map(|table| &table.pages);
            SnapshotEntry {
                tables: manifest.tables.len() as u64,
                pages: pages.flatten().count() as u64,
                blobs: manifest.blobs.len() as u64,
                ..empty
            }
        }
    }
}

/// Reads every byte of a snapshot; with `rows`, restores the state and checks that too.
pub fn verify(place: &Place, offset: u64, rows: bool) -> Result<SnapshotCheck, OfflineError> {
    let (writer, verified) = match find_foreign(place, offset)? {
        None => (Writer::Native, repo(place)?.verify(TxOffset(offset))),
        Some(entry) => {
            let snapshot = ForeignSnapshot::open(Arc::clone(&place.storage), &entry);
            (Writer::SpacetimeDb, snapshot.and_then(|s| s.verify()))
        }
    };
    let verified = match verified {
        Err(SnapshotError::Damaged(damage)) => Verified {
            damage_count: 1,
            damages: vec![*damage],
            ..Verified::default()
        },
        other => other?,
    };
    let mut check = SnapshotCheck {
        offset,
        writer,
        objects: verified.object_count,
        bytes: verified.content_bytes,
        rows: None,
        further_damages: verified.damage_count - verified.damages.len() as u64,
        damages: Vec::with_capacity(verified.damages.len()),
    };
    for damage in verified.damages {
        check.damages.push(SnapshotDamage {
            file: damage.file.display().to_string(),
            byte: damage.at,
            text: damage.what.to_string(),
        });
    }
    if rows && check.damages.is_empty() {
        let restored = state(place, offset).and_then(|mut state| {
            state.datastore_mut().check_integrity()?;
            Ok(state
                .datastore()
                .tables()
                .map(|table| table.id)
                .map(|id| state.datastore().row_count(id).unwrap_or_default())
                .sum())
        });
        match restored {
            Ok(count) => check.rows = Some(count),
            Err(error) => check.damages.push(SnapshotDamage {
                file: dir(place).display().to_string(),
                byte: 0,
                text: error.to_string(),
            }),
        }
    }
    Ok(check)
}

/// The tables in a snapshot, by id.
pub fn tables(place: &Place, offset: u64) -> Result<Vec<SnapshotTable>, OfflineError> {
    let state = state(place, offset)?;
    let datastore = state.datastore();
    let mut tables: Vec<SnapshotTable> = datastore
        .tables()
        .map(|schema| SnapshotTable {
            id: schema.id.0,
            name: schema.name.to_string(),
            rows: datastore.row_count(schema.id).unwrap_or_default(),
        })
        .collect();
    tables.sort_by_key(|table| table.id);
    Ok(tables)
}

/// The state that a snapshot holds.
pub fn state(place: &Place, offset: u64) -> Result<State, OfflineError> {
    let mut datastore = open_state(place, offset)?;
    datastore.finish_replay()?;
    Ok(State::new(datastore, offset.saturating_add(1)))
}

/// The state of the newest good snapshot at or before `last`, open for the replay of the log
/// behind it, and the next transaction. Bad snapshots are passed over.
pub(crate) fn newest_state(place: &Place, last: Option<u64>) -> Option<(Datastore, u64)> {
    let mut offsets = usable(place);
    offsets.retain(|&offset| last.is_none_or(|last| offset <= last));
    offsets.into_iter().rev().find_map(|offset| {
        let datastore = open_state(place, offset).ok()?;
        Some((datastore, offset.saturating_add(1)))
    })
}

/// The state of the oldest good snapshot that a log which starts at `start` goes on from.
pub(crate) fn oldest_state(place: &Place, start: u64) -> Option<Datastore> {
    let mut offsets = usable(place);
    offsets.retain(|&offset| offset.saturating_add(1) >= start);
    offsets
        .into_iter()
        .find_map(|offset| open_state(place, offset).ok())
}

/// Offsets of the snapshots that nothing speaks against, ascending.
pub(crate) fn usable(place: &Place) -> Vec<u64> {
    // Without the list there is simply no snapshot to begin with.
    let listed = list(place).map(|list| list.snapshots).unwrap_or_default();
    let good = listed.into_iter().filter(|entry| entry.problem.is_none());
    good.map(|entry| entry.offset).collect()
}

/// Our snapshots of states after `end` or later, with their files.
pub(crate) fn ahead_of(place: &Place, end: u64) -> Result<Vec<(u64, Vec<PathBuf>)>, OfflineError> {
    let repo = repo(place)?;
    let ahead = repo.list().into_iter().map(|info| info.tx_offset);
    ahead
        .filter(|offset| offset.0 >= end)
        .map(|offset| Ok((offset.0, repo.hold(offset)?.files().to_vec())))
        .collect()
}

pub(crate) fn open_state(place: &Place, offset: u64) -> Result<Datastore, OfflineError> {
    match find_foreign(place, offset)? {
        None => native_state(place, offset),
        Some(entry) => foreign_state(place, &entry),
    }
}

fn native_state(place: &Place, offset: u64) -> Result<Datastore, OfflineError> {
    let snapshot = repo(place)?.load(TxOffset(offset))?;
    let mut datastore = Datastore::new();
    restore_snapshot(&mut datastore, &snapshot, 1)?;
    Ok(datastore)
}

fn foreign_state(place: &Place, entry: &ForeignEntry) -> Result<Datastore, OfflineError> {
    let snapshot = ForeignSnapshot::open(Arc::clone(&place.storage), entry)?;
    let mut datastore = Datastore::new();
    let restored = restore_foreign(&mut datastore, &snapshot);
    restored.map_err(|error| OfflineError::Apply {
        offset: entry.tx_offset.0,
        cause: error.to_string(),
    })?;
    Ok(datastore)
}

/// A snapshot of SpacetimeDB, unless there is one of ours at the same transaction.
fn find_foreign(place: &Place, offset: u64) -> Result<Option<ForeignEntry>, OfflineError> {
    let natives = repo(place)?;
    let is_native = natives.list().iter().any(|info| info.tx_offset.0 == offset);
    if is_native {
        return Ok(None);
    }
    let mut entries = foreign_entries(place)?.into_iter();
    Ok(entries.find(|entry| entry.tx_offset.0 == offset))
}

/// Removes one of our snapshots, and what only it needed. The database must not be open.
pub fn remove(place: &Place, offset: u64) -> Result<(), OfflineError> {
    let _lock = crate::repair::take_lock(place)?;
    remove_locked(place, offset)
}

pub(crate) fn remove_locked(place: &Place, offset: u64) -> Result<(), OfflineError> {
    let storage = Arc::clone(&place.storage);
    let repo = SnapshotRepo::open(storage, &dir(place))?;
    Ok(repo.remove(TxOffset(offset))?)
}

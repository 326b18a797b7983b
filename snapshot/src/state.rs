//! What a repository knows about its directory, and the rules that follow from that alone.
//!
//! Invariants
//!   * `objects` names only places in packs that are in `packs`.
//!   * `next_pack` is above every number that was ever seen in this directory.
//!
//! Not here: the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_commitlog::storage::StorageError;
use spacetime_types::{Identity, Timestamp, TxOffset};

use crate::error::SnapshotError;
use crate::manifest::{Manifest, ObjectEntry};
use crate::object::{Codec, ObjectHash};

/// A snapshot in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    pub identity: Identity,
    pub tx_offset: TxOffset,
    pub taken_at: Timestamp,
    pub table_count: u64,
    pub row_count: u64,
    /// Pages that are not absent, before equal ones are counted once.
    pub page_count: u64,
    pub blob_count: u64,
    pub object_count: u64,
    /// Bytes of all objects.
    pub content_bytes: u64,
    /// What they take in packs, shared or not.
    pub stored_bytes: u64,
    pub manifest_bytes: u64,
    pub pack_count: u64,
}

impl SnapshotInfo {
    pub(crate) fn new(manifest: &Manifest, manifest_bytes: u64) -> Self {
        let pages = manifest.tables.iter().flat_map(|table| &table.pages);
        let rows = manifest.tables.iter().map(|table| table.row_count);
        SnapshotInfo {
            identity: manifest.identity,
            tx_offset: manifest.tx_offset,
            taken_at: manifest.taken_at,
            table_count: manifest.tables.len() as u64,
            row_count: rows.fold(0, u64::saturating_add),
            page_count: pages.flatten().count() as u64,
            blob_count: manifest.blobs.len() as u64,
            object_count: manifest.objects.len() as u64,
            content_bytes: manifest.content_bytes(),
            stored_bytes: manifest.objects.iter().map(ObjectEntry::file_len).sum(),
            manifest_bytes,
            pack_count: manifest.packs.len() as u64,
        }
    }
}

/// Where an object is, in terms that do not depend on a manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub pack: u64,
    pub position: u64,
    pub stored_len: u32,
    pub content_len: u32,
    pub codec: Codec,
}

/// A complete snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub info: SnapshotInfo,
    /// For each pack that it needs, how many of its bytes.
    pub live: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub snapshots: BTreeMap<TxOffset, Known>,
    /// Manifests that cannot be used.
    pub unusable: BTreeMap<TxOffset, Arc<SnapshotError>>,
    /// Length of each pack that a complete snapshot refers to, or did.
    pub packs: BTreeMap<u64, u64>,
    pub objects: FxHashMap<ObjectHash, Place>,
    /// Packs in which something was found damaged.
    pub suspect: BTreeSet<u64>,
    pub next_pack: u64,
    pub writer_active: bool,
    /// Snapshots that must stay, and for how many.
    pub holds: BTreeMap<TxOffset, usize>,
}

/// A pack below this part of the largest size counts as small.
const SMALL_PART: u64 = 4;

impl State {
    /// Takes in a complete snapshot.
    pub(crate) fn add(&mut self, manifest: &Manifest, manifest_bytes: u64) {
        for pack in &manifest.packs {
            self.packs.insert(pack.number, pack.byte_len);
            self.next_pack = self.next_pack.max(pack.number.saturating_add(1));
        }
        for entry in &manifest.objects {
            let pack = usize::try_from(entry.pack).ok();
            let Some(pack) = pack.and_then(|pack| manifest.packs.get(pack)) else {
                continue;
            };
            let place = Place {
                pack: pack.number,
                position: entry.position,
                stored_len: entry.stored_len,
                content_len: entry.content_len,
                codec: entry.codec,
            };
            // The newer of two copies: the older one's pack may be about to go.
            let known = self.objects.entry(entry.hash).or_insert(place);
            if known.pack < place.pack {
                *known = place;
            }
        }
        let known = Known {
            info: SnapshotInfo::new(manifest, manifest_bytes),
            live: manifest.live_bytes(),
        };
        self.unusable.remove(&manifest.tx_offset);
        self.snapshots.insert(manifest.tx_offset, known);
    }

    /// A manifest may or may not be there after the next start. While that is so, no pack may go:
    /// it could be one that this manifest needs.
    pub(crate) fn set_uncertain(&mut self, offset: TxOffset, error: &StorageError) {
        let source = std::io::Error::new(error.source.kind(), error.source.to_string());
        let error = StorageError::new(error.operation, &error.path, source);
        self.snapshots.remove(&offset);
        self.unusable.insert(offset, Arc::new(error.into()));
    }

    /// True if nothing bad is known of the snapshot.
    pub(crate) fn is_good(&self, known: &Known) -> bool {
        let mut packs = known.live.iter();
        packs.all(|(pack, _)| !self.suspect.contains(pack))
    }

    /// Packs that the next snapshot must not use: damaged ones; those that the newest snapshot
    /// uses for less than half, so that they can go; and the smallest, if there are too many.
    pub(crate) fn packs_to_avoid(&self, small_max: usize, pack_bytes_max: u64) -> BTreeSet<u64> {
        let mut avoid = self.suspect.clone();
        let newest = self.snapshots.values().next_back();
        let live: BTreeMap<u64, u64> = newest.map_or_else(BTreeMap::new, |newest| {
            newest.live.iter().copied().collect()
        });
        let mut small = Vec::new();
        for (&pack, &byte_len) in &self.packs {
            let live_bytes = live.get(&pack).copied().unwrap_or(0);
            if live_bytes < byte_len / 2 {
                avoid.insert(pack);
            } else if byte_len < pack_bytes_max / SMALL_PART {
                small.push((byte_len, pack));
            }
        }
        if small.len() > small_max {
            small.sort_unstable();
            let merged = small.len() - small_max / 2;
            avoid.extend(small.iter().take(merged).map(|(_, pack)| pack));
        }
        avoid
    }

    /// Packs that no snapshot needs.
    pub(crate) fn unused_packs(&self) -> Vec<u64> {
        let live = self.snapshots.values().flat_map(|known| &known.live);
        let used: BTreeSet<u64> = live.map(|(pack, _)| *pack).collect();
        let packs = self.packs.keys().copied();
        packs.filter(|pack| !used.contains(pack)).collect()
    }

    /// Forgets packs that are removed.
    pub(crate) fn forget_packs(&mut self, gone: &BTreeSet<u64>) {
        self.objects.retain(|_, place| !gone.contains(&place.pack));
        self.packs.retain(|pack, _| !gone.contains(pack));
        self.suspect.retain(|pack| !gone.contains(pack));
    }
}

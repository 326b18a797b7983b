//! States that are known in advance: what the database looks like after transaction `n`, as
//! objects; writing one as a snapshot, and checking what a snapshot says.

#![allow(dead_code)] // Each test file uses a part of this.

pub mod sweep;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::{
    LoadedSnapshot, ObjectHash, SnapshotError, SnapshotHead, SnapshotOptions, SnapshotRepo,
    WriteReport,
};
use spacetime_types::{Identity, TableId, Timestamp, TxOffset};

pub const DIR: &str = "/snapshots";

pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn identity() -> Identity {
    Identity::from_le_bytes([7; 32])
}

/// Small packs, so that tests see several of them and merging.
pub fn options() -> SnapshotOptions {
    SnapshotOptions {
        pack_bytes_max: 6000,
        sync_bytes: 3000,
        small_packs_max: 4,
    }
}

/// One table of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub id: u32,
    pub row_count: u64,
    pub pages: Vec<Option<Vec<u8>>>,
}

/// All that a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub offset: u64,
    pub tables: Vec<Table>,
    /// By hash.
    pub blobs: Vec<(ObjectHash, u64, Vec<u8>)>,
}

/// Content that depends on nothing but `seed`; every third is not compressible.
pub fn content(seed: u64) -> Vec<u8> {
    let len = 100 + mix(seed) % 1500;
    let noise = mix(seed).is_multiple_of(3);
    let byte = |n: u64| match noise {
        true => mix(seed ^ (n << 20)).to_le_bytes()[0],
        false => mix(seed ^ (n / 40)).to_le_bytes()[0],
    };
    (0..len).map(byte).collect()
}

/// The state after transaction `offset`: from one to the next, some pages change.
pub fn state(offset: u64) -> State {
    let page = |table: u64, page: u64| {
        let number = table << 8 | page;
        if mix(number).is_multiple_of(7) {
            return None;
        }
        // Pages differ in how often they change.
        let age = 1 + mix(number) % 5;
        Some(content((number << 32) | ((offset + number) / age)))
    };
    let table = |id: u64| {
        let page_count = mix(id) % 5 + offset / 4;
        Table {
            id: u32::try_from(id).expect("small"),
            row_count: mix(id ^ offset) % 1000,
            pages: (0..page_count).map(|n| page(id, n)).collect(),
        }
    };
    let blob = |n: u64| {
        let bytes = content(mix(n) ^ (offset / 3) << 40);
        (ObjectHash::of(&bytes), 1 + n, bytes)
    };
    let mut blobs: Vec<_> = (0..3).map(blob).collect();
    blobs.sort();
    State {
        offset,
        tables: (1..4).map(table).collect(),
        blobs,
    }
}

pub fn open(disk: &SimStorage) -> Result<SnapshotRepo, SnapshotError> {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    SnapshotRepo::open_with(disk, Path::new(DIR), options())
}

pub fn head(offset: u64) -> SnapshotHead {
    SnapshotHead {
        identity: identity(),
        tx_offset: TxOffset(offset),
        taken_at: Timestamp::from_micros(i64::try_from(offset).expect("small") * 1_000_000),
        extra: offset.to_le_bytes().to_vec(),
    }
}

pub fn write_state(repo: &SnapshotRepo, state: &State) -> Result<WriteReport, SnapshotError> {
    let mut writer = repo.begin(head(state.offset))?;
    for table in &state.tables {
        writer.table(TableId(table.id), [5; 16], table.row_count)?;
        for page in &table.pages {
            match page {
                Some(page) => {
                    writer.page(ObjectHash::of(page), |out| out.extend_from_slice(page))?;
                }
                None => writer.absent_page()?,
            }
        }
    }
    for (hash, uses, bytes) in &state.blobs {
        writer.blob(*hash, *uses, |out| out.extend_from_slice(bytes))?;
    }
    writer.finish()
}

pub fn write(repo: &SnapshotRepo, offset: u64) -> Result<WriteReport, SnapshotError> {
    write_state(repo, &state(offset))
}

/// All of a snapshot, as it is stored.
pub fn read(snapshot: &LoadedSnapshot) -> Result<State, SnapshotError> {
    let manifest = snapshot.manifest();
    assert_eq!(manifest.extra, manifest.tx_offset.0.to_le_bytes());
    assert_eq!(manifest.identity, identity());
    let mut tables = Vec::new();
    for table in &manifest.tables {
        let pages = table.pages.iter();
        let pages = pages.map(|page| page.map(|page| snapshot.object(page)).transpose());
        tables.push(Table {
            id: table.table.0,
            row_count: table.row_count,
            pages: pages.collect::<Result<_, _>>()?,
        });
    }
    let mut blobs = Vec::new();
    for blob in &manifest.blobs {
        let bytes = snapshot.object(blob.object)?;
        blobs.push((ObjectHash::of(&bytes), blob.uses, bytes));
    }
    blobs.sort();
    Ok(State {
        offset: manifest.tx_offset.0,
        tables,
        blobs,
    })
}

/// Offsets of the listed snapshots, each of which was loaded and found right.
pub fn check_all(repo: &SnapshotRepo, context: &str) -> Vec<u64> {
    let mut offsets = Vec::new();
    for info in repo.list() {
        let loaded = repo.load(info.tx_offset);
        let loaded = loaded.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = read(&loaded).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(found == state(info.tx_offset.0), "{context}: a wrong state");
        offsets.push(info.tx_offset.0);
    }
    offsets
}

pub fn files(disk: &SimStorage, extension: &str) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.to_string_lossy().ends_with(extension));
    files
}

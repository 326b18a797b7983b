//! Our snapshots: manifests, and whole directories.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::{Manifest, ObjectHash, SnapshotError, SnapshotHead, SnapshotRepo};
use spacetime_types::{Identity, TableId, Timestamp, TxOffset};

use crate::disk::{apply_edit, bytes_or_changes, take_edit};

const DIR: &str = "/snapshots";
const OFFSETS: [u64; 2] = [3, 8];

/// The body of a good manifest.
fn good_body() -> Vec<u8> {
    let good = good_disk();
    let files = good.files();
    let manifest = files
        .iter()
        .rfind(|file| file.extension().is_some_and(|e| e == "manifest"));
    let manifest = manifest.and_then(|file| good.content(file));
    match manifest.as_deref().and_then(|bytes| bytes.get(52..)) {
        Some(body) => body.to_vec(),
        None => panic!("two snapshots are there"),
    }
}

/// Any bytes as a manifest, and as the body of one whose checksum is right; if the first byte is
/// odd, what follows are changes to a good body. It is refused, or it is exactly what writing it
/// again gives.
pub fn snapshot_manifest(data: &[u8]) -> bool {
    let plain = check_manifest(data);
    let data = bytes_or_changes(data, good_body);
    let mut sealed = b"stdbsnap\x01\0\0\0".to_vec();
    sealed.extend_from_slice(&(data.len() as u64).to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&sealed);
    hasher.update(&data);
    sealed.extend_from_slice(hasher.finalize().as_bytes());
    sealed.extend_from_slice(&data);
    check_manifest(&sealed) || plain
}

fn check_manifest(bytes: &[u8]) -> bool {
    let file = Path::new("manifest");
    match Manifest::decode(bytes, file) {
        Ok(manifest) => match manifest.encode() {
            Ok(again) => {
                assert_eq!(again, bytes);
                true
            }
            Err(error) => panic!("read, but cannot be written: {error}"),
        },
        Err(SnapshotError::Damaged(damage)) => {
            assert_eq!(damage.file, file);
            assert!(damage.at <= bytes.len() as u64, "{damage}");
            false
        }
        Err(other) => panic!("not damage: {other}"),
    }
}

fn pages(offset: u64) -> [Vec<u8>; 3] {
    let fill = u8::try_from(offset).unwrap_or(0);
    [
        vec![7; 150],
        (0..90).map(|n| n ^ fill).collect(),
        vec![fill; 40],
    ]
}

fn two_snapshots() -> Result<SimStorage, SnapshotError> {
    let disk = SimStorage::new(0);
    let repo = SnapshotRepo::open(Arc::new(disk.clone()), Path::new(DIR))?;
    for offset in OFFSETS {
        let mut writer = repo.begin(SnapshotHead {
            identity: Identity::default(),
            tx_offset: TxOffset(offset),
            taken_at: Timestamp::UNIX_EPOCH,
            extra: vec![1; 3],
        })?;
        writer.table(TableId(1), [0; 16], offset)?;
        for page in pages(offset) {
            writer.page(ObjectHash::of(&page), |out| out.extend_from_slice(&page))?;
            writer.absent_page()?;
        }
        writer.finish()?;
    }
    Ok(disk.fork(0))
}

fn good_disk() -> &'static SimStorage {
    static GOOD: OnceLock<SimStorage> = OnceLock::new();
    GOOD.get_or_init(|| match two_snapshots() {
        Ok(disk) => disk,
        Err(error) => panic!("no fault is planned: {error}"),
    })
}

/// Any bytes as changes to the files of two snapshots: a byte that chooses the file, and four
/// that change it. Each snapshot is as it was, or refused; a further one can be taken, and is good.
pub fn snapshot_files(mut data: &[u8]) -> bool {
    let disk = good_disk().fork(0);
    let files = disk.files();
    while let Some((&file, rest)) = data.split_first() {
        data = rest;
        let Some(edit) = take_edit(&mut data) else {
            break;
        };
        let file = &files[usize::from(file) % files.len()];
        disk.damage(file, |bytes| apply_edit(*edit, bytes));
    }
    let repo = match SnapshotRepo::open(Arc::new(disk), Path::new(DIR)) {
        Ok(repo) => repo,
        Err(error) => panic!("damage must not be fatal: {error}"),
    };
    let mut all_good = true;
    for offset in OFFSETS {
        check_snapshot(&repo, offset);
        match repo.verify(TxOffset(offset)) {
            Ok(verified) => all_good &= verified.is_good(),
            Err(error) => panic!("the disk is good: {error}"),
        }
    }
    let next = 20;
    if let Err(error) = write_next(&repo, next) {
        panic!("no further snapshot can be taken: {error}");
    }
    let verified = repo.verify(TxOffset(next));
    assert!(verified.is_ok_and(|verified| verified.is_good()));
    all_good
}

fn check_snapshot(repo: &SnapshotRepo, offset: u64) {
    let loaded = match repo.load(TxOffset(offset)) {
        Ok(loaded) => loaded,
        Err(SnapshotError::Damaged(_)) => return,
        Err(other) => panic!("not damage: {other}"),
    };
    let found = &loaded.manifest().tables[0].pages;
    assert_eq!(found.len(), 6);
    for (index, page) in found.iter().step_by(2).zip(pages(offset)) {
        let Some(index) = index else {
            panic!("a page is gone");
        };
        match loaded.object(*index) {
            Ok(content) => assert_eq!(content, page),
            Err(SnapshotError::Damaged(_)) => {}
            Err(other) => panic!("not damage: {other}"),
        }
    }
}

fn write_next(repo: &SnapshotRepo, offset: u64) -> Result<(), SnapshotError> {
    let mut writer = repo.begin(SnapshotHead {
        identity: Identity::default(),
        tx_offset: TxOffset(offset),
        taken_at: Timestamp::UNIX_EPOCH,
        extra: Vec::new(),
    })?;
    writer.table(TableId(1), [0; 16], offset)?;
    for page in pages(8) {
        writer.page(ObjectHash::of(&page), |out| out.extend_from_slice(&page))?;
    }
    writer.finish().map(drop)
}

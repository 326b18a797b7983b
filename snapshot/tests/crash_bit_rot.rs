//! Stored bytes change, vanish, or turn up in the wrong place. A snapshot is as it was, or it is
//! refused with file and byte; never is an object wrong, and never does one bad snapshot stand in
//! the way of another, or of the next one.
//!
//! `SNAPSHOT_DAMAGES` makes the run larger.

mod state;

use std::path::{Path, PathBuf};

use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::{ObjectHash, SnapshotError, SnapshotRepo};
use spacetime_types::TxOffset;
use state::{DIR, State, Table, files, mix, open, read, write_state};

const OFFSETS: [u64; 3] = [4, 7, 9];

/// A few hundred bytes, some of them the same at all times, some compressible.
fn small(offset: u64) -> State {
    let blob = vec![7; 200];
    State {
        offset,
        tables: vec![
            Table {
                id: 1,
                row_count: offset,
                pages: vec![Some(vec![1; 30]), None, Some(offset.to_le_bytes().to_vec())],
            },
            Table {
                id: 4096,
                row_count: 1,
                pages: vec![Some((offset as u8 / 5..90).collect())],
            },
        ],
        blobs: vec![(ObjectHash::of(&blob), 3, blob)],
    }
}

fn three_snapshots() -> SimStorage {
    let disk = SimStorage::new(0);
    let repo = open(&disk).expect("an empty disk");
    for offset in OFFSETS {
        write_state(&repo, &small(offset)).expect("no fault is planned");
    }
    assert_eq!(files(&disk, ".pack").len(), 3);
    disk.fork(0)
}

fn check_error(error: &SnapshotError, context: &str) {
    let SnapshotError::Damaged(damage) = error else {
        panic!("{context}: not damage: {error}");
    };
    assert!(damage.file.starts_with(DIR), "{context}: {error}");
    assert!(error.to_string().contains("at byte"), "{context}: {error}");
}

/// How many of the three are as they were. Panics unless the others are refused.
fn count_good(repo: &SnapshotRepo, context: &str) -> usize {
    for unusable in repo.unusable() {
        check_error(&unusable.error, context);
    }
    let good = OFFSETS.iter().filter(|&&offset| {
        let loaded = repo.load(TxOffset(offset));
        match loaded.and_then(|loaded| read(&loaded)) {
            Ok(found) => {
                assert!(found == small(offset), "{context}: a wrong state");
                true
            }
            Err(SnapshotError::NotFound { tx_offset, .. }) => {
                let name = format!("{DIR}/{tx_offset:020}.manifest");
                assert!(context.contains(&name), "{context}: {offset} is gone");
                false
            }
            Err(error) => {
                check_error(&error, context);
                false
            }
        }
    });
    good.count()
}

/// After the damage was seen, the next snapshot is a good one, whatever the others are.
fn check_next(disk: &SimStorage, repo: &SnapshotRepo, context: &str) {
    let next = small(20);
    let written = write_state(repo, &next);
    written.unwrap_or_else(|error| panic!("{context}: {error}"));
    let repo = open(disk).expect("damage is not fatal");
    let loaded = repo.load(TxOffset(20)).expect("just written");
    let found = read(&loaded).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(found == next, "{context}");
}

fn examine(disk: &SimStorage, context: &str) -> usize {
    let repo = open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let good = count_good(&repo, context);
    let verified = OFFSETS.iter().filter(|&&offset| {
        let verified = repo.verify(TxOffset(offset));
        verified.is_ok_and(|verified| verified.is_good())
    });
    assert_eq!(verified.count(), good, "{context}: verification disagrees");
    check_next(disk, &repo, context);
    good
}

#[test]
fn every_flipped_bit() {
    let disk = three_snapshots();
    assert_eq!(examine(&disk.fork(0), "no damage"), 3);
    let mut bits = 0;
    let mut by_good = [0; 4];
    for file in disk.files() {
        let len = disk.content(&file).expect("listed").len();
        for bit in 0..8 * len {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let good = examine(&copy, &format!("{} bit {bit}", file.display()));
            by_good[good] += 1;
            bits += 1;
        }
    }
    eprintln!("{bits} bits flipped; by number of snapshots that are still good: {by_good:?}");
    assert!(bits > 10_000, "{bits}");
    // A bit that makes no difference would be one that no checksum covers.
    assert_eq!(by_good[3], 0, "{by_good:?}");
}

#[test]
fn every_truncation_and_every_missing_file() {
    let disk = three_snapshots();
    for file in disk.files() {
        let full = disk.content(&file).expect("listed").len();
        for len in 0..full {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes.truncate(len));
            let context = format!("{} cut to {len}", file.display());
            assert!(examine(&copy, &context) < 3, "{context}");
        }
        let copy = disk.fork(0);
        copy.damage(&file, |bytes| bytes.push(0));
        let context = format!("{} with a byte more", file.display());
        assert!(examine(&copy, &context) < 3, "{context}");
        let copy = disk.fork(0);
        assert!(copy.lose(&file));
        let context = format!("without {}", file.display());
        assert!(examine(&copy, &context) < 3, "{context}");
    }
}

#[test]
fn swapped_files_are_refused() {
    let disk = three_snapshots();
    let all = disk.files();
    for (n, first) in all.iter().enumerate() {
        for second in &all[n + 1..] {
            let copy = disk.fork(0);
            let contents = [first, second].map(|file| disk.content(file).expect("listed"));
            copy.damage(first, |bytes| bytes.clone_from(&contents[1]));
            copy.damage(second, |bytes| bytes.clone_from(&contents[0]));
            let context = format!("{} and {} swapped", first.display(), second.display());
            assert!(examine(&copy, &context) < 3, "{context}");
        }
    }
}

/// Overwrites a piece of one file with something that was stored elsewhere, or with zeros; or
/// inserts it, or cuts it out.
fn misplace(disk: &SimStorage, files: &[PathBuf], seed: u64) {
    let pick = |salt: u64, below: usize| {
        usize::try_from(mix(seed ^ (salt << 40)) % below.max(1) as u64).expect("below a usize")
    };
    let source = disk.content(&files[pick(1, files.len())]).expect("listed");
    let block = [4, 16, 48, 64, 512][pick(3, 5)];
    let from = pick(4, source.len());
    let mut piece = source[from..(from + block).min(source.len())].to_vec();
    if pick(5, 4) == 0 {
        piece.fill(0);
    }
    disk.damage(&files[pick(2, files.len())], |bytes| {
        let at = pick(6, bytes.len());
        let end = (at + piece.len()).min(bytes.len());
        match pick(7, 3) {
            0 => drop(bytes.splice(at..end, piece)),
            1 => drop(bytes.splice(at..at, piece)),
            _ => drop(bytes.drain(at..end)),
        }
    });
}

#[test]
fn misplaced_duplicated_zeroed_and_lost_blocks() {
    let given = std::env::var("SNAPSHOT_DAMAGES").ok();
    let damages = given.and_then(|given| given.parse().ok()).unwrap_or(20_000);
    let disk = three_snapshots();
    let files = disk.files();
    let mut by_good = [0; 4];
    for seed in 0..damages {
        let copy = disk.fork(0);
        for hit in 0..1 + mix(seed) % 3 {
            misplace(&copy, &files, mix(seed ^ (hit << 50)));
        }
        by_good[examine(&copy, &format!("seed {seed} {DIR}"))] += 1;
    }
    eprintln!("{damages} damages; by number of snapshots that are still good: {by_good:?}");
    assert!(
        by_good[..3].iter().sum::<u64>() > damages / 2,
        "{by_good:?}"
    );
}

/// An object that was good when the manifest was written, and is stale or another's now.
#[test]
fn stale_objects_are_refused() {
    let disk = three_snapshots();
    let packs = files(&disk, ".pack");
    let old = disk.content(&packs[0]).expect("listed");
    let new = disk.content(&packs[1]).expect("listed");
    let mut refused = 0;
    for from in 0..old.len() - 48 {
        for to in (56..new.len() - 48).step_by(7) {
            let copy = disk.fork(0);
            let len = (old.len() - from).min(new.len() - to);
            copy.damage(&packs[1], |bytes| {
                bytes[to..to + len].copy_from_slice(&old[from..from + len]);
            });
            let repo = open(&copy).expect("damage is not fatal");
            refused += 3 - count_good(&repo, "stale");
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn damage_is_named_by_file_and_byte() {
    let disk = three_snapshots();
    let pack = Path::new("/snapshots/00000000000000000000.pack");
    disk.damage(pack, |bytes| bytes[56 + 48 + 5] ^= 1);
    let repo = open(&disk).expect("damage is not fatal");
    assert_eq!(repo.list().len(), 3, "not seen yet");
    let verified = repo.verify(TxOffset(4)).expect("no fault is planned");
    assert_eq!(verified.damage_count, 1);
    let text = verified.damages[0].to_string();
    let expected = "the snapshot is damaged in /snapshots/00000000000000000000.pack at byte 56: \
                    the checksum does not match";
    assert_eq!(text, expected);
    let left: Vec<_> = repo.list().iter().map(|info| info.tx_offset).collect();
    let bad: Vec<_> = repo.unusable().iter().map(|bad| bad.tx_offset).collect();
    assert_eq!(
        (left, bad),
        (vec![TxOffset(9)], vec![TxOffset(4), TxOffset(7)])
    );
}

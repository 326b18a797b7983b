//! Segments that are compressed in place, by us and by others, and removed.
//!
//! `BIT_STEP=1` flips every bit instead of every fifth; `DAMAGES` is how many other damages to try.

mod history;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use history::{
    Opened, append, count, long_life, mix, open, open_from, options, row, sealed_segments,
};
use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_commitlog::{DamageKind, LogError, LogOptions, ReplayError, SealedSegments};
use spacetime_durability::storage::{OsStorage, SimStorage};
use spacetime_durability::{Options, RecoverError};
use spacetime_types::TxOffset;

const TRANSACTIONS: u64 = 60;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn written() -> SimStorage {
    let disk = SimStorage::new(0);
    let mut opened = open(&disk).expect("an empty disk");
    append(&mut opened.group_commit, TRANSACTIONS, &mut 0).expect("no fault is planned");
    drop(opened);
    disk.fork(0)
}

fn segments(disk: &SimStorage) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files
}

fn compress_all(disk: &SimStorage) -> u64 {
    let mut sealed = sealed_segments(disk);
    let mut count = 0;
    while let Some(done) = sealed
        .compress_next_before(TxOffset(u64::MAX))
        .expect("whole")
    {
        assert!(done.bytes_after > 0);
        count += 1;
    }
    count
}

fn check_all_starts(disk: &SimStorage, first: u64) {
    for from in first..=TRANSACTIONS {
        let opened = open_from(disk, from).unwrap_or_else(|e| panic!("from {from}: {e}"));
        let next = opened.check_from(from, &format!("from {from}"));
        assert_eq!(next, TRANSACTIONS);
    }
}

#[test]
fn compressed_segments_read_the_same_and_the_last_is_left_alone() {
    let disk = written();
    let before = sealed_segments(&disk).list().expect("listed");
    assert!(before.len() >= 4);
    assert_eq!(compress_all(&disk), before.len() as u64 - 1);
    let after = sealed_segments(&disk).list().expect("listed");
    for (nth, info) in after.iter().enumerate() {
        assert_eq!(info.is_compressed, info.end.is_some());
        assert_eq!(info.start, before[nth].start);
    }
    check_all_starts(&disk, 0);
    assert_eq!(compress_all(&disk), 0, "nothing is left to do");
    // The log goes on.
    let mut opened = open(&disk).expect("whole");
    append(&mut opened.group_commit, TRANSACTIONS + 20, &mut 0).expect("no fault is planned");
    drop(opened);
    let opened = open(&disk).expect("whole");
    assert_eq!(opened.check_prefix("continued"), TRANSACTIONS + 20);
}

#[test]
fn only_what_is_before_the_offset_is_compressed() {
    let disk = written();
    let second = sealed_segments(&disk).list().expect("listed")[1];
    let end = second.end.expect("not the last");
    let mut sealed = sealed_segments(&disk);
    let none = sealed.compress_next_before(TxOffset(second.start.0 - 1));
    assert_eq!(none.expect("whole"), None);
    let first = sealed.compress_next_before(TxOffset(end.0 - 1));
    assert!(first.expect("whole").is_some());
    let none = sealed.compress_next_before(TxOffset(end.0 - 1));
    assert_eq!(none.expect("whole"), None);
}

#[test]
fn a_damaged_segment_is_not_compressed() {
    let disk = written();
    let first = &segments(&disk)[0];
    let before = disk.content(first).expect("listed");
    for at in (10..before.len()).step_by(37) {
        let copy = disk.fork(0);
        copy.damage(first, |bytes| bytes[at] ^= 4);
        let damaged = copy.content(first);
        let refused = sealed_segments(&copy).compress_next_before(TxOffset(u64::MAX));
        assert!(matches!(refused, Err(LogError::Damaged(_))), "{refused:?}");
        assert_eq!(copy.content(first), damaged);
        assert!(copy.files().iter().all(|file| !is_temporary(file)));
    }
}

fn is_temporary(file: &Path) -> bool {
    file.to_string_lossy().ends_with("-new")
}

#[test]
fn what_an_interrupted_compression_leaves_is_removed() {
    let disk = written();
    for name in [
        "00000000000000000000.stdb.zst-new",
        "00000000000000000099.stdb.new",
    ] {
        let path = Path::new("/replica/clog").join(name);
        let file = disk.open(&path, OpenMode::CreateOrTruncate);
        file.and_then(|file| file.write_all_at(0, b"left"))
            .expect("no fault is planned");
    }
    let orphan = Path::new("/replica/clog/00000000000000000099.stdb.ofs");
    disk.open(orphan, OpenMode::CreateOrTruncate)
        .expect("no fault is planned");
    let files = disk.files().len();
    drop(open(&disk).expect("whole"));
    assert_eq!(disk.files().len(), files - 3);
}

/// Replaces a segment by what the other server makes of it: frames of 4096 bytes.
fn compress_like_others(disk: &SimStorage, file: &Path, piece: usize) {
    disk.damage(file, |bytes| {
        let mut frames = Vec::new();
        let mut table = Vec::new();
        let mut count = 0_u32;
        for piece in bytes.chunks(piece) {
            let frame = zstd::bulk::compress(piece, 0).expect("memory");
            for len in [frame.len(), piece.len()] {
                let len = u32::try_from(len).expect("small");
                table.extend_from_slice(&len.to_le_bytes());
            }
            frames.extend_from_slice(&frame);
            count += 1;
        }
        let table_len = u32::try_from(table.len() + 9).expect("small");
        frames.extend_from_slice(&[0x5e, 0x2a, 0x4d, 0x18]);
        frames.extend_from_slice(&table_len.to_le_bytes());
        frames.extend_from_slice(&table);
        frames.extend_from_slice(&count.to_le_bytes());
        frames.extend_from_slice(&[0, 0xb1, 0xea, 0x92, 0x8f]);
        *bytes = frames;
    });
}

#[test]
fn segments_that_others_compressed_are_read_and_continued() {
    for piece in [100, 4096] {
        let disk = written();
        let files = segments(&disk);
        // All of them, as an archive has it: there is nothing to append to.
        for file in &files {
            compress_like_others(&disk, file, piece);
        }
        check_all_starts(&disk.fork(0), 0);
        let mut opened = open(&disk).expect("whole");
        assert_eq!(opened.check_prefix("compressed"), TRANSACTIONS);
        append(&mut opened.group_commit, TRANSACTIONS + 5, &mut 0).expect("no fault is planned");
        drop(opened);
        let opened = open(&disk).expect("whole");
        assert_eq!(opened.check_prefix("continued"), TRANSACTIONS + 5);
        assert_eq!(segments(&disk).len(), files.len() + 1);
    }
}

#[test]
fn the_log_is_readable_from_every_offset_that_was_kept() {
    for keep in 0..=TRANSACTIONS {
        let disk = written();
        compress_all(&disk);
        let before = sealed_segments(&disk).list().expect("listed");
        let removed = sealed_segments(&disk).remove_before(TxOffset(keep));
        let removed = removed.expect("no fault is planned");
        let after = sealed_segments(&disk).list().expect("listed");
        assert_eq!(
            before.len() - after.len(),
            usize::try_from(removed.segments).expect("few")
        );
        let first = after[0].start.0;
        // All that could go has gone, and nothing else.
        assert!(first <= keep);
        assert!(after[0].end.is_none_or(|end| end.0 > keep));
        check_all_starts(&disk, keep.max(first));
        if first > 0 {
            let Err(RecoverError::Replay(ReplayError::Log(LogError::Damaged(damage)))) =
                open_from(&disk, first - 1)
            else {
                panic!("opened without what was removed");
            };
            assert!(matches!(damage.what, DamageKind::StartsLate { .. }));
        }
        // No index without a segment.
        let indexes = disk.files().into_iter();
        for index in indexes.filter(|file| file.extension().is_some_and(|e| e == "ofs")) {
            assert!(disk.content(&index.with_extension("log")).is_some());
        }
    }
}

/// A replica with compressed, removed and plain segments, cleanly closed.
fn aged() -> (SimStorage, u64) {
    let disk = SimStorage::new(0);
    let life = long_life(&disk, TRANSACTIONS);
    assert_eq!((life.acknowledged, life.result), (TRANSACTIONS, Ok(())));
    let compressed = sealed_segments(&disk).list().expect("listed");
    assert!(compressed.iter().any(|segment| segment.is_compressed));
    assert!(compressed[0].start.0 > 0);
    (disk.fork(0), life.restore_point)
}

/// True if it was refused. Panics if anything else but the same rows came out.
fn is_refused(disk: &SimStorage, from: u64, context: &str) -> bool {
    match open_from(disk, from) {
        Err(_) => true,
        Ok(opened) => {
            let next = opened.check_from(from, context);
            assert_eq!(next, TRANSACTIONS, "{context}: silently cut");
            false
        }
    }
}

#[test]
fn flipped_bits_of_every_file_of_an_aged_replica() {
    let (disk, from) = aged();
    let (mut damages, mut refused) = (0, 0);
    for file in disk.files() {
        let len = disk.content(&file).expect("listed").len();
        let step = usize::try_from(count("BIT_STEP", 5)).expect("small");
        for bit in (0..8 * len).step_by(step) {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let context = format!("{} bit {bit}", file.display());
            refused += u64::from(is_refused(&copy, from, &context));
            damages += 1;
        }
    }
    eprintln!("{damages} flipped bits, {refused} refused");
    assert!(refused > damages / 3, "{refused} of {damages}");
}

#[test]
fn truncated_and_missing_files_of_an_aged_replica() {
    let (disk, from) = aged();
    for file in disk.files() {
        let whole = disk.content(&file).expect("listed");
        for len in 0..whole.len() {
            let copy = disk.fork(0);
            copy.damage(&file, |bytes| bytes.truncate(len));
            let context = format!("{} cut to {len}", file.display());
            let refused = is_refused(&copy, from, &context);
            if whole.starts_with(&ZSTD_MAGIC) && is_read(&file, &disk, from) {
                assert!(refused, "{context}");
            }
        }
        let copy = disk.fork(0);
        assert!(copy.lose(&file));
        is_refused(&copy, from, &format!("{} missing", file.display()));
    }
}

fn is_read(file: &Path, disk: &SimStorage, from: u64) -> bool {
    let info = sealed_segments(disk).list().expect("listed");
    info.iter().any(|segment| {
        let name = format!("{:020}.stdb.log", segment.start.0);
        file.ends_with(name) && segment.end.is_none_or(|end| end.0 > from)
    })
}

/// Blocks of any file turn up in any other, twice, as zeros, or not at all.
#[test]
fn misplaced_blocks_of_all_files_of_an_aged_replica() {
    let (disk, from) = aged();
    let files = disk.files();
    let contents: Vec<_> = files.iter().filter_map(|file| disk.content(file)).collect();
    let damages = count("DAMAGES", 20_000);
    let mut refused = 0;
    for seed in 0..damages {
        let pick = |salt: u64, below: usize| {
            usize::try_from(mix(seed ^ (salt << 40)) % below as u64).expect("below a usize")
        };
        let source = &contents[pick(1, files.len())];
        let target = pick(2, files.len());
        let block = [8, 16, 64, 512, 4096][pick(3, 5)];
        let from_byte = (pick(4, source.len() / block + 1) * block).min(source.len());
        let mut piece = source[from_byte..(from_byte + block).min(source.len())].to_vec();
        if pick(5, 4) == 0 {
            piece.fill(0);
        }
        let copy = disk.fork(0);
        copy.damage(&files[target], |bytes| {
            let at = (pick(6, bytes.len() / block + 1) * block).min(bytes.len());
            let end = (at + piece.len()).min(bytes.len());
            match pick(7, 4) {
                0 => drop(bytes.splice(at..end, piece)),
                1 => drop(bytes.splice(at..at, piece)),
                2 => drop(bytes.drain(at..end)),
                _ => bytes.truncate(at),
            }
        });
        let context = format!("seed {seed}, {}", files[target].display());
        refused += u64::from(is_refused(&copy, from, &context));
    }
    eprintln!("{damages} damages, {refused} refused");
    assert!(refused > damages / 5, "{refused} of {damages}");
}

/// An older copy of a file comes back: a lost write.
#[test]
fn stale_copies_of_files() {
    let disk = SimStorage::new(0);
    let mut opened = open(&disk).expect("an empty disk");
    let mut stale: Vec<SimStorage> = Vec::new();
    for until in (6..=TRANSACTIONS).step_by(6) {
        append(&mut opened.group_commit, until, &mut 0).expect("no fault is planned");
        opened
            .group_commit
            .sync_watermark()
            .expect("no fault is planned");
        stale.push(disk.fork(0));
        compress_all(&disk);
        stale.push(disk.fork(0));
    }
    drop(opened);
    let (mut refused, mut same) = (0, 0);
    for old in &stale {
        for file in old.files() {
            let content = old.content(&file).expect("listed");
            let copy = disk.fork(0);
            if copy.damage(&file, |bytes| *bytes = content) {
                match is_refused(&copy, 0, &file.display().to_string()) {
                    true => refused += 1,
                    false => same += 1,
                }
            }
        }
    }
    assert!(refused >= 10 && same >= 10, "{refused} {same}");
}

#[test]
fn on_a_real_file_system() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let replica = dir.path().join("replica");
    let storage: Arc<dyn Storage> = Arc::new(OsStorage);
    let options = Options {
        log: LogOptions {
            segment_bytes_max: 100_000,
            preallocate: true,
            ..LogOptions::default()
        },
        ..options()
    };
    let open = |from: u64| {
        let mut collected = history::Collected::default();
        let options = Options {
            replay_from: TxOffset(from),
            ..options.clone()
        };
        let opened = spacetime_durability::recover(&storage, &replica, &options, &mut collected);
        let (found, group_commit) = opened.unwrap_or_else(|e| panic!("from {from}: {e}"));
        Opened {
            found,
            collected,
            group_commit,
        }
    };
    let mut opened = open(0);
    append(&mut opened.group_commit, 3000, &mut 0).expect("room on the disk");
    let mut sealed = SealedSegments::new(Arc::clone(&storage), &replica.join("clog"));
    let mut saved = 0;
    while let Some(done) = sealed
        .compress_next_before(TxOffset(2500))
        .expect("room on the disk")
    {
        saved += done.bytes_before.saturating_sub(done.bytes_after);
    }
    // Random rows do not compress; the framing does.
    assert!(saved > 0);
    drop(opened);
    assert_eq!(open(0).check_from(0, "compressed"), 3000);
    let removed = sealed.remove_before(TxOffset(1800)).expect("a good disk");
    assert!(removed.segments > 0 && removed.bytes > 0);
    let opened = open(1800);
    assert_eq!(opened.collected.rows[0], row(1800));
    assert_eq!(opened.check_from(1800, "removed"), 3000);
}

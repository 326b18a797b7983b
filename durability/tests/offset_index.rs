//! Reading from any transaction on, with the help of an index that may be anything.

mod history;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use history::{Collected, append, open, open_with, options, row};
use proptest::prelude::*;
use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
use spacetime_commitlog::{LogReader, offset_index, replay};
use spacetime_durability::Options;
use spacetime_durability::storage::SimStorage;
use spacetime_types::TxOffset;

const TRANSACTIONS: u64 = 40;
const DIR: &str = "/replica/clog";

fn written() -> SimStorage {
    let disk = SimStorage::new(0);
    let mut opened = open(&disk).expect("an empty disk");
    append(&mut opened.group_commit, TRANSACTIONS, &mut 0).expect("no fault is planned");
    disk.fork(0)
}

fn indexes(disk: &SimStorage) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ofs"));
    files
}

fn read_from(storage: Arc<dyn Storage>, from: u64) -> Vec<Vec<u8>> {
    let log = LogReader::open(storage, Path::new(DIR), TxOffset(from));
    let mut log = log.unwrap_or_else(|e| panic!("from {from}: {e}"));
    let mut collected = Collected::default();
    replay(&mut log, &mut collected).unwrap_or_else(|e| panic!("from {from}: {e}"));
    assert_eq!(log.into_end().next, TxOffset(TRANSACTIONS));
    collected.rows
}

fn check_all_starts(disk: &SimStorage) {
    for from in 0..=TRANSACTIONS {
        let rows = read_from(Arc::new(disk.clone()), from);
        let expected: Vec<_> = (from..TRANSACTIONS).map(row).collect();
        assert_eq!(rows, expected, "from {from}");
    }
}

/// Counts the bytes that are read.
#[derive(Debug)]
struct Counting {
    disk: SimStorage,
    read: Arc<std::sync::atomic::AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    file: Box<dyn StorageFile>,
    read: Arc<std::sync::atomic::AtomicU64>,
}

impl Storage for Counting {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn StorageFile>, StorageError> {
        Ok(Box::new(CountingFile {
            file: self.disk.open(path, mode)?,
            read: Arc::clone(&self.read),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, StorageError> {
        self.disk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), StorageError> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, content: &str) -> Result<Box<dyn StorageLock>, StorageError> {
        self.disk.lock(path, content)
    }
}

impl StorageFile for CountingFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let read = self.file.read_at(offset, buf)?;
        self.read
            .fetch_add(read as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize, StorageError> {
        self.file.write_at(offset, bytes)
    }

    fn byte_len(&self) -> Result<u64, StorageError> {
        self.file.byte_len()
    }

    fn set_len(&self, len: u64) -> Result<(), StorageError> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.file.sync_data()
    }
}

#[test]
fn every_start_is_read_with_and_without_an_index() {
    let disk = written();
    assert!(indexes(&disk).len() >= 3);
    check_all_starts(&disk);
    for index in indexes(&disk) {
        assert!(disk.lose(&index));
    }
    check_all_starts(&disk);
}

#[test]
fn an_index_leads_past_what_is_not_wanted() {
    let disk = SimStorage::new(0);
    let one_segment = Options {
        log: spacetime_commitlog::LogOptions::default(),
        ..options()
    };
    let mut opened = open_with(&disk, &one_segment).expect("an empty disk");
    append(&mut opened.group_commit, 60_000, &mut 0).expect("no fault is planned");
    let read = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counting: Arc<dyn Storage> = Arc::new(Counting {
        disk: disk.clone(),
        read: Arc::clone(&read),
    });
    let log = LogReader::open(counting, Path::new(DIR), TxOffset(59_000));
    let mut log = log.expect("whole");
    let mut collected = Collected::default();
    replay(&mut log, &mut collected).expect("whole");
    assert_eq!(collected.rows.len(), 1000);
    assert_eq!(collected.rows[0], row(59_000));
    let segment = format!("{DIR}/00000000000000000000.stdb.log");
    let len = disk.content(segment.as_ref()).expect("there").len() as u64;
    let read = read.load(std::sync::atomic::Ordering::Relaxed);
    assert!(len > 5 << 20, "{len}");
    assert!(read < len / 2, "{read} bytes of {len} were read");
}

#[test]
fn every_entry_points_to_a_commit() {
    let disk = written();
    let mut entries = 0;
    for index in indexes(&disk) {
        let segment = disk.content(&index.with_extension("log")).expect("there");
        for entry in offset_index::decode(&disk.content(&index).expect("listed")) {
            let at = usize::try_from(entry.at).expect("small");
            assert_eq!(segment[at..at + 8], entry.start.0.to_le_bytes());
            entries += 1;
        }
    }
    assert!(entries >= 6, "{entries}");
}

#[test]
fn a_lost_index_of_the_last_segment_is_built_again_when_the_log_is_opened() {
    let disk = written();
    let index = indexes(&disk).pop().expect("there are some");
    let before = disk.content(&index).expect("listed");
    assert!(disk.lose(&index));
    drop(open(&disk).expect("whole"));
    assert_eq!(disk.content(&index).expect("built again"), before);
    for damage in [vec![7; 64], vec![0; 3], before[16..].to_vec()] {
        disk.damage(&index, |bytes| *bytes = damage);
        drop(open(&disk).expect("whole"));
        assert_eq!(disk.content(&index).expect("built again"), before);
    }
    // Opened in the middle, what is before it is kept, and what is behind it is found.
    for from in 0..=TRANSACTIONS {
        disk.damage(&index, |bytes| {
            let whole = bytes.len() / 32 * 16;
            bytes.truncate(whole);
        });
        let from_there = Options {
            replay_from: TxOffset(from),
            ..options()
        };
        drop(open_with(&disk, &from_there).expect("whole"));
        check_all_starts(&disk);
    }
}

#[test]
fn every_damaged_byte_and_every_length_of_an_index_changes_nothing() {
    let disk = written();
    for index in indexes(&disk) {
        let whole = disk.content(&index).expect("listed");
        for at in 0..whole.len() {
            for value in [whole[at] ^ 1, whole[at] ^ 0x80, 0, 0xff] {
                disk.damage(&index, |bytes| bytes[at] = value);
                check_all_starts(&disk);
                disk.damage(&index, |bytes| bytes.clone_from(&whole));
            }
        }
        for len in 0..whole.len() {
            disk.damage(&index, |bytes| bytes.truncate(len));
            check_all_starts(&disk);
            disk.damage(&index, |bytes| bytes.clone_from(&whole));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_index_of_anything_changes_nothing(
        entries in prop::collection::vec((0..TRANSACTIONS + 2, 0_u64..2500), 0..30),
        extra in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let disk = written();
        for index in indexes(&disk) {
            disk.damage(&index, |bytes| {
                bytes.clear();
                for (start, at) in &entries {
                    bytes.extend_from_slice(&start.to_le_bytes());
                    bytes.extend_from_slice(&at.to_le_bytes());
                }
                bytes.extend_from_slice(&extra);
            });
        }
        check_all_starts(&disk);
        // Opened for writing as well.
        let opened = open(&disk).expect("whole");
        opened.check_prefix("any index");
    }
}

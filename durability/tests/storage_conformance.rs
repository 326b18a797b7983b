//! What every disk has to do: the same tests for the standard library's, io_uring's and the
//! simulated one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use spacetime_durability::doc_support::CountRecords;
use spacetime_durability::storage::{
    Backend, OpenMode, OsStorage, SimStorage, Storage, StorageError, open_backend,
};
use spacetime_durability::{Durability, EncodedRecord, Options, Transaction, open};
use spacetime_types::TxOffset;

/// Runs a test on every disk that there is here.
fn on_each(check: impl Fn(&str, Arc<dyn Storage>, &Path)) {
    let dir = || tempfile::tempdir().expect("a directory for temporary files");
    let sim = Arc::new(SimStorage::new(0));
    sim.create_dir(Path::new("/dir"))
        .expect("no fault is planned");
    check("sim", sim, Path::new("/dir"));
    let std_dir = dir();
    check("std", Arc::new(OsStorage), std_dir.path());
    match open_backend(Backend::Uring) {
        Ok(uring) => {
            let uring_dir = dir();
            check("io_uring", uring, uring_dir.path());
        }
        Err(error) => eprintln!("no io_uring here, so it is not tested: {error}"),
    }
    let any_dir = dir();
    let any = open_backend(Backend::UringIfPossible).expect("one of them");
    check("io_uring or std", any, any_dir.path());
}

fn kind<T: std::fmt::Debug>(result: Result<T, StorageError>) -> io::ErrorKind {
    result.expect_err("it fails").source.kind()
}

#[test]
fn files_hold_what_is_written_to_them() {
    on_each(|name, disk, dir| {
        let path = dir.join("file");
        let missing = disk.open(&path, OpenMode::Read);
        assert_eq!(kind(missing), io::ErrorKind::NotFound, "{name}");
        let file = disk.open(&path, OpenMode::CreateOrTruncate).expect(name);
        assert_eq!(file.path(), path, "{name}");
        assert_eq!(file.byte_len().expect(name), 0, "{name}");
        file.write_all_at(0, b"hello").expect(name);
        file.write_all_and_sync(5, b" world").expect(name);
        file.write_all_and_sync(11, b"").expect(name);
        // Behind the end: what is between is zeros.
        file.write_all_and_sync(13, b"!").expect(name);
        file.sync_data().expect(name);
        assert_eq!(file.byte_len().expect(name), 14, "{name}");
        let reader = disk.open(&path, OpenMode::Read).expect(name);
        let mut found = [1; 14];
        reader.read_exact_at(0, &mut found).expect(name);
        assert_eq!(&found, b"hello world\0\0!", "{name}");
        assert_eq!(reader.read_at(14, &mut found).expect(name), 0, "{name}");
        assert_eq!(reader.read_at(99, &mut found).expect(name), 0, "{name}");
        let short = reader.read_exact_at(10, &mut [0; 5]);
        assert_eq!(kind(short), io::ErrorKind::UnexpectedEof, "{name}");
        assert!(reader.write_at(0, b"x").is_err(), "{name}");
        assert!(reader.write_all_and_sync(0, b"x").is_err(), "{name}");
        file.set_len(3).expect(name);
        file.set_len(4).expect(name);
        let mut found = [1; 4];
        reader.read_exact_at(0, &mut found).expect(name);
        assert_eq!(&found, b"hel\0", "{name}");
        let emptied = disk.open(&path, OpenMode::CreateOrTruncate).expect(name);
        assert_eq!(emptied.byte_len().expect(name), 0, "{name}");
    });
}

#[test]
fn room_set_aside_does_not_show() {
    on_each(|name, disk, dir| {
        let file = disk.open(&dir.join("file"), OpenMode::CreateOrTruncate);
        let file = file.expect(name);
        file.write_all_at(0, b"abc").expect(name);
        file.allocate(1 << 20).expect(name);
        assert_eq!(file.byte_len().expect(name), 3, "{name}");
        file.write_all_and_sync(3, b"def").expect(name);
        let mut found = [0; 6];
        file.read_exact_at(0, &mut found).expect(name);
        assert_eq!(&found, b"abcdef", "{name}");
    });
}

#[test]
fn large_writes_are_whole() {
    on_each(|name, disk, dir| {
        let file = disk.open(&dir.join("file"), OpenMode::CreateOrTruncate);
        let file = file.expect(name);
        let bytes: Vec<u8> = (0..5_000_000_u32)
            .map(|n| (n % 251).to_le_bytes()[0])
            .collect();
        file.write_all_and_sync(7, &bytes).expect(name);
        let mut found = vec![0; bytes.len()];
        file.read_exact_at(7, &mut found).expect(name);
        assert!(found == bytes, "{name}");
    });
}

#[test]
fn names_can_be_changed_and_removed() {
    on_each(|name, disk, dir| {
        let (from, to) = (dir.join("from"), dir.join("to"));
        for (path, content) in [(&from, b"new"), (&to, b"old")] {
            let file = disk.open(path, OpenMode::CreateOrTruncate).expect(name);
            file.write_all_and_sync(0, content).expect(name);
        }
        disk.rename(&from, &to).expect(name);
        disk.sync_dir(dir).expect(name);
        assert_eq!(disk.list(dir).expect(name), ["to"], "{name}");
        let mut found = [0; 3];
        let file = disk.open(&to, OpenMode::ReadWrite).expect(name);
        file.read_exact_at(0, &mut found).expect(name);
        assert_eq!(&found, b"new", "{name}");
        disk.remove(&to).expect(name);
        assert_eq!(kind(disk.remove(&to)), io::ErrorKind::NotFound, "{name}");
        // An open file outlives its name.
        file.read_exact_at(0, &mut found).expect(name);
        assert_eq!(disk.list(dir).expect(name), Vec::<String>::new(), "{name}");
        disk.create_dir(&dir.join("sub")).expect(name);
        disk.create_dir(&dir.join("sub")).expect(name);
        let missing = disk.list(&dir.join("none"));
        assert_eq!(kind(missing), io::ErrorKind::NotFound, "{name}");
    });
}

#[test]
fn a_lock_is_held_by_one() {
    on_each(|name, disk, dir| {
        let path = dir.join("lock");
        let held = disk.lock(&path, "me").expect(name);
        let refused = kind(disk.lock(&path, "you"));
        assert_eq!(refused, io::ErrorKind::WouldBlock, "{name}");
        drop(held);
        disk.lock(&path, "you").expect(name);
    });
}

#[test]
fn a_database_lives_on_any_of_them() {
    on_each(|name, disk, dir| {
        let replica = dir.join("replica");
        let mut options = Options::default();
        options.log.segment_bytes_max = 20_000;
        options.log.preallocate = true;
        for session in 0..3_u64 {
            let mut counted = CountRecords::default();
            let opened = open(&disk, &replica, &options, &mut counted);
            let (found, durability): (_, Durability) =
                opened.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(found.next, TxOffset(session * 1000), "{name}");
            assert_eq!(counted.records, session * 1000, "{name}");
            for offset in session * 1000..(session + 1) * 1000 {
                let record = EncodedRecord::from([&[0x40, 50], &[b'x'; 50][..]].concat());
                let appended = durability.append(Transaction::new(TxOffset(offset), record));
                appended.unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            let closed = durability.close().unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(closed, Some(TxOffset(session * 1000 + 999)), "{name}");
        }
    });
}

//! Arbitrary bytes as logs: refused or read, never a panic, never more than is there.

mod history;

use std::path::Path;

use history::{REPLICA, open, record};
use proptest::collection::vec;
use proptest::prelude::*;
use spacetime_commitlog::CommitBuffer;
use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_durability::storage::SimStorage;
use spacetime_types::TxOffset;

const LOG: &str = "/replica/clog/00000000000000000000.stdb.log";

fn replica(content: &[u8]) -> SimStorage {
    let disk = SimStorage::new(0);
    for dir in [REPLICA, "/replica/clog"] {
        disk.create_dir(Path::new(dir))
            .expect("no fault is planned");
    }
    let file = disk.open(LOG.as_ref(), OpenMode::CreateOrTruncate);
    let written = file.and_then(|file| file.write_all_at(0, content));
    written.expect("no fault is planned");
    disk.fork(0)
}

fn good_log() -> Vec<u8> {
    let mut bytes = b"(ds)^2\x01\0\0\0".to_vec();
    let mut commit = CommitBuffer::new();
    let mut offset = 0;
    for records in [1, 3, 2, 1, 1] {
        let start = TxOffset(offset);
        for _ in 0..records {
            let pushed = commit.push(|out| out.extend_from_slice(&record(offset)));
            pushed.expect("a small record");
            offset += 1;
        }
        bytes.extend_from_slice(commit.finish(start, 0).bytes);
        commit.clear();
    }
    bytes
}

/// Reads whatever it is. If it opens, it can be opened again to the same state.
fn check(content: &[u8]) {
    let disk = replica(content);
    let Ok(opened) = open(&disk) else {
        assert_eq!(disk.content(LOG.as_ref()).as_deref(), Some(content));
        return;
    };
    let next = opened.found.next;
    let rows = opened.collected.rows;
    drop(opened.group_commit);
    let again = open(&disk).unwrap_or_else(|e| panic!("opened once, then refused: {e}"));
    assert_eq!((again.found.next, again.collected.rows), (next, rows));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_header(bytes in vec(any::<u8>(), 0..400), version in 0_u8..2) {
        let header = [b'(', b'd', b's', b')', b'^', b'2', version, 0, 0, 0];
        check(&[&header[..], &bytes].concat());
    }

    /// Few different bytes make plausible offsets and lengths.
    #[test]
    fn nearly_zeros(bytes in vec(prop_oneof![9 => Just(0_u8), 1 => 0_u8..3], 0..600)) {
        check(&[b"(ds)^2\x01\0\0\0", &bytes[..]].concat());
    }

    #[test]
    fn changed_logs(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
        extra in vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = good_log();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
        bytes.extend_from_slice(&extra);
        check(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        check(&bytes);
    }

    /// Records that a good checksum covers, but that no encoder has written.
    #[test]
    fn nonsense_with_a_good_checksum(
        records in vec(vec(any::<u8>(), 1..60), 1..5),
        flags in vec(0_u8..8, 5),
    ) {
        let mut commit = CommitBuffer::new();
        for (mut record, flags) in records.into_iter().zip(flags) {
            record[0] = flags << 5;
            commit.push(|out| out.extend_from_slice(&record)).expect("small records");
        }
        let frame = commit.finish(TxOffset(0), 0);
        check(&[b"(ds)^2\x01\0\0\0", frame.bytes].concat());
    }
}

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

/// The end of a compressed segment with frames of these lengths, compressed and not.
fn seek_table(lens: &[(u32, u32)], wrong_count: u32) -> Vec<u8> {
    let count = u32::try_from(lens.len()).expect("few");
    let mut out = vec![0x5e, 0x2a, 0x4d, 0x18];
    out.extend_from_slice(&(8 * count + 9).to_le_bytes());
    for (compressed, content) in lens {
        out.extend_from_slice(&compressed.to_le_bytes());
        out.extend_from_slice(&content.to_le_bytes());
    }
    out.extend_from_slice(&(count ^ wrong_count).to_le_bytes());
    out.extend_from_slice(&[0, 0xb1, 0xea, 0x92, 0x8f]);
    out
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

    /// What claims to be compressed: never more memory than a frame may hold, never a panic.
    #[test]
    fn random_compressed_segments(
        bytes in vec(any::<u8>(), 0..200),
        lens in vec((0_u32..40, prop_oneof![0_u32..5000, any::<u32>()]), 0..6),
        wrong_count in prop_oneof![4 => Just(0_u32), 1 => any::<u32>()],
    ) {
        let mut content = vec![0x28, 0xb5, 0x2f, 0xfd];
        content.extend_from_slice(&bytes);
        check(&content);
        // The frames fill the file, so that the table is believed.
        let filled: u32 = lens.iter().map(|(compressed, _)| compressed).sum();
        content.resize(usize::try_from(filled).expect("small").max(4), 7);
        content.extend_from_slice(&seek_table(&lens, wrong_count));
        check(&content);
    }

    #[test]
    fn changed_compressed_logs(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        piece in 50_usize..2000,
        cut in prop_oneof![2 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let mut bytes = Vec::new();
        let mut lens = Vec::new();
        for piece in good_log().chunks(piece) {
            let frame = zstd::bulk::compress(piece, 3).expect("memory");
            let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small");
            lens.push((len(&frame), len(piece)));
            bytes.extend_from_slice(&frame);
        }
        bytes.extend_from_slice(&seek_table(&lens, 0));
        prop_assert!(open(&replica(&bytes)).is_ok());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
            check(&bytes);
        }
    }
}

//! Logs: segments and their offset indexes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spacetime_commitlog::offset_index::{self, IndexEntry};
use spacetime_commitlog::segment;
use spacetime_commitlog::{CommitBuffer, LogOptions, LogReader};
use spacetime_durability::storage::{SimStorage, Storage};
use spacetime_durability::{Options, recover};
use spacetime_types::TxOffset;

use crate::disk::{apply_edit, create_dirs, put, take_edit};
use crate::txdata::Rows;

const REPLICA: &str = "/replica";
const CLOG: &str = "/replica/clog";
const COMMITS: u64 = 40;

fn options() -> Options {
    Options {
        log: LogOptions {
            segment_bytes_max: 4096,
            ..LogOptions::default()
        },
        watermark_interval: Duration::from_secs(3600),
        ..Options::default()
    }
}

/// A record that inserts one row, whose length depends on the offset.
fn record(offset: u64) -> Vec<u8> {
    let len = u8::try_from(offset * 37 % 100).unwrap_or(0);
    // Changes only; one table (4097) with one row; no deletes, no truncates.
    let mut record = vec![0b0010_0000, 1, 0x01, 0x10, 0, 0, 1];
    record.extend_from_slice(&[len, 0, 0, 0]);
    record.extend((0..len).map(|n| n ^ len));
    record.extend_from_slice(&[0, 0]);
    record
}

/// A good log of some commits of one to three transactions.
fn good_segment() -> Vec<u8> {
    let mut bytes = segment::encode_header().to_vec();
    let mut buffer = CommitBuffer::new();
    let mut next = 0;
    for commit in 0..COMMITS {
        let start = TxOffset(next);
        for _ in 0..1 + commit % 3 {
            let pushed = buffer.push(|out| out.extend_from_slice(&record(next)));
            assert!(pushed.is_ok(), "a small record fits");
            next += 1;
        }
        bytes.extend_from_slice(buffer.finish(start, 0).bytes);
        buffer.clear();
    }
    bytes
}

fn disk_with(content: &[u8]) -> SimStorage {
    let disk = SimStorage::new(0);
    create_dirs(&disk, &[REPLICA, CLOG]);
    put(&disk, &segment_path(), content);
    disk.fork(0)
}

fn segment_path() -> String {
    format!("{CLOG}/{}", segment::file_name(TxOffset(0)))
}

fn open(disk: &SimStorage) -> Option<(TxOffset, Rows)> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut rows = Rows::default();
    let recovered = recover(&storage, Path::new(REPLICA), &options(), &mut rows);
    let (recovered, _) = recovered.ok()?;
    Some((recovered.next, rows))
}

/// Any bytes as a log. If the first byte is odd, what follows are changes to a good one. It is
/// refused and left as it is, or opened: then with all transactions up to the end, and with the
/// same ones when it is opened again.
pub fn segment(data: &[u8]) -> bool {
    let Some((first, rest)) = data.split_first() else {
        return false;
    };
    let mut rest = rest;
    let mut content = match first % 4 {
        0 => rest.to_vec(),
        2 => [&segment::encode_header(), rest].concat(),
        _ => good_segment(),
    };
    if first % 2 == 1 {
        while let Some(edit) = take_edit(&mut rest) {
            apply_edit(*edit, &mut content);
        }
    }
    let disk = disk_with(&content);
    let Some((next, rows)) = open(&disk) else {
        let left = disk.content(Path::new(&segment_path()));
        assert_eq!(left.as_deref(), Some(&content[..]), "refused, but changed");
        return false;
    };
    let all: Vec<TxOffset> = (0..next.0).map(TxOffset).collect();
    assert_eq!(rows.offsets, all, "transactions are missing");
    let Some((again, same)) = open(&disk) else {
        panic!("opened once, then refused");
    };
    assert_eq!((again, same.inserted), (next, rows.inserted));
    next.0 > 0
}

/// Any bytes as the index of a good segment: reading from any transaction gives what it gives
/// without an index.
pub fn offset_index(data: &[u8]) -> bool {
    let entries = offset_index::decode(data);
    assert!(entries.len() <= data.len() / offset_index::ENTRY_LEN);
    for pair in entries.windows(2) {
        assert!(pair[0].start < pair[1].start && pair[0].at < pair[1].at);
    }
    for entry in &entries {
        assert_eq!(IndexEntry::decode(&entry.encode()), Some(*entry));
    }
    let disk = disk_with(&good_segment());
    let path = segment::index_path(Path::new(CLOG), TxOffset(0));
    let Some(path) = path.to_str() else {
        panic!("paths here are text");
    };
    put(&disk, path, data);
    let indexed = Arc::new(disk);
    let plain = Arc::new(disk_with(&good_segment()));
    for from in [0, 1, 2, 13, 40, 60, 77, 78, 79] {
        assert_eq!(read(&indexed, from), read(&plain, from), "from {from}");
    }
    !entries.is_empty()
}

/// First offsets of the commits that come, or nothing if that is refused.
fn read(disk: &Arc<SimStorage>, from: u64) -> Option<Vec<u64>> {
    let storage: Arc<dyn Storage> = Arc::<SimStorage>::clone(disk);
    let mut reader = LogReader::open(storage, Path::new(CLOG), TxOffset(from)).ok()?;
    let mut starts = Vec::new();
    while let Some(commit) = reader.next_commit().ok()? {
        starts.push(commit.header.start.0);
    }
    Some(starts)
}

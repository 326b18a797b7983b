//! Logs that another server wrote, in every state that it leaves them in.

mod history;

use std::path::Path;
use std::sync::Arc;

use history::{Collected, Opened, REPLICA, append, open, open_with, options, record, row};
use spacetime_commitlog::storage::{OpenMode, Storage};
use spacetime_commitlog::{CommitBuffer, DamageKind, LogError, LogReader, ReplayError};
use spacetime_durability::storage::SimStorage;
use spacetime_durability::{Options, RecoverError};
use spacetime_types::TxOffset;
use spacetime_types::bsatn::DecodeError;

const HEADER: &[u8] = b"(ds)^2\x01\0\0\0";

/// Commits of one record each, as the other server writes them.
fn commits(offsets: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for offset in offsets {
        let mut commit = CommitBuffer::new();
        let pushed = commit.push(|out| out.extend_from_slice(&record(offset)));
        pushed.expect("a small record");
        bytes.extend_from_slice(commit.finish(TxOffset(offset), 0).bytes);
    }
    bytes
}

fn segment(offsets: std::ops::Range<u64>) -> Vec<u8> {
    [HEADER, &commits(offsets)].concat()
}

/// A replica whose log has these segments and that has no watermark.
fn replica(segments: &[(u64, Vec<u8>)]) -> SimStorage {
    let disk = SimStorage::new(0);
    for dir in [REPLICA, "/replica/clog"] {
        disk.create_dir(Path::new(dir))
            .expect("no fault is planned");
    }
    for (start, content) in segments {
        let path = format!("/replica/clog/{start:020}.stdb.log");
        let file = disk.open(path.as_ref(), OpenMode::CreateOrTruncate);
        let written = file.and_then(|file| file.write_all_at(0, content));
        written.expect("no fault is planned");
    }
    disk.fork(0)
}

/// Opens, checks, appends, and opens again.
fn check_continues(disk: &SimStorage, next: u64) -> Opened {
    let mut opened = open(disk).unwrap_or_else(|e| panic!("refused: {e}"));
    assert_eq!(opened.check_prefix("first opening"), next);
    append(&mut opened.group_commit, next + 5, &mut 0).expect("no fault is planned");
    drop(opened.group_commit);
    let again = open(disk).unwrap_or_else(|e| panic!("refused: {e}"));
    assert_eq!(again.check_prefix("second opening"), next + 5);
    assert_eq!(again.found.cut, None);
    Opened {
        found: opened.found,
        collected: again.collected,
        group_commit: again.group_commit,
    }
}

fn check_damaged(disk: &SimStorage) -> DamageKind {
    match open(disk) {
        Err(RecoverError::Replay(ReplayError::Log(LogError::Damaged(damage)))) => damage.what,
        Err(other) => panic!("refused, but not as damage: {other}"),
        Ok(opened) => panic!("opened up to {}", opened.found.next),
    }
}

#[test]
fn a_whole_log_is_continued_in_place() {
    let disk = replica(&[(0, segment(0..7)), (7, segment(7..12))]);
    let opened = check_continues(&disk, 12);
    assert_eq!(
        (opened.found.cut, opened.found.sealed_tails),
        (None, vec![])
    );
    let last = disk.content("/replica/clog/00000000000000000007.stdb.log".as_ref());
    let last = last.expect("still there");
    assert!(last.starts_with(&segment(7..12)) && last.len() > segment(7..12).len());
}

#[test]
fn space_allocated_in_advance_is_not_damage() {
    for zeros in [1, 21, 22, 25, 26, 4096, 3 << 20] {
        let mut content = segment(0..5);
        content.resize(content.len() + zeros, 0);
        let opened = check_continues(&replica(&[(0, content)]), 5);
        let cut = opened.found.cut.expect("zeros are cut");
        assert_eq!(cut.byte_len, zeros as u64);
        assert!(cut.only_zeros);
    }
}

#[test]
fn zeros_with_a_commit_behind_them_are_damage() {
    let zeros = vec![0; 600];
    let content = [segment(0..5), zeros, commits(7..8)].concat();
    let what = check_damaged(&replica(&[(0, content)]));
    assert!(matches!(what, DamageKind::BadCommit { .. }), "{what:?}");
}

#[test]
fn every_torn_last_commit_is_cut_and_reported() {
    let whole = segment(0..6);
    let without_last = segment(0..5).len();
    for len in without_last + 1..whole.len() {
        let opened = check_continues(&replica(&[(0, whole[..len].to_vec())]), 5);
        let cut = opened.found.cut.expect("a cut is reported");
        assert_eq!((cut.at, cut.offset), (without_last as u64, TxOffset(5)));
        assert_eq!(cut.byte_len, (len - without_last) as u64);
    }
}

#[test]
fn a_torn_end_that_the_other_server_sealed_is_skipped() {
    let torn = [segment(0..5), commits(5..6)[..9].to_vec()].concat();
    let opened = check_continues(&replica(&[(0, torn), (5, segment(5..9))]), 9);
    let [tail] = &opened.found.sealed_tails[..] else {
        panic!("one sealed tail is expected");
    };
    assert_eq!((tail.offset, tail.byte_len), (TxOffset(5), 9));
}

#[test]
fn empty_last_segments_are_filled() {
    for len in [0, 1, 9, 10] {
        let disk = replica(&[(0, segment(0..5)), (5, HEADER[..len].to_vec())]);
        check_continues(&disk, 5);
        let disk = replica(&[(0, HEADER[..len].to_vec())]);
        check_continues(&disk, 0);
    }
}

#[test]
fn gaps_are_damage() {
    let middle_missing = replica(&[(0, segment(0..3)), (6, segment(6..9))]);
    assert_eq!(
        check_damaged(&middle_missing),
        DamageKind::Gap { found: TxOffset(6) }
    );
    let first_missing = replica(&[(3, segment(3..6))]);
    assert_eq!(
        check_damaged(&first_missing),
        DamageKind::StartsLate { first: TxOffset(3) }
    );
    let inside = replica(&[(0, [segment(0..3), commits(4..6)].concat())]);
    assert_eq!(
        check_damaged(&inside),
        DamageKind::WrongOffset { found: TxOffset(4) }
    );
    let twice = replica(&[(0, [segment(0..3), commits(2..6)].concat())]);
    assert!(matches!(
        check_damaged(&twice),
        DamageKind::WrongOffset { .. }
    ));
    let overlap = replica(&[(0, segment(0..5)), (3, segment(3..9))]);
    assert!(matches!(check_damaged(&overlap), DamageKind::Gap { .. }));
    let short_inside = replica(&[(0, HEADER[..4].to_vec()), (3, segment(3..9))]);
    assert_eq!(check_damaged(&short_inside), DamageKind::ShortHeader);
}

#[test]
fn an_unknown_version_is_refused_and_left_alone() {
    let mut content = segment(0..3);
    content[6] = 2;
    let disk = replica(&[(0, content.clone())]);
    assert!(matches!(check_damaged(&disk), DamageKind::Header(_)));
    let path = Path::new("/replica/clog/00000000000000000000.stdb.log");
    assert_eq!(disk.content(path), Some(content));
}

#[test]
fn replay_starts_behind_a_snapshot() {
    let disk = replica(&[(0, segment(0..4)), (4, segment(4..10))]);
    for from in 0..=10 {
        let options = Options {
            replay_from: TxOffset(from),
            ..options()
        };
        let opened = open_with(&disk, &options).unwrap_or_else(|e| panic!("{from}: {e}"));
        assert_eq!(opened.found.next, TxOffset(10));
        let expected: Vec<_> = (from..10).map(row).collect();
        assert_eq!(opened.collected.rows, expected, "from {from}");
    }
    let too_far = Options {
        replay_from: TxOffset(11),
        ..options()
    };
    let Err(RecoverError::Replay(ReplayError::Log(LogError::Damaged(damage)))) =
        open_with(&disk, &too_far)
    else {
        panic!("a snapshot newer than the log was accepted");
    };
    assert!(matches!(damage.what, DamageKind::EndsEarly { .. }));
}

#[test]
fn an_archived_log_is_readable_from_where_it_starts() {
    let disk = replica(&[(3, segment(3..6)), (6, HEADER.to_vec())]);
    let options = Options {
        replay_from: TxOffset(5),
        ..options()
    };
    let opened = open_with(&disk, &options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(opened.collected.rows, [row(5)]);
    assert_eq!(opened.group_commit.next(), TxOffset(6));
}

#[test]
fn a_snapshot_in_the_middle_of_a_commit_steps_over_its_first_records() {
    let mut commit = CommitBuffer::new();
    for offset in 0..5 {
        let pushed = commit.push(|out| out.extend_from_slice(&record(offset)));
        pushed.expect("a small record");
    }
    let content = [HEADER, commit.finish(TxOffset(0), 0).bytes].concat();
    let options = Options {
        replay_from: TxOffset(3),
        ..options()
    };
    let opened = open_with(&replica(&[(0, content)]), &options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(opened.collected.rows, [row(3), row(4)]);
    assert_eq!(opened.collected.offsets, [TxOffset(3), TxOffset(4)]);
}

#[test]
fn version_0_is_read_and_continued_in_a_segment_of_version_1() {
    let mut content = b"(ds)^2\0\0\0\0".to_vec();
    for (offset, checksum) in [(0_u8, 0x4b97_6efc_u32), (1, 0x14cd_c297), (2, 0xf522_362a)] {
        content.extend_from_slice(&u64::from(offset).to_le_bytes());
        content.extend_from_slice(&[1, 0, 0x20, 0, 0, 0]);
        content.extend_from_slice(&[offset; 32]);
        content.extend_from_slice(&checksum.to_le_bytes());
    }
    assert_eq!(content.len(), 160);
    let disk = replica(&[(0, content)]);
    let shared: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut log = LogReader::open(shared, "/replica/clog".as_ref(), TxOffset(0)).expect("good");
    let mut seen = Vec::new();
    while let Some(commit) = log.next_commit().expect("good") {
        seen.push((commit.header.start, commit.records.to_vec()));
    }
    let expected: Vec<_> = (0..3)
        .map(|n| (TxOffset(u64::from(n)), vec![n; 32]))
        .collect();
    assert_eq!(seen, expected);

    // The records of that file are no transactions, so the continuation is tried without them.
    let writer = spacetime_commitlog::LogWriter::resume(
        Arc::new(disk.clone()),
        "/replica/clog".as_ref(),
        &log.into_end(),
        options().log,
    );
    let mut writer = writer.expect("no fault is planned");
    let mut commit = CommitBuffer::new();
    commit.push(|out| out.push(0)).expect("small");
    writer.append(&mut commit).expect("no fault is planned");
    let added = disk.content("/replica/clog/00000000000000000003.stdb.log".as_ref());
    assert!(added.is_some_and(|bytes| bytes.starts_with(HEADER) && bytes.len() == 10 + 27));
}

/// The whole example file of the format's description; its rows are (u32, string).
#[derive(Debug, Default)]
struct Published {
    offsets: Vec<u64>,
    inner: Collected,
}

impl spacetime_commitlog::TxVisitor for Published {
    type Error = DecodeError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), DecodeError> {
        self.offsets.push(offset.0);
        Ok(())
    }

    fn insert(
        &mut self,
        table: spacetime_types::TableId,
        rows: &mut spacetime_types::bsatn::Reader<'_>,
    ) -> Result<(), DecodeError> {
        rows.take(4)?;
        self.inner.insert(table, rows)
    }

    fn delete(
        &mut self,
        table: spacetime_types::TableId,
        rows: &mut spacetime_types::bsatn::Reader<'_>,
    ) -> Result<(), DecodeError> {
        rows.take(4)?;
        self.inner.delete(table, rows)
    }

    fn truncate(&mut self, _: spacetime_types::TableId) -> Result<(), DecodeError> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_row(
        &mut self,
        table: spacetime_types::TableId,
        rows: &mut spacetime_types::bsatn::Reader<'_>,
    ) -> Result<(), DecodeError> {
        self.delete(table, rows)
    }
}

#[test]
fn the_published_file_byte_for_byte() {
    let t0 = [
        &b"\xa0\x40\0\0\0\x03add"[..],
        &[0x11; 32],
        &[0x22; 16],
        b"\x00\x40\x1e\x18\x24\x0a\x06\x00\x07\0\0\0",
        b"\x01\x00\x10\0\0\x02\x01\0\0\0\x02\0\0\0ab\x02\0\0\0\0\0\0\0\0\0",
    ]
    .concat();
    let t1 = b"\x20\x01\x07\0\0\0\x01\x02\0\0\0\0\0\0\0\x01\x00\x10\0\0\x01\
               \x01\0\0\0\x02\0\0\0ab\x02\x01\x10\0\0\x02\x10\0\0";
    let file = [
        HEADER,
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x5f\0\0\0",
        &t0,
        b"\x02\x54\xbf\xbb",
        b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x02\0\x2e\0\0\0",
        t1,
        b"\x40\x04boom",
        b"\x4b\x95\x2e\x3c",
        b"\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\0\x01\0\0\0\0\x3f\x6f\x21\xba",
    ]
    .concat();
    assert_eq!(file.len(), 230);
    let disk: Arc<dyn Storage> = Arc::new(replica(&[(0, file)]));
    let mut log = LogReader::open(disk, "/replica/clog".as_ref(), TxOffset(0)).expect("good");
    let mut visitor = Published::default();
    spacetime_commitlog::replay(&mut log, &mut visitor).expect("a good log");
    assert_eq!(visitor.offsets, [0, 1, 2, 3]);
    assert_eq!(visitor.inner.rows.len(), 3);
    let end = log.into_end();
    assert_eq!((end.next, end.epoch), (TxOffset(4), 7));
    assert_eq!(end.last.map(|last| last.last_commit_at), Some(0xcb));
}

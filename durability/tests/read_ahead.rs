//! A log that is read ahead is the same as one that is not.

mod history;

use std::path::Path;
use std::sync::Arc;

use history::{Collected, append, open_with, options, row};
use spacetime_commitlog::storage::Storage;
use spacetime_commitlog::{
    DamageKind, LogError, LogOptions, LogReader, ReplayError, TxVisitor, replay,
};
use spacetime_durability::storage::SimStorage;
use spacetime_durability::{Options, replay_ahead};
use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{TableId, TxOffset};

const TRANSACTIONS: u64 = 60_000;
const DIR: &str = "/replica/clog";

/// About twelve megabytes in three segments.
fn written() -> SimStorage {
    let disk = SimStorage::new(0);
    let options = Options {
        log: LogOptions {
            segment_bytes_max: 5 << 20,
            ..LogOptions::default()
        },
        commit_bytes_max: 10_000,
        ..options()
    };
    let mut opened = open_with(&disk, &options).expect("an empty disk");
    append(&mut opened.group_commit, TRANSACTIONS, &mut 0).expect("no fault is planned");
    disk.fork(0)
}

fn open_log(disk: &SimStorage, from: u64) -> LogReader {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    LogReader::open(disk, Path::new(DIR), TxOffset(from)).expect("a good log")
}

#[test]
fn the_same_rows_and_the_same_end() {
    let disk = written();
    for from in [0, 1, 20_000, TRANSACTIONS - 10, TRANSACTIONS] {
        let mut log = open_log(&disk, from);
        let mut expected = Collected::default();
        let replayed = replay(&mut log, &mut expected).expect("a good log");
        let mut found = Collected::default();
        let ahead =
            replay_ahead(open_log(&disk, from), &mut found, &mut |_| {}).expect("a good log");
        assert_eq!(ahead, (replayed, log.into_end()), "from {from}");
        assert_eq!(found.offsets, expected.offsets);
        assert!(found.rows == expected.rows, "from {from}");
        assert_eq!(
            found.rows.first(),
            (from < TRANSACTIONS).then(|| row(from)).as_ref()
        );
    }
}

#[test]
fn damage_is_found_at_the_same_place() {
    let disk = written();
    let segments = disk.files().into_iter();
    let segments: Vec<_> = segments
        .filter(|file| file.extension().is_some_and(|extension| extension == "log"))
        .collect();
    assert!(segments.len() >= 3);
    for segment in segments {
        for at in [20_000, 4_900_000] {
            let copy = disk.fork(0);
            copy.damage(&segment, |bytes| {
                let at = at.min(bytes.len() / 2);
                bytes[at] ^= 1;
            });
            let mut expected = Collected::default();
            let one = replay(&mut open_log(&copy, 0), &mut expected);
            let mut found = Collected::default();
            let other = replay_ahead(open_log(&copy, 0), &mut found, &mut |_| {});
            let (Err(one), Err(other)) = (one, other) else {
                panic!("damage was not noticed");
            };
            assert_eq!(one.to_string(), other.to_string());
            assert_eq!(expected.offsets, found.offsets);
        }
    }
}

#[test]
fn a_visitor_that_refuses_ends_it() {
    let disk = written();
    let mut log = open_log(&disk, 0);
    let mut visitor = Refuses { left: 50_000 };
    let result = replay_ahead(open_log(&disk, 0), &mut visitor, &mut |_| {});
    let Err(ReplayError::Visitor { offset, .. }) = result else {
        panic!("not refused");
    };
    assert_eq!(offset, TxOffset(50_000));
    let mut visitor = Refuses { left: 50_000 };
    let one = replay(&mut log, &mut visitor).expect_err("refused");
    let Err(other) = replay_ahead(
        open_log(&disk, 0),
        &mut Refuses { left: 50_000 },
        &mut |_| {},
    ) else {
        panic!("not refused");
    };
    assert_eq!(one.to_string(), other.to_string());
}

/// Refuses one transaction.
struct Refuses {
    left: u64,
}

impl TxVisitor for Refuses {
    type Error = DecodeError;

    fn begin(&mut self, _: TxOffset) -> Result<(), Self::Error> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| DecodeError::Other("one too many".to_owned()))?;
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error> {
        Collected::default().insert(table, rows)
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error> {
        self.insert(table, rows)
    }

    fn truncate(&mut self, _: TableId) -> Result<(), Self::Error> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), Self::Error> {
        Ok(())
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error> {
        self.insert(table, rows)
    }
}

#[test]
fn the_end_of_the_log_is_judged_as_without_a_thread() {
    let disk = written();
    let mut files = disk.files().into_iter();
    let last = files.rfind(|file| file.extension().is_some_and(|extension| extension == "log"));
    let last = last.expect("there are segments");
    disk.damage(&last, |bytes| bytes.extend_from_slice(&[9; 70]));
    let (_, end) =
        replay_ahead(open_log(&disk, 0), &mut Collected::default(), &mut |_| {}).expect("torn");
    assert_eq!(end.tail.map(|tail| tail.byte_len), Some(70));
    disk.lose(&last);
    let log = open_log(&disk, TRANSACTIONS - 5);
    let result = replay_ahead(log, &mut Collected::default(), &mut |_| {});
    let Err(ReplayError::Log(LogError::Damaged(damage))) = result else {
        panic!("the end is missing");
    };
    assert!(matches!(damage.what, DamageKind::EndsEarly { .. }));
}

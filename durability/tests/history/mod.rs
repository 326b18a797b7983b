//! A workload whose every record is known in advance, and the oracle that checks what recovery
//! makes of it: a prefix, with everything in it that was acknowledged, byte for byte.

#![allow(dead_code)] // Each test file uses a part of this.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spacetime_commitlog::txdata::{self, Changes, Rows};
use spacetime_commitlog::{LogOptions, SealedSegments, TxVisitor};
use spacetime_durability::storage::{SimStorage, Storage};
use spacetime_durability::{
    EncodedRecord, Entry, GroupCommit, Options, RecoverError, Recovered, Transaction, recover,
};
use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{TableId, TxOffset};

pub const REPLICA: &str = "/replica";

pub fn options() -> Options {
    Options {
        log: LogOptions {
            segment_bytes_max: 2048,
            index_interval_bytes: 300,
            preallocate: true,
        },
        commits_per_watermark: 5,
        watermark_interval: Duration::from_secs(3600),
        ..Options::default()
    }
}

/// A number that depends on nothing but `seed`.
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The row that transaction `offset` inserts: a byte array, from empty to a few sectors.
pub fn row(offset: u64) -> Vec<u8> {
    let len = match mix(offset) % 4 {
        0 => mix(offset + 1) % 1500,
        _ => mix(offset + 1) % 60,
    };
    let len = u32::try_from(len).expect("below 1500");
    let mut row = len.to_le_bytes().to_vec();
    row.extend((0..len).map(|n| mix(offset ^ (u64::from(n) << 32)).to_le_bytes()[0]));
    row
}

pub fn record(offset: u64) -> Vec<u8> {
    let bytes = row(offset);
    let inserts = [Rows {
        table: TableId(4096),
        row_count: 1,
        bytes: &bytes,
    }];
    let changes = Changes {
        inserts: &inserts,
        deletes: &[],
        truncates: &[],
    };
    let mut out = Vec::new();
    txdata::encode(None, None, Some(changes), &mut out);
    out
}

pub fn entry(offset: u64) -> Entry {
    let record = EncodedRecord::from(record(offset));
    Entry::Transaction(Transaction::new(TxOffset(offset), record))
}

/// Collects the rows of each transaction.
#[derive(Debug, Default)]
pub struct Collected {
    pub rows: Vec<Vec<u8>>,
    pub offsets: Vec<TxOffset>,
}

fn take_row(rows: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let len = u32::from_le_bytes(rows.take(4)?.try_into().expect("four bytes"));
    let mut row = len.to_le_bytes().to_vec();
    row.extend_from_slice(rows.take(len as usize)?);
    Ok(row)
}

impl TxVisitor for Collected {
    type Error = DecodeError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), DecodeError> {
        self.offsets.push(offset);
        Ok(())
    }

    fn insert(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.rows.push(take_row(rows)?);
        Ok(())
    }

    fn delete(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        take_row(rows).map(drop)
    }

    fn truncate(&mut self, _: TableId) -> Result<(), DecodeError> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_row(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        take_row(rows).map(drop)
    }
}

pub struct Opened {
    pub found: Recovered,
    pub collected: Collected,
    pub group_commit: GroupCommit,
}

pub fn open_with(
    disk: &SimStorage,
    options: &Options,
) -> Result<Opened, RecoverError<DecodeError>> {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut collected = Collected::default();
    let (found, group_commit) = recover(&disk, Path::new(REPLICA), options, &mut collected)?;
    Ok(Opened {
        found,
        collected,
        group_commit,
    })
}

pub fn open(disk: &SimStorage) -> Result<Opened, RecoverError<DecodeError>> {
    open_with(disk, &options())
}

impl Opened {
    /// Panics unless the rows are those of all transactions from `from` to some end.
    pub fn check_from(&self, from: u64, context: &str) -> u64 {
        let next = self.found.next.0;
        let rows = &self.collected.rows;
        assert_eq!(rows.len() as u64, next - from, "{context}");
        for (offset, found) in (from..).zip(rows) {
            assert_eq!(*found, row(offset), "{context}: wrong row at {offset}");
        }
        next
    }

    /// Panics unless the state is that after some prefix of the history.
    pub fn check_prefix(&self, context: &str) -> u64 {
        let next = self.found.next.0;
        assert_eq!(self.collected.rows.len() as u64, next, "{context}");
        for (offset, found) in (0..).zip(&self.collected.rows) {
            assert_eq!(*found, row(offset), "{context}: wrong row at {offset}");
        }
        next
    }
}

/// Appends transactions up to `until` in commits of one to four. Every acknowledgement is passed
/// on. Stops at the first error, which is returned.
pub fn append(
    group_commit: &mut GroupCommit,
    until: u64,
    acknowledged: &mut u64,
) -> Result<(), spacetime_durability::Failure> {
    let mut queue = VecDeque::new();
    let mut offset = group_commit.next().0;
    while offset < until {
        let batch_end = until.min(offset + 1 + mix(offset) % 4);
        queue.extend((offset..batch_end).map(entry));
        offset = batch_end;
        let progress = group_commit.write(&mut queue)?;
        let progress = progress.expect("there was something to write");
        *acknowledged = progress.durable_end.0;
        group_commit.keep_watermark(&progress)?;
    }
    Ok(())
}

/// Two sessions: a fresh replica, then the same one opened again. Returns what was acknowledged,
/// and whether all of it went well.
pub fn two_sessions(disk: &SimStorage, until: u64) -> (u64, Result<(), String>) {
    let mut acknowledged = 0;
    for session_end in [until / 2, until] {
        let mut opened = match open(disk) {
            Ok(opened) => opened,
            Err(error) => return (acknowledged, Err(error.to_string())),
        };
        let recovered = opened.check_prefix("between sessions");
        assert!(recovered >= acknowledged, "lost without any fault");
        let group_commit = &mut opened.group_commit;
        let result = append(group_commit, session_end, &mut acknowledged)
            .and_then(|()| group_commit.sync_watermark());
        if let Err(error) = result {
            return (acknowledged, Err(error.to_string()));
        }
    }
    (acknowledged, Ok(()))
}

/// What a replica has gone through.
#[derive(Debug)]
pub struct Life {
    pub acknowledged: u64,
    /// What is before it may be gone: there is a snapshot, so to say.
    pub restore_point: u64,
    pub result: Result<(), String>,
}

pub fn open_from(disk: &SimStorage, from: u64) -> Result<Opened, RecoverError<DecodeError>> {
    let options = Options {
        replay_from: TxOffset(from),
        ..options()
    };
    open_with(disk, &options)
}

pub fn sealed_segments(disk: &SimStorage) -> SealedSegments {
    let clog = Path::new(REPLICA).join("clog");
    SealedSegments::new(Arc::new(disk.clone()), &clog)
}

/// Three sessions in which segments are filled, compressed, and some of them removed.
pub fn long_life(disk: &SimStorage, until: u64) -> Life {
    let mut life = Life {
        acknowledged: 0,
        restore_point: 0,
        result: Ok(()),
    };
    for session in 1..=3 {
        let result = live(disk, until * session / 3, &mut life);
        if result.is_err() {
            life.result = result;
            break;
        }
    }
    life
}

fn live(disk: &SimStorage, until: u64, life: &mut Life) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let mut opened = open_from(disk, life.restore_point).map_err(|e| said(&e))?;
    let recovered = opened.check_from(life.restore_point, "between sessions");
    assert!(recovered >= life.acknowledged, "lost without any fault");
    let group_commit = &mut opened.group_commit;
    let begin = group_commit.next().0;
    let mut sealed = sealed_segments(disk);
    for part in 1..=2 {
        let part_end = begin + (until - begin) * part / 2;
        append(group_commit, part_end, &mut life.acknowledged).map_err(|e| said(&e))?;
        let known = TxOffset(life.acknowledged);
        while sealed
            .compress_next_before(known)
            .map_err(|e| said(&e))?
            .is_some()
        {}
    }
    life.restore_point = life.acknowledged / 2;
    let removed = sealed.remove_before(TxOffset(life.restore_point));
    removed.map_err(|e| said(&e))?;
    group_commit.sync_watermark().map_err(|e| said(&e))
}

/// How often something is tried: `usual`, or what an environment variable says.
pub fn count(variable: &str, usual: u64) -> u64 {
    let said = std::env::var(variable).ok();
    said.and_then(|said| said.parse().ok()).unwrap_or(usual)
}

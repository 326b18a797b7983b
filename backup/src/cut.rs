//! Ending a restored log after a chosen transaction.
//!
//! A commit holds several transactions, and only somebody who knows the tables can tell where one
//! ends, so the log is replayed up to there. The segment in which it ends is written anew.
//!
//! Invariant: the log to cut is a copy that nobody else uses. Interrupted, it is thrown away.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::commit::{CommitBuffer, CommitFull};
use spacetime_commitlog::storage::{Storage, StorageError};
use spacetime_commitlog::txdata::{self, TxVisitor};
use spacetime_commitlog::{
    AppendError, Commit, Inputs, LogEnd, LogError, LogOptions, LogReader, LogWriter,
    ReplayError as LogReplayError, TxdataError, replay_commit, segment,
};
use spacetime_store::Apply;
use spacetime_table::{Datastore, ReplayError};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, Timestamp, TxOffset};

/// Where the new segment is written before it takes the old one's place: beside the log. What is
/// left of it afterwards can be removed.
pub const STAGING_DIR: &str = "clog.cut";

/// Why a log was not cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    #[error("the log begins at transaction {first}: what was before can no longer be chosen")]
    BeginsLate { first: TxOffset },
    #[error("the backup ends before transaction {wanted}: its last one is {last}")]
    EndsEarly { wanted: TxOffset, last: TxOffset },
    #[error("nothing had happened yet at {0}")]
    BeforeAll(Timestamp),
    #[error(transparent)]
    Log(Box<LogError>),
    #[error(transparent)]
    Replay(Box<LogReplayError<ReplayError>>),
    #[error("transaction {offset} cannot be read: {cause}")]
    Record { offset: TxOffset, cause: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("transaction {0} does not fit a commit of its own")]
    TooLarge(TxOffset),
}

impl From<LogError> for CutError {
    fn from(error: LogError) -> Self {
        CutError::Log(Box::new(error))
    }
}

/// The last transaction whose call was made at `time` or before. Calls are in the order of their
/// times; what has no time belongs to the call before it.
pub fn last_before(
    storage: &Arc<dyn Storage>,
    log_dir: &Path,
    time: Timestamp,
) -> Result<TxOffset, CutError> {
    let mut datastore = Datastore::new();
    datastore.replay_begin();
    let mut clock = Clock {
        apply: Apply::new(&mut datastore),
        last: None,
    };
    let mut log = open(storage, log_dir)?;
    let mut before = None;
    while let Some(commit) = log.next_commit()? {
        let mut records = Reader::new(commit.records);
        for offset in offsets(&commit) {
            decode(offset, &mut records, &mut clock)?;
            if clock.last.is_some_and(|last| last > time) {
                return before.ok_or(CutError::BeforeAll(time));
            }
            before = Some(offset);
        }
    }
    before.ok_or(CutError::BeforeAll(time))
}

/// Removes everything after transaction `last`, durably. All before it stays as it is.
pub fn cut_after(
    storage: &Arc<dyn Storage>,
    log_dir: &Path,
    last: TxOffset,
) -> Result<(), CutError> {
    let starts = segment::list(&**storage, log_dir)?;
    let Some(&start) = starts.iter().rfind(|start| **start <= last) else {
        let first = starts.first().copied().unwrap_or_default();
        return Err(CutError::BeginsLate { first });
    };
    let staging = log_dir.with_file_name(STAGING_DIR);
    let mut datastore = Datastore::new();
    datastore.replay_begin();
    let mut apply = Apply::new(&mut datastore);
    let mut log = open(storage, log_dir)?;
    let mut writer: Option<LogWriter> = None;
    let mut reached = None;
    while reached != Some(last) {
        let Some(commit) = log.next_commit()? else {
            let (wanted, last) = (last, reached.unwrap_or_default());
            return Err(CutError::EndsEarly { wanted, last });
        };
        if commit.header.start < start {
            replay_commit(&commit, TxOffset(0), &mut apply)
                .map_err(|error| CutError::Replay(Box::new(error)))?;
        } else {
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(begin(storage, &staging, start, commit.header.epoch)?),
            };
            copy(&commit, last, &mut apply, writer)?;
        }
        let count = u64::from(commit.header.record_count);
        let end = commit.header.start.0 + count - 1;
        reached = Some(TxOffset(end.min(last.0)));
    }
    if let Some(mut writer) = writer {
        writer.sync()?;
    }
    drop(log);
    exchange(&**storage, log_dir, &staging, &starts, start)
}

fn open(storage: &Arc<dyn Storage>, log_dir: &Path) -> Result<LogReader, CutError> {
    let starts = segment::list(&**storage, log_dir)?;
    match starts.first() {
        Some(&first) if first > TxOffset(0) => Err(CutError::BeginsLate { first }),
        _ => Ok(LogReader::open(Arc::clone(storage), log_dir, TxOffset(0))?),
    }
}

fn offsets(commit: &Commit<'_>) -> impl Iterator<Item = TxOffset> + use<> {
    let start = commit.header.start.0;
    let count = u64::from(commit.header.record_count);
    (start..start + count).map(TxOffset)
}

fn decode<V: TxVisitor<Error = ReplayError>>(
    offset: TxOffset,
    records: &mut Reader<'_>,
    visitor: &mut V,
) -> Result<(), CutError> {
    let decoded = txdata::decode(offset, records, visitor);
    decoded.map_err(|error: TxdataError<ReplayError>| CutError::Record {
        offset,
        cause: error.to_string(),
    })
}

fn begin(
    storage: &Arc<dyn Storage>,
    staging: &Path,
    start: TxOffset,
    epoch: u64,
) -> Result<LogWriter, CutError> {
    let end = LogEnd {
        next: start,
        epoch,
        ..LogEnd::default()
    };
    let options = LogOptions {
        // One segment, however long it gets.
        segment_bytes_max: u64::MAX,
        ..LogOptions::default()
    };
    Ok(LogWriter::resume(
        Arc::clone(storage),
        staging,
        &end,
        options,
    )?)
}

/// Writes the transactions of a commit up to `last` again.
fn copy(
    commit: &Commit<'_>,
    last: TxOffset,
    apply: &mut Apply<'_>,
    writer: &mut LogWriter,
) -> Result<(), CutError> {
    let mut buffer = CommitBuffer::new();
    let mut records = Reader::new(commit.records);
    for offset in offsets(commit).take_while(|offset| *offset <= last) {
        let before = records.offset();
        decode(offset, &mut records, apply)?;
        let record = records.consumed_since(before);
        let pushed = buffer.push(|out| out.extend_from_slice(record));
        pushed.map_err(|CommitFull| CutError::TooLarge(offset))?;
    }
    writer.append(&mut buffer)?;
    Ok(())
}

/// Puts the new segment in the old one's place and removes those behind it.
fn exchange(
    storage: &dyn Storage,
    log_dir: &Path,
    staging: &Path,
    starts: &[TxOffset],
    start: TxOffset,
) -> Result<(), CutError> {
    for &gone in starts.iter().filter(|gone| **gone >= start) {
        storage.remove(&segment::path(log_dir, gone))?;
        match storage.remove(&segment::index_path(log_dir, gone)) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    let new = segment::path(staging, start);
    storage.rename(&new, &segment::path(log_dir, start))?;
    storage.sync_dir(staging)?;
    storage.sync_dir(log_dir)?;
    Ok(())
}

/// Applies records and remembers the time of the last call.
struct Clock<'a> {
    apply: Apply<'a>,
    last: Option<Timestamp>,
}

impl TxVisitor for Clock<'_> {
    type Error = ReplayError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), ReplayError> {
        self.apply.begin(offset)
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), ReplayError> {
        if let Some(call) = inputs.call() {
            self.last = Some(Timestamp::from_micros(call.timestamp_micros));
        }
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        self.apply.insert(table, rows)
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        self.apply.delete(table, rows)
    }

    fn truncate(&mut self, table: TableId) -> Result<(), ReplayError> {
        self.apply.truncate(table)
    }

    fn end(&mut self, offset: TxOffset) -> Result<(), ReplayError> {
        self.apply.end(offset)
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), ReplayError> {
        self.apply.skip_row(table, rows)
    }
}

//! Ending a restored database after a chosen transaction.
//!
//! Invariant: the files to cut are a copy that nobody else uses. Interrupted, it is thrown away.

use std::path::Path;
use std::sync::Arc;

use spacetime_commitlog::commit::{CHECKSUM_LEN, CommitBuffer, CommitFull};
use spacetime_commitlog::segment::{self, HEADER_LEN, HeaderError};
use spacetime_commitlog::storage::{OpenMode, Storage, StorageError};
use spacetime_commitlog::{
    AppendError, Commit, LogError, LogOptions, LogReader, LogWriter, TxdataError, txdata,
};
use spacetime_durability::CLOG_DIR;
use spacetime_store::{Apply, PastError, SNAPSHOTS_DIR, StoreOptions, datastore_at};
use spacetime_table::{Datastore, ReplayError};
use spacetime_types::TxOffset;
use spacetime_types::bsatn::Reader;

/// Why a database was not cut.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    #[error("the log begins at transaction {first}: what was before can no longer be chosen")]
    BeginsLate { first: TxOffset },
    #[error("the backup ends before transaction {wanted}: its next one would be {end}")]
    EndsEarly { wanted: TxOffset, end: TxOffset },
    #[error(transparent)]
    Log(Box<LogError>),
    #[error("the state before the commit of the transaction: {0}")]
    Past(Box<PastError>),
    #[error("transaction {offset} cannot be read: {cause}")]
    Record { offset: TxOffset, cause: String },
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("transaction {0} does not fit a commit")]
    TooLarge(TxOffset),
}

impl From<LogError> for CutError {
    fn from(error: LogError) -> Self {
        CutError::Log(Box::new(error))
    }
}

/// Removes everything after transaction `last` from a replica's directory, durably: from the log,
/// and snapshots that are later. Segments must not be compressed; a backup's are not.
pub fn cut_after(
    storage: &Arc<dyn Storage>,
    replica_dir: &Path,
    last: TxOffset,
) -> Result<(), CutError> {
    let log_dir = replica_dir.join(CLOG_DIR);
    let starts = segment::list(&**storage, &log_dir)?;
    let Some(&start) = starts.iter().rfind(|start| **start <= last) else {
        let first = starts.first().copied().unwrap_or_default();
        return Err(CutError::BeginsLate { first });
    };
    let mut log = LogReader::open(Arc::clone(storage), &log_dir, last)?;
    let Some(commit) = log.next_commit()? else {
        let end = log.into_end().next;
        return Err(CutError::EndsEarly { wanted: last, end });
    };
    // A commit holds several transactions. If it goes on behind the last one, its beginning is
    // written again as a shorter one.
    let count = last.0 - commit.header.start.0 + 1;
    let is_whole = count == u64::from(commit.header.record_count);
    let mut beginning = CommitBuffer::new();
    let kept_len = if is_whole {
        let records_len = u64::try_from(commit.records.len()).unwrap_or(u64::MAX);
        commit.records_at + records_len + CHECKSUM_LEN as u64
    } else {
        copy_beginning(storage, replica_dir, &commit, last, &mut beginning)?;
        commit.records_at - commit_header_len(&**storage, commit.file)?
    };
    drop(log);
    remove_snapshots_after(&**storage, replica_dir, last)?;
    for &gone in starts.iter().rev().take_while(|gone| **gone > start) {
        storage.remove(&segment::path(&log_dir, gone))?;
        storage.sync_dir(&log_dir)?;
    }
    for &begun in starts.iter().filter(|begun| **begun >= start) {
        remove_if_there(&**storage, &segment::index_path(&log_dir, begun))?;
    }
    let file = storage.open(&segment::path(&log_dir, start), OpenMode::ReadWrite)?;
    file.set_len(kept_len)?;
    file.sync_data()?;
    drop(file);
    if !is_whole {
        append(storage, &log_dir, last.0 + 1 - count, &mut beginning)?;
    }
    Ok(storage.sync_dir(&log_dir)?)
}

/// Bytes of a commit before its records.
fn commit_header_len(storage: &dyn Storage, file: &Path) -> Result<u64, CutError> {
    let mut header = [0; HEADER_LEN];
    let file = segment::open(storage, file)?.file;
    file.read_exact_at(0, &mut header)?;
    Ok(segment::decode_header(&header)?.commit_header_len() as u64)
}

/// Copies the records of a commit up to `last`. Only somebody who knows the tables can tell where
/// one ends, so the state before the commit is brought back.
fn copy_beginning(
    storage: &Arc<dyn Storage>,
    replica_dir: &Path,
    commit: &Commit<'_>,
    last: TxOffset,
    beginning: &mut CommitBuffer,
) -> Result<(), CutError> {
    let start = commit.header.start;
    let mut datastore = match start.0.checked_sub(1) {
        None => Datastore::new(),
        Some(before) => {
            let options = StoreOptions::default();
            let past = datastore_at(storage, replica_dir, TxOffset(before), &options);
            past.map_err(|error| CutError::Past(Box::new(error)))?
        }
    };
    datastore.replay_begin();
    let mut apply = Apply::new(&mut datastore);
    let mut records = Reader::new(commit.records);
    for offset in (start.0..=last.0).map(TxOffset) {
        let before = records.offset();
        txdata::decode(offset, &mut records, &mut apply).map_err(
            |error: TxdataError<ReplayError>| CutError::Record {
                offset,
                cause: error.to_string(),
            },
        )?;
        let record = records.consumed_since(before);
        let pushed = beginning.push(|out| out.extend_from_slice(record));
        pushed.map_err(|CommitFull| CutError::TooLarge(offset))?;
    }
    Ok(())
}

/// Continues the log, which ends before transaction `next`.
fn append(
    storage: &Arc<dyn Storage>,
    log_dir: &Path,
    next: u64,
    commit: &mut CommitBuffer,
) -> Result<(), CutError> {
    let mut log = LogReader::open(Arc::clone(storage), log_dir, TxOffset(next))?;
    while log.next_commit()?.is_some() {}
    let end = log.into_end();
    assert_eq!(end.next, TxOffset(next), "the log was cut there");
    let options = LogOptions::default();
    let mut writer = LogWriter::resume(Arc::clone(storage), log_dir, &end, options)?;
    writer.append_and_sync(commit)?;
    Ok(())
}

fn remove_snapshots_after(
    storage: &dyn Storage,
    replica_dir: &Path,
    last: TxOffset,
) -> Result<(), CutError> {
    let folder = replica_dir.join(SNAPSHOTS_DIR);
    let names = match storage.list(&folder) {
        Err(error) if error.is_not_found() => return Ok(()),
        names => names?,
    };
    for name in names {
        let offset = name.strip_suffix(".manifest").map(str::parse::<u64>);
        if offset.is_some_and(|offset| offset.is_ok_and(|offset| offset > last.0)) {
            storage.remove(&folder.join(&name))?;
        }
    }
    Ok(storage.sync_dir(&folder)?)
}

fn remove_if_there(storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
    match storage.remove(path) {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

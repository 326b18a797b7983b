//! Handing a running database out as a backup.
//!
//! The log on disk is the database: a backup is its segments up to the durable offset, and the
//! snapshots that lie beside it. All files are opened at once, before anything is sent; from then
//! on they can be compressed, replaced and removed without disturbing the backup. The writer is
//! not involved, except that it begins a snapshot first if one is wanted.
//!
//! Invariants
//!   * The files contain every transaction before the `end` that the backup names.
//!   * Segments are handed out as they were before they were compressed, so what a taker has of
//!     one stays true.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
pub use spacetime_backup::stream::Have;
use spacetime_backup::stream::{STREAM_FORMAT, StreamFile, StreamHead};
use spacetime_backup::{PIECE_BYTES_MAX, Piece};
use spacetime_commitlog::commit::CHECKSUM_LEN;
use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile};
use spacetime_commitlog::{LogError, LogReader, segment};
use spacetime_durability::CLOG_DIR;
use spacetime_store::{LogBehind, SNAPSHOTS_DIR};
use spacetime_types::{Identity, Timestamp, TxOffset};

/// How often the files are listed again because one of them went meanwhile.
const ATTEMPTS_MAX: usize = 8;
/// Bytes handed out at once.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Log behind the newest snapshot that is worth a snapshot before a backup: replaying it takes
/// about a quarter of a second.
const LOG_BEHIND_MAX: LogBehind = LogBehind {
    bytes: 64 << 20,
    transactions: 250_000,
};

/// Whether a snapshot is taken before a backup, so that restoring it is quick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupSnapshot {
    /// If there is much log behind the newest one.
    #[default]
    Auto,
    /// If anything was logged since the newest one.
    Always,
    Never,
}

impl BackupSnapshot {
    /// How much log is needed for one.
    pub(crate) fn least(self) -> Option<LogBehind> {
        match self {
            BackupSnapshot::Auto => Some(LOG_BEHIND_MAX),
            BackupSnapshot::Always => Some(LogBehind {
                bytes: 1,
                transactions: 1,
            }),
            BackupSnapshot::Never => None,
        }
    }
}

/// Why a backup was not begun.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("Identity {caller} is not authorized to back up database {database}")]
    NotOwner {
        caller: Identity,
        database: Identity,
    },
    #[error("nothing is on disk yet")]
    Nothing,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Log(Box<LogError>),
    #[error("the files change faster than they can be listed; try again")]
    Unsettled,
    #[error("it failed; see the server log")]
    Panicked,
}

impl From<LogError> for BackupError {
    fn from(error: LogError) -> Self {
        BackupError::Log(Box::new(error))
    }
}

/// Whose backup it is.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) database: Identity,
    pub(crate) owner: Identity,
    pub(crate) names: Vec<String>,
    pub(crate) now: Timestamp,
}

/// An open file of which the first `len` bytes belong to the backup.
#[derive(Debug)]
struct Part {
    path: String,
    file: Box<dyn StorageFile>,
    /// The next byte to hand out.
    at: u64,
    len: u64,
}

/// A backup that is being handed out.
#[derive(Debug)]
pub struct BackupSource {
    head: Option<Vec<u8>>,
    parts: VecDeque<Part>,
    sum: blake3::Hasher,
    is_done: bool,
}

impl BackupSource {
    /// Opens all files. Reads what the taker says that it has.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        directory: &Path,
        durable: TxOffset,
        have: &Have,
        subject: Subject,
    ) -> Result<BackupSource, BackupError> {
        let (mut parts, end) = open_parts(storage, directory, durable)?;
        let mut files = Vec::with_capacity(parts.len());
        for part in &mut parts {
            let known = have.files.get(&part.path);
            let skipped_pieces = match known {
                Some(pieces) => skip_known(part, pieces)?,
                None => 0,
            };
            files.push(StreamFile {
                path: part.path.clone(),
                skipped_pieces,
                len: part.len - part.at,
            });
        }
        let head = StreamHead {
            format: STREAM_FORMAT,
            database: subject.database.to_hex(),
            owner: subject.owner.to_hex(),
            names: subject.names,
            end: end.0,
            taken_at_micros: subject.now.micros,
            files,
        };
        Ok(BackupSource {
            head: Some(head.encode()),
            parts: parts.into(),
            sum: blake3::Hasher::new(),
            is_done: false,
        })
    }

    /// The next bytes of the stream; `None` at its end.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, StorageError> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(head) = self.head.take() {
            self.sum.update(&head);
            return Ok(Some(head.into()));
        }
        while let Some(part) = self.parts.front_mut() {
            let missing = part.len - part.at;
            if missing == 0 {
                self.parts.pop_front();
                continue;
            }
            let len = missing.min(CHUNK_BYTES_MAX as u64);
            let mut chunk = vec![0; usize::try_from(len).unwrap_or(CHUNK_BYTES_MAX)];
            part.file.read_exact_at(part.at, &mut chunk)?;
            part.at += len;
            self.sum.update(&chunk);
            return Ok(Some(chunk.into()));
        }
        self.is_done = true;
        let sum = self.sum.finalize();
        Ok(Some(Bytes::copy_from_slice(sum.as_bytes())))
    }
}

/// Moves behind the pieces that the taker has; returns how many they are.
fn skip_known(part: &mut Part, pieces: &[Piece]) -> Result<usize, StorageError> {
    let mut content = Vec::new();
    for (nth, piece) in pieces.iter().enumerate() {
        let is_inside = piece.len <= part.len - part.at;
        let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
        if !is_inside || len > PIECE_BYTES_MAX || len == 0 {
            return Ok(nth);
        }
        content.resize(len, 0);
        part.file.read_exact_at(part.at, &mut content)?;
        if !piece.is(&content) {
            return Ok(nth);
        }
        part.at += piece.len;
    }
    Ok(pieces.len())
}

/// All files, and the transaction after the last one in them.
fn open_parts(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    durable: TxOffset,
) -> Result<(Vec<Part>, TxOffset), BackupError> {
    for _ in 0..ATTEMPTS_MAX {
        match try_open_parts(storage, directory, durable) {
            // A file went between the list and its opening.
            Err(BackupError::Storage(error)) if error.is_not_found() => {}
            other => return other,
        }
    }
    Err(BackupError::Unsettled)
}

fn try_open_parts(
    storage: &Arc<dyn Storage>,
    directory: &Path,
    durable: TxOffset,
) -> Result<(Vec<Part>, TxOffset), BackupError> {
    let log_dir = directory.join(CLOG_DIR);
    let mut starts = segment::list(&**storage, &log_dir)?;
    starts.retain(|start| *start <= durable);
    let Some((&last, sealed)) = starts.split_last() else {
        return Err(BackupError::Nothing);
    };
    let open = |start: TxOffset| -> Result<Part, BackupError> {
        let opened = segment::open(&**storage, &segment::path(&log_dir, start))?;
        Ok(Part {
            path: format!("{CLOG_DIR}/{}", segment::file_name(start)),
            len: opened.file.byte_len()?,
            file: opened.file,
            at: 0,
        })
    };
    let mut parts = Vec::new();
    for &start in sealed {
        parts.push(open(start)?);
    }
    let mut part = open(last)?;
    let (len, end) = end_of_commit(storage, &log_dir, durable)?;
    assert!(len <= part.len, "a commit that was read is in its file");
    part.len = len;
    parts.push(part);
    // After the log: it is kept as long as a snapshot that was there needs it.
    open_snapshots(&**storage, directory, durable, &mut parts)?;
    Ok((parts, end))
}

/// Where the commit of a transaction ends: in its file, and by transactions.
fn end_of_commit(
    storage: &Arc<dyn Storage>,
    log_dir: &Path,
    offset: TxOffset,
) -> Result<(u64, TxOffset), BackupError> {
    let mut log = LogReader::open(Arc::clone(storage), log_dir, offset)?;
    let commit = log.next_commit()?.ok_or(BackupError::Nothing)?;
    let records_len = u64::try_from(commit.records.len()).unwrap_or(u64::MAX);
    let len = commit.records_at + records_len + CHECKSUM_LEN as u64;
    let end = commit.header.end().ok_or(BackupError::Nothing)?;
    Ok((len, end))
}

/// Snapshots that the log reaches, and what they consist of.
fn open_snapshots(
    storage: &dyn Storage,
    directory: &Path,
    durable: TxOffset,
    parts: &mut Vec<Part>,
) -> Result<(), BackupError> {
    let folder = directory.join(SNAPSHOTS_DIR);
    let mut names = match storage.list(&folder) {
        Err(error) if error.is_not_found() => return Ok(()),
        names => names?,
    };
    // Manifests before the packs that they name: those are removed later.
    names.sort_unstable_by_key(|name| (!name.ends_with(".manifest"), name.clone()));
    for name in names {
        let wanted = match name.rsplit_once('.') {
            Some((digits, "manifest")) => {
                digits.parse().is_ok_and(|offset: u64| offset <= durable.0)
            }
            Some((digits, "pack")) => digits.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        if !wanted {
            continue;
        }
        let file = storage.open(&folder.join(&name), OpenMode::Read)?;
        parts.push(Part {
            path: format!("{SNAPSHOTS_DIR}/{name}"),
            len: file.byte_len()?,
            file,
            at: 0,
        });
    }
    Ok(())
}

//! Taking a backup: from a stream into a depot.

use std::io::Read;

use crate::OnProgress;
use crate::depot::{Depot, DepotError};
use crate::index::{BackupIndex, IndexError, IndexedFile, list, load};
use crate::object::{PIECE_BYTES_MAX, store};
use crate::stream::{Have, StreamError, StreamFile, StreamHead, StreamReader};

/// Why a backup was not taken. What was stored of it is used by the next one.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

/// A backup that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub index: BackupIndex,
    /// Bytes that the server sent of the files.
    pub received_bytes: u64,
    /// Bytes that were written into the depot.
    pub written_bytes: u64,
    /// Pieces of the backup, and how many of them were not in the depot before.
    pub pieces: u64,
    pub new_pieces: u64,
}

/// The newest backup of a database that can be read. A damaged one is passed over: the next backup
/// is then complete in itself, or builds upon an older one.
pub fn newest(depot: &dyn Depot, database: &str) -> Result<Option<BackupIndex>, DepotError> {
    for key in list(depot, Some(database))?.iter().rev() {
        match load(depot, key) {
            Ok(index) => return Ok(Some(index)),
            Err(IndexError::Depot(error)) => return Err(error),
            Err(IndexError::Damaged { .. } | IndexError::Format { .. }) => {}
        }
    }
    Ok(None)
}

/// What to tell the server that need not be sent: the pieces of `previous` that are in the depot.
pub fn have(depot: &dyn Depot, previous: &BackupIndex) -> Result<Have, DepotError> {
    let mut have = Have::default();
    for file in &previous.files {
        let mut pieces = Vec::new();
        for piece in &file.pieces {
            let Some(key) = piece.key() else { break };
            if !depot.exists(&key)? {
                break;
            }
            pieces.push(piece.clone());
        }
        have.files.insert(file.path.clone(), pieces);
    }
    Ok(have)
}

/// Reads a stream to its end and stores the backup. `have` is what the server was told.
pub fn take(
    depot: &dyn Depot,
    stream: impl Read,
    have: &Have,
    on_progress: OnProgress<'_>,
) -> Result<Taken, TakeError> {
    let (head, mut reader) = StreamReader::open(stream)?;
    let total: u64 = head.files.iter().map(|file| file.len).sum();
    let mut taken = Taken {
        index: empty_index(&head),
        received_bytes: 0,
        written_bytes: 0,
        pieces: 0,
        new_pieces: 0,
    };
    on_progress(0, total);
    for file in &head.files {
        let mut indexed = begin_file(file, have)?;
        let mut missing = file.len;
        while missing > 0 {
            let len = missing.min(PIECE_BYTES_MAX as u64);
            let mut content = vec![0; usize::try_from(len).unwrap_or(PIECE_BYTES_MAX)];
            reader.read_exact(&mut content)?;
            let (piece, written) = store(depot, &content)?;
            taken.new_pieces += u64::from(written > 0);
            taken.written_bytes += written;
            taken.received_bytes += len;
            indexed.len += len;
            indexed.pieces.push(piece);
            missing -= len;
            on_progress(taken.received_bytes, total);
        }
        taken.pieces += indexed.pieces.len() as u64;
        taken.index.files.push(indexed);
    }
    reader.finish()?;
    depot.put(&taken.index.key(), &taken.index.encode())?;
    Ok(taken)
}

fn empty_index(head: &StreamHead) -> BackupIndex {
    BackupIndex {
        format: BackupIndex::FORMAT,
        database: head.database.clone(),
        owner: head.owner.clone(),
        names: head.names.clone(),
        end: head.end,
        taken_at_micros: head.taken_at_micros,
        files: Vec::new(),
    }
}

/// A file, with the pieces of it that were left out.
fn begin_file(file: &StreamFile, have: &Have) -> Result<IndexedFile, StreamError> {
    let known = have.files.get(&file.path).map_or(&[][..], Vec::as_slice);
    let skipped = known.get(..file.skipped_pieces).ok_or_else(|| {
        let count = file.skipped_pieces;
        StreamError::Malformed(format!("{count} pieces of {} left out", file.path))
    })?;
    Ok(IndexedFile {
        path: file.path.clone(),
        len: skipped.iter().map(|piece| piece.len).sum(),
        pieces: skipped.to_vec(),
    })
}

//! A backup on its way from a depot into a running server: the same stream by which it was taken,
//! whole.
//!
//! Invariants
//!   * What is received is not a database before [`receive`] has returned: a stream that is cut off
//!     or changed leaves files that nobody may use.
//!   * A stream names files of a database's log and snapshots and no others, each once, and brings
//!     no more bytes than it was allowed.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use crate::OnProgress;
use crate::depot::{Depot, DepotError};
use crate::index::BackupIndex;
use crate::object::{PIECE_BYTES_MAX, fetch};
use crate::restore::{RestoreError, io_error, sync_dir};
use crate::stream::{STREAM_FORMAT, StreamError, StreamFile, StreamHead, StreamReader};

/// Bytes that are received at once.
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Why a stream was not received. Its files are of no use.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Files(#[from] RestoreError),
    #[error("the backup has {bytes} bytes; this server takes {max} at most")]
    TooLarge { bytes: u64, max: u64 },
    #[error("{path} is not a file of a database's log or snapshots, or it comes twice")]
    WrongFile { path: String },
}

/// Why a backup was not sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Piece(#[from] RestoreError),
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// Whoever takes it wants no more.
    #[error("nobody takes the rest of the backup")]
    Unwanted,
}

/// Hands a backup out, piece by piece, each checked. `take` says whether it wants more.
pub fn send(
    depot: &dyn Depot,
    index: &BackupIndex,
    take: &mut dyn FnMut(Vec<u8>) -> bool,
    on_progress: OnProgress<'_>,
) -> Result<(), SendError> {
    let mut sum = blake3::Hasher::new();
    let mut give = |bytes: Vec<u8>| {
        sum.update(&bytes);
        take(bytes).then_some(()).ok_or(SendError::Unwanted)
    };
    give(head_of(index).encode())?;
    let total = index.bytes();
    let mut done = 0;
    for file in &index.files {
        let mut at = 0;
        for piece in &file.pieces {
            let content = fetch(depot, piece).map_err(|error| RestoreError::Piece {
                path: file.path.clone(),
                at,
                error,
            })?;
            give(content)?;
            at += piece.len;
            done += piece.len;
            on_progress(done, total);
        }
    }
    let end = sum.finalize().as_bytes().to_vec();
    take(end).then_some(()).ok_or(SendError::Unwanted)
}

fn head_of(index: &BackupIndex) -> StreamHead {
    let files = index.files.iter().map(|file| StreamFile {
        path: file.path.clone(),
        skipped_pieces: 0,
        len: file.len,
    });
    StreamHead {
        format: STREAM_FORMAT,
        database: index.database.clone(),
        owner: index.owner.clone(),
        names: index.names.clone(),
        end: index.end,
        taken_at_micros: index.taken_at_micros,
        files: files.collect(),
    }
}

/// Writes the files of a stream into a directory that is new or empty, durably.
pub fn receive(
    stream: impl Read,
    directory: &Path,
    bytes_max: u64,
) -> Result<StreamHead, ReceiveError> {
    let (head, mut reader) = StreamReader::open(stream)?;
    check_files(&head, bytes_max)?;
    let mut folders: Vec<_> = Vec::new();
    for file in &head.files {
        let path = directory.join(&file.path);
        let folder = path.parent().unwrap_or(directory).to_owned();
        if !folders.contains(&folder) {
            std::fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
            folders.push(folder);
        }
        receive_file(&mut reader, file.len, &path)?;
    }
    reader.finish()?;
    for folder in &folders {
        sync_dir(folder)?;
    }
    sync_dir(directory)?;
    Ok(head)
}

fn check_files(head: &StreamHead, bytes_max: u64) -> Result<(), ReceiveError> {
    let mut paths = std::collections::BTreeSet::new();
    let mut bytes = 0_u64;
    for file in &head.files {
        let folder = file.path.split_once('/').filter(|(folder, name)| {
            matches!(*folder, "clog" | "snapshots") && !name.contains('/')
        });
        if folder.is_none() || file.skipped_pieces != 0 || !paths.insert(&file.path) {
            let path = file.path.clone();
            return Err(ReceiveError::WrongFile { path });
        }
        bytes = bytes.saturating_add(file.len);
    }
    match bytes > bytes_max {
        true => Err(ReceiveError::TooLarge {
            bytes,
            max: bytes_max,
        }),
        false => Ok(()),
    }
}

fn receive_file<R: Read>(
    reader: &mut StreamReader<R>,
    len: u64,
    path: &Path,
) -> Result<(), ReceiveError> {
    let mut output = File::create_new(path).map_err(io_error("create", path))?;
    let mut chunk = vec![0; CHUNK_BYTES_MAX.min(PIECE_BYTES_MAX)];
    let mut missing = len;
    while missing > 0 {
        let wanted = usize::try_from(missing).map_or(chunk.len(), |len| len.min(chunk.len()));
        let part = &mut chunk[..wanted];
        reader.read_exact(part)?;
        output.write_all(part).map_err(io_error("write", path))?;
        missing -= wanted as u64;
    }
    output.sync_all().map_err(io_error("sync", path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depot::Folder;
    use crate::object::{Piece, store};

    /// A depot with one backup of two files, and the backup.
    fn depot(folder: &Path) -> (Folder, BackupIndex) {
        let depot = Folder::new(folder.to_owned());
        let file = |path: &str, contents: &[&[u8]]| {
            let pieces: Vec<Piece> = contents
                .iter()
                .map(|content| store(&depot, content).expect("stored").0)
                .collect();
            crate::index::IndexedFile {
                path: path.to_owned(),
                len: pieces.iter().map(|piece| piece.len).sum(),
                pieces,
            }
        };
        let files = vec![
            file("clog/00000000000000000000.stdb.log", &[b"abc", b"defg"]),
            file("snapshots/7.pack", &[&[7; 300_000]]),
        ];
        let index = BackupIndex {
            format: BackupIndex::FORMAT,
            database: "d".into(),
            owner: "o".into(),
            names: vec!["n".into()],
            end: 9,
            taken_at_micros: 5,
            files,
        };
        (depot, index)
    }

    fn stream(depot: &Folder, index: &BackupIndex) -> Vec<u8> {
        let mut stream = Vec::new();
        let mut take = |bytes: Vec<u8>| {
            stream.extend(bytes);
            true
        };
        send(depot, index, &mut take, &mut |_, _| ()).expect("sent");
        stream
    }

    #[test]
    fn what_is_sent_is_received() {
        let folder = tempfile::tempdir().expect("a folder");
        let (depot, index) = depot(&folder.path().join("depot"));
        let stream = stream(&depot, &index);
        let to = folder.path().join("to");
        std::fs::create_dir(&to).expect("a folder");
        let head = receive(&stream[..], &to, 1 << 20).expect("received");
        assert_eq!((head.end, &*head.database), (9, "d"));
        let log = std::fs::read(to.join(&index.files[0].path)).expect("the log");
        assert_eq!(log, b"abcdefg");
        let pack = std::fs::read(to.join("snapshots/7.pack")).expect("the pack");
        assert_eq!(pack, [7; 300_000]);
    }

    #[test]
    fn what_is_cut_off_changed_too_large_or_elsewhere_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (depot, index) = depot(&folder.path().join("depot"));
        let whole = stream(&depot, &index);
        let mut number = 0;
        let mut try_receive = |bytes: &[u8], max: u64| {
            number += 1;
            let to = folder.path().join(number.to_string());
            std::fs::create_dir(&to).expect("a folder");
            receive(bytes, &to, max)
        };
        for len in [0, 7, 100, whole.len() - 1] {
            assert!(try_receive(&whole[..len], 1 << 20).is_err(), "cut at {len}");
        }
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let refused = try_receive(&changed, 1 << 20).expect_err("changed");
        assert!(matches!(
            refused,
            ReceiveError::Stream(StreamError::Checksum)
        ));
        let refused = try_receive(&whole, 300_006).expect_err("one byte too many");
        assert!(matches!(
            refused,
            ReceiveError::TooLarge { bytes: 300_007, .. }
        ));
        for path in ["db.lock", "module_logs/a", "clog/a/b", "snapshots/7.pack"] {
            let mut other = index.clone();
            other.files[0].path = path.to_owned();
            let refused = try_receive(&stream(&depot, &other), 1 << 20).expect_err(path);
            assert!(matches!(refused, ReceiveError::WrongFile { .. }), "{path}");
        }
    }

    #[test]
    fn a_damaged_piece_is_not_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("depot");
        let (depot, index) = depot(&root);
        let key = index.files[0].pieces[1].key().expect("a key");
        std::fs::write(root.join(&key), b"\0other").expect("written");
        let refused = send(&depot, &index, &mut |_| true, &mut |_, _| ());
        let refused = refused.expect_err("damaged").to_string();
        assert!(refused.contains("byte 3 of clog/"), "{refused}");
        let unwanted = send(&depot, &index, &mut |_| false, &mut |_, _| ());
        assert!(matches!(unwanted, Err(SendError::Unwanted)));
    }
}

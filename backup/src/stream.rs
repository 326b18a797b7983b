//! How a server hands a database out.
//!
//! ```text
//! "STBK"  u32 length of the head  head (JSON)  bytes of each file in order  BLAKE3 of all before
//! ```
//!
//! The taker says which pieces of which files it has. The server looks whether its files begin
//! with these pieces and leaves them out. A stream without its end is not a backup.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use crate::object::{PIECE_BYTES_MAX, Piece};

const MAGIC: [u8; 4] = *b"STBK";
/// Version of the stream.
pub const STREAM_FORMAT: u32 = 1;
const HEAD_BYTES_MAX: u32 = 64 << 20;
/// Length of the checksum at the end.
pub const SUM_LEN: usize = 32;

/// What the taker has already: the pieces of each file, from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    pub files: BTreeMap<String, Vec<Piece>>,
}

/// The beginning of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHead {
    pub format: u32,
    pub database: String,
    pub owner: String,
    pub names: Vec<String>,
    /// Every transaction before this one is in the files.
    pub end: u64,
    pub taken_at_micros: i64,
    pub files: Vec<StreamFile>,
}

/// A file in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFile {
    pub path: String,
    /// Pieces that the taker has.
    pub skipped_pieces: usize,
    /// Bytes that follow.
    pub len: u64,
}

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("the server's backup was cut off: {0}")]
    Read(#[from] io::Error),
    #[error("what the server sent is not a backup: {0}")]
    Malformed(String),
    #[error("the backup was damaged on its way: its checksum does not hold")]
    Checksum,
}

impl StreamHead {
    /// The bytes that a stream begins with.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self);
        let json = json.unwrap_or_else(|error| panic!("strings and numbers have a form: {error}"));
        let len = u32::try_from(json.len()).unwrap_or(u32::MAX);
        assert!(len <= HEAD_BYTES_MAX, "a database has fewer files");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend(json);
        bytes
    }
}

/// Whether a path stays inside the directory that it is relative to.
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    let is_plain = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    path.len() <= 255 && path.split('/').all(is_plain)
}

/// Reads a stream, summing up as it goes.
#[derive(Debug)]
pub(crate) struct StreamReader<R> {
    input: R,
    sum: blake3::Hasher,
}

impl<R: Read> StreamReader<R> {
    pub(crate) fn open(input: R) -> Result<(StreamHead, Self), StreamError> {
        let mut reader = StreamReader {
            input,
            sum: blake3::Hasher::new(),
        };
        let mut start = [0; 8];
        reader.read_exact(&mut start)?;
        let [a, b, c, d, len @ ..] = start;
        if [a, b, c, d] != MAGIC {
            let what = "it does not begin like one".to_owned();
            return Err(StreamError::Malformed(what));
        }
        let len = u32::from_le_bytes(len);
        if len > HEAD_BYTES_MAX {
            return Err(StreamError::Malformed(format!("a head of {len} bytes")));
        }
        let mut json = Vec::new();
        while json.len() < len as usize {
            let missing = (len as usize - json.len()).min(PIECE_BYTES_MAX);
            let start = json.len();
            json.resize(start + missing, 0);
            reader.read_exact(&mut json[start..])?;
        }
        let malformed = |error: serde_json::Error| StreamError::Malformed(error.to_string());
        let head: StreamHead = serde_json::from_slice(&json).map_err(malformed)?;
        if head.format != STREAM_FORMAT {
            let what = format!("format {} is not known to this program", head.format);
            return Err(StreamError::Malformed(what));
        }
        if let Some(bad) = head.files.iter().find(|file| !is_safe_path(&file.path)) {
            let what = format!("a file with the path {:?}", bad.path);
            return Err(StreamError::Malformed(what));
        }
        Ok((head, reader))
    }

    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) -> Result<(), StreamError> {
        self.input.read_exact(bytes)?;
        self.sum.update(bytes);
        Ok(())
    }

    /// Reads and checks the end.
    pub(crate) fn finish(mut self) -> Result<(), StreamError> {
        let mut stored = [0; SUM_LEN];
        self.input.read_exact(&mut stored)?;
        if self.sum.finalize() != blake3::Hash::from_bytes(stored) {
            return Err(StreamError::Checksum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_not_safe() {
        for safe in [
            "clog/00000000000000000000.stdb.log",
            "snapshots/7.pack",
            "a",
        ] {
            assert!(is_safe_path(safe), "{safe}");
        }
        for unsafe_path in [
            "", "/a", "a/", "../a", "a/../b", "a//b", ".a", "a\\b", "a b",
        ] {
            assert!(!is_safe_path(unsafe_path), "{unsafe_path}");
        }
    }

    #[test]
    fn a_stream_that_is_cut_off_or_changed_is_refused() {
        let head = StreamHead {
            format: STREAM_FORMAT,
            database: "d".into(),
            owner: "o".into(),
            names: vec![],
            end: 3,
            taken_at_micros: 5,
            files: vec![StreamFile {
                path: "clog/x".into(),
                skipped_pieces: 0,
                len: 4,
            }],
        };
        let mut stream = head.encode();
        stream.extend_from_slice(b"data");
        let sum = blake3::hash(&stream);
        stream.extend_from_slice(sum.as_bytes());
        let read = |bytes: &[u8]| -> Result<StreamHead, StreamError> {
            let (head, mut reader) = StreamReader::open(bytes)?;
            reader.read_exact(&mut [0; 4])?;
            reader.finish()?;
            Ok(head)
        };
        assert_eq!(read(&stream).expect("a whole stream"), head);
        for len in 0..stream.len() {
            assert!(read(&stream[..len]).is_err(), "cut at {len}");
        }
        for at in 0..stream.len() {
            let mut changed = stream.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
    }
}

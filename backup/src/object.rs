//! Pieces of files as they lie in a depot.
//!
//! An object is one byte that says how the rest is stored (0: as it is, 1: one zstd frame), and
//! the rest. It is named by the hash of the content, so equal pieces are one object.

use serde::{Deserialize, Serialize};

use crate::depot::{Depot, DepotError};

/// Longest piece.
pub const PIECE_BYTES_MAX: usize = 8 << 20;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Speed matters more here than the last percents.
const ZSTD_LEVEL: i32 = 1;

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Piece {
    /// BLAKE3 of the content, in hexadecimal digits.
    pub hash: String,
    pub len: u64,
}

/// Why a piece cannot be had. Another backup may have it; this one is damaged.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error("{place} is missing")]
    Missing { place: String },
    #[error("{place} is damaged: {what}")]
    Damaged { place: String, what: &'static str },
}

impl Piece {
    /// The piece with this content.
    #[must_use]
    pub fn of(content: &[u8]) -> Piece {
        Piece {
            hash: blake3::hash(content).to_hex().to_string(),
            len: content.len() as u64,
        }
    }

    /// Whether this is the piece with that content.
    #[must_use]
    pub fn is(&self, content: &[u8]) -> bool {
        self.len == content.len() as u64 && *self.hash == *blake3::hash(content).to_hex()
    }

    /// The key of its object. `None` if the hash is not one: an index that somebody made up.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_hash = self.hash.len() == 64 && self.hash.bytes().all(is_digit);
        let folder = self.hash.get(..2).filter(|_| is_hash)?;
        Some(format!("objects/{folder}/{}", self.hash))
    }
}

/// Stores a piece unless it is there. Returns how many bytes were written.
pub(crate) fn store(depot: &dyn Depot, content: &[u8]) -> Result<(Piece, u64), DepotError> {
    assert!(
        content.len() <= PIECE_BYTES_MAX,
        "files are cut into pieces"
    );
    let piece = Piece::of(content);
    let key = piece
        .key()
        .unwrap_or_else(|| panic!("a hash has 64 digits"));
    if depot.exists(&key)? {
        return Ok((piece, 0));
    }
    let mut object = vec![ZSTD];
    match zstd::bulk::compress(content, ZSTD_LEVEL) {
        Ok(compressed) if compressed.len() < content.len() => object.extend(compressed),
        _ => {
            object[0] = PLAIN;
            object.extend_from_slice(content);
        }
    }
    depot.put(&key, &object)?;
    Ok((piece, object.len() as u64))
}

/// Reads a piece and checks it.
pub(crate) fn fetch(depot: &dyn Depot, piece: &Piece) -> Result<Vec<u8>, ObjectError> {
    let Some(key) = piece.key() else {
        let place = piece.hash.clone();
        let what = "its name is not a hash";
        return Err(ObjectError::Damaged { place, what });
    };
    let place = depot.place(&key);
    let Some(object) = depot.get(&key, PIECE_BYTES_MAX + 1)? else {
        return Err(ObjectError::Missing { place });
    };
    let content = match object.split_first() {
        Some((&PLAIN, content)) => Some(content.to_vec()),
        Some((&ZSTD, frame)) => zstd::bulk::decompress(frame, PIECE_BYTES_MAX).ok(),
        _ => None,
    };
    let Some(content) = content else {
        let what = "it cannot be decompressed";
        return Err(ObjectError::Damaged { place, what });
    };
    if !piece.is(&content) {
        let what = "its content does not have the hash that it is named by";
        return Err(ObjectError::Damaged { place, what });
    }
    Ok(content)
}

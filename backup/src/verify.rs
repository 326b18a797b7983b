//! Checking that all of a backup is there, and as it was.

use std::collections::HashSet;

use crate::OnProgress;
use crate::depot::Depot;
use crate::index::BackupIndex;
use crate::object::{ObjectError, Piece, fetch};

/// A piece that is not as it should be.
#[derive(Debug)]
pub struct BadPiece {
    /// The file of the database that it belongs to, and where in it.
    pub path: String,
    pub at: u64,
    pub error: ObjectError,
}

/// Reads every piece of a backup. Pieces in `checked` are passed over, and those that are read are
/// added, so that several backups can be checked without reading anything twice.
pub fn verify(
    depot: &dyn Depot,
    index: &BackupIndex,
    checked: &mut HashSet<Piece>,
    on_progress: OnProgress<'_>,
) -> Vec<BadPiece> {
    let total = index.bytes();
    let mut done = 0;
    let mut bad = Vec::new();
    for file in &index.files {
        let mut at = 0;
        for piece in &file.pieces {
            if !checked.contains(piece) {
                match fetch(depot, piece) {
                    Ok(_) => {
                        checked.insert(piece.clone());
                    }
                    Err(error) => bad.push(BadPiece {
                        path: file.path.clone(),
                        at,
                        error,
                    }),
                }
            }
            at += piece.len;
            done += piece.len;
            on_progress(done, total);
        }
    }
    bad
}

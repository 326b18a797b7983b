//! Backups of a database: taken from a running server, incremental by content, restored to any
//! transaction that they cover.
//!
//! ```text
//! DEPOT/                                  a folder, or a prefix in an S3 bucket
//!   objects/<2 hex>/<64 hex>              a piece of a file, named by the BLAKE3 of its content
//!   backups/<database>/<end>-<time>.json  what one backup consists of, with a checksum
//! ```
//!
//! * [`stream`] is how a server hands a database out: the files, without what the taker has.
//! * [`take`] writes a stream into a [`Depot`]; only pieces that are new are stored.
//! * [`index`] describes one backup; [`verify`] checks that all of it is there and undamaged.
//! * [`restore`] brings the files back, and [`cut`] ends their log after a chosen transaction.
//! * [`upload`] sends a backup to a running server, and receives it there.
//!
//! Invariants
//!   * An index is written after all pieces that it names, so a backup that is listed is complete.
//!   * Nothing in a depot is ever changed, and nothing that an index names is removed.
//!   * Every piece is checked against its name whenever it is read.
//!
//! Not here: HTTP, and what a database's files mean beyond its log.

pub mod cut;
mod depot;
pub mod index;
pub mod restore;
#[cfg(feature = "s3")]
mod s3;
pub mod stream;
pub mod take;
pub mod upload;
pub mod verify;

mod object;

pub use depot::{Depot, DepotError, Folder, open_depot};
pub use index::{BackupIndex, IndexError, list, load};
pub use object::{ObjectError, PIECE_BYTES_MAX, Piece};
#[cfg(feature = "s3")]
pub use s3::ObjectDepot;

/// Told how far a long task has come: bytes done, bytes in all.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);

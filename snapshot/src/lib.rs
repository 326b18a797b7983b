//! Content-addressed snapshots of a database.
//!
//! A snapshot is the state after one transaction: for each table a list of page images, and the
//! blobs with their use counts. Pages and blobs are *objects*, named by the BLAKE3 hash of their
//! bytes. What an earlier snapshot has stored is not stored again.
//!
//! ```text
//! snapshots/
//!   00000000000000000042.manifest      what the snapshot at transaction 42 consists of
//!   00000000000000000003.pack          objects, written by one snapshot, used by any later one
//!   00000000000000000057.manifest.tmp  left by a crash; removed by the next open
//! ```
//!
//! Invariants
//!   * A manifest appears, by rename, after everything that it refers to is on disk, names
//!     included. So a snapshot that is listed is complete, unless something rotted.
//!   * A pack never changes. Its number is not used again while anything refers to it.
//!   * A pack is removed after the removal of the last manifest that refers to it is on disk.
//!   * Objects are checked against their hash on every way in and on every way out.
//!   * What was found damaged is not built upon: the next snapshot stores those objects again.
//!
//! The formats are described in [`manifest`] and in `pack`. All numbers are little-endian.
//!
//! ```
//! use spacetime_snapshot::{ObjectHash, SnapshotHead, SnapshotRepo};
//! # use spacetime_durability::storage::SimStorage as Disk;
//! use spacetime_types::{Identity, TableId, Timestamp, TxOffset};
//! use std::{path::Path, sync::Arc};
//!
//! # let storage = Arc::new(Disk::new(0));
//! let repo = SnapshotRepo::open(storage, Path::new("/snapshots"))?;
//! let page = b"the bytes of a page";
//! let mut writer = repo.begin(SnapshotHead {
//!     identity: Identity::default(),
//!     tx_offset: TxOffset(7),
//!     taken_at: Timestamp::UNIX_EPOCH,
//!     extra: Vec::new(),
//! })?;
//! writer.table(TableId(4096), [0; 16], 1)?;
//! writer.page(ObjectHash::of(page), |image| image.extend_from_slice(page))?;
//! writer.finish()?;
//!
//! let snapshot = repo.load(TxOffset(7))?;
//! let table = &snapshot.manifest().tables[0];
//! let first = table.pages[0].expect("the page is not absent");
//! assert_eq!(snapshot.object(first)?, page);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: what is inside an object, when to take a snapshot, clocks, threads.

mod error;
mod file_name;
pub mod foreign;
mod hold;
mod load;
pub mod manifest;
mod object;
mod pack;
pub mod planted;
mod repo;
mod retention;
mod state;
mod verify;
mod writer;

pub use error::{Damage, DamageKind, SnapshotError};
pub use hold::SnapshotHold;
pub use load::{LoadedSnapshot, ObjectBuffer};
pub use manifest::{BlobEntry, Fingerprint, Manifest, ObjectEntry, ObjectIndex, TableEntry};
pub use object::{Codec, OBJECT_BYTES_MAX, ObjectHash};
pub use repo::{OpenReport, RepoStats, SnapshotOptions, SnapshotRepo, UnusableSnapshot};
pub use retention::{Removed, RestorePoints, Retention};
pub use state::SnapshotInfo;
pub use verify::Verified;
pub use writer::{SnapshotHead, SnapshotWriter, WriteReport};

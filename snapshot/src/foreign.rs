//! Reading snapshots that SpacetimeDB wrote (versions 1.2 to 2.x). Nothing is written here.
//!
//! ```text
//! snapshots/
//!   00000000000000000005.snapshot_dir/        also .invalid_snapshot, .archived_snapshot
//!     00000000000000000005.snapshot_bsatn     manifest, written last
//!     objects/31/d27c...                      pages and blobs, by hash
//!   00000000000000000005.lock                 while it is written or compressed; or for ever,
//!                                             if the server died then
//! ```
//!
//! Every file may be a zstd file. Everything is verified, also what the writer does not: hashes,
//! the structure of pages, the types of values. Since all content is verified, a leftover lock
//! file does not make a snapshot unusable here.
//!
//! Not here: the rows' types. They are in rows themselves (of `st_table` and `st_column`), which
//! is the business of those who know the system tables.

mod manifest;
mod object;
mod page;
mod row;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spacetime_commitlog::storage::Storage;
use spacetime_types::{ProductType, TableId, TxOffset};

pub use manifest::{ForeignBlob, ForeignManifest, ForeignTable};
pub use row::RowTypeError;

use crate::error::{DamageKind, SnapshotError};
use crate::object::ObjectHash;
use page::Page;
use row::RowPlan;

const SNAPSHOT_DIR: &str = ".snapshot_dir";
const INVALID: &str = ".invalid_snapshot";
const ARCHIVED: &str = ".archived_snapshot";
const MANIFEST: &str = ".snapshot_bsatn";
const LOCK: &str = ".lock";
const OBJECTS: &str = "objects";

/// What its files say of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignState {
    /// There, and free.
    Complete,
    /// There, with a lock file beside it: being compressed, or its server died then.
    Locked,
    /// Without a manifest: never finished.
    Incomplete,
    /// Set aside by SpacetimeDB; do not use it without looking into it.
    Invalid,
    /// Set aside by an archiver.
    Archived,
}

/// A snapshot in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignEntry {
    pub tx_offset: TxOffset,
    pub state: ForeignState,
    /// The snapshot's own directory.
    pub dir: PathBuf,
}

/// A snapshot that is open for reading.
#[derive(Debug)]
pub struct ForeignSnapshot {
    storage: Arc<dyn Storage>,
    objects: PathBuf,
    manifest: ForeignManifest,
}

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ForeignRowsError<E> {
    /// The stored bytes are bad, or the disk failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Rows of this type cannot be stored that way.
    #[error("table {table}: {error}")]
    RowType { table: TableId, error: RowTypeError },
    /// The visitor's own.
    #[error("{0}")]
    Visitor(E),
}

/// Lists the snapshots in a directory, by offset. A missing directory is empty.
pub fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<ForeignEntry>, SnapshotError> {
    let names = match storage.list(dir) {
        Ok(names) => names,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut entries = Vec::new();
    for name in &names {
        let (stem, set_aside) = match () {
            () if name.ends_with(SNAPSHOT_DIR) => (name.strip_suffix(SNAPSHOT_DIR), None),
            () if name.ends_with(INVALID) => {
                (name.strip_suffix(INVALID), Some(ForeignState::Invalid))
            }
            () => (name.strip_suffix(ARCHIVED), Some(ForeignState::Archived)),
        };
        let Some(tx_offset) = stem.and_then(parse_offset) else {
            continue;
        };
        let path = dir.join(name);
        let state = match set_aside {
            Some(state) => state,
            None => {
                let inside = storage.list(&path)?;
                let locked = names.contains(&format!("{:020}{LOCK}", tx_offset.0));
                match (inside.contains(&manifest_name(tx_offset)), locked) {
                    (false, _) => ForeignState::Incomplete,
                    (true, true) => ForeignState::Locked,
                    (true, false) => ForeignState::Complete,
                }
            }
        };
        entries.push(ForeignEntry {
            tx_offset,
            state,
            dir: path,
        });
    }
    entries.sort_by_key(|entry| entry.tx_offset);
    Ok(entries)
}

fn parse_offset(stem: &str) -> Option<TxOffset> {
    let digits = stem.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| stem.parse().ok().map(TxOffset)).flatten()
}

fn manifest_name(offset: TxOffset) -> String {
    format!("{:020}{MANIFEST}", offset.0)
}

impl ForeignSnapshot {
    /// Reads and verifies the manifest of a listed snapshot.
    pub fn open(storage: Arc<dyn Storage>, entry: &ForeignEntry) -> Result<Self, SnapshotError> {
        let path = entry.dir.join(manifest_name(entry.tx_offset));
        let manifest = manifest::read(&*storage, &path)?;
        if manifest.tx_offset != entry.tx_offset {
            let belongs_to = manifest.tx_offset.0;
            let what = DamageKind::WrongName { belongs_to };
            return Err(SnapshotError::damaged(&path, 0, what));
        }
        Ok(ForeignSnapshot {
            storage,
            objects: entry.dir.join(OBJECTS),
            manifest,
        })
    }

    /// What the snapshot consists of.
    #[must_use]
    pub fn manifest(&self) -> &ForeignManifest {
        &self.manifest
    }

    /// The bytes of a blob, checked against its hash.
    pub fn blob(&self, hash: ObjectHash) -> Result<Vec<u8>, SnapshotError> {
        object::read_blob(&*self.storage, &self.objects, hash)
    }

    /// Passes each row of a table to `visit`, as BSATN, in the order of pages and slots, and
    /// returns how many there were. `row_type` must be free of references.
    ///
    /// A table that is not in the snapshot has no rows. Memory is bounded by a page and a row.
    pub fn rows<E>(
        &self,
        table: TableId,
        row_type: &ProductType,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, ForeignRowsError<E>> {
        let plan = RowPlan::new(row_type);
        let plan = plan.map_err(|error| ForeignRowsError::RowType { table, error })?;
        let tables = self.manifest.tables.iter();
        let pages = tables
            .filter(|found| found.table == table)
            .flat_map(|found| &found.pages);
        let mut row = Vec::new();
        let mut count = 0;
        for &hash in pages.flatten() {
            let (path, bytes) = object::read_page(&*self.storage, &self.objects, hash)?;
            let page = Page::decode(&bytes, plan.row_size(), hash, &path)?;
            let mut granules = page.granules();
            for slot in page.slots() {
                row.clear();
                let read = plan.read(
                    &page,
                    slot,
                    &mut granules,
                    &|hash| self.blob(hash),
                    &mut row,
                );
                read.map_err(|error| error.at(&path, page.file_position(slot)))?;
                visit(&row).map_err(ForeignRowsError::Visitor)?;
                count += 1;
            }
            granules
                .finish()
                .map_err(|what| SnapshotError::damaged(&path, 0, what))?;
        }
        Ok(count)
    }

    /// Reads and checks every object, without knowing any row's type: hashes of all, and the
    /// structure of pages as far as it does not depend on the rows. Returns what is damaged.
    pub fn verify(&self) -> Result<crate::Verified, SnapshotError> {
        let mut verified = crate::Verified::default();
        let blobs = self.manifest.blobs.iter().map(|blob| (blob.hash, false));
        let tables = self.manifest.tables.iter();
        let pages = tables
            .flat_map(|table| table.pages.iter().flatten())
            .map(|&hash| (hash, true));
        for (hash, is_page) in blobs.chain(pages) {
            let read = match is_page {
                false => self.blob(hash).map(|bytes| bytes.len()),
                true => object::read_page(&*self.storage, &self.objects, hash).and_then(
                    |(path, bytes)| page::check_hash(&bytes, hash, &path).map(|()| bytes.len()),
                ),
            };
            match read {
                Ok(len) => {
                    verified.object_count += 1;
                    verified.content_bytes += len as u64;
                }
                Err(SnapshotError::Damaged(damage)) => verified.add(*damage),
                Err(error) => return Err(error),
            }
        }
        Ok(verified)
    }
}

//! Bringing a database back from a snapshot: the images of the pages of its tables, and blobs.
//!
//! ```text
//!   restore_begin(blobs)
//!   restore_table(built-in tables, by id)      their layout is known
//!   restore_table(the others)                  their layout is in the rows of the built-in ones
//!   restore_end                                every table and blob is accounted for
//!   replay_insert ... replay_commit            the log after the snapshot
//!   finish_replay
//! ```
//!
//! Invariants
//!   * The rows are those of the images and nothing else; each is valid, and no two are equal.
//!   * From `restore_begin` on it is a replay, and `finish_replay` builds and checks the indexes.
//!   * Nothing that images say is believed: an error leaves a datastore that is of no use.
//!
//! Not here: files, and hashes of what was read.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use spacetime_page::{
    BlobError, BlobName, BlobStore, LayoutFingerprint, RestoredPage, RowLayout, RowStore,
};
use spacetime_types::TableId;

use crate::schema::FIRST_USER_ID;
use crate::{Datastore, Persistence, ReplayError};

/// Why a database cannot be brought back from a snapshot. It is damaged, or written by a version
/// that this one does not know; use an older one, or the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A large value is damaged.
    #[error("a large value of the snapshot: {0}")]
    Blob(#[from] BlobError),
    /// No row of `st_table` describes the table, or it is one that snapshots leave out.
    #[error("the snapshot has pages of the table id {0}, which it does not describe")]
    UnknownTable(TableId),
    /// Each table comes once, built-in ones first.
    #[error("the snapshot has the table id {0} twice or out of order")]
    OutOfOrder(TableId),
    /// The rows describe a table that the snapshot does not have.
    #[error("the snapshot lacks the pages of the table `{0}`")]
    MissingTable(Arc<str>),
    /// The pages belong to another type, or to a version that stores rows differently.
    #[error("the snapshot stores the rows of the table `{0}` in a way that is not known")]
    OtherLayout(Arc<str>),
    /// The pages are damaged.
    #[error("the table `{table}`: {error}")]
    Pages {
        table: Arc<str>,
        error: spacetime_page::RestoreError,
    },
    /// The rows are not those that were counted.
    #[error("the snapshot has {found} rows of the table `{table}`, not {expected}")]
    RowCount {
        table: Arc<str>,
        expected: u64,
        found: u64,
    },
    /// Two rows of a built-in table are equal, or have the same key. With other tables that is
    /// found out when the replay ends.
    #[error("two rows of the table `{0}` are equal or have the same key")]
    Duplicate(Arc<str>),
    /// The uses of a large value are not those that were counted.
    #[error("a large value is used {found} times, not {expected} times as the snapshot says")]
    BlobUses { expected: u64, found: u64 },
    /// The rows that describe the schema are wrong.
    #[error(transparent)]
    Schema(#[from] ReplayError),
}

/// A large value to bring back.
#[derive(Clone, Debug)]
pub struct RestoredBlob {
    pub name: BlobName,
    pub bytes: Arc<[u8]>,
    pub uses: u64,
}

/// What is known of a snapshot while it is brought back.
#[derive(Debug, Default)]
pub(crate) struct Restore {
    uses: FxHashMap<BlobName, u64>,
    restored: FxHashSet<TableId>,
    /// The other tables are known from the rows of the built-in ones.
    is_described: bool,
}

impl Datastore {
    /// Forgets everything and starts with the large values of a snapshot. It is a replay from
    /// here on.
    pub fn restore_begin(
        &mut self,
        blobs: impl IntoIterator<Item = RestoredBlob>,
    ) -> Result<(), RestoreError> {
        self.replay_begin_empty();
        let mut restore = Restore::default();
        for blob in blobs {
            self.blobs.restore(&blob.name, blob.bytes)?;
            restore.uses.insert(blob.name, blob.uses);
        }
        self.restore = Some(restore);
        Ok(())
    }

    /// Whether a replay is open, after `replay_begin` or `restore_begin`.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The layout of a table's pages, to decode them on other threads; and the blobs for it. To be
    /// asked for in the order of [`Datastore::restore_table`].
    pub fn restore_layout(
        &mut self,
        id: TableId,
        fingerprint: LayoutFingerprint,
    ) -> Result<(Arc<RowLayout>, &BlobStore), RestoreError> {
        let layout = self.restorable(id, fingerprint)?;
        Ok((layout, &self.blobs))
    }

    /// Brings back a table from the images of its pages, which have so many rows together.
    pub fn restore_table<I>(
        &mut self,
        id: TableId,
        fingerprint: LayoutFingerprint,
        row_count: u64,
        images: I,
    ) -> Result<(), RestoreError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let layout = self.restorable(id, fingerprint)?;
        let rows = RowStore::restore(layout, images, &mut self.blobs);
        self.put_rows(id, row_count, rows)
    }

    /// The same with pages that were decoded with [`Datastore::restore_layout`], in order.
    pub fn restore_pages(
        &mut self,
        id: TableId,
        fingerprint: LayoutFingerprint,
        row_count: u64,
        pages: impl IntoIterator<Item = RestoredPage>,
    ) -> Result<(), RestoreError> {
        let mut rows = RowStore::new(self.restorable(id, fingerprint)?);
        let mut pages = pages.into_iter();
        let pushed = pages.try_for_each(|page| rows.push_page(page, &mut self.blobs));
        self.put_rows(id, row_count, pushed.map(|()| rows))
    }

    /// Ends the restore: every table is there, and every large value used as often as was said.
    /// The replay of the log that follows is open.
    pub fn restore_end(&mut self) -> Result<(), RestoreError> {
        self.describe_restored()?;
        let restore = self.restoring();
        let (uses, restored) = (
            std::mem::take(&mut restore.uses),
            std::mem::take(&mut restore.restored),
        );
        self.restore = None;
        // Built-in tables may be missing: an older version did not have them.
        let mut users = self.tables.values().filter(|table| {
            table.schema.id.0 >= FIRST_USER_ID && table.schema.persistence() == Persistence::Durable
        });
        if let Some(missing) = users.find(|table| !restored.contains(&table.schema.id)) {
            return Err(RestoreError::MissingTable(missing.schema.name.clone()));
        }
        for (name, expected) in uses {
            let found = self.blobs.uses_of(&name).unwrap_or(0);
            if found != expected || found == 0 {
                return Err(RestoreError::BlobUses { expected, found });
            }
        }
        Ok(())
    }

    /// The layout of a table that is to be brought back now.
    fn restorable(
        &mut self,
        id: TableId,
        fingerprint: LayoutFingerprint,
    ) -> Result<Arc<RowLayout>, RestoreError> {
        let is_user = id.0 >= FIRST_USER_ID;
        let restore = self.restoring();
        if restore.restored.contains(&id) || (restore.is_described && !is_user) {
            return Err(RestoreError::OutOfOrder(id));
        }
        if is_user {
            self.describe_restored()?;
        }
        let table = self.tables.get(&id).ok_or(RestoreError::UnknownTable(id))?;
        if table.schema.persistence() != Persistence::Durable {
            return Err(RestoreError::UnknownTable(id));
        }
        if table.schema.layout.fingerprint() != fingerprint {
            return Err(RestoreError::OtherLayout(table.schema.name.clone()));
        }
        Ok(Arc::clone(&table.schema.layout))
    }

    fn put_rows(
        &mut self,
        id: TableId,
        expected: u64,
        rows: Result<RowStore, spacetime_page::RestoreError>,
    ) -> Result<(), RestoreError> {
        let table = self
            .tables
            .get_mut(&id)
            .ok_or(RestoreError::UnknownTable(id))?;
        let name = || table.schema.name.clone();
        let rows = rows.map_err(|error| RestoreError::Pages {
            table: name(),
            error,
        })?;
        if rows.len() != expected {
            return Err(RestoreError::RowCount {
                table: name(),
                expected,
                found: rows.len(),
            });
        }
        table.take_restored(rows);
        // Rows of built-in tables are looked for from here on; of the others when the log says
        // so, at the latest at the end.
        if id.0 < FIRST_USER_ID {
            let indexed = self.index_pending(id);
            indexed.map_err(|error| match error {
                ReplayError::DuplicateRow { table } | ReplayError::Conflict { table, .. } => {
                    RestoreError::Duplicate(table)
                }
                error => RestoreError::Schema(error),
            })?;
        }
        self.restoring().restored.insert(id);
        Ok(())
    }

    /// Makes the tables that the built-in ones describe, once.
    fn describe_restored(&mut self) -> Result<(), RestoreError> {
        if !self.restoring().is_described {
            self.settle_schemas()?;
            self.restoring().is_described = true;
        }
        Ok(())
    }

    fn restoring(&mut self) -> &mut Restore {
        let restore = self.restore.as_mut();
        restore.unwrap_or_else(|| panic!("tables are restored after restore_begin"))
    }
}

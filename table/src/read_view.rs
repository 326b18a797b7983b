//! A frozen copy of the whole database, for readers on other threads.
//!
//! Invariants
//!   * A view is of a moment between two transactions and never changes.
//!   * Taking one costs a few reference counts, whatever the number of tables and rows. The writer
//!     then copies what it changes for the first time, once: pages, nodes, directories.
//!   * What only a view holds goes with its last clone, on the thread that drops it.
//!
//! Not here: who takes views and when. Never one for each transaction: a live view makes the
//! writer copy.

use std::ops::Deref;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_page::{BlobName, LayoutFingerprint, PageRef, RowStore};
use spacetime_types::TableId;

use crate::table::Keys;
use crate::transaction::Transaction;
use crate::{Datastore, Persistence, TableSchema};

/// The state of a database at one moment. Reads as a [`Datastore`] does; clones share it.
#[derive(Clone, Debug)]
pub struct ReadView(Arc<Datastore>);

impl Deref for ReadView {
    type Target = Datastore;

    fn deref(&self) -> &Datastore {
        &self.0
    }
}

/// A table as it belongs into a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotTable<'a> {
    schema: &'a Arc<TableSchema>,
    rows: &'a RowStore,
}

/// A large value as it belongs into a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotBlob<'a> {
    pub name: &'a BlobName,
    pub bytes: &'a Arc<[u8]>,
    /// Uses by rows of the tables of the snapshot.
    pub uses: u64,
}

impl Datastore {
    /// The state between the last transaction and the next. None may be open.
    #[must_use]
    pub fn view(&self) -> ReadView {
        assert!(!self.tx.is_open, "a view shows no half of a transaction");
        assert!(self.replay.is_none(), "a view shows no half of a replay");
        ReadView(Arc::new(Datastore {
            tables: self.tables.clone(),
            indexes: self.indexes.clone(),
            names: self.names.clone(),
            sequences: self.sequences.clone(),
            blobs: self.blobs.clone(),
            keys: Keys::default(),
            tx: Transaction::default(),
            replay: None,
            restore: None,
        }))
    }
}

impl ReadView {
    /// The tables whose rows a snapshot holds, by id: those that are logged and keep their rows,
    /// the empty ones too.
    #[must_use]
    pub fn snapshot_tables(&self) -> Vec<SnapshotTable<'_>> {
        let durable = self.0.tables.values();
        let durable = durable.filter(|table| table.schema.persistence() == Persistence::Durable);
        let mut tables: Vec<_> = durable
            .map(|table| SnapshotTable {
                schema: &table.schema,
                rows: &table.rows,
            })
            .collect();
        tables.sort_unstable_by_key(SnapshotTable::id);
        tables
    }

    /// The large values that rows of those tables use, by name.
    #[must_use]
    pub fn snapshot_blobs(&self) -> Vec<SnapshotBlob<'_>> {
        let mut elsewhere: FxHashMap<BlobName, u64> = FxHashMap::default();
        for table in self.0.tables.values() {
            if table.schema.persistence() != Persistence::Durable {
                table.rows.for_each_blob(|name| {
                    *elsewhere.entry(*name).or_default() += 1;
                });
            }
        }
        let blobs = self.0.blobs.iter().map(|(name, bytes, uses)| {
            let elsewhere = elsewhere.get(name).copied().unwrap_or(0);
            assert!(elsewhere <= uses, "every use of a blob is counted");
            SnapshotBlob {
                name,
                bytes,
                uses: uses - elsewhere,
            }
        });
        let mut blobs: Vec<_> = blobs.filter(|blob| blob.uses > 0).collect();
        blobs.sort_unstable_by_key(|blob| blob.name);
        blobs
    }
}

impl<'a> SnapshotTable<'a> {
    /// The table's id.
    #[must_use]
    pub fn id(&self) -> TableId {
        self.schema.id
    }

    /// The table's schema.
    #[must_use]
    pub fn schema(&self) -> &'a Arc<TableSchema> {
        self.schema
    }

    /// Tells apart layouts under which the same pages are different rows.
    #[must_use]
    pub fn fingerprint(&self) -> LayoutFingerprint {
        self.schema.layout.fingerprint()
    }

    /// Number of rows.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.rows.len()
    }

    /// The pages, in order.
    pub fn pages(&self) -> impl Iterator<Item = PageRef<'a>> + use<'a> {
        self.rows.pages().map(|(_, page)| page)
    }
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync + 'static>() {}
    is_shared_between_threads::<ReadView>();
};

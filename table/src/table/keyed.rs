//! An index of a table, and the rows as it sees them.
//!
//! Invariants
//!   * The key of a row depends on the bytes of the indexed columns alone.
//!
//! Not here: which indexes a row is in (see `table`).

use std::sync::Arc;

use smallvec::SmallVec;
use spacetime_index::{Algorithm, Index, Key, KeyShape, RowKeys};
use spacetime_page::{BlobStore, RowPtr, RowStore};
use spacetime_types::IndexId;

use crate::schema::{IndexAlgorithm, IndexSchema, TableSchema};

/// An index and how to make its keys.
#[derive(Clone, Debug)]
pub(crate) struct TableIndex {
    pub id: IndexId,
    pub unique: bool,
    pub(super) columns: SmallVec<[usize; 4]>,
    pub index: Index,
}

/// The rows of a table, for an index on these columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyedRows<'a> {
    pub(super) columns: &'a [usize],
    pub(super) rows: &'a RowStore,
    pub(super) blobs: &'a BlobStore,
}

impl RowKeys for KeyedRows<'_> {
    #[inline]
    fn key_of(&self, ptr: RowPtr, shape: &KeyShape, out: &mut Key) {
        if let Some(row) = self.rows.row_bytes(ptr) {
            encode_key(self.columns, row, self.rows, shape, out);
            return;
        }
        let (mut bytes, mut ends) = (Vec::new(), SmallVec::<[usize; 4]>::new());
        for column in self.columns {
            self.rows.read_column(ptr, *column, self.blobs, &mut bytes);
            ends.push(bytes.len());
        }
        let mut columns: SmallVec<[&[u8]; 4]> = SmallVec::new();
        let mut start = 0;
        for end in ends {
            columns.push(&bytes[start..end]);
            start = end;
        }
        shape.encode(&columns, out);
    }
}

/// Makes the key of a valid row.
#[inline]
pub(super) fn encode_key(
    columns: &[usize],
    row: &[u8],
    rows: &RowStore,
    shape: &KeyShape,
    key: &mut Key,
) {
    let layout = rows.layout();
    if let [column] = columns {
        shape.encode(&[&row[layout.column_range(row, *column)]], key);
        return;
    }
    let mut parts: SmallVec<[&[u8]; 4]> = SmallVec::new();
    for column in columns {
        parts.push(&row[layout.column_range(row, *column)]);
    }
    shape.encode(&parts, key);
}

impl TableIndex {
    /// Makes the key of a valid row.
    pub fn encode_key(&self, row: &[u8], rows: &RowStore, key: &mut Key) {
        encode_key(&self.columns, row, rows, self.index.shape(), key);
    }

    /// An empty index over the columns of a table.
    pub fn new(schema: &TableSchema, index: &IndexSchema) -> Self {
        let columns: SmallVec<[usize; 4]> = index
            .algorithm
            .columns()
            .iter()
            .map(|column| usize::from(column.0))
            .collect();
        let types: Vec<_> = columns
            .iter()
            .map(|column| schema.columns[*column].column_type.clone())
            .collect();
        let shape = KeyShape::new(&types);
        let shape = shape.unwrap_or_else(|error| panic!("key of a stored column: {error}"));
        let algorithm = match index.algorithm {
            IndexAlgorithm::BTree(_) => Algorithm::BTree,
            IndexAlgorithm::Hash(_) => Algorithm::Hash,
            IndexAlgorithm::Direct(_) => Algorithm::Direct,
        };
        TableIndex {
            id: index.id,
            unique: index.unique,
            columns,
            index: Index::new(algorithm, index.unique, shape),
        }
    }

    /// The key of a valid row.
    #[inline]
    pub(super) fn key_of(&self, row: &[u8], rows: &RowStore, key: &mut Key) {
        encode_key(&self.columns, row, rows, self.index.shape(), key);
    }

    /// The rows of its table, as the index sees them.
    pub fn rows<'a>(&'a self, rows: &'a RowStore, blobs: &'a BlobStore) -> KeyedRows<'a> {
        KeyedRows {
            columns: &self.columns,
            rows,
            blobs,
        }
    }

    /// Fills the empty index with rows. Fails with a row whose key another row has; the index is
    /// empty then.
    pub fn fill(
        &mut self,
        len: u64,
        ptrs: impl Iterator<Item = RowPtr>,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> Result<(), RowPtr> {
        let TableIndex { columns, index, .. } = self;
        let shape = Arc::clone(index.shape());
        let keyed = KeyedRows {
            columns,
            rows,
            blobs,
        };
        index.fill(len, ptrs, |ptr, key| keyed.key_of(ptr, &shape, key), &keyed)
    }

    /// Adds a row under a key that was made of it.
    #[inline]
    pub(super) fn insert(
        &mut self,
        key: &Key,
        ptr: RowPtr,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> Result<(), RowPtr> {
        let TableIndex { columns, index, .. } = self;
        index.insert(
            key,
            ptr,
            &KeyedRows {
                columns,
                rows,
                blobs,
            },
        )
    }

    /// Adds a row to a unique index, in the place of one with its key, which is returned.
    #[inline]
    pub(super) fn put(
        &mut self,
        key: &Key,
        ptr: RowPtr,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> Option<RowPtr> {
        let TableIndex { columns, index, .. } = self;
        index.put(
            key,
            ptr,
            &KeyedRows {
                columns,
                rows,
                blobs,
            },
        )
    }

    /// Removes a row that is still stored.
    #[inline]
    pub(super) fn remove(
        &mut self,
        key: &Key,
        ptr: RowPtr,
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> bool {
        let TableIndex { columns, index, .. } = self;
        index.remove(
            key,
            ptr,
            &KeyedRows {
                columns,
                rows,
                blobs,
            },
        )
    }

    /// Puts a row in the place of another with the same key; both are stored.
    #[inline]
    pub(super) fn exchange(
        &mut self,
        key: &Key,
        (old, new): (RowPtr, RowPtr),
        rows: &RowStore,
        blobs: &BlobStore,
    ) -> bool {
        let TableIndex { columns, index, .. } = self;
        index.exchange(
            key,
            old,
            new,
            &KeyedRows {
                columns,
                rows,
                blobs,
            },
        )
    }
}

//! Reading rows. Reads see the open transaction's own changes.

use std::ops::Bound;

use spacetime_page::RowPtr;
use spacetime_types::{ColId, IndexId, TableId};

use crate::Datastore;
use crate::error::ReadError;
use crate::system::SystemRow;
use crate::table::{Keys, Table, TableIndex};

impl Datastore {
    /// Number of rows of a table.
    #[must_use]
    pub fn row_count(&self, table: TableId) -> Option<u64> {
        self.tables.get(&table).map(|table| table.rows.len())
    }

    /// All rows of a table, in no order.
    pub fn scan(&self, table: TableId) -> Option<impl Iterator<Item = RowPtr> + '_> {
        self.tables.get(&table).map(|table| table.rows.iter())
    }

    /// Whether a row is there.
    #[must_use]
    pub fn contains(&self, table: TableId, ptr: RowPtr) -> bool {
        let table = self.tables.get(&table);
        table.is_some_and(|table| table.rows.contains(ptr))
    }

    /// Appends a row as BSATN. The row must be there.
    #[inline]
    pub fn read_row(&self, table: TableId, ptr: RowPtr, out: &mut Vec<u8>) {
        self.existing(table).rows.read(ptr, &self.blobs, out);
    }

    /// Appends a column of a row as BSATN. The row and the column must be there.
    pub fn read_column(&self, table: TableId, ptr: RowPtr, column: ColId, out: &mut Vec<u8>) {
        let table = self.existing(table);
        assert!(table.schema.column(column).is_some(), "the column exists");
        table
            .rows
            .read_column(ptr, usize::from(column.0), &self.blobs, out);
    }

    /// The row equal to `row`, if `row` is valid and there is one.
    #[must_use]
    pub fn find_eq(&self, table: TableId, row: &[u8]) -> Option<RowPtr> {
        let table = self.tables.get(&table)?;
        table.schema.layout.validate(row).ok()?;
        table.find(row, &self.blobs, &mut Keys::default())
    }

    /// The rows whose key equals `key_bsatn`: the values of all index columns back to back.
    pub fn index_point(
        &self,
        index: IndexId,
        key_bsatn: &[u8],
    ) -> Result<(TableId, impl Iterator<Item = RowPtr> + use<'_>), ReadError> {
        let (table, index) = self.index(index)?;
        let key = index.index.shape().encode_bsatn_point(key_bsatn);
        let key = key.map_err(ReadError::InvalidKey)?;
        let rows = index.rows(&table.rows, &self.blobs);
        Ok((table.schema.id, index.index.point(&key, &rows)))
    }

    /// The rows whose first `prefix_elems` index columns equal `prefix` and whose next column is
    /// between the bounds, in key order. A full key with two equal included bounds is answered
    /// by any index, anything else only by an ordered one.
    pub fn index_range(
        &self,
        index_id: IndexId,
        prefix: &[u8],
        prefix_elems: usize,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<(TableId, impl Iterator<Item = RowPtr> + use<'_>), ReadError> {
        let (table, index) = self.index(index_id)?;
        let range = index.index.shape().range(prefix, prefix_elems, start, end);
        let range = range.map_err(ReadError::InvalidKey)?;
        let keyed = index.rows(&table.rows, &self.blobs);
        let rows = index.index.range(&range, &keyed);
        let rows = rows.map_err(|_| ReadError::NotOrdered(index_id))?;
        Ok((table.schema.id, rows))
    }

    /// The rows of a system table, decoded.
    pub fn system_rows<R: SystemRow>(&self) -> impl Iterator<Item = (RowPtr, R)> + '_ {
        let table = self.existing(R::TABLE);
        let mut bytes = Vec::new();
        table.rows.iter().map(move |ptr| {
            bytes.clear();
            table.rows.read(ptr, &self.blobs, &mut bytes);
            let row = R::decode(&bytes);
            let row = row.unwrap_or_else(|error| panic!("row of {}: {error}", table.schema.name));
            (ptr, row)
        })
    }

    pub(crate) fn existing(&self, table: TableId) -> &Table {
        let found = self.tables.get(&table);
        found.unwrap_or_else(|| panic!("table {table} exists"))
    }

    pub(crate) fn index(&self, index: IndexId) -> Result<(&Table, &TableIndex), ReadError> {
        let missing = ReadError::NoSuchIndex(index);
        let table = self.indexes.get(&index).ok_or(missing)?;
        let table = self.existing(*table);
        let position = table.index_position(index);
        assert!(
            position.is_some(),
            "a table has the indexes it is listed for"
        );
        let position = position.unwrap_or_default();
        Ok((table, &table.indexes[position]))
    }
}

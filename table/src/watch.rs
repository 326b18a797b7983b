//! What a reader has looked at, as keys, to compare with what a transaction changes.
//!
//! Not here: keeping such keys, and deciding what to do about them (whoever keeps results that
//! depend on rows does that).

use std::ops::Bound;
use std::sync::Arc;

use spacetime_index::{Key, KeyRange};
use spacetime_types::{AlgebraicType, IndexId, TableId};

use crate::error::ReadError;
use crate::net::{Arenas, net};
use crate::transaction::{Op, RowOp};
use crate::{Datastore, TableDelta, TxDelta};

impl Datastore {
    /// The key that `index_point` looks up.
    pub fn point_key(&self, index: IndexId, key_bsatn: &[u8]) -> Result<Key, ReadError> {
        let (_, index) = self.index(index)?;
        let key = index.index.shape().encode_bsatn_point(key_bsatn);
        key.map_err(ReadError::InvalidKey)
    }

    /// The keys that `index_range` visits.
    pub fn range_keys(
        &self,
        index: IndexId,
        prefix: &[u8],
        prefix_elems: usize,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<KeyRange, ReadError> {
        let (_, index) = self.index(index)?;
        let range = index.index.shape().range(prefix, prefix_elems, start, end);
        range.map_err(ReadError::InvalidKey)
    }

    /// The key of a row of the index's table. The row must be valid. None if the index is gone.
    #[must_use]
    pub fn key_of_row(&self, index: IndexId, row: &[u8]) -> Option<Key> {
        let (table, index) = self.index(index).ok()?;
        let mut key = Key::default();
        index.encode_key(row, &table.rows, &mut key);
        Some(key)
    }

    /// The BSATN of a row in the first columns of an index, to compare with other such bytes. None
    /// if there is no such index, or if equal keys may have different bytes.
    #[must_use]
    pub fn prefix_of_row(&self, index: IndexId, columns: usize, row: &[u8]) -> Option<Vec<u8>> {
        let schema = self.schema(self.index_table(index)?)?;
        let columns = schema.index(index)?.algorithm.columns().get(..columns)?;
        let mut bytes = Vec::new();
        for column in columns {
            if has_floats(&schema.column(*column)?.column_type) {
                return None;
            }
            let range = schema.layout.column_range(row, usize::from(column.0));
            bytes.extend_from_slice(row.get(range)?);
        }
        Some(bytes)
    }

    /// Whether `prefix_of_row` can be used: the first columns of the index have no floats.
    #[must_use]
    pub fn has_exact_prefix(&self, index: IndexId, columns: usize) -> bool {
        let schema = self.index_table(index).and_then(|table| self.schema(table));
        schema.is_some_and(|schema| {
            let columns = schema
                .index(index)
                .and_then(|index| index.algorithm.columns().get(..columns));
            columns.is_some_and(|columns| {
                let mut types = columns.iter().map(|column| schema.column(*column));
                types.all(|column| column.is_some_and(|it| !has_floats(&it.column_type)))
            })
        })
    }

    /// The rows that the open transaction has inserted or deleted so far, in order. Rows that it
    /// also took back again are among them.
    pub fn changed_rows(&self) -> impl Iterator<Item = ChangedRow<'_>> {
        self.tx.ops.iter().filter_map(|op| match op {
            Op::Row(op) => {
                let arena = match op.is_insert {
                    true => &self.tx.inserted,
                    false => &self.tx.deleted,
                };
                Some(ChangedRow {
                    table: op.table,
                    is_insert: op.is_insert,
                    row: &arena[op.range()],
                })
            }
            Op::Sequence { .. } | Op::Catalogue(_) => None,
        })
    }
}

/// Zero and minus zero are equal and have different bytes.
fn has_floats(column_type: &AlgebraicType) -> bool {
    match column_type {
        AlgebraicType::F32 | AlgebraicType::F64 => true,
        AlgebraicType::Product(product) => product
            .elements
            .iter()
            .any(|element| has_floats(&element.algebraic_type)),
        AlgebraicType::Sum(sum) => sum
            .variants
            .iter()
            .any(|variant| has_floats(&variant.algebraic_type)),
        AlgebraicType::Array(element) => has_floats(element),
        AlgebraicType::Ref(_) => true,
        _ => false,
    }
}

impl Datastore {
    /// What the open transaction has changed so far in the tables that are wanted.
    #[must_use]
    pub fn open_delta(&self, is_wanted: impl Fn(TableId) -> bool) -> TxDelta {
        let (mut inserted, mut deleted) = (Vec::new(), Vec::new());
        let mut ops = Vec::new();
        for op in &self.tx.ops {
            let Op::Row(op) = op else { continue };
            if !is_wanted(op.table) {
                continue;
            }
            let (from, to) = match op.is_insert {
                true => (&self.tx.inserted, &mut inserted),
                false => (&self.tx.deleted, &mut deleted),
            };
            let start = to.len();
            to.extend_from_slice(&from[op.range()]);
            ops.push(RowOp { start, ..*op });
        }
        let arenas = Arenas {
            inserted: inserted.into(),
            deleted: deleted.into(),
        };
        // Stable, so the changes of a table stay in order.
        ops.sort_by_key(|op| op.table);
        let mut delta = TxDelta::default();
        for ops in ops.chunk_by(|left, right| left.table == right.table) {
            let table = ops.first().and_then(|op| self.tables.get(&op.table));
            let Some(table) = table else { continue };
            let schema = Arc::clone(&table.schema);
            let fixed = schema.layout.fixed_bsatn_len();
            let (inserts, deletes) = net(ops.to_vec(), &arenas, fixed);
            if inserts.is_empty() && deletes.is_empty() {
                continue;
            }
            delta.tables.push(TableDelta {
                table: schema.id,
                truncated: inserts.is_empty() && table.rows.is_empty(),
                schema,
                inserts,
                deletes,
            });
        }
        delta
    }
}

/// A row that the open transaction inserted or deleted.
#[derive(Clone, Copy, Debug)]
pub struct ChangedRow<'a> {
    pub table: TableId,
    pub is_insert: bool,
    /// The row's BSATN.
    pub row: &'a [u8],
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use spacetime_types::{AlgebraicType, ColId};

    use crate::definition::{ColumnDef, IndexDef, TableDef};
    use crate::{Datastore, IndexAlgorithm};

    #[test]
    fn keys_of_rows_meet_the_keys_that_were_looked_up() {
        let mut datastore = Datastore::new();
        datastore.begin_tx();
        let columns = vec![
            ColumnDef::new("a", AlgebraicType::U8),
            ColumnDef::new("b", AlgebraicType::U16),
        ];
        let mut def = TableDef::new("t", columns);
        def.indexes.push(IndexDef {
            name: "t_a_b".into(),
            accessor: None,
            algorithm: IndexAlgorithm::BTree(vec![ColId(0), ColId(1)]),
        });
        let table = datastore.create_table(&def).unwrap();
        datastore.commit();
        let index = datastore.index_id("t_a_b").unwrap();

        datastore.begin_tx();
        let kept = datastore.insert(table, &[1, 2, 0]).unwrap();
        datastore.insert(table, &[1, 9, 0]).unwrap();
        datastore.delete(table, kept.ptr).unwrap();
        let changed: Vec<(bool, &[u8])> = datastore
            .changed_rows()
            .map(|changed| (changed.is_insert, changed.row))
            .collect();
        let expected: [(bool, &[u8]); 3] =
            [(true, &[1, 2, 0]), (true, &[1, 9, 0]), (false, &[1, 2, 0])];
        assert_eq!(changed, expected);
        assert!(datastore.open_delta(|_| false).is_empty());
        let delta = datastore.open_delta(|wanted| wanted == table);
        let delta = delta.table(table).unwrap();
        let inserts: Vec<&[u8]> = delta.inserts.iter().collect();
        assert_eq!(inserts, [&[1, 9, 0]]);
        assert!(delta.deletes.is_empty());
        datastore.rollback();

        let point = datastore.point_key(index, &[1, 2, 0]).unwrap();
        let key = |row: &[u8]| datastore.key_of_row(index, row).unwrap();
        assert_eq!(key(&[1, 2, 0]), point);
        assert_ne!(key(&[1, 3, 0]), point);
        let range = datastore
            .range_keys(index, &[1], 1, Bound::Excluded(&[2, 0]), Bound::Unbounded)
            .unwrap();
        assert!(!range.contains(&key(&[1, 2, 0])));
        assert!(range.contains(&key(&[1, 3, 0])));
        assert!(!range.contains(&key(&[2, 3, 0])));
        let prefix = |columns| datastore.prefix_of_row(index, columns, &[2, 3, 0]);
        assert_eq!(prefix(1), Some(vec![2]));
        assert_eq!(prefix(2), Some(vec![2, 3, 0]));
        assert_eq!(prefix(3), None);
        assert!(datastore.has_exact_prefix(index, 2) && !datastore.has_exact_prefix(index, 3));
    }
}

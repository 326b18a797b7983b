//! The rows that every database has before its first transaction.

use spacetime_types::TableId;

use super::{ConstraintData, StColumn, StConstraint, StIndex, StSequence, StTable, SystemRow};
use crate::schema::TableSchema;

/// Calls `put` with each row that describes `schema`, which is a built-in table. Its sequences are
/// at `allocated`.
pub(crate) fn bootstrap_rows(
    schema: &TableSchema,
    allocated: i128,
    mut put: impl FnMut(TableId, &[u8]),
) {
    assert!(schema.is_system(), "only built-in tables are bootstrapped");
    let mut row = |table: TableId, bytes: Vec<u8>| put(table, &bytes);
    row(StTable::TABLE, StTable::of(schema).to_bsatn());
    for column in StColumn::of(schema) {
        row(StColumn::TABLE, column.to_bsatn());
    }
    for index in &schema.indexes {
        let index = StIndex {
            index_id: index.id,
            table_id: schema.id,
            index_name: index.name.clone(),
            index_algorithm: index.algorithm.clone(),
        };
        row(StIndex::TABLE, index.to_bsatn());
    }
    for constraint in &schema.constraints {
        let constraint = StConstraint {
            constraint_id: constraint.id,
            constraint_name: constraint.name.clone(),
            table_id: schema.id,
            constraint_data: ConstraintData::Unique(constraint.columns.clone()),
        };
        row(StConstraint::TABLE, constraint.to_bsatn());
    }
    for sequence in &schema.sequences {
        let sequence = StSequence::of(schema.id, sequence, allocated);
        row(StSequence::TABLE, sequence.to_bsatn());
    }
}

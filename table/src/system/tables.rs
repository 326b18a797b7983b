//! The twenty built-in tables: columns, keys and indexes, with their fixed ids.
//!
//! Invariants
//!   * Index and constraint ids count on through the tables in order; names follow the pattern of
//!     generated names.
//!   * Nothing here may change: rows made from it are deleted by whole-row equality in logs.

use std::sync::Arc;

use spacetime_page::RowLayout;
use spacetime_types::{
    AlgebraicType, ColId, ConstraintId, IndexId, ProductType, ProductTypeElement, SequenceId,
    TableId,
};

use super::{
    ST_CONNECTION_CREDENTIALS, ST_CONSTRAINT, ST_INDEX, ST_SCHEDULED, ST_SEQUENCE, ST_TABLE,
    ST_VIEW, ST_VIEW_ARG, StClient, StColumn, StColumnAccessor, StConnectionCredentials,
    StConstraint, StEventTable, StIndex, StIndexAccessor, StModule, StRowLevelSecurity,
    StScheduled, StSequence, StTable, StTableAccessor, StVar, StView, StViewArg, StViewColumn,
    StViewParam, StViewSub, SystemRow,
};
use crate::schema::{
    ColumnSchema, ConstraintSchema, FIRST_USER_ID, IndexAlgorithm, IndexSchema, SequenceSchema,
    TableAccess, TableKind, TableSchema, same_column_set,
};

/// A built-in table.
pub(crate) struct SystemTable {
    pub id: TableId,
    pub name: &'static str,
    columns: fn() -> Vec<(&'static str, AlgebraicType)>,
    primary_key: Option<u16>,
    /// Columns of each unique constraint.
    unique: &'static [&'static [u16]],
    /// Columns of each index.
    indexes: &'static [&'static [u16]],
}

const fn table<R: SystemRow>(
    name: &'static str,
    primary_key: Option<u16>,
    unique: &'static [&'static [u16]],
    indexes: &'static [&'static [u16]],
) -> SystemTable {
    SystemTable {
        id: R::TABLE,
        name,
        columns: R::columns,
        primary_key,
        unique,
        indexes,
    }
}

/// Every built-in table in order of its id, which starts at 1.
#[rustfmt::skip]
pub(crate) const SYSTEM_TABLES: [SystemTable; 20] = [
    table::<StTable>("st_table", Some(0), &[&[0], &[1]], &[&[0], &[1]]),
    table::<StColumn>("st_column", None, &[&[0, 1]], &[&[0, 1]]),
    table::<StSequence>("st_sequence", Some(0), &[&[0]], &[&[0]]),
    table::<StIndex>("st_index", Some(0), &[&[0]], &[&[0]]),
    table::<StConstraint>("st_constraint", Some(0), &[&[0]], &[&[0]]),
    table::<StModule>("st_module", None, &[], &[]),
    table::<StClient>("st_client", None, &[&[0, 1]], &[&[0, 1]]),
    table::<StVar>("st_var", Some(0), &[&[0]], &[&[0]]),
    table::<StScheduled>("st_scheduled", Some(0), &[&[0], &[1]], &[&[0], &[1]]),
    table::<StRowLevelSecurity>("st_row_level_security", Some(1), &[&[1]], &[&[0], &[1]]),
    table::<StConnectionCredentials>("st_connection_credentials", Some(0), &[&[0]], &[&[0]]),
    table::<StView>("st_view", Some(0), &[&[0], &[1]], &[&[0], &[1]]),
    table::<StViewParam>("st_view_param", None, &[&[0, 1]], &[&[0, 1]]),
    table::<StViewColumn>("st_view_column", None, &[&[0, 1]], &[&[0, 1]]),
    table::<StViewSub>("st_view_sub", None, &[], &[&[2], &[4], &[0, 1, 2]]),
    table::<StViewArg>("st_view_arg", Some(0), &[&[0], &[1]], &[&[0], &[1]]),
    table::<StEventTable>("st_event_table", Some(0), &[&[0]], &[&[0]]),
    table::<StTableAccessor>("st_table_accessor", None, &[&[0], &[1]], &[&[0], &[1]]),
    table::<StIndexAccessor>("st_index_accessor", None, &[&[0], &[1]], &[&[0], &[1]]),
    table::<StColumnAccessor>("st_column_accessor", None, &[&[0, 1], &[0, 2]], &[&[0, 1], &[0, 2]]),
];

/// Tables whose column 0 is generated, in order of the sequence's id, which starts at 1.
const SYSTEM_SEQUENCES: [TableId; 7] = [
    ST_TABLE,
    ST_INDEX,
    ST_CONSTRAINT,
    ST_SCHEDULED,
    ST_SEQUENCE,
    ST_VIEW,
    ST_VIEW_ARG,
];

/// Where the built-in sequences start, on paper.
pub(crate) const SYSTEM_SEQUENCE_START: i128 = FIRST_USER_ID as i128 + 1;
/// What a new database says is allocated; so the first value handed out is 4096.
pub(crate) const SYSTEM_SEQUENCE_ALLOCATED: i128 = FIRST_USER_ID as i128;

/// The schema of a built-in table.
pub(crate) fn system_schema(table: &SystemTable) -> TableSchema {
    let columns: Vec<ColumnSchema> = (table.columns)()
        .into_iter()
        .map(|(name, column_type)| ColumnSchema {
            name: name.into(),
            accessor: None,
            column_type,
        })
        .collect();
    let row_type = row_type_of(&columns);
    let layout = RowLayout::new(&row_type);
    let layout = layout.unwrap_or_else(|error| panic!("layout of {}: {error}", table.name));
    let access = if table.id == ST_CONNECTION_CREDENTIALS {
        TableAccess::Private
    } else {
        TableAccess::Public
    };
    TableSchema {
        id: table.id,
        name: table.name.into(),
        accessor: table.name.into(),
        kind: TableKind::System,
        access,
        is_event: false,
        view: None,
        indexes: indexes(table, &columns),
        constraints: constraints(table, &columns),
        sequences: sequences(table, &columns),
        columns,
        primary_key: table.primary_key.map(ColId),
        schedule: None,
        row_type,
        layout: Arc::new(layout),
    }
}

/// The columns as a product type.
pub(crate) fn row_type_of(columns: &[ColumnSchema]) -> ProductType {
    let element = |column: &ColumnSchema| ProductTypeElement {
        name: Some((*column.name).into()),
        algebraic_type: column.column_type.clone(),
    };
    ProductType {
        elements: columns.iter().map(element).collect(),
    }
}

fn col_ids(columns: &[u16]) -> Vec<ColId> {
    columns.iter().copied().map(ColId).collect()
}

/// `table_column_column`
fn key_name(table: &SystemTable, columns: &[ColumnSchema], key: &[u16]) -> String {
    let mut name = table.name.to_owned();
    for column in key {
        name.push('_');
        name.push_str(&columns[usize::from(*column)].name);
    }
    name
}

/// The first id of a table's objects, if each table has as many as `count` says.
fn first_id(table: &SystemTable, count: impl Fn(&SystemTable) -> usize) -> u32 {
    let before = SYSTEM_TABLES.iter().take_while(|other| other.id < table.id);
    let objects: usize = before.map(count).sum();
    u32::try_from(objects + 1).unwrap_or(u32::MAX)
}

fn indexes(table: &SystemTable, columns: &[ColumnSchema]) -> Vec<IndexSchema> {
    let is_unique = |key: &[ColId]| {
        let mut unique = table.unique.iter();
        unique.any(|constraint| same_column_set(&col_ids(constraint), key))
    };
    let first = first_id(table, |other| other.indexes.len());
    let index = |(id, key): (u32, &&[u16])| IndexSchema {
        id: IndexId(id),
        name: (key_name(table, columns, key) + "_idx_btree").into(),
        accessor: None,
        unique: is_unique(&col_ids(key)),
        algorithm: IndexAlgorithm::BTree(col_ids(key)),
    };
    (first..).zip(table.indexes).map(index).collect()
}

fn constraints(table: &SystemTable, columns: &[ColumnSchema]) -> Vec<ConstraintSchema> {
    let first = first_id(table, |other| other.unique.len());
    let constraint = |(id, key): (u32, &&[u16])| ConstraintSchema {
        id: ConstraintId(id),
        name: (key_name(table, columns, key) + "_key").into(),
        columns: col_ids(key),
    };
    (first..).zip(table.unique).map(constraint).collect()
}

fn sequences(table: &SystemTable, columns: &[ColumnSchema]) -> Vec<SequenceSchema> {
    let all = (1..).zip(SYSTEM_SEQUENCES);
    all.filter(|(_, of)| *of == table.id)
        .map(|(id, _)| SequenceSchema {
            id: SequenceId(id),
            name: (key_name(table, columns, &[0]) + "_seq").into(),
            column: ColId(0),
            increment: 1,
            start: SYSTEM_SEQUENCE_START,
            min_value: 1,
            max_value: i128::MAX,
        })
        .collect()
}

//! Schemas as the rows of the system tables describe them.
//!
//! The cached schemas are checked against this, and rebuilt from it when a log is replayed. The
//! rows come from files, so everything that is wrong with them is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use spacetime_index::KeyShape;
use spacetime_page::{LayoutError, RowLayout, RowPtr};
use spacetime_types::bsatn::{self, DecodeError};
use spacetime_types::{AlgebraicType, ColId, TableId};

use crate::Datastore;
use crate::schema::{
    ColumnSchema, ConstraintSchema, IndexSchema, ScheduleSchema, SequenceSchema, TableSchema,
    ViewId, same_column_set,
};
use crate::system::{
    ConstraintData, StColumn, StColumnAccessor, StConstraint, StEventTable, StIndex,
    StIndexAccessor, StScheduled, StSequence, StTable, StTableAccessor, StView, SystemRow,
    row_type_of,
};

/// What is wrong with the rows that describe the schema. The log or snapshot they come from is
/// damaged or was written by a version that this one does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A row holds something unknown.
    #[error("a row of the built-in table id {table} cannot be understood: {error}")]
    Row { table: TableId, error: DecodeError },
    /// A column's type cannot be read.
    #[error("the type of column {column} of table id {table} cannot be read: {error}")]
    ColumnType {
        table: TableId,
        column: ColId,
        error: DecodeError,
    },
    /// A column is missing or described twice.
    #[error("the columns of table id {table} are not numbered from 0 without gaps")]
    ColumnPositions { table: TableId },
    /// The table cannot be stored.
    #[error("rows of table id {table} cannot be stored: {error}")]
    Layout { table: TableId, error: LayoutError },
    /// An object is about a column that is not there, or one that it cannot be about.
    #[error("`{object}` does not fit the columns of table id {table}")]
    Object { table: TableId, object: Arc<str> },
    /// Something describes a table that does not exist.
    #[error("the built-in table id {by} has rows about table id {table}, which does not exist")]
    Dangling { by: TableId, table: TableId },
}

/// The rows about one table.
struct Parts {
    table: StTable,
    columns: Vec<StColumn>,
    indexes: Vec<StIndex>,
    constraints: Vec<StConstraint>,
    sequences: Vec<StSequence>,
    schedule: Option<StScheduled>,
    is_event: bool,
    view: Option<ViewId>,
}

/// Names in the program.
#[derive(Default)]
struct Accessors {
    tables: FxHashMap<Arc<str>, Arc<str>>,
    indexes: FxHashMap<Arc<str>, Arc<str>>,
    columns: FxHashMap<(Arc<str>, Arc<str>), Arc<str>>,
}

impl Datastore {
    /// The schemas of all tables, or of one, by id. Rows of built-in tables in `hidden` do not
    /// count.
    pub(crate) fn describe(
        &self,
        only: Option<TableId>,
        hidden: &FxHashSet<(TableId, RowPtr)>,
    ) -> Result<Vec<TableSchema>, CatalogueError> {
        let mut parts = self.parts(only, hidden)?;
        let accessors = self.accessors(hidden)?;
        let mut schemas = Vec::with_capacity(parts.len());
        for parts in parts.values_mut() {
            schemas.push(schema(parts, &accessors)?);
        }
        Ok(schemas)
    }

    fn parts(
        &self,
        only: Option<TableId>,
        hidden: &FxHashSet<(TableId, RowPtr)>,
    ) -> Result<BTreeMap<TableId, Parts>, CatalogueError> {
        let is_wanted = |table: TableId| only.is_none_or(|only| only == table);
        let mut all = BTreeMap::new();
        for table in self.rows_but::<StTable>(hidden) {
            let table = table?;
            if is_wanted(table.table_id) {
                all.insert(table.table_id, Parts::new(table));
            }
        }
        /// Gives each row of a system table to the table that it is about.
        macro_rules! give {
            ($row_type:ty, |$parts:ident, $row:ident| $give:expr) => {
                for row in self.rows_but::<$row_type>(hidden) {
                    let $row = row?;
                    let table = $row.table_id;
                    if let Some($parts) = all.get_mut(&table) {
                        $give;
                    } else if is_wanted(table) {
                        let by = <$row_type>::TABLE;
                        return Err(CatalogueError::Dangling { by, table });
                    }
                }
            };
        }
        give!(StColumn, |parts, row| parts.columns.push(row));
        give!(StIndex, |parts, row| parts.indexes.push(row));
        give!(StConstraint, |parts, row| parts.constraints.push(row));
        give!(StSequence, |parts, row| parts.sequences.push(row));
        give!(StScheduled, |parts, row| parts.schedule = Some(row));
        for row in self.rows_but::<StEventTable>(hidden) {
            // Old versions left rows of dropped tables behind.
            if let Some(parts) = all.get_mut(&row?.table_id) {
                parts.is_event = true;
            }
        }
        for row in self.rows_but::<StView>(hidden) {
            let row = row?;
            if let Some(parts) = row.table_id.and_then(|table| all.get_mut(&table)) {
                parts.view = Some(row.view_id);
            }
        }
        Ok(all)
    }

    fn accessors(
        &self,
        hidden: &FxHashSet<(TableId, RowPtr)>,
    ) -> Result<Accessors, CatalogueError> {
        let mut accessors = Accessors::default();
        for row in self.rows_but::<StTableAccessor>(hidden) {
            let row = row?;
            accessors.tables.insert(row.table_name, row.accessor_name);
        }
        for row in self.rows_but::<StIndexAccessor>(hidden) {
            let row = row?;
            accessors.indexes.insert(row.index_name, row.accessor_name);
        }
        for row in self.rows_but::<StColumnAccessor>(hidden) {
            let row = row?;
            let column = (row.table_name, row.col_name);
            accessors.columns.insert(column, row.accessor_name);
        }
        Ok(accessors)
    }

    fn rows_but<'a, R: SystemRow>(
        &'a self,
        hidden: &'a FxHashSet<(TableId, RowPtr)>,
    ) -> impl Iterator<Item = Result<R, CatalogueError>> + 'a {
        let table = self.existing(R::TABLE);
        let mut bytes = Vec::new();
        let shown = table
            .rows
            .iter()
            .filter(|ptr| !hidden.contains(&(R::TABLE, *ptr)));
        shown.map(move |ptr| {
            bytes.clear();
            table.rows.read(ptr, &self.blobs, &mut bytes);
            R::decode(&bytes).map_err(|error| CatalogueError::Row {
                table: R::TABLE,
                error,
            })
        })
    }
}

impl Parts {
    fn new(table: StTable) -> Self {
        Parts {
            table,
            columns: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            sequences: Vec::new(),
            schedule: None,
            is_event: false,
            view: None,
        }
    }
}

fn schema(parts: &mut Parts, accessors: &Accessors) -> Result<TableSchema, CatalogueError> {
    let table = &parts.table;
    let (id, name) = (table.table_id, &table.table_name);
    parts.columns.sort_unstable_by_key(|column| column.col_pos);
    let mut columns = Vec::with_capacity(parts.columns.len());
    for (position, column) in parts.columns.iter().enumerate() {
        if usize::from(column.col_pos.0) != position {
            return Err(CatalogueError::ColumnPositions { table: id });
        }
        columns.push(column_schema(name, column, accessors)?);
    }
    let row_type = row_type_of(&columns);
    let layout = RowLayout::new(&row_type);
    let layout = layout.map_err(|error| CatalogueError::Layout { table: id, error })?;
    let accessor = accessors.tables.get(name).unwrap_or(name);
    let mut schema = TableSchema {
        id,
        name: name.clone(),
        accessor: accessor.clone(),
        kind: table.table_type,
        access: table.table_access,
        is_event: parts.is_event,
        view: parts.view,
        columns,
        primary_key: None,
        indexes: Vec::new(),
        constraints: Vec::new(),
        sequences: Vec::new(),
        schedule: None,
        row_type,
        layout: Arc::new(layout),
    };
    let key = table.table_primary_key.as_deref().unwrap_or_default();
    check_columns(&schema, name, key)?;
    schema.primary_key = key.first().copied();
    add_objects(&mut schema, parts, accessors)?;
    Ok(schema)
}

fn column_schema(
    table: &Arc<str>,
    column: &StColumn,
    accessors: &Accessors,
) -> Result<ColumnSchema, CatalogueError> {
    let column_type = bsatn::from_slice_exact::<AlgebraicType>(&column.col_type);
    let column_type = column_type.map_err(|error| CatalogueError::ColumnType {
        table: column.table_id,
        column: column.col_pos,
        error,
    })?;
    let key = (table.clone(), column.col_name.clone());
    Ok(ColumnSchema {
        accessor: accessors.columns.get(&key).cloned(),
        name: column.col_name.clone(),
        column_type,
    })
}

fn add_objects(
    schema: &mut TableSchema,
    parts: &mut Parts,
    accessors: &Accessors,
) -> Result<(), CatalogueError> {
    parts
        .constraints
        .sort_unstable_by_key(|constraint| constraint.constraint_id);
    for row in &parts.constraints {
        let ConstraintData::Unique(columns) = &row.constraint_data;
        check_columns(schema, &row.constraint_name, columns)?;
        schema.constraints.push(ConstraintSchema {
            id: row.constraint_id,
            name: row.constraint_name.clone(),
            columns: columns.clone(),
        });
    }
    parts.indexes.sort_unstable_by_key(|index| index.index_id);
    for row in &parts.indexes {
        let columns = row.index_algorithm.columns();
        check_key(schema, &row.index_name, columns)?;
        let mut constraints = schema.constraints.iter();
        let unique = constraints.any(|constraint| same_column_set(&constraint.columns, columns));
        schema.indexes.push(IndexSchema {
            id: row.index_id,
            name: row.index_name.clone(),
            accessor: accessors.indexes.get(&row.index_name).cloned(),
            algorithm: row.index_algorithm.clone(),
            unique,
        });
    }
    parts
        .sequences
        .sort_unstable_by_key(|sequence| sequence.sequence_id);
    for row in &parts.sequences {
        check_columns(schema, &row.sequence_name, &[row.col_pos])?;
        schema.sequences.push(SequenceSchema {
            id: row.sequence_id,
            name: row.sequence_name.clone(),
            column: row.col_pos,
            increment: row.increment,
            start: row.start,
            min_value: row.min_value,
            max_value: row.max_value,
        });
    }
    if let Some(row) = &parts.schedule {
        check_columns(schema, &row.schedule_name, &[row.at_column])?;
        schema.schedule = Some(ScheduleSchema {
            id: row.schedule_id,
            name: row.schedule_name.clone(),
            function: row.reducer_name.clone(),
            at_column: row.at_column,
        });
    }
    Ok(())
}

fn check_columns(
    schema: &TableSchema,
    object: &Arc<str>,
    columns: &[ColId],
) -> Result<(), CatalogueError> {
    if columns
        .iter()
        .all(|column| schema.column(*column).is_some())
    {
        return Ok(());
    }
    Err(CatalogueError::Object {
        table: schema.id,
        object: object.clone(),
    })
}

fn check_key(
    schema: &TableSchema,
    object: &Arc<str>,
    columns: &[ColId],
) -> Result<(), CatalogueError> {
    check_columns(schema, object, columns)?;
    let columns = columns.iter().filter_map(|column| schema.column(*column));
    let types: Vec<AlgebraicType> = columns.map(|column| column.column_type.clone()).collect();
    match KeyShape::new(&types) {
        Ok(_) => Ok(()),
        Err(_) => Err(CatalogueError::Object {
            table: schema.id,
            object: object.clone(),
        }),
    }
}

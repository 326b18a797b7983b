//! Creating and dropping tables inside the open transaction.
//!
//! Every change writes the rows of the system tables and the cached schema together. A change
//! that fails leaves nothing behind.
//!
//! Not here: changes of a table that stays (see `migration`).

use std::sync::Arc;

use spacetime_index::KeyShape;
use spacetime_page::{RowLayout, RowPtr};
use spacetime_types::{ColId, ConstraintId, IndexId, ProductType, SequenceId, TableId, bsatn};

use crate::Datastore;
use crate::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef, ViewDef};
use crate::error::{SchemaError, WriteError};
use crate::schema::{
    ColumnSchema, ConstraintSchema, IndexSchema, ScheduleId, ScheduleSchema, SequenceSchema,
    TableKind, TableSchema, ViewId, same_column_set,
};
use crate::sequence;
use crate::system::{
    ConstraintData, StColumn, StColumnAccessor, StConstraint, StEventTable, StIndex,
    StIndexAccessor, StScheduled, StSequence, StTable, StTableAccessor, StView, StViewColumn,
    StViewParam, SystemRow, row_type_of,
};
use crate::table::Table;
use crate::transaction::{CatalogueOp, Op};
use crate::write::Inserted;

impl Datastore {
    /// Creates a table with its indexes, constraints, sequences and schedule. With `def.view` it
    /// is the backing table of a view, and the view is recorded too.
    pub fn create_table(&mut self, def: &TableDef) -> Result<TableId, SchemaError> {
        self.atomically(|datastore| datastore.create_table_parts(def))
    }

    /// Drops a table with its rows and all that describes it. Its rules of row level security
    /// stay; they belong to the module as a whole.
    pub fn drop_table(&mut self, table: TableId) -> Result<(), SchemaError> {
        self.atomically(|datastore| datastore.drop_table_parts(table))
    }

    /// Inserts a row into a system table. An id column that holds 0 is generated.
    pub fn insert_system_row<R: SystemRow>(&mut self, row: &R) -> Result<Inserted, WriteError> {
        self.insert_system(R::TABLE, &row.to_bsatn())
    }

    /// Deletes the rows of a system table that `is_wanted` picks; returns how many.
    pub fn delete_system_rows<R: SystemRow>(
        &mut self,
        mut is_wanted: impl FnMut(&R) -> bool,
    ) -> Result<usize, WriteError> {
        let rows = self.system_rows::<R>().filter(|(_, row)| is_wanted(row));
        let rows: Vec<RowPtr> = rows.map(|(ptr, _)| ptr).collect();
        for ptr in &rows {
            self.delete_system(R::TABLE, *ptr)?;
        }
        Ok(rows.len())
    }

    /// Undoes what `change` did if it fails.
    pub(crate) fn atomically<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<T, SchemaError> {
        let start = self.savepoint();
        let result = change(self);
        if result.is_err() {
            self.rollback_to(start);
        }
        result
    }

    pub(crate) fn record(&mut self, change: CatalogueOp) {
        self.tx.ops.push(Op::Catalogue(Box::new(change)));
    }

    fn create_table_parts(&mut self, def: &TableDef) -> Result<TableId, SchemaError> {
        let mut schema = empty_schema(def)?;
        check_definition(def, &schema.columns)?;
        let id = self.insert_named(&def.name, &StTable::of(&schema))?;
        schema.id = TableId(id);
        self.insert_named(
            &def.accessor,
            &StTableAccessor {
                table_name: def.name.clone(),
                accessor_name: def.accessor.clone(),
            },
        )?;
        if let Some(view) = &def.view {
            schema.view = Some(self.insert_view(&schema, view)?);
        }
        self.insert_columns(&schema)?;
        if let Some(schedule) = &mut schema.schedule {
            let row = StScheduled {
                schedule_id: ScheduleId(0),
                table_id: TableId(id),
                reducer_name: schedule.function.clone(),
                schedule_name: schedule.name.clone(),
                at_column: schedule.at_column,
            };
            schedule.id = ScheduleId(self.insert_named(&schedule.name.clone(), &row)?);
        }
        if def.is_event {
            self.insert_system_row(&StEventTable {
                table_id: schema.id,
            })?;
        }
        for index in &def.indexes {
            let index = self.insert_index(&schema, &def.constraints, index)?;
            schema.indexes.push(index);
        }
        for constraint in &def.constraints {
            let constraint = self.insert_constraint(&schema, constraint)?;
            schema.constraints.push(constraint);
        }
        for sequence in &def.sequences {
            let sequence = self.insert_sequence(&schema, sequence)?;
            schema.sequences.push(sequence);
        }
        if let (Some(view), Some(id)) = (&def.view, schema.view) {
            self.insert_view_parts(id, view)?;
        }
        let schema = Arc::new(schema);
        self.register(Table::new(Arc::clone(&schema)));
        self.record(CatalogueOp::Created(schema.id));
        for sequence in &schema.sequences {
            self.start_sequence(&schema, sequence, sequence.start);
            self.record(CatalogueOp::SequenceCreated(sequence.id));
        }
        Ok(schema.id)
    }

    /// Inserts a row and returns its id, if the first generated column is one.
    pub(crate) fn insert_named<R: SystemRow>(
        &mut self,
        name: &Arc<str>,
        row: &R,
    ) -> Result<u32, SchemaError> {
        let inserted = self.insert_system_row(row).map_err(|error| match error {
            WriteError::UniqueViolation { .. } => SchemaError::NameTaken {
                name: Arc::clone(name),
                error,
            },
            error => SchemaError::Write(error),
        })?;
        if inserted.existed {
            let error = WriteError::UniqueViolation {
                table: Arc::clone(&self.existing(R::TABLE).schema.name),
                index: Arc::clone(name),
            };
            return Err(SchemaError::NameTaken {
                name: Arc::clone(name),
                error,
            });
        }
        let id = inserted.generated.first_chunk::<4>();
        Ok(id.map_or(0, |id| u32::from_le_bytes(*id)))
    }

    pub(crate) fn insert_columns(&mut self, schema: &TableSchema) -> Result<(), SchemaError> {
        for (row, column) in StColumn::of(schema).zip(&schema.columns) {
            self.insert_system_row(&row)?;
            if let Some(accessor) = &column.accessor {
                let row = StColumnAccessor {
                    table_name: schema.name.clone(),
                    col_name: column.name.clone(),
                    accessor_name: accessor.clone(),
                };
                self.insert_named(accessor, &row)?;
            }
        }
        Ok(())
    }

    pub(crate) fn insert_index(
        &mut self,
        schema: &TableSchema,
        constraints: &[ConstraintDef],
        def: &IndexDef,
    ) -> Result<IndexSchema, SchemaError> {
        let row = StIndex {
            index_id: IndexId(0),
            table_id: schema.id,
            index_name: def.name.clone(),
            index_algorithm: def.algorithm.clone(),
        };
        let id = IndexId(self.insert_named(&def.name, &row)?);
        if let Some(accessor) = &def.accessor {
            let row = StIndexAccessor {
                index_name: def.name.clone(),
                accessor_name: accessor.clone(),
            };
            self.insert_named(accessor, &row)?;
        }
        let columns = def.algorithm.columns();
        let mut constraints = constraints.iter();
        Ok(IndexSchema {
            id,
            name: def.name.clone(),
            accessor: def.accessor.clone(),
            unique: constraints.any(|constraint| same_column_set(&constraint.columns, columns)),
            algorithm: def.algorithm.clone(),
        })
    }

    pub(crate) fn insert_constraint(
        &mut self,
        schema: &TableSchema,
        def: &ConstraintDef,
    ) -> Result<ConstraintSchema, SchemaError> {
        let row = StConstraint {
            constraint_id: ConstraintId(0),
            constraint_name: def.name.clone(),
            table_id: schema.id,
            constraint_data: ConstraintData::Unique(def.columns.clone()),
        };
        let id = ConstraintId(self.insert_named(&def.name, &row)?);
        Ok(ConstraintSchema {
            id,
            name: def.name.clone(),
            columns: def.columns.clone(),
        })
    }

    pub(crate) fn insert_sequence(
        &mut self,
        schema: &TableSchema,
        def: &SequenceDef,
    ) -> Result<SequenceSchema, SchemaError> {
        let mut sequence = sequence::schema_of(SequenceId(0), def);
        let row = StSequence::of(schema.id, &sequence, sequence.start);
        sequence.id = SequenceId(self.insert_named(&def.name, &row)?);
        Ok(sequence)
    }

    fn insert_view(&mut self, schema: &TableSchema, def: &ViewDef) -> Result<ViewId, SchemaError> {
        let row = StView {
            view_id: ViewId(0),
            view_name: schema.name.clone(),
            table_id: Some(schema.id),
            is_public: schema.access == crate::TableAccess::Public,
            is_anonymous: def.is_anonymous,
        };
        self.insert_named(&schema.name, &row).map(ViewId)
    }

    fn insert_view_parts(&mut self, view_id: ViewId, def: &ViewDef) -> Result<(), SchemaError> {
        for (position, (name, param_type)) in (0..=u16::MAX).zip(&def.params) {
            self.insert_system_row(&StViewParam {
                view_id,
                param_pos: ColId(position),
                param_name: name.clone(),
                param_type: bsatn::to_vec(param_type),
            })?;
        }
        for (position, (name, col_type)) in (0..=u16::MAX).zip(&def.columns) {
            self.insert_system_row(&StViewColumn {
                view_id,
                col_pos: ColId(position),
                col_name: name.clone(),
                col_type: bsatn::to_vec(col_type),
            })?;
        }
        Ok(())
    }

    fn drop_table_parts(&mut self, id: TableId) -> Result<(), SchemaError> {
        let schema = Arc::clone(self.schema(id).ok_or(SchemaError::NoSuchTable(id))?);
        if schema.is_system() {
            return Err(SchemaError::Protected(Arc::clone(&schema.name)));
        }
        self.clear_system(id)?;
        self.delete_system_rows::<StTable>(|row| row.table_id == id)?;
        self.delete_system_rows::<StTableAccessor>(|row| row.table_name == schema.name)?;
        self.delete_system_rows::<StColumn>(|row| row.table_id == id)?;
        self.delete_system_rows::<StColumnAccessor>(|row| row.table_name == schema.name)?;
        self.delete_system_rows::<StScheduled>(|row| row.table_id == id)?;
        self.delete_system_rows::<StEventTable>(|row| row.table_id == id)?;
        self.delete_system_rows::<StIndex>(|row| row.table_id == id)?;
        let has_index = |name: &Arc<str>| schema.indexes.iter().any(|index| index.name == *name);
        self.delete_system_rows::<StIndexAccessor>(|row| has_index(&row.index_name))?;
        self.delete_system_rows::<StConstraint>(|row| row.table_id == id)?;
        self.delete_system_rows::<StSequence>(|row| row.table_id == id)?;
        if let Some(view) = schema.view {
            self.delete_system_rows::<StView>(|row| row.view_id == view)?;
            self.delete_system_rows::<StViewParam>(|row| row.view_id == view)?;
            self.delete_system_rows::<StViewColumn>(|row| row.view_id == view)?;
        }
        for sequence in &schema.sequences {
            if let Some(sequence) = self.sequences.remove(&sequence.id) {
                self.record(CatalogueOp::SequenceDropped(sequence));
            }
        }
        if let Some(table) = self.unregister(id) {
            assert!(
                table.rows.is_empty(),
                "a table is emptied before it is dropped"
            );
            self.record(CatalogueOp::Dropped(table));
        }
        Ok(())
    }
}

/// The schema of a definition, without ids and without the objects that get some.
fn empty_schema(def: &TableDef) -> Result<TableSchema, SchemaError> {
    let columns: Vec<ColumnSchema> = def.columns.iter().map(ColumnDef::to_schema).collect();
    let row_type = row_type_of(&columns);
    let layout = layout(&def.name, &row_type)?;
    Ok(TableSchema {
        id: TableId(0),
        name: def.name.clone(),
        accessor: def.accessor.clone(),
        kind: TableKind::User,
        access: def.access,
        is_event: def.is_event,
        view: None,
        columns,
        primary_key: def.primary_key,
        indexes: Vec::new(),
        constraints: Vec::new(),
        sequences: Vec::new(),
        schedule: def.schedule.as_ref().map(|schedule| ScheduleSchema {
            id: ScheduleId(0),
            name: schedule.name.clone(),
            function: schedule.function.clone(),
            at_column: schedule.at_column,
        }),
        row_type,
        layout,
    })
}

/// How rows are stored.
pub(crate) fn layout(
    table: &Arc<str>,
    row_type: &ProductType,
) -> Result<Arc<RowLayout>, SchemaError> {
    let layout = RowLayout::new(row_type);
    layout.map(Arc::new).map_err(|error| SchemaError::Layout {
        table: Arc::clone(table),
        error,
    })
}

/// Checks that the parts of a definition fit together.
fn check_definition(def: &TableDef, columns: &[ColumnSchema]) -> Result<(), SchemaError> {
    let wrong = |what: String| SchemaError::InvalidDefinition {
        table: def.name.clone(),
        what,
    };
    if columns.len() > usize::from(u16::MAX) {
        return Err(wrong(format!("it has {} columns", columns.len())));
    }
    for index in &def.indexes {
        check_key(&def.name, columns, &index.name, index.algorithm.columns())?;
    }
    for constraint in &def.constraints {
        check_key(&def.name, columns, &constraint.name, &constraint.columns)?;
        let mut indexes = def.indexes.iter();
        if !indexes.any(|index| same_column_set(index.algorithm.columns(), &constraint.columns)) {
            return Err(wrong(format!("no index supports `{}`", constraint.name)));
        }
    }
    if let Some(key) = def.primary_key
        && !def
            .constraints
            .iter()
            .any(|constraint| constraint.columns == [key])
    {
        return Err(wrong("the primary key has no unique constraint".to_owned()));
    }
    if let Some(schedule) = &def.schedule {
        check_key(&def.name, columns, &schedule.name, &[schedule.at_column])?;
    }
    let mut generated = Vec::new();
    for sequence in &def.sequences {
        sequence::check_definition(columns, sequence)
            .map_err(|what| wrong(format!("sequence `{}`: {what}", sequence.name)))?;
        if generated.contains(&sequence.column) {
            return Err(wrong("a column has two sequences".to_owned()));
        }
        generated.push(sequence.column);
    }
    Ok(())
}

/// Checks that the columns of a key are there, different and comparable.
pub(crate) fn check_key(
    table: &Arc<str>,
    columns: &[ColumnSchema],
    name: &str,
    key: &[ColId],
) -> Result<(), SchemaError> {
    let wrong = |what: String| SchemaError::InvalidDefinition {
        table: Arc::clone(table),
        what,
    };
    let mut types = Vec::new();
    for (position, column) in key.iter().enumerate() {
        let Some(found) = columns.get(usize::from(column.0)) else {
            return Err(wrong(format!(
                "column `{column}` of `{name}` does not exist"
            )));
        };
        if key[..position].contains(column) {
            return Err(wrong(format!("`{name}` has column `{column}` twice")));
        }
        types.push(found.column_type.clone());
    }
    KeyShape::new(&types).map_err(|error| wrong(format!("`{name}`: {error}")))?;
    Ok(())
}

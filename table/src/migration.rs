//! Changes of a table that stays, inside the open transaction: keys, sequences, columns, names.
//!
//! Each change writes the rows of the system tables and then gives the table a new cached schema.
//! A change that fails leaves nothing behind.
//!
//! Not here: which changes are allowed (the host plans them), and adding columns, which is a new
//! table under the old name.

use std::sync::Arc;

use spacetime_types::{ColId, SequenceId, TableId};

use crate::Datastore;
use crate::catalogue::check_key;
use crate::definition::{ColumnDef, ConstraintDef, IndexDef, ScheduleDef, SequenceDef};
use crate::error::{SchemaError, WriteError};
use crate::schema::{ScheduleId, ScheduleSchema, TableAccess, TableSchema, same_column_set};
use crate::sequence;
use crate::system::{
    StColumn, StColumnAccessor, StConstraint, StIndex, StIndexAccessor, StScheduled, StSequence,
    StTable, StTableAccessor, row_type_of,
};
use crate::table::{Table, TakeRowsError};
use crate::transaction::{CatalogueOp, Op};

impl Datastore {
    /// Adds an index over the rows that are there. It is unique iff the table has a constraint
    /// with the same column set.
    pub fn add_index(&mut self, table: TableId, def: &IndexDef) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            check_key(
                &schema.name,
                &schema.columns,
                &def.name,
                def.algorithm.columns(),
            )?;
            let index = datastore.insert_index(schema, &[], def)?;
            schema.indexes.push(index);
            Ok(())
        })
    }

    /// Removes an index.
    pub fn remove_index(&mut self, table: TableId, name: &str) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            let found = schema.indexes.iter().position(|index| &*index.name == name);
            let index = schema
                .indexes
                .remove(found.ok_or_else(|| missing(schema, "index", name))?);
            datastore.delete_system_rows::<StIndex>(|row| row.index_id == index.id)?;
            datastore.delete_system_rows::<StIndexAccessor>(|row| row.index_name == index.name)?;
            Ok(())
        })
    }

    /// Adds a unique constraint; the indexes on its columns become unique.
    pub fn add_constraint(
        &mut self,
        table: TableId,
        def: &ConstraintDef,
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            check_key(&schema.name, &schema.columns, &def.name, &def.columns)?;
            let constraint = datastore.insert_constraint(schema, def)?;
            schema.constraints.push(constraint);
            Ok(())
        })
    }

    /// Removes a unique constraint; the indexes on its columns are no longer unique.
    pub fn remove_constraint(&mut self, table: TableId, name: &str) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            let found = schema
                .constraints
                .iter()
                .position(|constraint| &*constraint.name == name);
            let found = found.ok_or_else(|| missing(schema, "constraint", name))?;
            let id = schema.constraints.remove(found).id;
            datastore.delete_system_rows::<StConstraint>(|row| row.constraint_id == id)?;
            Ok(())
        })
    }

    /// Adds a sequence. Rows that are there keep their values.
    pub fn add_sequence(&mut self, table: TableId, def: &SequenceDef) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            check_key(&schema.name, &schema.columns, &def.name, &[def.column])?;
            sequence::check_definition(&schema.columns, def)
                .map_err(|what| wrong(schema, format!("sequence `{}`: {what}", def.name)))?;
            if schema
                .sequences
                .iter()
                .any(|other| other.column == def.column)
            {
                return Err(wrong(schema, "a column has two sequences".to_owned()));
            }
            let sequence = datastore.insert_sequence(schema, def)?;
            datastore.start_sequence(schema, &sequence, sequence.start);
            datastore.record(CatalogueOp::SequenceCreated(sequence.id));
            schema.sequences.push(sequence);
            Ok(())
        })
    }

    /// Removes a sequence.
    pub fn remove_sequence(&mut self, table: TableId, name: &str) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            let found = schema
                .sequences
                .iter()
                .position(|sequence| &*sequence.name == name);
            let found = found.ok_or_else(|| missing(schema, "sequence", name))?;
            let id = schema.sequences.remove(found).id;
            datastore.delete_system_rows::<StSequence>(|row| row.sequence_id == id)?;
            if let Some(sequence) = datastore.sequences.remove(&id) {
                datastore.record(CatalogueOp::SequenceDropped(sequence));
            }
            Ok(())
        })
    }

    /// Makes a sequence go on from a position, as `sequence_position` tells it: for the copy of a
    /// table. Says whether it could: this transaction must have made it, and the position be in its
    /// range.
    pub fn continue_sequence(
        &mut self,
        sequence: SequenceId,
        (value, allocated): (i128, i128),
    ) -> bool {
        let Some(found) = self.sequences.get(&sequence) else {
            return false;
        };
        let range = found.schema.min_value..=found.schema.max_value;
        let is_within = range.contains(&value) && range.contains(&allocated);
        if !is_within || !self.tx.has_made(sequence) {
            return false;
        }
        let recorded = found.recorded;
        self.tx.ops.push(Op::Sequence { sequence, recorded });
        self.set_position(sequence, value, allocated);
        true
    }

    /// Changes who may read a table.
    pub fn set_access(&mut self, table: TableId, access: TableAccess) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            schema.access = access;
            datastore.rewrite_table_row(schema)
        })
    }

    /// Changes the primary key.
    pub fn set_primary_key(
        &mut self,
        table: TableId,
        key: Option<ColId>,
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            if let Some(column) = key {
                check_key(&schema.name, &schema.columns, "primary key", &[column])?;
            }
            schema.primary_key = key;
            datastore.rewrite_table_row(schema)
        })
    }

    /// Makes a table a schedule, changes how, or ends it.
    pub fn set_schedule(
        &mut self,
        table: TableId,
        def: Option<&ScheduleDef>,
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            datastore.delete_system_rows::<StScheduled>(|row| row.table_id == table)?;
            schema.schedule = None;
            let Some(def) = def else { return Ok(()) };
            check_key(&schema.name, &schema.columns, &def.name, &[def.at_column])?;
            let row = StScheduled {
                schedule_id: ScheduleId(0),
                table_id: table,
                reducer_name: def.function.clone(),
                schedule_name: def.name.clone(),
                at_column: def.at_column,
            };
            schema.schedule = Some(ScheduleSchema {
                id: ScheduleId(datastore.insert_named(&def.name, &row)?),
                name: def.name.clone(),
                function: def.function.clone(),
                at_column: def.at_column,
            });
            Ok(())
        })
    }

    /// Changes a table's name in the program.
    pub fn set_table_accessor(
        &mut self,
        table: TableId,
        accessor: &Arc<str>,
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            let name = schema.name.clone();
            datastore.delete_system_rows::<StTableAccessor>(|row| row.table_name == name)?;
            schema.accessor = accessor.clone();
            let row = StTableAccessor {
                table_name: name,
                accessor_name: accessor.clone(),
            };
            datastore.insert_named(accessor, &row).map(|_| ())
        })
    }

    /// Changes an index's source name.
    pub fn set_index_accessor(
        &mut self,
        table: TableId,
        index: &str,
        accessor: &Arc<str>,
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            let found = schema
                .indexes
                .iter()
                .position(|found| &*found.name == index);
            let found = found.ok_or_else(|| missing(schema, "index", index))?;
            let name = schema.indexes[found].name.clone();
            datastore.delete_system_rows::<StIndexAccessor>(|row| row.index_name == name)?;
            schema.indexes[found].accessor = Some(accessor.clone());
            let row = StIndexAccessor {
                index_name: name,
                accessor_name: accessor.clone(),
            };
            datastore.insert_named(accessor, &row).map(|_| ())
        })
    }

    /// Replaces the columns. Every row must be a row of the new columns as it is: columns of a
    /// table with rows can be renamed in the program and their enums can grow. No row may have
    /// been changed in this transaction.
    pub fn set_columns(
        &mut self,
        table: TableId,
        columns: &[ColumnDef],
    ) -> Result<(), SchemaError> {
        self.change(table, |datastore, schema| {
            if datastore.tx.has_rows_of(table) {
                return Err(wrong(
                    schema,
                    "its rows were changed in this transaction".to_owned(),
                ));
            }
            let name = schema.name.clone();
            datastore.delete_system_rows::<StColumn>(|row| row.table_id == table)?;
            datastore.delete_system_rows::<StColumnAccessor>(|row| row.table_name == name)?;
            schema.columns = columns.iter().map(ColumnDef::to_schema).collect();
            schema.row_type = row_type_of(&schema.columns);
            schema.layout = crate::catalogue::layout(&name, &schema.row_type)?;
            for index in &schema.indexes {
                check_key(
                    &name,
                    &schema.columns,
                    &index.name,
                    index.algorithm.columns(),
                )?;
            }
            for sequence in &schema.sequences {
                let column = schema.columns.get(usize::from(sequence.column.0));
                if !column.is_some_and(|column| sequence::is_integer(&column.column_type)) {
                    return Err(wrong(
                        schema,
                        format!("`{}` has no integers", sequence.name),
                    ));
                }
            }
            datastore.insert_columns(schema)
        })
    }

    fn rewrite_table_row(&mut self, schema: &TableSchema) -> Result<(), SchemaError> {
        self.delete_system_rows::<StTable>(|row| row.table_id == schema.id)?;
        self.insert_system_row(&StTable::of(schema))?;
        Ok(())
    }

    /// Applies `change` to a copy of a table's schema and brings the table in line with it. A
    /// constraint whose only index was removed is not enforced until one comes back.
    fn change(
        &mut self,
        table: TableId,
        change: impl FnOnce(&mut Self, &mut TableSchema) -> Result<(), SchemaError>,
    ) -> Result<(), SchemaError> {
        self.atomically(|datastore| {
            let schema = datastore
                .schema(table)
                .ok_or(SchemaError::NoSuchTable(table))?;
            if schema.is_system() {
                return Err(SchemaError::Protected(schema.name.clone()));
            }
            let mut schema = TableSchema::clone(schema);
            change(datastore, &mut schema)?;
            for index in &mut schema.indexes {
                let columns = index.algorithm.columns();
                let mut constraints = schema.constraints.iter();
                index.unique =
                    constraints.any(|constraint| same_column_set(&constraint.columns, columns));
            }
            datastore.remake(schema)
        })
    }

    /// Gives a table another schema, building again what is stored differently.
    fn remake(&mut self, schema: TableSchema) -> Result<(), SchemaError> {
        let id = schema.id;
        let Some(mut table) = self.unregister(id) else {
            return Err(SchemaError::NoSuchTable(id));
        };
        let schema = Arc::new(schema);
        let blobs = &mut self.blobs;
        if same_types(&table.schema, &schema) {
            let reindexed = table.reindex(&schema, blobs);
            self.register(table);
            let before = reindexed.map_err(|index| duplicates(&schema, index))?;
            self.record(CatalogueOp::Reindexed(before));
            return Ok(());
        }
        let mut new = Table::new(Arc::clone(&schema));
        if let Err(error) = new.take_rows(&table, blobs) {
            new.clear(blobs);
            self.register(table);
            return Err(match error {
                TakeRowsError::Row(error) => wrong(&schema, format!("a row does not fit: {error}")),
                TakeRowsError::Conflict(index) => duplicates(&schema, index),
                TakeRowsError::NoRoom(error) => SchemaError::Write(WriteError::NoRoom {
                    table: schema.name.clone(),
                    error,
                }),
            });
        }
        self.register(new);
        self.record(CatalogueOp::Replaced(table));
        Ok(())
    }
}

/// Whether rows are stored the same: the types of the columns are equal.
fn same_types(left: &TableSchema, right: &TableSchema) -> bool {
    let types = |schema: &TableSchema| -> Vec<_> {
        let columns = schema.columns.iter();
        columns.map(|column| column.column_type.clone()).collect()
    };
    types(left) == types(right)
}

fn duplicates(schema: &TableSchema, index: usize) -> SchemaError {
    SchemaError::Duplicates {
        table: schema.name.clone(),
        index: schema.indexes[index].name.clone(),
    }
}

fn missing(schema: &TableSchema, what: &'static str, name: &str) -> SchemaError {
    SchemaError::NoSuchObject {
        table: schema.name.clone(),
        what,
        name: name.into(),
    }
}

fn wrong(schema: &TableSchema, what: String) -> SchemaError {
    SchemaError::InvalidDefinition {
        table: schema.name.clone(),
        what,
    }
}

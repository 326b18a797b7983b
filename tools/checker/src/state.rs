//! The rows as they ought to be, kept without any index, and what a transaction makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use spacetime_types::Identity;

use crate::random::Random;
use crate::schema::{Schema, Table};
use crate::value::Value;

/// A row as BSATN.
pub type RowBytes = Arc<[u8]>;

/// A row, as values and as bytes.
#[derive(Clone, Debug)]
pub struct Row {
    pub values: Vec<Value>,
    pub bytes: RowBytes,
}

impl Row {
    #[must_use]
    pub fn new(table: &Table, values: Vec<Value>) -> Row {
        let mut bytes = Vec::new();
        for (value, column) in values.iter().zip(&table.columns) {
            value.encode(column.ty, &mut bytes);
        }
        Row {
            values,
            bytes: bytes.into(),
        }
    }

    pub fn random(table: &Table, random: &mut Random, people: &[Identity]) -> Row {
        let columns = table.columns.iter();
        let values = columns.map(|column| column.ty.random(column.spread, random, people));
        Row::new(table, values.collect())
    }
}

/// One table's rows.
pub type TableRows = BTreeMap<RowBytes, Arc<Row>>;

/// A change was refused. It had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// All tables. Event tables have rows during a transaction only.
#[derive(Clone, Debug)]
pub struct State {
    schema: Arc<Schema>,
    tables: Vec<Arc<TableRows>>,
}

impl State {
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> State {
        let tables = schema.tables.iter().map(|_| Arc::default()).collect();
        State { schema, tables }
    }

    #[must_use]
    pub fn rows(&self, table: usize) -> &Arc<TableRows> {
        &self.tables[table]
    }

    /// Inserts a row. One that is there already changes nothing.
    pub fn insert(&mut self, table: usize, row: Row) -> Result<bool, Refused> {
        let rows = &self.tables[table];
        if rows.contains_key(&row.bytes) {
            return Ok(false);
        }
        if self.conflicts(table, &row, None) {
            return Err(Refused);
        }
        let rows = Arc::make_mut(&mut self.tables[table]);
        rows.insert(row.bytes.clone(), Arc::new(row));
        Ok(true)
    }

    /// Whether another row than `except` has the same key.
    fn conflicts(&self, table: usize, row: &Row, except: Option<&RowBytes>) -> bool {
        let indexes = &self.schema.tables[table].indexes;
        let unique: Vec<&Vec<usize>> = indexes
            .iter()
            .filter(|index| index.is_unique)
            .map(|index| &index.columns)
            .collect();
        self.tables[table]
            .iter()
            .filter(|(bytes, _)| Some(*bytes) != except)
            .any(|(_, other)| {
                let same = |columns: &&Vec<usize>| {
                    columns
                        .iter()
                        .all(|column| other.values[*column] == row.values[*column])
                };
                unique.iter().any(same)
            })
    }

    pub fn delete(&mut self, table: usize, bytes: &[u8]) -> bool {
        self.tables[table].contains_key(bytes)
            && Arc::make_mut(&mut self.tables[table])
                .remove(bytes)
                .is_some()
    }

    /// Replaces the row with the same key in these columns.
    pub fn update(&mut self, table: usize, key: &[usize], row: Row) -> Result<(), Refused> {
        let mut rows = self.tables[table].values();
        let same = |old: &&Arc<Row>| {
            key.iter()
                .all(|column| old.values[*column] == row.values[*column])
        };
        let old = rows.find(same).ok_or(Refused)?.bytes.clone();
        if self.conflicts(table, &row, Some(&old)) {
            return Err(Refused);
        }
        let rows = Arc::make_mut(&mut self.tables[table]);
        rows.remove(&old);
        rows.insert(row.bytes.clone(), Arc::new(row));
        Ok(())
    }

    /// Deletes the rows that a condition is true of.
    pub fn delete_where(
        &mut self,
        table: usize,
        mut condition: impl FnMut(&Row) -> bool,
    ) -> Vec<Arc<Row>> {
        let rows = self.tables[table].values();
        let found: Vec<Arc<Row>> = rows.filter(|row| condition(row)).cloned().collect();
        for row in &found {
            self.delete(table, &row.bytes);
        }
        found
    }

    /// Ends a transaction: what happened is over.
    pub fn forget_events(&mut self) {
        for (table, rows) in self.schema.tables.iter().zip(&mut self.tables) {
            if table.is_event {
                *rows = Arc::default();
            }
        }
    }

    /// Whether the tables hold the same rows, known without looking at each.
    #[must_use]
    pub fn shares(&self, other: &State, table: usize) -> bool {
        Arc::ptr_eq(&self.tables[table], &other.tables[table])
    }
}

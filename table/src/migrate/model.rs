//! What a module wants its database to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use spacetime_types::ColId;

use crate::definition::{ColumnDef, TableDef};

/// BSATN of values, by table and column.
pub type ColumnValues = BTreeMap<(Arc<str>, Arc<str>), Arc<[u8]>>;

/// Everything of a module's definition that a migration compares. All names are full names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseDef {
    /// Tables, and the backing tables of views.
    pub tables: Vec<TableDef>,
    /// What old rows get in new columns.
    pub defaults: ColumnValues,
    /// Tables that the module declares as the system's.
    pub system_tables: BTreeSet<Arc<str>>,
    /// Names of indexes in generated code.
    pub index_accessors: BTreeMap<Arc<str>, Arc<str>>,
    /// Scheduled functions that are procedures; the others are reducers.
    pub procedures: BTreeSet<Arc<str>>,
    /// Rules of row level security.
    pub filters: Vec<Arc<str>>,
}

impl DatabaseDef {
    /// The table, or backing table, of a name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.iter().find(|table| &*table.name == name)
    }

    /// The value that rows get which have no such column yet.
    #[must_use]
    pub fn default_of(&self, table: &TableDef, column: &ColumnDef) -> Option<&Arc<[u8]>> {
        self.defaults
            .get(&(table.name.clone(), column.name.clone()))
    }
}

impl TableDef {
    pub(super) fn column_position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }

    /// Names of columns, for people.
    pub(super) fn column_names(&self, columns: &[ColId]) -> String {
        let names: Vec<&str> = columns
            .iter()
            .map(|column| {
                let found = self.columns.get(usize::from(column.0));
                found.map_or("?", |column| &*column.name)
            })
            .collect();
        names.join(", ")
    }
}

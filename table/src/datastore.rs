//! All tables of one database, and at most one open transaction.
//!
//! Invariants
//!   * The cached schemas agree with the rows of the system tables, except inside an operation.
//!   * Every index, sequence and name of a schema is found through the maps here, and nothing else.
//!   * Without an open transaction nothing changes (a replay is its own mode).
//!
//! Not here: a lock. The datastore belongs to one thread; others get deltas and views.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_page::BlobStore;
use spacetime_types::{IndexId, SequenceId, TableId};

use crate::replay::Replay;
use crate::restore::Restore;
use crate::schema::{SequenceSchema, TableSchema};
use crate::sequence::Sequence;
use crate::shared::{Shared, Tables};
use crate::system::{SYSTEM_SEQUENCE_ALLOCATED, SYSTEM_TABLES, bootstrap_rows, system_schema};
use crate::table::{Keys, Placed, Table};
use crate::transaction::Transaction;

/// All tables of one database.
#[derive(Debug)]
pub struct Datastore {
    pub(crate) tables: Tables,
    /// The table of each index.
    pub(crate) indexes: Shared<FxHashMap<IndexId, TableId>>,
    pub(crate) names: Shared<Names>,
    pub(crate) sequences: Shared<FxHashMap<SequenceId, Sequence>>,
    pub(crate) blobs: BlobStore,
    pub(crate) keys: Keys,
    pub(crate) tx: Transaction,
    pub(crate) replay: Option<Replay>,
    pub(crate) restore: Option<Restore>,
}

/// Names of tables and indexes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    tables: FxHashMap<Arc<str>, TableId>,
    table_accessors: FxHashMap<Arc<str>, TableId>,
    indexes: FxHashMap<Arc<str>, IndexId>,
    index_accessors: FxHashMap<Arc<str>, IndexId>,
}

impl Default for Datastore {
    fn default() -> Self {
        Self::new()
    }
}

impl Datastore {
    /// A new database: the built-in tables, with the rows that describe them.
    #[must_use]
    pub fn new() -> Self {
        let mut datastore = Datastore {
            tables: Tables::default(),
            indexes: Shared::default(),
            names: Shared::default(),
            sequences: Shared::default(),
            blobs: BlobStore::default(),
            keys: Keys::default(),
            tx: Transaction::default(),
            replay: None,
            restore: None,
        };
        let schemas: Vec<Arc<TableSchema>> = SYSTEM_TABLES
            .iter()
            .map(|table| Arc::new(system_schema(table)))
            .collect();
        for schema in &schemas {
            datastore.register(Table::new(Arc::clone(schema)));
            for sequence in &schema.sequences {
                datastore.start_sequence(schema, sequence, SYSTEM_SEQUENCE_ALLOCATED);
            }
        }
        for schema in &schemas {
            bootstrap_rows(schema, SYSTEM_SEQUENCE_ALLOCATED, |table, row| {
                datastore.place(table, row);
            });
        }
        datastore
    }

    /// Puts a row that is valid and new into a table, outside of any transaction.
    fn place(&mut self, table: TableId, row: &[u8]) {
        let placed = self
            .tables
            .get_mut(&table)
            .map(|table| table.insert(row, &mut self.blobs, &mut self.keys));
        let is_new = matches!(placed, Some(Ok(Placed::Inserted(_))));
        assert!(is_new, "bootstrap rows are new");
    }

    /// The table of a name: the canonical one, else the one in the program.
    #[must_use]
    pub fn table_id(&self, name: &str) -> Option<TableId> {
        let canonical = self.names.tables.get(name);
        canonical
            .or_else(|| self.names.table_accessors.get(name))
            .copied()
    }

    /// The index of a name: the canonical one, else the source name.
    #[must_use]
    pub fn index_id(&self, name: &str) -> Option<IndexId> {
        let canonical = self.names.indexes.get(name);
        canonical
            .or_else(|| self.names.index_accessors.get(name))
            .copied()
    }

    /// The schema of a table.
    #[must_use]
    pub fn schema(&self, table: TableId) -> Option<&Arc<TableSchema>> {
        self.tables.get(&table).map(|table| &table.schema)
    }

    /// The table that an index belongs to.
    #[must_use]
    pub fn index_table(&self, index: IndexId) -> Option<TableId> {
        self.indexes.get(&index).copied()
    }

    /// The schemas of all tables, in no order.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.tables.values().map(|table| &table.schema)
    }

    /// The next value of a sequence, and the first one of the next block.
    #[must_use]
    pub fn sequence_position(&self, sequence: SequenceId) -> Option<(i128, i128)> {
        let sequence = self.sequences.get(&sequence)?;
        Some((sequence.value, sequence.allocated))
    }

    /// Bytes held by rows, large values and indexes.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let tables: usize = self.tables.values().map(Table::allocated_bytes).sum();
        tables + self.blobs.bytes()
    }

    /// About the same from counters: looks at every table, whatever its size. Pages and leaves
    /// count as full ones.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        let tables: usize = self.tables.values().map(Table::counted_bytes).sum();
        tables + self.blobs.bytes()
    }

    /// Adds a table and makes it findable.
    pub(crate) fn register(&mut self, table: Table) {
        self.enter_names(&table.schema);
        let id = table.schema.id;
        let before = self.tables.insert(id, table);
        assert!(before.is_none(), "table ids are never reused");
    }

    /// Takes a table away.
    pub(crate) fn unregister(&mut self, table: TableId) -> Option<Table> {
        let table = self.tables.remove(&table)?;
        self.leave_names(&table.schema);
        Some(table)
    }

    /// Gives a table another schema, with the same indexes in the same order.
    pub(crate) fn exchange_schema(&mut self, schema: &Arc<TableSchema>) -> Arc<TableSchema> {
        let table = self.tables.get_mut(&schema.id);
        let before = table.map(|table| {
            let before = std::mem::replace(&mut table.schema, Arc::clone(schema));
            table.note_sequences();
            before
        });
        let before = before.unwrap_or_else(|| panic!("table {} is registered", schema.id));
        self.leave_names(&before);
        self.enter_names(schema);
        before
    }

    fn enter_names(&mut self, schema: &TableSchema) {
        let (id, names) = (schema.id, &mut *self.names);
        names.tables.insert(Arc::clone(&schema.name), id);
        names
            .table_accessors
            .insert(Arc::clone(&schema.accessor), id);
        for index in &schema.indexes {
            self.indexes.insert(index.id, id);
            names.indexes.insert(Arc::clone(&index.name), index.id);
            if let Some(accessor) = &index.accessor {
                names.index_accessors.insert(Arc::clone(accessor), index.id);
            }
        }
    }

    fn leave_names(&mut self, schema: &TableSchema) {
        let names = &mut *self.names;
        remove_if(&mut names.tables, &schema.name, schema.id);
        remove_if(&mut names.table_accessors, &schema.accessor, schema.id);
        for index in &schema.indexes {
            self.indexes.remove(&index.id);
            remove_if(&mut names.indexes, &index.name, index.id);
            if let Some(accessor) = &index.accessor {
                remove_if(&mut names.index_accessors, accessor, index.id);
            }
        }
    }

    /// Makes a sequence of a table known. Its parameters were checked.
    pub(crate) fn start_sequence(
        &mut self,
        table: &TableSchema,
        sequence: &SequenceSchema,
        position: i128,
    ) {
        let column = table.column(sequence.column);
        let started = column.and_then(|column| {
            Sequence::new(table.id, sequence.clone(), &column.column_type, position)
        });
        let started = started.unwrap_or_else(|| panic!("sequence {} was checked", sequence.name));
        self.sequences.insert(sequence.id, started);
    }
}

/// Removes a name unless it means something else by now.
fn remove_if<T: Copy + PartialEq>(names: &mut FxHashMap<Arc<str>, T>, name: &Arc<str>, meaning: T) {
    if names.get(name) == Some(&meaning) {
        names.remove(name);
    }
}

//! A database whose log is kept, and definitions in few words.

use std::collections::BTreeSet;
use std::sync::Arc;

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::migrate::{
    Applied, DatabaseDef, Hints, MigrateError, Mode, Rename, ValueHint, plan,
};
use spacetime_table::{Datastore, IndexAlgorithm, TxDelta};
use spacetime_types::{AlgebraicType, ColId};

/// Bytes that no test reaches.
pub const BYTES_MAX: usize = 1 << 30;

/// A table of columns `name: type`; `*` before the name makes it the generated primary key, `+`
/// unique, `#` indexed.
pub fn table(name: &str, columns: &[(&str, AlgebraicType)]) -> TableDef {
    let mut def = TableDef::new(name, Vec::new());
    for (position, (text, ty)) in (0..).zip(columns) {
        let column = text.trim_start_matches(['*', '+', '#']);
        def.columns.push(ColumnDef::new(column, ty.clone()));
        let is = |mark: char| text.starts_with(mark);
        if is('*') || is('+') || is('#') {
            def.indexes.push(IndexDef {
                name: format!("{name}_{column}_idx_btree").into(),
                accessor: Some(format!("{name}_{column}_source").into()),
                algorithm: IndexAlgorithm::BTree(vec![ColId(position)]),
            });
        }
        if is('*') || is('+') {
            def.constraints.push(ConstraintDef {
                name: format!("{name}_{column}_key").into(),
                columns: vec![ColId(position)],
            });
        }
        if is('*') {
            def.primary_key = Some(ColId(position));
            let sequence = format!("{name}_{column}_seq");
            def.sequences
                .push(SequenceDef::new(&sequence, ColId(position)));
        }
    }
    def
}

pub fn database(tables: impl IntoIterator<Item = TableDef>) -> DatabaseDef {
    DatabaseDef {
        tables: tables.into_iter().collect(),
        ..DatabaseDef::default()
    }
}

pub fn explicit(renames: &[&str], values: &[&str]) -> Mode {
    let split = |text: &&str| {
        let (left, right) = text.split_once('=').expect("a hint");
        (Arc::from(left), Arc::from(right))
    };
    let renames = renames.iter().map(split);
    let values = values.iter().map(split);
    Mode::Explicit(Hints {
        renames: renames.map(|(old, new)| Rename { old, new }).collect(),
        values: values
            .map(|(column, literal)| ValueHint { column, literal })
            .collect(),
    })
}

pub struct Database {
    pub datastore: Datastore,
    pub definition: Arc<DatabaseDef>,
    pub log: Vec<Arc<TxDelta>>,
}

impl Database {
    pub fn new(definition: DatabaseDef) -> Database {
        let mut datastore = Datastore::new();
        datastore.begin_tx();
        for table in &definition.tables {
            datastore.create_table(table).expect("a definition");
        }
        let log = vec![datastore.commit()];
        Database {
            datastore,
            definition: Arc::new(definition),
            log,
        }
    }

    pub fn insert(&mut self, table: &str, rows: &[&[u8]]) {
        self.datastore.begin_tx();
        let table = self.datastore.table_id(table).expect("a table");
        for row in rows {
            self.datastore.insert(table, row).expect("a row");
        }
        self.log.push(self.datastore.commit());
    }

    /// Applies the plan to another definition; a failure must leave no trace.
    pub fn migrate(&mut self, new: DatabaseDef, mode: &Mode) -> Result<Applied, MigrateError> {
        let new = Arc::new(new);
        let plan = plan(&self.definition, &new, mode);
        let plan = plan.unwrap_or_else(|refusals| panic!("refused: {refusals:?}"));
        let before = self.content();
        self.datastore.begin_tx();
        let applied = self.datastore.apply_migration(&plan, BYTES_MAX);
        match &applied {
            Ok(_) => {
                self.log.push(self.datastore.commit());
                self.definition = new;
            }
            Err(_) => self.datastore.rollback(),
        }
        assert_eq!(self.datastore.check_integrity(), Ok(()));
        match applied.is_ok() {
            true => assert_eq!(self.content(), content(&self.replayed()), "replayed"),
            false => assert_eq!(self.content(), before, "undone"),
        }
        applied
    }

    pub fn rows(&self, table: &str) -> BTreeSet<Vec<u8>> {
        let table = self.datastore.table_id(table).expect("a table");
        rows(&self.datastore, table)
    }

    /// The rows of all tables, those of the system too, by name.
    pub fn content(&self) -> Vec<(Arc<str>, BTreeSet<Vec<u8>>)> {
        content(&self.datastore)
    }

    /// The database as its log brings it back.
    pub fn replayed(&self) -> Datastore {
        let mut again = Datastore::new();
        again.replay_begin();
        for delta in &self.log {
            let kept = || delta.logged_tables().filter(|table| !table.truncated);
            for table in kept() {
                for row in table.inserts.iter() {
                    again.replay_insert(table.table, row).expect("a row");
                }
            }
            for table in kept() {
                for row in table.deletes.iter() {
                    again.replay_delete(table.table, row).expect("a row");
                }
            }
            for table in delta.logged_tables().filter(|table| table.truncated) {
                again.replay_truncate(table.table).expect("a table");
            }
            again.replay_commit().expect("a record");
        }
        again.finish_replay().expect("a log");
        assert_eq!(again.check_integrity(), Ok(()));
        again
    }
}

fn content(datastore: &Datastore) -> Vec<(Arc<str>, BTreeSet<Vec<u8>>)> {
    let tables = datastore.tables();
    let mut content: Vec<_> = tables
        .map(|schema| (schema.name.clone(), rows(datastore, schema.id)))
        .collect();
    content.sort();
    content
}

fn rows(datastore: &Datastore, table: spacetime_types::TableId) -> BTreeSet<Vec<u8>> {
    let read = |ptr| {
        let mut row = Vec::new();
        datastore.read_row(table, ptr, &mut row);
        row
    };
    datastore.scan(table).expect("a table").map(read).collect()
}

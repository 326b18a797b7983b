//! One database twice: in our engine and in SQLite, with the same tables and rows.
//!
//! Values are made so that both mean the same by them: integers that do not overflow, floats that
//! are multiples of a quarter, no NaN. Booleans are 0 and 1 in SQLite.
//!
//! Panics on everything unexpected: this is for tests and benches only.

use std::fmt::Write as _;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use spacetime_query::{Caller, RowBuffer, Statement, compile, execute_change, execute_select};
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm, TableAccess};
use spacetime_types::bsatn::{Reader, decode_value};
use spacetime_types::{AlgebraicType, AlgebraicValue, ColId, Identity, Typespace};

pub mod generate;
pub mod random;

/// The types of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    I64,
    U32,
    Bool,
    Text,
    F64,
    /// An `i64` or nothing.
    Option,
}

/// A value of a result, the same for both engines.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Int(i128),
    Real(f64),
    Text(String),
}

/// A value to store.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    I64(i64),
    U32(u32),
    Bool(bool),
    Text(String),
    F64(f64),
    Option(Option<i64>),
}

/// A table: columns with their types, the primary key first; indexes by column positions.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, Kind)>,
    pub has_key: bool,
    pub indexes: Vec<Vec<usize>>,
}

/// The same database in both engines.
pub struct Pair {
    pub ours: Datastore,
    pub sqlite: Connection,
}

/// Who asks: the owner.
#[must_use]
pub fn caller() -> Caller {
    Caller {
        identity: Identity::from_be_bytes([1; 32]),
        is_owner: true,
    }
}

impl Pair {
    /// Empty databases.
    #[must_use]
    pub fn new() -> Self {
        let sqlite = Connection::open_in_memory().expect("SQLite");
        sqlite
            .execute_batch("PRAGMA case_sensitive_like = ON")
            .expect("a pragma");
        Pair {
            ours: Datastore::new(),
            sqlite,
        }
    }

    /// Creates a table with rows.
    pub fn create(&mut self, table: &Table, rows: &[Vec<Stored>]) {
        self.ours.begin_tx();
        let id = self.ours.create_table(&definition(table)).expect("a table");
        for row in rows {
            self.ours.insert(id, &encoded(row)).expect("a row");
        }
        self.ours.commit();
        let mut ddl = format!("CREATE TABLE {} (", table.name);
        for (position, (name, kind)) in table.columns.iter().enumerate() {
            let ty = match kind {
                Kind::I64 | Kind::U32 | Kind::Bool | Kind::Option => "INTEGER",
                Kind::Text => "TEXT",
                Kind::F64 => "REAL",
            };
            let key = match table.has_key && position == 0 {
                true => " PRIMARY KEY",
                false => "",
            };
            let comma = if position > 0 { ", " } else { "" };
            write!(ddl, "{comma}{name} {ty}{key}").expect("text");
        }
        ddl.push_str(");");
        for (number, columns) in table.indexes.iter().enumerate() {
            let names: Vec<&str> = columns.iter().map(|c| &*table.columns[*c].0).collect();
            let (name, names) = (&table.name, names.join(", "));
            write!(ddl, "CREATE INDEX {name}_{number} ON {name} ({names});").expect("text");
        }
        self.sqlite.execute_batch(&ddl).expect("tables of SQLite");
        let marks = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} VALUES ({marks})", table.name);
        let transaction = self.sqlite.transaction().expect("a transaction");
        {
            let mut statement = transaction.prepare(&insert).expect("a statement");
            for row in rows {
                let values = rusqlite::params_from_iter(row.iter().map(sqlite_value));
                statement.execute(values).expect("a row of SQLite");
            }
        }
        transaction.commit().expect("a commit");
    }

    /// The rows of a query in our engine.
    pub fn ask_us(&self, sql: &str) -> Result<Vec<Vec<Cell>>, String> {
        let statement = compile(sql, &self.ours, &caller()).map_err(|error| error.to_string())?;
        let Statement::Select(select) = statement else {
            panic!("not a query: {sql}");
        };
        let mut buffer = RowBuffer::new(None);
        execute_select(&select, &self.ours, &mut buffer).map_err(|error| error.to_string())?;
        let ty = AlgebraicType::Product(select.result_type().clone());
        let rows = buffer.finish();
        Ok(rows.iter().map(|row| decoded(row, &ty)).collect())
    }

    /// The rows of a query in SQLite.
    pub fn ask_sqlite(&self, sql: &str) -> Result<Vec<Vec<Cell>>, String> {
        let run = || -> rusqlite::Result<Vec<Vec<Cell>>> {
            let mut statement = self.sqlite.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let cells = (0..columns).map(|column| {
                    Ok(match row.get_ref(column)? {
                        ValueRef::Null => Cell::Null,
                        ValueRef::Integer(value) => Cell::Int(value.into()),
                        ValueRef::Real(value) => Cell::Real(value),
                        ValueRef::Text(text) => {
                            Cell::Text(String::from_utf8_lossy(text).into_owned())
                        }
                        ValueRef::Blob(_) => panic!("no column holds bytes"),
                    })
                });
                found.push(cells.collect::<rusqlite::Result<Vec<Cell>>>()?);
            }
            Ok(found)
        };
        run().map_err(|error| error.to_string())
    }

    /// Runs a change in both; each says how many rows it was about.
    pub fn change(&mut self, sql: &str) -> (u64, u64) {
        let statement = compile(sql, &self.ours, &caller()).expect("a change");
        let Statement::Change(change) = statement else {
            panic!("not a change: {sql}");
        };
        self.ours.begin_tx();
        let stats = execute_change(&change, &mut self.ours).expect("it runs");
        self.ours.commit();
        let theirs = self.sqlite.execute(sql, []).expect("it runs in SQLite");
        (
            stats.deleted + stats.updated,
            u64::try_from(theirs).expect("a count"),
        )
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

fn definition(table: &Table) -> TableDef {
    let columns = table.columns.iter().map(|(name, kind)| {
        let ty = match kind {
            Kind::I64 => AlgebraicType::I64,
            Kind::U32 => AlgebraicType::U32,
            Kind::Bool => AlgebraicType::Bool,
            Kind::Text => AlgebraicType::String,
            Kind::F64 => AlgebraicType::F64,
            Kind::Option => AlgebraicType::option(AlgebraicType::I64),
        };
        ColumnDef::new(name, ty)
    });
    let mut def = TableDef::new(&table.name, columns.collect());
    def.access = TableAccess::Public;
    let mut indexes = table.indexes.clone();
    if table.has_key {
        def.primary_key = Some(ColId(0));
        def.constraints.push(ConstraintDef {
            name: format!("{}_key", table.name).into(),
            columns: vec![ColId(0)],
        });
        indexes.push(vec![0]);
    }
    for (number, columns) in indexes.iter().enumerate() {
        let columns = columns
            .iter()
            .map(|c| ColId(u16::try_from(*c).expect("few columns")));
        def.indexes.push(IndexDef {
            name: format!("{}_{number}_idx", table.name).into(),
            accessor: None,
            algorithm: IndexAlgorithm::BTree(columns.collect()),
        });
    }
    def
}

fn encoded(row: &[Stored]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in row {
        match value {
            Stored::I64(value) => out.extend(value.to_le_bytes()),
            Stored::U32(value) => out.extend(value.to_le_bytes()),
            Stored::Bool(value) => out.push(u8::from(*value)),
            Stored::Text(text) => {
                out.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
                out.extend(text.as_bytes());
            }
            Stored::F64(value) => out.extend(value.to_le_bytes()),
            Stored::Option(None) => out.push(1),
            Stored::Option(Some(value)) => {
                out.push(0);
                out.extend(value.to_le_bytes());
            }
        }
    }
    out
}

fn sqlite_value(value: &Stored) -> rusqlite::types::Value {
    use rusqlite::types::Value;
    match value {
        Stored::I64(value) | Stored::Option(Some(value)) => Value::Integer(*value),
        Stored::U32(value) => Value::Integer((*value).into()),
        Stored::Bool(value) => Value::Integer((*value).into()),
        Stored::Text(text) => Value::Text(text.clone()),
        Stored::F64(value) => Value::Real(*value),
        Stored::Option(None) => Value::Null,
    }
}

fn decoded(row: &[u8], ty: &AlgebraicType) -> Vec<Cell> {
    let mut reader = Reader::new(row);
    match decode_value(&Typespace::default(), ty, &mut reader) {
        Ok(AlgebraicValue::Product(values)) => values.into_iter().map(cell).collect(),
        other => panic!("not a row: {other:?}"),
    }
}

fn cell(value: AlgebraicValue) -> Cell {
    match value {
        AlgebraicValue::Bool(value) => Cell::Int(value.into()),
        AlgebraicValue::I64(value) => Cell::Int(value.into()),
        AlgebraicValue::U32(value) => Cell::Int(value.into()),
        AlgebraicValue::U64(value) => Cell::Int(value.into()),
        AlgebraicValue::I128(value) => Cell::Int(value),
        AlgebraicValue::F64(value) => Cell::Real(value.0),
        AlgebraicValue::String(text) => Cell::Text(text.to_string()),
        AlgebraicValue::Sum(sum) if sum.tag == 0 => cell(*sum.value),
        AlgebraicValue::Sum(_) => Cell::Null,
        other => panic!("an unexpected value: {other:?}"),
    }
}

//! Why an operation was refused, one type per kind of operation.
//!
//! A refused operation changed nothing (but values of sequences may be used up).

use std::sync::Arc;

use spacetime_index::KeyError;
use spacetime_page::{InsertError, LayoutError, RowError};
use spacetime_types::{IndexId, SequenceId, TableId};

/// Why a row was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Ask for the table's id again: it was dropped or never existed.
    #[error("no such table: id {0}")]
    NoSuchTable(TableId),
    /// The index does not exist or is another table's.
    #[error("no such index: id {index} in table id {table}")]
    NoSuchIndex { table: TableId, index: IndexId },
    /// Updates need an index that finds at most one row.
    #[error("the index id {0} is not unique, so no row can be updated through it")]
    IndexNotUnique(IndexId),
    /// Built-in tables and the results of views are written by the database itself.
    #[error("the table `{0}` can only be written by the database itself")]
    Protected(Arc<str>),
    /// The bytes are not a row of the table.
    #[error("not a row of the table `{table}`: {error}")]
    InvalidRow { table: Arc<str>, error: RowError },
    /// Another row has the same key.
    #[error("the table `{table}` already has a row with this value in the unique index `{index}`")]
    UniqueViolation { table: Arc<str>, index: Arc<str> },
    /// There is nothing to update.
    #[error("the table `{table}` has no row with this value in the index `{index}`")]
    NoSuchRow { table: Arc<str>, index: Arc<str> },
    /// All values of the column's type were used. Give the column a wider type.
    #[error("the next value {value} of the sequence `{sequence}` does not fit its column")]
    AutoIncOverflow { sequence: Arc<str>, value: i128 },
    /// The sequence has too few values. Should not happen to one that was checked when created.
    #[error("Sequence ID `{0}` still had no values left after allocation.")]
    SequenceExhausted(SequenceId),
    /// The table is full.
    #[error("the row does not fit the table `{table}`: {error}")]
    NoRoom { table: Arc<str>, error: InsertError },
}

/// Why rows could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Ask for the index's id again: it was dropped or never existed.
    #[error("no such index: id {0}")]
    NoSuchIndex(IndexId),
    /// The bytes are not a key of the index.
    #[error("not a key of the index: {0}")]
    InvalidKey(KeyError),
    /// A hash index answers only points.
    #[error("the index id {0} has no order, so it cannot answer a range")]
    NotOrdered(IndexId),
}

/// Why the schema was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Ask for the table's id again: it was dropped or never existed.
    #[error("no such table: id {0}")]
    NoSuchTable(TableId),
    /// Built-in tables have a fixed schema.
    #[error("the built-in table `{0}` cannot be changed")]
    Protected(Arc<str>),
    /// The object to change or remove is not there.
    #[error("the table `{table}` has no {what} `{name}`")]
    NoSuchObject {
        table: Arc<str>,
        what: &'static str,
        name: Arc<str>,
    },
    /// Tables, views and their names in the program must be unique.
    #[error("the name `{name}` is taken: {error}")]
    NameTaken { name: Arc<str>, error: WriteError },
    /// Correct the definition.
    #[error("the definition of the table `{table}` is wrong: {what}")]
    InvalidDefinition { table: Arc<str>, what: String },
    /// The columns cannot be stored.
    #[error("rows of the table `{table}` cannot be stored: {error}")]
    Layout { table: Arc<str>, error: LayoutError },
    /// The rows that are there break the new rule. Remove the duplicates first.
    #[error("rows of the table `{table}` are duplicates by the index `{index}`")]
    Duplicates { table: Arc<str>, index: Arc<str> },
    /// A row of a built-in table could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

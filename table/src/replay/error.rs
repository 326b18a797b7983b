//! Why a replay ends.

use std::sync::Arc;

use spacetime_page::{InsertError, RowError};
use spacetime_types::TableId;

use crate::describe::CatalogueError;

/// Why a log cannot be replayed. It is damaged, or written by a version that this one does not
/// know; the datastore is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No row of `st_table` describes the table.
    #[error("rows of the table id {0}, which does not exist")]
    UnknownTable(TableId),
    /// The bytes are not a row of the table.
    #[error("not a row of the table `{table}`: {error}")]
    InvalidRow { table: Arc<str>, error: RowError },
    /// The row is there already.
    #[error("a row is inserted into the table `{table}` twice")]
    DuplicateRow { table: Arc<str> },
    /// The row to delete is not there.
    #[error("a row is deleted from the table `{table}` that is not there")]
    MissingRow { table: Arc<str> },
    /// Two rows have the same key.
    #[error("two rows of the table `{table}` have the same value in the unique index `{index}`")]
    Conflict { table: Arc<str>, index: Arc<str> },
    /// The table is full.
    #[error("a row does not fit the table `{table}`: {error}")]
    NoRoom { table: Arc<str>, error: InsertError },
    /// A sequence counts out of its range or over a column that is no integer.
    #[error("the sequence `{sequence}` of the table `{table}` has wrong numbers")]
    Sequence { table: Arc<str>, sequence: Arc<str> },
    /// Built-in tables are the same in every database. Written by a version not known here.
    #[error("the built-in table `{0}` is described differently")]
    BuiltInChanged(Arc<str>),
    /// What finds the rows is not what the rows say. A defect; please report it.
    #[error("the table `{table}` is not consistent after the replay: {what}")]
    Inconsistent { table: Arc<str>, what: String },
    /// The rows that describe the schema are wrong.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

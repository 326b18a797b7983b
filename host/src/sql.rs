//! What a SQL statement over HTTP gives back.

use std::time::Instant;

use spacetime_query::SqlError as QueryError;
use spacetime_table::RowList;
use spacetime_types::ProductType;

use crate::past::PastError;
use crate::questions::Question;
use crate::reads::{ReadError, micros_of};
use crate::request::{ConnectError, DatabaseGone};

/// Rows that a statement wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqlStats {
    pub rows_inserted: u64,
    pub rows_deleted: u64,
    pub rows_updated: u64,
}

/// The result of one statement.
#[derive(Clone, Debug)]
pub struct SqlResult {
    /// The columns of the result; none for writes.
    pub columns: ProductType,
    /// Rows of that type, as BSATN.
    pub rows: RowList,
    pub stats: SqlStats,
    pub duration_micros: u64,
}

impl SqlResult {
    pub(crate) fn of(question: &Question, rows: RowList, started: Instant) -> SqlResult {
        SqlResult {
            columns: question.columns(),
            rows,
            stats: SqlStats::default(),
            duration_micros: micros_of(started.elapsed()),
        }
    }
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("{0}")]
    Execute(Box<str>),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("Caller {0} is not authorized to run SQL DML statements")]
    NotOwner(spacetime_types::Identity),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Gone(#[from] DatabaseGone),
    #[error(transparent)]
    Past(#[from] PastError),
    #[error("the result could not be made durable: {0}")]
    NotDurable(Box<str>),
}

//! Rows from a snapshot that SpacetimeDB wrote.
//!
//! Its pages are not ours, so its rows are inserted as if one record of the log had them all:
//! first those of the built-in tables, from which the types of the others are known.
//!
//! Not here: when to use such a snapshot, and the log that comes after it.

use spacetime_snapshot::SnapshotError;
use spacetime_snapshot::foreign::{ForeignRowsError, ForeignSnapshot, RowTypeError};
use spacetime_table::{Datastore, ReplayError};
use spacetime_types::{Identity, TableId};

use crate::restore::identity_of;

/// Tables with smaller ids are built in.
const FIRST_USER_TABLE: TableId = TableId(4096);

/// Why a foreign snapshot led to no state.
#[derive(Debug, thiserror::Error)]
pub enum RestoreForeignError {
    /// It cannot be read, or is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Its rows cannot be those of the table.
    #[error("table {table}: {error}")]
    RowType { table: TableId, error: RowTypeError },
    /// There are pages of a table that no row describes.
    #[error("the snapshot has pages of the table id {0}, which it does not describe")]
    UnknownTable(TableId),
    /// The manifest is not that of the rows.
    #[error("the snapshot is of the database {found} and has the rows of {rows}")]
    OtherDatabase { found: Identity, rows: Identity },
    /// The rows make no sense together.
    #[error(transparent)]
    Rows(#[from] ReplayError),
}

/// Brings the rows back, of which the number is returned. The replay of the log that follows is
/// open then; `finish_replay` checks keys and builds the indexes.
pub fn restore_foreign(
    datastore: &mut Datastore,
    snapshot: &ForeignSnapshot,
) -> Result<u64, RestoreForeignError> {
    datastore.replay_begin_empty();
    let tables = &snapshot.manifest().tables;
    let (built_in, others): (Vec<TableId>, Vec<TableId>) = tables
        .iter()
        .filter(|table| !table.pages.is_empty())
        .map(|table| table.table)
        .partition(|table| *table < FIRST_USER_TABLE);
    let mut count = 0;
    for tables in [built_in, others] {
        for table in tables {
            count += restore_table(datastore, snapshot, table)?;
        }
        datastore.replay_commit()?;
    }
    let (found, rows) = (snapshot.manifest().identity, identity_of(datastore));
    match found == rows {
        true => Ok(count),
        false => Err(RestoreForeignError::OtherDatabase { found, rows }),
    }
}

fn restore_table(
    datastore: &mut Datastore,
    snapshot: &ForeignSnapshot,
    table: TableId,
) -> Result<u64, RestoreForeignError> {
    let schema = datastore.schema(table);
    let row_type = match schema {
        Some(schema) => schema.row_type.clone(),
        None => return Err(RestoreForeignError::UnknownTable(table)),
    };
    let inserted = snapshot.rows(table, &row_type, |row| {
        datastore.replay_insert(table, row).map(drop)
    });
    inserted.map_err(|error| match error {
        ForeignRowsError::Snapshot(error) => error.into(),
        ForeignRowsError::RowType { table, error } => RestoreForeignError::RowType { table, error },
        ForeignRowsError::Visitor(error) => error.into(),
    })
}

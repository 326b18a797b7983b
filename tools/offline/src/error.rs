//! Why a tool gave up. Damage is no error for those that report it.

use std::path::PathBuf;

use spacetime_commitlog::LogError;
use spacetime_commitlog::storage::StorageError;
use spacetime_snapshot::SnapshotError;
use spacetime_store::BadSnapshot;
use spacetime_table::{IntegrityError, ReplayError};

use crate::place::PlaceError;

/// Why a tool gave up.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// See the type.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The disk said no.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state at an offset needs all transactions before it. `verify` tells more.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The transactions cannot be applied. `verify` tells more.
    #[error("cannot apply transaction {offset}: {cause}")]
    Apply { offset: u64, cause: String },
    /// The rows break their own schema.
    #[error("the transactions lead to a state that is not consistent: {0}")]
    Inconsistent(#[from] ReplayError),
    /// See the type.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A snapshot that holds no consistent state. Use another one.
    #[error("the snapshot holds no consistent state: {0}")]
    Restore(#[from] BadSnapshot),
    /// The rebuilt tables are wrong.
    #[error("the rebuilt tables are wrong: {0}")]
    Integrity(#[from] IntegrityError),
    /// Ask for an earlier transaction.
    #[error("the log ends before transaction {wanted}; the last one is {}", last_text(*.last))]
    NotReached { wanted: u64, last: Option<u64> },
    /// Ask for a table that is there.
    #[error("there is no table `{wanted}`; there are: {}", known.join(", "))]
    NoSuchTable { wanted: String, known: Vec<String> },
    /// Correct the condition.
    #[error("cannot use the condition `{condition}`: {cause}")]
    Condition { condition: String, cause: String },
    /// Stop the server first.
    #[error("the database in {} is in use by {holder}: stop the server first", dir.display())]
    InUse { dir: PathBuf, holder: String },
    /// Whoever takes the output does not take it any more.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

fn last_text(last: Option<u64>) -> String {
    last.map_or_else(|| "none".to_owned(), |last| last.to_string())
}

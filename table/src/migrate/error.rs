//! Why a plan was not applied. Nothing was changed.

use std::sync::Arc;

use spacetime_types::TableId;

use crate::error::{SchemaError, WriteError};

/// Why a plan was not applied. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The tables are not those of the module in place: a defect, or damage.
    #[error("the stored tables are not those of the module in place: {0}")]
    Stored(String),
    /// Remove the rows first, or migrate explicitly.
    #[error(
        "Cannot remove table `{0}`: table contains data. Clear the table's rows (e.g. via a \
         reducer) before removing it from your schema."
    )]
    HasRows(Arc<str>),
    /// New values would meet old ones.
    #[error("Precheck failed: added sequence {0} already has values in range")]
    SequenceInUse(Arc<str>),
    /// Make the numbers smaller, or the column wider.
    #[error("the added sequence {0} has no values left behind those that are there")]
    SequenceUsedUp(Arc<str>),
    /// Remove the duplicates first.
    #[error("{}", duplicates(*table, name, columns, *groups, examples))]
    Duplicates {
        table: TableId,
        name: Arc<str>,
        columns: String,
        groups: u64,
        /// Some values, and how often each is there.
        examples: Vec<(String, u64)>,
    },
    /// One transaction cannot hold the rewritten rows. Remove rows, or move them to a new table
    /// piece by piece.
    #[error(
        "the rewritten rows of the table `{table}` are more than {bytes_max} bytes, which is what \
         one transaction can hold; remove rows first, or move them to another table piece by piece"
    )]
    TooLarge { table: Arc<str>, bytes_max: usize },
    /// A step failed.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A row could not be written anew.
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn duplicates(
    table: TableId,
    name: &str,
    columns: &str,
    groups: u64,
    examples: &[(String, u64)],
) -> String {
    let mut text = format!(
        "Cannot add unique constraint on table {table} column(s) {columns} (committed state): \
         table `{name}`\n{groups} duplicate group(s) found."
    );
    for (value, count) in examples {
        text.push_str(&format!("\n  - {value} appears {count} times"));
    }
    if u64::try_from(examples.len()).is_ok_and(|shown| shown < groups) {
        text.push_str("\n  ... and more");
    }
    text
}

//! INSERT, UPDATE, DELETE and SET against the open transaction.
//!
//! Invariants
//!   * The filter is evaluated completely before the first change.
//!   * A statement that fails leaves the transaction as it found it.
//!
//! Not here: who may change what; the compiler has checked it.

use std::sync::Arc;

use spacetime_table::error::WriteError;
use spacetime_table::{Datastore, RowPtr, TableSchema};
use spacetime_types::Typespace;
use spacetime_types::bsatn::Reader;
use spacetime_types::satn::{Style, write_bsatn};

use crate::error::ExecuteError;
use crate::execute::find_rows;
use crate::plan::{Change, ChangePlan, Plan, is_current};
use crate::predicate::{OneRow, Rows, Slot};

/// What a statement changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeStats {
    pub inserted: u64,
    pub deleted: u64,
    /// Rows matched by an UPDATE, also those that did not change.
    pub updated: u64,
}

/// Runs a change inside the datastore's open transaction. After an error the transaction is as it
/// was before.
pub fn execute_change(
    plan: &ChangePlan,
    datastore: &mut Datastore,
) -> Result<ChangeStats, ExecuteError> {
    if !is_current(&plan.schema, datastore) {
        return Err(ExecuteError::StalePlan(plan.schema.name.to_string()));
    }
    let before = datastore.savepoint();
    let outcome = apply(plan, datastore);
    if outcome.is_err() {
        datastore.rollback_to(before);
    }
    outcome
}

fn apply(plan: &ChangePlan, datastore: &mut Datastore) -> Result<ChangeStats, ExecuteError> {
    let schema = &plan.schema;
    let mut stats = ChangeStats::default();
    match &plan.change {
        Change::Insert(rows) => {
            for row in rows {
                if insert(datastore, schema, row)? {
                    stats.inserted += 1;
                }
            }
        }
        Change::Delete(filter) => {
            for (ptr, _) in matching(filter, datastore)? {
                delete(datastore, schema, ptr)?;
                stats.deleted += 1;
            }
        }
        Change::Update(filter, assignments) => {
            // All old rows go before the first new one comes: keys may be exchanged.
            let rows = matching(filter, datastore)?;
            for (ptr, _) in &rows {
                delete(datastore, schema, *ptr)?;
            }
            for (_, old) in &rows {
                insert(datastore, schema, &assigned(schema, old, assignments))?;
                stats.updated += 1;
            }
        }
        Change::Replace(filter, row) => {
            for (ptr, _) in matching(filter, datastore)? {
                delete(datastore, schema, ptr)?;
            }
            insert(datastore, schema, row)?;
            stats.inserted += 1;
        }
    }
    Ok(stats)
}

fn matching(plan: &Plan, datastore: &Datastore) -> Result<Vec<(RowPtr, Vec<u8>)>, ExecuteError> {
    let mut rows = Vec::new();
    find_rows(plan, datastore, &mut |ptr, row| {
        rows.push((ptr, row.to_vec()));
    })?;
    Ok(rows)
}

/// The row with some columns replaced; `assignments` are ascending.
fn assigned(schema: &TableSchema, row: &[u8], assignments: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len());
    let mut copied = 0;
    for (column, value) in assignments {
        let range = schema.layout.column_range(row, *column);
        out.extend_from_slice(&row[copied..range.start]);
        out.extend_from_slice(value);
        copied = range.end;
    }
    out.extend_from_slice(&row[copied..]);
    out
}

/// Whether the row is a new one. Tables are sets: the same row again changes nothing.
fn insert(
    datastore: &mut Datastore,
    schema: &Arc<TableSchema>,
    row: &[u8],
) -> Result<bool, ExecuteError> {
    let outcome = match schema.is_system() {
        true => datastore.insert_system(schema.id, row),
        false => datastore.insert(schema.id, row),
    };
    match outcome {
        Ok(inserted) => Ok(!inserted.existed),
        Err(WriteError::UniqueViolation { index, .. }) => {
            Err(unique_violation(schema, &index, row))
        }
        Err(error) => Err(error.into()),
    }
}

fn delete(
    datastore: &mut Datastore,
    schema: &TableSchema,
    ptr: RowPtr,
) -> Result<(), ExecuteError> {
    match schema.is_system() {
        true => datastore.delete_system(schema.id, ptr)?,
        false => datastore.delete(schema.id, ptr)?,
    }
    Ok(())
}

/// The violation in the words that clients know, with the columns and the value.
fn unique_violation(schema: &TableSchema, index: &str, row: &[u8]) -> ExecuteError {
    let columns = schema.indexes.iter().find(|known| &*known.name == index);
    let columns = columns
        .map(|known| known.algorithm.columns())
        .unwrap_or_default();
    let one = OneRow { bytes: row, schema };
    let mut names = Vec::new();
    let mut values = Vec::new();
    for column in columns {
        let position = usize::from(column.0);
        let Some(column) = schema.columns.get(position) else {
            continue;
        };
        let slot = Slot {
            table: 0,
            column: position,
        };
        names.push(format!("{:?}", column.name));
        let mut value = String::new();
        let mut reader = Reader::new(one.column(slot));
        let ty = &column.column_type;
        // The row is valid; a value without a text would only leave a gap in the message.
        let _ = write_bsatn(
            &Typespace::default(),
            ty,
            &mut reader,
            Style::Console,
            &mut value,
        );
        values.push(value);
    }
    let value = match values.as_slice() {
        [value] => value.clone(),
        values => format!("({})", values.join(", ")),
    };
    ExecuteError::UniqueViolation {
        index: index.to_owned(),
        table: schema.name.to_string(),
        columns: format!("[{}]", names.join(", ")),
        value,
    }
}

//! Names as a caller sees them.
//!
//! Invariant: a table that the caller may not read behaves exactly like a missing one.

use std::sync::Arc;

use spacetime_table::{Datastore, TableAccess, TableSchema};
use spacetime_types::Identity;

use crate::error::SqlError;

/// On whose behalf a statement is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The value of `:sender`.
    pub identity: Identity,
    /// Owners see private tables and may change rows.
    pub is_owner: bool,
}

impl Caller {
    pub(crate) fn may_read(&self, schema: &TableSchema) -> bool {
        self.is_owner || schema.access == TableAccess::Public
    }
}

/// The table that `name` means for the caller: canonical name first, then the program's name.
pub(crate) fn find_table(
    datastore: &Datastore,
    caller: &Caller,
    name: &str,
) -> Result<Arc<TableSchema>, SqlError> {
    let found = datastore
        .table_id(name)
        .and_then(|table| datastore.schema(table))
        .filter(|schema| caller.may_read(schema));
    match found {
        Some(schema) => Ok(Arc::clone(schema)),
        None => Err(SqlError::NoSuchTable {
            table: name.to_owned(),
            hint: hint(datastore, caller, name),
        }),
    }
}

/// A visible table whose name is close.
fn hint(datastore: &Datastore, caller: &Caller, name: &str) -> String {
    let visible = datastore.tables().filter(|schema| caller.may_read(schema));
    match closest(name, visible.map(|schema| &*schema.name)) {
        Some(close) => format!(" Did you mean `{close}`?"),
        None => String::new(),
    }
}

/// A sentence with a column of the tables whose name is close, to come after another one.
pub(crate) fn column_hint<'a>(
    name: &str,
    schemas: impl Iterator<Item = &'a Arc<TableSchema>>,
) -> String {
    let columns = schemas.flat_map(|schema| schema.columns.iter().skip(hidden_columns(schema)));
    match closest(name, columns.map(|column| &*column.name)) {
        Some(close) => format!(". Did you mean `{close}`?"),
        None => String::new(),
    }
}

/// The name that is most like `name`, if one is.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const NAME_MAX: usize = 64;
    const CANDIDATES_MAX: usize = 1_000;
    if name.len() > NAME_MAX {
        return None;
    }
    let allowed = 1 + name.len() / 5;
    let best = candidates
        .filter(|candidate| candidate.len() <= NAME_MAX)
        .take(CANDIDATES_MAX)
        .map(|candidate| (distance(name, candidate), candidate))
        // Names of one or two letters are like everything.
        .filter(|(distance, _)| *distance <= allowed && *distance < name.chars().count())
        .min();
    best.map(|(_, candidate)| candidate)
}

/// Edits between two names, ignoring the case of ASCII letters. Two letters that change places are
/// one edit.
fn distance(left: &str, right: &str) -> usize {
    let letters = |name: &str| -> Vec<char> { name.to_ascii_lowercase().chars().collect() };
    let (left, right) = (letters(left), letters(right));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.iter().enumerate() {
        let mut next = vec![at + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(from != to);
            let mut edits = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let are_swapped =
                at > 0 && column > 0 && *from == right[column - 1] && left[at - 1] == *to;
            if are_swapped {
                edits = edits.min(before[column - 1] + 1);
            }
            next.push(edits);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[right.len()]
}

/// A column by the program's name, then by the canonical one.
pub(crate) fn find_column(schema: &TableSchema, name: &str) -> Option<usize> {
    let visible = || {
        schema
            .columns
            .iter()
            .enumerate()
            .skip(hidden_columns(schema))
    };
    visible()
        .find(|(_, column)| column.accessor.as_deref() == Some(name))
        .or_else(|| visible().find(|(_, column)| &*column.name == name))
        .map(|(position, _)| position)
}

/// Leading columns that cannot be named and are not returned: the instance hash of a view's table.
pub(crate) fn hidden_columns(schema: &TableSchema) -> usize {
    usize::from(schema.view.is_some())
}

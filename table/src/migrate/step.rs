//! The steps of a migration and their order.

use std::sync::Arc;

use spacetime_types::ColId;

/// One change. Names are full names: those of the old definition where something goes, of the new
/// one where something comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    RemoveIndex {
        table: Arc<str>,
        name: Arc<str>,
    },
    RemoveConstraint {
        table: Arc<str>,
        name: Arc<str>,
    },
    RemoveSequence {
        table: Arc<str>,
        name: Arc<str>,
    },
    RemoveSchedule {
        table: Arc<str>,
    },
    RemoveView {
        name: Arc<str>,
    },
    RemoveFilter {
        sql: Arc<str>,
    },
    /// An automatic migration removes only tables without rows.
    RemoveTable {
        name: Arc<str>,
        with_rows: bool,
    },
    /// The types or names of columns change; rows stay as they are.
    ChangeColumns {
        table: Arc<str>,
    },
    /// The columns of a table that is always empty change in any way.
    ReschemaEventTable {
        table: Arc<str>,
    },
    /// Columns with default values are appended: the rows are written anew.
    AddColumns {
        table: Arc<str>,
    },
    /// The rows are written anew. Only explicit migrations do this.
    RewriteTable {
        from: Arc<str>,
        to: Arc<str>,
        /// Where each new column comes from.
        columns: Vec<ColumnSource>,
    },
    ChangeIndexSourceName {
        table: Arc<str>,
        name: Arc<str>,
    },
    ChangeTableAccessorName {
        table: Arc<str>,
    },
    ChangeColumnAccessorName {
        table: Arc<str>,
        column: Arc<str>,
    },
    AddTable {
        name: Arc<str>,
    },
    AddIndex {
        table: Arc<str>,
        name: Arc<str>,
    },
    AddConstraint {
        table: Arc<str>,
        name: Arc<str>,
    },
    AddSequence {
        table: Arc<str>,
        name: Arc<str>,
        /// It goes on where this one, of the same table, stopped.
        continues: Option<Arc<str>>,
    },
    AddSchedule {
        table: Arc<str>,
    },
    AddView {
        name: Arc<str>,
    },
    AddFilter {
        sql: Arc<str>,
    },
    ChangeAccess {
        table: Arc<str>,
    },
    ChangePrimaryKey {
        table: Arc<str>,
    },
    /// The view is evaluated again with the new code.
    UpdateView {
        name: Arc<str>,
    },
    /// Generated code of clients no longer fits.
    DisconnectAllUsers,
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSource {
    /// A column of the old rows, as it is.
    Copy(ColId),
    /// A column of the old rows, converted to the new type.
    Convert(ColId),
    /// The same for all rows.
    Value(Arc<[u8]>),
}

impl Step {
    /// Where the step stands in a plan: what goes makes room first.
    pub(super) fn order(&self) -> (u8, &str, &str) {
        let rank = match self {
            Step::RemoveIndex { .. } => 0,
            Step::RemoveConstraint { .. } => 1,
            Step::RemoveSequence { .. } => 2,
            Step::RemoveSchedule { .. } => 3,
            Step::RemoveView { .. } => 4,
            Step::RemoveFilter { .. } => 5,
            Step::RemoveTable { .. } => 6,
            Step::ChangeColumns { .. } => 7,
            Step::ReschemaEventTable { .. } => 8,
            Step::AddColumns { .. } => 9,
            Step::RewriteTable { .. } => 10,
            Step::ChangeIndexSourceName { .. } => 11,
            Step::ChangeTableAccessorName { .. } => 12,
            Step::ChangeColumnAccessorName { .. } => 13,
            Step::AddTable { .. } => 14,
            Step::AddIndex { .. } => 15,
            Step::AddConstraint { .. } => 16,
            Step::AddSequence { .. } => 17,
            Step::AddSchedule { .. } => 18,
            Step::AddView { .. } => 19,
            Step::AddFilter { .. } => 20,
            Step::ChangeAccess { .. } => 21,
            Step::ChangePrimaryKey { .. } => 22,
            Step::UpdateView { .. } => 23,
            Step::DisconnectAllUsers => 24,
        };
        let (namespace, name) = split(self.subject());
        (rank, namespace, name)
    }

    /// What the step is about.
    fn subject(&self) -> &str {
        match self {
            Step::RemoveIndex { name, .. }
            | Step::RemoveConstraint { name, .. }
            | Step::RemoveSequence { name, .. }
            | Step::RemoveView { name }
            | Step::RemoveTable { name, .. }
            | Step::ChangeIndexSourceName { name, .. }
            | Step::AddTable { name }
            | Step::AddIndex { name, .. }
            | Step::AddConstraint { name, .. }
            | Step::AddSequence { name, .. }
            | Step::AddView { name }
            | Step::UpdateView { name } => name,
            Step::RemoveSchedule { table }
            | Step::ChangeColumns { table }
            | Step::ReschemaEventTable { table }
            | Step::AddColumns { table }
            | Step::RewriteTable { to: table, .. }
            | Step::ChangeTableAccessorName { table }
            | Step::ChangeColumnAccessorName { table, .. }
            | Step::AddSchedule { table }
            | Step::ChangeAccess { table }
            | Step::ChangePrimaryKey { table } => table,
            Step::RemoveFilter { sql } | Step::AddFilter { sql } => sql,
            Step::DisconnectAllUsers => "",
        }
    }
}

/// Namespace and the rest of a full name.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

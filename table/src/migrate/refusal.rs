//! Why there is no plan from one definition to another.

use std::sync::Arc;

use spacetime_types::AlgebraicType;

/// A change that the data does not allow. The texts are those that users of SpacetimeDB know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Old rows would have no value.
    #[error("Adding a column {column} to table {table} requires a default value annotation")]
    AddedColumn { table: Arc<str>, column: Arc<str> },
    /// Old rows have a value more.
    #[error("Removing a column {column} from table {table} requires a manual migration")]
    RemovedColumn { table: Arc<str>, column: Arc<str> },
    /// A column stands elsewhere.
    #[error("Reordering table {table} requires a manual migration")]
    Reordered { table: Arc<str> },
    /// Old values are not values of the new type.
    #[error("{}", type_change(table, column, *within, from, to, *change))]
    ChangedType {
        table: Arc<str>,
        column: Arc<str>,
        /// The types are parts of the column's.
        within: bool,
        from: Box<AlgebraicType>,
        to: Box<AlgebraicType>,
        change: TypeChange,
    },
    /// The same name stands for another rule.
    #[error("Changing a unique constraint {name} requires a manual migration")]
    ChangedConstraint { name: Arc<str> },
    /// Tables of users and of the system are not the same.
    #[error(
        "Changing the table type of table {table} from {from} to {to} requires a manual migration"
    )]
    ChangedKind {
        table: Arc<str>,
        from: &'static str,
        to: &'static str,
    },
    /// Rows would appear or vanish.
    #[error("Changing the event flag of table {table} requires a manual migration")]
    ChangedEventFlag { table: Arc<str> },
    /// Generated code would look for another name.
    #[error(
        "Changing the accessor name on index {index} from {from:?} to {to:?} requires a manual \
         migration"
    )]
    ChangedIndexAccessor {
        index: Arc<str>,
        from: Option<Arc<str>>,
        to: Option<Arc<str>>,
    },
    /// The hint is about something that is not there.
    #[error("The hint `{hint}` does not apply: {why}")]
    Hint { hint: String, why: String },
}

/// How a type changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeChange {
    Other,
    FewerVariants,
    RenamedVariant,
    Size,
    Alignment,
    FieldCount,
    RenamedField,
}

fn type_change(
    table: &str,
    column: &str,
    within: bool,
    from: &AlgebraicType,
    to: &AlgebraicType,
    change: TypeChange,
) -> String {
    let is_renamed = matches!(
        change,
        TypeChange::RenamedVariant | TypeChange::RenamedField
    );
    let what = match within && !is_renamed {
        true => "a type within",
        false => "the type of",
    };
    let (middle, end) = match change {
        TypeChange::Other => ("", ""),
        TypeChange::FewerVariants => (", with fewer variants,", ""),
        TypeChange::RenamedVariant => (", with a renamed variant,", ""),
        TypeChange::Size => (",", ", due to size mismatch"),
        TypeChange::Alignment => (",", ", due to alignment mismatch"),
        TypeChange::FieldCount => (", with fewer fields,", ""),
        TypeChange::RenamedField => (", with a renamed field,", ""),
    };
    format!(
        "Changing {what} column {column} in table {table} from {from} to {to}{middle} requires a \
         manual migration{end}"
    )
}

impl Refusal {
    /// What to do instead.
    #[must_use]
    pub fn way_out(&self) -> String {
        match self {
            Refusal::AddedColumn { table, column } => format!(
                "give the column a default value in the module, or publish with `--migrate \
                 --default {table}.{column}=VALUE`"
            ),
            Refusal::RemovedColumn { table, column } => format!(
                "keep the column; or publish with `--migrate`, which deletes its values, or \
                 `--migrate --rename {table}.{column}=NEW_NAME`, which keeps them"
            ),
            Refusal::Reordered { .. } => "put new columns after the others and keep the order of \
                 those; or publish with `--migrate`, which writes the rows anew"
                .to_owned(),
            Refusal::ChangedType { from, to, .. } if super::conversion::can_convert(from, to) => {
                "keep the type, or publish with `--migrate`, which converts the values".to_owned()
            }
            Refusal::ChangedType { .. } => "keep the type, and add a column with the new one that \
                 a reducer fills; `--migrate` converts only to types that hold all old values"
                .to_owned(),
            Refusal::ChangedConstraint { .. }
            | Refusal::ChangedEventFlag { .. }
            | Refusal::ChangedIndexAccessor { .. } => {
                "undo the change, or publish with `--migrate`".to_owned()
            }
            Refusal::ChangedKind { .. } => "undo the change".to_owned(),
            Refusal::Hint { .. } => "correct the hint".to_owned(),
        }
    }
}

//! What the host asks for when it creates tables: definitions that know nothing of how a module
//! describes itself.
//!
//! All names are canonical and, in a submodule, already prefixed with the namespace. Types are
//! resolved.

use std::sync::Arc;

use spacetime_types::{AlgebraicType, ColId};

use crate::schema::{ColumnSchema, IndexAlgorithm, TableAccess};

/// A table to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDef {
    pub name: Arc<str>,
    /// Name in the program, also written when equal to `name`.
    pub accessor: Arc<str>,
    pub access: TableAccess,
    pub is_event: bool,
    pub columns: Vec<ColumnDef>,
    pub primary_key: Option<ColId>,
    pub indexes: Vec<IndexDef>,
    pub constraints: Vec<ConstraintDef>,
    pub sequences: Vec<SequenceDef>,
    pub schedule: Option<ScheduleDef>,
    /// Set for the backing table of a view.
    pub view: Option<ViewDef>,
}

impl TableDef {
    /// A private table without keys; the accessor is the name.
    #[must_use]
    pub fn new(name: &str, columns: Vec<ColumnDef>) -> Self {
        TableDef {
            name: name.into(),
            accessor: name.into(),
            access: TableAccess::Private,
            is_event: false,
            columns,
            primary_key: None,
            indexes: Vec::new(),
            constraints: Vec::new(),
            sequences: Vec::new(),
            schedule: None,
            view: None,
        }
    }
}

/// A column to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: Arc<str>,
    /// Name in the program. None writes no accessor row (the hidden column of views).
    pub accessor: Option<Arc<str>>,
    pub column_type: AlgebraicType,
}

impl ColumnDef {
    /// A column whose accessor is its name.
    #[must_use]
    pub fn new(name: &str, column_type: AlgebraicType) -> Self {
        ColumnDef {
            name: name.into(),
            accessor: Some(name.into()),
            column_type,
        }
    }

    pub(crate) fn to_schema(&self) -> ColumnSchema {
        ColumnSchema {
            name: self.name.clone(),
            accessor: self.accessor.clone(),
            column_type: self.column_type.clone(),
        }
    }
}

/// An index to create. It is unique iff a constraint of the table has the same column set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDef {
    pub name: Arc<str>,
    /// The source name by which modules look the index up. None writes no accessor row.
    pub accessor: Option<Arc<str>>,
    pub algorithm: IndexAlgorithm,
}

/// A unique constraint to create. An index with the same column set must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintDef {
    pub name: Arc<str>,
    pub columns: Vec<ColId>,
}

/// A sequence to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceDef {
    pub name: Arc<str>,
    pub column: ColId,
    pub increment: i128,
    pub start: i128,
    pub min_value: i128,
    pub max_value: i128,
}

impl SequenceDef {
    /// Counts 1, 2, 3 ...
    #[must_use]
    pub fn new(name: &str, column: ColId) -> Self {
        SequenceDef {
            name: name.into(),
            column,
            increment: 1,
            start: 1,
            min_value: 1,
            max_value: i128::MAX,
        }
    }
}

/// Makes a table a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleDef {
    /// Not namespaced.
    pub name: Arc<str>,
    /// Reducer or procedure, namespaced.
    pub function: Arc<str>,
    pub at_column: ColId,
}

/// What is recorded about a view beside its backing table. Types are as the module declared them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDef {
    pub is_anonymous: bool,
    pub params: Vec<(Arc<str>, AlgebraicType)>,
    pub columns: Vec<(Arc<str>, AlgebraicType)>,
}

//! What a table is: its names, columns, keys and rules, as everybody above this crate sees it.
//!
//! Invariants
//!   * A schema is a cache of the rows of the system tables and never changes in place: a change
//!     makes another `Arc<TableSchema>`.
//!   * Columns are in order of their position; indexes, constraints and sequences by id.
//!   * Column types are resolved: no references.
//!
//! Not here: the input of `create_table` (see `definition`), and the rows (see `system`).

use std::sync::Arc;

use spacetime_page::RowLayout;
use spacetime_types::{
    AlgebraicType, ColId, ConstraintId, IndexId, ProductType, SequenceId, TableId,
};

/// First id of a table, index, constraint or sequence that a user's module makes.
pub const FIRST_USER_ID: u32 = 4096;

/// A row of `st_scheduled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleId(pub u32);

/// A row of `st_view`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub u32);

/// Who made the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// One of the built-in `st_*` tables.
    System,
    /// A module's table, or the backing table of a module's view.
    User,
}

/// Who may read the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableAccess {
    /// Everybody.
    Public,
    /// Only the owner of the database (and the module).
    Private,
}

/// What becomes of the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Kept and logged.
    Durable,
    /// Logged, but gone when the transaction ends.
    Event,
    /// Kept in memory, never logged.
    Ephemeral,
}

/// The structure behind an index and the columns it covers, in key order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexAlgorithm {
    /// Ordered: answers points and ranges.
    BTree(Vec<ColId>),
    /// Answers points only.
    Hash(Vec<ColId>),
    /// An array over one small integer column.
    Direct(ColId),
}

impl IndexAlgorithm {
    /// The key's columns in order.
    #[must_use]
    pub fn columns(&self) -> &[ColId] {
        match self {
            IndexAlgorithm::BTree(columns) | IndexAlgorithm::Hash(columns) => columns,
            IndexAlgorithm::Direct(column) => std::slice::from_ref(column),
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableSchema {
    pub id: TableId,
    /// Canonical, stored name.
    pub name: Arc<str>,
    /// Name in the program. The canonical name if none is recorded.
    pub accessor: Arc<str>,
    pub kind: TableKind,
    pub access: TableAccess,
    /// Rows live only until the transaction ends.
    pub is_event: bool,
    /// The view whose result this table holds.
    pub view: Option<ViewId>,
    pub columns: Vec<ColumnSchema>,
    pub primary_key: Option<ColId>,
    pub indexes: Vec<IndexSchema>,
    pub constraints: Vec<ConstraintSchema>,
    pub sequences: Vec<SequenceSchema>,
    pub schedule: Option<ScheduleSchema>,
    /// The columns as a product type with canonical names.
    pub row_type: ProductType,
    /// How rows of `row_type` are stored.
    pub layout: Arc<RowLayout>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    pub name: Arc<str>,
    /// Name in the program; none for system tables and the hidden column of views.
    pub accessor: Option<Arc<str>>,
    pub column_type: AlgebraicType,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSchema {
    pub id: IndexId,
    pub name: Arc<str>,
    /// The *source* name by which a module looks the index up.
    pub accessor: Option<Arc<str>>,
    pub algorithm: IndexAlgorithm,
    /// Whether a unique constraint has the same column set.
    pub unique: bool,
}

/// A unique constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintSchema {
    pub id: ConstraintId,
    pub name: Arc<str>,
    pub columns: Vec<ColId>,
}

/// A sequence. Its position is not here, it changes too often: see `Datastore::sequence_position`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSchema {
    pub id: SequenceId,
    pub name: Arc<str>,
    pub column: ColId,
    pub increment: i128,
    pub start: i128,
    pub min_value: i128,
    pub max_value: i128,
}

/// A table whose rows are calls to be made later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSchema {
    pub id: ScheduleId,
    pub name: Arc<str>,
    /// Reducer or procedure to call.
    pub function: Arc<str>,
    /// The column of type `ScheduleAt`.
    pub at_column: ColId,
}

impl TableSchema {
    /// What becomes of the rows.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        let is_legacy_view_state = matches!(
            self.id,
            crate::system::ST_VIEW_SUB | crate::system::ST_VIEW_ARG
        );
        if self.is_event {
            Persistence::Event
        } else if self.view.is_some() || is_legacy_view_state {
            Persistence::Ephemeral
        } else {
            Persistence::Durable
        }
    }

    /// Whether the table belongs to the system and modules must not write to it.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.id.0 < FIRST_USER_ID
    }

    /// The column at a position.
    #[must_use]
    pub fn column(&self, column: ColId) -> Option<&ColumnSchema> {
        self.columns.get(usize::from(column.0))
    }

    /// The position of a column by canonical name.
    #[must_use]
    pub fn column_position(&self, name: &str) -> Option<ColId> {
        let position = self
            .columns
            .iter()
            .position(|column| &*column.name == name)?;
        u16::try_from(position).ok().map(ColId)
    }

    /// An index by id.
    #[must_use]
    pub fn index(&self, id: IndexId) -> Option<&IndexSchema> {
        self.indexes.iter().find(|index| index.id == id)
    }

    /// The unique index on exactly the primary key column.
    #[must_use]
    pub fn primary_key_index(&self) -> Option<&IndexSchema> {
        let key = self.primary_key?;
        self.indexes
            .iter()
            .find(|index| index.unique && index.algorithm.columns() == [key])
    }
}

/// Whether two column lists hold the same set.
#[must_use]
pub(crate) fn same_column_set(left: &[ColId], right: &[ColId]) -> bool {
    left.iter().all(|column| right.contains(column))
        && right.iter().all(|column| left.contains(column))
}

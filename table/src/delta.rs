//! The net effect of a committed transaction.
//!
//! Invariants
//!   * A row inserted and deleted again, or deleted and inserted again identically, is in neither
//!     list. An updated row is its old form in `deletes` and the new one in `inserts`.
//!   * Tables are sorted by id and each has at least one row in one of its lists.
//!   * A delta never changes; it is shared by `Arc` between threads.

use std::sync::Arc;

use spacetime_types::TableId;

use crate::{Persistence, RowList, TableSchema};

/// What one transaction changed.
#[derive(Clone, Debug, Default)]
pub struct TxDelta {
    /// Tables with a net change, sorted by id.
    pub tables: Vec<TableDelta>,
    /// Whether rows of a table that is logged changed, so that the transaction takes an offset.
    /// (The log also gives one to the lifecycle reducers of connections, changes or not.)
    pub consumes_offset: bool,
}

/// What one transaction changed in one table.
#[derive(Clone, Debug)]
pub struct TableDelta {
    pub table: TableId,
    /// The schema as the transaction left it; of a dropped table, as it was last.
    pub schema: Arc<TableSchema>,
    pub inserts: RowList,
    pub deletes: RowList,
    /// Rows were deleted, none inserted, and none is left: logged as one truncation.
    pub truncated: bool,
}

impl TxDelta {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The change of one table.
    #[must_use]
    pub fn table(&self, table: TableId) -> Option<&TableDelta> {
        let position = self
            .tables
            .binary_search_by_key(&table, |delta| delta.table);
        position.ok().map(|position| &self.tables[position])
    }

    /// The tables whose changes belong into the log.
    pub fn logged_tables(&self) -> impl Iterator<Item = &TableDelta> {
        let is_logged = |delta: &&TableDelta| delta.schema.persistence() != Persistence::Ephemeral;
        self.tables.iter().filter(is_logged)
    }
}

const _: () = {
    const fn is_shared_between_threads<T: Send + Sync>() {}
    is_shared_between_threads::<TxDelta>();
};

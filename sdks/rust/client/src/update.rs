//! Updates of one table, read into rows.
//!
//! Invariants
//!   * Rows that come are decoded here, off the thread that runs callbacks. Rows that go are not
//!     decoded at all: the cache finds them by their bytes.
//!   * An update is applied at most once; that takes its rows out.

use std::cell::Cell;
use std::sync::Arc;

use spacetime_types::bsatn;

use crate::cache::{StoredRow, TableAppliedDiff};
use crate::error::{InternalError, Result};
use crate::sats::de::DeserializeOwned;
use crate::wire::QuerySetId;
use crate::wire::v2::{self, BsatnRowList, QueryRows, TableUpdateRows};

/// Rows of one table that came and went.
pub struct TableUpdate<Row> {
    pub(crate) parts: Vec<UpdatePart<Row>>,
}

/// What one query contributes.
pub(crate) struct UpdatePart<Row> {
    pub(crate) set: QuerySetId,
    /// Taken out when the update is applied.
    pub(crate) inserts: Cell<Vec<Arc<StoredRow<Row>>>>,
    pub(crate) deletes: BsatnRowList,
    /// Rows that only pass by.
    pub(crate) events: Cell<Vec<Arc<StoredRow<Row>>>>,
}

impl<Row> Default for TableUpdate<Row> {
    fn default() -> Self {
        TableUpdate { parts: Vec::new() }
    }
}

impl<Row> std::fmt::Debug for TableUpdate<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.parts.len();
        f.debug_struct("TableUpdate")
            .field("parts", &parts)
            .finish()
    }
}

impl<Row> UpdatePart<Row> {
    fn new(set: QuerySetId) -> Self {
        UpdatePart {
            set,
            inserts: Cell::default(),
            deletes: BsatnRowList::default(),
            events: Cell::default(),
        }
    }
}

impl<Row: DeserializeOwned> TableUpdate<Row> {
    /// Reads what the server sent.
    pub fn parse_table_update(raw: v2::TableUpdate) -> Result<Self> {
        let parts = raw.rows.into_iter().map(|rows| match rows {
            TableUpdateRows::PersistentTable { inserts, deletes } => Ok(UpdatePart {
                inserts: Cell::new(decode(&inserts)?),
                deletes,
                ..UpdatePart::new(inserts.set)
            }),
            TableUpdateRows::EventTable { events } => Ok(UpdatePart {
                events: Cell::new(decode(&events)?),
                ..UpdatePart::new(events.set)
            }),
        });
        Ok(TableUpdate {
            parts: parts.collect::<Result<_>>()?,
        })
    }
}

impl<Row> TableUpdate<Row> {
    /// Puts another update behind this one.
    pub fn append(&mut self, mut other: Self) {
        self.parts.append(&mut other.parts);
    }

    /// The rows of an event table: all of them, also equal ones.
    pub fn into_event_diff(&self) -> TableAppliedDiff<'_, Row> {
        let mut diff = TableAppliedDiff::default();
        for part in &self.parts {
            diff.inserts.append(&mut part.events.take());
            diff.inserts.append(&mut part.inserts.take());
        }
        diff
    }
}

/// Reads rows that came.
#[allow(clippy::needless_pass_by_value)] // generated bindings call it like this
pub fn parse_row_list_as_inserts<Row: DeserializeOwned>(
    rows: BsatnRowList,
) -> Result<TableUpdate<Row>> {
    let part = UpdatePart {
        inserts: Cell::new(decode(&rows)?),
        ..UpdatePart::new(rows.set)
    };
    Ok(TableUpdate { parts: vec![part] })
}

/// Reads rows that went.
#[allow(clippy::needless_pass_by_value)] // generated bindings call it like this
pub fn parse_row_list_as_deletes<Row: DeserializeOwned>(
    rows: BsatnRowList,
) -> Result<TableUpdate<Row>> {
    let part = UpdatePart {
        deletes: rows.clone(),
        ..UpdatePart::new(rows.set)
    };
    Ok(TableUpdate { parts: vec![part] })
}

/// The updates of a transaction, table by table, whichever query they belong to.
pub fn transaction_update_iter_table_updates(
    update: v2::TransactionUpdate,
) -> impl Iterator<Item = v2::TableUpdate> {
    update.query_sets.into_iter().flat_map(|set| set.tables)
}

/// All rows, as the initial rows of a set.
pub(crate) fn initial_rows(set: QuerySetId, rows: QueryRows) -> v2::TransactionUpdate {
    v2::TransactionUpdate {
        query_sets: vec![rows.into_update(set)],
    }
}

fn decode<Row: DeserializeOwned>(list: &BsatnRowList) -> Result<Vec<Arc<StoredRow<Row>>>> {
    let count = list.len();
    let mut rows = Vec::with_capacity(count);
    for index in 0..count {
        let bytes = list
            .row(index)
            .ok_or_else(|| InternalError::new("a row list whose offsets lie outside its bytes"))?;
        let row = bsatn::from_slice_exact(bytes).map_err(|error| {
            InternalError::failed_parse(std::any::type_name::<Row>(), "a row").with_cause(error)
        })?;
        rows.push(Arc::new(StoredRow {
            row,
            bytes: bytes.into(),
        }));
    }
    Ok(rows)
}

//! `diff` of two offsets of one log: which rows differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_table::TableSchema;
use spacetime_types::TableId;

use crate::error::OfflineError;
use crate::place::Place;
use crate::progress::Progress;
use crate::schemas::TableShape;
use crate::state::{self, Base, Observer};

/// How one table differs.
#[derive(Clone, Debug)]
pub struct TableDiff {
    pub shape: Arc<TableShape>,
    /// BSATN of the rows that are there only after the later transaction.
    pub added: Vec<Vec<u8>>,
    /// Those that are there only after the earlier one.
    pub removed: Vec<Vec<u8>>,
    /// Rows with the same primary key and other values: before, after.
    pub changed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How the states after two transactions differ.
#[derive(Clone, Debug)]
pub struct StateDiff {
    pub from: u64,
    pub to: u64,
    /// Only tables that differ, by id.
    pub tables: Vec<TableDiff>,
}

/// Compares the state after transaction `from` with that after `to`.
pub fn between(
    place: &Place,
    from: u64,
    to: u64,
    progress: &dyn Progress,
) -> Result<StateDiff, OfflineError> {
    let mut net = Net {
        from: from.min(to),
        tables: BTreeMap::new(),
    };
    let base = Base::Snapshot(Some(from.min(to)));
    state::build(place, base, Some(from.max(to)), progress, &mut net)?;
    let tables = net.tables.into_values();
    let mut tables: Vec<TableDiff> = tables.filter_map(NetTable::finish).collect();
    if from > to {
        for table in &mut tables {
            std::mem::swap(&mut table.added, &mut table.removed);
            for (before, after) in &mut table.changed {
                std::mem::swap(before, after);
            }
        }
    }
    Ok(StateDiff { from, to, tables })
}

/// The net changes since a transaction. Memory grows with what differs, not with what happened.
struct Net {
    from: u64,
    tables: BTreeMap<TableId, NetTable>,
}

struct NetTable {
    schema: Arc<TableSchema>,
    /// By row: +1 if it was added, -1 if it was removed.
    rows: FxHashMap<Vec<u8>, i64>,
}

impl Net {
    fn count(&mut self, schema: &Arc<TableSchema>, row: &[u8], by: i64) {
        let table = self.tables.entry(schema.id).or_insert_with(|| NetTable {
            schema: Arc::clone(schema),
            rows: FxHashMap::default(),
        });
        if !Arc::ptr_eq(&table.schema, schema) {
            table.schema = Arc::clone(schema);
        }
        let count = table.rows.entry(row.to_vec()).or_default();
        *count += by;
        if *count == 0 {
            table.rows.remove(row);
        }
    }
}

impl Observer for Net {
    fn wants(&self, offset: u64) -> bool {
        offset > self.from
    }

    fn inserted(&mut self, table: &Arc<TableSchema>, row: &[u8]) {
        self.count(table, row, 1);
    }

    fn deleted(&mut self, table: &Arc<TableSchema>, row: &[u8]) {
        self.count(table, row, -1);
    }
}

impl NetTable {
    fn finish(self) -> Option<TableDiff> {
        let shape = Arc::new(TableShape::of(&self.schema));
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for (row, count) in self.rows {
            if count > 0 {
                added.push(row);
            } else {
                removed.push(row);
            }
        }
        let changed = pair_by_key(&shape, &mut added, &mut removed);
        added.sort_unstable();
        removed.sort_unstable();
        let differs = !(added.is_empty() && removed.is_empty() && changed.is_empty());
        differs.then_some(TableDiff {
            shape,
            added,
            removed,
            changed,
        })
    }
}

/// Takes rows with the same primary key out of both lists.
fn pair_by_key(
    shape: &TableShape,
    added: &mut Vec<Vec<u8>>,
    removed: &mut Vec<Vec<u8>>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(column) = shape.primary_key else {
        return Vec::new();
    };
    // A row of an earlier type of the table need not be one of the present type.
    let key = |row: &[u8]| {
        shape.layout.validate(row).ok()?;
        row.get(shape.layout.column_range(row, usize::from(column.0)))
            .map(<[u8]>::to_vec)
    };
    let mut by_key: FxHashMap<Vec<u8>, Vec<u8>> = FxHashMap::default();
    let mut alone = Vec::new();
    for row in removed.drain(..) {
        match key(&row) {
            Some(key) => {
                if let Some(other) = by_key.insert(key, row) {
                    alone.push(other);
                }
            }
            None => alone.push(row),
        }
    }
    let mut changed = Vec::new();
    added.retain_mut(|row| {
        let before = key(row).and_then(|key| by_key.remove(&key));
        if let Some(before) = before {
            changed.push((before, std::mem::take(row)));
            return false;
        }
        true
    });
    removed.append(&mut alone);
    removed.extend(by_key.into_values());
    changed.sort_unstable();
    changed
}

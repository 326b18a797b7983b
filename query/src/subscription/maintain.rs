//! A query's delta from a transaction's delta.
//!
//! With T' a table after the transaction and dT its signed changes, the table before was T' - dT.
//! The result of tables A, B, ... so changed by the sum over every non-empty choice of tables of
//! the combinations of the chosen tables' changes with the other tables after the transaction,
//! negative where an even number was chosen: for two tables `dA x B' + A' x dB - dA x dB`. Then
//! equal rows of the two signs cancel. Tables that did not change have no part in any choice.
//!
//! Rows of event tables exist only inside the transaction: before and after it the tables are
//! empty, and what they deliver is the combinations of their rows with the other tables after it.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, RowListBuilder, TxDelta};

use super::join::{Join, Signed};
use super::plan::{SubscriptionPlan, fixed_len};
use super::shape::Fragment;
use crate::error::ExecuteError;
use crate::execute::visible_part;
use crate::planted::{self, Bug};

/// Rows by how often they were added (positive) or taken away.
#[derive(Debug, Default)]
pub(super) struct Bag {
    counts: HashMap<Box<[u8]>, i64, FxBuildHasher>,
}

impl Bag {
    fn add(&mut self, row: &[u8], times: i64) {
        match self.counts.get_mut(row) {
            Some(count) => *count += times,
            None => {
                self.counts.insert(row.into(), times);
            }
        }
    }

    /// Inserts and deletes, in the order of the rows' bytes: the same delta gives the same lists.
    pub(super) fn lists(&self, plan: &SubscriptionPlan) -> (RowList, RowList) {
        let fixed = fixed_len(plan.table());
        let mut inserts = RowListBuilder::new(fixed);
        let mut deletes = RowListBuilder::new(fixed);
        let mut rows: Vec<_> = self
            .counts
            .iter()
            .filter(|(_, count)| **count != 0)
            .collect();
        rows.sort_unstable();
        for (row, count) in rows {
            let list = match *count > 0 {
                true => &mut inserts,
                false => &mut deletes,
            };
            for _ in 0..count.unsigned_abs() {
                list.push(row);
            }
        }
        (inserts.finish(), deletes.finish())
    }
}

/// What the changed rows, given per table of the fragment, add to its result and take from it.
pub(super) fn add_delta(
    fragment: &Fragment,
    changed: &mut [Vec<Signed<'_>>],
    datastore: &Datastore,
    bag: &mut Bag,
) -> Result<(), ExecuteError> {
    if !fragment.is_join() {
        let schema = &fragment.shape.schemas[0];
        for (row, sign) in changed
            .iter()
            .flatten()
            .filter(|(row, _)| fragment.takes(row))
        {
            bag.add(visible_part(schema, row), *sign);
        }
        return Ok(());
    }
    if planted::is_on(Bug::JoinDeleteMissed) {
        for rows in changed.iter_mut() {
            rows.retain(|(_, sign)| *sign > 0);
        }
    }
    let changed = &*changed;
    let mut join = Join::new(fragment, datastore, changed);
    let mut emit = |row: &[u8], sign| bag.add(row, sign);
    let tables = fragment.shape.schemas.iter().enumerate();
    let events: Vec<usize> = tables
        .filter(|(_, schema)| schema.is_event)
        .map(|(table, _)| table)
        .collect();
    if !events.is_empty() {
        return join.term(&events, 1, &mut emit);
    }
    let moved: Vec<usize> = (0..changed.len())
        .filter(|table| !changed[*table].is_empty())
        .collect();
    let mut chosen = Vec::with_capacity(moved.len());
    let last = 1_u64.checked_shl(u32::try_from(moved.len()).unwrap_or(u32::MAX));
    for choice in 1..last.unwrap_or(u64::MAX) {
        chosen.clear();
        let is_chosen = |(bit, _): &(usize, &usize)| choice >> bit & 1 == 1;
        chosen.extend(
            moved
                .iter()
                .enumerate()
                .filter(is_chosen)
                .map(|(_, table)| *table),
        );
        let sign = if chosen.len() % 2 == 1 { 1 } else { -1 };
        join.term(&chosen, sign, &mut emit)?;
    }
    Ok(())
}

/// All rows that a transaction changed, per table of a fragment.
pub(super) fn all_changed<'a>(fragment: &Fragment, delta: &'a TxDelta) -> Vec<Vec<Signed<'a>>> {
    let schemas = fragment.shape.schemas.iter();
    schemas.map(|schema| signed(delta, schema.id)).collect()
}

/// The changed rows of a table.
pub(super) fn signed(delta: &TxDelta, table: spacetime_types::TableId) -> Vec<Signed<'_>> {
    let Some(change) = delta.table(table) else {
        return Vec::new();
    };
    let inserts = change.inserts.iter().map(|row| (row, 1));
    inserts
        .chain(change.deletes.iter().map(|row| (row, -1)))
        .collect()
}

/// What a transaction changed in the result of a query.
pub(super) fn whole_delta(
    plan: &SubscriptionPlan,
    delta: &TxDelta,
    datastore: &Datastore,
) -> Result<(RowList, RowList), ExecuteError> {
    let mut bag = Bag::default();
    for fragment in &plan.fragments {
        let mut changed = all_changed(fragment, delta);
        add_delta(fragment, &mut changed, datastore, &mut bag)?;
    }
    Ok(bag.lists(plan))
}

//! A query's delta from a transaction's delta.
//!
//! For one table the delta is the filter applied to both lists. For a join of R and S, with R' and
//! S' the tables after the transaction and dR, dS the signed changes, it is
//! `dR x S' + R' x dS - dR x dS`, after which equal rows of the two signs cancel. Rows of event
//! tables exist only inside the transaction: they are not in the table after it, so the third
//! term is left out.

use std::ops::ControlFlow;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, RowListBuilder, TableDelta, TxDelta};

use super::plan::{SubscriptionPlan, fixed_len};
use crate::error::ExecuteError;
use crate::execute::{Stand, run};

/// Rows by how often they were added (positive) or taken away.
#[derive(Default)]
struct Bag {
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
}

/// What a join's result gained and lost.
pub(super) fn join_delta(
    plan: &SubscriptionPlan,
    delta: &TxDelta,
    datastore: &Datastore,
) -> Result<(RowList, RowList), ExecuteError> {
    let schemas = &plan.select.plan.schemas;
    let changes: Vec<Option<&TableDelta>> = schemas
        .iter()
        .map(|schema| delta.table(schema.id))
        .collect();
    let mut bag = Bag::default();
    for (table, change) in changes.iter().enumerate() {
        for (rows, sign) in signed(*change) {
            let stands = [Stand { table, rows }];
            add_term(plan, table, datastore, &stands, sign, &mut bag)?;
        }
    }
    let has_events = schemas.iter().any(|schema| schema.is_event);
    if let ([first, second], false) = (changes.as_slice(), has_events) {
        for (first_rows, first_sign) in signed(*first) {
            for (second_rows, second_sign) in signed(*second) {
                let stands = [
                    Stand {
                        table: 0,
                        rows: first_rows,
                    },
                    Stand {
                        table: 1,
                        rows: second_rows,
                    },
                ];
                let sign = -first_sign * second_sign;
                add_term(plan, 0, datastore, &stands, sign, &mut bag)?;
            }
        }
    }
    Ok(lists(plan, &bag))
}

/// The non-empty lists of a change with their signs.
fn signed(change: Option<&TableDelta>) -> impl Iterator<Item = (&RowList, i64)> {
    let lists = change.map(|change| [(&change.inserts, 1), (&change.deletes, -1)]);
    lists
        .into_iter()
        .flatten()
        .filter(|(rows, _)| !rows.is_empty())
}

fn add_term(
    plan: &SubscriptionPlan,
    first: usize,
    datastore: &Datastore,
    stands: &[Stand<'_>],
    sign: i64,
    bag: &mut Bag,
) -> Result<(), ExecuteError> {
    run(&plan.from_changes[first], datastore, stands, &mut |rows| {
        bag.add(rows.visible_row(plan.returned), sign);
        ControlFlow::Continue(())
    })
}

/// Inserts and deletes, in the order of the rows' bytes: the same delta gives the same lists.
fn lists(plan: &SubscriptionPlan, bag: &Bag) -> (RowList, RowList) {
    let fixed = fixed_len(plan.table());
    let mut inserts = RowListBuilder::new(fixed);
    let mut deletes = RowListBuilder::new(fixed);
    let mut rows: Vec<_> = bag.counts.iter().collect();
    rows.sort_unstable();
    for (row, count) in rows {
        let list = if *count > 0 {
            &mut inserts
        } else {
            &mut deletes
        };
        for _ in 0..count.unsigned_abs() {
            list.push(row);
        }
    }
    (inserts.finish(), deletes.finish())
}

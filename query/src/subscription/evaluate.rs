//! From a transaction's delta to the deltas of the queries that it can affect.
//!
//! Invariants
//!   * Each changed row is looked at once per group of queries, not once per query.
//!   * A query sees only the rows that found it, which are all that can matter to it.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, RowListBuilder, TableDelta, TxDelta};

use super::join::Signed;
use super::maintain::{Bag, add_delta, signed};
use super::plan::{SubscriptionPlan, fixed_len};
use super::prune::{TableQueries, Target};
use super::set::QueryId;
use crate::catalogue::hidden_columns;
use crate::error::ExecuteError;
use crate::execute::visible_part;

/// What a transaction added to a query's result and took from it, or why that is not known.
pub(super) type Outcome = Result<(RowList, RowList), ExecuteError>;

/// The rows of a query's delta while they are collected.
enum Lists {
    /// The table's own.
    Shared(RowList, RowList),
    Built {
        inserts: RowListBuilder,
        deletes: RowListBuilder,
    },
}

impl Lists {
    fn new(fixed: Option<usize>) -> Self {
        Lists::Built {
            inserts: RowListBuilder::new(fixed),
            deletes: RowListBuilder::new(fixed),
        }
    }

    fn finish(self, plan: &SubscriptionPlan) -> (RowList, RowList) {
        let (inserts, deletes) = match self {
            Lists::Shared(inserts, deletes) => (inserts, deletes),
            Lists::Built { inserts, deletes } => (inserts.finish(), deletes.finish()),
        };
        match plan.is_restricted {
            true => (in_order(inserts), in_order(deletes)),
            false => (inserts, deletes),
        }
    }
}

/// The rows that found a query, by fragment and table; `None` for all of the table.
type Found<'a> = HashMap<(u16, u16), Option<Vec<Signed<'a>>>, FxBuildHasher>;

/// The queries that a transaction can affect, with their parts of the delta.
pub(super) struct Evaluator<'a> {
    delta: &'a TxDelta,
    datastore: &'a Datastore,
    /// Of queries over one table without alternatives: their results.
    lists: HashMap<QueryId, (&'a SubscriptionPlan, Lists), FxBuildHasher>,
    /// Of the others: what they have to be evaluated with.
    found: HashMap<QueryId, (&'a SubscriptionPlan, Found<'a>), FxBuildHasher>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(delta: &'a TxDelta, datastore: &'a Datastore) -> Self {
        Evaluator {
            delta,
            datastore,
            lists: HashMap::default(),
            found: HashMap::default(),
        }
    }

    /// Sorts the changed rows of a table into the queries that they can affect.
    pub(super) fn add_table(
        &mut self,
        table: &'a TableDelta,
        queries: &TableQueries,
        plan_of: &impl Fn(QueryId) -> Option<&'a SubscriptionPlan>,
    ) {
        for target in &queries.always {
            if let Some(plan) = plan_of(target.query) {
                self.take_all(*target, plan, table);
            }
        }
        if !queries.has_filed() {
            return;
        }
        let mut finder = queries.finder(self.delta, self.datastore);
        let mut targets = Vec::new();
        for (row, sign) in signed_rows(table) {
            finder.find(row, &table.schema, &mut targets);
            for target in &targets {
                if let Some(plan) = plan_of(target.query) {
                    self.take(*target, plan, row, sign);
                }
            }
        }
    }

    fn take_all(&mut self, target: Target, plan: &'a SubscriptionPlan, table: &'a TableDelta) {
        match only_table(plan) {
            None => {
                self.found(target, plan)
                    .insert((target.fragment, target.table), None);
            }
            Some(fragment) if fragment.takes_all() && hidden_columns(plan.table()) == 0 => {
                let lists = Lists::Shared(table.inserts.clone(), table.deletes.clone());
                self.lists.insert(target.query, (plan, lists));
            }
            Some(_) => {
                for (row, sign) in signed_rows(table) {
                    self.take(target, plan, row, sign);
                }
            }
        }
    }

    fn take(&mut self, target: Target, plan: &'a SubscriptionPlan, row: &'a [u8], sign: i64) {
        let Some(fragment) = only_table(plan) else {
            let place = (target.fragment, target.table);
            let rows = self.found(target, plan).entry(place);
            if let Some(rows) = rows.or_insert_with(|| Some(Vec::new())) {
                rows.push((row, sign));
            }
            return;
        };
        if !fragment.takes(row) {
            return;
        }
        let schema = plan.table();
        let lists = self.lists.entry(target.query);
        let (_, lists) = lists.or_insert_with(|| (plan, Lists::new(fixed_len(schema))));
        if let Lists::Built { inserts, deletes } = lists {
            let list = if sign > 0 { inserts } else { deletes };
            list.push(visible_part(schema, row));
        }
    }

    fn found(&mut self, target: Target, plan: &'a SubscriptionPlan) -> &mut Found<'a> {
        let entry = self.found.entry(target.query);
        &mut entry.or_insert_with(|| (plan, Found::default())).1
    }

    /// The outcomes of the queries that were found, ascending.
    pub(super) fn finish(self) -> Vec<(QueryId, Outcome)> {
        let (delta, datastore) = (self.delta, self.datastore);
        let lists = self
            .lists
            .into_iter()
            .map(|(query, (plan, lists))| (query, Ok(lists.finish(plan))));
        let found = self.found.into_iter();
        let found =
            found.map(|(query, (plan, found))| (query, outcome(plan, found, delta, datastore)));
        let mut outcomes: Vec<(QueryId, Outcome)> = lists.chain(found).collect();
        outcomes.sort_unstable_by_key(|(query, _)| *query);
        outcomes
    }
}

/// The rows in the order of their bytes.
fn in_order(rows: RowList) -> RowList {
    if rows.iter().is_sorted() {
        return rows;
    }
    let mut sorted: Vec<&[u8]> = rows.iter().collect();
    sorted.sort_unstable();
    let mut list = RowListBuilder::new(rows.fixed_row_len());
    for row in sorted {
        list.push(row);
    }
    list.finish()
}

fn signed_rows(table: &TableDelta) -> impl Iterator<Item = Signed<'_>> {
    let inserts = table.inserts.iter().map(|row| (row, 1));
    inserts.chain(table.deletes.iter().map(|row| (row, -1)))
}

/// The fragment of a query over one table without alternatives.
fn only_table(plan: &SubscriptionPlan) -> Option<&super::shape::Fragment> {
    match &*plan.fragments {
        [only] if !only.is_join() => Some(only),
        _ => None,
    }
}

fn outcome(
    plan: &SubscriptionPlan,
    mut found: Found<'_>,
    delta: &TxDelta,
    datastore: &Datastore,
) -> Outcome {
    let mut bag = Bag::default();
    for (position, fragment) in (0..).zip(&plan.fragments) {
        let tables = (0..).zip(&fragment.shape.schemas);
        let mut changed: Vec<Vec<Signed<'_>>> = tables
            .map(|(table, schema)| match found.remove(&(position, table)) {
                None => Vec::new(),
                Some(None) => signed(delta, schema.id),
                Some(Some(rows)) => rows,
            })
            .collect();
        if changed.iter().any(|rows| !rows.is_empty()) {
            add_delta(fragment, &mut changed, datastore, &mut bag)?;
        }
    }
    Ok(bag.lists(plan))
}

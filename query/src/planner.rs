//! The order of a plan's tables and how each is read.
//!
//! With one table this is the choice of an access. With several, each possible first table is
//! tried, the next table is always the cheapest to reach from those already read, and the order
//! with the lowest sum of penalties wins. Penalties are by kind of access, not by row counts: a
//! plan is kept while tables grow.

use std::sync::Arc;

use spacetime_table::{IndexSchema, TableSchema};

use crate::access::{self, Access};
use crate::ast::Comparison;
use crate::plan::{KeyPart, Plan, Source, Step};
use crate::predicate::{Operand, Predicate, Slot};

/// With more tables than this only the first is tried as the start.
const STARTS_MAX: usize = 8;

/// Plans tables `schemas` (in the order of the FROM clause) under a simplified condition. `first`
/// forces the table that is read first.
pub(crate) fn plan_tables(
    schemas: Vec<Arc<TableSchema>>,
    condition: Predicate,
    first: Option<usize>,
) -> Plan {
    let conjuncts = condition.into_conjuncts();
    let starts = match first {
        Some(first) => first..first + 1,
        None if schemas.len() <= STARTS_MAX => 0..schemas.len(),
        None => 0..1,
    };
    let orders = starts.map(|start| Order::starting_with(start, &schemas, &conjuncts));
    let best = orders.min_by_key(|order| order.penalty);
    let steps = best.map(|order| order.steps).unwrap_or_default();
    assert_eq!(steps.len(), schemas.len(), "every table has its step");
    Plan { schemas, steps }
}

/// An order of tables under construction.
struct Order<'a> {
    schemas: &'a [Arc<TableSchema>],
    /// Conditions not yet tested by a step.
    left: Vec<Predicate>,
    bound: Vec<bool>,
    steps: Vec<Step>,
    penalty: u64,
}

impl<'a> Order<'a> {
    fn starting_with(
        start: usize,
        schemas: &'a [Arc<TableSchema>],
        conjuncts: &[Predicate],
    ) -> Self {
        // After the tables there may be one of parameters, which are always there.
        let mut bound = vec![false; schemas.len()];
        bound.push(true);
        let mut order = Order {
            schemas,
            left: conjuncts.to_vec(),
            bound,
            steps: Vec::with_capacity(schemas.len()),
            penalty: 0,
        };
        order.take(start);
        while order.steps.len() < schemas.len() {
            let free = (0..schemas.len()).filter(|table| !order.bound[*table]);
            let next = free.min_by_key(|table| order.reach(*table).1);
            match next {
                Some(next) => order.take(next),
                None => break,
            }
        }
        order
    }

    /// Appends the step of `table`, with every condition that can be tested there.
    fn take(&mut self, table: usize) {
        let (source, penalty) = self.reach(table);
        let equality = self.left.iter().find_map(|term| self.equality(term, table));
        self.bound[table] = true;
        let bound = &self.bound;
        let all = std::mem::take(&mut self.left);
        let (now, later): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|term| term.uses_only(bound));
        self.left = later;
        let whole_filter = Predicate::from_conjuncts(now.clone());
        let now = match &source {
            // An access leaves out what it answers; probes and hashes are tested again, cheaply.
            Source::Stored(_) => {
                let (local, other): (Vec<_>, Vec<_>) = now
                    .into_iter()
                    .partition(|term| uses_only_table(term, table));
                let (_, mut rest) = access::choose(&self.schemas[table], table, local);
                rest.extend(other);
                rest
            }
            Source::Probe { .. } | Source::Hash => now,
        };
        self.penalty = self.penalty.saturating_add(penalty);
        self.steps.push(Step {
            table,
            source,
            filter: Predicate::from_conjuncts(now),
            whole_filter,
            equality,
        });
    }

    /// The best way to the rows of `table` from the tables already bound.
    fn reach(&self, table: usize) -> (Source, u64) {
        let schema = &self.schemas[table];
        let probes = schema
            .indexes
            .iter()
            .filter_map(|index| self.probe(index, table))
            .min_by_key(|(_, penalty)| *penalty);
        if let Some(probe) = probes {
            return probe;
        }
        let local = self.left.iter().filter(|term| uses_only_table(term, table));
        let (access, _) = access::choose(schema, table, local.cloned().collect());
        match access {
            Access::Empty => return (Source::Stored(access), 0),
            Access::Points { .. } => return (Source::Stored(access), 2),
            Access::Scan | Access::Range { .. } => {}
        }
        let is_first = self.steps.is_empty();
        let joined = self.left.iter().find_map(|term| self.equality(term, table));
        match (joined, &access) {
            (Some(_), Access::Scan) if !is_first => (Source::Hash, 200),
            (_, Access::Range { .. }) => (Source::Stored(access), if is_first { 20 } else { 500 }),
            _ => {
                let is_filtered = self.left.iter().any(|term| uses_only_table(term, table));
                let penalty = match (is_first, is_filtered) {
                    (true, true) => 90,
                    (true, false) => 100,
                    (false, _) => 10_000,
                };
                (Source::Stored(access), penalty)
            }
        }
    }

    /// Lookups in an index of `table` with at least one column of an earlier row.
    fn probe(&self, index: &IndexSchema, table: usize) -> Option<(Source, u64)> {
        let mut key = Vec::new();
        let mut from_rows = 0;
        for column in index.algorithm.columns() {
            let own = usize::from(column.0);
            let joined = self.left.iter().find_map(|term| {
                let (column, other) = self.equality(term, table)?;
                (column == own).then_some(other)
            });
            if let Some(other) = joined {
                key.push(KeyPart::Column(other));
                from_rows += 1;
            } else {
                let slot = Slot { table, column: own };
                let value = self.left.iter().find_map(|term| constant(term, slot))?;
                key.push(KeyPart::Value(value.to_vec()));
            }
        }
        let index_id = index.id;
        (from_rows > 0).then_some((
            Source::Probe {
                index: index_id,
                key,
            },
            if index.unique { 1 } else { 3 },
        ))
    }

    /// `column of table = column of a bound table`.
    fn equality(&self, term: &Predicate, table: usize) -> Option<(usize, Slot)> {
        let Predicate::Compare(compare) = term else {
            return None;
        };
        if compare.operator != Comparison::Eq {
            return None;
        }
        match (&compare.left, &compare.right) {
            (Operand::Column(left), Operand::Column(right)) => {
                if left.table == table && self.bound[right.table] {
                    Some((left.column, *right))
                } else if right.table == table && self.bound[left.table] {
                    Some((right.column, *left))
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

fn constant(term: &Predicate, slot: Slot) -> Option<&[u8]> {
    match term {
        Predicate::Compare(compare) if compare.operator == Comparison::Eq => {
            match (&compare.left, &compare.right) {
                (Operand::Column(column), Operand::Value(value)) if *column == slot => Some(value),
                _ => None,
            }
        }
        _ => None,
    }
}

fn uses_only_table(term: &Predicate, table: usize) -> bool {
    term.all_slots(&mut |slot| slot.table == table)
}

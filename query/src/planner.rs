//! The order of a plan's tables and how each is read.
//!
//! With one table this is the choice of an access. With several, each possible first table is
//! tried, the next table is always the cheapest to reach from those already read, and the order
//! that is expected to visit the fewest rows wins. Sizes are those of the moment of planning: a
//! plan that is kept stays right, though maybe not the best, while tables grow.

use std::sync::Arc;

use spacetime_table::{IndexSchema, TableSchema};

use crate::access::{self, Access};
use crate::ast::Comparison;
pub(crate) use crate::cost::Sizes;
use crate::cost::{self, Estimate};
use crate::plan::{KeyPart, LeftJoin, Plan, Source, Step};
use crate::predicate::{Operand, Predicate, Slot};
use crate::scalar::Node;

/// With more tables than this only the first is tried as the start.
const STARTS_MAX: usize = 8;

/// Plans tables `schemas` (in the order of the FROM clause) under a simplified condition. `first`
/// forces the table that is read first.
pub(crate) fn plan_tables(
    schemas: Vec<Arc<TableSchema>>,
    condition: Predicate,
    first: Option<usize>,
) -> Plan {
    let lefts = vec![None; schemas.len()];
    plan_joins(schemas, condition, &lefts, first, &Sizes::unknown())
}

/// The same, with tables that are joined by LEFT JOIN under the given conditions, and with what is
/// known of the tables' sizes.
pub(crate) fn plan_joins(
    schemas: Vec<Arc<TableSchema>>,
    condition: Predicate,
    lefts: &[Option<Predicate>],
    first: Option<usize>,
    sizes: &Sizes<'_>,
) -> Plan {
    assert_eq!(lefts.len(), schemas.len(), "one entry a table");
    let conjuncts = condition.into_conjuncts();
    // From the first LEFT JOIN on, the order is that of the text.
    let free = lefts.iter().position(Option::is_some);
    let free = free.unwrap_or(schemas.len());
    assert!(free > 0, "the first table is joined to nothing");
    let starts = match first {
        Some(first) => first..first + 1,
        None if free <= STARTS_MAX => 0..free,
        None => 0..1,
    };
    let orders = starts.map(|start| {
        let mut order = Order::new(&schemas, lefts, sizes, &conjuncts);
        order.fill(start, free);
        order
    });
    let best = orders.min_by(|left, right| left.cost.total_cmp(&right.cost));
    let steps = best.map(|order| order.steps).unwrap_or_default();
    assert_eq!(steps.len(), schemas.len(), "every table has its step");
    Plan { schemas, steps }
}

/// An order of tables under construction.
struct Order<'a> {
    schemas: &'a [Arc<TableSchema>],
    lefts: &'a [Option<Predicate>],
    sizes: &'a Sizes<'a>,
    /// Conditions not yet tested by a step.
    left: Vec<Predicate>,
    bound: Vec<bool>,
    steps: Vec<Step>,
    /// Combinations expected from the steps so far.
    rows: f64,
    /// Rows that the steps so far are expected to visit.
    cost: f64,
}

impl<'a> Order<'a> {
    fn new(
        schemas: &'a [Arc<TableSchema>],
        lefts: &'a [Option<Predicate>],
        sizes: &'a Sizes<'a>,
        conjuncts: &[Predicate],
    ) -> Self {
        // After the tables there may be one of parameters, which are always there.
        let mut bound = vec![false; schemas.len()];
        bound.push(true);
        Order {
            schemas,
            lefts,
            sizes,
            left: conjuncts.to_vec(),
            bound,
            steps: Vec::with_capacity(schemas.len()),
            rows: 1.0,
            cost: 0.0,
        }
    }

    /// Takes `start`, then the cheapest of the first `free` tables until there is none, then the
    /// rest in their order.
    fn fill(&mut self, start: usize, free: usize) {
        self.take(start);
        loop {
            let unbound = (0..free).filter(|table| !self.bound[*table]);
            let costs = unbound.map(|table| (table, self.reach(table, &self.left).1.visited));
            match costs.min_by(|(_, left), (_, right)| left.total_cmp(right)) {
                Some((next, _)) => self.take(next),
                None => break,
            }
        }
        for table in free..self.schemas.len() {
            match &self.lefts[table] {
                Some(on) => self.take_left(table, on.clone()),
                None => self.take(table),
            }
        }
    }

    /// Appends the step of `table`, with every condition that can be tested there.
    fn take(&mut self, table: usize) {
        let (source, estimate) = self.reach(table, &self.left);
        let equality = self.left.iter().find_map(|term| self.equality(term, table));
        self.bound[table] = true;
        let all = std::mem::take(&mut self.left);
        let (now, later) = self.testable(all);
        self.left = later;
        let whole_filter = Predicate::from_conjuncts(now.clone());
        let filter = self.residual(&source, table, now);
        self.count(estimate, &filter);
        self.steps.push(Step {
            table,
            source,
            filter: Predicate::from_conjuncts(filter),
            whole_filter,
            equality,
            left: None,
        });
    }

    /// The same for a LEFT JOIN: its own condition finds partners, the others are tested after.
    fn take_left(&mut self, table: usize, on: Predicate) {
        let on = on.into_conjuncts();
        let (source, estimate) = self.reach(table, &on);
        let equality = on.iter().find_map(|term| self.equality(term, table));
        self.bound[table] = true;
        let all = std::mem::take(&mut self.left);
        let (after, later) = self.testable(all);
        self.left = later;
        let whole_filter = Predicate::from_conjuncts(on.clone());
        let filter = self.residual(&source, table, on);
        let before = self.rows;
        self.count(estimate, &filter);
        self.rows = self.rows.max(before);
        self.steps.push(Step {
            table,
            source,
            filter: Predicate::from_conjuncts(filter),
            whole_filter,
            equality,
            left: Some(LeftJoin {
                after: Predicate::from_conjuncts(after),
            }),
        });
    }

    fn testable(&self, terms: Vec<Predicate>) -> (Vec<Predicate>, Vec<Predicate>) {
        let terms = terms.into_iter();
        terms.partition(|term| term.uses_only(&self.bound))
    }

    /// What a source leaves to be tested.
    fn residual(&self, source: &Source, table: usize, terms: Vec<Predicate>) -> Vec<Predicate> {
        match source {
            // An access leaves out what it answers; probes and hashes are tested again, cheaply.
            Source::Stored(_) => {
                let (local, other): (Vec<_>, Vec<_>) = terms
                    .into_iter()
                    .partition(|term| uses_only_table(term, table));
                let (_, mut rest) = access::choose(&self.schemas[table], table, local);
                rest.extend(other);
                rest
            }
            Source::Probe { .. } | Source::Hash => terms,
        }
    }

    fn count(&mut self, estimate: Estimate, filter: &[Predicate]) {
        self.cost += estimate.visited;
        let kept = match estimate.is_exact {
            true => 1.0,
            false => filter.iter().map(cost::selectivity).product(),
        };
        self.rows = (estimate.found * kept).max(0.01);
    }

    /// The best way to the rows of `table` from the tables already bound.
    fn reach(&self, table: usize, terms: &[Predicate]) -> (Source, Estimate) {
        let schema = &self.schemas[table];
        let all = self.sizes.rows(table);
        let each = |found: f64| Estimate {
            visited: self.rows * found,
            found: self.rows * found,
            is_exact: false,
        };
        let probes = schema.indexes.iter().filter_map(|index| {
            let source = self.probe(index, table, terms)?;
            let found = self.sizes.rows_per_key(table, schema, index) * self.doubt(&source);
            // What a probe's key says need not be estimated again.
            Some((
                source,
                Estimate {
                    is_exact: true,
                    ..each(found)
                },
            ))
        });
        let probe = probes.min_by(|(_, left), (_, right)| left.visited.total_cmp(&right.visited));
        let local = terms.iter().filter(|term| uses_only_table(term, table));
        let (access, _) = access::choose(schema, table, local.cloned().collect());
        let found = self.sizes.accessed(table, schema, &access);
        let stored = each(found);
        match (&access, probe) {
            (Access::Empty, _) => (Source::Stored(access), stored),
            (Access::Points { .. }, Some((_, probed))) if stored.visited < probed.visited => {
                (Source::Stored(access), stored)
            }
            (_, Some((source, probed))) => (source, probed),
            (Access::Points { .. }, None) => (Source::Stored(access), stored),
            (Access::Scan | Access::Range { .. }, None) => {
                let joined = terms
                    .iter()
                    .any(|term| self.equality(term, table).is_some());
                let built_once = Estimate {
                    visited: all + self.rows * 2.0,
                    ..stored
                };
                match joined && !self.steps.is_empty() && built_once.visited < stored.visited {
                    true => (Source::Hash, built_once),
                    false => (Source::Stored(access), stored),
                }
            }
        }
    }

    /// Parameters are not known yet: a value that many rows have is as likely as any, while rows
    /// usually have few partners.
    fn doubt(&self, source: &Source) -> f64 {
        let parameters = self.schemas.len();
        let is_joined = |part: &KeyPart| match part {
            KeyPart::Column(slot) => slot.table < parameters,
            KeyPart::Value(_) => false,
        };
        match source {
            Source::Probe { key, .. } if !key.iter().any(is_joined) => 4.0,
            _ => 1.0,
        }
    }

    /// Lookups in an index of `table` with at least one column of an earlier row.
    fn probe(&self, index: &IndexSchema, table: usize, terms: &[Predicate]) -> Option<Source> {
        let mut key = Vec::new();
        let mut from_rows = 0;
        for column in index.algorithm.columns() {
            let own = usize::from(column.0);
            let joined = terms.iter().find_map(|term| {
                let (column, other) = self.equality(term, table)?;
                (column == own).then_some(other)
            });
            if let Some(other) = joined {
                key.push(KeyPart::Column(other));
                from_rows += 1;
            } else {
                let slot = Slot { table, column: own };
                let value = terms.iter().find_map(|term| constant(term, slot))?;
                key.push(KeyPart::Value(value.to_vec()));
            }
        }
        (from_rows > 0).then_some(Source::Probe {
            index: index.id,
            key,
        })
    }

    /// `column of table = column of a bound table`.
    fn equality(&self, term: &Predicate, table: usize) -> Option<(usize, Slot)> {
        let (left, right) = equal_slots(term)?;
        if left.table == table && self.bound[right.table] {
            Some((left.column, right))
        } else if right.table == table && self.bound[left.table] {
            Some((right.column, left))
        } else {
            None
        }
    }
}

/// The sides of `column = column`, also where a row may be absent: null equals nothing.
fn equal_slots(term: &Predicate) -> Option<(Slot, Slot)> {
    match term {
        Predicate::Compare(compare) if compare.operator == Comparison::Eq => {
            match (&compare.left, &compare.right) {
                (Operand::Column(left), Operand::Column(right)) => Some((*left, *right)),
                _ => None,
            }
        }
        Predicate::Test(scalar) => match &scalar.node {
            Node::Compare(Comparison::Eq, _, left, right) => match (&left.node, &right.node) {
                (Node::Column(left), Node::Column(right)) => Some((*left, *right)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
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

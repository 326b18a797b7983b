//! Under what a query is filed for a table, so that a changed row finds it.
//!
//! Invariant: a row that satisfies a query's conditions on its table, or has partners that do,
//! finds the query in at least one of the places.

use std::sync::Arc;

use spacetime_table::TableSchema;
use spacetime_types::{ColId, IndexId};

use super::interval::{Interval, number};
use super::shape::{Fragment, equality};
use crate::ast::Comparison;
use crate::column_kind::Order;
use crate::predicate::{Compare, Operand, Predicate, Slot};

/// Most places of one query: terms of OR chains.
const PLACES_MAX: usize = 4_096;
/// Most columns that a place demands values of.
const COLUMNS_MAX: usize = 4;

/// One place to file a query in.
#[derive(Debug)]
pub(super) enum Place {
    /// Rows with these values in these columns and, if so, a value of another in an interval.
    Values {
        columns: Box<[usize]>,
        /// The canonical values, one after the other.
        key: Box<[u8]>,
        range: Option<Range>,
    },
    /// Rows whose partner in another table has these values.
    Partner {
        edge: Edge,
        /// The canonical values, one after the other.
        key: Box<[u8]>,
    },
    /// Every row.
    Always,
}

/// Numbers of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub column: usize,
    pub order: Order,
    pub interval: Interval,
}

/// How a row finds its partners in another table, and what of them matters.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub own_column: usize,
    pub partner: Arc<TableSchema>,
    pub partner_column: usize,
    /// Of the partner column alone.
    pub index: IndexId,
    /// Of the partner.
    pub columns: Box<[usize]>,
}

impl Edge {
    pub(super) fn is_same(&self, other: &Edge) -> bool {
        self.own_column == other.own_column
            && self.index == other.index
            && Arc::ptr_eq(&self.partner, &other.partner)
            && self.columns == other.columns
    }
}

/// Where a fragment is filed for the table at a position; at least one place, unless nothing can
/// ever satisfy it.
pub(super) fn places(fragment: &Fragment, table: usize) -> Vec<Place> {
    let condition = fragment.condition();
    if condition == Predicate::Always(false) {
        return Vec::new();
    }
    let conjuncts = conjuncts(&condition);
    if let Some(places) = local(conjuncts, table) {
        return places;
    }
    let partners = conjuncts.iter().filter_map(equality);
    let mut partners = partners.filter_map(|(left, right)| match (left.table, right.table) {
        (own, _) if own == table => partner(fragment, conjuncts, left, right),
        (_, own) if own == table => partner(fragment, conjuncts, right, left),
        _ => None,
    });
    vec![partners.next().unwrap_or(Place::Always)]
}

fn conjuncts(condition: &Predicate) -> &[Predicate] {
    match condition {
        Predicate::And(terms) => terms,
        single => std::slice::from_ref(single),
    }
}

/// By the conditions on the table itself.
fn local(conjuncts: &[Predicate], table: usize) -> Option<Vec<Place>> {
    let (columns, key) = equalities(conjuncts, table);
    let range = range(conjuncts, table, &columns);
    if !columns.is_empty() {
        return Some(vec![Place::Values {
            columns,
            key,
            range,
        }]);
    }
    let chains = conjuncts.iter().filter_map(|term| match term {
        Predicate::Or(terms) => alternatives(terms, table),
        _ => None,
    });
    if let Some(shortest) = chains.min_by_key(Vec::len) {
        return Some(shortest);
    }
    range.map(|range| {
        vec![Place::Values {
            columns: Box::default(),
            key: Box::default(),
            range: Some(range),
        }]
    })
}

/// All places of the terms of an OR.
fn alternatives(terms: &[Predicate], table: usize) -> Option<Vec<Place>> {
    let mut places = Vec::new();
    for term in terms {
        places.extend(local(conjuncts(term), table)?);
        if places.len() > PLACES_MAX {
            return None;
        }
    }
    Some(places)
}

fn with_constant(term: &Predicate, table: usize) -> Option<(usize, &Compare, &[u8])> {
    let Predicate::Compare(compare) = term else {
        return None;
    };
    match (&compare.left, &compare.right) {
        (Operand::Column(slot), Operand::Value(value)) if slot.table == table => {
            Some((slot.column, compare, value))
        }
        _ => None,
    }
}

/// The columns that must have a certain value, ascending, and the values.
fn equalities(conjuncts: &[Predicate], table: usize) -> (Box<[usize]>, Box<[u8]>) {
    let terms = conjuncts
        .iter()
        .filter_map(|term| with_constant(term, table));
    let mut found: Vec<(usize, Box<[u8]>)> = terms
        .filter(|(_, compare, _)| compare.operator == Comparison::Eq)
        .map(|(column, compare, value)| (column, compare.order.canonical(value)))
        .collect();
    found.sort_by_key(|(column, _)| *column);
    found.dedup_by_key(|(column, _)| *column);
    found.truncate(COLUMNS_MAX);
    let columns = found.iter().map(|(column, _)| *column).collect();
    let key = found.iter().flat_map(|(_, value)| value.iter().copied());
    (columns, key.collect())
}

/// The column with bounds, at best on both sides, that is not among those with a certain value.
fn range(conjuncts: &[Predicate], table: usize, known: &[usize]) -> Option<Range> {
    let mut found: Vec<(Range, u8)> = Vec::new();
    for term in conjuncts {
        let Some((column, compare, value)) = with_constant(term, table) else {
            continue;
        };
        let is_low = match compare.operator {
            Comparison::Gt | Comparison::Ge => true,
            Comparison::Lt | Comparison::Le => false,
            Comparison::Eq | Comparison::Ne => continue,
        };
        if known.contains(&column) {
            continue;
        }
        let at = match found.iter().position(|(range, _)| range.column == column) {
            Some(at) => at,
            None => {
                let interval = Interval {
                    low: 0,
                    high: u64::MAX,
                };
                let range = Range {
                    column,
                    order: compare.order,
                    interval,
                };
                found.push((range, 0));
                found.len() - 1
            }
        };
        let (range, sides) = &mut found[at];
        let bound = number(compare.order, value);
        if is_low {
            range.interval.low = range.interval.low.max(bound);
        } else {
            range.interval.high = range.interval.high.min(bound);
        }
        *sides |= if is_low { 1 } else { 2 };
    }
    let best = found.into_iter().max_by_key(|(_, sides)| *sides == 3);
    best.map(|(mut range, _)| {
        // Bounds that exclude each other: any place will do.
        range.interval.high = range.interval.high.max(range.interval.low);
        range
    })
}

/// By the certain values of the partner in a join.
fn partner(
    fragment: &Fragment,
    conjuncts: &[Predicate],
    own: Slot,
    partner: Slot,
) -> Option<Place> {
    if own.table == partner.table {
        return None;
    }
    let schema = fragment.shape.schemas.get(partner.table)?;
    let (columns, key) = equalities(conjuncts, partner.table);
    if columns.is_empty() || schema.is_event {
        return None;
    }
    let of_column = ColId(u16::try_from(partner.column).ok()?);
    let mut indexes = schema.indexes.iter();
    let index = indexes.find(|index| index.algorithm.columns() == [of_column])?;
    let edge = Edge {
        own_column: own.column,
        partner: Arc::clone(schema),
        partner_column: partner.column,
        index: index.id,
        columns,
    };
    Some(Place::Partner { edge, key })
}

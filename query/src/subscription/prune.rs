//! Which queries a changed row can concern.
//!
//! A query whose condition demands that a column of a table equals one of some constants is filed
//! under (table, column, value); a changed row finds it by its own value. Other queries are asked
//! about every changed row of their tables.
//!
//! Invariant: a row that satisfies a query's conditions on its table always finds the query.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::TableSchema;

use super::set::QueryId;
use crate::access::value_list;
use crate::execute::canonical_bytes;
use crate::predicate::{OneRow, Predicate, Slot};

type ByValue = HashMap<Box<[u8]>, BTreeSet<QueryId>, FxBuildHasher>;

/// The queries that read one table.
#[derive(Debug, Default)]
pub(super) struct TableQueries {
    /// Asked about every changed row.
    pub always: BTreeSet<QueryId>,
    /// By column and canonical value.
    by_value: Vec<(usize, ByValue)>,
}

/// The column and the canonical values that a row of table `table` must have one of.
type Demand = (usize, Vec<Box<[u8]>>);

fn demand(condition: &Predicate, table: usize, schema: &TableSchema) -> Option<Demand> {
    let conjuncts = match condition {
        Predicate::And(terms) => terms.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut best: Option<Demand> = None;
    for column in 0..schema.columns.len() {
        let slot = Slot { table, column };
        for term in conjuncts {
            let Some((order, values)) = value_list(term, slot) else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|(_, known)| values.len() < known.len())
            {
                let values = values.into_iter();
                best = Some((
                    column,
                    values
                        .map(|value| canonical_bytes(Some(order), value))
                        .collect(),
                ));
            }
        }
    }
    best
}

impl TableQueries {
    pub(super) fn add(
        &mut self,
        query: QueryId,
        condition: &Predicate,
        table: usize,
        schema: &TableSchema,
    ) {
        match demand(condition, table, schema) {
            None => {
                self.always.insert(query);
            }
            Some((column, values)) => {
                let by_value = self.column(column);
                for value in values {
                    by_value.entry(value).or_default().insert(query);
                }
            }
        }
    }

    fn column(&mut self, column: usize) -> &mut ByValue {
        let position = match self.by_value.iter().position(|(known, _)| *known == column) {
            Some(position) => position,
            None => {
                self.by_value.push((column, ByValue::default()));
                self.by_value.len() - 1
            }
        };
        &mut self.by_value[position].1
    }

    pub(super) fn remove(
        &mut self,
        query: QueryId,
        condition: &Predicate,
        table: usize,
        schema: &TableSchema,
    ) {
        match demand(condition, table, schema) {
            None => {
                self.always.remove(&query);
            }
            Some((column, values)) => {
                let by_value = self.column(column);
                for value in values {
                    if let Some(queries) = by_value.get_mut(&value) {
                        queries.remove(&query);
                        if queries.is_empty() {
                            by_value.remove(&value);
                        }
                    }
                }
                self.by_value.retain(|(_, values)| !values.is_empty());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.always.is_empty() && self.by_value.is_empty()
    }

    /// Whether rows have to be looked at one by one to find the queries they concern.
    pub(super) fn has_values(&self) -> bool {
        !self.by_value.is_empty()
    }

    /// Calls `found` with each query filed under a value of the row.
    pub(super) fn find(&self, row: OneRow<'_>, found: &mut dyn FnMut(QueryId)) {
        for (column, by_value) in &self.by_value {
            let key = row.canonical(*column);
            for query in by_value.get(&key).into_iter().flatten() {
                found(*query);
            }
        }
    }
}

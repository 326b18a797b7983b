//! The queries over one table, as changed rows look them up.
//!
//! Queries that demand values of the same columns are filed together by these values; a row looks
//! each group up once, however many queries are in it.
//!
//! Invariant: what was filed under the places of a fragment is taken out under the same places.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, TableSchema, TxDelta};

use super::filing::{Edge, Place, Range};
use super::interval::{Intervals, number};
use super::members::Members;
use super::set::QueryId;
use crate::column_kind::{ColumnKind, Order};
use crate::predicate::{OneRow, Rows, Slot};

/// A table of a fragment of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub query: QueryId,
    pub fragment: u16,
    pub table: u16,
}

#[derive(Debug)]
enum Bucket {
    Members(Members<Target>),
    Intervals(Box<Intervals<Target>>),
}

type ByKey<V> = HashMap<Box<[u8]>, V, FxBuildHasher>;

/// Queries that demand values of the same columns.
#[derive(Debug)]
struct Group {
    columns: Box<[usize]>,
    range: Option<(usize, Order)>,
    buckets: ByKey<Bucket>,
}

/// Queries that demand values of partners found in the same way.
#[derive(Debug)]
struct EdgeGroup {
    edge: Edge,
    members: ByKey<Members<Target>>,
}

/// The queries that read one table.
#[derive(Debug, Default)]
pub(super) struct TableQueries {
    /// Asked about every changed row.
    pub(super) always: BTreeSet<Target>,
    groups: Vec<Group>,
    edges: Vec<EdgeGroup>,
}

impl TableQueries {
    pub(super) fn add(&mut self, target: Target, place: Place) {
        match place {
            Place::Always => {
                self.always.insert(target);
            }
            Place::Values {
                columns,
                key,
                range,
            } => self.add_values(target, columns, key, range),
            Place::Partner { edge, key } => {
                let known = self
                    .edges
                    .iter()
                    .position(|group| group.edge.is_same(&edge));
                let at = known.unwrap_or_else(|| {
                    self.edges.push(EdgeGroup {
                        edge,
                        members: ByKey::default(),
                    });
                    self.edges.len() - 1
                });
                self.edges[at]
                    .members
                    .entry(key)
                    .or_default()
                    .insert(target);
            }
        }
    }

    fn add_values(
        &mut self,
        target: Target,
        columns: Box<[usize]>,
        key: Box<[u8]>,
        range: Option<Range>,
    ) {
        let by_range = range.map(|range| (range.column, range.order));
        let at = self.group(&columns, by_range).unwrap_or_else(|| {
            self.groups.push(Group {
                columns,
                range: by_range,
                buckets: ByKey::default(),
            });
            self.groups.len() - 1
        });
        let bucket = self.groups[at]
            .buckets
            .entry(key)
            .or_insert_with(|| match range {
                Some(_) => Bucket::Intervals(Box::default()),
                None => Bucket::Members(Members::None),
            });
        match (bucket, range) {
            (Bucket::Intervals(intervals), Some(range)) => {
                intervals.insert(range.interval, target);
            }
            (Bucket::Members(members), _) => {
                members.insert(target);
            }
            // Groups differ by whether they have a range.
            (Bucket::Intervals(_), None) => {}
        }
    }

    fn group(&self, columns: &[usize], range: Option<(usize, Order)>) -> Option<usize> {
        let is_it = |group: &Group| *group.columns == *columns && group.range == range;
        self.groups.iter().position(is_it)
    }

    pub(super) fn remove(&mut self, target: Target, place: &Place) {
        match place {
            Place::Always => {
                self.always.remove(&target);
            }
            Place::Values {
                columns,
                key,
                range,
            } => self.remove_values(target, columns, key, *range),
            Place::Partner { edge, key } => {
                let Some(at) = self.edges.iter().position(|group| group.edge.is_same(edge)) else {
                    return;
                };
                let group = &mut self.edges[at];
                if let Some(members) = group.members.get_mut(key) {
                    members.remove(&target);
                    if members.is_empty() {
                        group.members.remove(key);
                    }
                }
                if group.members.is_empty() {
                    self.edges.swap_remove(at);
                }
            }
        }
    }

    fn remove_values(
        &mut self,
        target: Target,
        columns: &[usize],
        key: &[u8],
        range: Option<Range>,
    ) {
        let by_range = range.map(|range| (range.column, range.order));
        let Some(at) = self.group(columns, by_range) else {
            return;
        };
        let group = &mut self.groups[at];
        let is_empty = match (group.buckets.get_mut(key), range) {
            (Some(Bucket::Intervals(intervals)), Some(range)) => {
                intervals.remove(range.interval, target);
                intervals.is_empty()
            }
            (Some(Bucket::Members(members)), _) => {
                members.remove(&target);
                members.is_empty()
            }
            _ => false,
        };
        if is_empty {
            group.buckets.remove(key);
        }
        if group.buckets.is_empty() {
            self.groups.swap_remove(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.always.is_empty() && !self.has_filed()
    }

    /// Whether rows have to be looked at one by one to find the queries they concern.
    pub(super) fn has_filed(&self) -> bool {
        !self.groups.is_empty() || !self.edges.is_empty()
    }

    /// For looking up the rows of one transaction; `datastore` is the state after it.
    pub(super) fn finder<'a>(&'a self, delta: &'a TxDelta, datastore: &'a Datastore) -> Finder<'a> {
        let gone = self.edges.iter().map(|group| gone(&group.edge, delta));
        Finder {
            queries: self,
            datastore,
            gone: gone.collect(),
            key: Vec::new(),
            partner: Vec::new(),
        }
    }
}

/// The partners that the transaction deleted, by the column they are joined on.
fn gone<'a>(edge: &Edge, delta: &'a TxDelta) -> ByKey<Vec<&'a [u8]>> {
    let mut gone = ByKey::<Vec<&[u8]>>::default();
    let Some(change) = delta.table(edge.partner.id) else {
        return gone;
    };
    for bytes in change.deletes.iter() {
        let mut key = Vec::new();
        push_canonical(bytes, &edge.partner, edge.partner_column, &mut key);
        gone.entry(key.into()).or_default().push(bytes);
    }
    gone
}

/// Finds the queries that changed rows concern.
pub(super) struct Finder<'a> {
    queries: &'a TableQueries,
    datastore: &'a Datastore,
    /// Per edge.
    gone: Vec<ByKey<Vec<&'a [u8]>>>,
    key: Vec<u8>,
    partner: Vec<u8>,
}

impl Finder<'_> {
    /// Puts each target that the row can concern into `found`, once.
    pub(super) fn find(&mut self, bytes: &[u8], schema: &TableSchema, found: &mut Vec<Target>) {
        found.clear();
        for group in &self.queries.groups {
            write_key(bytes, schema, &group.columns, &mut self.key);
            match group.buckets.get(&*self.key) {
                None => {}
                Some(Bucket::Members(members)) => found.extend(members.iter()),
                Some(Bucket::Intervals(intervals)) => {
                    if let Some((column, order)) = group.range {
                        let row = OneRow { bytes, schema };
                        let value = number(order, row.column(Slot { table: 0, column }));
                        intervals.containing(value, &mut |target| found.push(target));
                    }
                }
            }
        }
        for position in 0..self.queries.edges.len() {
            self.find_by_partners(position, bytes, schema, found);
        }
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
    }

    fn find_by_partners(
        &mut self,
        position: usize,
        bytes: &[u8],
        schema: &TableSchema,
        found: &mut Vec<Target>,
    ) {
        let EdgeGroup { edge, members } = &self.queries.edges[position];
        let row = OneRow { bytes, schema };
        let own = row.column(Slot {
            table: 0,
            column: edge.own_column,
        });
        match self.datastore.index_point(edge.index, own) {
            Ok((table, rows)) => {
                for ptr in rows {
                    self.partner.clear();
                    self.datastore.read_row(table, ptr, &mut self.partner);
                    write_key(&self.partner, &edge.partner, &edge.columns, &mut self.key);
                    found.extend(members.get(&*self.key).into_iter().flat_map(Members::iter));
                }
            }
            // The index is gone: evaluating the queries will say so.
            Err(_) => found.extend(members.values().flat_map(Members::iter)),
        }
        let gone = &self.gone[position];
        if gone.is_empty() {
            return;
        }
        self.key.clear();
        push_canonical(bytes, schema, edge.own_column, &mut self.key);
        for partner in gone.get(&*self.key).into_iter().flatten() {
            write_key(partner, &edge.partner, &edge.columns, &mut self.key);
            found.extend(members.get(&*self.key).into_iter().flat_map(Members::iter));
        }
    }
}

fn write_key(bytes: &[u8], schema: &TableSchema, columns: &[usize], key: &mut Vec<u8>) {
    key.clear();
    for column in columns {
        push_canonical(bytes, schema, *column, key);
    }
}

/// Appends the bytes of a column, the same for equal values.
fn push_canonical(bytes: &[u8], schema: &TableSchema, column: usize, key: &mut Vec<u8>) {
    let value = &bytes[schema.layout.column_range(bytes, column)];
    match ColumnKind::of(&schema.columns[column].column_type).map(ColumnKind::order) {
        Some(order) if !order.equal_means_same_bytes() => {
            key.extend_from_slice(&order.canonical(value));
        }
        _ => key.extend_from_slice(value),
    }
}

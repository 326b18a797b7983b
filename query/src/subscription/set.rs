//! All subscribed queries of a database and who subscribes to them.
//!
//! Invariants
//!   * A query is here exactly as long as it has a subscriber.
//!   * Each changed row is filtered once per query that it can concern.
//!   * An update lists each subscriber once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, RowListBuilder, TableDelta, TableSchema, TxDelta};
use spacetime_types::TableId;

use super::maintain::join_delta;
use super::plan::{QueryHash, SubscriptionPlan, fixed_len};
use super::prune::TableQueries;
use crate::error::{ExecuteError, SqlError};
use crate::execute::visible_part;
use crate::predicate::{OneRow, Predicate};

/// A query of a [`SubscriptionSet`]. Ids are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// What one transaction changed in one query's result. The lists and the subscribers are shared:
/// encode the payload once per protocol and compression, and hand it to all subscribers.
#[derive(Clone, Debug)]
pub struct QueryUpdate<S> {
    pub query: QueryId,
    pub plan: Arc<SubscriptionPlan>,
    /// The table whose rows these are; its canonical name is the one for clients.
    pub table: Arc<TableSchema>,
    pub inserts: RowList,
    /// Always empty for event tables.
    pub deletes: RowList,
    pub subscribers: Arc<[S]>,
}

/// A query that could not be evaluated. Its subscribers must be told and removed.
#[derive(Debug)]
pub struct QueryFailure<S> {
    pub query: QueryId,
    pub plan: Arc<SubscriptionPlan>,
    pub error: ExecuteError,
    pub subscribers: Arc<[S]>,
}

/// The outcome of one transaction.
#[derive(Debug)]
pub struct Evaluation<S> {
    /// Only queries whose result changed, ascending by query id.
    pub updates: Vec<QueryUpdate<S>>,
    pub failures: Vec<QueryFailure<S>>,
}

#[derive(Debug)]
struct Query<S> {
    plan: Arc<SubscriptionPlan>,
    subscribers: BTreeSet<S>,
    /// The subscribers as the last update listed them, until they change.
    listed: Option<Arc<[S]>>,
}

/// The queries of one database. `S` names a subscriber: whatever must receive its own copy of the
/// updates, for instance a connection together with a query set's id.
#[derive(Debug)]
pub struct SubscriptionSet<S> {
    queries: BTreeMap<QueryId, Query<S>>,
    by_hash: HashMap<QueryHash, QueryId, FxBuildHasher>,
    by_table: HashMap<TableId, TableQueries, FxBuildHasher>,
    by_subscriber: BTreeMap<S, BTreeSet<QueryId>>,
    next: u64,
}

impl<S> Default for SubscriptionSet<S> {
    fn default() -> Self {
        SubscriptionSet {
            queries: BTreeMap::new(),
            by_hash: HashMap::default(),
            by_table: HashMap::default(),
            by_subscriber: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<S: Copy + Ord> SubscriptionSet<S> {
    /// No queries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a subscriber to the query that the plan means. The same query twice counts once.
    pub fn add(&mut self, subscriber: S, plan: impl Into<Arc<SubscriptionPlan>>) -> QueryId {
        let plan = plan.into();
        let query = match self.by_hash.get(&plan.hash()) {
            Some(query) => *query,
            None => self.insert(plan),
        };
        if let Some(entry) = self.queries.get_mut(&query)
            && entry.subscribers.insert(subscriber)
        {
            entry.listed = None;
            self.by_subscriber
                .entry(subscriber)
                .or_default()
                .insert(query);
        }
        query
    }

    fn insert(&mut self, plan: Arc<SubscriptionPlan>) -> QueryId {
        let query = QueryId(self.next);
        self.next += 1;
        self.by_hash.insert(plan.hash(), query);
        for (table, schema) in plan.select.plan.schemas.iter().enumerate() {
            let queries = self.by_table.entry(schema.id).or_default();
            queries.add(query, &plan.condition, table, schema);
        }
        let entry = Query {
            plan,
            subscribers: BTreeSet::new(),
            listed: None,
        };
        self.queries.insert(query, entry);
        query
    }

    /// Takes a subscriber from one query. Whether it was there.
    pub fn remove(&mut self, subscriber: S, query: QueryId) -> bool {
        let Some(entry) = self.queries.get_mut(&query) else {
            return false;
        };
        if !entry.subscribers.remove(&subscriber) {
            return false;
        }
        entry.listed = None;
        if let Some(queries) = self.by_subscriber.get_mut(&subscriber) {
            queries.remove(&query);
            if queries.is_empty() {
                self.by_subscriber.remove(&subscriber);
            }
        }
        if entry.subscribers.is_empty() {
            self.drop_query(query);
        }
        true
    }

    fn drop_query(&mut self, query: QueryId) {
        let Some(entry) = self.queries.remove(&query) else {
            return;
        };
        self.forget_hash(query, &entry.plan);
        self.unfile(query, &entry.plan);
    }

    /// After a refresh two queries may mean the same; the hash names only one of them.
    fn forget_hash(&mut self, query: QueryId, plan: &SubscriptionPlan) {
        if self.by_hash.get(&plan.hash()) == Some(&query) {
            self.by_hash.remove(&plan.hash());
        }
    }

    fn unfile(&mut self, query: QueryId, plan: &SubscriptionPlan) {
        for (table, schema) in plan.select.plan.schemas.iter().enumerate() {
            if let Some(queries) = self.by_table.get_mut(&schema.id) {
                queries.remove(query, &plan.condition, table, schema);
                if queries.is_empty() {
                    self.by_table.remove(&schema.id);
                }
            }
        }
    }

    /// Takes a subscriber from all its queries and names them.
    pub fn remove_subscriber(&mut self, subscriber: S) -> Vec<QueryId> {
        let queries: Vec<QueryId> = self.queries_of(subscriber).collect();
        for query in &queries {
            self.remove(subscriber, *query);
        }
        queries
    }

    /// The queries of a subscriber.
    pub fn queries_of(&self, subscriber: S) -> impl Iterator<Item = QueryId> + '_ {
        self.by_subscriber
            .get(&subscriber)
            .into_iter()
            .flatten()
            .copied()
    }

    /// The plan of a query.
    #[must_use]
    pub fn plan(&self, query: QueryId) -> Option<&Arc<SubscriptionPlan>> {
        self.queries.get(&query).map(|entry| &entry.plan)
    }

    /// The query that a hash names, if somebody subscribes to it.
    #[must_use]
    pub fn find(&self, hash: QueryHash) -> Option<QueryId> {
        self.by_hash.get(&hash).copied()
    }

    /// Number of distinct queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether nobody subscribes to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// What a committed transaction changed in the queries' results. `datastore` is the state
    /// right after the transaction.
    pub fn evaluate(&mut self, delta: &TxDelta, datastore: &Datastore) -> Evaluation<S> {
        let mut evaluation = Evaluation {
            updates: Vec::new(),
            failures: Vec::new(),
        };
        let mut lists = BTreeMap::new();
        let mut joins = BTreeSet::new();
        for table in &delta.tables {
            if let Some(queries) = self.by_table.get(&table.table) {
                self.filter_table(table, queries, &mut lists, &mut joins);
            }
        }
        let mut results: BTreeMap<QueryId, Result<(RowList, RowList), ExecuteError>> = lists
            .into_iter()
            .map(|(query, builders)| (query, Ok(builders.finish())))
            .collect();
        for query in joins {
            if let Some(entry) = self.queries.get(&query) {
                results.insert(query, join_delta(&entry.plan, delta, datastore));
            }
        }
        for (query, result) in results {
            self.report(query, result, &mut evaluation);
        }
        evaluation
    }

    /// Sorts the changed rows of a table into the queries over that table alone, and notes the
    /// joins that they can concern.
    fn filter_table(
        &self,
        delta: &TableDelta,
        queries: &TableQueries,
        lists: &mut BTreeMap<QueryId, Lists>,
        joins: &mut BTreeSet<QueryId>,
    ) {
        for query in &queries.always {
            let Some(plan) = self.plan(*query) else {
                continue;
            };
            if plan.select.plan.schemas.len() > 1 {
                joins.insert(*query);
            } else if plan.condition == Predicate::Always(true) && plan.select.returns_stored_rows()
            {
                lists.insert(
                    *query,
                    Lists::Shared(delta.inserts.clone(), delta.deletes.clone()),
                );
            } else {
                for (rows, is_insert) in [(&delta.inserts, true), (&delta.deletes, false)] {
                    for row in rows.iter() {
                        push_if_holds(*query, plan, row, is_insert, lists);
                    }
                }
            }
        }
        if !queries.has_values() {
            return;
        }
        for (rows, is_insert) in [(&delta.inserts, true), (&delta.deletes, false)] {
            for bytes in rows.iter() {
                let row = OneRow {
                    bytes,
                    schema: &delta.schema,
                };
                queries.find(row, &mut |query| match self.plan(query) {
                    Some(plan) if plan.select.plan.schemas.len() > 1 => {
                        joins.insert(query);
                    }
                    Some(plan) => push_if_holds(query, plan, bytes, is_insert, lists),
                    None => {}
                });
            }
        }
    }

    fn report(
        &mut self,
        query: QueryId,
        result: Result<(RowList, RowList), ExecuteError>,
        evaluation: &mut Evaluation<S>,
    ) {
        let Some(entry) = self.queries.get_mut(&query) else {
            return;
        };
        let is_unchanged =
            |(inserts, deletes): &(RowList, RowList)| inserts.is_empty() && deletes.is_empty();
        if result.as_ref().is_ok_and(is_unchanged) {
            return;
        }
        let subscribers = entry
            .listed
            .get_or_insert_with(|| entry.subscribers.iter().copied().collect());
        let subscribers = Arc::clone(subscribers);
        let plan = Arc::clone(&entry.plan);
        match result {
            Ok((inserts, deletes)) => evaluation.updates.push(QueryUpdate {
                query,
                table: Arc::clone(plan.table()),
                plan,
                inserts,
                deletes,
                subscribers,
            }),
            Err(error) => evaluation.failures.push(QueryFailure {
                query,
                plan,
                error,
                subscribers,
            }),
        }
    }

    /// Compiles the queries again whose tables or indexes changed. Call it after every schema
    /// change, before the next transaction is evaluated. Returns the queries that can no longer
    /// be compiled, with their former subscribers; they are removed.
    pub fn refresh(
        &mut self,
        datastore: &Datastore,
    ) -> Vec<(Arc<SubscriptionPlan>, Vec<S>, SqlError)> {
        let stale: Vec<QueryId> = self
            .queries
            .iter()
            .filter(|(_, entry)| !entry.plan.is_current(datastore))
            .map(|(query, _)| *query)
            .collect();
        let mut failed = Vec::new();
        for query in stale {
            let Some(entry) = self.queries.get(&query) else {
                continue;
            };
            let old = Arc::clone(&entry.plan);
            match SubscriptionPlan::compile(old.sql(), datastore, old.caller()) {
                Ok(plan) => self.replace(query, &old, plan),
                Err(error) => {
                    let subscribers: Vec<S> = entry.subscribers.iter().copied().collect();
                    for subscriber in &subscribers {
                        self.remove(*subscriber, query);
                    }
                    failed.push((old, subscribers, error));
                }
            }
        }
        failed
    }

    /// Gives a query its new plan. Its meaning may have moved to another hash.
    fn replace(&mut self, query: QueryId, old: &SubscriptionPlan, plan: SubscriptionPlan) {
        self.forget_hash(query, old);
        self.unfile(query, old);
        self.by_hash.insert(plan.hash(), query);
        for (table, schema) in plan.select.plan.schemas.iter().enumerate() {
            let queries = self.by_table.entry(schema.id).or_default();
            queries.add(query, &plan.condition, table, schema);
        }
        if let Some(entry) = self.queries.get_mut(&query) {
            entry.plan = Arc::new(plan);
        }
    }
}

/// The rows of a query's delta while they are collected.
enum Lists {
    Shared(RowList, RowList),
    Built {
        inserts: RowListBuilder,
        deletes: RowListBuilder,
    },
}

impl Lists {
    fn finish(self) -> (RowList, RowList) {
        match self {
            Lists::Shared(inserts, deletes) => (inserts, deletes),
            Lists::Built { inserts, deletes } => (inserts.finish(), deletes.finish()),
        }
    }
}

fn push_if_holds(
    query: QueryId,
    plan: &SubscriptionPlan,
    bytes: &[u8],
    is_insert: bool,
    lists: &mut BTreeMap<QueryId, Lists>,
) {
    let schema = plan.table();
    if !plan.condition.holds(&OneRow { bytes, schema }) {
        return;
    }
    let fixed = fixed_len(schema);
    let entry = lists.entry(query).or_insert_with(|| Lists::Built {
        inserts: RowListBuilder::new(fixed),
        deletes: RowListBuilder::new(fixed),
    });
    if let Lists::Built { inserts, deletes } = entry {
        let list = if is_insert { inserts } else { deletes };
        list.push(visible_part(schema, bytes));
    }
}

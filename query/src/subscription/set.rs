//! All subscribed queries of a database and who subscribes to them.
//!
//! Invariants
//!   * A query is here exactly as long as it has a subscriber.
//!   * A query is filed for every table that it reads, and queries of one shape share it.
//!   * An update lists each subscriber once.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, TableSchema, TxDelta};
use spacetime_types::TableId;

use super::evaluate::{Evaluator, Outcome};
use super::filing::places;
use super::members::Members;
use super::plan::{QueryHash, SubscriptionPlan};
use super::prune::{TableQueries, Target};
use super::shape::{Fragment, Shape};
use super::top::Window;
use crate::error::{ExecuteError, SqlError};
use crate::planted::{self, Bug};
use crate::rls;

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

/// What a query cost and delivered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Transactions that it was evaluated for because they could affect it.
    pub evaluations: u64,
    /// Transactions that changed its result.
    pub updates: u64,
    /// Rows of these changes, both directions, counted once however many subscribers got them.
    pub rows: u64,
}

#[derive(Debug)]
struct Query<S> {
    plan: Arc<SubscriptionPlan>,
    subscribers: Members<S>,
    /// The subscribers as the last update listed them, until they change.
    listed: Option<Arc<[S]>>,
    stats: QueryStats,
    /// Of a query with an order, since it was first evaluated.
    window: Option<Box<Window>>,
}

impl<S> Query<S> {
    /// What changes of the whole result mean for the rows that are delivered.
    fn delivered(&mut self, outcome: Outcome, datastore: &Datastore) -> Outcome {
        let (inserts, deletes) = outcome?;
        let Some(top) = &self.plan.top else {
            return Ok((inserts, deletes));
        };
        let changes = (&inserts, &deletes);
        let mut window = match self.window.take() {
            Some(window) => window,
            None => Box::new(Window::before(top, self.plan.table(), changes, datastore)?),
        };
        let shown = window.apply(&self.plan, top, changes, datastore)?;
        self.window = Some(window);
        Ok(shown)
    }
}

/// The queries of one database. `S` names a subscriber: whatever must receive its own copy of the
/// updates, for instance a connection together with a query set's id.
#[derive(Debug)]
pub struct SubscriptionSet<S> {
    queries: HashMap<QueryId, Query<S>, FxBuildHasher>,
    by_hash: HashMap<QueryHash, QueryId, FxBuildHasher>,
    by_table: HashMap<TableId, TableQueries, FxBuildHasher>,
    by_subscriber: HashMap<S, Members<QueryId>, FxBuildHasher>,
    shapes: HashMap<[u8; 32], Arc<Shape>, FxBuildHasher>,
    next: u64,
    /// Whether the transactions may yet be undone.
    is_tentative: bool,
    /// What the last transaction changed, for a planted bug only.
    before: Option<TxDelta>,
}

impl<S> Default for SubscriptionSet<S> {
    fn default() -> Self {
        SubscriptionSet {
            queries: HashMap::default(),
            by_hash: HashMap::default(),
            by_table: HashMap::default(),
            by_subscriber: HashMap::default(),
            shapes: HashMap::default(),
            next: 0,
            is_tentative: false,
            before: None,
        }
    }
}

impl<S: Copy + Ord + Hash> SubscriptionSet<S> {
    /// No queries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No queries; the transactions to be evaluated are still open and may yet be undone. Nothing
    /// is remembered of them: queries with ORDER BY and LIMIT report what changes their result
    /// without these.
    #[must_use]
    pub fn of_open_transactions() -> Self {
        SubscriptionSet {
            is_tentative: true,
            ..Self::default()
        }
    }

    /// Adds a subscriber to the query that the plan means. The same query twice counts once.
    pub fn add(&mut self, subscriber: S, plan: impl Into<Arc<SubscriptionPlan>>) -> QueryId {
        let plan = plan.into();
        let query = match self.by_hash.get(&plan.hash()) {
            Some(query) => *query,
            None => self.insert(&plan),
        };
        if let Some(entry) = self.queries.get_mut(&query)
            && entry.subscribers.insert(subscriber)
        {
            entry.listed = None;
            let queries = self.by_subscriber.entry(subscriber);
            queries.or_default().insert(query);
        }
        query
    }

    fn insert(&mut self, plan: &SubscriptionPlan) -> QueryId {
        let query = QueryId(self.next);
        self.next += 1;
        let plan = Arc::new(plan.kept(&mut |fragment| self.with_shared_shape(fragment)));
        self.by_hash.insert(plan.hash(), query);
        self.file(query, &plan);
        let entry = Query {
            plan,
            subscribers: Members::None,
            listed: None,
            stats: QueryStats::default(),
            window: None,
        };
        self.queries.insert(query, entry);
        query
    }

    fn with_shared_shape(&mut self, fragment: &Fragment) -> Fragment {
        let known = self.shapes.get(&fragment.shape.hash);
        // A shape of the same hash from before a schema change is another.
        let is_same = |known: &&Arc<Shape>| known.has_schemas_of(&fragment.shape);
        if let Some(shape) = known.filter(is_same) {
            return Fragment {
                shape: Arc::clone(shape),
                values: fragment.values.clone(),
            };
        }
        let shape = Arc::clone(&fragment.shape);
        self.shapes.insert(shape.hash, shape);
        fragment.clone()
    }

    /// Forgets shapes that no query has any more, when they may be many.
    fn forget_shapes(&mut self) {
        const UNUSED_MAX: usize = 16;
        if self.shapes.len() > self.queries.len() * 2 + UNUSED_MAX {
            self.shapes.retain(|_, shape| Arc::strong_count(shape) > 1);
        }
    }

    fn file(&mut self, query: QueryId, plan: &SubscriptionPlan) {
        for (target, table, fragment) in targets(query, plan) {
            let queries = self.by_table.entry(table).or_default();
            for place in places(fragment, usize::from(target.table)) {
                queries.add(target, place);
            }
        }
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
        } else if planted::is_on(Bug::UnsubscribeDropsShared) {
            let plan = Arc::clone(&entry.plan);
            self.unfile(query, &plan);
        }
        true
    }

    fn drop_query(&mut self, query: QueryId) {
        let Some(entry) = self.queries.remove(&query) else {
            return;
        };
        self.forget_hash(query, &entry.plan);
        self.unfile(query, &entry.plan);
        drop(entry);
        self.forget_shapes();
    }

    /// After a refresh two queries may mean the same; the hash names only one of them.
    fn forget_hash(&mut self, query: QueryId, plan: &SubscriptionPlan) {
        if self.by_hash.get(&plan.hash()) == Some(&query) {
            self.by_hash.remove(&plan.hash());
        }
    }

    fn unfile(&mut self, query: QueryId, plan: &SubscriptionPlan) {
        for (target, table, fragment) in targets(query, plan) {
            let Some(queries) = self.by_table.get_mut(&table) else {
                continue;
            };
            for place in places(fragment, usize::from(target.table)) {
                queries.remove(target, &place);
            }
            if queries.is_empty() {
                self.by_table.remove(&table);
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

    /// The queries of a subscriber, ascending.
    pub fn queries_of(&self, subscriber: S) -> impl Iterator<Item = QueryId> + '_ {
        let queries = self.by_subscriber.get(&subscriber);
        queries.into_iter().flat_map(Members::iter)
    }

    /// The plan of a query.
    #[must_use]
    pub fn plan(&self, query: QueryId) -> Option<&Arc<SubscriptionPlan>> {
        self.queries.get(&query).map(|entry| &entry.plan)
    }

    /// What a query cost and delivered since its first subscriber came.
    #[must_use]
    pub fn stats(&self, query: QueryId) -> Option<QueryStats> {
        self.queries.get(&query).map(|entry| entry.stats)
    }

    /// All queries with their number of subscribers and their costs, in no order.
    pub fn queries(&self) -> impl Iterator<Item = (QueryId, &SubscriptionPlan, usize, QueryStats)> {
        self.queries
            .iter()
            .map(|(query, entry)| (*query, &*entry.plan, entry.subscribers.len(), entry.stats))
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
        let outcomes = self.outcomes(delta, datastore);
        for (query, outcome) in outcomes {
            self.report(query, outcome, datastore, &mut evaluation);
        }
        self.repeat_before(delta, datastore, &mut evaluation);
        evaluation
    }

    fn outcomes(&self, delta: &TxDelta, datastore: &Datastore) -> Vec<(QueryId, Outcome)> {
        let mut evaluator = Evaluator::new(delta, datastore);
        let plan_of = |query| self.queries.get(&query).map(|entry| &*entry.plan);
        for table in &delta.tables {
            if let Some(queries) = self.by_table.get(&table.table) {
                evaluator.add_table(table, queries, &plan_of);
            }
        }
        evaluator.finish()
    }

    /// A planted bug: queries that are new since the last transaction get it once more.
    fn repeat_before(
        &mut self,
        delta: &TxDelta,
        datastore: &Datastore,
        evaluation: &mut Evaluation<S>,
    ) {
        if !planted::is_on(Bug::FirstUpdateOverlaps) {
            return;
        }
        if let Some(before) = self.before.replace(delta.clone()) {
            for (query, outcome) in self.outcomes(&before, datastore) {
                let is_new = |entry: &Query<S>| entry.stats.evaluations <= 1;
                if self.queries.get(&query).is_some_and(is_new) {
                    self.report(query, outcome, datastore, evaluation);
                }
            }
        }
    }

    fn report(
        &mut self,
        query: QueryId,
        outcome: Outcome,
        datastore: &Datastore,
        evaluation: &mut Evaluation<S>,
    ) {
        let Some(entry) = self.queries.get_mut(&query) else {
            return;
        };
        entry.stats.evaluations += 1;
        let outcome = match self.is_tentative {
            true => outcome,
            false => entry.delivered(outcome, datastore),
        };
        if let Ok((inserts, deletes)) = &outcome {
            let rows = inserts.len() + deletes.len();
            if rows == 0 {
                return;
            }
            entry.stats.updates += 1;
            entry.stats.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        }
        let subscribers = entry
            .listed
            .get_or_insert_with(|| entry.subscribers.iter().collect());
        let subscribers = Arc::clone(subscribers);
        let plan = Arc::clone(&entry.plan);
        match outcome {
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

    /// Compiles the queries again whose tables, indexes or visibility rules changed. Call it after
    /// every schema change, before the next transaction is evaluated. Returns the queries that can
    /// no longer be compiled, with their former subscribers; they are removed.
    pub fn refresh(
        &mut self,
        datastore: &Datastore,
    ) -> Vec<(Arc<SubscriptionPlan>, Vec<S>, SqlError)> {
        let rules = rls::stamp(datastore);
        let mut stale: Vec<QueryId> = self
            .queries
            .iter()
            .filter(|(_, entry)| !entry.plan.is_current_under(datastore, &rules))
            .map(|(query, _)| *query)
            .collect();
        stale.sort_unstable();
        let mut failed = Vec::new();
        for query in stale {
            let Some(entry) = self.queries.get(&query) else {
                continue;
            };
            let old = Arc::clone(&entry.plan);
            match SubscriptionPlan::compile(old.sql(), datastore, old.caller()) {
                Ok(plan) => self.replace(query, &old, &plan),
                Err(error) => {
                    let subscribers: Vec<S> = entry.subscribers.iter().collect();
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
    fn replace(&mut self, query: QueryId, old: &SubscriptionPlan, plan: &SubscriptionPlan) {
        self.forget_hash(query, old);
        self.unfile(query, old);
        let plan = Arc::new(plan.kept(&mut |fragment| self.with_shared_shape(fragment)));
        self.by_hash.insert(plan.hash(), query);
        self.file(query, &plan);
        if let Some(entry) = self.queries.get_mut(&query) {
            entry.plan = plan;
            entry.window = None;
        }
    }
}

/// The tables that a query is filed for.
fn targets(
    query: QueryId,
    plan: &SubscriptionPlan,
) -> impl Iterator<Item = (Target, TableId, &Fragment)> {
    (0..)
        .zip(&plan.fragments)
        .flat_map(move |(position, fragment)| {
            let schemas = (0..).zip(&fragment.shape.schemas);
            schemas.map(move |(table, schema)| {
                let target = Target {
                    query,
                    fragment: position,
                    table,
                };
                (target, schema.id, fragment)
            })
        })
}

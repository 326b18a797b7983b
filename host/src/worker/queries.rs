//! Queries of clients: asked once, or kept current.
//!
//! Invariants
//!   * The rows that a client gets when it subscribes and the updates that follow meet exactly:
//!     both are made on this thread, between two transactions.
//!   * v1 clients count a query once however many of their subscriptions name it; v2 clients get
//!     its rows once for every query set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use spacetime_query::{
    self as query, QueryId, RowBuffer, Statement, SubscriptionPlan, execute_change, execute_select,
};
use spacetime_table::{Datastore, RowList, TableAccess, TableKind, TxDelta};
use spacetime_types::{ConnectionId, ProductType};
use tokio::sync::oneshot;

use super::Worker;
use super::calls::{StepError, Transaction};
use crate::limits::{QUERIES_PER_SET_MAX, QUERY_SETS_PER_CLIENT_MAX};
use crate::outbox::{
    ClientUpdate, OutboxMessage, QuerySetId, ReducerOutcome, RequestId, TableChange,
};
use crate::request::{Caller, ClientId};
use crate::sql::{SqlError, SqlResult, SqlStats};

/// The query sets of one client.
pub(super) type ClientSubscriptions = BTreeMap<QuerySetId, Vec<QueryId>>;

/// Whoever receives its own copy of a query's updates.
pub(super) type Subscriber = (ClientId, QuerySetId);

const VIEWS_UNSUPPORTED: &str = "views are not supported by this server";

impl QuerySetId {
    /// v1 protocols know no query sets in updates: one client, one copy.
    fn is_v1(self) -> bool {
        !matches!(self, QuerySetId::Set(_))
    }
}

impl Worker {
    pub(super) fn subscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        queries: &[Box<str>],
    ) {
        let started = Instant::now();
        let result = self.try_subscribe(client, query_set, queries);
        let duration_micros = micros_since(started);
        let message = match result {
            Ok(rows) => OutboxMessage::SubscribeApplied {
                request_id,
                query_set,
                rows,
                duration_micros,
            },
            Err(error) => OutboxMessage::SubscriptionError {
                request_id: Some(request_id),
                query_set: Some(query_set),
                error,
                duration_micros,
            },
        };
        self.send(client, message);
    }

    fn try_subscribe(
        &mut self,
        client: ClientId,
        query_set: QuerySetId,
        queries: &[Box<str>],
    ) -> Result<Vec<Arc<TableChange>>, Box<str>> {
        let Some(known) = self.clients.get(&client) else {
            return Err("not connected".into());
        };
        if query_set != QuerySetId::Legacy && known.subscriptions.contains_key(&query_set) {
            let text = format!(
                "Subscription with id {query_set:?} already exists for client: {}",
                known.caller.identity.to_hex()
            );
            return Err(text.into());
        }
        if known.subscriptions.len() >= QUERY_SETS_PER_CLIENT_MAX {
            return Err(format!("more than {QUERY_SETS_PER_CLIENT_MAX} subscriptions").into());
        }
        let event_tables = known.event_tables;
        let caller = self.query_caller(&known.caller);
        let plans = self.compile_all(queries, &caller, event_tables)?;
        if query_set == QuerySetId::Legacy {
            self.remove_set(client, query_set);
        }
        self.add_set(client, query_set, plans)
    }

    fn query_caller(&self, caller: &Caller) -> query::Caller {
        query::Caller {
            identity: caller.identity,
            is_owner: caller.identity == self.shared.owner,
        }
    }

    fn compile_all(
        &self,
        queries: &[Box<str>],
        caller: &query::Caller,
        event_tables: bool,
    ) -> Result<Vec<SubscriptionPlan>, Box<str>> {
        let datastore = self.store.datastore();
        let mut plans = Vec::new();
        for sql in expand(queries, datastore, caller) {
            if plans.len() >= QUERIES_PER_SET_MAX {
                return Err(format!("more than {QUERIES_PER_SET_MAX} queries in one set").into());
            }
            let with_text = |error: &dyn std::fmt::Display| -> Box<str> {
                format!("{error}, executing: `{sql}`").into()
            };
            let plan = SubscriptionPlan::compile(&sql, datastore, caller)
                .map_err(|error| with_text(&error))?;
            if plan
                .select()
                .plan()
                .tables()
                .iter()
                .any(|table| table.view.is_some())
            {
                return Err(with_text(&VIEWS_UNSUPPORTED));
            }
            if plan.table().is_event && !event_tables {
                let text = "Subscribing to event tables requires WebSocket v2.";
                return Err(with_text(&text));
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// Subscribes to compiled queries and gives their present rows. Evaluates before it subscribes,
    /// so that a query that fails leaves nothing behind.
    fn add_set(
        &mut self,
        client: ClientId,
        query_set: QuerySetId,
        plans: Vec<SubscriptionPlan>,
    ) -> Result<Vec<Arc<TableChange>>, Box<str>> {
        let mut seen = Vec::with_capacity(plans.len());
        let mut rows = Vec::new();
        for plan in &plans {
            let is_repeated = seen.contains(&plan.hash());
            seen.push(plan.hash());
            if is_repeated || self.is_held_elsewhere(client, query_set, plan) {
                continue;
            }
            let change = self.initial_rows(plan)?;
            // Queries over an empty table are left out.
            if !plan.reads_an_empty_table(self.store.datastore()) {
                rows.push(change);
            }
        }
        let mut ids = Vec::with_capacity(plans.len());
        for plan in plans {
            let id = self.subscriptions.add((client, query_set), plan);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.subscriptions.insert(query_set, ids);
        }
        Ok(rows)
    }

    /// Whether a v1 client holds the query's rows already through another subscription. The legacy
    /// set is apart: it always comes with all its rows.
    fn is_held_elsewhere(
        &self,
        client: ClientId,
        query_set: QuerySetId,
        plan: &SubscriptionPlan,
    ) -> bool {
        let is_deduplicated =
            |set: &QuerySetId| matches!(set, QuerySetId::Single(_) | QuerySetId::Multi(_));
        if !is_deduplicated(&query_set) {
            return false;
        }
        let (Some(id), Some(client)) = (
            self.subscriptions.find(plan.hash()),
            self.clients.get(&client),
        ) else {
            return false;
        };
        let others = client
            .subscriptions
            .iter()
            .filter(|(set, _)| **set != query_set);
        others
            .filter(|(set, _)| is_deduplicated(set))
            .any(|(_, queries)| queries.contains(&id))
    }

    fn initial_rows(&self, plan: &SubscriptionPlan) -> Result<Arc<TableChange>, Box<str>> {
        let rows = plan.initial_rows(self.store.datastore());
        let rows = rows.map_err(|error| -> Box<str> {
            format!("{error}, executing: `{}`", plan.sql()).into()
        })?;
        let table = plan.table();
        Ok(Arc::new(TableChange::new(
            table.id,
            Arc::clone(&table.name),
            table.is_event,
            rows,
            RowList::default(),
        )))
    }

    pub(super) fn unsubscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        send_dropped_rows: bool,
    ) {
        let started = Instant::now();
        let result = self.try_unsubscribe(client, query_set, send_dropped_rows);
        let duration_micros = micros_since(started);
        let message = match result {
            Ok(rows) => OutboxMessage::UnsubscribeApplied {
                request_id,
                query_set,
                rows,
                duration_micros,
            },
            Err(error) => OutboxMessage::SubscriptionError {
                request_id: Some(request_id),
                query_set: Some(query_set),
                error,
                duration_micros,
            },
        };
        self.send(client, message);
    }

    fn try_unsubscribe(
        &mut self,
        client: ClientId,
        query_set: QuerySetId,
        send_dropped_rows: bool,
    ) -> Result<Option<Vec<Arc<TableChange>>>, Box<str>> {
        let sets = self
            .clients
            .get(&client)
            .map(|client| &client.subscriptions);
        let Some(queries) = sets.and_then(|sets| sets.get(&query_set)).cloned() else {
            return Err(format!("Subscription not found: {query_set:?}").into());
        };
        let mut rows = Vec::new();
        let mut failure = None;
        for id in queries {
            let Some(plan) = self.subscriptions.plan(id).map(Arc::clone) else {
                continue;
            };
            let is_kept = self.is_held_elsewhere(client, query_set, &plan);
            if !send_dropped_rows || is_kept {
                continue;
            }
            match self.initial_rows(&plan) {
                Ok(change) if !change.inserts.is_empty() => rows.push(change),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        self.remove_set(client, query_set);
        match failure {
            Some(error) => Err(error),
            None => Ok(send_dropped_rows.then_some(rows)),
        }
    }

    fn remove_set(&mut self, client: ClientId, query_set: QuerySetId) {
        self.subscriptions.remove_subscriber((client, query_set));
        if let Some(client) = self.clients.get_mut(&client) {
            client.subscriptions.remove(&query_set);
        }
    }

    pub(super) fn drop_subscriptions(&mut self, client: ClientId, sets: &ClientSubscriptions) {
        for query_set in sets.keys() {
            self.subscriptions.remove_subscriber((client, *query_set));
        }
    }

    /// What a transaction means to each client that subscribes to something it changed.
    pub(super) fn client_updates(&mut self, delta: &TxDelta) -> Vec<(ClientId, ClientUpdate)> {
        if self.subscriptions.is_empty() || delta.is_empty() {
            return Vec::new();
        }
        let evaluation = self.subscriptions.evaluate(delta, self.store.datastore());
        for failure in evaluation.failures {
            let error: Box<str> =
                format!("{}, executing: `{}`", failure.error, failure.plan.sql()).into();
            for (client, query_set) in failure.subscribers.iter() {
                self.fail_set(*client, *query_set, error.clone());
            }
        }
        let mut updates: FxHashMap<ClientId, ClientUpdate> = FxHashMap::default();
        for update in evaluation.updates {
            let change = Arc::new(TableChange::new(
                update.table.id,
                Arc::clone(&update.table.name),
                update.table.is_event,
                update.inserts,
                update.deletes,
            ));
            let mut last_v1 = None;
            for (client, query_set) in update.subscribers.iter() {
                if query_set.is_v1() && last_v1.replace(*client) == Some(*client) {
                    continue;
                }
                let own = updates.entry(*client).or_default();
                own.push((*query_set, Arc::clone(&change)));
            }
        }
        let mut updates: Vec<(ClientId, ClientUpdate)> = updates.into_iter().collect();
        for (_, update) in &mut updates {
            update.sort_by(|(set_a, a), (set_b, b)| {
                set_a
                    .cmp(set_b)
                    .then_with(|| a.table_name.cmp(&b.table_name))
            });
        }
        updates
    }

    /// A query that can no longer be evaluated ends its set; the client is told first.
    fn fail_set(&mut self, client: ClientId, query_set: QuerySetId, error: Box<str>) {
        self.remove_set(client, query_set);
        let message = OutboxMessage::SubscriptionError {
            request_id: None,
            query_set: Some(query_set),
            error,
            duration_micros: 0,
        };
        self.send(client, message);
    }

    /// After the schema changed, queries are compiled anew; those that no longer can be end.
    pub(super) fn refresh_subscriptions(&mut self) {
        let failed = self.subscriptions.refresh(self.store.datastore());
        for (plan, subscribers, error) in failed {
            let error: Box<str> = format!("{error}, executing: `{}`", plan.sql()).into();
            for (client, query_set) in subscribers {
                self.fail_set(client, query_set, error.clone());
            }
        }
    }

    pub(super) fn one_off(&mut self, client: ClientId, message_id: Bytes, sql: &str) {
        let started = Instant::now();
        let Some(known) = self.clients.get(&client) else {
            return;
        };
        let caller = self.query_caller(&known.caller);
        let result = self.run_one_off(sql, &caller);
        let duration_micros = micros_since(started);
        self.send(
            client,
            OutboxMessage::OneOffResult {
                message_id,
                result,
                duration_micros,
            },
        );
    }

    fn run_one_off(&self, sql: &str, caller: &query::Caller) -> Result<Arc<TableChange>, Box<str>> {
        let datastore = self.store.datastore();
        let text = |error: &dyn std::fmt::Display| -> Box<str> { error.to_string().into() };
        let select = SubscriptionPlan::compile_one_off(sql, datastore, caller)
            .map_err(|error| text(&error))?;
        let tables = select.plan().tables();
        if tables.iter().any(|table| table.view.is_some()) {
            return Err(VIEWS_UNSUPPORTED.into());
        }
        let table = select.returned_table().or(tables.first()).map(Arc::clone);
        let table = table.ok_or("the query names no table")?;
        let mut rows = RowBuffer::new(None);
        execute_select(&select, datastore, &mut rows).map_err(|error| text(&error))?;
        Ok(Arc::new(TableChange::new(
            table.id,
            Arc::clone(&table.name),
            table.is_event,
            rows.finish(),
            RowList::default(),
        )))
    }

    /// A statement over HTTP. The answer waits for the disk on another thread, if it waits.
    pub(super) fn sql(
        &mut self,
        caller: &Caller,
        text: &str,
        confirmed: bool,
        reply: oneshot::Sender<Result<Vec<SqlResult>, SqlError>>,
    ) {
        let mut needs = None;
        let result = match self.run_connected(caller) {
            Ok(()) => {
                let result = self.run_sql(caller, text);
                needs = self.store.last_offset();
                self.run_disconnected(caller);
                result
            }
            Err(error) => Err(SqlError::Connect(error)),
        };
        match (result, needs) {
            (Ok(results), Some(offset)) if confirmed && !self.store.is_durable(offset) => {
                let durable = self.store.durable_waiter();
                self.shared.runtime.spawn_blocking(move || {
                    let _ = reply.send(match durable.wait(offset) {
                        Ok(()) => Ok(results),
                        Err(error) => Err(SqlError::NotDurable(error.to_string().into())),
                    });
                });
            }
            (result, _) => {
                let _ = reply.send(result);
            }
        }
    }

    fn run_sql(&mut self, caller: &Caller, text: &str) -> Result<Vec<SqlResult>, SqlError> {
        let started = Instant::now();
        let query_caller = self.query_caller(caller);
        let statement = query::compile(text, self.store.datastore(), &query_caller)?;
        match statement {
            Statement::Select(select) => {
                if select
                    .plan()
                    .tables()
                    .iter()
                    .any(|table| table.view.is_some())
                {
                    return Err(SqlError::Execute(VIEWS_UNSUPPORTED.into()));
                }
                let mut rows = RowBuffer::new(None);
                execute_select(&select, self.store.datastore(), &mut rows)
                    .map_err(|error| SqlError::Execute(error.to_string().into()))?;
                Ok(vec![SqlResult {
                    columns: select.result_type().clone(),
                    rows: rows.finish(),
                    stats: SqlStats::default(),
                    duration_micros: micros_since(started),
                }])
            }
            Statement::Change(change) => {
                if caller.identity != self.shared.owner {
                    return Err(SqlError::NotOwner(caller.identity));
                }
                let stats = self.run_change(caller, &change)?;
                Ok(vec![SqlResult {
                    columns: ProductType::default(),
                    rows: RowList::default(),
                    stats,
                    duration_micros: micros_since(started),
                }])
            }
        }
    }

    fn run_change(
        &mut self,
        caller: &Caller,
        change: &query::ChangePlan,
    ) -> Result<SqlStats, SqlError> {
        let mut stats = SqlStats::default();
        let transaction = Transaction {
            sender: caller.identity,
            connection_id: ConnectionId::default(),
            reducer: None,
            args: Bytes::new(),
            log_name: "sql",
        };
        let write = |datastore: &mut Datastore| -> Result<(), StepError> {
            let done = execute_change(change, datastore)?;
            stats = SqlStats {
                rows_inserted: done.inserted,
                rows_deleted: done.deleted,
                rows_updated: done.updated,
            };
            Ok(())
        };
        let ran = self.run_transaction(&transaction, write, |_| Ok(()));
        match ran.outcome {
            ReducerOutcome::Committed => {}
            ReducerOutcome::OutOfBudget => unreachable!("no reducer ran"),
            ReducerOutcome::Failed(message)
            | ReducerOutcome::Refused(message)
            | ReducerOutcome::Fatal(message) => return Err(SqlError::Execute(message)),
        }
        self.publish_delta(ran.delta, None);
        Ok(stats)
    }
}

/// `SELECT * FROM *` stands for every user table that the caller may read, event tables apart.
fn expand(queries: &[Box<str>], datastore: &Datastore, caller: &query::Caller) -> Vec<String> {
    let mut expanded = Vec::with_capacity(queries.len());
    for sql in queries {
        let words: Vec<String> = sql
            .split_whitespace()
            .take(5)
            .map(str::to_lowercase)
            .collect();
        if words != ["select", "*", "from", "*"] {
            expanded.push(sql.to_string());
            continue;
        }
        let is_meant = |table: &&Arc<spacetime_table::TableSchema>| {
            table.kind == TableKind::User
                && !table.is_event
                && table.view.is_none()
                && (table.access == TableAccess::Public || caller.is_owner)
        };
        for table in datastore.tables().filter(is_meant) {
            expanded.push(format!(
                "SELECT * FROM \"{}\"",
                table.name.replace('"', "\"\"")
            ));
        }
    }
    expanded
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

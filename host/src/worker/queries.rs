//! Queries of clients that are kept current.
//!
//! Invariants
//!   * The rows that a client gets when it subscribes and the updates that follow meet exactly: the
//!     set is registered and the state to read is fixed on this thread, between two transactions.
//!     Many rows are read by another thread (see `reading`); their place in the client's queue is
//!     kept free.
//!   * v1 clients count a query once however many of their subscriptions name it; v2 clients get
//!     its rows once for every query set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use spacetime_query::{self as query, QueryId, SubscriptionPlan};
use spacetime_table::{Datastore, TableAccess, TableKind, TxDelta};
use spacetime_types::Identity;

use super::Worker;
use super::grouping::client_updates;
use super::reading::{FirstRows, is_dropped, is_first, read_changes};
use crate::counters::add;
use crate::module_log::{Level, Record};
use crate::outbox::{
    About, ClientUpdate, OutboxMessage, Outgoing, QuerySetId, RequestId, SetSerial, TableChange,
};
use crate::reads::micros_of;
use crate::request::{Caller, ClientId};

/// The query sets of one client.
pub(super) type ClientSubscriptions = BTreeMap<QuerySetId, QuerySet>;

/// A registered query set.
#[derive(Debug)]
pub(super) struct QuerySet {
    pub(super) serial: SetSerial,
    queries: Vec<QueryId>,
    /// Whether its first rows are known to be on their way to the client.
    applied: Arc<AtomicBool>,
}

/// Whoever receives its own copy of a query's updates.
pub(super) type Subscriber = (ClientId, QuerySetId);

impl Worker {
    pub(super) fn subscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        queries: &[Box<str>],
    ) {
        let started = Instant::now();
        add(&self.shared.counters.subscribes, 1);
        if let Err(error) = self.try_subscribe(client, request_id, query_set, queries, started) {
            add(&self.shared.counters.subscribe_errors, 1);
            let error = OutboxMessage::SubscriptionError {
                request_id: Some(request_id),
                query_set: Some(query_set),
                error,
                duration_micros: micros_since(started),
            };
            self.send(client, error);
        }
    }

    fn try_subscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        queries: &[Box<str>],
        started: Instant,
    ) -> Result<(), Box<str>> {
        let Some(known) = self.clients.get(&client) else {
            return Err("not connected".into());
        };
        if query_set != QuerySetId::Legacy && known.subscriptions.contains_key(&query_set) {
            let client = client_text(&known.caller);
            let text =
                format!("Subscription with id {query_set} already exists for client: {client}");
            return Err(text.into());
        }
        let limits = self.shared.client_limits;
        if known.subscriptions.len() >= limits.query_sets {
            return Err(format!("more than {} subscriptions", limits.query_sets).into());
        }
        let is_other = |(set, _): &(&QuerySetId, &QuerySet)| **set != query_set;
        let held = known.subscriptions.iter().filter(is_other);
        let held: usize = held.map(|(_, set)| set.queries.len()).sum();
        let room = limits.queries.saturating_sub(held);
        let event_tables = known.event_tables;
        let caller = self.query_caller(&known.caller);
        // A single query of v1 is taken as it is.
        let expanded = match query_set {
            QuerySetId::Single(_) => queries.iter().map(|sql| Wanted::named(sql)).collect(),
            _ => expand(queries, self.store.datastore(), &caller),
        };
        let mut plans = self.compile_all(&expanded, &caller, event_tables, room)?;
        self.leave_out_failing_views(&mut plans, &expanded, caller.identity);
        let views = self.materialise(plans.iter().map(SubscriptionPlan::select), caller.identity);
        let views = views.map_err(|failure| failure.to_string())?;
        if query_set == QuerySetId::Legacy {
            self.remove_set(client, query_set);
        }
        self.begin_set(client, request_id, query_set, plans, started)?;
        for view in views {
            self.views.add_reader((client, query_set), view);
        }
        Ok(())
    }

    pub(super) fn query_caller(&self, caller: &Caller) -> query::Caller {
        query::Caller {
            identity: caller.identity,
            is_owner: caller.identity == self.shared.owner,
        }
    }

    fn compile_all(
        &self,
        queries: &[Wanted],
        caller: &query::Caller,
        event_tables: bool,
        room: usize,
    ) -> Result<Vec<SubscriptionPlan>, Box<str>> {
        let limits = self.shared.client_limits;
        let datastore = self.store.datastore();
        let mut plans = Vec::new();
        for Wanted { sql, .. } in queries {
            if plans.len() >= limits.queries_per_set {
                let text = format!("more than {} queries in one set", limits.queries_per_set);
                return Err(text.into());
            }
            if plans.len() >= room {
                let text = format!("more than {} queries of one client", limits.queries);
                return Err(text.into());
            }
            let with_text = |error: &dyn std::fmt::Display| -> Box<str> {
                format!("{error}, executing: `{sql}`").into()
            };
            let plan = SubscriptionPlan::compile(sql, datastore, caller)
                .map_err(|error| with_text(&error))?;
            if plan.table().is_event && !event_tables {
                let text = "Subscribing to event tables requires WebSocket v2. Please upgrade \
                            your client SDK and regenerate your module bindings.";
                return Err(with_text(&text));
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// Of the views that only `SELECT * FROM *` takes in, those that fail now are not taken in: the
    /// other tables are what the client is after. The module's log names them.
    fn leave_out_failing_views(
        &mut self,
        plans: &mut Vec<SubscriptionPlan>,
        queries: &[Wanted],
        caller: Identity,
    ) {
        assert_eq!(plans.len(), queries.len(), "each query was compiled");
        let mut wanted = queries.iter();
        plans.retain(|plan| {
            let is_named = wanted.next().is_none_or(|query| query.is_named);
            if is_named || plan.table().view.is_none() {
                return true;
            }
            match self.materialise([plan.select()], caller) {
                Ok(_) => true,
                Err(failure) => {
                    let text = format!("left out of `SELECT * FROM *`: {failure}");
                    let log = &self.shared.log;
                    log.append(&Record::host(Level::Warn, &text));
                    false
                }
            }
        });
    }

    /// Registers compiled queries and answers with their present rows, or has them read. If this
    /// fails, nothing is registered.
    fn begin_set(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        plans: Vec<SubscriptionPlan>,
        started: Instant,
    ) -> Result<(), Box<str>> {
        let plans: Vec<Arc<SubscriptionPlan>> = plans.into_iter().map(Arc::new).collect();
        let (wanted, shares_with) = self.rows_to_send(client, query_set, &plans);
        if self.is_small(wanted.iter().map(|plan| plan.select())) {
            let rows = self.read_here(&wanted, &is_first)?;
            let applied = OutboxMessage::SubscribeApplied {
                request_id,
                query_set,
                rows,
                duration_micros: micros_since(started),
            };
            let serial = self.add_set(client, query_set, plans, Arc::new(AtomicBool::new(true)));
            let about = About::Begin {
                query_set,
                serial,
                shares_with,
            };
            self.send_about(client, about, applied);
            return Ok(());
        }
        let (outbox, room) = (self.outbox_of(client), self.shared.readers.reserve());
        let room = room.map_err(|error| error.to_string())?;
        let outbox = outbox.ok_or("not connected")?;
        let known = self.clients.get(&client).ok_or("not connected")?;
        let caller = self.query_caller(&known.caller);
        let allowance = self.shared.readers.first_rows_of(&caller);
        let applied = Arc::new(AtomicBool::new(false));
        let serial = self.add_set(client, query_set, plans, Arc::clone(&applied));
        let about = About::Begin {
            query_set,
            serial,
            shares_with,
        };
        let lost = lost_answer(request_id, query_set);
        let (pending, slot) = outbox.pending(about, lost);
        self.send(client, Outgoing::Pending(pending));
        let read = FirstRows {
            client,
            request_id,
            query_set,
            serial,
            plans: wanted,
            view: Some(self.read_view()),
            allowance,
            started,
            applied,
            requests: Some(self.shared.requests.clone()),
            slot: Some(slot),
        };
        self.shared.readers.run(room, move || read.run());
        Ok(())
    }

    /// Of the plans of a new set those whose rows the client is sent, each once, and the sets whose
    /// rows stand for those of the others.
    fn rows_to_send(
        &self,
        client: ClientId,
        query_set: QuerySetId,
        plans: &[Arc<SubscriptionPlan>],
    ) -> (Vec<Arc<SubscriptionPlan>>, Vec<SetSerial>) {
        let mut seen = Vec::with_capacity(plans.len());
        let (mut wanted, mut shares_with) = (Vec::new(), Vec::new());
        for plan in plans {
            if seen.contains(&plan.hash()) {
                continue;
            }
            seen.push(plan.hash());
            match self.held_elsewhere(client, query_set, plan) {
                Some(holder) => shares_with.push(holder.serial),
                None => wanted.push(Arc::clone(plan)),
            }
        }
        (wanted, shares_with)
    }

    fn add_set(
        &mut self,
        client: ClientId,
        query_set: QuerySetId,
        plans: Vec<Arc<SubscriptionPlan>>,
        applied: Arc<AtomicBool>,
    ) -> SetSerial {
        let mut queries = Vec::with_capacity(plans.len());
        for plan in plans {
            let id = self.subscriptions.add((client, query_set), plan);
            if !queries.contains(&id) {
                queries.push(id);
            }
        }
        self.last_set += 1;
        let serial = SetSerial(self.last_set);
        let set = QuerySet {
            serial,
            queries,
            applied,
        };
        if let Some(client) = self.clients.get_mut(&client) {
            client.subscriptions.insert(query_set, set);
        }
        serial
    }

    /// The other subscription of a v1 client through which it has the query's rows already. The
    /// legacy set is apart: it always comes with all its rows.
    fn held_elsewhere(
        &self,
        client: ClientId,
        query_set: QuerySetId,
        plan: &SubscriptionPlan,
    ) -> Option<&QuerySet> {
        let is_deduplicated =
            |set: &QuerySetId| matches!(set, QuerySetId::Single(_) | QuerySetId::Multi(_));
        if !is_deduplicated(&query_set) {
            return None;
        }
        let id = self.subscriptions.find(plan.hash())?;
        let sets = self.clients.get(&client)?.subscriptions.iter();
        sets.filter(|(set, _)| **set != query_set && is_deduplicated(set))
            .map(|(_, set)| set)
            .find(|set| set.queries.contains(&id))
    }

    /// Reads few rows on this thread.
    fn read_here(
        &self,
        plans: &[Arc<SubscriptionPlan>],
        is_wanted: &dyn Fn(&SubscriptionPlan, &Datastore, &spacetime_table::RowList) -> bool,
    ) -> Result<Vec<Arc<TableChange>>, Box<str>> {
        let datastore = self.store.datastore();
        let mut read = |plan: &SubscriptionPlan| Ok(plan.initial_rows(datastore)?);
        read_changes(plans, datastore, &mut read, is_wanted)
    }

    /// Sends an answer that means something for the messages behind it.
    fn send_about(&mut self, client: ClientId, about: About, answer: OutboxMessage) {
        let is_plain = match &about {
            About::OneOff => true,
            About::Begin { shares_with, .. } => shares_with.is_empty(),
            About::End { .. } => false,
        };
        let outbox = self.outbox_of(client).filter(|_| !is_plain);
        match outbox {
            None => self.send(client, answer),
            Some(outbox) => {
                let lost = OutboxMessage::Closed {
                    reason: "an answer was lost".into(),
                };
                let (pending, slot) = outbox.pending(about, lost);
                slot.fill(answer);
                self.send(client, Outgoing::Pending(pending));
            }
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        send_dropped_rows: bool,
    ) {
        let started = Instant::now();
        let ended = self.try_unsubscribe(client, request_id, query_set, send_dropped_rows, started);
        if let Err(error) = ended {
            let error = OutboxMessage::SubscriptionError {
                request_id: Some(request_id),
                query_set: Some(query_set),
                error,
                duration_micros: micros_since(started),
            };
            self.send(client, error);
        }
    }

    fn try_unsubscribe(
        &mut self,
        client: ClientId,
        request_id: RequestId,
        query_set: QuerySetId,
        send_dropped_rows: bool,
        started: Instant,
    ) -> Result<(), Box<str>> {
        let Some(known) = self.clients.get(&client) else {
            return Err("not connected".into());
        };
        let Some(set) = known.subscriptions.get(&query_set) else {
            let client = client_text(&known.caller);
            return Err(format!("Subscription not found: ({client}, {query_set})").into());
        };
        let about = About::End { serial: set.serial };
        let is_applied = set.applied.load(Ordering::Acquire);
        let plans = set
            .queries
            .iter()
            .filter_map(|id| self.subscriptions.plan(*id));
        let dropped: Vec<Arc<SubscriptionPlan>> = plans
            .filter(|_| send_dropped_rows)
            .filter(|plan| self.held_elsewhere(client, query_set, plan).is_none())
            .map(Arc::clone)
            .collect();
        self.remove_set(client, query_set);
        let answer = move |rows| OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            rows,
            duration_micros: micros_since(started),
        };
        if self.is_small(dropped.iter().map(|plan| plan.select())) {
            let rows = self.read_here(&dropped, &is_dropped)?;
            let answer = answer(send_dropped_rows.then_some(rows));
            match is_applied {
                true => self.send(client, answer),
                false => self.send_about(client, about, answer),
            }
            return Ok(());
        }
        let (outbox, room) = (self.outbox_of(client), self.shared.readers.reserve());
        let room = room.map_err(|error| error.to_string())?;
        let outbox = outbox.ok_or("not connected")?;
        let (pending, slot) = outbox.pending(about, lost_answer(request_id, query_set));
        self.send(client, Outgoing::Pending(pending));
        let view = self.read_view();
        let mut allowance = self.shared.readers.allowance();
        self.shared.readers.run(room, move || {
            let mut read = |plan: &SubscriptionPlan| {
                let fixed = plan.fixed_row_len();
                allowance.select(plan.select(), fixed, &view, &|| !slot.is_abandoned())
            };
            let rows = read_changes(&dropped, &view, &mut read, &is_dropped);
            drop(view);
            slot.fill(match rows {
                Ok(rows) => answer(Some(rows)),
                Err(error) => OutboxMessage::SubscriptionError {
                    request_id: Some(request_id),
                    query_set: Some(query_set),
                    error,
                    duration_micros: micros_since(started),
                },
            });
        });
        Ok(())
    }

    pub(super) fn remove_set(&mut self, client: ClientId, query_set: QuerySetId) {
        self.subscriptions.remove_subscriber((client, query_set));
        self.views.remove_reader((client, query_set));
        if let Some(client) = self.clients.get_mut(&client) {
            client.subscriptions.remove(&query_set);
        }
    }

    pub(super) fn drop_subscriptions(&mut self, client: ClientId, sets: &ClientSubscriptions) {
        for query_set in sets.keys() {
            self.subscriptions.remove_subscriber((client, *query_set));
            self.views.remove_reader((client, *query_set));
        }
    }

    /// Tells every client that subscribes to something what a transaction changed of it, all but
    /// `caller`, whose part is returned.
    pub(super) fn tell_subscribers(
        &mut self,
        delta: &TxDelta,
        caller: Option<ClientId>,
    ) -> Arc<ClientUpdate> {
        if self.subscriptions.is_empty() || delta.is_empty() {
            return Arc::default();
        }
        let started = Instant::now();
        let evaluation = self.subscriptions.evaluate(delta, self.store.datastore());
        self.count_evaluation(&evaluation, started);
        for failure in evaluation.failures {
            let error: Box<str> =
                format!("{}, executing: `{}`", failure.error, failure.plan.sql()).into();
            for (client, query_set) in failure.subscribers.iter() {
                self.fail_set(*client, *query_set, error.clone());
            }
        }
        let (mut own, mut told) = (Arc::default(), 0);
        client_updates(evaluation.updates, &mut |client, update| {
            told += 1;
            if caller == Some(client) {
                own = Arc::clone(update);
            } else {
                let update = Arc::clone(update);
                self.send(client, OutboxMessage::TransactionUpdate { update });
            }
        });
        add(&self.shared.counters.updates, told);
        own
    }

    /// A query that can no longer be evaluated ends its set; the client is told first.
    pub(super) fn fail_set(&mut self, client: ClientId, query_set: QuerySetId, error: Box<str>) {
        let Some(known) = self.clients.get(&client) else {
            return;
        };
        if !known.subscriptions.contains_key(&query_set) {
            return;
        }
        // A v1 client is told without a name: it gives up everything that it subscribed to.
        let is_v1 = !known.event_tables;
        let ended: Vec<QuerySetId> = match is_v1 {
            true => known.subscriptions.keys().copied().collect(),
            false => vec![query_set],
        };
        for query_set in ended {
            self.remove_set(client, query_set);
        }
        let message = OutboxMessage::SubscriptionError {
            request_id: None,
            query_set: Some(query_set).filter(|_| !is_v1),
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
}

/// A client in error texts.
fn client_text(caller: &Caller) -> String {
    let (identity, connection) = (caller.identity.to_hex(), caller.connection_id.to_hex());
    format!("(Identity({identity}), ConnectionId({connection}))")
}

/// For whoever waits for an answer that nobody gives.
fn lost_answer(request_id: RequestId, query_set: QuerySetId) -> OutboxMessage {
    OutboxMessage::SubscriptionError {
        request_id: Some(request_id),
        query_set: Some(query_set),
        error: "the query failed".into(),
        duration_micros: 0,
    }
}

/// A query of a set.
struct Wanted {
    sql: String,
    /// Not part of `SELECT * FROM *`.
    is_named: bool,
}

impl Wanted {
    fn named(sql: &str) -> Wanted {
        Wanted {
            sql: sql.to_string(),
            is_named: true,
        }
    }
}

/// `SELECT * FROM *` stands for every user table that the caller may read, event tables apart.
fn expand(queries: &[Box<str>], datastore: &Datastore, caller: &query::Caller) -> Vec<Wanted> {
    let mut expanded = Vec::with_capacity(queries.len());
    for sql in queries {
        let words: Vec<String> = sql
            .split_whitespace()
            .take(5)
            .map(str::to_lowercase)
            .collect();
        if words != ["select", "*", "from", "*"] {
            expanded.push(Wanted::named(sql));
            continue;
        }
        let is_meant = |table: &&Arc<spacetime_table::TableSchema>| {
            (table.kind == TableKind::User || table.view.is_some())
                && !table.is_event
                && (table.access == TableAccess::Public || caller.is_owner)
        };
        // In one order, whatever was done before: the answer lists them in it.
        let mut tables: Vec<_> = datastore.tables().filter(is_meant).collect();
        tables.sort_unstable_by_key(|table| table.id);
        for table in tables {
            let name = table.name.replace('"', "\"\"");
            expanded.push(Wanted {
                sql: format!("SELECT * FROM \"{name}\""),
                is_named: false,
            });
        }
    }
    expanded
}

pub(super) fn micros_since(started: Instant) -> u64 {
    micros_of(started.elapsed())
}

//! Running views and keeping their results.
//!
//! Invariants
//!   * Before a query is evaluated, the instances that it reads are fresh.
//!   * Before a transaction commits, the instances that somebody subscribes to and that depend on
//!     what it changed are computed again, in it. One that fails does not fail the transaction: its
//!     rows go, and its subscribers are told.
//!   * Between two transactions an instance that is not fresh has no subscriber.
//!
//! Not here: who uses which instance (see `views`), and reading the rows (a view's table is read
//! like any other).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use spacetime_query::{self as query, Plan, SelectPlan, SqlError, SubscriptionPlan};
use spacetime_table::{RowList, TableSchema};
use spacetime_types::{ConnectionId, Identity, Timestamp};

use super::Worker;
use super::calls::{StepError, Transaction};
use super::queries::Subscriber;
use crate::module_log::{Level, Record};
use crate::reads::ReadError;
use crate::views::{
    InstanceId, InstanceKey, OutputError, ReadSet, Refresh, ViewOutput, change_rows, replace_rows,
    stored_row,
};
use crate::wasm::{CreateInstanceError, ViewCallError, ViewEnd, ViewInvocation};

/// Why a view has no rows to offer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ViewError {
    #[error("the module has no such view any more")]
    Unknown,
    #[error(transparent)]
    Instance(#[from] CreateInstanceError),
    #[error(transparent)]
    Call(#[from] ViewCallError),
    #[error("the view was stopped: {0}")]
    Trapped(&'static str),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("its query is not valid: {0}")]
    Query(#[from] SqlError),
    #[error("its query uses `:sender`")]
    QuerySender,
    #[error("its query reads `{0}`, which is a view or an event table")]
    QueryTable(Arc<str>),
    #[error("its query returns rows of `{0}`, which are not of the declared type")]
    QueryType(Arc<str>),
    #[error("its query failed: {0}")]
    QueryFailed(#[from] ReadError),
    #[error("the time for views of one transaction is used up")]
    NoTimeLeft,
}

/// A view that failed, as its users are told.
#[derive(Debug, thiserror::Error)]
#[error("Error materializing view `{view}`: {error}")]
pub(super) struct ViewFailure {
    view: Arc<str>,
    error: ViewError,
}

impl From<ViewFailure> for StepError {
    fn from(failure: ViewFailure) -> Self {
        StepError::new(format!(
            "Views evaluation did not complete successfully during database update: {failure}"
        ))
    }
}

/// An instance whose rows are as a module gave them that is about to take its place.
#[derive(Debug)]
pub(super) struct ComputedView {
    id: InstanceId,
    reads: ReadSet,
    query: Option<Arc<SubscriptionPlan>>,
}

/// A subscription that ended because a view failed.
pub(super) type FailedReader = (Subscriber, Box<str>);

impl Worker {
    /// Makes the rows of the views that queries read those that `caller` is to see. Returns the
    /// instances; a subscription adds itself as their reader.
    pub(super) fn materialise<'a>(
        &mut self,
        selects: impl IntoIterator<Item = &'a SelectPlan>,
        caller: Identity,
    ) -> Result<Vec<InstanceId>, ViewFailure> {
        let now = Instant::now();
        let mut ids = Vec::new();
        let plans = selects.into_iter().flat_map(SelectPlan::plans);
        for schema in plans.flat_map(Plan::tables) {
            if schema.view.is_some() {
                let view = self.module.view(&schema.name).map(Arc::clone);
                let view = view.ok_or_else(|| failure(schema, ViewError::Unknown))?;
                let key = InstanceKey {
                    table: schema.id,
                    sender: (!view.is_anonymous).then_some(caller),
                };
                ids.push(self.views.touch(key, now));
            }
        }
        let is_stale = |id: &InstanceId| !self.views.is_fresh(*id);
        let stale: Vec<InstanceId> = ids.iter().copied().filter(is_stale).collect();
        if stale.is_empty() {
            return Ok(ids);
        }
        self.store.datastore_mut().begin_tx();
        let mut result = Ok(ids);
        for id in stale {
            if self.views.is_fresh(id) {
                continue;
            }
            if let Err(failure) = self.run_view(id) {
                result = Err(failure);
                break;
            }
        }
        self.commit_views();
        result
    }

    /// Commits rows of views. They are not logged, so this does not take an offset.
    fn commit_views(&mut self) {
        let transaction = Transaction {
            sender: self.shared.identity,
            connection_id: ConnectionId::ZERO,
            reducer: None,
            args: Bytes::new(),
            log_name: "",
        };
        let (_, delta) = self.commit(&transaction, Timestamp::from_micros(0));
        self.publish_delta(delta, None);
    }

    /// Computes again what depends on the rows that the open transaction changed.
    pub(super) fn refresh_views(&mut self) {
        if self.views.is_empty() {
            return;
        }
        let affected = self.views.take_affected(self.store.datastore());
        self.run_views(affected);
    }

    /// Computes every instance that somebody subscribes to, in a transaction of its own: for a
    /// module that has taken the place of another.
    pub(super) fn rerun_views(&mut self) {
        let live = self.views.set_all_stale();
        if self.views.is_empty() {
            return;
        }
        self.store.datastore_mut().begin_tx();
        self.run_views(live.into_iter().map(|id| (id, Refresh::Run)));
        self.commit_views();
    }

    /// Computes instances inside the open transaction, all or nothing: for a module that is about
    /// to take the place of another. What is known of them is not changed before it has.
    pub(super) fn compute_followed(
        &mut self,
        ids: &[InstanceId],
    ) -> Result<Vec<ComputedView>, ViewFailure> {
        let limits = &self.shared.quota.limits;
        let deadline = Instant::now() + limits.init_time_max.max(limits.call_time_max);
        let mut computed = Vec::new();
        for &id in ids {
            let Some(key) = self.views.key(id) else {
                continue;
            };
            // Its table is gone, or is about to be another one: so are its readers.
            let Some(schema) = self.store.datastore().schema(key.table).map(Arc::clone) else {
                continue;
            };
            let result = match Instant::now() >= deadline {
                true => Err(ViewError::NoTimeLeft),
                false => self.compute_view(&schema, key),
            };
            let (reads, query) = result.map_err(|error| failure(&schema, error))?;
            computed.push(ComputedView { id, reads, query });
        }
        Ok(computed)
    }

    /// The module has taken its place: its results count, and those of dropped tables go.
    pub(super) fn keep_views(&mut self, computed: Vec<ComputedView>) {
        for view in computed {
            self.views.set_fresh(view.id, view.reads, view.query);
        }
        let datastore = self.store.datastore();
        let is_gone = |key: InstanceKey| datastore.schema(key.table).is_none();
        self.views.remove_those(is_gone);
    }

    fn run_views(&mut self, refreshes: impl IntoIterator<Item = (InstanceId, Refresh)>) {
        let deadline = Instant::now() + self.shared.quota.limits.call_time_max;
        for (id, refresh) in refreshes {
            let result = match refresh {
                _ if Instant::now() >= deadline => self.give_up(id, ViewError::NoTimeLeft),
                Refresh::Run => self.run_view(id),
                Refresh::Query {
                    plan,
                    inserts,
                    deletes,
                } => self.requery_view(id, &plan, &inserts, &deletes),
            };
            if let Err(failure) = result {
                let error: Box<str> = failure.to_string().into();
                let readers = self.views.readers(id).into_iter();
                self.failed_readers
                    .extend(readers.map(|reader| (reader, error.clone())));
            }
        }
    }

    /// Ends the subscriptions whose views have failed.
    pub(super) fn end_failed_readers(&mut self) {
        for ((client, query_set), error) in std::mem::take(&mut self.failed_readers) {
            // Two views of one set may have failed.
            let known = self.clients.get(&client);
            if known.is_some_and(|known| known.subscriptions.contains_key(&query_set)) {
                self.fail_set(client, query_set, error);
            }
        }
    }

    /// Computes an instance inside the open transaction. If that fails, it has no rows.
    fn run_view(&mut self, id: InstanceId) -> Result<(), ViewFailure> {
        let Some(key) = self.views.key(id) else {
            return Ok(());
        };
        let Some(schema) = self.store.datastore().schema(key.table).map(Arc::clone) else {
            self.views.remove(id);
            return Ok(());
        };
        let savepoint = self.store.datastore_mut().savepoint();
        match self.compute_view(&schema, key) {
            Ok((reads, query)) => {
                self.views.set_fresh(id, reads, query);
                Ok(())
            }
            Err(error) => {
                self.store.datastore_mut().rollback_to(savepoint);
                self.give_up(id, error)
            }
        }
    }

    /// Follows a change of the result of an instance's query; the function need not run.
    fn requery_view(
        &mut self,
        id: InstanceId,
        plan: &SubscriptionPlan,
        inserts: &RowList,
        deletes: &RowList,
    ) -> Result<(), ViewFailure> {
        let Some(key) = self.views.key(id) else {
            return Ok(());
        };
        let Some(schema) = self.store.datastore().schema(key.table).map(Arc::clone) else {
            return Ok(());
        };
        let hash = key.hash();
        let savepoint = self.store.datastore_mut().savepoint();
        let changed = if plan.is_set() {
            let datastore = self.store.datastore_mut();
            change_rows(datastore, &schema, &hash, inserts, deletes).map_err(ViewError::from)
        } else {
            // A row may be in the result more than once, and stays until the last one goes.
            self.rows_of_query(plan, &hash).and_then(|rows| {
                let datastore = self.store.datastore_mut();
                Ok(replace_rows(datastore, &schema, &hash, rows)?)
            })
        };
        changed.or_else(|error| {
            self.store.datastore_mut().rollback_to(savepoint);
            self.give_up(id, error)
        })
    }

    /// An instance without rows, and the reason in the log.
    fn give_up(&mut self, id: InstanceId, error: ViewError) -> Result<(), ViewFailure> {
        self.views.set_stale(id);
        let Some(key) = self.views.key(id) else {
            return Ok(());
        };
        let Some(schema) = self.store.datastore().schema(key.table).map(Arc::clone) else {
            return Ok(());
        };
        self.remove_rows(&schema, key);
        self.shared.log.append(&Record::host_for(
            Level::Error,
            &schema.name,
            &error.to_string(),
        ));
        Err(failure(&schema, error))
    }

    fn remove_rows(&mut self, schema: &TableSchema, key: InstanceKey) {
        let datastore = self.store.datastore_mut();
        let removed = replace_rows(datastore, schema, &key.hash(), Vec::new());
        if let Err(error) = removed {
            panic!("rows of view {} cannot be removed: {error}", schema.name);
        }
    }

    fn compute_view(
        &mut self,
        schema: &Arc<TableSchema>,
        key: InstanceKey,
    ) -> Result<(ReadSet, Option<Arc<SubscriptionPlan>>), ViewError> {
        let view = self.module.view(&schema.name).ok_or(ViewError::Unknown)?;
        let invocation = ViewInvocation {
            id: view.id,
            name: Arc::clone(&view.name),
            sender: key.sender,
        };
        self.module.prepare()?;
        let datastore = self.store.take_datastore();
        let (end, reads, datastore) = self.module.call_view(&invocation, datastore);
        self.store.put_datastore(datastore);
        let hash = key.hash();
        let output = match end {
            ViewEnd::Result(bytes) => ViewOutput::decode(&bytes, schema, &hash)?,
            ViewEnd::Rows(bytes) => ViewOutput::decode_plain(&bytes, schema, &hash)?,
            ViewEnd::Failed(error) => return Err(error.into()),
            ViewEnd::Trapped { out_of_time: true } => {
                return Err(ViewError::Trapped("its time limit is used up"));
            }
            ViewEnd::Trapped { .. } => return Err(ViewError::Trapped("see the log")),
        };
        let (rows, query) = match output {
            ViewOutput::Rows(rows) => (rows, None),
            ViewOutput::Query(sql) if sql.trim().is_empty() => (Vec::new(), None),
            ViewOutput::Query(sql) => {
                let plan = self.view_query(&sql, schema)?;
                (self.rows_of_query(&plan, &hash)?, Some(plan))
            }
        };
        replace_rows(self.store.datastore_mut(), schema, &hash, rows)?;
        Ok((reads, query))
    }

    /// A query that a view returned. It has the owner's rights.
    fn view_query(
        &self,
        sql: &str,
        schema: &TableSchema,
    ) -> Result<Arc<SubscriptionPlan>, ViewError> {
        let plan = compile_view_query(sql, self.store.datastore(), self.shared.owner)?;
        let returned = plan.table();
        let types = returned.columns.iter().map(|column| &column.column_type);
        let declared = schema.columns.iter().skip(1);
        if !types.eq(declared.map(|column| &column.column_type)) {
            return Err(ViewError::QueryType(Arc::clone(&returned.name)));
        }
        for table in plan.tables() {
            if table.view.is_some() || table.is_event {
                return Err(ViewError::QueryTable(Arc::clone(&table.name)));
            }
        }
        Ok(Arc::new(plan))
    }

    /// The rows of a view's query, as they are stored.
    fn rows_of_query(
        &self,
        plan: &SubscriptionPlan,
        hash: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, ViewError> {
        let limits = self.shared.quota.limits;
        let mut allowance = self.shared.readers.allowance_for(limits.view_time_max);
        let fixed = plan.fixed_row_len();
        let datastore = self.store.datastore();
        let rows = allowance.select(plan.select(), fixed, datastore, &|| true)?;
        Ok(rows.iter().map(|row| stored_row(hash, row)).collect())
    }

    /// Drops the instances that nobody used for long.
    pub(super) fn expire_views(&mut self) {
        let expired = self.views.expired(Instant::now());
        if expired.is_empty() {
            return;
        }
        self.store.datastore_mut().begin_tx();
        for id in expired {
            let key = self.views.key(id);
            let schema = key.and_then(|key| self.store.datastore().schema(key.table));
            if let (Some(key), Some(schema)) = (key, schema.map(Arc::clone)) {
                self.remove_rows(&schema, key);
            }
            self.views.remove(id);
        }
        self.commit_views();
    }
}

fn failure(schema: &TableSchema, error: ViewError) -> ViewFailure {
    ViewFailure {
        view: Arc::clone(&schema.name),
        error,
    }
}

/// A view's query must mean the same whoever asks.
fn compile_view_query(
    sql: &str,
    datastore: &spacetime_table::Datastore,
    owner: Identity,
) -> Result<SubscriptionPlan, ViewError> {
    let compile = |identity| {
        let caller = query::Caller {
            identity,
            is_owner: true,
        };
        SubscriptionPlan::compile(sql, datastore, &caller)
    };
    let plan = compile(owner)?;
    // The two identities differ, so a query that names the sender has two meanings.
    let other = match owner == Identity::ZERO {
        true => Identity::from_be_bytes([1; 32]),
        false => Identity::ZERO,
    };
    if sql.contains(":sender") && compile(other)?.hash() != plan.hash() {
        return Err(ViewError::QuerySender);
    }
    Ok(plan)
}

//! Views of the rows for reader threads, and the first rows of query sets that are read there.
//!
//! Invariants
//!   * A view is made only when a reader needs one, and shared by the readers that come before the
//!     next commit. The writer thread keeps none alive: while a view lives, the writer copies every
//!     page that it touches.
//!   * The writer thread never drops the last reference to a view, since that frees whatever only
//!     the view still held: it goes with the job to the reader thread.
//!   * If first rows cannot be read, the writer thread is told before the client is: whatever the
//!     client asks after it knows comes after the set is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use spacetime_query::SubscriptionPlan;
use spacetime_table::{Datastore, ReadView, RowList};
use tokio::sync::mpsc;

use super::Worker;
use super::queries::micros_since;
use crate::limits::INLINE_ROWS_MAX;
use crate::outbox::{
    AnswerSlot, Outbox, OutboxMessage, Outgoing, QuerySetId, RequestId, RowType, SetSerial,
    TableChange,
};
use crate::reads::{Allowance, ReadError};
use crate::request::{ClientId, Request};

/// The view of the present state, as long as a reader holds it.
#[derive(Debug, Default)]
pub(super) struct CurrentView(Weak<ReadView>);

impl CurrentView {
    /// The state is another one from now on.
    pub(super) fn outdate(&mut self) {
        self.0 = Weak::new();
    }
}

impl Worker {
    /// The rows as they are now, for a reader thread.
    pub(super) fn read_view(&mut self) -> Arc<ReadView> {
        if let Some(view) = self.view.0.upgrade() {
            return view;
        }
        let view = Arc::new(self.store.datastore().view());
        self.view.0 = Arc::downgrade(&view);
        view
    }

    /// Whether the plans together visit so few rows that they are better run here and now.
    pub(super) fn is_small<'a>(
        &self,
        plans: impl IntoIterator<Item = &'a spacetime_query::SelectPlan>,
    ) -> bool {
        let datastore = self.store.datastore();
        let left = plans.into_iter().try_fold(INLINE_ROWS_MAX, |left, plan| {
            Some(left - plan.rows_visited(datastore, left)?)
        });
        left.is_some()
    }

    pub(super) fn outbox_of(&self, client: ClientId) -> Option<Outbox> {
        self.clients
            .get(&client)
            .map(|client| client.outbox.clone())
    }

    /// The first rows of a set could not be read; the client knows.
    pub(super) fn first_rows_failed(
        &mut self,
        client: ClientId,
        query_set: QuerySetId,
        serial: SetSerial,
    ) {
        let sets = self
            .clients
            .get(&client)
            .map(|client| &client.subscriptions);
        let is_this = |sets: &super::queries::ClientSubscriptions| {
            sets.get(&query_set).is_some_and(|set| set.serial == serial)
        };
        if sets.is_some_and(is_this) {
            self.remove_set(client, query_set);
        }
        self.send(client, Outgoing::Forget(serial));
    }
}

/// The rows that the plans find in one state, as messages hold them. `is_wanted` tells which.
pub(super) fn read_changes(
    plans: &[Arc<SubscriptionPlan>],
    datastore: &Datastore,
    read: &mut dyn FnMut(&SubscriptionPlan) -> Result<RowList, ReadError>,
    is_wanted: &dyn Fn(&SubscriptionPlan, &Datastore, &RowList) -> bool,
) -> Result<Vec<Arc<TableChange>>, Box<str>> {
    let mut changes = Vec::with_capacity(plans.len());
    for plan in plans {
        let rows = read(plan).map_err(|error| -> Box<str> {
            format!("{error}, executing: `{}`", plan.sql()).into()
        })?;
        if !is_wanted(plan, datastore, &rows) {
            continue;
        }
        let table = plan.table();
        changes.push(Arc::new(TableChange::new(
            table.id,
            Arc::clone(&table.name),
            table.is_event,
            RowType::Query(Arc::clone(plan)),
            rows,
            RowList::default(),
        )));
    }
    Ok(changes)
}

/// Queries over an empty table are left out of a set's first rows.
pub(super) fn is_first(plan: &SubscriptionPlan, datastore: &Datastore, _rows: &RowList) -> bool {
    !plan.reads_an_empty_table(datastore)
}

/// Queries without rows are left out of what a client drops.
pub(super) fn is_dropped(_plan: &SubscriptionPlan, _datastore: &Datastore, rows: &RowList) -> bool {
    !rows.is_empty()
}

/// A set that is registered and whose first rows a reader thread reads.
pub(super) struct FirstRows {
    pub(super) client: ClientId,
    pub(super) request_id: RequestId,
    pub(super) query_set: QuerySetId,
    pub(super) serial: SetSerial,
    pub(super) plans: Vec<Arc<SubscriptionPlan>>,
    pub(super) view: Option<Arc<ReadView>>,
    pub(super) allowance: Allowance,
    pub(super) started: Instant,
    /// Set when the rows are there.
    pub(super) applied: Arc<AtomicBool>,
    pub(super) requests: Option<mpsc::WeakSender<Request>>,
    /// Taken when the answer is given; given at the latest when this is dropped.
    pub(super) slot: Option<AnswerSlot>,
}

impl FirstRows {
    pub(super) fn run(mut self) {
        let Some(view) = self.view.take() else {
            return;
        };
        let Some(slot) = &self.slot else {
            return;
        };
        let allowance = &mut self.allowance;
        let mut read = |plan: &SubscriptionPlan| {
            let fixed = plan.fixed_row_len();
            allowance.select(plan.select(), fixed, &view, &|| !slot.is_abandoned())
        };
        let rows = read_changes(&self.plans, &view, &mut read, &is_first);
        // Before the answer: the writer pays as long as the view is alive.
        drop(view);
        self.answer(rows, |requests, failed| {
            // A reader thread may wait: the writer thread never waits for one.
            let _ = requests.blocking_send(failed);
        });
    }

    fn answer(
        &mut self,
        rows: Result<Vec<Arc<TableChange>>, Box<str>>,
        send: impl FnOnce(&mpsc::Sender<Request>, Request),
    ) {
        let Some(slot) = self.slot.take() else {
            return;
        };
        let duration_micros = micros_since(self.started);
        let message = match rows {
            Ok(rows) => {
                self.applied.store(true, Ordering::Release);
                OutboxMessage::SubscribeApplied {
                    request_id: self.request_id,
                    query_set: self.query_set,
                    rows,
                    duration_micros,
                }
            }
            Err(error) => {
                let requests = self.requests.take().and_then(|weak| weak.upgrade());
                if let Some(requests) = requests.filter(|_| !slot.is_abandoned()) {
                    let failed = Request::FirstRowsFailed {
                        client: self.client,
                        query_set: self.query_set,
                        serial: self.serial,
                    };
                    send(&requests, failed);
                }
                OutboxMessage::SubscriptionError {
                    request_id: Some(self.request_id),
                    query_set: Some(self.query_set),
                    error,
                    duration_micros,
                }
            }
        };
        slot.fill(message);
    }
}

impl Drop for FirstRows {
    /// Only reached without an answer if reading panicked, or if the server ends. A full queue then
    /// leaves the set registered; the client's queue keeps its updates from the client.
    fn drop(&mut self) {
        self.answer(Err("the query failed".into()), |requests, failed| {
            let _ = requests.try_send(failed);
        });
    }
}

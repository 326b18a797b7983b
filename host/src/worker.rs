//! The writer thread of one database: it owns the rows, the module's instance and the
//! subscriptions, and takes requests one by one: those of one client in the order in which they
//! came, those of different clients in turn when many wait (see `intake`).
//!
//! Invariants
//!   * Between two requests no transaction is open.
//!   * What a request has to say to clients is collected and handed out after the batch it came
//!     in, in the order of the requests, so a client's task wakes once a batch.
//!   * A panic here ends this thread only; see `database` for what happens next.
//!
//! Not here: waiting for the disk (the durability thread), and encoding (the API).

mod calls;
mod clients;
mod embedded;
mod grouping;
mod intake;
mod module_swap;
mod observe;
mod one_off;
mod procedures;
mod queries;
mod reading;
mod schedule;
mod views;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use spacetime_query::SubscriptionSet;
use spacetime_types::{ConnectionId, Identity};
use tokio::sync::mpsc::{self, error::TryRecvError};

use self::clients::Client;
use self::intake::Intake;
use self::queries::Subscriber;
use self::reading::CurrentView;
use self::schedule::Schedule;
use self::views::FailedReader;
use crate::before_call::QuickReducers;
use crate::clock::Clock;
use crate::database::Shared;
use crate::limits::{BATCH_TIME_MAX, REQUEST_BATCH_LEN_MAX};
use crate::module::LiveModule;
use crate::outbox::{OutboxMessage, Outgoing};
use crate::pauses::PauseWatch;
use crate::release::Batch;
use crate::request::{ClientId, Request};
use crate::session_rows;
use crate::views::Views;
use spacetime_store::Store;

/// Nobody can send requests any more.
struct AllHandlesGone;

/// The state of a running database.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) module: LiveModule,
    pub(crate) clock: Clock,
    clients: FxHashMap<ClientId, Client>,
    /// Clients by the id of their connection.
    by_connection: FxHashMap<ConnectionId, ClientId>,
    subscriptions: SubscriptionSet<Subscriber>,
    schedule: Schedule,
    views: Views<Subscriber>,
    /// Subscriptions to end when the open transaction is over.
    failed_readers: Vec<FailedReader>,
    view: CurrentView,
    pauses: PauseWatch,
    quick_reducers: QuickReducers,
    /// The last serial number given to a query set.
    last_set: u64,
    /// The clients that the running batch has messages for.
    told: Vec<ClientId>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, store: Store, module: LiveModule) -> Worker {
        Worker {
            pauses: PauseWatch::new(shared.pauses.clone()),
            clock: Clock::new(shared.time.clone()),
            shared,
            store,
            module,
            clients: FxHashMap::default(),
            by_connection: FxHashMap::default(),
            subscriptions: SubscriptionSet::default(),
            schedule: Schedule::default(),
            views: Views::default(),
            failed_readers: Vec::new(),
            view: CurrentView::default(),
            quick_reducers: QuickReducers::default(),
            last_set: 0,
            told: Vec::new(),
        }
    }

    /// Cleans up after the last run, then serves requests until told to stop.
    pub(crate) fn run(&mut self, requests: &mut mpsc::Receiver<Request>) {
        self.disconnect_stale_clients();
        let now = self.clock.current();
        self.schedule.reload(self.store.datastore(), now);
        let mut intake = Intake::default();
        let mut batch = Vec::with_capacity(REQUEST_BATCH_LEN_MAX);
        loop {
            if self.gather(requests, &mut intake, &mut batch).is_err() {
                self.stop("the server has stopped");
                return;
            }
            self.pauses.begin();
            let started = Instant::now();
            for _ in 0..REQUEST_BATCH_LEN_MAX {
                let Some(request) = intake.next() else {
                    break;
                };
                if let Request::Stop { reason, reply } = request {
                    self.hand_out();
                    self.stop(&reason);
                    if let Some(reply) = reply {
                        let _ = reply.send(());
                    }
                    return;
                }
                self.handle(request);
                self.pauses.note();
                if started.elapsed() >= BATCH_TIME_MAX {
                    break;
                }
            }
            self.run_immediate_calls();
            self.run_due();
            self.expire_views();
            self.hand_out();
            self.pauses.note();
        }
    }

    /// Takes what waits, or waits for it if there is nothing to do.
    fn gather(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        intake: &mut Intake,
        batch: &mut Vec<Request>,
    ) -> Result<(), AllHandlesGone> {
        if intake.is_empty() {
            self.wait(requests, batch)?;
            let is_all = batch.len() < REQUEST_BATCH_LEN_MAX;
            intake.add(batch.drain(..));
            if is_all {
                return Ok(());
            }
        }
        while !intake.is_stopping() {
            match requests.try_recv() {
                Ok(request) if self.shared.client_limits.in_turn => intake.queue(request),
                Ok(request) => intake.add(std::iter::once(request)),
                // Handles that are gone show when there is nothing left to do.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Ok(())
    }

    /// Waits for requests, or until a scheduled row is due. Fails when every handle is gone.
    fn wait(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        batch: &mut Vec<Request>,
    ) -> Result<(), AllHandlesGone> {
        let received = if self.schedule.has_immediate() {
            match requests.try_recv() {
                Ok(request) => batch.push(request),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(AllHandlesGone),
            }
            1
        } else if let Some(wait) = self.time_to_wait() {
            let receive = requests.recv_many(batch, REQUEST_BATCH_LEN_MAX);
            // A runtime's timer, because the channel has no wait with a deadline for threads.
            match self
                .shared
                .runtime
                .block_on(async { tokio::time::timeout(wait, receive).await })
            {
                Ok(received) => received,
                Err(_due) => return Ok(()),
            }
        } else {
            requests.blocking_recv_many(batch, REQUEST_BATCH_LEN_MAX)
        };
        if received == 0 {
            Err(AllHandlesGone)
        } else {
            Ok(())
        }
    }

    /// How long there is nothing to do but requests; None if for ever.
    fn time_to_wait(&mut self) -> Option<Duration> {
        let due = self.schedule.next_due();
        let due = due.and_then(|due| self.clock.wait_for(due));
        let expiry = self.views.next_expiry();
        let expiry = expiry.map(|at| at.saturating_duration_since(Instant::now()));
        due.into_iter().chain(expiry).min()
    }

    /// One arm for everything that can happen. A reply that nobody waits for any more is dropped:
    /// whoever asked has gone away.
    fn handle(&mut self, request: Request) {
        assert!(
            !self.store.datastore().in_tx(),
            "a transaction is open between requests"
        );
        match request {
            Request::Connect { connect, reply } => {
                let client = self.connect(connect);
                if let Err(Ok(client)) = reply.send(client) {
                    self.disconnect(client);
                }
            }
            Request::Disconnect { client } => self.disconnect(client),
            Request::CallReducer {
                client,
                request_id,
                call,
            } => {
                self.call_reducer(client, request_id, &call);
            }
            Request::CallProcedure {
                client,
                request_id,
                name,
                args,
            } => {
                self.call_procedure(client, request_id, &name, &args);
            }
            Request::BeginTx(begin) => self.lend_rows(begin),
            Request::CallSoon(calls) => self.queue_immediate(calls),
            Request::ProcedureDone(done) => self.procedure_done(*done),
            Request::Subscribe {
                client,
                request_id,
                query_set,
                queries,
            } => {
                self.subscribe(client, request_id, query_set, &queries);
            }
            Request::Unsubscribe {
                client,
                request_id,
                query_set,
                send_dropped_rows,
            } => {
                self.unsubscribe(client, request_id, query_set, send_dropped_rows);
            }
            Request::FirstRowsFailed {
                client,
                query_set,
                serial,
            } => {
                self.first_rows_failed(client, query_set, serial);
            }
            Request::OneOff {
                client,
                message_id,
                query,
            } => {
                self.one_off(client, message_id, &query);
            }
            Request::CallOnce {
                caller,
                name,
                args,
                reply,
            } => {
                if self.is_procedure(&name) {
                    self.call_procedure_once(caller, &name, &args, reply);
                } else {
                    let _ = reply.send(self.call_once(&caller, &name, &args));
                }
            }
            Request::Sql {
                caller,
                text,
                confirmed,
                connects,
                reply,
            } => match connects {
                true => self.sql(&caller, &text, confirmed, reply),
                false => self.sql_unconnected(&caller, &text, confirmed, reply),
            },
            Request::Unsaved { reply } => {
                let last = self.store.last_offset();
                let unsaved = last.filter(|offset| !self.store.is_durable(*offset));
                let _ = reply.send(unsaved.map(|last| (last, self.store.durable_waiter())));
            }
            Request::Snapshot { least, reply } => {
                let tell = move |result| drop(reply.send(result));
                self.store.snapshot_if_behind(least, Box::new(tell));
            }
            Request::Gauges { busiest, reply } => {
                let _ = reply.send(self.gauges(busiest));
            }
            Request::Work { reply } => {
                let _ = reply.send(self.work());
            }
            Request::ScheduledRows { reply } => {
                let _ = reply.send(self.scheduled_rows());
            }
            Request::InsertRows { table, rows, reply } => {
                let _ = reply.send(self.insert_rows(&table, &rows));
            }
            Request::Update { update, reply } => {
                let _ = reply.send(self.update(&update));
            }
            Request::PreviewUpdate {
                update,
                style,
                reply,
            } => {
                let _ = reply.send(self.preview_update(&update, style));
            }
            Request::Program { reply } => {
                let module = session_rows::module(self.store.datastore());
                let _ = reply.send(module.map(|module| module.program_bytes.into()));
            }
            Request::Stop { .. } => unreachable!("`run` takes Stop itself"),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// Queues a message for a client; it leaves with the batch.
    fn send(&mut self, client: ClientId, message: impl Into<Outgoing>) {
        let Some(entry) = self.clients.get_mut(&client) else {
            return;
        };
        if entry.outgoing.is_empty() {
            self.told.push(client);
        }
        entry.outgoing.push(message.into());
    }

    /// Every client's messages leave together: one wake-up for each client and batch. Those that
    /// tell of transactions wait for the last one of the batch to be durable.
    fn hand_out(&mut self) {
        let mut held: Batch = Vec::new();
        let mut ready = Vec::new();
        for client in self.told.drain(..) {
            // A client that has gone since hears nothing any more.
            let Some(entry) = self.clients.get_mut(&client) else {
                continue;
            };
            let messages = std::mem::take(&mut entry.outgoing);
            match entry.confirmed {
                true => held.push((entry.outbox.clone(), messages)),
                false => ready.extend(entry.outbox.prepare(messages)),
            }
        }
        self.shared.courier.deliver(ready);
        if !held.is_empty() {
            self.shared.release.push(self.store.last_offset(), held);
        }
    }

    /// Tells every client that it is over. Their tasks close the connections.
    pub(crate) fn close_clients(&mut self, reason: &str) {
        let clients: Vec<ClientId> = self.clients.keys().copied().collect();
        for client in clients {
            self.send(
                client,
                OutboxMessage::Closed {
                    reason: reason.into(),
                },
            );
        }
        self.hand_out();
    }

    fn stop(&mut self, reason: &str) {
        self.close_clients(reason);
        self.store.close();
    }
}

//! A connected client, as over WebSocket.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use spacetime_host::{
    ClientId, ClientUpdate, Connect, DatabaseHandle, OutboxLimits, OutboxMessage, OutboxReceiver,
    QuerySetId, ReducerCall, Request, RequestId, TableChange, outbox,
};
use spacetime_types::bsatn::Reader;
use spacetime_types::json::{Flavour, write_bsatn};
use spacetime_types::{ConnectionId, Identity};

use crate::args::IntoArgs;
use crate::database::{Inner, block_on};
use crate::outcome::{self, CallError};
use crate::rows::Rows;

/// Why a client was not let in: what `client_connected` said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(String);

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SubscribeError(String);

/// What one transaction did to the rows of one table that a client subscribes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub table: String,
    /// Rows of event tables are only ever inserted.
    pub is_event: bool,
    pub inserted: Rows,
    pub deleted: Rows,
}

impl Change {
    fn new(change: &TableChange) -> Change {
        let columns = change.row_type.columns();
        Change {
            table: change.table_name.to_string(),
            is_event: change.is_event,
            inserted: Rows::new(columns, &change.inserts),
            deleted: Rows::new(columns, &change.deletes),
        }
    }
}

/// What a client was told, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Rows of a table that came, or events.
    #[must_use]
    pub fn inserted(&self, table: &str) -> Rows {
        let changes = self.0.iter().filter(|change| change.table == table);
        changes
            .flat_map(|change| change.inserted.iter().cloned())
            .collect()
    }

    /// Rows of a table that went.
    #[must_use]
    pub fn deleted(&self, table: &str) -> Rows {
        let changes = self.0.iter().filter(|change| change.table == table);
        changes
            .flat_map(|change| change.deleted.iter().cloned())
            .collect()
    }
}

impl std::ops::Deref for Changes {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        &self.0
    }
}

/// A connected client. It is seen off when it is dropped.
#[derive(Debug)]
pub struct Client {
    inner: Arc<Inner>,
    handle: DatabaseHandle,
    id: ClientId,
    identity: Identity,
    connection_id: ConnectionId,
    inbox: Mutex<Inbox>,
}

#[derive(Debug)]
struct Inbox {
    receiver: OutboxReceiver,
    changes: Vec<Change>,
    requests: u32,
    /// Why the database has ended the connection.
    closed: Option<String>,
}

impl Inbox {
    async fn next(&mut self) -> Option<OutboxMessage> {
        let mut messages = Vec::new();
        self.receiver.recv_many(&mut messages, 1).await;
        messages.pop()
    }

    /// Remembers what nobody waits for.
    fn keep(&mut self, message: OutboxMessage) {
        match message {
            OutboxMessage::TransactionUpdate { update } => self.keep_update(&update),
            OutboxMessage::ReducerResult { update, .. } => self.keep_update(&update),
            OutboxMessage::SubscriptionError { error, .. } => {
                self.closed.get_or_insert(error.into());
            }
            OutboxMessage::Closed { reason } => {
                self.closed.get_or_insert(reason.into());
            }
            _ => {}
        }
    }

    fn keep_update(&mut self, update: &ClientUpdate) {
        let changes = update.iter().map(|(_, change)| Change::new(change));
        self.changes.extend(changes);
    }

    /// Takes what is there.
    fn drain(&mut self) {
        use futures_util::FutureExt;
        while let Some(Some(message)) = self.next().now_or_never() {
            self.keep(message);
        }
    }
}

impl Client {
    pub(crate) fn connect(
        inner: &Arc<Inner>,
        identity: Identity,
        name: &str,
    ) -> Result<Client, ConnectError> {
        let caller = inner.caller(identity, name);
        let connection_id = caller.connection_id;
        let (outbox, receiver) = outbox(OutboxLimits::default());
        let connect = Connect {
            caller,
            confirmed: false,
            event_tables: true,
            json: false,
            outbox,
        };
        let handle = inner.handle();
        let id = block_on(async {
            let id = handle.connect(connect).await;
            inner.settle().await;
            id
        });
        let id = id.map_err(|error| ConnectError(error.to_string()))?;
        Ok(Client {
            inner: Arc::clone(inner),
            handle,
            id,
            identity,
            connection_id,
            inbox: Mutex::new(Inbox {
                receiver,
                changes: Vec::new(),
                requests: 0,
                closed: None,
            }),
        })
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Which of its connections it is.
    #[must_use]
    pub fn connection_id(&self) -> ConnectionId {
        self.connection_id
    }

    /// Calls a reducer.
    pub fn call(&self, reducer: &str, args: impl IntoArgs) -> Result<(), CallError> {
        let call = ReducerCall {
            reducer: reducer.into(),
            args: args.into_args(),
            quiet: false,
            permit: None,
        };
        let message = self.ask(|client, request_id| Request::CallReducer {
            client,
            request_id,
            call,
        });
        match message {
            OutboxMessage::ReducerResult { outcome, .. } => {
                outcome::of_reducer(outcome, || self.inner.bad_lines())
            }
            other => panic!("no answer to a reducer call: {other:?}"),
        }
    }

    /// Calls a procedure and gives what it returned, as JSON. If it sleeps, time passes.
    pub fn call_procedure(&self, procedure: &str, args: impl IntoArgs) -> Result<Value, CallError> {
        let (name, args) = (procedure.into(), args.into_args());
        let message = self.ask(|client, request_id| Request::CallProcedure {
            client,
            request_id,
            name,
            args,
        });
        let OutboxMessage::ProcedureResult { result, .. } = message else {
            panic!("no answer to a procedure call: {message:?}");
        };
        match result {
            Ok(value) => Ok(self.returned(procedure, &value.bsatn)),
            Err(fault) => {
                let text = &fault.text;
                let bad = self.inner.bad_lines();
                Err(CallError::Broke(format!("{text}\n{bad}")))
            }
        }
    }

    fn returned(&self, procedure: &str, value: &[u8]) -> Value {
        let definition = self.handle.module_def();
        let mut known = definition.all_procedures();
        let known = known.find(|known| *known.full_name() == *procedure);
        let known = known.expect("a procedure that has answered");
        let (typespace, mut text) = (known.module.typespace(), String::new());
        let mut reader = Reader::new(value);
        let flavour = Flavour::TypedValue;
        write_bsatn(
            typespace,
            &known.return_type,
            &mut reader,
            flavour,
            &mut text,
        )
        .expect("it was checked before it was sent");
        serde_json::from_str(&text).expect("the text is JSON")
    }

    /// Subscribes to queries, and gives the rows that they have now.
    pub fn subscribe(&self, queries: &[&str]) -> Result<Changes, SubscribeError> {
        let queries = queries.iter().map(|query| (*query).into()).collect();
        let message = self.ask(|client, request_id| Request::Subscribe {
            client,
            request_id,
            query_set: QuerySetId::Set(request_id.0),
            queries,
        });
        match message {
            OutboxMessage::SubscribeApplied { rows, .. } => {
                Ok(Changes(rows.iter().map(|rows| Change::new(rows)).collect()))
            }
            OutboxMessage::SubscriptionError { error, .. } => Err(SubscribeError(error.into())),
            other => panic!("no answer to a subscription: {other:?}"),
        }
    }

    /// What it was told since this was asked last, its own calls included.
    #[must_use]
    pub fn take_changes(&self) -> Changes {
        let mut inbox = self.inbox.lock();
        inbox.drain();
        Changes(std::mem::take(&mut inbox.changes))
    }

    /// Why the database has ended the connection or a subscription, if it has.
    #[must_use]
    pub fn closed(&self) -> Option<String> {
        let mut inbox = self.inbox.lock();
        inbox.drain();
        inbox.closed.clone()
    }

    /// Goes away.
    pub fn disconnect(self) {
        drop(self);
    }

    /// Sends a request and waits for its answer. What comes before it is kept.
    fn ask(&self, request: impl FnOnce(ClientId, RequestId) -> Request) -> OutboxMessage {
        let inbox = &mut *self.inbox.lock();
        inbox.requests += 1;
        let request_id = RequestId(inbox.requests);
        let request = request(self.id, request_id);
        block_on(async {
            let sent = self.handle.send(request).await;
            sent.unwrap_or_else(|gone| panic!("the connection has ended: {gone}"));
            let answer = self
                .inner
                .answered(async {
                    loop {
                        let Some(message) = inbox.next().await else {
                            panic!("the connection has ended: {:?}", inbox.closed)
                        };
                        if is_answer(&message, request_id) {
                            return message;
                        }
                        inbox.keep(message);
                    }
                })
                .await;
            if let OutboxMessage::ReducerResult { update, .. } = &answer {
                inbox.keep_update(update);
            }
            self.inner.settle().await;
            answer
        })
    }
}

fn is_answer(message: &OutboxMessage, to: RequestId) -> bool {
    match message {
        OutboxMessage::SubscribeApplied { request_id, .. }
        | OutboxMessage::ProcedureResult { request_id, .. } => *request_id == to,
        OutboxMessage::SubscriptionError { request_id, .. } => *request_id == Some(to),
        OutboxMessage::ReducerResult { call, .. } => call.request_id == to,
        _ => false,
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A test that fails need not see anybody off.
        if std::thread::panicking() {
            return;
        }
        block_on(async {
            let gone = Request::Disconnect { client: self.id };
            if self.handle.send(gone).await.is_ok() {
                self.inner.settle().await;
            }
        });
    }
}

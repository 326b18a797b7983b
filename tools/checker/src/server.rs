//! The server under test, inside this process: its own code from the request queue of a database
//! to the queues of its clients, and the protocols beside it, without sockets.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use spacetime_api::ws::ClientMessage;
use spacetime_host::{
    CallArgs, CallOutcome, CallReport, Caller, ClientId, Connect, DatabaseHandle, Host, HostConfig,
    MigrationPolicy, Mode, OutboxLimits, OutboxMessage, OutboxReceiver, Publish, PublishTarget,
    QuerySetId, ReducerCall, ReducerOutcome, Request, RequestId, SqlError, SqlResult, TableChange,
    outbox,
};
use spacetime_types::{ConnectionId, Identity};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::message::{CallEnd, ListedChange, ListedRows, Received};
use crate::wire::Wire;

/// How long a message may take. Far more than any does.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Where files are kept in memory.
const MEMORY: &str = "/dev/shm";

/// A host and its files.
#[derive(Debug)]
pub struct Server {
    host: Arc<Host>,
    _folder: TempDir,
}

/// A database of it.
#[derive(Debug)]
pub struct Database {
    handle: DatabaseHandle,
    owner: Caller,
}

/// A connected client's end.
#[derive(Debug)]
pub struct Connection {
    client: ClientId,
    receiver: OutboxReceiver,
    ready: VecDeque<Received>,
    wire: Option<Wire>,
}

/// Who a connection belongs to.
#[must_use]
pub fn caller(identity: Identity, connection: u128) -> Caller {
    Caller {
        identity,
        connection_id: ConnectionId(connection),
        claims_json: "{}".into(),
    }
}

impl Server {
    /// A server without databases, in a folder of its own.
    pub async fn start() -> Result<Server> {
        // In memory where that is possible: nothing here is about the disk.
        let folder = match Path::new(MEMORY).is_dir() {
            true => tempfile::tempdir_in(MEMORY),
            false => tempfile::tempdir(),
        };
        let folder = folder.context("a folder for the data")?;
        let config = HostConfig {
            // The oracle knows the order of the requests.
            client_limits: spacetime_host::ClientLimits {
                in_turn: false,
                ..spacetime_host::ClientLimits::default()
            },
            ..HostConfig::new(folder.path().to_owned())
        };
        let host = Host::open(config).await?;
        Ok(Server {
            host,
            _folder: folder,
        })
    }

    /// Makes a database that runs this module.
    pub async fn publish(
        &self,
        owner: Identity,
        database: Identity,
        module: Vec<u8>,
    ) -> Result<Database> {
        let owner = caller(owner, 1);
        let published = self
            .host
            .publish(Publish {
                target: PublishTarget::New,
                new_identity: database,
                caller: owner.clone(),
                program: Some(module.into()),
                clear: false,
                mode: Mode::Automatic,
                policy: MigrationPolicy::default(),
            })
            .await?;
        let handle = match self.host.database(published.database) {
            Some(handle) => handle?,
            None => bail!("the database is not there"),
        };
        Ok(Database { handle, owner })
    }

    /// Deletes a database.
    pub async fn delete(&self, database: Database) -> Result<()> {
        let identity = database.handle.identity();
        let owner = database.owner.identity;
        drop(database);
        self.host.delete(identity, owner).await?;
        Ok(())
    }
}

impl Database {
    pub async fn connect(
        &self,
        caller: Caller,
        confirmed: bool,
        event_tables: bool,
        limits: OutboxLimits,
        wire: Option<Wire>,
    ) -> Result<Connection> {
        let (outbox, receiver) = outbox(limits);
        let connect = Connect {
            caller,
            confirmed,
            event_tables,
            json: false,
            outbox,
        };
        let client = self.handle.connect(connect).await?;
        Ok(Connection {
            client,
            receiver,
            ready: VecDeque::new(),
            wire,
        })
    }

    pub async fn disconnect(&self, connection: Connection) -> Result<()> {
        let client = connection.client;
        drop(connection);
        Ok(self.handle.send(Request::Disconnect { client }).await?)
    }

    /// Queues what a client sends, behind everything that was queued before.
    pub async fn ask(&self, connection: &Connection, message: ClientMessage) -> Result<()> {
        let message = match &connection.wire {
            Some(wire) => wire.pass(&message)?,
            None => message,
        };
        let request = request_of(connection.client, message);
        Ok(self.handle.send(request).await?)
    }

    /// Queues a call from outside any connection.
    pub async fn call_once(
        &self,
        caller: Caller,
        name: &str,
        arguments: Vec<u8>,
    ) -> Result<oneshot::Receiver<CallReport>> {
        let (reply, answer) = oneshot::channel();
        let request = Request::CallOnce {
            caller,
            name: name.into(),
            args: CallArgs::Bsatn(arguments.into()),
            reply,
        };
        self.handle.send(request).await?;
        Ok(answer)
    }

    /// Queues an SQL statement of the owner.
    pub async fn sql(
        &self,
        text: &str,
    ) -> Result<oneshot::Receiver<Result<Vec<SqlResult>, SqlError>>> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Sql {
            caller: self.owner.clone(),
            text: text.into(),
            confirmed: false,
            connects: true,
            reply,
        };
        self.handle.send(request).await?;
        Ok(answer)
    }

    /// The rows of an SQL query.
    pub async fn rows(&self, text: &str) -> Result<Vec<Box<[u8]>>> {
        let results = self.sql(text).await?.await??;
        let rows = results.iter().flat_map(|result| result.rows.iter());
        Ok(rows.map(Into::into).collect())
    }
}

impl Connection {
    /// The next message.
    pub async fn receive(&mut self) -> Result<Received> {
        if let Some(message) = self.ready.pop_front() {
            return Ok(message);
        }
        let mut messages = Vec::new();
        let received = self.receiver.recv_many(&mut messages, 64);
        match tokio::time::timeout(MESSAGE_TIMEOUT, received).await {
            Err(_) => bail!("no message came in {MESSAGE_TIMEOUT:?}"),
            Ok(0) => bail!("the connection ended without a last message"),
            Ok(_) => self.take(&messages)?,
        }
        self.ready.pop_front().context("at least one message came")
    }

    /// A message that is there already.
    pub async fn receive_now(&mut self) -> Result<Option<Received>> {
        if let Some(message) = self.ready.pop_front() {
            return Ok(Some(message));
        }
        let mut messages = Vec::new();
        // One look, and no wait.
        tokio::select! {
            biased;
            _ = self.receiver.recv_many(&mut messages, 64) => {}
            () = std::future::ready(()) => {}
        }
        self.take(&messages)?;
        Ok(self.ready.pop_front())
    }

    fn take(&mut self, messages: &[OutboxMessage]) -> Result<()> {
        match &mut self.wire {
            Some(wire) => {
                let mut read = Vec::new();
                wire.read(messages, &mut read)?;
                self.ready.extend(read);
            }
            None => self.ready.extend(messages.iter().map(received_form)),
        }
        Ok(())
    }
}

fn request_of(client: ClientId, message: ClientMessage) -> Request {
    match message {
        ClientMessage::CallReducer {
            request_id,
            reducer,
            args,
            quiet,
        } => Request::CallReducer {
            client,
            request_id: RequestId(request_id),
            call: ReducerCall {
                reducer,
                args,
                quiet,
                permit: None,
            },
        },
        ClientMessage::CallProcedure {
            request_id,
            procedure,
            args,
        } => Request::CallProcedure {
            client,
            request_id: RequestId(request_id),
            name: procedure,
            args,
        },
        ClientMessage::Subscribe {
            request_id,
            query_set,
            queries,
        } => Request::Subscribe {
            client,
            request_id: RequestId(request_id),
            query_set,
            queries,
        },
        ClientMessage::Unsubscribe {
            request_id,
            query_set,
            send_dropped,
        } => Request::Unsubscribe {
            client,
            request_id: RequestId(request_id),
            query_set,
            send_dropped_rows: send_dropped,
        },
        ClientMessage::OneOff { message_id, query } => Request::OneOff {
            client,
            message_id,
            query,
        },
    }
}

fn received_form(message: &OutboxMessage) -> Received {
    match message {
        OutboxMessage::SubscribeApplied {
            request_id,
            query_set,
            rows,
            ..
        } => Received::Applied {
            request: request_id.0,
            set: *query_set,
            rows: listed_rows(rows),
        },
        OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            rows,
            ..
        } => Received::Ended {
            request: request_id.0,
            set: *query_set,
            rows: rows.as_deref().map(listed_rows),
        },
        OutboxMessage::SubscriptionError {
            request_id,
            query_set,
            error,
            ..
        } => Received::Refused {
            request: request_id.map(|id| id.0),
            set: *query_set,
            error: error.clone(),
        },
        OutboxMessage::TransactionUpdate { update } => Received::Update(listed_changes(update)),
        OutboxMessage::ReducerResult {
            call,
            outcome,
            update,
        } => Received::Result {
            request: call.request_id.0,
            end: call_end(outcome),
            changes: listed_changes(update),
        },
        OutboxMessage::OneOffResult {
            message_id, result, ..
        } => Received::OneOff {
            id: message_id.as_ref().into(),
            result: match result {
                Ok(rows) => Ok(listed_rows(std::slice::from_ref(rows))),
                Err(error) => Err(error.clone()),
            },
        },
        OutboxMessage::ProcedureResult { request_id, .. } => Received::Closed(
            format!(
                "an answer to procedure call {}, which nobody made",
                request_id.0
            )
            .into(),
        ),
        OutboxMessage::Closed { reason } => Received::Closed(reason.clone()),
    }
}

fn rows_of(list: &spacetime_table::RowList) -> Vec<Box<[u8]>> {
    list.iter().map(Into::into).collect()
}

fn listed_rows(changes: &[Arc<TableChange>]) -> ListedRows {
    let listed = changes.iter().map(|change| {
        assert!(change.deletes.is_empty(), "an answer takes rows away");
        (Box::from(&*change.table_name), rows_of(&change.inserts))
    });
    listed.collect()
}

/// v1 clients are told once of each query, whichever of their sets share it.
fn listed_changes(update: &[(QuerySetId, Arc<TableChange>)]) -> Vec<ListedChange> {
    let mut listed = Vec::with_capacity(update.len());
    let mut told: Vec<*const TableChange> = Vec::new();
    for (set, change) in update {
        let is_shared = matches!(set, QuerySetId::Single(_) | QuerySetId::Multi(_));
        if is_shared {
            if told.contains(&Arc::as_ptr(change)) {
                continue;
            }
            told.push(Arc::as_ptr(change));
        }
        listed.push(ListedChange {
            set: Some(*set),
            table: (*change.table_name).into(),
            is_event: change.is_event,
            inserts: rows_of(&change.inserts),
            deletes: rows_of(&change.deletes),
        });
    }
    listed
}

/// How a call ended.
#[must_use]
pub fn call_end(outcome: &ReducerOutcome) -> CallEnd {
    match outcome {
        ReducerOutcome::Committed => CallEnd::Committed,
        ReducerOutcome::Failed(message) => CallEnd::Failed(message.clone()),
        ReducerOutcome::Refused(message) | ReducerOutcome::Fatal(message) => {
            CallEnd::Broken(message.clone())
        }
        ReducerOutcome::OutOfBudget => CallEnd::Broken("out of budget".into()),
    }
}

/// How a call from outside a connection ended.
#[must_use]
pub fn once_end(outcome: &CallOutcome) -> CallEnd {
    match outcome {
        CallOutcome::Reducer(outcome) => call_end(outcome),
        other => CallEnd::Broken(format!("{other:?}").into()),
    }
}

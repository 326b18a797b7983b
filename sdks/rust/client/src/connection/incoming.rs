//! What the socket's task tells whoever drives the connection.
//!
//! Invariants
//!   * Order is kept.
//!   * What waits is bounded in bytes: a socket whose program does not drive is not read on.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, InternalError, Result};
use crate::module::SpacetimeModule;
use crate::sats::bsatn;
use crate::update;
use crate::wire::{ProcedureStatus, QuerySetId, ReducerOutcome, ServerMessage};
use crate::{ConnectionId, Identity, Timestamp};

/// Most bytes of messages that wait to be applied, unpacked, in KiB.
const WAITING_KIB_MAX: usize = super::link::WAITING_BYTES_MAX / 1024;

/// Who the server says that this client is.
#[derive(Clone, Debug)]
pub(super) struct Welcome {
    pub(super) identity: Identity,
    pub(super) connection_id: ConnectionId,
    pub(super) token: Arc<str>,
}

/// Something that has happened.
pub(super) enum Incoming<M: SpacetimeModule> {
    Connected(Welcome),
    SubscribeApplied {
        set: QuerySetId,
        update: M::DbUpdate,
    },
    UnsubscribeApplied {
        set: QuerySetId,
    },
    SubscriptionError {
        set: QuerySetId,
        error: String,
    },
    Transaction(M::DbUpdate),
    ReducerResult {
        request: u32,
        timestamp: Timestamp,
        outcome: ReducerEnd<M>,
    },
    ProcedureResult {
        request: u32,
        outcome: std::result::Result<Bytes, InternalError>,
    },
    /// The connection broke; messages up to `written` may have arrived. The task waits to be told
    /// which sets to open again.
    Lost {
        error: InternalError,
        written: u64,
    },
    /// There is a connection again. `update` has all rows of all sets.
    Resumed {
        welcome: Welcome,
        answers: Vec<(QuerySetId, std::result::Result<(), String>)>,
        update: M::DbUpdate,
    },
    /// The connection is over.
    Ended(Option<Error>),
}

/// How a reducer call ended.
pub(super) enum ReducerEnd<M: SpacetimeModule> {
    Committed(M::DbUpdate),
    Err(String),
    InternalError(InternalError),
}

impl<M: SpacetimeModule> Incoming<M> {
    /// Decodes the rows of a message. `None` for what no client needs to know.
    pub(super) fn parse(message: ServerMessage) -> Result<Option<Self>> {
        Ok(Some(match message {
            ServerMessage::InitialConnection {
                identity,
                connection_id,
                token,
            } => Incoming::Connected(Welcome {
                identity,
                connection_id,
                token: token.into(),
            }),
            ServerMessage::SubscribeApplied { set, rows } => {
                let update = M::DbUpdate::try_from(update::initial_rows(set, rows))?;
                Incoming::SubscribeApplied { set, update }
            }
            ServerMessage::UnsubscribeApplied { set } => Incoming::UnsubscribeApplied { set },
            ServerMessage::SubscriptionError { set, error } => {
                Incoming::SubscriptionError { set, error }
            }
            ServerMessage::TransactionUpdate(update) => {
                Incoming::Transaction(M::DbUpdate::try_from(update)?)
            }
            ServerMessage::OneOffQueryResult => return Ok(None),
            ServerMessage::ReducerResult {
                request,
                timestamp,
                outcome,
            } => Incoming::ReducerResult {
                request,
                timestamp,
                outcome: reducer_end(outcome)?,
            },
            ServerMessage::ProcedureResult { request, status } => Incoming::ProcedureResult {
                request,
                outcome: match status {
                    ProcedureStatus::Returned(value) => Ok(value),
                    ProcedureStatus::InternalError(error) => Err(InternalError::new(error)),
                },
            },
        }))
    }
}

fn reducer_end<M: SpacetimeModule>(outcome: ReducerOutcome) -> Result<ReducerEnd<M>> {
    Ok(match outcome {
        ReducerOutcome::Committed(update) => ReducerEnd::Committed(M::DbUpdate::try_from(update)?),
        ReducerOutcome::Err(error) => match bsatn::from_slice::<String>(&error) {
            Ok(error) => ReducerEnd::Err(error),
            Err(cause) => {
                let error = InternalError::failed_parse("a string", "the reducer's error");
                ReducerEnd::InternalError(error.with_cause(cause))
            }
        },
        ReducerOutcome::InternalError(error) => {
            ReducerEnd::InternalError(InternalError::new(error))
        }
    })
}

struct Waiting<M: SpacetimeModule> {
    incoming: Incoming<M>,
    /// Given back when the message is taken out.
    _room: Option<OwnedSemaphorePermit>,
}

pub(super) struct IncomingSender<M: SpacetimeModule> {
    sender: UnboundedSender<Waiting<M>>,
    room: Arc<Semaphore>,
}

pub(super) struct IncomingReceiver<M: SpacetimeModule> {
    receiver: UnboundedReceiver<Waiting<M>>,
}

pub(super) fn channel<M: SpacetimeModule>() -> (IncomingSender<M>, IncomingReceiver<M>) {
    let (sender, receiver) = unbounded_channel();
    let room = Arc::new(Semaphore::new(WAITING_KIB_MAX));
    (
        IncomingSender { sender, room },
        IncomingReceiver { receiver },
    )
}

impl<M: SpacetimeModule> IncomingSender<M> {
    /// Waits until there is room for a message of `bytes`.
    pub(super) async fn send(&self, incoming: Incoming<M>, bytes: usize) {
        let kib = (bytes / 1024).min(WAITING_KIB_MAX);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(kib).await.ok();
        let _ = self.sender.send(Waiting {
            incoming,
            _room: room,
        });
    }

    /// The same for something small.
    pub(super) fn send_now(&self, incoming: Incoming<M>) {
        let _ = self.sender.send(Waiting {
            incoming,
            _room: None,
        });
    }
}

impl<M: SpacetimeModule> IncomingReceiver<M> {
    /// What has come, without waiting. An end if the task is gone.
    pub(super) fn try_take(&mut self) -> Option<Incoming<M>> {
        match self.receiver.try_recv() {
            Ok(waiting) => Some(waiting.incoming),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Incoming::Ended(None)),
        }
    }

    /// What comes next.
    pub(super) async fn take(&mut self) -> Incoming<M> {
        let waiting = self.receiver.recv().await;
        waiting.map_or(Incoming::Ended(None), |waiting| waiting.incoming)
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }
}

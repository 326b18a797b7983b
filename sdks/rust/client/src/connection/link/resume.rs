//! Connecting again: waiting, the greeting, and the first rows of all sets as one update.
//!
//! Invariants
//!   * The rows of all sets, and the transactions that came while they did, become one update: the
//!     program sees one change from the old state to the new one.
//!   * The wish to end is heard at any time.

use std::time::Duration;

use super::platform::{Socket, pause, random_share, sleep};
use super::{ConnectFailure, Link, SocketEvent, connect, unreadable};
use crate::connection::builder::Reconnect;
use crate::connection::incoming::{Incoming, Welcome};
use crate::connection::requests::{Command, Queries};
use crate::error::{Error, InternalError};
use crate::module::SpacetimeModule;
use crate::wire::frame::{self, Version};
use crate::wire::v2::TransactionUpdate;
use crate::wire::{self, QuerySetId, ServerMessage};

type Sets = Vec<(QuerySetId, Queries)>;
type Answers = Vec<(QuerySetId, Result<(), String>)>;

/// A socket on which all sets are open again.
struct Resumed {
    socket: Socket,
    welcome: Welcome,
    answers: Answers,
    rows: TransactionUpdate,
    bytes: usize,
}

impl<M: SpacetimeModule> Link<M> {
    /// Connects again, as often as it takes. Fails with the reason for the end.
    pub(super) async fn resume(&mut self) -> Result<Socket, Option<Error>> {
        let Some(policy) = self.reconnect.clone() else {
            return Err(None);
        };
        let sets = self.wait_for_sets().await.ok_or(None)?;
        let mut attempt = 0;
        loop {
            let target = &self.target;
            let work = async {
                pause(delay(&policy, attempt)).await;
                open(connect(target).await?, &sets, target.silence_max).await
            };
            let outcome = tokio::select! {
                outcome = work => outcome,
                () = self.commands.wait_for_close() => return Err(None),
            };
            attempt += 1;
            let failure = match outcome {
                Ok(resumed) => return self.announce(resumed).await.map_err(Some),
                Err(failure) => failure,
            };
            log::info!("connecting again failed: {}", failure.error);
            let is_last = policy.attempts_max.is_some_and(|max| max <= attempt);
            if failure.is_final || is_last {
                return Err(Some(Error::Internal(failure.error)));
            }
        }
    }

    /// Waits until whoever drives has seen the loss. `None` if the end is wanted.
    async fn wait_for_sets(&mut self) -> Option<Sets> {
        let mut later = std::collections::VecDeque::new();
        let sets = loop {
            match self.commands.next().await {
                Command::Close => break None,
                Command::Resume(sets) => break Some(sets),
                Command::Fail(_) => {}
                send => later.push_back(send),
            }
        };
        self.commands.held = later;
        sets
    }

    async fn announce(&mut self, mut resumed: Resumed) -> Result<Socket, Error> {
        let update = M::DbUpdate::try_from(resumed.rows)?;
        self.target.settle_token(&mut resumed.welcome.token);
        let incoming = Incoming::Resumed {
            welcome: resumed.welcome,
            answers: resumed.answers,
            update,
        };
        self.incoming.send(incoming, resumed.bytes).await;
        Ok(resumed.socket)
    }
}

/// How long to wait before an attempt: longer each time, and never the same for all clients that
/// a server has lost.
fn delay(policy: &Reconnect, attempt: u32) -> Duration {
    let full = policy
        .delay_min
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(policy.delay_max);
    full / 2 + (full / 2).mul_f64(random_share())
}

/// Waits for the greeting, opens the sets, and collects their rows.
async fn open(
    mut socket: Socket,
    sets: &Sets,
    patience: Duration,
) -> Result<Resumed, ConnectFailure> {
    let mut bytes = 0;
    let (first, rest) = {
        let mut messages = next_messages(&mut socket, &mut bytes, patience)
            .await?
            .into_iter();
        (messages.next(), messages)
    };
    let Some(ServerMessage::InitialConnection {
        identity,
        connection_id,
        token,
    }) = first
    else {
        return Err(unusable("the first message was no greeting"));
    };
    for (set, queries) in sets {
        // The server only echoes the request's number.
        let message = wire::subscribe(0, *set, queries);
        let sent = socket.writer.send(message).await;
        sent.map_err(ConnectFailure::temporary)?;
    }
    let mut collected = Collected::new(sets);
    rest.for_each(|message| collected.take(message));
    while !collected.is_complete() {
        for message in next_messages(&mut socket, &mut bytes, patience).await? {
            collected.take(message);
        }
    }
    Ok(Resumed {
        socket,
        welcome: Welcome {
            identity,
            connection_id,
            token: token.into(),
        },
        answers: collected.answers,
        rows: collected.rows,
        bytes,
    })
}

async fn next_messages(
    socket: &mut Socket,
    bytes: &mut usize,
    patience: Duration,
) -> Result<Vec<ServerMessage>, ConnectFailure> {
    loop {
        let event = tokio::select! {
            event = socket.reader.next() => event,
            () = sleep(patience) => {
                let error = InternalError::new("the server does not answer");
                return Err(ConnectFailure::temporary(error));
            }
        };
        match event {
            SocketEvent::Frame(frame) => {
                let version: Version = socket.version;
                let unpacked = frame::read(&frame, version).map_err(|error| {
                    unusable("the server's messages cannot be read").caused_by(unreadable(error))
                })?;
                *bytes = bytes.saturating_add(unpacked.bytes);
                return Ok(unpacked.messages);
            }
            SocketEvent::Alive => {}
            SocketEvent::Closed(error) => return Err(ConnectFailure::temporary(error)),
        }
    }
}

fn unusable(message: &str) -> ConnectFailure {
    ConnectFailure::permanent(InternalError::new(message))
}

impl ConnectFailure {
    fn caused_by(mut self, cause: Error) -> Self {
        self.error = self.error.with_cause(cause);
        self
    }
}

/// The answers to the subscriptions so far, and all rows.
struct Collected {
    waiting: Vec<QuerySetId>,
    answers: Answers,
    rows: TransactionUpdate,
}

impl Collected {
    fn new(sets: &Sets) -> Self {
        Collected {
            waiting: sets.iter().map(|(set, _)| *set).collect(),
            answers: Vec::new(),
            rows: TransactionUpdate::default(),
        }
    }

    fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::SubscribeApplied { set, rows } => {
                self.waiting.retain(|waiting| *waiting != set);
                self.answers.push((set, Ok(())));
                self.rows.query_sets.push(rows.into_update(set));
            }
            ServerMessage::SubscriptionError { set, error } => {
                self.waiting.retain(|waiting| *waiting != set);
                self.answers.retain(|(answered, _)| *answered != set);
                self.answers.push((set, Err(error)));
                self.rows.query_sets.retain(|update| update.set != set);
            }
            ServerMessage::TransactionUpdate(update) => {
                self.rows.query_sets.extend(update.query_sets);
            }
            // Nothing else was asked for on this socket.
            _ => {}
        }
    }
}

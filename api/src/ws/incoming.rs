//! Requests on their way from a connection to its database, and how many are unanswered.
//!
//! Invariant: a connection stops reading from its socket while it has [`ANSWERS_DUE_MAX`] requests
//! or [`BYTES_DUE_MAX`] bytes of them unanswered. What the client sends meanwhile waits in its own
//! send buffer, so a client cannot fill the server's memory.

use std::collections::VecDeque;

use spacetime_host::{ClientId, OutboxMessage, ReducerCall, Request, RequestId};

use tokio::sync::OwnedSemaphorePermit;

use super::client_message::ClientMessage;

/// Most unanswered requests of one connection.
const ANSWERS_DUE_MAX: usize = 8192;

/// Most bytes of unanswered requests of one connection. One frame may go beyond it.
const BYTES_DUE_MAX: usize = 64 * 1024 * 1024;

/// The requests of one connection that were read but not answered yet.
#[derive(Debug, Default)]
pub(super) struct AnswersDue {
    /// Sizes of the unanswered requests, oldest first. Answers to procedures may overtake others;
    /// then a size is taken off too early, which the bounds can bear.
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl AnswersDue {
    /// Whether another frame may be read.
    pub(super) fn has_room(&self) -> bool {
        self.sizes.len() < ANSWERS_DUE_MAX && self.bytes < BYTES_DUE_MAX
    }

    /// Notes a request of `bytes` bytes that will be answered.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.sizes.push_back(bytes);
        self.bytes += bytes;
    }

    /// Notes the answers among `messages`.
    pub(super) fn settle(&mut self, messages: &[OutboxMessage]) {
        for _ in messages.iter().filter(|message| is_answer(message)) {
            if let Some(bytes) = self.sizes.pop_front() {
                self.bytes -= bytes;
            }
        }
    }
}

fn is_answer(message: &OutboxMessage) -> bool {
    match message {
        OutboxMessage::SubscribeApplied { .. }
        | OutboxMessage::UnsubscribeApplied { .. }
        | OutboxMessage::ReducerResult { .. }
        | OutboxMessage::ProcedureResult { .. }
        | OutboxMessage::OneOffResult { .. } => true,
        OutboxMessage::SubscriptionError { request_id, .. } => request_id.is_some(),
        OutboxMessage::TransactionUpdate { .. } | OutboxMessage::Closed { .. } => false,
    }
}

/// Whether the database answers `message` in every case. A quiet reducer call is answered in none.
pub(super) fn is_answered(message: &ClientMessage) -> bool {
    !matches!(message, ClientMessage::CallReducer { quiet: true, .. })
}

/// The request that `message` makes in the name of `client`.
/// `permit` is given back when a call that has no answer is done.
pub(super) fn request_of(
    client: ClientId,
    message: ClientMessage,
    permit: Option<OwnedSemaphorePermit>,
) -> Request {
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
                permit,
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

#[cfg(test)]
mod tests {
    use super::*;
    use spacetime_host::QuerySetId;

    fn error(request_id: Option<u32>) -> OutboxMessage {
        OutboxMessage::SubscriptionError {
            request_id: request_id.map(RequestId),
            query_set: Some(QuerySetId::Set(1)),
            error: "no".into(),
            duration_micros: 0,
        }
    }

    #[test]
    fn answers_make_room_and_other_messages_do_not() {
        let mut due = AnswersDue::default();
        for _ in 0..ANSWERS_DUE_MAX {
            assert!(due.has_room());
            due.expect(10);
        }
        assert!(!due.has_room());
        due.settle(&[error(None)]);
        assert!(!due.has_room());
        due.settle(&[error(Some(1))]);
        assert!(due.has_room());
    }

    #[test]
    fn large_requests_use_up_the_room_sooner() {
        let mut due = AnswersDue::default();
        due.expect(BYTES_DUE_MAX);
        assert!(!due.has_room());
        due.settle(&[error(Some(1)), error(Some(2))]);
        assert!(due.has_room());
        assert_eq!(due.bytes, 0);
    }
}

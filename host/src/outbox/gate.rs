//! What reaches a client when the first rows of a set could not be read.
//!
//! The writer thread learns of the failure later than it happened: until then it takes the set for
//! a live one and queues updates of it. The queue's far end, which sees answers and updates in
//! order, makes them disappear.
//!
//! Invariants
//!   * From the failed answer on, nothing of that set reaches the client, until the client's number
//!     for it means another set.
//!   * v1 clients share rows between their sets. Where a set that failed has a part in that, no
//!     message could make the client's rows right again: the connection is ended, and the client
//!     starts afresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pending::{About, SetSerial};
use super::{ClientUpdate, OutboxMessage, QuerySetId};

/// The sets of one client that failed, as long as the writer thread may not know.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failed: BTreeSet<SetSerial>,
    void: BTreeMap<QuerySetId, SetSerial>,
}

impl Gate {
    /// An answer that has arrived, as the client gets it.
    pub(super) fn answer(&mut self, message: OutboxMessage, about: &About) -> OutboxMessage {
        match about {
            About::OneOff => message,
            About::Begin {
                query_set,
                serial,
                shares_with,
            } => self.begin(message, *query_set, *serial, shares_with),
            About::End { serial } if self.failed.contains(serial) => not_found(message),
            About::End { .. } => message,
        }
    }

    fn begin(
        &mut self,
        message: OutboxMessage,
        query_set: QuerySetId,
        serial: SetSerial,
        shares_with: &[SetSerial],
    ) -> OutboxMessage {
        let shared_failed = shares_with
            .iter()
            .any(|shared| self.failed.contains(shared));
        match message {
            OutboxMessage::SubscriptionError { error, .. } if !shares_with.is_empty() => {
                OutboxMessage::Closed { reason: error }
            }
            OutboxMessage::SubscriptionError { .. } => {
                self.failed.insert(serial);
                self.void.insert(query_set, serial);
                message
            }
            _ if shared_failed => OutboxMessage::Closed {
                reason: "a subscription that shares its rows with another one failed".into(),
            },
            message => {
                self.void.remove(&query_set);
                message
            }
        }
    }

    /// Any other message, without what it says of failed sets; `None` if nothing is left.
    pub(super) fn message(&mut self, message: OutboxMessage) -> Option<OutboxMessage> {
        if self.void.is_empty() {
            return Some(message);
        }
        match message {
            OutboxMessage::SubscribeApplied { query_set, .. } => {
                self.void.remove(&query_set);
                Some(message)
            }
            OutboxMessage::SubscriptionError {
                request_id: None,
                query_set: Some(query_set),
                ..
            } if self.void.contains_key(&query_set) => None,
            OutboxMessage::TransactionUpdate { update } => {
                let update = self.strip(update);
                (!update.is_empty()).then_some(OutboxMessage::TransactionUpdate { update })
            }
            OutboxMessage::ReducerResult {
                call,
                outcome,
                update,
            } => {
                let update = self.strip(update);
                Some(OutboxMessage::ReducerResult {
                    call,
                    outcome,
                    update,
                })
            }
            message => Some(message),
        }
    }

    fn strip(&self, update: Arc<ClientUpdate>) -> Arc<ClientUpdate> {
        let is_void = |query_set: &QuerySetId| self.void.contains_key(query_set);
        if !update.iter().any(|(query_set, _)| is_void(query_set)) {
            return update;
        }
        let left = update.iter().filter(|(query_set, _)| !is_void(query_set));
        Arc::new(left.cloned().collect())
    }

    /// The writer thread knows: no message of that set comes after this.
    pub(super) fn forget(&mut self, serial: SetSerial) {
        self.failed.remove(&serial);
        self.void.retain(|_, failed| *failed != serial);
    }
}

/// The client was told that there is no such set; dropping it must not tell of rows.
fn not_found(message: OutboxMessage) -> OutboxMessage {
    match message {
        OutboxMessage::UnsubscribeApplied {
            request_id,
            query_set,
            duration_micros,
            ..
        } => OutboxMessage::SubscriptionError {
            request_id: Some(request_id),
            query_set: Some(query_set),
            error: format!("Subscription not found: {query_set}").into(),
            duration_micros,
        },
        message => message,
    }
}

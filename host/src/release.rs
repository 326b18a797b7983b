//! Holds messages of confirmed clients back until what they tell is durable.
//!
//! Invariants
//!   * Batches leave in the order in which they came in, whatever clients they are for: a message
//!     waits behind every earlier one, also if it needs nothing to be durable itself.
//!   * Nothing that needs offset `n` leaves before `n` is durable; when durability has failed,
//!     nothing leaves any more.
//!
//! The writer thread puts messages in, the durability thread lets them out: one lock, held for
//! queue operations only.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use spacetime_durability::Status;
use spacetime_store::OnDurable;
use spacetime_types::TxOffset;

use crate::outbox::{Courier, Outbox, OutboxMessage, Outgoing};

#[derive(Debug)]
struct Held {
    /// The offset that must be durable first; `None` for the state before any transaction.
    needs: Option<TxOffset>,
    batch: Batch,
}

/// What one batch of requests has to say, client by client.
pub(crate) type Batch = Vec<(Outbox, Vec<Outgoing>)>;

#[derive(Debug, Default)]
struct State {
    durable: Option<TxOffset>,
    failed: bool,
    held: VecDeque<Held>,
}

/// The queue between the writer thread and confirmed clients.
#[derive(Debug, Default)]
pub(crate) struct ReleaseQueue {
    state: Mutex<State>,
    courier: Courier,
}

impl ReleaseQueue {
    pub(crate) fn new(courier: Courier) -> ReleaseQueue {
        ReleaseQueue {
            state: Mutex::default(),
            courier,
        }
    }

    /// Under the lock, so that batches leave in order.
    fn send(&self, batch: Batch) {
        let prepared = batch.into_iter();
        let prepared = prepared.filter_map(|(outbox, messages)| outbox.prepare(messages));
        self.courier.deliver(prepared.collect());
    }

    /// Lets messages out as their transactions become durable.
    pub(crate) fn follower(release: Arc<ReleaseQueue>) -> OnDurable {
        Box::new(move |state| {
            if let Some(offset) = state.offset {
                release.advance(offset);
            }
            if matches!(state.status, Status::Failed(_)) {
                release.fail();
            }
        })
    }

    /// Sends a batch, now or when `needs` is durable.
    pub(crate) fn push(&self, needs: Option<TxOffset>, batch: Batch) {
        let mut state = self.state.lock();
        if state.failed {
            return;
        }
        if state.held.is_empty() && needs <= state.durable {
            self.send(batch);
        } else {
            state.held.push_back(Held { needs, batch });
        }
    }

    /// Lets go what `durable` covers.
    pub(crate) fn advance(&self, durable: TxOffset) {
        let mut state = self.state.lock();
        state.durable = state.durable.max(Some(durable));
        while let Some(next) = state.held.front() {
            if next.needs > state.durable {
                break;
            }
            let Some(next) = state.held.pop_front() else {
                break;
            };
            self.send(next.batch);
        }
    }

    /// The last transaction known to be on disk.
    pub(crate) fn durable(&self) -> Option<TxOffset> {
        self.state.lock().durable
    }

    /// Forgets everything: the database is opened again and its clients are gone.
    pub(crate) fn restart(&self) {
        *self.state.lock() = State::default();
    }

    /// Durability is lost for good: what is held will never be sent.
    pub(crate) fn fail(&self) {
        let mut state = self.state.lock();
        state.failed = true;
        for held in std::mem::take(&mut state.held) {
            let ends = held.batch.into_iter().map(|(outbox, _)| {
                let closed = OutboxMessage::Closed {
                    reason: "durability failed".into(),
                };
                (outbox, vec![closed.into()])
            });
            self.send(ends.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{OutboxLimits, OutboxReceiver, outbox};

    /// Any message with a text. Not the last one: nothing comes after that.
    fn message(text: &str) -> OutboxMessage {
        OutboxMessage::SubscriptionError {
            request_id: None,
            query_set: None,
            error: text.into(),
            duration_micros: 0,
        }
    }

    async fn received(receiver: &mut OutboxReceiver) -> Vec<String> {
        let mut messages = Vec::new();
        while let Ok(count) = tokio::time::timeout(
            std::time::Duration::from_millis(20),
            receiver.recv_many(&mut messages, 16),
        )
        .await
        {
            if count == 0 {
                break;
            }
        }
        messages
            .into_iter()
            .map(|message| match message {
                OutboxMessage::SubscriptionError { error: text, .. }
                | OutboxMessage::Closed { reason: text } => text.into(),
                other => panic!("unexpected {other:?}"),
            })
            .collect()
    }

    #[tokio::test]
    async fn holds_messages_until_their_offset_is_durable_and_keeps_the_order() {
        let queue = ReleaseQueue::default();
        let (sender, mut receiver) = outbox(OutboxLimits::default());
        let push = |needs: Option<u64>, text| {
            let batch = vec![(sender.clone(), vec![message(text).into()])];
            queue.push(needs.map(TxOffset), batch);
        };
        push(None, "free");
        push(Some(1), "one");
        push(None, "behind one");
        push(Some(3), "three");
        assert_eq!(received(&mut receiver).await, ["free"]);
        queue.advance(TxOffset(0));
        assert!(received(&mut receiver).await.is_empty());
        queue.advance(TxOffset(2));
        assert_eq!(received(&mut receiver).await, ["one", "behind one"]);
        queue.fail();
        push(Some(0), "too late");
        assert_eq!(received(&mut receiver).await, ["durability failed"]);
    }
}

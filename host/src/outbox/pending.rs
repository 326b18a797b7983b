//! Answers that a reader thread is still working on, with their place in a client's queue.
//!
//! Invariant: a [`Pending`] always comes to an end. Its slot is filled, or dropped with whoever
//! should have filled it; then the client gets the message that was prepared for this case.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::queue::Load;
use super::{OutboxMessage, QuerySetId};

/// One registration of a query set. Clients use their numbers for sets again, serials are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetSerial(pub(crate) u64);

/// What an answer means for the messages behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Nothing: it is a query that was asked once.
    OneOff,
    /// A set's first rows. If they cannot be had, the set was never there for the client.
    Begin {
        query_set: QuerySetId,
        serial: SetSerial,
        /// Sets of a v1 client whose rows this one counts on because they are not sent twice.
        shares_with: Vec<SetSerial>,
    },
    /// The end of a set.
    End { serial: SetSerial },
}

/// The place of an answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) answer: oneshot::Receiver<Filled>,
    /// For the client if nobody fills the slot.
    pub(super) lost: Box<OutboxMessage>,
    pub(super) about: About,
}

/// An answer and what it weighs.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) message: OutboxMessage,
    pub(super) weight: usize,
}

impl Pending {
    pub(super) fn new(
        about: About,
        lost: OutboxMessage,
        load: &Arc<Load>,
    ) -> (Pending, AnswerSlot) {
        let (sender, answer) = oneshot::channel();
        let slot = AnswerSlot {
            sender,
            load: Arc::clone(load),
        };
        let lost = Box::new(lost);
        (
            Pending {
                answer,
                lost,
                about,
            },
            slot,
        )
    }
}

/// Where a reader puts the answer.
#[derive(Debug)]
pub(crate) struct AnswerSlot {
    sender: oneshot::Sender<Filled>,
    load: Arc<Load>,
}

impl AnswerSlot {
    /// Whether nobody waits for the answer any more: the client is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    /// Hands the answer over. It goes to the client when its turn comes.
    pub(crate) fn fill(self, message: OutboxMessage) {
        let weight = message.weight();
        self.load.add_answer(weight);
        if self.sender.send(Filled { message, weight }).is_err() {
            self.load.remove_answer(weight);
        }
    }
}

//! The queue from a database to one client.
//!
//! Invariants
//!   * Messages leave in the order in which the writer thread made them; one that is still being
//!     worked on holds up those behind it.
//!   * A queue holds at most [`OutboxLimits`]; a client that does not read beyond that is cut off
//!     (`overflowed`), it never slows the writer or another client down.
//!
//! The bounds while an answer is pending: what queues up behind an answer that the server has not
//! finished, or that is being written out, is not the client's fault. It is not counted against
//! `messages_max`. It is counted against `bytes_max`, with at least [`super::MESSAGE_WEIGHT`] bytes
//! a message, and so is the answer's own place; the answers themselves are bounded by
//! `answer_bytes_max` together, one alone by the limits of a query. A client past any of them is
//! cut off at once and does not wait for its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

use super::gate::Gate;
use super::pending::{About, AnswerSlot, Filled, Pending, SetSerial};
use super::{MESSAGE_WEIGHT, OutboxMessage};

/// Batches of messages taken from the channel at once.
const BATCHES_MAX: usize = 64;

/// When a client counts as not reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    pub messages_max: usize,
    pub bytes_max: usize,
    /// Rows of finished answers that wait for their turn.
    pub answer_bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        OutboxLimits {
            messages_max: 16 * 1024,
            bytes_max: 256 * 1024 * 1024,
            answer_bytes_max: 256 * 1024 * 1024,
        }
    }
}

/// What the database puts into a queue.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(OutboxMessage),
    /// The place of an answer.
    Pending(Pending),
    /// Nothing for the client: the writer thread knows that a set has failed.
    Forget(SetSerial),
}

impl Outgoing {
    fn weight(&self) -> usize {
        match self {
            Outgoing::Message(message) => message.weight(),
            Outgoing::Pending(_) | Outgoing::Forget(_) => MESSAGE_WEIGHT,
        }
    }

    fn is_end(&self) -> bool {
        matches!(self, Outgoing::Message(OutboxMessage::Closed { .. }))
    }
}

impl From<OutboxMessage> for Outgoing {
    fn from(message: OutboxMessage) -> Self {
        Outgoing::Message(message)
    }
}

/// What a queue holds; counted by both ends.
#[derive(Debug)]
pub(super) struct Load {
    limits: OutboxLimits,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    answer_bytes: AtomicUsize,
    /// Answers that are not written out yet.
    answers_open: AtomicUsize,
    overflowed: AtomicBool,
    /// The last message is in the queue: no answer is worth waiting for.
    closing: Notify,
}

impl Load {
    /// An answer is there. One may be as large as queries allow, several together may not.
    pub(super) fn add_answer(&self, weight: usize) {
        let before = self.answer_bytes.fetch_add(weight, Ordering::Relaxed);
        if before > 0 && before.saturating_add(weight) > self.limits.answer_bytes_max {
            self.overflowed.store(true, Ordering::Relaxed);
            self.closing.notify_one();
        }
    }

    pub(super) fn remove_answer(&self, weight: usize) {
        self.answer_bytes.fetch_sub(weight, Ordering::Relaxed);
    }
}

/// A message with what was counted for it.
#[derive(Debug)]
struct Queued {
    outgoing: Outgoing,
    weight: usize,
    is_counted: bool,
}

/// The sending half, held by the database.
#[derive(Clone, Debug)]
pub struct Outbox {
    load: Arc<Load>,
    sender: mpsc::UnboundedSender<Vec<Queued>>,
}

/// A client's queue.
#[must_use]
pub fn outbox(limits: OutboxLimits) -> (Outbox, OutboxReceiver) {
    let load = Arc::new(Load {
        limits,
        messages: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        answer_bytes: AtomicUsize::new(0),
        answers_open: AtomicUsize::new(0),
        overflowed: AtomicBool::new(false),
        closing: Notify::new(),
    });
    // Unbounded as a channel, bounded by `send` below: by bytes as well as by count.
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Outbox {
            load: Arc::clone(&load),
            sender,
        },
        OutboxReceiver {
            load,
            receiver,
            taken: Vec::new(),
            waiting: VecDeque::new(),
            gate: Gate::default(),
            answers_delivered: 0,
            has_ended: false,
        },
    )
}

impl Outbox {
    /// Counts messages and makes them ready to be queued; `None` if there is nothing to queue. Past
    /// the limits they are dropped and the client marked as overflowed, after which nothing more is
    /// queued: a client never sees a gap.
    pub(crate) fn prepare(&self, messages: Vec<Outgoing>) -> Option<Delivery> {
        let load = &*self.load;
        if messages.is_empty() || load.overflowed.load(Ordering::Relaxed) {
            return None;
        }
        let mut answers_open = load.answers_open.load(Ordering::Relaxed);
        let (mut counted, mut weight, mut answers, mut is_end) = (0, 0, 0, false);
        let mut batch = Vec::with_capacity(messages.len());
        for outgoing in messages {
            let queued = Queued {
                weight: outgoing.weight(),
                is_counted: answers_open == 0,
                outgoing,
            };
            weight += queued.weight;
            counted += usize::from(queued.is_counted);
            if matches!(queued.outgoing, Outgoing::Pending(_)) {
                answers_open += 1;
                answers += 1;
            }
            is_end |= queued.outgoing.is_end();
            batch.push(queued);
        }
        let messages = load.messages.fetch_add(counted, Ordering::Relaxed) + counted;
        let bytes = load.bytes.fetch_add(weight, Ordering::Relaxed) + weight;
        if messages > load.limits.messages_max || bytes > load.limits.bytes_max {
            load.overflowed.store(true, Ordering::Relaxed);
            load.closing.notify_one();
            // Wakes the receiver, which sees the flag and hangs up.
            let end = Queued {
                outgoing: overflow().into(),
                weight: 0,
                is_counted: false,
            };
            return Some(self.delivery(vec![end], false));
        }
        if answers > 0 {
            load.answers_open.fetch_add(answers, Ordering::Relaxed);
        }
        Some(self.delivery(batch, is_end))
    }

    fn delivery(&self, batch: Vec<Queued>, is_end: bool) -> Delivery {
        Delivery {
            outbox: self.clone(),
            batch,
            is_end,
        }
    }

    /// Queues messages at once.
    #[cfg(test)]
    pub(crate) fn send_all(&self, messages: Vec<Outgoing>) {
        if let Some(delivery) = self.prepare(messages) {
            delivery.put();
        }
    }

    /// Messages that wait, as far as they count, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let load = &self.load;
        let messages = load.messages.load(Ordering::Relaxed);
        (messages, load.bytes.load(Ordering::Relaxed))
    }

    /// Whether the client was too slow.
    pub(crate) fn overflowed(&self) -> bool {
        self.load.overflowed.load(Ordering::Relaxed)
    }

    /// Queues one message.
    #[cfg(test)]
    pub(crate) fn send(&self, outgoing: impl Into<Outgoing>) {
        self.send_all(vec![outgoing.into()]);
    }

    /// A place for an answer and the slot to put it in. `lost` is for the case that the slot is
    /// dropped empty.
    pub(crate) fn pending(&self, about: About, lost: OutboxMessage) -> (Pending, AnswerSlot) {
        Pending::new(about, lost, &self.load)
    }
}

/// Messages for one client that are counted and not queued yet.
#[derive(Debug)]
pub(crate) struct Delivery {
    outbox: Outbox,
    batch: Vec<Queued>,
    is_end: bool,
}

impl Delivery {
    /// Queues them, and wakes the client's task.
    pub(crate) fn put(self) {
        // The receiver is gone when the connection ended; its disconnect request is on its way.
        let _ = self.outbox.sender.send(self.batch);
        if self.is_end {
            self.outbox.load.closing.notify_one();
        }
    }
}

fn overflow() -> OutboxMessage {
    OutboxMessage::Closed {
        reason: "the client does not read its messages".into(),
    }
}

/// The receiving half, held by the connection.
#[derive(Debug)]
pub struct OutboxReceiver {
    load: Arc<Load>,
    receiver: mpsc::UnboundedReceiver<Vec<Queued>>,
    /// Empty between two calls; kept for its memory.
    taken: Vec<Vec<Queued>>,
    /// Taken from the channel, but behind an answer that is not there, or more than was asked for.
    waiting: VecDeque<Queued>,
    gate: Gate,
    /// Answers that were given out with the last batch.
    answers_delivered: usize,
    /// `Closed` was given out: there is nothing after it.
    has_ended: bool,
}

/// What became of the first waiting message.
enum Step {
    Taken(OutboxMessage),
    Skipped,
    /// An answer that is not there yet, or no message at all.
    Stuck,
}

impl OutboxReceiver {
    /// Waits for at least one message and takes up to `max` of them. 0 means that the database
    /// dropped its half. Calling it says that what it gave out before has been written. Nothing is
    /// lost if the future is dropped.
    pub async fn recv_many(&mut self, into: &mut Vec<OutboxMessage>, max: usize) -> usize {
        let delivered = std::mem::take(&mut self.answers_delivered);
        self.load
            .answers_open
            .fetch_sub(delivered, Ordering::Relaxed);
        let start = into.len();
        loop {
            if self.has_ended {
                return 0;
            }
            self.take_ready(into, start + max);
            if into.len() > start {
                self.take_more(into, start + max);
                return into.len() - start;
            }
            match self.waiting.front_mut() {
                Some(Queued {
                    outgoing: Outgoing::Pending(pending),
                    ..
                }) => {
                    let filled = tokio::select! {
                        filled = &mut pending.answer => Some(filled.ok()),
                        () = self.load.closing.notified() => None,
                    };
                    match filled {
                        Some(filled) => into.extend(self.settle_first(filled)),
                        None => into.push(self.skip_to_end()),
                    }
                    self.note_end(into);
                    if into.len() > start {
                        return into.len() - start;
                    }
                }
                _ => {
                    if self.receiver.recv_many(&mut self.taken, BATCHES_MAX).await == 0 {
                        return 0;
                    }
                    self.waiting.extend(self.taken.drain(..).flatten());
                }
            }
        }
    }

    /// Moves messages out until one has to be waited for.
    fn take_ready(&mut self, into: &mut Vec<OutboxMessage>, len_max: usize) {
        while into.len() < len_max && !self.has_ended {
            match self.step() {
                Step::Taken(message) => into.push(message),
                Step::Skipped => {}
                Step::Stuck => return,
            }
            self.note_end(into);
        }
    }

    /// Takes what has come meanwhile, too: the more leaves together, the less it costs.
    fn take_more(&mut self, into: &mut Vec<OutboxMessage>, len_max: usize) {
        while into.len() < len_max && self.waiting.is_empty() {
            let Ok(batch) = self.receiver.try_recv() else {
                return;
            };
            self.waiting.extend(batch);
            self.take_ready(into, len_max);
        }
    }

    fn note_end(&mut self, into: &[OutboxMessage]) {
        self.has_ended |= matches!(into.last(), Some(OutboxMessage::Closed { .. }));
    }

    fn step(&mut self) -> Step {
        let Some(first) = self.waiting.front_mut() else {
            return Step::Stuck;
        };
        if let Outgoing::Pending(pending) = &mut first.outgoing {
            use tokio::sync::oneshot::error::TryRecvError;
            let filled = match pending.answer.try_recv() {
                Ok(filled) => Some(filled),
                Err(TryRecvError::Closed) => None,
                Err(TryRecvError::Empty) => return Step::Stuck,
            };
            return self.settle_first(filled).map_or(Step::Skipped, Step::Taken);
        }
        let passed = match self.remove_first() {
            Some(Outgoing::Message(message)) => self.gate.message(message),
            Some(Outgoing::Forget(serial)) => {
                self.gate.forget(serial);
                None
            }
            Some(Outgoing::Pending(_)) | None => None,
        };
        passed.map_or(Step::Skipped, Step::Taken)
    }

    fn remove_first(&mut self) -> Option<Outgoing> {
        let first = self.waiting.pop_front()?;
        if first.is_counted {
            self.load.messages.fetch_sub(1, Ordering::Relaxed);
        }
        self.load.bytes.fetch_sub(first.weight, Ordering::Relaxed);
        Some(first.outgoing)
    }

    /// The first message's answer has come, or will never come.
    fn settle_first(&mut self, filled: Option<Filled>) -> Option<OutboxMessage> {
        let Some(Outgoing::Pending(pending)) = self.remove_first() else {
            return None;
        };
        self.answers_delivered += 1;
        let message = match filled {
            Some(filled) => {
                self.load.remove_answer(filled.weight);
                filled.message
            }
            None => *pending.lost,
        };
        Some(self.gate.answer(message, &pending.about))
    }

    /// The database has ended the connection while an answer was being worked on: the last message
    /// is the only one that still counts.
    fn skip_to_end(&mut self) -> OutboxMessage {
        let mut waiting = std::mem::take(&mut self.waiting);
        while let Ok(queued) = self.receiver.try_recv() {
            waiting.extend(queued);
        }
        let ends = waiting
            .into_iter()
            .filter_map(|queued| match queued.outgoing {
                Outgoing::Message(end @ OutboxMessage::Closed { .. }) => Some(end),
                _ => None,
            });
        // Too many answers end a connection without a message.
        ends.last().unwrap_or_else(overflow)
    }

    /// Whether the client was too slow; the connection has to be closed.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.load.overflowed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;

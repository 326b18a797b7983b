//! The durability thread and the queue in front of it.
//!
//! Invariants
//!   * The queue is bounded in transactions and in bytes. When it is full, the appender waits: a
//!     slow disk slows the database down, it never loses or drops.
//!   * Everything that waits is woken by the end of the thread, however it ends.
//!
//! Group commit needs no timer: while one commit is being synced, the next one accumulates, and is
//! encoded by a [helper](ahead) if it is large.

mod ahead;
mod stepper;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, mem};

use parking_lot::{Condvar, Mutex};
use spacetime_commitlog::CommitBuffer;
use spacetime_types::TxOffset;

use crate::durable_offset::{DurableOffset, DurableState, Status};
use crate::group_commit::{Entry, Failure, GroupCommit, Progress, Transaction};
use crate::recovery::Options;
use ahead::Ahead;
pub use stepper::Stepper;

/// Why a transaction was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Durability failed before. Stop accepting writes to this database and say why.
    #[error("the database takes no more writes: {0}")]
    Failed(Arc<Failure>),
    /// The caller's numbering is wrong: a defect.
    #[error("transaction {found} was appended where {expected} was due")]
    OutOfOrder { expected: TxOffset, found: TxOffset },
}

/// The running durability of one database. Dropping it writes what is queued, like
/// [`Durability::close`].
#[derive(Debug)]
pub struct Durability {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// The next commit. Locked before `queue` by whoever needs both.
    ahead: Mutex<Ahead>,
    /// There is something to encode during a sync, or the end has come.
    ahead_wanted: Condvar,
    /// There is something to write, or the end has come.
    filled: Condvar,
    /// There is room again, or the thread has ended.
    drained: Condvar,
    durable: DurableOffset,
    queue_len_max: usize,
    queue_bytes_max: usize,
    watermark_interval: Duration,
}

#[derive(Debug)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    next: TxOffset,
    /// Nothing was appended since the last end of a commit.
    at_end_of_commit: bool,
    closing: bool,
    ended: Option<Arc<Failure>>,
    new_segment: Option<TxOffset>,
    encoding: ahead::State,
}

impl Durability {
    /// Starts the thread of a recovered log.
    pub fn start(group_commit: GroupCommit, options: &Options) -> io::Result<Self> {
        let (mut durability, worker) = Self::prepare(&group_commit, options);
        let thread = std::thread::Builder::new()
            .name("durability".to_owned())
            .spawn(move || worker.run(group_commit))?;
        durability.thread = Some(thread);
        Ok(durability)
    }

    /// The same without a thread: nothing is written but by [`Stepper::step`]. For simulations,
    /// which must not append more than fits the queue, as nobody would make room.
    #[must_use]
    pub fn stepped(group_commit: GroupCommit, options: &Options) -> (Self, Stepper) {
        let (durability, worker) = Self::prepare(&group_commit, options);
        let stepper = Stepper {
            running: Some((worker, group_commit)),
            entries: VecDeque::new(),
        };
        (durability, stepper)
    }

    fn prepare(group_commit: &GroupCommit, options: &Options) -> (Self, Worker) {
        let next = group_commit.next();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                bytes: 0,
                next,
                at_end_of_commit: true,
                closing: false,
                ended: None,
                new_segment: None,
                encoding: ahead::State::default(),
            }),
            ahead: Mutex::new(Ahead::new(next, options.commit_bytes_max)),
            ahead_wanted: Condvar::new(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            durable: DurableOffset::new(next.0.checked_sub(1).map(TxOffset)),
            queue_len_max: options.queue_len_max.max(1),
            queue_bytes_max: options.queue_bytes_max,
            watermark_interval: options.watermark_interval,
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            outcome: Some(Status::Failed(Arc::new(Failure::Panicked))),
        };
        let durability = Durability {
            shared,
            thread: None,
        };
        (durability, worker)
    }

    /// Hands over the next transaction. Waits while the queue is full. The transaction is durable
    /// when the durable offset has reached it, not before.
    pub fn append(&self, transaction: Transaction) -> Result<(), EnqueueError> {
        let bytes = transaction.record.byte_len();
        let mut queue = self.shared.queue.lock();
        // No timeout: the thread's end wakes us, and as long as it runs it makes room.
        while queue.ended.is_none() && self.shared.is_full(&queue, bytes) {
            self.shared.drained.wait(&mut queue);
        }
        if let Some(failure) = &queue.ended {
            return Err(EnqueueError::Failed(Arc::clone(failure)));
        }
        if transaction.offset != queue.next {
            return Err(EnqueueError::OutOfOrder {
                expected: queue.next,
                found: transaction.offset,
            });
        }
        queue.next = TxOffset(queue.next.0 + 1);
        queue.bytes += bytes;
        queue.entries.push_back(Entry::Transaction(transaction));
        queue.at_end_of_commit = false;
        // During a sync the writer does not listen, and need not: it looks again afterwards.
        if !queue.encoding.syncing {
            self.shared.filled.notify_one();
        } else if queue.wants_encoding() {
            self.shared.ahead_wanted.notify_one();
        }
        Ok(())
    }

    /// Ends the commit after what was appended so far. To be called where a snapshot is taken.
    pub fn end_commit(&self) {
        let mut queue = self.shared.queue.lock();
        if !queue.at_end_of_commit {
            queue.entries.push_back(Entry::EndOfCommit);
            queue.at_end_of_commit = true;
        }
    }

    /// Transactions that wait to be written; those being written do not count.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.shared.queue.lock().entries.len()
    }

    /// The segment that was begun since the last call, if any: a good moment for a snapshot.
    pub fn take_new_segment(&self) -> Option<TxOffset> {
        self.shared.queue.lock().new_segment.take()
    }

    /// The offset up to which everything is durable.
    #[must_use]
    pub fn durable_offset(&self) -> DurableOffset {
        self.shared.durable.clone()
    }

    /// Writes everything that is queued, ends the thread, and releases the replica.
    pub fn close(mut self) -> Result<Option<TxOffset>, Arc<Failure>> {
        self.join();
        let DurableState { offset, status } = self.shared.durable.get();
        match status {
            Status::Failed(failure) => Err(failure),
            Status::Closed => Ok(offset),
            Status::Running => unreachable!("whoever writes ends the watch when done"),
        }
    }

    fn join(&mut self) {
        self.shared.queue.lock().closing = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic has been published by the worker's drop.
            let _ = thread.join();
        }
    }
}

impl Drop for Durability {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    /// A single transaction is always taken, however large: it would never fit otherwise.
    fn is_full(&self, queue: &Queue, more_bytes: usize) -> bool {
        let too_many = queue.entries.len() >= self.queue_len_max;
        let too_large = queue.bytes.saturating_add(more_bytes) > self.queue_bytes_max;
        too_many || (too_large && !queue.entries.is_empty())
    }
}

#[derive(Debug)]
struct Worker {
    shared: Arc<Shared>,
    /// Published when the worker is dropped. A panic finds what was set at the start.
    outcome: Option<Status>,
}

impl Worker {
    fn run(self, mut group_commit: GroupCommit) {
        let result = self.write_until_closed(&mut group_commit);
        self.end(group_commit, result);
    }

    fn end(mut self, group_commit: GroupCommit, result: Result<(), Failure>) {
        // Releases the lock before anybody learns that we are done, so that they can reopen.
        drop(group_commit);
        self.outcome = Some(match result {
            Ok(()) => Status::Closed,
            Err(failure) => {
                tracing::error!(%failure, "durability failed; the database takes no more writes");
                Status::Failed(Arc::new(failure))
            }
        });
    }

    fn write_until_closed(&self, group_commit: &mut GroupCommit) -> Result<(), Failure> {
        let mut helper = None;
        let mut commit = CommitBuffer::new();
        // When the watermark is to be synced, if it is behind.
        let mut sync_at: Option<Instant> = None;
        loop {
            match self.wait(sync_at) {
                Waited::Something => {}
                Waited::Nothing => {
                    group_commit.sync_watermark()?;
                    sync_at = None;
                    continue;
                }
                Waited::Closed => return group_commit.sync_watermark(),
            }
            ahead::next_commit(&self.shared, &mut commit)?;
            if commit.record_count() == 0 {
                continue;
            }
            // One transaction at a time needs no helper, nor what goes with one.
            if helper.is_none() && commit.records_len() >= ahead::BYTES_MIN {
                helper = Some(ahead::Helper::start(&self.shared));
            }
            ahead::begin_sync(&self.shared);
            let progress = group_commit.write_commit(&mut commit);
            ahead::end_sync(&self.shared);
            self.publish(group_commit, &progress?)?;
            sync_at = self.sync_watermark_if_due(group_commit, sync_at)?;
        }
    }

    /// Without this, a queue that is never empty would never let the watermark be synced. Returns
    /// when it is to be synced next.
    fn sync_watermark_if_due(
        &self,
        group_commit: &mut GroupCommit,
        sync_at: Option<Instant>,
    ) -> Result<Option<Instant>, Failure> {
        if !group_commit.watermark_is_behind() {
            return Ok(None);
        }
        let now = Instant::now();
        match sync_at {
            None => Ok(now.checked_add(self.shared.watermark_interval)),
            Some(due) if due > now => Ok(sync_at),
            Some(_) => {
                group_commit.sync_watermark()?;
                Ok(None)
            }
        }
    }

    /// Writes one commit of what was taken, and says so. False if there was nothing.
    fn write_commit(
        &self,
        group_commit: &mut GroupCommit,
        entries: &mut VecDeque<Entry>,
    ) -> Result<bool, Failure> {
        let Some(progress) = group_commit.write(entries)? else {
            return Ok(false);
        };
        self.publish(group_commit, &progress)?;
        Ok(true)
    }

    fn publish(&self, group_commit: &mut GroupCommit, progress: &Progress) -> Result<(), Failure> {
        self.shared.durable.advance(progress.durable_end);
        if progress.new_segment.is_some() {
            self.shared.queue.lock().new_segment = progress.new_segment;
        }
        group_commit.keep_watermark(progress)
    }

    /// Waits for something to write, until the watermark is to be synced.
    fn wait(&self, sync_at: Option<Instant>) -> Waited {
        let mut queue = self.shared.queue.lock();
        while !queue.has_something() {
            if queue.closing {
                return Waited::Closed;
            }
            let Some(sync_at) = sync_at else {
                self.shared.filled.wait(&mut queue);
                continue;
            };
            let waited = self.shared.filled.wait_until(&mut queue, sync_at);
            if waited.timed_out() && !queue.has_something() && !queue.closing {
                return Waited::Nothing;
            }
        }
        Waited::Something
    }

    /// Takes everything that is queued.
    fn take_queued(&self, entries: &mut VecDeque<Entry>) {
        let mut queue = self.shared.queue.lock();
        mem::swap(entries, &mut queue.entries);
        queue.bytes = 0;
        self.shared.drained.notify_all();
    }
}

enum Waited {
    Something,
    Nothing,
    Closed,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(outcome) = self.outcome.take() else {
            return;
        };
        let dropped = {
            let mut queue = self.shared.queue.lock();
            if let Status::Failed(failure) = &outcome {
                queue.ended = Some(Arc::clone(failure));
            }
            self.shared.drained.notify_all();
            mem::take(&mut queue.entries)
        };
        self.shared.durable.end(outcome);
        drop(dropped);
        self.shared.ahead.lock().forget();
    }
}

#[cfg(test)]
mod tests;

//! Encoding the next commit while the last one is being synced, on a helper thread.
//!
//! The writer thread encodes as well: what the helper has not got to, and everything if there is
//! little of it. Both take transactions from the queue with the next commit locked, so that they
//! land there in order.
//!
//! Invariants
//!   * Nothing is written here. There is still at most one commit on the disk that is not synced.
//!   * Beside the queue, no more is held in memory than the commit being synced, the next one,
//!     and one piece of the queue.
//!   * A failure of the helper, a panic too, is one of the writer at its next step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use spacetime_commitlog::CommitBuffer;
use spacetime_types::TxOffset;

use super::{Queue, Shared};
use crate::encoder::BatchEncoder;
use crate::group_commit::{Entry, Failure};

/// With less than this in the queue, waking a thread costs more than it saves.
pub(super) const BYTES_MIN: usize = 32 << 10;
/// Bounds of what is taken from the queue at once: neither the appender nor the writer waits for
/// longer than this takes.
const PIECE_LEN_MAX: usize = 512;
const PIECE_BYTES_MAX: usize = 256 << 10;

/// The next commit, and what was taken from the queue for it.
#[derive(Debug)]
pub(super) struct Ahead {
    encoder: BatchEncoder,
    taken: VecDeque<Entry>,
}

/// What the queue's users have to know of the helper.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The writer is busy.
    pub(super) syncing: bool,
    /// Something was taken from the queue and not written yet.
    taken: bool,
    /// The next commit takes no more.
    full: bool,
    failed: Option<Failure>,
    stopping: bool,
}

#[cfg(test)]
impl State {
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

impl Ahead {
    pub(super) fn new(next: TxOffset, commit_bytes_max: usize) -> Self {
        Ahead {
            encoder: BatchEncoder::new(next, commit_bytes_max),
            taken: VecDeque::new(),
        }
    }

    /// Drops what will never be written.
    pub(super) fn forget(&mut self) {
        self.taken = VecDeque::new();
        self.encoder.hand_over(&mut CommitBuffer::new());
    }

    /// Encodes a piece of the queue. False if there was nothing to do.
    fn encode_piece(&mut self, shared: &Shared) -> Result<bool, Failure> {
        if self.encoder.is_full() {
            return Ok(false);
        }
        if self.taken.is_empty() {
            let mut queue = shared.queue.lock();
            queue.take_piece(&mut self.taken, self.encoder.room());
            if self.taken.is_empty() {
                return Ok(false);
            }
            queue.encoding.taken = true;
            shared.drained.notify_all();
        }
        self.encoder.fill(&mut self.taken)?;
        Ok(true)
    }
}

impl Queue {
    /// True if there is something for the writer.
    pub(super) fn has_something(&self) -> bool {
        !self.entries.is_empty() || self.encoding.taken || self.encoding.failed.is_some()
    }

    /// True if there is something for the helper.
    pub(super) fn wants_encoding(&self) -> bool {
        self.encoding.syncing && !self.encoding.full && self.bytes >= BYTES_MIN
    }

    fn take_piece(&mut self, taken: &mut VecDeque<Entry>, room: usize) {
        let bytes_max = room.clamp(1, PIECE_BYTES_MAX);
        let mut bytes = 0;
        while taken.len() < PIECE_LEN_MAX && bytes < bytes_max {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            if let Entry::Transaction(transaction) = &entry {
                bytes += transaction.record.byte_len();
            }
            taken.push_back(entry);
        }
        self.bytes = match self.entries.is_empty() {
            true => 0,
            false => self.bytes.saturating_sub(bytes),
        };
    }
}

/// Fills the next commit with what there is, and exchanges it for `empty`.
pub(super) fn next_commit(shared: &Shared, empty: &mut CommitBuffer) -> Result<(), Failure> {
    let mut ahead = shared.ahead.lock();
    if let Some(failure) = shared.queue.lock().encoding.failed.take() {
        return Err(failure);
    }
    while ahead.encode_piece(shared)? {}
    ahead.encoder.hand_over(empty);
    let mut queue = shared.queue.lock();
    queue.encoding.taken = !ahead.taken.is_empty();
    queue.encoding.full = false;
    Ok(())
}

pub(super) fn begin_sync(shared: &Shared) {
    let mut queue = shared.queue.lock();
    queue.encoding.syncing = true;
    if queue.wants_encoding() {
        shared.ahead_wanted.notify_one();
    }
}

pub(super) fn end_sync(shared: &Shared) {
    shared.queue.lock().encoding.syncing = false;
}

/// The helper thread, ended when dropped.
#[derive(Debug)]
pub(super) struct Helper {
    shared: Arc<Shared>,
    /// `None` if it could not be started: then the writer does everything.
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let thread = std::thread::Builder::new()
            .name("durability-encoder".to_owned())
            .spawn({
                let shared = Arc::clone(shared);
                move || run(&shared)
            });
        Helper {
            shared: Arc::clone(shared),
            thread: thread.ok(),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.shared.queue.lock().encoding.stopping = true;
        self.shared.ahead_wanted.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the guard.
            let _ = thread.join();
        }
    }
}

/// Reports a panic of the helper.
struct Guard<'a> {
    shared: &'a Shared,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(self.shared, Failure::Panicked);
        }
    }
}

fn fail(shared: &Shared, failure: Failure) {
    shared.queue.lock().encoding.failed = Some(failure);
    shared.filled.notify_one();
}

fn run(shared: &Shared) {
    loop {
        {
            let mut queue = shared.queue.lock();
            // No timeout: the helper is told when there is something, or to end.
            while !queue.encoding.stopping && !queue.wants_encoding() {
                shared.ahead_wanted.wait(&mut queue);
            }
            if queue.encoding.stopping {
                return;
            }
        }
        let mut ahead = shared.ahead.lock();
        // Dropped before the lock is: nobody gets to see a commit that is half encoded.
        let _guard = Guard { shared };
        match ahead.encode_piece(shared) {
            Ok(_) => {}
            Err(failure) => return fail(shared, failure),
        }
        ahead.encoder.checksum_ahead();
        shared.queue.lock().encoding.full = ahead.encoder.is_full();
    }
}

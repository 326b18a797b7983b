//! Writing accumulated transactions as few commits: the part of durability that a test can step.
//!
//! Invariants
//!   * Nothing is reported durable before the sync that made it so has returned.
//!   * At most one commit is unsynced at any time. So a torn commit is the last thing in the log,
//!     and a valid commit behind a bad place always means damage.
//!   * The watermark follows the truth, never leads it.
//!
//! Not here: the queue and the thread (see `worker`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use spacetime_commitlog::planted::{self, Bug};
use spacetime_commitlog::storage::{StorageError, StorageLock};
use spacetime_commitlog::{AppendError, CommitBuffer, LogWriter};
use spacetime_types::TxOffset;

use crate::encoder::BatchEncoder;
use crate::watermark::Watermark;

/// A transaction's record, encoded on the durability thread.
pub trait Record: Send + 'static {
    /// Appends the record's bytes, as `spacetime_commitlog::txdata::encode` makes them.
    fn encode(&self, out: &mut Vec<u8>);

    /// About how much memory waiting in the queue costs. The queue is bounded by it.
    fn byte_len(&self) -> usize;
}

/// A record that was encoded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord(Vec<u8>);

impl From<Vec<u8>> for EncodedRecord {
    fn from(bytes: Vec<u8>) -> Self {
        EncodedRecord(bytes)
    }
}

impl Record for EncodedRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn byte_len(&self) -> usize {
        self.0.len()
    }
}

impl<R: Record + Sync> Record for Arc<R> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn byte_len(&self) -> usize {
        (**self).byte_len()
    }
}

/// A committed transaction on its way to the log.
pub struct Transaction {
    pub offset: TxOffset,
    pub record: Box<dyn Record>,
}

impl Transaction {
    #[must_use]
    pub fn new(offset: TxOffset, record: impl Record) -> Self {
        Transaction {
            offset,
            record: Box::new(record),
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("offset", &self.offset)
            .field("byte_len", &self.record.byte_len())
            .finish()
    }
}

/// What waits to be written.
#[derive(Debug)]
pub enum Entry {
    Transaction(Transaction),
    /// The commit ends here. Put in where a snapshot is taken, so that replay from the snapshot
    /// never has to step over records whose row types the snapshot no longer knows.
    EndOfCommit,
}

/// Why nothing more becomes durable. Final: reopen the database.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A write or sync of the log failed. Make room on the disk, or replace it.
    #[error("the log could not be written: {0}")]
    Log(#[from] AppendError),
    /// A write or sync of the watermark file failed. Make room on the disk, or replace it.
    #[error("the watermark could not be written: {0}")]
    Watermark(StorageError),
    /// The transaction's record has 4 GiB or more, which the log cannot hold.
    #[error("transaction {offset} is too large for the log")]
    RecordTooLarge { offset: TxOffset },
    /// A defect; the message is in the server's log.
    #[error("the durability thread panicked")]
    Panicked,
}

/// What one step wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// All transactions before this one are durable.
    pub durable_end: TxOffset,
    /// A segment was begun: a good moment for a snapshot.
    pub new_segment: Option<TxOffset>,
}

/// The log of one replica, locked and open for appending.
#[derive(Debug)]
pub struct GroupCommit {
    log: LogWriter,
    watermark: Watermark,
    encoder: BatchEncoder,
    /// Kept for its memory.
    spare: CommitBuffer,
    commits_per_watermark: u32,
    commits_since_watermark: u32,
    _lock: Box<dyn StorageLock>,
}

impl GroupCommit {
    pub(crate) fn new(
        log: LogWriter,
        watermark: Watermark,
        lock: Box<dyn StorageLock>,
        options: &crate::Options,
    ) -> Self {
        GroupCommit {
            encoder: BatchEncoder::new(log.next(), options.commit_bytes_max),
            log,
            watermark,
            spare: CommitBuffer::new(),
            commits_per_watermark: options.commits_per_watermark,
            commits_since_watermark: 0,
            _lock: lock,
        }
    }

    /// The offset that the next transaction must have.
    #[must_use]
    pub fn next(&self) -> TxOffset {
        self.log.next()
    }

    /// Writes as much from the front of `queue` as goes into one commit, and syncs it. `None` if
    /// there was nothing to write.
    ///
    /// # Panics
    /// If a transaction's offset is not the next one.
    pub fn write(&mut self, queue: &mut VecDeque<Entry>) -> Result<Option<Progress>, Failure> {
        // Also after a failed commit, which the log has not taken.
        self.encoder.begin_at(self.log.next());
        self.encoder.fill(queue)?;
        let mut commit = std::mem::take(&mut self.spare);
        self.encoder.hand_over(&mut commit);
        if commit.record_count() == 0 {
            return Ok(None);
        }
        let progress = self.write_commit(&mut commit);
        self.spare = commit;
        progress.map(Some)
    }

    /// Writes a commit, syncs it, and empties the buffer.
    pub(crate) fn write_commit(&mut self, commit: &mut CommitBuffer) -> Result<Progress, Failure> {
        let appended = if planted::is_on(Bug::AcknowledgeBeforeSync) {
            self.log.sync().and_then(|()| self.log.append(commit))
        } else {
            self.log.append_and_sync(commit)
        };
        commit.clear();
        let appended = appended?;
        self.commits_since_watermark += 1;
        let too_many = u64::from(planted::is_on(Bug::AcknowledgeWrongOffset));
        Ok(Progress {
            durable_end: TxOffset(appended.end.0 + too_many),
            new_segment: appended.new_segment,
        })
    }

    /// Keeps the watermark after `progress`: a killed process leaves it there. It is synced only
    /// if that is due. Separate from [`GroupCommit::write`] so that what is durable can be
    /// published first.
    pub fn keep_watermark(&mut self, progress: &Progress) -> Result<(), Failure> {
        let is_due = self.commits_since_watermark >= self.commits_per_watermark;
        if is_due || progress.new_segment.is_some() {
            return self.sync_watermark();
        }
        let noted = self.watermark.note(self.log.next());
        noted.map_err(Failure::Watermark)
    }

    /// True if a power cut could leave the watermark behind.
    #[must_use]
    pub fn watermark_is_behind(&self) -> bool {
        self.watermark.synced_end() < self.log.next()
    }

    /// Syncs the watermark. For idle times and for a clean end.
    pub fn sync_watermark(&mut self) -> Result<(), Failure> {
        self.commits_since_watermark = 0;
        let synced = self.watermark.sync(self.log.next());
        synced.map_err(Failure::Watermark)
    }
}

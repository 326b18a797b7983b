//! Encoding transactions into the next commit. While one commit is being synced, another thread
//! can do this for the one after it.

use std::collections::VecDeque;
use std::mem;

use spacetime_commitlog::CommitBuffer;
use spacetime_types::TxOffset;

use crate::group_commit::{Entry, Failure};

/// A commit that is being filled.
#[derive(Debug)]
pub(crate) struct BatchEncoder {
    commit: CommitBuffer,
    /// The offset of the next transaction.
    next: TxOffset,
    bytes_max: usize,
    is_full: bool,
}

impl BatchEncoder {
    /// Begins with the transaction `next`. A commit that has reached `bytes_max` is full.
    pub(crate) fn new(next: TxOffset, bytes_max: usize) -> Self {
        BatchEncoder {
            commit: CommitBuffer::new(),
            next,
            bytes_max,
            is_full: false,
        }
    }

    /// The commit, which is empty, begins with the transaction `next`.
    pub(crate) fn begin_at(&mut self, next: TxOffset) {
        assert!(self.commit.record_count() == 0, "the commit has begun");
        self.next = next;
    }

    /// True if the commit takes no more transactions.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Bytes until the commit is full, about.
    pub(crate) fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.commit.records_len())
    }

    /// Takes transactions from the front of `queue` until it is empty or the commit is full.
    ///
    /// # Panics
    /// If a transaction's offset is not the next one.
    pub(crate) fn fill(&mut self, queue: &mut VecDeque<Entry>) -> Result<(), Failure> {
        while !self.is_full {
            let transaction = match queue.pop_front() {
                None => break,
                Some(Entry::EndOfCommit) => {
                    self.is_full = self.commit.record_count() > 0;
                    continue;
                }
                Some(Entry::Transaction(transaction)) => transaction,
            };
            let (offset, expected) = (transaction.offset, self.next);
            assert!(
                offset == expected,
                "transaction {offset} came where {expected} was due"
            );
            let pushed = self.commit.push(|out| transaction.record.encode(out));
            if pushed.is_ok() {
                self.next = TxOffset(offset.0 + 1);
                self.is_full = self.commit.records_len() >= self.bytes_max;
            } else if self.commit.record_count() == 0 {
                return Err(Failure::RecordTooLarge { offset });
            } else {
                queue.push_front(Entry::Transaction(transaction));
                self.is_full = true;
            }
        }
        Ok(())
    }

    /// Does as much of the checksum as can be done now.
    pub(crate) fn checksum_ahead(&mut self) {
        self.commit.checksum_ahead();
    }

    /// Exchanges the commit for an empty one.
    pub(crate) fn hand_over(&mut self, empty: &mut CommitBuffer) {
        assert!(empty.record_count() == 0, "the last commit was written");
        mem::swap(&mut self.commit, empty);
        self.is_full = false;
    }
}

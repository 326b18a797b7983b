//! Durability of one database: group commit, the durable offset, recovery, and the disks.
//!
//! * [`open`] replays what is on disk into a visitor and returns a running [`Durability`].
//! * [`Durability::append`] hands over a transaction and returns at once; a thread writes
//!   whatever has accumulated as one commit, syncs it, and advances the [`DurableOffset`].
//! * [`storage`] has the real disk, by system calls or by io_uring, and a simulated one.
//! * [`replay_ahead`] replays a log while another thread reads on.
//!
//! What is promised
//!   * Offsets at or below the durable offset survive a killed process and a power loss, on a
//!     disk that honours fsync.
//!   * After any crash the log holds a prefix of the transactions that were appended.
//!   * Damage is refused with file and offset. Only the unacknowledged end of an interrupted
//!     write is cut, and the cut is reported. The limit: damage that happens between a power cut
//!     and the next start, lies above the watermark, and reaches to the end of the log looks like
//!     an interrupted write.
//!   * A failed write or sync is final: nothing is acknowledged from then on, and reads are not
//!     affected.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use spacetime_durability::{Durability, EncodedRecord, Options, Transaction, recover};
//! use spacetime_durability::storage::{SimStorage, Storage};
//! # use spacetime_durability::doc_support::CountRecords;
//! use spacetime_types::TxOffset;
//!
//! let disk: Arc<dyn Storage> = Arc::new(SimStorage::new(1));
//! let mut visitor = CountRecords::default(); // a `TxVisitor` that applies rows to your tables
//! let options = Options::default();
//! let replica = "/replica".as_ref();
//! let (found, group_commit) = recover(&disk, replica, &options, &mut visitor).unwrap();
//! assert_eq!(found.next, TxOffset(0));
//!
//! let durability = Durability::start(group_commit, &options).unwrap();
//! let record = EncodedRecord::from(vec![0]); // see `txdata::encode`
//! durability.append(Transaction::new(TxOffset(0), record)).unwrap();
//! durability.durable_offset().wait_for(TxOffset(0), Duration::from_secs(5)).unwrap();
//! durability.close().unwrap();
//! ```

#[doc(hidden)]
pub mod doc_support;
mod durable_offset;
mod encoder;
mod group_commit;
mod read_ahead;
mod recovery;
mod replay_progress;
mod replica_lock;
pub mod storage;
mod watermark;
mod worker;

pub use durable_offset::{DurableOffset, DurableState, Status, Subscription, WaitError};
pub use group_commit::{EncodedRecord, Entry, Failure, GroupCommit, Progress, Record, Transaction};
pub use read_ahead::replay_ahead;
pub use recovery::{
    CLOG_DIR, GoodLog, LockedReplica, Options, RecoverError, Recovered, open, recover,
};
pub use replay_progress::{ReplayProgress, Replaying};
pub use replica_lock::LOCK_FILE;
pub use spacetime_commitlog as commitlog;
pub use watermark::{DamagedWatermark, WATERMARK_FILE, read_watermark};
pub use worker::{Durability, EnqueueError, Stepper};

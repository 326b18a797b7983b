//! The segmented, checksummed commitlog: every transaction of a database, in order.
//!
//! The log is a directory of [segments](segment); a segment is a header and [commits](commit);
//! a commit is a checksummed frame around records; a record is the [payload](txdata) of one
//! transaction. The format is SpacetimeDB's: logs can be read and continued in place, in both
//! directions.
//!
//! * [`LogReader`] reads from any transaction to the end and tells damage from a torn tail.
//! * [`replay`] feeds the records to a [`TxVisitor`].
//! * [`LogWriter`] appends, and keeps an [offset index](offset_index) so that reading can begin
//!   anywhere.
//! * [`SealedSegments`] compresses and removes what is not appended to any more.
//! * [`Storage`] is the seam through which all of them reach the disk. Implementations, group
//!   commit and recovery are in `spacetime-durability`.
//!
//! No clock, no randomness, no thread.
//!
//! ```
//! use spacetime_commitlog::commit::CommitBuffer;
//! use spacetime_commitlog::txdata::{self, Changes, Rows};
//! use spacetime_types::{TableId, TxOffset};
//!
//! // One inserted row (a single u32) of table 4096, framed as the commit of transaction 0.
//! let inserts = [Rows { table: TableId(4096), row_count: 1, bytes: &[7, 0, 0, 0] }];
//! let changes = Changes { inserts: &inserts, deletes: &[], truncates: &[] };
//! let mut commit = CommitBuffer::new();
//! commit.push(|out| txdata::encode(None, None, Some(changes), out)).unwrap();
//! let frame = commit.finish(TxOffset(0), 0);
//! assert_eq!(frame.bytes.len(), 22 + 13 + 4);
//! ```

mod batch;
pub mod commit;
mod compress;
pub mod compressed;
mod damage;
pub mod offset_index;
pub mod planted;
mod reader;
mod replay;
mod sealed;
pub mod segment;
mod segment_reader;
pub mod storage;
pub mod txdata;
mod window;
mod writer;

pub use batch::CommitBatch;
pub use commit::{CommitBuffer, CommitHeader};
pub use compress::Compressed;
pub use compressed::CompressedDamage;
pub use damage::{Damage, DamageKind, LogError, NextValid};
pub use reader::{Commit, LastSegment, LogEnd, LogReader, Tail};
pub use replay::{ReplayError, Replayed, replay, replay_commit};
pub use sealed::{Removed, SealedSegments, SegmentInfo};
pub use storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
pub use txdata::{Call, Changes, Inputs, RowSet, Rows, TxVisitor, TxdataError};
pub use writer::{AppendError, Appended, LogOptions, LogWriter};

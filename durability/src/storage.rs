//! Disks: the operating system's and a simulated one, behind the seam that the log asks for.

mod failpoint;
mod os;
mod sim;

pub use failpoint::{FAILPOINT_VARIABLE, with_failpoint};
pub use os::OsStorage;
pub use sim::{Fault, SimCounts, SimStorage};
pub use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};

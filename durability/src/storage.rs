//! Disks: the operating system's and a simulated one, behind the seam that the log asks for.

mod os;
mod sim;

pub use os::OsStorage;
pub use sim::{Fault, SimCounts, SimStorage};
pub use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};

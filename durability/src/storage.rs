//! Disks: the operating system's, by the standard library or by io_uring, and a simulated one,
//! behind the seam that the log asks for.

mod failpoint;
mod os;
mod sim;
#[cfg(target_os = "linux")]
mod uring;

use std::io;
use std::sync::Arc;

pub use failpoint::{BadFailpoint, FAILPOINT_VARIABLE, with_failpoint};
pub use os::OsStorage;
pub use sim::{Fault, SimCounts, SimStorage};
pub use spacetime_commitlog::storage::{OpenMode, Storage, StorageError, StorageFile, StorageLock};
#[cfg(target_os = "linux")]
pub use uring::UringStorage;

/// Which way to the operating system's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The standard library: a system call for the write, another for the sync.
    #[default]
    Std,
    /// io_uring where the kernel allows it, otherwise the standard library.
    UringIfPossible,
    /// io_uring, or an error.
    Uring,
}

/// Opens the operating system's files, and says in the log by which way.
pub fn open_backend(backend: Backend) -> io::Result<Arc<dyn Storage>> {
    let uring = match backend {
        Backend::Std => {
            tracing::info!(backend = "std", "files are written through system calls");
            return Ok(Arc::new(OsStorage));
        }
        Backend::UringIfPossible | Backend::Uring => open_uring(),
    };
    match uring {
        Ok(storage) => {
            tracing::info!(backend = "io_uring", "files are written through io_uring");
            Ok(storage)
        }
        Err(error) if backend == Backend::UringIfPossible => {
            let why = error.to_string();
            tracing::info!(backend = "std", why, "the kernel refuses io_uring");
            Ok(Arc::new(OsStorage))
        }
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
fn open_uring() -> io::Result<Arc<dyn Storage>> {
    Ok(Arc::new(UringStorage::new()?))
}

#[cfg(not(target_os = "linux"))]
fn open_uring() -> io::Result<Arc<dyn Storage>> {
    Err(io::ErrorKind::Unsupported.into())
}

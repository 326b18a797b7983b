//! Write and fdatasync in one submission to Linux's io_uring.
//!
//! One of two crates of the workspace with unsafe code, small so that it can be read in one go. It
//! knows nothing of logs.
//!
//! Invariants
//!   * The kernel reads the caller's bytes only while the call is running: a call returns after
//!     the kernel has reported on everything that it was given, and in no other way.
//!   * Nothing counts as synced but a sync that the kernel reported good, after a complete write.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, Probe, opcode, squeue, types};

const ENTRIES: u32 = 4;
const WRITE: u64 = 1;
const SYNC: u64 = 2;
/// The kernel writes less than 2 GiB at once.
const WRITE_BYTES_MAX: usize = 1 << 30;

/// A pair of queues to the kernel. For one call at a time.
pub struct Ring {
    ring: IoUring,
}

/// How far a write with a sync behind it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// All bytes are written, and the file is synced.
    Synced,
    /// Only so many bytes were written, and nothing was synced: the rest is the caller's.
    Written(usize),
}

/// Which half has failed.
#[derive(Debug)]
pub enum Failed {
    Write(io::Error),
    Sync(io::Error),
}

impl Ring {
    /// Fails where the kernel has no io_uring, forbids it, or cannot do what is needed.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::new(ENTRIES)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::Write::CODE, opcode::Fsync::CODE];
        if !needed.iter().all(|code| probe.is_supported(*code)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Ring { ring })
    }

    /// Writes `bytes` at `offset` and then makes the file's content durable.
    pub fn write_and_sync(
        &mut self,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Done, Failed> {
        let fd = types::Fd(file.as_raw_fd());
        let taken = bytes.len().min(WRITE_BYTES_MAX);
        let len = u32::try_from(taken).expect("below 2^30");
        // A short write breaks the link: then the sync is cancelled, not done too early.
        let write = opcode::Write::new(fd, bytes.as_ptr(), len)
            .offset(offset)
            .build()
            .flags(squeue::Flags::IO_LINK)
            .user_data(WRITE);
        let sync = opcode::Fsync::new(fd)
            .flags(types::FsyncFlags::DATASYNC)
            .build()
            .user_data(SYNC);
        // SAFETY: the entries refer to `file` and `bytes`, both borrowed for this whole call.
        // `finish` returns only once the kernel has reported on both entries (or ends the
        // process), so the kernel uses neither after the borrows end. The memory is only read.
        let pushed = unsafe { self.ring.submission().push_multiple(&[write, sync]) };
        assert!(pushed.is_ok(), "every call leaves the queues empty");
        let (written, synced) = self.finish();
        let written = match usize::try_from(written) {
            Ok(written) => written,
            Err(_) => return interrupted_or(written).map_err(Failed::Write),
        };
        assert!(written <= taken, "more was written than was given");
        if written < bytes.len() {
            return Ok(Done::Written(written));
        }
        if synced < 0 {
            return Err(Failed::Sync(io::Error::from_raw_os_error(-synced)));
        }
        Ok(Done::Synced)
    }

    /// Submits both entries and waits for both results.
    fn finish(&mut self) -> (i32, i32) {
        let (mut written, mut synced) = (None, None);
        while written.is_none() || synced.is_none() {
            let waited = self.ring.submit_and_wait(1);
            for completion in self.ring.completion() {
                match completion.user_data() {
                    WRITE => written = Some(completion.result()),
                    _ => synced = Some(completion.result()),
                }
            }
            if let Err(error) = waited {
                let again = [
                    io::ErrorKind::Interrupted,
                    io::ErrorKind::WouldBlock,
                    io::ErrorKind::ResourceBusy,
                ];
                if !again.contains(&error.kind()) {
                    // The kernel may go on reading memory that is about to be someone else's.
                    eprintln!("io_uring cannot be waited for: {error}");
                    std::process::abort();
                }
            }
        }
        (written.unwrap_or_default(), synced.unwrap_or_default())
    }
}

/// An interrupted write has written nothing.
fn interrupted_or(result: i32) -> io::Result<Done> {
    let error = io::Error::from_raw_os_error(-result);
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(Done::Written(0)),
        _ => Err(error),
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

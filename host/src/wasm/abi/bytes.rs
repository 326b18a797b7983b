//! Byte sources (host to guest) and byte sinks (guest to host).
//!
//! Invariants
//!   * Handle 0 is the empty source; a real handle always has something left to read.
//!   * A guest that asks for one source after the other and reads none is stopped, before the
//!     host's memory is full of them.
//!   * A sink never holds more than the bound that it was made with: the rest is dropped and the
//!     sink marked, so a guest cannot fill the host's memory.

use bytes::Bytes;
use wasmtime::{Caller, Linker};

use super::{EXHAUSTED, Env, Stop, errno, finish, split};

/// Most sources that a call may have asked for and not read.
const UNREAD_MAX: usize = 4096;

/// Bytes in them with which a call may ask for one more.
const UNREAD_BYTES_MAX: usize = 256 << 20;

/// What a guest may read during one call.
#[derive(Debug, Default)]
pub(in crate::wasm) struct ByteSources {
    slots: Vec<Bytes>,
}

impl ByteSources {
    /// A handle for `bytes`; 0 if there are none.
    pub(in crate::wasm) fn add(&mut self, bytes: Bytes) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        // Sources that were read to their end are gone; a long call makes many.
        while self.slots.last().is_some_and(Bytes::is_empty) {
            self.slots.pop();
        }
        self.slots.push(bytes);
        handle_of(self.slots.len())
    }

    /// The same for something that the guest has asked for.
    pub(super) fn add_asked(&mut self, bytes: Bytes) -> Result<u32, Stop> {
        let handle = self.add(bytes);
        let unread = || self.slots.iter().map(Bytes::len).sum::<usize>();
        // Few are more than a call has any use for, so the sum is seldom asked for.
        let is_few = self.slots.len() <= 16;
        if is_few || (self.slots.len() <= UNREAD_MAX && unread() <= UNREAD_BYTES_MAX) {
            return Ok(handle);
        }
        Err(Stop::Trap(wasmtime::Error::msg(format!(
            "the module has asked for {} texts of {} bytes together, and not read them",
            self.slots.len(),
            unread()
        ))))
    }

    pub(in crate::wasm) fn clear(&mut self) {
        self.slots.clear();
    }

    fn get_mut(&mut self, handle: u32) -> Result<&mut Bytes, Stop> {
        slot_of(handle)
            .and_then(|slot| self.slots.get_mut(slot))
            .filter(|bytes| !bytes.is_empty())
            .ok_or(Stop::Errno(errno::NO_SUCH_BYTES))
    }
}

#[derive(Debug)]
struct Sink {
    bytes: Vec<u8>,
    bytes_max: usize,
    overflowed: bool,
}

/// What a guest may write during one call.
#[derive(Debug, Default)]
pub(in crate::wasm) struct ByteSinks {
    slots: Vec<Sink>,
}

impl ByteSinks {
    pub(in crate::wasm) fn add(&mut self, bytes_max: usize) -> u32 {
        self.slots.push(Sink {
            bytes: Vec::new(),
            bytes_max,
            overflowed: false,
        });
        handle_of(self.slots.len())
    }

    /// What the guest wrote.
    pub(in crate::wasm) fn take(&mut self, handle: u32) -> Vec<u8> {
        slot_of(handle)
            .and_then(|slot| self.slots.get_mut(slot))
            .map(|sink| std::mem::take(&mut sink.bytes))
            .unwrap_or_default()
    }

    /// Whether the guest wrote more than fits.
    pub(in crate::wasm) fn overflowed(&self, handle: u32) -> bool {
        slot_of(handle)
            .and_then(|slot| self.slots.get(slot))
            .is_some_and(|sink| sink.overflowed)
    }

    pub(in crate::wasm) fn clear(&mut self) {
        self.slots.clear();
    }

    fn write(&mut self, handle: u32, bytes: &[u8]) -> Result<(), Stop> {
        let sink = slot_of(handle)
            .and_then(|slot| self.slots.get_mut(slot))
            .ok_or(Stop::Errno(errno::NO_SUCH_BYTES))?;
        let room = sink.bytes_max - sink.bytes.len();
        sink.overflowed |= bytes.len() > room;
        sink.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}

/// Handles count from 1.
fn handle_of(len: usize) -> u32 {
    u32::try_from(len).expect("a call makes few handles")
}

fn slot_of(handle: u32) -> Option<usize> {
    usize::try_from(handle).ok()?.checked_sub(1)
}

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "bytes_source_read", bytes_source_read)?
        .func_wrap("spacetime_10.0", "bytes_sink_write", bytes_sink_write)?
        .func_wrap(
            "spacetime_10.1",
            "bytes_source_remaining_length",
            bytes_source_remaining,
        )?;
    Ok(())
}

fn bytes_source_read(
    mut caller: Caller<'_, Env>,
    source: u32,
    buffer: u32,
    buffer_len: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let bytes = env.sources.get_mut(source)?;
        let capacity = memory.read_u32(buffer_len)?;
        let target = memory.bytes_mut(buffer, capacity)?;
        let read = bytes.split_to(target.len().min(bytes.len()));
        target[..read.len()].copy_from_slice(&read);
        let exhausted = bytes.is_empty();
        if exhausted {
            // What was read is not kept for it.
            *bytes = Bytes::new();
        }
        memory.write_u32(buffer_len, handle_of(read.len()))?;
        Ok(if exhausted { EXHAUSTED } else { 0 })
    })())
}

fn bytes_source_remaining(
    mut caller: Caller<'_, Env>,
    source: u32,
    out: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (mut memory, env) = split(&mut caller)?;
        let left = env.sources.get_mut(source)?.len();
        memory.write_u32(out, u32::try_from(left).unwrap_or(u32::MAX))?;
        Ok(0)
    })())
}

fn bytes_sink_write(
    mut caller: Caller<'_, Env>,
    sink: u32,
    buffer: u32,
    buffer_len: u32,
) -> wasmtime::Result<i32> {
    finish((|| {
        let (memory, env) = split(&mut caller)?;
        let len = memory.read_u32(buffer_len)?;
        env.sinks.write(sink, memory.bytes(buffer, len)?)?;
        Ok(0)
    })())
}

//! The imports that a module calls: `spacetime_10.0` to `spacetime_10.5`.
//!
//! One file per family of calls. Every function follows the same pattern: borrow the guest's
//! memory and the host's state side by side, do the work, and turn the outcome into an error
//! number (for what the guest may handle) or a trap (for what it must never do).

mod bytes;
mod call;
mod console;
mod guest_memory;
mod lookup;
mod procedure;
mod scan;
mod write;

pub(super) use bytes::{ByteSinks, ByteSources};
pub(super) use console::ConsoleTimers;
pub(super) use scan::RowIterators;

use spacetime_table::error::ReadError;
use spacetime_types::TableId;
use wasmtime::{Caller, Linker};

use self::guest_memory::{Fault, GuestMemory};
use super::env::Env;
use crate::planted::{self, Bug};

/// Numbers that guests know.
mod errno {
    pub const HOST_CALL_FAILURE: u16 = 1;
    pub const NOT_IN_TRANSACTION: u16 = 2;
    pub const BSATN_DECODE_ERROR: u16 = 3;
    pub const NO_SUCH_TABLE: u16 = 4;
    pub const NO_SUCH_INDEX: u16 = 5;
    pub const NO_SUCH_ITER: u16 = 6;
    pub const NO_SUCH_CONSOLE_TIMER: u16 = 7;
    pub const NO_SUCH_BYTES: u16 = 8;
    pub const WRONG_INDEX_ALGO: u16 = 10;
    pub const BUFFER_TOO_SMALL: u16 = 11;
    pub const UNIQUE_ALREADY_EXISTS: u16 = 12;
    pub const INDEX_NOT_UNIQUE: u16 = 14;
    pub const NO_SUCH_ROW: u16 = 15;
    pub const AUTO_INC_OVERFLOW: u16 = 16;
    pub const WOULD_BLOCK_TRANSACTION: u16 = 17;
    pub const TRANSACTION_NOT_ANONYMOUS: u16 = 18;
    pub const TRANSACTION_IS_READ_ONLY: u16 = 19;
    pub const HTTP_ERROR: u16 = 21;
}

/// Status of a call that delivers in pieces: nothing is left.
const EXHAUSTED: i32 = -1;

/// What stops a call short.
#[derive(Debug)]
enum Stop {
    /// The guest gets the number and goes on.
    Errno(u16),
    /// The guest ends here.
    Trap(wasmtime::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Trap(wasmtime::Error::new(fault))
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Stop::Errno(match error {
            ReadError::NoSuchIndex(_) => errno::NO_SUCH_INDEX,
            ReadError::InvalidKey(_) => errno::BSATN_DECODE_ERROR,
            ReadError::NotOrdered(_) => errno::WRONG_INDEX_ALGO,
        })
    }
}

/// Runs a call and folds its outcome into the guest's return value.
fn finish(outcome: Result<i32, Stop>) -> wasmtime::Result<i32> {
    match outcome {
        Ok(value) => Ok(value),
        Err(Stop::Errno(number)) => Ok(i32::from(number)),
        Err(Stop::Trap(error)) => Err(error),
    }
}

/// The guest's memory and the host's state, borrowed side by side.
fn split<'a>(caller: &'a mut Caller<'_, Env>) -> Result<(GuestMemory<'a>, &'a mut Env), Stop> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // Only a wasm start function runs before the instance has bound its memory.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or(Fault::NoMemory)?,
    };
    let (bytes, env) = memory.data_and_store_mut(caller);
    Ok((GuestMemory::new(bytes), env))
}

/// Adds every import to the linker.
pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    lookup::link(linker)?;
    scan::link(linker)?;
    write::link(linker)?;
    bytes::link(linker)?;
    console::link(linker)?;
    call::link(linker)?;
    procedure::link(linker)
}

impl Env {
    /// The database, while a transaction is open.
    fn database(&self) -> Result<&spacetime_table::Datastore, Stop> {
        self.database
            .as_deref()
            .ok_or(Stop::Errno(errno::NOT_IN_TRANSACTION))
    }

    /// How many rows of a table the running function sees at most. Views do not see what is gone
    /// when the transaction ends, and must not depend on other views.
    fn rows_seen(&self, table: TableId) -> Result<usize, Stop> {
        if self.reads.is_none() {
            return Ok(usize::MAX);
        }
        match self.database()?.schema(table) {
            Some(schema) if schema.view.is_some() => Err(Stop::Errno(errno::NO_SUCH_TABLE)),
            Some(schema) if schema.is_event => Ok(0),
            _ => Ok(usize::MAX),
        }
    }

    /// Notes that a view depends on all rows of a table.
    fn note_table(&mut self, table: TableId) {
        if let Some(reads) = &mut self.reads {
            reads.add_table(table);
        }
    }

    /// The database to write to, while a transaction is open that may write.
    fn database_mut(&mut self) -> Result<&mut spacetime_table::Datastore, Stop> {
        if self.reads.is_some() && !planted::is_on(Bug::ViewsWrite) {
            return Err(Stop::Errno(errno::TRANSACTION_IS_READ_ONLY));
        }
        self.database
            .as_deref_mut()
            .ok_or(Stop::Errno(errno::NOT_IN_TRANSACTION))
    }
}

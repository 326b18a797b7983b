//! What a module's imports work on: the database of the running call, and the handles that the
//! module holds.
//!
//! Invariant: `database` is there exactly while a call runs inside a transaction. For reducers the
//! instance puts it in before the call and takes it out after, also after a trap; procedures open
//! and end transactions of their own.

use std::sync::Arc;

use bytes::Bytes;
use spacetime_table::Datastore;
use spacetime_types::Identity;
use wasmtime::{AsContextMut, Memory};

use super::abi::{ByteSinks, ByteSources, ConsoleTimers, RowIterators};
use super::engine::{Deadline, TickCount};
use super::quota::MemoryShare;
use crate::module_log::ModuleLog;
use crate::procedures::ProcedureContext;
use crate::views::ReadSet;

/// A reducer that a module asked to run soon, outside its transaction.
#[derive(Clone, Debug)]
pub struct ImmediateCall {
    pub reducer: Box<str>,
    pub args: Bytes,
}

impl ImmediateCall {
    /// What it keeps.
    pub(crate) fn bytes(&self) -> usize {
        self.reducer.len() + self.args.len()
    }
}

/// Most calls that one function may queue with `volatile_nonatomic_schedule_immediate`.
pub(super) const IMMEDIATE_CALLS_MAX: usize = 1024;

/// Bytes of their names and arguments together.
pub(super) const IMMEDIATE_BYTES_MAX: usize = 16 << 20;

/// The host's side of one instance.
#[derive(Debug)]
pub struct Env {
    pub(super) memory: Option<Memory>,
    pub(super) database: Option<Box<Datastore>>,
    /// What a view has read so far; there exactly while one runs. Views cannot write.
    pub(super) reads: Option<ReadSet>,
    pub(super) database_identity: Identity,
    /// The running function, for log records; `None` while the instance is being made.
    pub(super) function: Option<Arc<str>>,
    pub(super) log: Arc<ModuleLog>,
    /// When the running call has to be over.
    pub(super) deadline: Deadline,
    /// What the instance has of the database's memory for modules.
    pub(super) memory_share: MemoryShare,
    /// The running call has logged a panic.
    pub(super) has_panicked: bool,
    pub(super) iterators: RowIterators,
    pub(super) sources: ByteSources,
    pub(super) sinks: ByteSinks,
    pub(super) timers: ConsoleTimers,
    pub(super) immediate: Vec<ImmediateCall>,
    /// There while a procedure or an HTTP handler runs.
    pub(super) procedure: Option<ProcedureContext>,
}

impl Env {
    pub(super) fn new(
        database_identity: Identity,
        log: Arc<ModuleLog>,
        memory_share: MemoryShare,
        ticks: TickCount,
    ) -> Env {
        Env {
            memory: None,
            database: None,
            reads: None,
            database_identity,
            function: None,
            log,
            deadline: Deadline::new(ticks),
            memory_share,
            has_panicked: false,
            iterators: RowIterators::default(),
            sources: ByteSources::default(),
            sinks: ByteSinks::default(),
            timers: ConsoleTimers::default(),
            immediate: Vec::new(),
            procedure: None,
        }
    }

    /// Drops everything that a call may have left open.
    pub(super) fn end_call(&mut self) {
        self.sources.clear();
        self.sinks.clear();
        self.iterators.clear();
        self.timers.clear();
        self.has_panicked = false;
    }
}

/// Gives what runs next in the store so many ticks.
pub(super) fn set_deadline(mut store: impl AsContextMut<Data = Env>, ticks: u64) {
    let mut store = store.as_context_mut();
    store.set_epoch_deadline(ticks);
    store.data_mut().deadline.set(ticks);
}

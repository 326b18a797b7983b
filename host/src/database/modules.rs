//! What runs the module of a database, and getting another one ready.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use spacetime_types::Hash;

use super::Shared;
use crate::clock::TimeSource;
use crate::module::{describe_module, prepare_module};
use crate::module_http::OutboundHttp;
use crate::panic_point::PanicPoint;
use crate::publish::{PreparedModule, PublishError};
use crate::wasm::{Program, WasmEngine};

/// What runs the modules of a server.
#[derive(Clone, Debug)]
pub(crate) struct ModuleRuntime {
    pub(crate) engine: Arc<WasmEngine>,
    /// `None` if modules may not send HTTP requests.
    pub(crate) outbound_http: Option<Arc<dyn OutboundHttp>>,
    /// For tests.
    pub(crate) panic_point: Option<Arc<PanicPoint>>,
    pub(crate) time: TimeSource,
    /// Modules that were compiled before, for a process that opens many databases with few.
    pub(crate) known: Option<KnownModules>,
}

/// Compiled modules by the hash of their programs.
pub(crate) type KnownModules = Arc<Mutex<FxHashMap<Hash, PreparedModule>>>;

impl Shared {
    fn known_module(&self, program: &Bytes) -> Option<PreparedModule> {
        let known = self.known.as_ref()?.lock();
        known.get(&Hash::of(program)).cloned()
    }

    fn note_module(&self, prepared: &PreparedModule) {
        if let Some(known) = &self.known {
            known.lock().insert(prepared.hash, prepared.clone());
        }
    }

    /// Compiles a module, starts and describes it. Takes long.
    pub(super) fn load_module(&self, program: Bytes) -> Result<PreparedModule, PublishError> {
        if let Some(known) = self.known_module(&program) {
            return Ok(known);
        }
        let (log, quota) = (&self.log, &self.quota);
        let prepared = prepare_module(&self.engine, program, self.identity, log, quota)?;
        self.note_module(&prepared);
        Ok(prepared)
    }
}

/// Compiles a module, starts and describes it, on threads that may wait.
pub(crate) async fn prepare(
    shared: Arc<Shared>,
    program: Bytes,
) -> Result<PreparedModule, PublishError> {
    if let Some(known) = shared.known_module(&program) {
        return Ok(known);
    }
    let compiled = Program::load_in_time(&shared.engine, program.clone()).await?;
    let task = tokio::task::spawn_blocking(move || {
        let (log, quota) = (&shared.log, &shared.quota);
        let prepared = describe_module(compiled, program, shared.identity, log, quota)?;
        shared.note_module(&prepared);
        Ok(prepared)
    });
    let panicked = |_| PublishError::Failed("the module could not be described".into());
    task.await.map_err(panicked)?
}

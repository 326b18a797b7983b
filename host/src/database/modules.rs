//! What runs the module of a database, and getting another one ready.

use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use crate::module::describe_module;
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
}

/// Compiles a module, starts and describes it, on threads that may wait.
pub(crate) async fn prepare(
    shared: Arc<Shared>,
    program: Bytes,
) -> Result<PreparedModule, PublishError> {
    let compiled = Program::load_in_time(&shared.engine, program.clone()).await?;
    let task = tokio::task::spawn_blocking(move || {
        let (log, quota) = (&shared.log, &shared.quota);
        describe_module(compiled, program, shared.identity, log, quota)
    });
    let panicked = |_| PublishError::Failed("the module could not be described".into());
    task.await.map_err(panicked)?
}

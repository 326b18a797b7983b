//! What a program says about itself, without a database: it is started once, and asked.

use std::sync::Arc;

use spacetime_types::Identity;

use crate::module_log::ModuleLog;
use crate::wasm::{
    CallLimits, CompileOptions, CreateInstanceError, Instance, LoadProgramError, Program, Quota,
    WasmEngine,
};

/// Why a program could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("the WebAssembly engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    #[error(transparent)]
    Load(#[from] LoadProgramError),
    #[error(transparent)]
    Create(#[from] CreateInstanceError),
}

/// The description of a module as it writes it itself: a raw definition in BSATN. Runs foreign
/// code, within the limits, and takes as long as the program is large.
pub fn describe_program(program: &[u8], limits: CallLimits) -> Result<Vec<u8>, InspectError> {
    let engine = WasmEngine::new(&CompileOptions::default(), None).map_err(InspectError::Engine)?;
    let program = Program::load(&engine, program)?;
    let log = Arc::new(ModuleLog::unwritten());
    let (_, description) = Instance::create(&program, Identity::ZERO, &log, &Quota::new(limits))?;
    Ok(description)
}

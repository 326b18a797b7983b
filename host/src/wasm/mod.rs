//! WebAssembly modules: compiling, linking, and calling them.
//!
//! The only place that knows the wasm runtime. A module can do no harm from here: its memory, its
//! stack and its time are bounded, a pointer that it hands over is checked before it is used, and
//! whatever goes wrong inside a call ends that call only.

mod abi;
mod compiler;
mod engine;
mod env;
mod instance;
mod program;
mod quota;
mod trace;
mod view;

pub use compiler::CompileOptions;
pub use engine::WasmEngine;
pub use env::ImmediateCall;
pub use instance::{
    CallEnd, CreateInstanceError, HandlerInvocation, Instance, ProcedureFailure, ReducerInvocation,
};
pub use program::{LoadProgramError, Program};
pub use quota::CallLimits;
pub(crate) use quota::{Quota, TooManyRows};
pub(crate) use view::{ViewCallError, ViewEnd, ViewInvocation};

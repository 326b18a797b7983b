//! WebAssembly modules: compiling, linking, and calling them.
//!
//! The only place that knows the wasm runtime. A module can do no harm from here: its memory, its
//! stack and its time are bounded, a pointer that it hands over is checked before it is used, and
//! whatever goes wrong inside a call ends that call only.

mod abi;
mod engine;
mod env;
mod instance;
mod program;
mod view;

pub use engine::{CallLimits, WasmEngine};
pub use env::ImmediateCall;
pub use instance::{
    CallEnd, CreateInstanceError, HandlerInvocation, Instance, ProcedureFailure, ReducerInvocation,
};
pub use program::{LoadProgramError, Program};
pub(crate) use view::{ViewCallError, ViewEnd, ViewInvocation};

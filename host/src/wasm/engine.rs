//! The wasm runtime's settings, and the clock that stops endless loops: one for all databases of
//! a server.
//!
//! Invariant: the ticker raises the engine's epoch every [`TICK`]; a call's deadline is a number
//! of ticks, so a call is stopped at most one tick late. The ticker ends with the engine.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel};

use super::abi;
use super::compiler::{CompileOptions, Compiler};
use super::env::Env;

/// How often the epoch moves.
const TICK: Duration = Duration::from_millis(5);

/// Deepest wasm stack, in bytes.
const WASM_STACK_BYTES_MAX: usize = 512 * 1024;

/// Frames of a back trace in a log.
const TRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// A time in ticks of the engine's epoch; at least one.
pub(super) fn ticks_of(time: Duration) -> u64 {
    let ticks = time.as_millis() / TICK.as_millis();
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1)
}

/// The wasm compiler with every import of the module ABI.
pub struct WasmEngine {
    engine: Engine,
    linker: Linker<Env>,
    compiler: Compiler,
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WasmEngine")
    }
}

impl WasmEngine {
    /// Makes the engine and starts its clock. `code_directory` is where compiled modules are kept.
    pub fn new(
        options: &CompileOptions,
        code_directory: Option<PathBuf>,
    ) -> wasmtime::Result<Arc<WasmEngine>> {
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::Speed)
            .epoch_interruption(true)
            .max_wasm_stack(WASM_STACK_BYTES_MAX)
            .wasm_backtrace_max_frames(Some(TRACE_FRAMES_MAX))
            // Replaying a module must give the same bits on every machine.
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        abi::link(&mut linker)?;
        start_ticker(&engine)?;
        let compiler = Compiler::new(options, code_directory)?;
        Ok(Arc::new(WasmEngine {
            engine,
            linker,
            compiler,
        }))
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    pub(super) fn link(&self, module: &Module) -> wasmtime::Result<InstancePre<Env>> {
        self.linker.instantiate_pre(module)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

fn start_ticker(engine: &Engine) -> wasmtime::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("wasm-ticker".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| wasmtime::Error::msg(format!("cannot start the wasm clock: {error}")))?;
    Ok(())
}

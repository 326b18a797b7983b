//! The compiler and the clock that stops endless loops, shared by all databases of a server.
//!
//! Invariant: the ticker raises the engine's epoch every [`TICK`]; a call's deadline is a number
//! of ticks, so a call is stopped at most one tick late. The ticker ends with the engine.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel};

use super::abi;
use super::env::Env;

/// How often the epoch moves.
const TICK: Duration = Duration::from_millis(5);

/// Deepest wasm stack, in bytes.
const WASM_STACK_BYTES_MAX: usize = 512 * 1024;

/// Procedures that run at once on machines with few cores: most of them wait, not compute.
const PROCEDURES_MIN: usize = 16;

/// What one call of a module may use.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Wall-clock time of one call.
    pub call_time_max: Duration,
    /// The same of one run of a view, which holds up whoever changed what it reads.
    pub view_time_max: Duration,
    /// Linear memory of one instance.
    pub memory_bytes_max: usize,
    /// Time that one procedure or HTTP handler may compute; waiting does not count.
    pub procedure_time_max: Duration,
    /// Procedures and HTTP handlers of one database that run at once.
    pub procedures_max: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        CallLimits {
            call_time_max: Duration::from_secs(10),
            view_time_max: Duration::from_secs(1),
            memory_bytes_max: 1 << 30,
            procedure_time_max: Duration::from_secs(60),
            procedures_max: std::thread::available_parallelism()
                .map_or(1, usize::from)
                .max(PROCEDURES_MIN),
        }
    }
}

impl CallLimits {
    /// The call's time in ticks of the engine's epoch.
    pub(super) fn deadline_ticks(&self) -> u64 {
        ticks_of(self.call_time_max)
    }

    /// The time of a view's run in the same ticks.
    pub(super) fn view_deadline_ticks(&self) -> u64 {
        ticks_of(self.view_time_max)
    }
}

/// A time in ticks of the engine's epoch; at least one.
pub(super) fn ticks_of(time: Duration) -> u64 {
    let ticks = time.as_millis() / TICK.as_millis();
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1)
}

/// The wasm compiler with every import of the module ABI.
pub struct WasmEngine {
    engine: Engine,
    linker: Linker<Env>,
}

impl std::fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WasmEngine")
    }
}

impl WasmEngine {
    /// Makes the engine and starts its clock.
    pub fn new() -> wasmtime::Result<Arc<WasmEngine>> {
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::Speed)
            .epoch_interruption(true)
            .max_wasm_stack(WASM_STACK_BYTES_MAX)
            // Replaying a module must give the same bits on every machine.
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        abi::link(&mut linker)?;
        start_ticker(&engine)?;
        Ok(Arc::new(WasmEngine { engine, linker }))
    }

    pub(super) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Module> {
        Module::from_binary(&self.engine, bytes)
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

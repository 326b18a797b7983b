//! The wasm runtime's settings, and the clock that stops endless loops: one for all databases of
//! a server.
//!
//! Invariant: the ticker raises the engine's epoch once for every [`TICK`] of real time, also if it
//! woke up late itself; a call's deadline is a number of ticks, so however long it may take, a call
//! is stopped at most one tick early or late. What the ticker was late when the call began comes
//! on top of that, up to [`TICKS_LATE_MAX`]: a loaded machine, where asking for the time at each
//! call would help nobody. The ticker ends with the engine.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel, Trap};

use super::abi;
use super::compiler::{CompileOptions, Compiler};
use super::env::Env;

/// How often the epoch moves.
const TICK: Duration = Duration::from_millis(5);

/// Ticks that are made up for at once. What was lost beyond is lost: the whole process was stopped,
/// and its calls with it.
const TICKS_LATE_MAX: u64 = 20;

/// Deepest wasm stack, in bytes.
const WASM_STACK_BYTES_MAX: usize = 512 * 1024;

/// Frames of a back trace in a log.
const TRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// A time in ticks of the engine's epoch; at least one.
pub(super) fn ticks_of(time: Duration) -> u64 {
    let ticks = time.as_millis() / TICK.as_millis();
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1)
}

/// The ticks so far. The engine's own count cannot be read.
#[derive(Clone, Debug, Default)]
pub(super) struct TickCount(Arc<AtomicU64>);

impl TickCount {
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The end of the time of a call: for what the host does for a module, where no epoch is looked at.
#[derive(Debug)]
pub(super) struct Deadline {
    ticks: TickCount,
    at: u64,
}

impl Deadline {
    /// One that is over.
    pub(super) fn new(ticks: TickCount) -> Deadline {
        Deadline { ticks, at: 0 }
    }

    /// So many ticks from now. The engine's own has to be set as well.
    pub(super) fn set(&mut self, ticks: u64) {
        self.at = self.ticks.now().saturating_add(ticks);
    }

    /// Stops the call as the engine would have, if its time is used up.
    pub(super) fn check(&self) -> wasmtime::Result<()> {
        match self.ticks.now() > self.at {
            true => Err(Trap::Interrupt.into()),
            false => Ok(()),
        }
    }
}

/// The wasm compiler with every import of the module ABI.
pub struct WasmEngine {
    engine: Engine,
    ticks: TickCount,
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
        let ticks = TickCount::default();
        start_ticker(&engine, ticks.clone())?;
        let compiler = Compiler::new(options, code_directory)?;
        Ok(Arc::new(WasmEngine {
            engine,
            ticks,
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

    pub(super) fn ticks(&self) -> &TickCount {
        &self.ticks
    }
}

fn start_ticker(engine: &Engine, ticks: TickCount) -> wasmtime::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("wasm-ticker".into())
        .spawn(move || {
            let started = Instant::now();
            let mut counted = Counted::default();
            while let Some(engine) = weak.upgrade() {
                for _ in 0..counted.ticks_due(started.elapsed()) {
                    engine.increment_epoch();
                    ticks.0.fetch_add(1, Ordering::Relaxed);
                }
                drop(engine);
                std::thread::sleep(counted.time_left(started.elapsed()));
            }
        })
        .map_err(|error| wasmtime::Error::msg(format!("cannot start the wasm clock: {error}")))?;
    Ok(())
}

/// The time that was turned into ticks.
#[derive(Debug, Default)]
struct Counted(Duration);

impl Counted {
    /// The ticks that are to come, so much time after the start.
    fn ticks_due(&mut self, elapsed: Duration) -> u64 {
        let behind = elapsed.saturating_sub(self.0);
        let due = u64::try_from(behind.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX);
        if due > TICKS_LATE_MAX {
            self.0 = elapsed;
            return TICKS_LATE_MAX;
        }
        self.0 += TICK * u32::try_from(due).unwrap_or(0);
        due
    }

    /// The time to the next tick.
    fn time_left(&self, elapsed: Duration) -> Duration {
        (self.0 + TICK).saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_calls_does_not_drift() {
        let (mut counted, mut now, mut ticks) = (Counted::default(), Duration::ZERO, 0);
        // A thread wakes up late, now and then very late.
        for round in 0..10_000_u64 {
            now += counted.time_left(now) + Duration::from_micros(90 + round % 7 * 300);
            if round % 500 == 0 {
                now += Duration::from_millis(90);
            }
            ticks += counted.ticks_due(now);
            let exact = u64::try_from(now.as_nanos() / TICK.as_nanos()).expect("not long");
            assert_eq!(ticks, exact, "after {now:?}");
        }
        // The machine slept: that is not the module's time.
        now += Duration::from_secs(3600);
        assert_eq!(counted.ticks_due(now), TICKS_LATE_MAX);
        assert_eq!(counted.ticks_due(now), 0);
        assert_eq!(counted.time_left(now), TICK);
    }

    #[test]
    fn a_deadline_is_over_when_the_ticks_are_used_up() {
        let ticks = TickCount::default();
        let mut deadline = Deadline::new(ticks.clone());
        deadline.set(3);
        ticks.0.store(3, Ordering::Relaxed);
        assert!(deadline.check().is_ok());
        ticks.0.store(4, Ordering::Relaxed);
        let error = deadline.check().expect_err("too late");
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        deadline.set(u64::MAX);
        assert!(deadline.check().is_ok());
    }
}

//! Log records and timers. Nothing here ever fails a call because of a bad pointer in a record.

use std::time::Instant;

use wasmtime::{Caller, Linker, WasmBacktrace};

use super::guest_memory::GuestMemory;
use super::{Env, Stop, errno, finish, split};
use crate::module_log::{Level, Record};
use crate::wasm::trace;

/// Most timers that a call may have open.
const TIMERS_MAX: usize = 1024;
/// Longest text of a record that is kept, in bytes.
const TEXT_BYTES_MAX: u32 = 64 * 1024;

#[derive(Debug)]
struct ConsoleTimer {
    name: String,
    started: Instant,
}

/// Timers that a call has open.
#[derive(Debug, Default)]
pub(in crate::wasm) struct ConsoleTimers {
    slots: Vec<Option<ConsoleTimer>>,
}

impl ConsoleTimers {
    pub(in crate::wasm) fn clear(&mut self) {
        self.slots.clear();
    }
}

pub(super) fn link(linker: &mut Linker<Env>) -> wasmtime::Result<()> {
    linker
        .func_wrap("spacetime_10.0", "console_log", console_log)?
        .func_wrap("spacetime_10.0", "console_timer_start", console_timer_start)?
        .func_wrap("spacetime_10.0", "console_timer_end", console_timer_end)?;
    Ok(())
}

fn level_of(number: u32) -> Level {
    match number & 0xff {
        0 => Level::Error,
        1 => Level::Warn,
        2 => Level::Info,
        4 => Level::Trace,
        101 => Level::Panic,
        _ => Level::Debug,
    }
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn console_log(
    mut caller: Caller<'_, Env>,
    level: u32,
    target: u32,
    target_len: u32,
    filename: u32,
    filename_len: u32,
    line: u32,
    message: u32,
    message_len: u32,
) {
    let level = level_of(level);
    if !caller.data().log.takes(level) {
        return;
    }
    // A guest that goes on after a panic gets one trace a call.
    let traced = level == Level::Panic && !caller.data().has_panicked;
    let trace = match traced {
        true => trace::frames(&WasmBacktrace::force_capture(&caller)),
        false => Vec::new(),
    };
    let Ok((memory, env)) = split(&mut caller) else {
        return;
    };
    let Ok(message) = memory.text(message, message_len.min(TEXT_BYTES_MAX)) else {
        return;
    };
    let optional = |memory: &GuestMemory<'_>, address: u32, len: u32| {
        if address == 0 {
            return Ok(None);
        }
        memory.text(address, len.min(TEXT_BYTES_MAX)).map(Some)
    };
    let Ok(target) = optional(&memory, target, target_len) else {
        return;
    };
    let Ok(filename) = optional(&memory, filename, filename_len) else {
        return;
    };
    env.has_panicked |= level == Level::Panic;
    env.log.append(&Record {
        level,
        target: target.as_deref(),
        filename: filename.as_deref(),
        line_number: (line != u32::MAX).then_some(line),
        function: env.function.as_deref(),
        message: &message,
        trace: &trace,
    });
}

fn console_timer_start(
    mut caller: Caller<'_, Env>,
    name: u32,
    name_len: u32,
) -> wasmtime::Result<u32> {
    let started = (|| {
        let (memory, env) = split(&mut caller)?;
        memory.bytes(name, name_len)?;
        let name = memory.text(name, name_len.min(TEXT_BYTES_MAX))?;
        let slots = &mut env.timers.slots;
        // Those that have ended make room for others.
        while slots.last().is_some_and(Option::is_none) {
            slots.pop();
        }
        if slots.len() >= TIMERS_MAX {
            return Err(Stop::Trap(wasmtime::Error::msg(format!(
                "the module has {TIMERS_MAX} console timers open"
            ))));
        }
        slots.push(Some(ConsoleTimer {
            name,
            started: Instant::now(),
        }));
        Ok(u32::try_from(slots.len()).expect("at most TIMERS_MAX slots"))
    })();
    match started {
        Ok(handle) => Ok(handle),
        Err(Stop::Trap(error)) => Err(error),
        Err(Stop::Errno(number)) => unreachable!("starting a timer has no error number: {number}"),
    }
}

fn console_timer_end(mut caller: Caller<'_, Env>, handle: u32) -> wasmtime::Result<i32> {
    finish((|| {
        let (_, env) = split(&mut caller)?;
        let timer = usize::try_from(handle)
            .ok()
            .and_then(|handle| handle.checked_sub(1))
            .and_then(|slot| env.timers.slots.get_mut(slot))
            .and_then(Option::take)
            .ok_or(Stop::Errno(errno::NO_SUCH_CONSOLE_TIMER))?;
        let message = format!(
            "Timing span {:?}: {:?}",
            timer.name,
            timer.started.elapsed()
        );
        env.log.append(&Record {
            level: Level::Info,
            target: None,
            filename: None,
            line_number: None,
            function: env.function.as_deref(),
            message: &message,
            trace: &[],
        });
        Ok(0)
    })())
}

//! Log lines: every level, many, and long.

use spacetimedb::log_stopwatch::LogStopwatch;
use spacetimedb::{reducer, ReducerContext};

/// One line at each level.
#[reducer]
pub fn log_all_levels(_ctx: &ReducerContext, text: String) {
    log::trace!("trace: {text}");
    log::debug!("debug: {text}");
    log::info!("info: {text}");
    log::warn!("warn: {text}");
    log::error!("error: {text}");
}

#[reducer]
pub fn log_many(_ctx: &ReducerContext, count: u32) {
    for n in 0..count {
        log::info!("line {n}");
    }
}

#[reducer]
pub fn log_long(_ctx: &ReducerContext, bytes: u32) {
    log::info!("{}", "x".repeat(bytes as usize));
}

/// Logs, and then fails: the line stays, the transaction does not.
#[reducer]
pub fn log_and_fail(_ctx: &ReducerContext, text: String) -> Result<(), String> {
    log::warn!("{text}");
    Err(text)
}

#[reducer]
pub fn log_stopwatch(_ctx: &ReducerContext) {
    let stopwatch = LogStopwatch::new("stopwatch");
    stopwatch.end();
}

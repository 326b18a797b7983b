//! The module's log: the macros of the crate `log`, panics, and stopwatches.

use std::panic::PanicHookInfo;

use crate::sys::{LogRecord, host};

const PANIC: u32 = 101;

struct ConsoleLogger;

impl log::Log for ConsoleLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Error => 0,
            log::Level::Warn => 1,
            log::Level::Info => 2,
            log::Level::Debug => 3,
            log::Level::Trace => 4,
        };
        let write = |message: &str| {
            host::console_log(LogRecord {
                level,
                target: Some(record.target()),
                file: record.file(),
                line: record.line(),
                message,
            });
        };
        match record.args().as_str() {
            Some(text) => write(text),
            None => write(&record.args().to_string()),
        }
    }

    fn flush(&self) {}
}

/// Sends the macros of the crate `log` to the host. A module that has installed a logger of its
/// own before keeps it.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
pub(crate) fn install() {
    if log::set_logger(&ConsoleLogger).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// Writes every panic to the log, with its place.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location();
    host::console_log(LogRecord {
        level: PANIC,
        target: None,
        file: place.map(std::panic::Location::file),
        line: place.map(std::panic::Location::line),
        message: info.payload_as_str().unwrap_or("a panic without a text"),
    });
}

/// Measures how long something takes, and writes it to the log.
pub mod log_stopwatch {
    use crate::sys::host;

    /// Runs from its making until it is dropped.
    #[derive(Debug)]
    pub struct LogStopwatch {
        timer: u32,
    }

    impl LogStopwatch {
        /// Starts. The name is written to the log with the time.
        pub fn new(name: &str) -> Self {
            LogStopwatch {
                timer: host::console_timer_start(name),
            }
        }

        /// Stops.
        pub fn end(self) {}
    }

    impl Drop for LogStopwatch {
        fn drop(&mut self) {
            // A refusal would only mean that nothing is measured any more.
            let _ = host::console_timer_end(self.timer);
        }
    }
}

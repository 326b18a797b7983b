//! Back traces of modules, as they are logged.

use std::fmt::{self, Write as _};

use wasmtime::{FrameInfo, WasmBacktrace};

use crate::module_log::Frame;

/// Longest name that is kept, in bytes. Names come from the module.
const NAME_BYTES_MAX: usize = 512;

/// The frames of a trace, the innermost first.
pub(super) fn frames(trace: &WasmBacktrace) -> Vec<Frame> {
    trace.frames().iter().map(frame).collect()
}

/// Those of the trace that an error has; none if it has none.
pub(super) fn frames_of(error: &wasmtime::Error) -> Vec<Frame> {
    error.downcast_ref().map(frames).unwrap_or_default()
}

fn frame(info: &FrameInfo) -> Frame {
    Frame {
        module_name: info.module().name().map(bounded),
        func_name: match info.func_name() {
            Some(name) => Some(demangled(name)),
            None => Some(format!("function {}", info.func_index())),
        },
    }
}

fn bounded(name: &str) -> String {
    let mut text = Bounded(String::new());
    // An error says that it was cut.
    let _ = text.write_str(name);
    text.0
}

/// The name as it is in the source, if it is a mangled one.
fn demangled(name: &str) -> String {
    let mut text = Bounded(String::new());
    let name = bounded(name);
    // Without the hash at the end, which says nothing to a reader.
    let _ = write!(text, "{:#}", rustc_demangle::demangle(&name));
    text.0
}

/// Takes text as long as it fits.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME_BYTES_MAX - self.0.len();
        let fits = text.floor_char_boundary(room);
        self.0.push_str(&text[..fits]);
        if fits < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled_and_have_a_bound() {
        for (name, expected) in [
            ("add", "add"),
            (
                "_ZN4core9panicking9panic_fmt17h0123456789abcdefE",
                "core::panicking::panic_fmt",
            ),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("", ""),
        ] {
            assert_eq!(demangled(name), expected);
        }
        assert_eq!(demangled(&"x".repeat(5000)).len(), NAME_BYTES_MAX);
        // One that a short text makes long, and one that would be cut inside of a character.
        let nested = format!("_ZN{}E", "1a".repeat(4000));
        assert!(demangled(&nested).len() <= NAME_BYTES_MAX);
        assert_eq!(bounded(&"\u{20ac}".repeat(400)).len(), NAME_BYTES_MAX - 2);
    }
}

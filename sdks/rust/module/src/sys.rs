//! The calls into the host, as safe functions.
//!
//! In a module they are imports; that is `sys/wasm.rs`, and all unsafe code of this crate. Natively
//! they go to whatever [`NativeHost`] the thread has been given, so that code which uses the
//! database can run in an ordinary test.
//!
//! Not here: what the bytes mean.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native;
#[cfg(target_arch = "wasm32")]
pub(crate) mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native as host;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{NativeHost, set_native_host};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm as host;

pub use crate::errno::Errno;

/// How an advance of a row iterator or a read of a byte source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// So many bytes were written, and more will come.
    More(usize),
    /// So many bytes were written, and the handle is gone.
    Last(usize),
    /// Nothing was written: the next piece has so many bytes.
    TooSmall(usize),
    /// The host refused.
    Failed(Errno),
}

/// What an HTTP request led to: handles of byte sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpOutcome {
    /// The head of the response, and its body; 0 is an empty one.
    Response {
        /// BSATN of the head.
        head: u32,
        /// Raw bytes.
        body: u32,
    },
    /// BSATN of a text.
    Failed(u32),
    /// The host refused to try.
    Refused(Errno),
}

/// The arguments of a range scan.
#[derive(Clone, Copy, Debug)]
pub struct RangeArguments<'a> {
    /// The values of the leading columns.
    pub prefix: &'a [u8],
    /// How many there are.
    pub prefix_elems: u32,
    /// The lower bound of the column after them.
    pub start: &'a [u8],
    /// Its upper bound.
    pub end: &'a [u8],
}

/// One record for the log.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// 0 error, 1 warn, 2 info, 3 debug, 4 trace, 101 panic.
    pub level: u32,
    /// The path of the Rust module.
    pub target: Option<&'a str>,
    /// The source file.
    pub file: Option<&'a str>,
    /// The line in it.
    pub line: Option<u32>,
    /// The text.
    pub message: &'a str,
}

/// Reads a byte source to its end; the handle 0 is an empty one.
pub(crate) fn read_source(source: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    if source == 0 {
        return bytes;
    }
    let expected = host::bytes_source_remaining_length(source).unwrap_or_else(|e| e.unexpected());
    // The extra byte keeps room in the buffer, so that the end is seen with the last piece.
    bytes.resize(usize::try_from(expected).unwrap_or(0).max(1), 0);
    let mut filled = 0;
    loop {
        match host::bytes_source_read(source, &mut bytes[filled..]) {
            Chunk::More(count) => filled += count,
            Chunk::Last(count) => {
                bytes.truncate(filled + count);
                return bytes;
            }
            Chunk::TooSmall(_) => {}
            Chunk::Failed(errno) => errno.unexpected(),
        }
        if filled == bytes.len() {
            bytes.resize(bytes.len() * 2, 0);
        }
    }
}

/// Writes everything, in as many pieces as the host wants.
pub(crate) fn write_sink(sink: u32, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let written = host::bytes_sink_write(sink, rest).unwrap_or_else(|errno| errno.unexpected());
        rest = &rest[written.min(rest.len())..];
        if rest.is_empty() {
            return;
        }
    }
}

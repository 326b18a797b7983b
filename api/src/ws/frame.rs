//! From message bodies to WebSocket payloads: a tag byte that names the compression, then the
//! body.
//!
//! Invariants
//!   * Only what the client asked for is used, and only for bodies of more than
//!     [`COMPRESS_ABOVE`] bytes. The tag itself is never compressed.
//!   * A v3 frame holds at least one message and, unless a single message is larger, at most
//!     [`BATCH_BYTES`] of bodies.

use std::io::Write;

use bytes::Bytes;
use spacetime_host::OutboxMessage;

use super::greeting::Greeting;
use super::protocol::{Compression, Protocol};
use super::{server_v1, server_v2};

/// Bodies up to this size are sent as they are.
const COMPRESS_ABOVE: usize = 1024;

/// Bodies are packed into one v3 frame up to this size.
const BATCH_BYTES: usize = 512 * 1024;

/// Memory that an encoder keeps between frames.
const BUFFER_KEPT: usize = 64 * 1024;

const TAG_NONE: u8 = 0;
const TAG_BROTLI: u8 = 1;
const TAG_GZIP: u8 = 2;

/// Turns one connection's messages into frames.
#[derive(Debug)]
pub struct FrameEncoder {
    protocol: Protocol,
    compression: Compression,
    greeting: Greeting,
    /// The tag byte and the bodies of the frame being built.
    open: Vec<u8>,
}

impl FrameEncoder {
    /// An encoder for a fresh connection.
    #[must_use]
    pub fn new(protocol: Protocol, compression: Compression, greeting: Greeting) -> Self {
        FrameEncoder {
            protocol,
            compression,
            greeting,
            open: vec![TAG_NONE],
        }
    }

    /// The first frame: who the client is.
    #[must_use]
    pub fn greeting(&mut self) -> Bytes {
        assert_eq!(self.open.len(), 1, "nothing goes before the greeting");
        match self.protocol {
            Protocol::V2 | Protocol::V3 => {
                server_v2::write_initial_connection(&mut self.open, &self.greeting);
            }
            Protocol::V1 => server_v1::write_identity_token(&mut self.open, &self.greeting),
        }
        self.seal()
    }

    /// Appends the frames for `messages` to `frames`, in order.
    pub fn encode(&mut self, messages: &[OutboxMessage], frames: &mut Vec<Bytes>) {
        for message in messages {
            let start = self.open.len();
            match self.protocol {
                Protocol::V2 | Protocol::V3 => server_v2::write_message(&mut self.open, message),
                Protocol::V1 => {
                    server_v1::write_message(&mut self.open, message, &self.greeting);
                }
            }
            if self.open.len() == start {
                continue;
            }
            match self.protocol {
                Protocol::V1 | Protocol::V2 => frames.push(self.seal()),
                Protocol::V3 if self.open.len() > 1 + BATCH_BYTES => {
                    if start > 1 {
                        let last = self.open.split_off(start);
                        frames.push(self.seal());
                        self.open.extend_from_slice(&last);
                    }
                    if self.open.len() > 1 + BATCH_BYTES {
                        frames.push(self.seal());
                    }
                }
                Protocol::V3 => {}
            }
        }
        if self.open.len() > 1 {
            frames.push(self.seal());
        }
    }

    /// The open frame's payload; starts the next one.
    fn seal(&mut self) -> Bytes {
        assert!(self.open.len() > 1, "a frame has a message");
        let payload = match self.compression {
            _ if self.open.len() - 1 <= COMPRESS_ABOVE => Bytes::copy_from_slice(&self.open),
            Compression::None => Bytes::copy_from_slice(&self.open),
            Compression::Brotli => brotli(&self.open[1..]),
            Compression::Gzip => gzip(&self.open[1..]),
        };
        self.open.clear();
        self.open.shrink_to(BUFFER_KEPT);
        self.open.push(TAG_NONE);
        payload
    }
}

/// The body as a brotli stream behind its tag.
fn brotli(body: &[u8]) -> Bytes {
    const QUALITY: u32 = 1;
    const WINDOW_BITS: u32 = 22;
    const CHUNK: usize = 32 * 1024;
    let mut out = Vec::with_capacity(1 + body.len() / 2);
    out.push(TAG_BROTLI);
    let mut stream = brotli::CompressorWriter::new(out, CHUNK, QUALITY, WINDOW_BITS);
    let written = stream.write_all(body).and_then(|()| stream.flush());
    // The sink is memory: it does not fail.
    assert!(
        written.is_ok(),
        "compressing into memory failed: {written:?}"
    );
    stream.into_inner().into()
}

/// The body as a gzip member behind its tag.
fn gzip(body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(1 + body.len() / 2);
    out.push(TAG_GZIP);
    let mut stream = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    let finished = stream.write_all(body).and_then(|()| stream.finish());
    finished
        .unwrap_or_else(|error| panic!("compressing into memory failed: {error}"))
        .into()
}

#[cfg(test)]
mod tests;

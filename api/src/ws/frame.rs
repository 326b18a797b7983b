//! From message bodies to WebSocket payloads: a tag byte that names the compression, then the
//! body.
//!
//! Invariants
//!   * Only what the client asked for is used, and only for bodies of more than
//!     [`COMPRESS_ABOVE`] bytes. The tag itself is never compressed.
//!   * A frame that holds nothing but updates which other clients are told, too, is made (and
//!     compressed) once and shared with those that need the same.
//!   * A v3 frame holds at least one message and, unless a single message is larger, at most
//!     [`BATCH_BYTES`] of bodies.
//!   * Payloads of the JSON protocol are text without a tag.

use std::io::Write;

use bytes::Bytes;
use spacetime_host::{ClientUpdate, OutboxMessage};

use super::greeting::Greeting;
use super::protocol::{Compression, Protocol};
use super::{server_json, server_v1, server_v2};

/// Bodies up to this size are sent as they are.
const COMPRESS_ABOVE: usize = 1024;

/// The same for v3, whose clients unpack frames side by side: see `pace`.
const COMPRESS_ABOVE_V3: usize = 16 * 1024;

/// Bodies are packed into one v3 frame up to this size.
const BATCH_BYTES: usize = 512 * 1024;

/// Memory that an encoder keeps between frames.
const BUFFER_KEPT: usize = 64 * 1024;

pub(super) const TAG_NONE: u8 = 0;
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
            Protocol::V1Json => {
                let text = server_json::identity_token(&self.greeting);
                self.open.extend_from_slice(text.as_bytes());
            }
        }
        self.seal()
    }

    /// Appends the frames for `messages` to `frames`, in order.
    pub fn encode(&mut self, messages: &[OutboxMessage], frames: &mut Vec<Bytes>) {
        if self.protocol == Protocol::V3 && messages.iter().all(|it| shared(it).is_some()) {
            return self.encode_shared(messages, frames);
        }
        for message in messages {
            if self.protocol != Protocol::V3
                && let Some(update) = shared(message)
            {
                let form = self.form();
                let made = || self.frame_of(std::slice::from_ref(message));
                frames.push(update.frames.get_or_make(form, &[update.serial()], made));
                continue;
            }
            let start = self.open.len();
            self.write(message);
            if self.open.len() == start {
                continue;
            }
            match self.protocol {
                Protocol::V1 | Protocol::V1Json | Protocol::V2 => frames.push(self.seal()),
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

    /// Packs shared updates into v3 frames. Cut by the size of the rows, so that every connection
    /// cuts the same messages alike.
    fn encode_shared(&mut self, messages: &[OutboxMessage], frames: &mut Vec<Bytes>) {
        let mut rest = messages;
        while let Some(first) = rest.first() {
            let mut bytes = body_bytes(first);
            let more = rest[1..].iter().take_while(|message| {
                bytes += body_bytes(message);
                bytes <= BATCH_BYTES
            });
            let (packed, left) = rest.split_at(1 + more.count());
            rest = left;
            let serials: Vec<u64> = packed
                .iter()
                .filter_map(|message| shared(message).map(ClientUpdate::serial))
                .collect();
            if let Some(owner) = packed.last().and_then(shared) {
                let form = self.form();
                let made = || self.frame_of(packed);
                frames.push(owner.frames.get_or_make(form, &serials, made));
            }
        }
    }

    /// One frame with all of `messages`.
    fn frame_of(&mut self, messages: &[OutboxMessage]) -> Bytes {
        for message in messages {
            self.write(message);
        }
        self.seal()
    }

    fn write(&mut self, message: &OutboxMessage) {
        match self.protocol {
            Protocol::V2 | Protocol::V3 => server_v2::write_message(&mut self.open, message),
            Protocol::V1 => server_v1::write_message(&mut self.open, message, &self.greeting),
            Protocol::V1Json => {
                let text = server_json::message(message, &self.greeting);
                self.open.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// A number for the form of this connection's frames; equal numbers mean equal frames.
    fn form(&self) -> u8 {
        let protocol = match self.protocol {
            Protocol::V2 => 0,
            Protocol::V1 => 1,
            Protocol::V1Json => 2,
            Protocol::V3 => 3,
        };
        let compression = match self.compression {
            Compression::None => 0,
            Compression::Brotli => 1,
            Compression::Gzip => 2,
        };
        protocol * 3 + compression
    }

    fn compress_above(&self) -> usize {
        match self.protocol {
            Protocol::V3 => COMPRESS_ABOVE_V3,
            _ => COMPRESS_ABOVE,
        }
    }

    /// The open frame's payload; starts the next one.
    fn seal(&mut self) -> Bytes {
        assert!(self.open.len() > 1, "a frame has a message");
        let payload = match self.compression {
            // Text has no tag and is never compressed.
            _ if self.protocol == Protocol::V1Json => Bytes::copy_from_slice(&self.open[1..]),
            _ if self.open.len() - 1 <= self.compress_above() => Bytes::copy_from_slice(&self.open),
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

/// The update in a message, if others are told the same.
fn shared(message: &OutboxMessage) -> Option<&ClientUpdate> {
    match message {
        OutboxMessage::TransactionUpdate { update } => Some(&**update).filter(|it| it.is_shared()),
        _ => None,
    }
}

/// About how long a shared update's body is.
fn body_bytes(message: &OutboxMessage) -> usize {
    const HEAD_BYTES: usize = 64;
    HEAD_BYTES + shared(message).map_or(0, ClientUpdate::row_bytes)
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

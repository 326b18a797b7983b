//! WebSocket frames as a client sends and receives them (RFC 6455).
//!
//! Written here because the client shares its processors with the server under test: whole
//! batches are framed and taken apart in place, and no task or allocation stands between.
//!
//! Invariants
//!   * Sent frames are masked and whole; received ones must not be masked.
//!   * A received message, and a buffer, never exceeds `MESSAGE_BYTES_MAX`.
//!
//! Not here: the handshake (see `connection`), extensions, checking text for UTF-8.

use std::ops::Range;

/// No answer of a load comes near; larger ones are refused instead of buffered.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// The longest head: two bytes, a 64-bit length. Servers send no mask.
const HEAD_BYTES_MAX: usize = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Why the server's bytes make no sense. Each is a defect of the server (or of this client).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the server sent a frame with reserved bits {0:#04x}; no extension was agreed on")]
    ReservedBits(u8),
    #[error("the server sent a frame with the unknown opcode {0}")]
    UnknownOpcode(u8),
    #[error("the server sent a masked frame")]
    Masked,
    #[error("the server sent a control frame that is fragmented or longer than 125 bytes")]
    BadControl,
    #[error("the server began a message inside another, or continued one that never began")]
    BadContinuation,
    #[error("the server sent a text message")]
    Text,
    #[error("the server sent a message of over {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
}

/// Appends one binary message in one frame.
pub(crate) fn write_binary(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    write(BINARY, payload, mask, out);
}

/// Appends the answer to a ping.
pub(crate) fn write_pong(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    write(PONG, payload, mask, out);
}

/// Appends the notice that this side is done.
pub(crate) fn write_close(mask: [u8; 4], out: &mut Vec<u8>) {
    write(CLOSE, &1000_u16.to_be_bytes(), mask, out);
}

fn write(opcode: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => out.push(MASKED | len),
        (_, Ok(len)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(mask, &mut out[start..]);
}

/// Masks or unmasks. Eight bytes at a time: the compiler makes vector instructions of it.
pub(crate) fn apply_mask(mask: [u8; 4], bytes: &mut [u8]) {
    let half = u32::from_ne_bytes(mask);
    let wide = u64::from(half) << 32 | u64::from(half);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// What the server said, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A whole binary message, put together if it came in fragments.
    Message(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// The server ends the connection: code and reason as sent.
    Close(&'a [u8]),
}

/// Bytes as they came from the socket, cut into events.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// What is received and not yet cut off.
    filled: Range<usize>,
    /// The fragments of a message whose last one is missing.
    fragments: Vec<u8>,
    is_open: bool,
    is_delivered: bool,
}

impl Inbox {
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(HEAD_BYTES_MAX < capacity, "not even a head would fit");
        Self {
            bytes: vec![0; capacity],
            filled: 0..0,
            fragments: Vec::new(),
            is_open: false,
            is_delivered: false,
        }
    }

    /// Where to receive into; never empty. Say how much came with [`Inbox::received`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.bytes.len() - self.filled.end < self.bytes.len() / 2 {
            self.bytes.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
            if self.bytes.len() / 2 < self.filled.len() {
                self.bytes.resize(self.bytes.len() * 2, 0);
            }
        }
        &mut self.bytes[self.filled.end..]
    }

    /// `len` bytes were put into [`Inbox::space`].
    pub(crate) fn received(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.filled.end, "no such space");
        self.filled.end += len;
    }

    /// The next event, or `None` until more is received.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'_>>, FrameError> {
        if std::mem::take(&mut self.is_delivered) {
            self.fragments.clear();
        }
        loop {
            let Some((head, payload)) = parse(&self.bytes[self.filled.clone()])? else {
                return Ok(None);
            };
            let payload = self.filled.start + payload.start..self.filled.start + payload.end;
            self.filled.start = payload.end;
            match head.opcode {
                PING => return Ok(Some(Event::Ping(&self.bytes[payload]))),
                CLOSE => return Ok(Some(Event::Close(&self.bytes[payload]))),
                PONG => {}
                TEXT => return Err(FrameError::Text),
                opcode => {
                    if (opcode == CONTINUATION) != self.is_open {
                        return Err(FrameError::BadContinuation);
                    }
                    self.is_open = !head.is_final;
                    if head.is_final && opcode == BINARY {
                        return Ok(Some(Event::Message(&self.bytes[payload])));
                    }
                    if MESSAGE_BYTES_MAX - self.fragments.len() < payload.len() {
                        return Err(FrameError::TooLarge);
                    }
                    self.fragments.extend_from_slice(&self.bytes[payload]);
                    if head.is_final {
                        self.is_delivered = true;
                        return Ok(Some(Event::Message(&self.fragments)));
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    opcode: u8,
    is_final: bool,
}

/// The frame at the front and where its payload lies; `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Head, Range<usize>)>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let head = Head {
        opcode: first & 0x0f,
        is_final: first & FINAL != 0,
    };
    if first & 0x70 != 0 {
        return Err(FrameError::ReservedBits(first & 0x70));
    }
    if second & MASKED != 0 {
        return Err(FrameError::Masked);
    }
    let (len, head_len) = match (second, rest) {
        (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
        }
        (126 | 127, _) => return Ok(None),
        (len, _) => (u64::from(*len), 2),
    };
    match head.opcode {
        CONTINUATION | TEXT | BINARY => {}
        CLOSE | PING | PONG if head.is_final && len <= 125 => {}
        CLOSE | PING | PONG => return Err(FrameError::BadControl),
        opcode => return Err(FrameError::UnknownOpcode(opcode)),
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if MESSAGE_BYTES_MAX < len {
        return Err(FrameError::TooLarge);
    }
    let end = head_len + len;
    Ok((end <= bytes.len()).then_some((head, head_len..end)))
}

#[cfg(test)]
mod tests;

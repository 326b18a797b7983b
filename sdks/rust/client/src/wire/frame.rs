//! Frames: a byte that names the compression, then one message (version 2) or several
//! (version 3).
//!
//! Invariant: what a frame unpacks to is bounded, however small the frame is.

use std::io::Read;

use bytes::Bytes;
use spacetime_types::bsatn::{DecodeError, Reader};

use super::ServerMessage;

/// How the server may pack what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// Packs best.
    #[default]
    Brotli,
    /// Unpacks fastest.
    Gzip,
}

impl Compression {
    /// As the server spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::None => "None",
            Compression::Brotli => "Brotli",
            Compression::Gzip => "Gzip",
        }
    }
}

/// Whether a frame holds one message or any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V3,
}

/// The names by which a client asks for them.
pub(crate) const PROTOCOLS: [(&str, Version); 2] = [
    ("v3.bsatn.spacetimedb", Version::V3),
    ("v2.bsatn.spacetimedb", Version::V2),
];

/// Most bytes that a frame may hold, packed or not. A table's first rows come in one message.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 30;

/// Client messages are packed into one frame up to this size.
pub(crate) const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Why a frame cannot be read. The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("an empty frame")]
    Empty,
    #[error("a frame with the unknown compression {0}")]
    UnknownCompression(u8),
    #[error("a frame that cannot be unpacked: {0}")]
    Unpack(std::io::Error),
    #[error("a frame of more than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    #[error("a message that cannot be read: {0}")]
    Message(#[from] DecodeError),
}

/// What was in a frame.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) messages: Vec<ServerMessage>,
    /// What the messages hold on to.
    pub(crate) bytes: usize,
}

/// The messages in `frame`.
pub(crate) fn read(frame: &Bytes, version: Version) -> Result<Unpacked, FrameError> {
    let body = unpack(frame)?;
    let mut reader = Reader::new(&body);
    let mut messages = Vec::with_capacity(1);
    loop {
        messages.push(ServerMessage::read(&body, &mut reader)?);
        // What follows the message of version 2 is ignored, as every client does.
        if version == Version::V2 || reader.rest().is_empty() {
            return Ok(Unpacked {
                messages,
                bytes: body.len(),
            });
        }
    }
}

fn unpack(frame: &Bytes) -> Result<Bytes, FrameError> {
    const BROTLI_BUFFER: usize = 16 * 1024;
    let Some((&tag, packed)) = frame.split_first() else {
        return Err(FrameError::Empty);
    };
    match tag {
        0 => Ok(frame.slice(1..)),
        1 => read_all(brotli::Decompressor::new(packed, BROTLI_BUFFER)),
        2 => read_all(flate2::read::GzDecoder::new(packed)),
        tag => Err(FrameError::UnknownCompression(tag)),
    }
}

fn read_all(unpacked: impl Read) -> Result<Bytes, FrameError> {
    let limit = u64::try_from(FRAME_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let mut limited = unpacked.take(limit.saturating_add(1));
    limited
        .read_to_end(&mut bytes)
        .map_err(FrameError::Unpack)?;
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong);
    }
    Ok(Bytes::from(bytes))
}

//! What clients ask for: the messages of protocol v1 (BSATN) and v2/v3, as one enum.
//!
//! Invariants
//!   * Decoding never panics and allocates no more than the frame's own size.
//!   * Arguments share the frame's memory, they are not copied.
//!   * Bytes after a v1 or v2 message are refused; a v3 frame holds one or more messages.

use bytes::Bytes;
use spacetime_host::{CallArgs, QuerySetId};
use spacetime_types::bsatn::{DecodeError, Reader};

use super::wire::read_strings;

/// One request of a client, whatever the protocol version.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    CallReducer {
        request_id: u32,
        reducer: Box<str>,
        args: CallArgs,
        quiet: bool,
    },
    CallProcedure {
        request_id: u32,
        procedure: Box<str>,
        args: CallArgs,
    },
    Subscribe {
        request_id: u32,
        query_set: QuerySetId,
        queries: Vec<Box<str>>,
    },
    Unsubscribe {
        request_id: u32,
        query_set: QuerySetId,
        send_dropped: bool,
    },
    OneOff {
        message_id: Bytes,
        query: Box<str>,
    },
}

/// Reads the single message of a v2 frame.
pub fn decode_v2(frame: &Bytes) -> Result<ClientMessage, DecodeError> {
    let mut reader = Reader::new(frame);
    let message = read_v2(frame, &mut reader)?;
    reader.finish()?;
    Ok(message)
}

/// Reads the messages of a v3 frame one after the other, so that those before a bad one count.
#[derive(Debug)]
pub struct MessagesV3<'a> {
    frame: &'a Bytes,
    reader: Reader<'a>,
    started: bool,
    failed: bool,
}

impl<'a> MessagesV3<'a> {
    /// Starts at the beginning of `frame`.
    #[must_use]
    pub fn new(frame: &'a Bytes) -> Self {
        MessagesV3 {
            frame,
            reader: Reader::new(frame),
            started: false,
            failed: false,
        }
    }
}

impl Iterator for MessagesV3<'_> {
    type Item = Result<ClientMessage, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.reader.rest().is_empty() {
            if self.started {
                return None;
            }
            self.failed = true;
            return Some(Err(DecodeError::Other(
                "v3 websocket binary payload must contain at least one v2 client message".into(),
            )));
        }
        self.started = true;
        let message = read_v2(self.frame, &mut self.reader);
        self.failed = message.is_err();
        Some(message)
    }
}

fn read_v2(frame: &Bytes, reader: &mut Reader<'_>) -> Result<ClientMessage, DecodeError> {
    let offset = reader.offset();
    match reader.u8()? {
        0 => Ok(ClientMessage::Subscribe {
            request_id: reader.u32()?,
            query_set: QuerySetId::Set(reader.u32()?),
            queries: read_strings(reader)?,
        }),
        1 => Ok(ClientMessage::Unsubscribe {
            request_id: reader.u32()?,
            query_set: QuerySetId::Set(reader.u32()?),
            send_dropped: read_flags(reader, 1)? == 1,
        }),
        2 => Ok(ClientMessage::OneOff {
            message_id: share(frame, reader.take(4)?),
            query: reader.str()?.into(),
        }),
        3 => {
            let request_id = reader.u32()?;
            read_flags(reader, 0)?;
            let reducer = reader.str()?.into();
            let args = CallArgs::Bsatn(share(frame, reader.bytes()?));
            Ok(ClientMessage::CallReducer {
                request_id,
                reducer,
                args,
                quiet: false,
            })
        }
        4 => {
            let request_id = reader.u32()?;
            read_flags(reader, 0)?;
            let procedure = reader.str()?.into();
            let args = CallArgs::Bsatn(share(frame, reader.bytes()?));
            Ok(ClientMessage::CallProcedure {
                request_id,
                procedure,
                args,
            })
        }
        tag => Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name: "v2 ClientMessage",
        }),
    }
}

/// Reads the single message of a v1 BSATN frame.
pub fn decode_v1(frame: &Bytes) -> Result<ClientMessage, DecodeError> {
    let mut reader = Reader::new(frame);
    let message = read_v1(frame, &mut reader)?;
    reader.finish()?;
    Ok(message)
}

fn read_v1(frame: &Bytes, reader: &mut Reader<'_>) -> Result<ClientMessage, DecodeError> {
    let offset = reader.offset();
    match reader.u8()? {
        0 => {
            let reducer = reader.str()?.into();
            let args = CallArgs::Bsatn(share(frame, reader.bytes()?));
            let request_id = reader.u32()?;
            let quiet = read_flags(reader, 1)? == 1;
            Ok(ClientMessage::CallReducer {
                request_id,
                reducer,
                args,
                quiet,
            })
        }
        1 => {
            let queries = read_strings(reader)?;
            let request_id = reader.u32()?;
            let query_set = QuerySetId::Legacy;
            Ok(ClientMessage::Subscribe {
                request_id,
                query_set,
                queries,
            })
        }
        2 => Ok(ClientMessage::OneOff {
            message_id: share(frame, reader.bytes()?),
            query: reader.str()?.into(),
        }),
        3 => {
            let queries = vec![reader.str()?.into()];
            read_v1_subscribe(reader, QuerySetId::Single, queries)
        }
        4 => {
            let queries = read_strings(reader)?;
            read_v1_subscribe(reader, QuerySetId::Multi, queries)
        }
        5 => read_v1_unsubscribe(reader, QuerySetId::Single),
        6 => read_v1_unsubscribe(reader, QuerySetId::Multi),
        7 => {
            let procedure = reader.str()?.into();
            let args = CallArgs::Bsatn(share(frame, reader.bytes()?));
            let request_id = reader.u32()?;
            read_flags(reader, 0)?;
            Ok(ClientMessage::CallProcedure {
                request_id,
                procedure,
                args,
            })
        }
        tag => Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name: "v1 ClientMessage",
        }),
    }
}

fn read_v1_subscribe(
    reader: &mut Reader<'_>,
    set_of: fn(u32) -> QuerySetId,
    queries: Vec<Box<str>>,
) -> Result<ClientMessage, DecodeError> {
    let request_id = reader.u32()?;
    let query_set = set_of(reader.u32()?);
    Ok(ClientMessage::Subscribe {
        request_id,
        query_set,
        queries,
    })
}

fn read_v1_unsubscribe(
    reader: &mut Reader<'_>,
    set_of: fn(u32) -> QuerySetId,
) -> Result<ClientMessage, DecodeError> {
    let request_id = reader.u32()?;
    let query_set = set_of(reader.u32()?);
    Ok(ClientMessage::Unsubscribe {
        request_id,
        query_set,
        send_dropped: true,
    })
}

/// Reads a byte that counts the known flag values from 0 to `max`.
fn read_flags(reader: &mut Reader<'_>, max: u8) -> Result<u8, DecodeError> {
    let offset = reader.offset();
    match reader.u8()? {
        flags if flags <= max => Ok(flags),
        tag => Err(DecodeError::InvalidTag {
            offset,
            tag,
            type_name: "message flags",
        }),
    }
}

/// A part of the frame, sharing its memory.
fn share(frame: &Bytes, part: &[u8]) -> Bytes {
    // `slice_ref` of an empty slice gives an empty `Bytes` that does not hold on to the frame.
    frame.slice_ref(part)
}

#[cfg(test)]
mod tests;

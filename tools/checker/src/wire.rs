//! The protocols as a client speaks them, written from their description: requests to bytes, and
//! frames to messages.
//!
//! Invariant: every frame is read to its last byte.
//!
//! Not here: sockets. The bytes are handed to the server's decoder and taken from its encoder.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use spacetime_api::ws::{ClientMessage, decode_v1, decode_v2};
use spacetime_api::ws::{Compression, FrameEncoder, Greeting, MessagesV3, Protocol};
use spacetime_host::{CallArgs, Caller, OutboxMessage, QuerySetId};
use spacetime_types::bsatn::{DecodeError, Reader};

use crate::message::{CallEnd, ListedChange, ListedRows, Received};
use crate::model::Dialect;

/// Numbers of v1 sets below this are of single queries: errors do not say which kind they mean.
pub const SINGLES: u32 = 2;

/// One connection's protocol.
#[derive(Debug)]
pub struct Wire {
    protocol: Protocol,
    dialect: Dialect,
    encoder: FrameEncoder,
}

impl Wire {
    #[must_use]
    pub fn new(
        protocol: Protocol,
        compression: Compression,
        dialect: Dialect,
        caller: &Caller,
    ) -> Wire {
        let greeting = Greeting {
            identity: caller.identity,
            connection_id: caller.connection_id,
            token: "token".into(),
        };
        Wire {
            protocol,
            dialect,
            encoder: FrameEncoder::new(protocol, compression, greeting),
        }
    }

    /// A request as the server reads it.
    pub fn pass(&self, message: &ClientMessage) -> Result<ClientMessage> {
        let mut frame = Vec::new();
        match self.protocol {
            Protocol::V1 | Protocol::V1Json => write_v1(message, &mut frame),
            _ => write_v2(message, &mut frame),
        }
        let frame = Bytes::from(frame);
        let read = match self.protocol {
            Protocol::V1 | Protocol::V1Json => decode_v1(&frame),
            Protocol::V2 => decode_v2(&frame),
            Protocol::V3 => {
                let mut messages = MessagesV3::new(&frame);
                let first = messages.next().context("an empty v3 frame")?;
                ensure!(messages.next().is_none(), "one message was read as two");
                first
            }
        };
        read.with_context(|| format!("the server cannot read {message:?}"))
    }

    /// The server's messages as the client reads them.
    pub fn read(&mut self, messages: &[OutboxMessage], into: &mut Vec<Received>) -> Result<()> {
        let mut frames = Vec::new();
        self.encoder.encode(messages, &mut frames);
        for frame in frames {
            let (tag, body) = frame.split_first().context("an empty frame")?;
            let body = decompressed(*tag, body)?;
            let mut reader = Reader::new(&body);
            let read = self.read_body(&mut reader, into);
            read.with_context(|| format!("a frame that cannot be read: {body:?}"))?;
        }
        for message in messages {
            if let OutboxMessage::Closed { reason } = message {
                into.push(Received::Closed(reason.clone()));
            }
        }
        Ok(())
    }

    fn read_body(&self, reader: &mut Reader<'_>, into: &mut Vec<Received>) -> Result<()> {
        loop {
            into.push(match self.protocol {
                Protocol::V1 | Protocol::V1Json => read_v1(reader, self.dialect)?,
                _ => read_v2(reader)?,
            });
            if reader.rest().is_empty() {
                return Ok(());
            }
            ensure!(
                self.protocol == Protocol::V3,
                "more than one message in a frame"
            );
        }
    }
}

fn decompressed(tag: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    match tag {
        0 => plain.extend_from_slice(body),
        1 => {
            brotli::Decompressor::new(body, 4096).read_to_end(&mut plain)?;
        }
        2 => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?;
        }
        other => bail!("an unknown compression: {other}"),
    }
    Ok(plain)
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("requests are short");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_texts(texts: &[Box<str>], out: &mut Vec<u8>) {
    let len = u32::try_from(texts.len()).expect("requests are short");
    out.extend_from_slice(&len.to_le_bytes());
    for text in texts {
        put_bytes(text.as_bytes(), out);
    }
}

fn bsatn_of(args: &CallArgs) -> &[u8] {
    match args {
        CallArgs::Bsatn(bytes) | CallArgs::Json(bytes) => bytes,
    }
}

/// The number of a set.
fn number_of(set: QuerySetId) -> u32 {
    match set {
        QuerySetId::Set(id) | QuerySetId::Single(id) | QuerySetId::Multi(id) => id,
        QuerySetId::Legacy => 0,
    }
}

fn write_v2(message: &ClientMessage, out: &mut Vec<u8>) {
    let head = |tag: u8, request: &u32, out: &mut Vec<u8>| {
        out.push(tag);
        out.extend_from_slice(&request.to_le_bytes());
    };
    match message {
        ClientMessage::Subscribe {
            request_id,
            query_set,
            queries,
        } => {
            head(0, request_id, out);
            out.extend_from_slice(&number_of(*query_set).to_le_bytes());
            put_texts(queries, out);
        }
        ClientMessage::Unsubscribe {
            request_id,
            query_set,
            send_dropped,
        } => {
            head(1, request_id, out);
            out.extend_from_slice(&number_of(*query_set).to_le_bytes());
            out.push(u8::from(*send_dropped));
        }
        ClientMessage::OneOff { message_id, query } => {
            out.push(2);
            out.extend_from_slice(message_id);
            put_bytes(query.as_bytes(), out);
        }
        ClientMessage::CallReducer {
            request_id,
            reducer: name,
            args,
            ..
        }
        | ClientMessage::CallProcedure {
            request_id,
            procedure: name,
            args,
        } => {
            let is_reducer = matches!(message, ClientMessage::CallReducer { .. });
            head(if is_reducer { 3 } else { 4 }, request_id, out);
            out.push(0);
            put_bytes(name.as_bytes(), out);
            put_bytes(bsatn_of(args), out);
        }
    }
}

fn write_v1(message: &ClientMessage, out: &mut Vec<u8>) {
    match message {
        ClientMessage::CallReducer {
            request_id,
            reducer,
            args,
            quiet,
        } => {
            out.push(0);
            put_bytes(reducer.as_bytes(), out);
            put_bytes(bsatn_of(args), out);
            out.extend_from_slice(&request_id.to_le_bytes());
            out.push(u8::from(*quiet));
        }
        ClientMessage::Subscribe {
            request_id,
            query_set,
            queries,
        } => {
            match query_set {
                QuerySetId::Single(_) => {
                    out.push(3);
                    let query = queries.first().map_or("", |query| query);
                    put_bytes(query.as_bytes(), out);
                }
                QuerySetId::Legacy => {
                    out.push(1);
                    put_texts(queries, out);
                }
                _ => {
                    out.push(4);
                    put_texts(queries, out);
                }
            }
            out.extend_from_slice(&request_id.to_le_bytes());
            if *query_set != QuerySetId::Legacy {
                out.extend_from_slice(&number_of(*query_set).to_le_bytes());
            }
        }
        ClientMessage::Unsubscribe {
            request_id,
            query_set,
            ..
        } => {
            let is_single = matches!(query_set, QuerySetId::Single(_));
            out.push(if is_single { 5 } else { 6 });
            out.extend_from_slice(&request_id.to_le_bytes());
            out.extend_from_slice(&number_of(*query_set).to_le_bytes());
        }
        ClientMessage::OneOff { message_id, query } => {
            out.push(2);
            put_bytes(message_id, out);
            put_bytes(query.as_bytes(), out);
        }
        ClientMessage::CallProcedure {
            request_id,
            procedure,
            args,
        } => {
            out.push(7);
            put_bytes(procedure.as_bytes(), out);
            put_bytes(bsatn_of(args), out);
            out.extend_from_slice(&request_id.to_le_bytes());
            out.push(0);
        }
    }
}

fn list<T>(
    reader: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = reader.len()?;
    (0..count).map(|_| read(reader)).collect()
}

/// BSATN has the tag 0 for `some`, and for `Ok`.
fn is_first(reader: &mut Reader<'_>) -> Result<bool> {
    match reader.u8()? {
        0 => Ok(true),
        1 => Ok(false),
        other => bail!("an unknown tag of an option or result: {other}"),
    }
}

fn option_u32(reader: &mut Reader<'_>) -> Result<Option<u32>> {
    Ok(match is_first(reader)? {
        true => Some(reader.u32()?),
        false => None,
    })
}

fn text(reader: &mut Reader<'_>) -> Result<Box<str>, DecodeError> {
    Ok(reader.str()?.into())
}

/// The rows of a row list.
fn row_list(reader: &mut Reader<'_>) -> Result<Vec<Box<[u8]>>> {
    let (mut size, mut starts) = (None, Vec::new());
    match reader.u8()? {
        0 => size = Some(usize::from(u16::from_le_bytes(reader.array("u16")?))),
        1 => {
            starts = list(reader, |reader| {
                let start = u64::from_le_bytes(reader.array("u64")?);
                Ok(usize::try_from(start)?)
            })?;
        }
        other => bail!("an unknown size hint: {other}"),
    }
    let data = reader.bytes()?;
    let Some(size) = size else {
        let ends = starts.iter().copied().skip(1).chain([data.len()]);
        let rows = starts.iter().zip(ends);
        return rows
            .map(|(start, end)| Ok(data.get(*start..end).context("offsets of rows")?.into()))
            .collect();
    };
    ensure!(
        data.is_empty() || (size > 0 && data.len().is_multiple_of(size)),
        "rows of {size} bytes do not make {} bytes",
        data.len()
    );
    Ok(data.chunks(size.max(1)).map(Into::into).collect())
}

fn tables(reader: &mut Reader<'_>) -> Result<ListedRows> {
    list(reader, |reader| Ok((text(reader)?, row_list(reader)?)))
}

fn read_v2(reader: &mut Reader<'_>) -> Result<Received> {
    Ok(match reader.u8()? {
        1 => Received::Applied {
            request: reader.u32()?,
            set: QuerySetId::Set(reader.u32()?),
            rows: tables(reader)?,
        },
        2 => Received::Ended {
            request: reader.u32()?,
            set: QuerySetId::Set(reader.u32()?),
            rows: match is_first(reader)? {
                true => Some(tables(reader)?),
                false => None,
            },
        },
        3 => Received::Refused {
            request: option_u32(reader)?,
            set: Some(QuerySetId::Set(reader.u32()?)),
            error: text(reader)?,
        },
        4 => Received::Update(changes_v2(reader)?),
        5 => Received::OneOff {
            id: reader.take(4)?.into(),
            result: match is_first(reader)? {
                true => Ok(tables(reader)?),
                false => Err(text(reader)?),
            },
        },
        6 => {
            let request = reader.u32()?;
            reader.take(8)?;
            let (end, changes) = match reader.u8()? {
                0 => {
                    ensure!(reader.bytes()?.is_empty(), "a reducer has no value");
                    (CallEnd::Committed, changes_v2(reader)?)
                }
                1 => (CallEnd::Committed, Vec::new()),
                2 => {
                    let mut error = Reader::new(reader.bytes()?);
                    let message = text(&mut error)?;
                    error.finish()?;
                    (CallEnd::Failed(message), Vec::new())
                }
                3 => (CallEnd::Broken(text(reader)?), Vec::new()),
                other => bail!("an unknown outcome: {other}"),
            };
            Received::Result {
                request,
                end,
                changes,
            }
        }
        other => bail!("an unexpected v2 message: {other}"),
    })
}

fn changes_v2(reader: &mut Reader<'_>) -> Result<Vec<ListedChange>> {
    let sets = list(reader, |reader| {
        let set = Some(QuerySetId::Set(reader.u32()?));
        list(reader, |reader| {
            let table = text(reader)?;
            list(reader, |reader| {
                let is_event = !is_first(reader)?;
                Ok(ListedChange {
                    set,
                    table: table.clone(),
                    is_event,
                    inserts: row_list(reader)?,
                    deletes: match is_event {
                        true => Vec::new(),
                        false => row_list(reader)?,
                    },
                })
            })
        })
    })?;
    Ok(sets.into_iter().flatten().flatten().collect())
}

fn read_v1(reader: &mut Reader<'_>, dialect: Dialect) -> Result<Received> {
    let set = (dialect == Dialect::Legacy).then_some(QuerySetId::Legacy);
    Ok(match reader.u8()? {
        0 => {
            let rows = arriving(changes_v1(reader, set)?)?;
            let request = reader.u32()?;
            reader.take(8)?;
            Received::Applied {
                request,
                set: QuerySetId::Legacy,
                rows,
            }
        }
        1 => call_result_v1(reader, set)?,
        2 => {
            ensure!(reader.u32()? == 0, "an update has the number of a request");
            Received::Update(changes_v1(reader, set)?)
        }
        4 => {
            let id = reader.bytes()?.into();
            let error = match is_first(reader)? {
                true => Some(text(reader)?),
                false => None,
            };
            let rows = tables(reader)?;
            reader.take(8)?;
            let result = error.map_or(Ok(rows), Err);
            Received::OneOff { id, result }
        }
        tag @ (5 | 6) => {
            let (request, id) = request_and_id(reader)?;
            reader.u32()?;
            let _name = text(reader)?;
            let changes = table_v1(reader, None)?;
            answer_v1(tag == 5, request, QuerySetId::Single(id), changes)?
        }
        7 => {
            reader.take(8)?;
            let request = option_u32(reader)?;
            let id = option_u32(reader)?;
            let _table = option_u32(reader)?;
            Received::Refused {
                request,
                set: Some(match id {
                    None => QuerySetId::Legacy,
                    Some(id) if id < SINGLES => QuerySetId::Single(id),
                    Some(id) => QuerySetId::Multi(id),
                }),
                error: text(reader)?,
            }
        }
        tag @ (8 | 9) => {
            let (request, id) = request_and_id(reader)?;
            let changes = changes_v1(reader, None)?;
            answer_v1(tag == 8, request, QuerySetId::Multi(id), changes)?
        }
        other => bail!("an unexpected v1 message: {other}"),
    })
}

fn request_and_id(reader: &mut Reader<'_>) -> Result<(u32, u32)> {
    let request = reader.u32()?;
    reader.take(8)?;
    Ok((request, reader.u32()?))
}

fn answer_v1(
    is_arriving: bool,
    request: u32,
    set: QuerySetId,
    changes: Vec<ListedChange>,
) -> Result<Received> {
    Ok(match is_arriving {
        true => Received::Applied {
            request,
            set,
            rows: arriving(changes)?,
        },
        false => {
            let is_leaving = changes.iter().all(|change| change.inserts.is_empty());
            ensure!(is_leaving, "an end brings rows");
            let leaving = changes.into_iter();
            Received::Ended {
                request,
                set,
                rows: Some(
                    leaving
                        .map(|change| (change.table, change.deletes))
                        .collect(),
                ),
            }
        }
    })
}

fn arriving(changes: Vec<ListedChange>) -> Result<ListedRows> {
    let is_arriving = changes.iter().all(|change| change.deletes.is_empty());
    ensure!(is_arriving, "an answer takes rows away");
    let arriving = changes.into_iter();
    Ok(arriving
        .map(|change| (change.table, change.inserts))
        .collect())
}

fn call_result_v1(reader: &mut Reader<'_>, set: Option<QuerySetId>) -> Result<Received> {
    let mut changes = Vec::new();
    let end = match reader.u8()? {
        0 => {
            changes = changes_v1(reader, set)?;
            CallEnd::Committed
        }
        1 => CallEnd::Failed(text(reader)?),
        2 => CallEnd::Broken("out of energy".into()),
        other => bail!("an unknown status: {other}"),
    };
    reader.take(8 + 32 + 16)?;
    let _name = text(reader)?;
    let _reducer = reader.u32()?;
    let _args = reader.bytes()?;
    let request = reader.u32()?;
    reader.take(16 + 8)?;
    Ok(Received::Result {
        request,
        end,
        changes,
    })
}

fn changes_v1(reader: &mut Reader<'_>, set: Option<QuerySetId>) -> Result<Vec<ListedChange>> {
    let tables = list(reader, |reader| table_v1(reader, set))?;
    Ok(tables.into_iter().flatten().collect())
}

fn table_v1(reader: &mut Reader<'_>, set: Option<QuerySetId>) -> Result<Vec<ListedChange>> {
    let _table_id = reader.u32()?;
    let table = text(reader)?;
    let count = u64::from_le_bytes(reader.array("u64")?);
    let changes = list(reader, |reader| {
        ensure!(reader.u8()? == 0, "an inner compression");
        let deletes = row_list(reader)?;
        Ok(ListedChange {
            set,
            table: table.clone(),
            is_event: false,
            inserts: row_list(reader)?,
            deletes,
        })
    })?;
    let rows = changes.iter();
    let found: usize = rows
        .map(|change| change.inserts.len() + change.deletes.len())
        .sum();
    ensure!(
        u64::try_from(found)? == count,
        "a table has {found} rows and says {count}"
    );
    Ok(changes)
}

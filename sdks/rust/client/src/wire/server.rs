//! Messages from the server.

use bytes::Bytes;
use spacetime_types::bsatn::{Decode, DecodeError, Reader};

use super::QuerySetId;
use crate::{ConnectionId, Identity, TimeDuration, Timestamp};

/// One message.
#[derive(Debug)]
pub(crate) enum ServerMessage {
    InitialConnection {
        identity: Identity,
        connection_id: ConnectionId,
        token: String,
    },
    SubscribeApplied {
        set: QuerySetId,
        rows: QueryRows,
    },
    UnsubscribeApplied {
        set: QuerySetId,
    },
    SubscriptionError {
        set: QuerySetId,
        error: String,
    },
    TransactionUpdate(TransactionUpdate),
    /// The answer to a one-off query, which this client never asks.
    OneOffQueryResult,
    ReducerResult {
        request: u32,
        timestamp: Timestamp,
        outcome: ReducerOutcome,
    },
    ProcedureResult {
        request: u32,
        status: ProcedureStatus,
    },
}

/// How a reducer call ended.
#[derive(Debug)]
pub(crate) enum ReducerOutcome {
    Committed(TransactionUpdate),
    /// The BSATN form of the reducer's error.
    Err(Bytes),
    InternalError(String),
}

/// How a procedure call ended.
#[derive(Debug)]
pub(crate) enum ProcedureStatus {
    /// The BSATN form of what it returned.
    Returned(Bytes),
    InternalError(String),
}

/// What one transaction changed in the client's query sets.
#[derive(Debug, Default)]
pub struct TransactionUpdate {
    /// By ascending id.
    pub query_sets: Vec<QuerySetUpdate>,
}

/// The same for one query set.
#[derive(Debug)]
pub struct QuerySetUpdate {
    pub(crate) set: QuerySetId,
    /// By name.
    pub tables: Vec<TableUpdate>,
}

/// The same for one table.
#[derive(Debug)]
pub struct TableUpdate {
    /// As the server knows it.
    pub table_name: Box<str>,
    /// One for each query that changed.
    pub rows: Vec<TableUpdateRows>,
}

/// What came and went.
#[derive(Debug)]
pub enum TableUpdateRows {
    /// Of a table that is stored.
    PersistentTable {
        /// Rows that a query has now.
        inserts: BsatnRowList,
        /// Rows that it has no longer.
        deletes: BsatnRowList,
    },
    /// Of a table whose rows only pass by.
    EventTable {
        /// Rows in the order in which they were inserted.
        events: BsatnRowList,
    },
}

/// All rows of some queries.
#[derive(Debug, Default)]
pub struct QueryRows {
    /// One for each query that has rows; a table can be there several times.
    pub tables: Vec<SingleTableRows>,
}

/// All rows of one query.
#[derive(Debug)]
pub struct SingleTableRows {
    /// As the server knows it.
    pub table: Box<str>,
    /// Its rows.
    pub rows: BsatnRowList,
}

/// Rows, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct BsatnRowList {
    pub(crate) set: QuerySetId,
    hint: RowHint,
    data: Bytes,
}

/// Where the rows are.
#[derive(Clone, Debug)]
enum RowHint {
    FixedSize(u16),
    /// Little-endian `u64`s.
    RowOffsets(Bytes),
}

impl Default for RowHint {
    fn default() -> Self {
        RowHint::RowOffsets(Bytes::new())
    }
}

const OFFSET_BYTES: usize = 8;

impl BsatnRowList {
    /// Rows of `size` bytes each.
    #[cfg(test)]
    pub(crate) fn fixed_size(size: u16, data: Bytes) -> Self {
        BsatnRowList {
            set: QuerySetId::default(),
            hint: RowHint::FixedSize(size),
            data,
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        match &self.hint {
            RowHint::FixedSize(size) => self.data.len() / usize::from((*size).max(1)),
            RowHint::RowOffsets(offsets) => offsets.len() / OFFSET_BYTES,
        }
    }

    /// The bytes of the row at `index`. `None` if the list contradicts itself.
    pub(crate) fn row(&self, index: usize) -> Option<&[u8]> {
        match &self.hint {
            RowHint::FixedSize(size) => {
                let size = usize::from(*size);
                let start = index.checked_mul(size)?;
                self.data.get(start..start.checked_add(size)?)
            }
            RowHint::RowOffsets(offsets) => {
                let start = offset_at(offsets, index)?;
                let end = match index.checked_add(1) {
                    Some(next) if next < self.len() => offset_at(offsets, next)?,
                    _ => self.data.len(),
                };
                self.data.get(start..end)
            }
        }
    }

    fn read(frame: &Bytes, reader: &mut Reader<'_>, set: QuerySetId) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        let hint = match reader.u8()? {
            0 => RowHint::FixedSize(u16::decode(reader)?),
            1 => {
                let count = reader.len()?;
                let bytes = count.saturating_mul(OFFSET_BYTES);
                RowHint::RowOffsets(slice(frame, reader, bytes)?)
            }
            tag => return Err(bad_tag(offset, tag, "RowSizeHint")),
        };
        let data = read_bytes(frame, reader)?;
        if let RowHint::FixedSize(size) = hint
            && (size == 0 && !data.is_empty() || data.len() % usize::from(size.max(1)) != 0)
        {
            let len = data.len();
            let message = format!("{len} bytes are no whole number of rows of {size} bytes");
            return Err(DecodeError::Other(message));
        }
        Ok(BsatnRowList { set, hint, data })
    }
}

fn offset_at(offsets: &Bytes, index: usize) -> Option<usize> {
    let start = index.checked_mul(OFFSET_BYTES)?;
    let bytes = offsets.get(start..)?.first_chunk::<OFFSET_BYTES>()?;
    usize::try_from(u64::from_le_bytes(*bytes)).ok()
}

impl ServerMessage {
    /// Which message it is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            ServerMessage::InitialConnection { .. } => "InitialConnection",
            ServerMessage::SubscribeApplied { .. } => "SubscribeApplied",
            ServerMessage::UnsubscribeApplied { .. } => "UnsubscribeApplied",
            ServerMessage::SubscriptionError { .. } => "SubscriptionError",
            ServerMessage::TransactionUpdate(_) => "TransactionUpdate",
            ServerMessage::OneOffQueryResult => "OneOffQueryResult",
            ServerMessage::ReducerResult { .. } => "ReducerResult",
            ServerMessage::ProcedureResult { .. } => "ProcedureResult",
        }
    }

    /// Reads the message at the cursor, which is in `frame`.
    pub(crate) fn read(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        Ok(match reader.u8()? {
            0 => ServerMessage::InitialConnection {
                identity: Identity::decode(reader)?,
                connection_id: ConnectionId::decode(reader)?,
                token: String::decode(reader)?,
            },
            1 => {
                reader.u32()?;
                let set = QuerySetId(reader.u32()?);
                let rows = QueryRows::read(frame, reader, set)?;
                ServerMessage::SubscribeApplied { set, rows }
            }
            2 => {
                reader.u32()?;
                let set = QuerySetId(reader.u32()?);
                // The rows are not needed: the cache knows what the set has.
                if read_option(reader)? {
                    QueryRows::read(frame, reader, set)?;
                }
                ServerMessage::UnsubscribeApplied { set }
            }
            3 => {
                if read_option(reader)? {
                    reader.u32()?;
                }
                let set = QuerySetId(reader.u32()?);
                let error = String::decode(reader)?;
                ServerMessage::SubscriptionError { set, error }
            }
            4 => ServerMessage::TransactionUpdate(TransactionUpdate::read(frame, reader)?),
            5 => {
                reader.u32()?;
                let tag_offset = reader.offset();
                match reader.u8()? {
                    0 => drop(QueryRows::read(frame, reader, QuerySetId::default())?),
                    1 => drop(reader.str()?),
                    tag => return Err(bad_tag(tag_offset, tag, "OneOffQueryResult")),
                }
                ServerMessage::OneOffQueryResult
            }
            6 => ServerMessage::ReducerResult {
                request: reader.u32()?,
                timestamp: Timestamp::decode(reader)?,
                outcome: ReducerOutcome::read(frame, reader)?,
            },
            7 => {
                let status = ProcedureStatus::read(frame, reader)?;
                Timestamp::decode(reader)?;
                TimeDuration::decode(reader)?;
                let request = reader.u32()?;
                ServerMessage::ProcedureResult { request, status }
            }
            tag => return Err(bad_tag(offset, tag, "ServerMessage")),
        })
    }
}

impl ReducerOutcome {
    fn read(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        Ok(match reader.u8()? {
            0 => {
                reader.bytes()?;
                ReducerOutcome::Committed(TransactionUpdate::read(frame, reader)?)
            }
            1 => ReducerOutcome::Committed(TransactionUpdate::default()),
            2 => ReducerOutcome::Err(read_bytes(frame, reader)?),
            3 => ReducerOutcome::InternalError(String::decode(reader)?),
            tag => return Err(bad_tag(offset, tag, "ReducerOutcome")),
        })
    }
}

impl ProcedureStatus {
    fn read(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        Ok(match reader.u8()? {
            0 => ProcedureStatus::Returned(read_bytes(frame, reader)?),
            1 => ProcedureStatus::InternalError(String::decode(reader)?),
            tag => return Err(bad_tag(offset, tag, "ProcedureStatus")),
        })
    }
}

impl TransactionUpdate {
    fn read(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let query_sets = read_array(reader, |reader| {
            let set = QuerySetId(reader.u32()?);
            let tables = read_array(reader, |reader| TableUpdate::read(frame, reader, set))?;
            Ok(QuerySetUpdate { set, tables })
        })?;
        Ok(TransactionUpdate { query_sets })
    }
}

impl TableUpdate {
    fn read(frame: &Bytes, reader: &mut Reader<'_>, set: QuerySetId) -> Result<Self, DecodeError> {
        let table_name = reader.str()?.into();
        let rows = read_array(reader, |reader| {
            let offset = reader.offset();
            Ok(match reader.u8()? {
                0 => TableUpdateRows::PersistentTable {
                    inserts: BsatnRowList::read(frame, reader, set)?,
                    deletes: BsatnRowList::read(frame, reader, set)?,
                },
                1 => TableUpdateRows::EventTable {
                    events: BsatnRowList::read(frame, reader, set)?,
                },
                tag => return Err(bad_tag(offset, tag, "TableUpdateRows")),
            })
        })?;
        Ok(TableUpdate { table_name, rows })
    }
}

impl QueryRows {
    fn read(frame: &Bytes, reader: &mut Reader<'_>, set: QuerySetId) -> Result<Self, DecodeError> {
        let tables = read_array(reader, |reader| {
            Ok(SingleTableRows {
                table: reader.str()?.into(),
                rows: BsatnRowList::read(frame, reader, set)?,
            })
        })?;
        Ok(QueryRows { tables })
    }

    /// The same rows as an update that brings them.
    pub(crate) fn into_update(self, set: QuerySetId) -> QuerySetUpdate {
        let tables = self.tables.into_iter().map(|table| TableUpdate {
            table_name: table.table,
            rows: vec![TableUpdateRows::PersistentTable {
                inserts: table.rows,
                deletes: BsatnRowList::default(),
            }],
        });
        QuerySetUpdate {
            set,
            tables: tables.collect(),
        }
    }
}

/// Reads the elements one by one: each takes at least a byte, so a false count ends early.
fn read_array<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    const RESERVED_MAX: usize = 64;
    let count = reader.len()?;
    let mut elements = Vec::with_capacity(count.min(RESERVED_MAX));
    for _ in 0..count {
        elements.push(read(reader)?);
    }
    Ok(elements)
}

/// Whether a value follows.
fn read_option(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let offset = reader.offset();
    match reader.u8()? {
        0 => Ok(true),
        1 => Ok(false),
        tag => Err(bad_tag(offset, tag, "Option")),
    }
}

fn read_bytes(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
    let len = reader.len()?;
    slice(frame, reader, len)
}

fn slice(frame: &Bytes, reader: &mut Reader<'_>, len: usize) -> Result<Bytes, DecodeError> {
    let start = reader.offset();
    reader.take(len)?;
    Ok(frame.slice(start..reader.offset()))
}

fn bad_tag(offset: usize, tag: u8, type_name: &'static str) -> DecodeError {
    DecodeError::InvalidTag {
        offset,
        tag,
        type_name,
    }
}

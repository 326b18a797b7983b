//! Reading a record by visiting its parts in the order in which they are stored.

use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{TableId, TxOffset};

use super::{HAS_INPUTS, HAS_MUTATIONS, HAS_OUTPUTS, Inputs, read_array, read_u32, read_varint};

/// Receives the parts of records. An error ends the reading.
pub trait TxVisitor {
    type Error;

    /// A record begins.
    fn begin(&mut self, offset: TxOffset) -> Result<(), Self::Error>;

    /// The reducer call that the record came from.
    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), Self::Error> {
        let _ = inputs;
        Ok(())
    }

    /// The text that the call returned.
    fn outputs(&mut self, outputs: &str) -> Result<(), Self::Error> {
        let _ = outputs;
        Ok(())
    }

    /// Takes one inserted row of `table` from `rows`, no more and no less, and applies it.
    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error>;

    /// Takes one deleted row of `table` from `rows`, no more and no less, and applies it.
    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error>;

    /// Takes `count` inserted rows of `table` from `rows`, as [`TxVisitor::insert`] does one.
    /// To be replaced by something that looks the table up once. Rows without bytes take no part
    /// in bounding `count`: whoever replaces this must refuse more than one of them.
    fn insert_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<Self::Error>> {
        each_row(table, count, rows, |rows| self.insert(table, rows))
    }

    /// Takes `count` deleted rows of `table` from `rows`. See [`TxVisitor::insert_rows`].
    fn delete_rows(
        &mut self,
        table: TableId,
        count: u64,
        rows: &mut Reader<'_>,
    ) -> Result<(), TxdataError<Self::Error>> {
        each_row(table, count, rows, |rows| self.delete(table, rows))
    }

    /// All rows of `table` were deleted.
    fn truncate(&mut self, table: TableId) -> Result<(), Self::Error>;

    /// The record is complete.
    fn end(&mut self, offset: TxOffset) -> Result<(), Self::Error>;

    /// Takes one row of `table` from `rows` without applying it. Called for records that share
    /// a commit with the first wanted record, but come before it.
    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Self::Error>;
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TxdataError<E> {
    /// The record's own structure is wrong. Its commit had a good checksum, so whoever wrote it
    /// wrote nonsense.
    #[error("malformed record: {0}")]
    Malformed(#[from] DecodeError),
    /// The visitor refused a row or could not apply it.
    #[error(transparent)]
    Visitor(E),
}

/// Reads the record at the front of `reader` and applies it.
pub fn decode<V: TxVisitor>(
    offset: TxOffset,
    reader: &mut Reader<'_>,
    visitor: &mut V,
) -> Result<(), TxdataError<V::Error>> {
    visitor.begin(offset).map_err(TxdataError::Visitor)?;
    let flags = read_array::<1>(reader)?[0];
    if flags & HAS_INPUTS != 0 {
        let inputs = read_inputs(reader)?;
        visitor.inputs(inputs).map_err(TxdataError::Visitor)?;
    }
    if flags & HAS_OUTPUTS != 0 {
        let outputs = read_outputs(reader)?;
        visitor.outputs(outputs).map_err(TxdataError::Visitor)?;
    }
    if flags & HAS_MUTATIONS != 0 {
        each_table(reader, |table, count, rows| {
            visitor.insert_rows(table, count, rows)
        })?;
        each_table(reader, |table, count, rows| {
            visitor.delete_rows(table, count, rows)
        })?;
        each_truncate(reader, |table| visitor.truncate(table))?;
    }
    visitor.end(offset).map_err(TxdataError::Visitor)
}

/// Steps over the record at the front of `reader`.
pub fn skip<V: TxVisitor>(
    reader: &mut Reader<'_>,
    visitor: &mut V,
) -> Result<(), TxdataError<V::Error>> {
    let flags = read_array::<1>(reader)?[0];
    if flags & HAS_INPUTS != 0 {
        read_inputs(reader)?;
    }
    if flags & HAS_OUTPUTS != 0 {
        read_outputs(reader)?;
    }
    if flags & HAS_MUTATIONS != 0 {
        for _inserts_then_deletes in 0..2 {
            each_table(reader, |table, count, rows| {
                each_row(table, count, rows, |rows| visitor.skip_row(table, rows))
            })?;
        }
        each_truncate(reader, |_| Ok(()))?;
    }
    Ok(())
}

/// When the first of these records was called, in microseconds since the Unix epoch. Only the
/// first can be looked at without knowing the rows.
#[must_use]
pub fn first_call_time(records: &[u8]) -> Option<i64> {
    let mut reader = Reader::new(records);
    let flags = read_array::<1>(&mut reader).ok()?[0];
    if flags & HAS_INPUTS == 0 {
        return None;
    }
    let inputs = read_inputs(&mut reader).ok()?;
    Some(inputs.call()?.timestamp_micros)
}

fn read_inputs<'a>(reader: &mut Reader<'a>) -> Result<Inputs<'a>, DecodeError> {
    let len = usize::try_from(read_u32(reader)?)
        .map_err(|_| DecodeError::Other("inputs are larger than memory".to_owned()))?;
    let mut inputs = Reader::new(reader.take(len)?);
    let reducer = read_short_text(&mut inputs)?;
    Ok(Inputs {
        reducer,
        arguments: inputs.rest(),
    })
}

fn read_outputs<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    read_short_text(reader)
}

fn read_short_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let len = usize::from(read_array::<1>(reader)?[0]);
    let offset = reader.offset();
    let bytes = reader.take(len)?;
    std::str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8 { offset })
}

/// Calls `take_rows` with each table of a list and the number of its rows.
fn each_table<E>(
    reader: &mut Reader<'_>,
    mut take_rows: impl FnMut(TableId, u64, &mut Reader<'_>) -> Result<(), TxdataError<E>>,
) -> Result<(), TxdataError<E>> {
    // No bound is needed on the number of tables: each takes bytes, and those are finite.
    for _ in 0..read_varint(reader)? {
        let table = TableId(read_u32(reader)?);
        let count = read_varint(reader)?;
        let before = reader.offset();
        take_rows(table, count, reader)?;
        assert!(
            reader.offset() >= before,
            "a visitor took rows and moved backwards"
        );
    }
    Ok(())
}

/// Calls `take_row` so many times.
fn each_row<E>(
    table: TableId,
    count: u64,
    reader: &mut Reader<'_>,
    mut take_row: impl FnMut(&mut Reader<'_>) -> Result<(), E>,
) -> Result<(), TxdataError<E>> {
    let mut empty_row_seen = false;
    for _ in 0..count {
        let before = reader.offset();
        take_row(reader).map_err(TxdataError::Visitor)?;
        // A table without columns has at most one row. Without this check a damaged count
        // of empty rows would keep us busy for centuries.
        if reader.offset() == before && empty_row_seen {
            let message = format!("more than one row without bytes in table {table}");
            return Err(DecodeError::Other(message).into());
        }
        empty_row_seen |= reader.offset() == before;
    }
    Ok(())
}

fn each_truncate<E>(
    reader: &mut Reader<'_>,
    mut truncate: impl FnMut(TableId) -> Result<(), E>,
) -> Result<(), TxdataError<E>> {
    for _ in 0..read_varint(reader)? {
        let table = TableId(read_u32(reader)?);
        truncate(table).map_err(TxdataError::Visitor)?;
    }
    Ok(())
}

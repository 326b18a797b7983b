//! What a view function gives back, and bringing it into the backing table.

use rustc_hash::FxHashSet;
use spacetime_table::error::{ReadError, WriteError};
use spacetime_table::{Datastore, RowList, RowPtr, TableSchema};
use spacetime_types::bsatn::{self, Reader};
use spacetime_types::{ColId, Typespace};

/// The bytes of the hidden column.
pub(crate) type InstanceHash = [u8; 32];

/// The result of a view call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewOutput {
    /// Rows as they are stored, the hidden column first.
    Rows(Vec<Vec<u8>>),
    /// A query that the database runs.
    Query(Box<str>),
}

/// Why a view has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("the view's result does not decode: {0}")]
    Decode(bsatn::DecodeError),
    #[error("the view's result is of unknown kind {0}")]
    UnknownKind(u8),
    #[error("the view's table has no index to find an instance by")]
    NoIndex,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<bsatn::DecodeError> for OutputError {
    fn from(error: bsatn::DecodeError) -> Self {
        OutputError::Decode(error)
    }
}

impl ViewOutput {
    /// A result that starts with its kind.
    pub(crate) fn decode(
        bytes: &[u8],
        schema: &TableSchema,
        hash: &InstanceHash,
    ) -> Result<ViewOutput, OutputError> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            0 => decode_rows(reader, schema, hash).map(ViewOutput::Rows),
            1 => {
                let text = reader.str()?.into();
                reader.finish()?;
                Ok(ViewOutput::Query(text))
            }
            kind => Err(OutputError::UnknownKind(kind)),
        }
    }

    /// A result of rows alone, as modules of older crates give it.
    pub(crate) fn decode_plain(
        bytes: &[u8],
        schema: &TableSchema,
        hash: &InstanceHash,
    ) -> Result<ViewOutput, OutputError> {
        decode_rows(Reader::new(bytes), schema, hash).map(ViewOutput::Rows)
    }
}

/// Puts the hidden column before a row.
pub(crate) fn stored_row(hash: &InstanceHash, row: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(hash.len() + row.len());
    stored.extend_from_slice(hash);
    stored.extend_from_slice(row);
    stored
}

fn decode_rows(
    mut reader: Reader<'_>,
    schema: &TableSchema,
    hash: &InstanceHash,
) -> Result<Vec<Vec<u8>>, OutputError> {
    // Types of stored columns refer to nothing.
    let typespace = Typespace::default();
    let count = reader.u32()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let start = reader.offset();
        for column in schema.columns.iter().skip(1) {
            bsatn::skip_value(&typespace, &column.column_type, &mut reader)?;
        }
        let row = reader.consumed_since(start);
        rows.push(stored_row(hash, row));
        // Rows of no bytes are all equal, and a count of 2^32 of them must cost nothing.
        if row.is_empty() {
            break;
        }
    }
    reader.finish()?;
    Ok(rows)
}

/// The stored rows of an instance.
fn rows_of(
    datastore: &Datastore,
    schema: &TableSchema,
    hash: &InstanceHash,
) -> Result<Vec<RowPtr>, OutputError> {
    let by_hash = schema
        .indexes
        .iter()
        .find(|index| index.algorithm.columns() == [ColId(0)])
        .ok_or(OutputError::NoIndex)?;
    let (_, rows) = datastore.index_point(by_hash.id, hash)?;
    Ok(rows.collect())
}

/// Takes rows from an instance and adds others, inside the open transaction.
pub(crate) fn change_rows(
    datastore: &mut Datastore,
    schema: &TableSchema,
    hash: &InstanceHash,
    inserts: &RowList,
    deletes: &RowList,
) -> Result<(), OutputError> {
    for row in deletes.iter() {
        datastore.delete_eq_system(schema.id, &stored_row(hash, row))?;
    }
    for row in inserts.iter() {
        datastore.insert_system(schema.id, &stored_row(hash, row))?;
    }
    Ok(())
}

/// Makes `rows` the rows of an instance, inside the open transaction. What stays is not touched.
pub(crate) fn replace_rows(
    datastore: &mut Datastore,
    schema: &TableSchema,
    hash: &InstanceHash,
    rows: Vec<Vec<u8>>,
) -> Result<(), OutputError> {
    let old = rows_of(datastore, schema, hash)?;
    let mut new: FxHashSet<Vec<u8>> = rows.into_iter().collect();
    let mut bytes = Vec::new();
    for row in old {
        bytes.clear();
        datastore.read_row(schema.id, row, &mut bytes);
        if !new.remove(&bytes) {
            datastore.delete_system(schema.id, row)?;
        }
    }
    // In the order of their bytes: the same result gives the same messages.
    let mut new: Vec<Vec<u8>> = new.into_iter().collect();
    new.sort_unstable();
    for row in new {
        datastore.insert_system(schema.id, &row)?;
    }
    Ok(())
}

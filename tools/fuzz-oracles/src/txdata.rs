//! Records: the changes of one transaction.

use spacetime_commitlog::txdata::{self, TxVisitor};
use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{TableId, TxOffset};

/// Takes rows of tables that hold one byte array each; those of even tables have a u32 before it.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub offsets: Vec<TxOffset>,
    /// Bytes of all rows, and how many there were.
    pub inserted: Vec<u8>,
    pub row_count: u64,
}

fn take_row<'a>(table: TableId, rows: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let begin = rows.offset();
    if table.0.is_multiple_of(2) {
        rows.u32()?;
    }
    rows.bytes()?;
    Ok(rows.consumed_since(begin))
}

impl TxVisitor for Rows {
    type Error = DecodeError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), DecodeError> {
        self.offsets.push(offset);
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.inserted.extend_from_slice(take_row(table, rows)?);
        self.row_count += 1;
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        take_row(table, rows)?;
        self.row_count += 1;
        Ok(())
    }

    fn truncate(&mut self, _: TableId) -> Result<(), DecodeError> {
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        take_row(table, rows).map(drop)
    }
}

/// Any bytes as a record: reading and stepping over it agree on whether it is one, and on where it
/// ends; and there are no more rows than bytes.
pub fn txdata(data: &[u8]) -> bool {
    let mut rows = Rows::default();
    let mut reader = Reader::new(data);
    let read = txdata::decode(TxOffset(0), &mut reader, &mut rows);
    let mut skipper = Reader::new(data);
    let skipped = txdata::skip(&mut skipper, &mut Rows::default());
    assert_eq!(read.is_ok(), skipped.is_ok(), "{read:?}, {skipped:?}");
    if read.is_ok() {
        assert_eq!(reader.offset(), skipper.offset());
    }
    assert!(reader.offset() <= data.len());
    assert!(rows.row_count <= data.len() as u64);
    assert!(rows.inserted.len() <= data.len());
    read.is_ok()
}

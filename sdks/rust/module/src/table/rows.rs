//! The rows of a table or of an index, one after the other.
//!
//! Invariants
//!   * The host fills a buffer with whole rows; it is asked again when they are used up.
//!   * The host's iterator is closed when this one is dropped, unless it has come to its end.

use std::marker::PhantomData;

use super::bounds::ScanKey;
use crate::bsatn::{DecodeError, Deserialize, DeserializeOwned, Reader};
use crate::scratch::{give_row_buffer, take_row_buffer};
use crate::sys::{Chunk, Errno, RangeArguments, host};
use crate::types::{IndexId, TableId};

/// An iterator over rows.
pub struct TableIter<Row> {
    raw: RawRows,
    rows: PhantomData<fn() -> Row>,
}

impl<Row> std::fmt::Debug for TableIter<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableIter").finish_non_exhaustive()
    }
}

/// The part that knows nothing of the rows' type.
struct RawRows {
    /// None once the host has given its last row.
    iter: Option<u32>,
    buffer: Vec<u8>,
    position: usize,
    filled: usize,
}

impl RawRows {
    fn new(iter: Result<u32, Errno>) -> Self {
        RawRows {
            iter: Some(iter.unwrap_or_else(|errno| errno.unexpected())),
            buffer: take_row_buffer(),
            position: 0,
            filled: 0,
        }
    }

    /// Asks for more rows; false if there are none.
    fn refill(&mut self) -> bool {
        while let Some(iter) = self.iter {
            self.position = 0;
            match host::row_iter_advance(iter, &mut self.buffer) {
                Chunk::More(len) => self.filled = len,
                Chunk::Last(len) => {
                    self.filled = len;
                    self.iter = None;
                }
                Chunk::TooSmall(needed) => {
                    self.filled = 0;
                    let needed = needed.max(self.buffer.len() + 1);
                    self.buffer.resize(needed, 0);
                }
                Chunk::Failed(errno) => {
                    self.iter = None;
                    errno.unexpected();
                }
            }
            if 0 < self.filled {
                return true;
            }
        }
        self.position = 0;
        self.filled = 0;
        false
    }
}

impl Drop for RawRows {
    fn drop(&mut self) {
        if let Some(iter) = self.iter {
            // A refusal would mean that it is closed already.
            let _ = host::row_iter_close(iter);
        }
        give_row_buffer(std::mem::take(&mut self.buffer));
    }
}

impl<Row> TableIter<Row> {
    fn new(iter: Result<u32, Errno>) -> Self {
        TableIter {
            raw: RawRows::new(iter),
            rows: PhantomData,
        }
    }

    pub(super) fn over_table(table: TableId) -> Self {
        TableIter::new(host::datastore_table_scan(table.0))
    }

    pub(super) fn over_point(index: IndexId, point: &[u8]) -> Self {
        TableIter::new(host::datastore_index_scan_point(index.0, point))
    }

    pub(super) fn over_key(index: IndexId, key: &ScanKey<'_>) -> Self {
        match key.range() {
            None => TableIter::over_point(index, key.point()),
            Some(range) => TableIter::new(host::datastore_index_scan_range(index.0, range)),
        }
    }
}

/// Deletes what a scan would find.
pub(super) fn delete_key(index: IndexId, key: &ScanKey<'_>) -> u64 {
    let deleted = match key.range() {
        None => host::datastore_delete_by_index_scan_point(index.0, key.point()),
        Some(range) => delete_range(index, range),
    };
    u64::from(deleted.unwrap_or_else(|errno| errno.unexpected()))
}

fn delete_range(index: IndexId, range: RangeArguments<'_>) -> Result<u32, Errno> {
    host::datastore_delete_by_index_scan_range(index.0, range)
}

impl<Row: DeserializeOwned> Iterator for TableIter<Row> {
    type Item = Row;

    #[inline]
    fn next(&mut self) -> Option<Row> {
        if self.raw.position == self.raw.filled && !self.raw.refill() {
            return None;
        }
        let mut reader = Reader::new(&self.raw.buffer[self.raw.position..self.raw.filled]);
        match <Row as Deserialize<'_>>::deserialize(&mut reader) {
            Ok(row) => {
                self.raw.position = self.raw.filled - reader.remaining().len();
                Some(row)
            }
            Err(error) => fail(error),
        }
    }
}

#[cold]
fn fail(error: DecodeError) -> ! {
    panic!("the host gave a row that is not one of this table: {error}")
}

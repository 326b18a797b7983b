//! The open transaction: what was done, in order, with all that undoing and reporting it needs.
//!
//! Invariants
//!   * Undo runs strictly backwards. So a slot that was freed and used again, or an index that was
//!     dropped and whose table changed later, is put back into the state in which it was left.
//!   * `inserted` and `deleted` hold the rows of insertions and deletions back to back in order.
//!
//! Not here: the operations themselves (see `write` and `catalogue`), and netting (see `net`).

use spacetime_page::RowPtr;
use spacetime_types::{SequenceId, TableId};

use crate::sequence::Sequence;
use crate::table::{Indexing, Table};

/// Something that was done.
#[derive(Debug)]
pub(crate) enum Op {
    /// A row was inserted or deleted.
    Row(RowOp),
    /// The row of a sequence said this before.
    Sequence {
        sequence: SequenceId,
        recorded: i128,
    },
    /// The schema was changed.
    Catalogue(Box<CatalogueOp>),
}

/// A row inserted or deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowOp {
    pub table: TableId,
    pub ptr: RowPtr,
    pub is_insert: bool,
    /// Where the row's bytes start in `inserted` or `deleted`.
    pub start: usize,
    pub len: usize,
}

impl RowOp {
    /// Where the row's bytes are.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// How to undo a change of the schema.
#[derive(Debug)]
pub(crate) enum CatalogueOp {
    /// A table was made.
    Created(TableId),
    /// A table, already emptied, was taken away.
    Dropped(Table),
    /// A table got another schema and other indexes.
    Reindexed(Indexing),
    /// A table was made anew with rows stored differently; this was the old one.
    Replaced(Table),
    /// A sequence was made.
    SequenceCreated(SequenceId),
    /// A sequence was taken away.
    SequenceDropped(Sequence),
}

/// The state of the open transaction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub is_open: bool,
    /// Counts transactions.
    pub number: u64,
    pub ops: Vec<Op>,
    pub inserted: Vec<u8>,
    pub deleted: Vec<u8>,
}

/// A point in the open transaction to return to.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint {
    pub(crate) number: u64,
    pub(crate) ops: usize,
    pub(crate) inserted: usize,
    pub(crate) deleted: usize,
}

impl Transaction {
    /// The present point.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            number: self.number,
            ops: self.ops.len(),
            inserted: self.inserted.len(),
            deleted: self.deleted.len(),
        }
    }

    /// Whether rows of a table were changed.
    pub fn has_rows_of(&self, table: TableId) -> bool {
        let mut ops = self.ops.iter();
        ops.any(|op| matches!(op, Op::Row(row) if row.table == table))
    }

    /// Whether this transaction made a sequence.
    pub fn has_made(&self, sequence: SequenceId) -> bool {
        let made = |op: &Op| {
            matches!(op, Op::Catalogue(change)
            if matches!(**change, CatalogueOp::SequenceCreated(made) if made == sequence))
        };
        self.ops.iter().any(made)
    }

    /// Whether this transaction inserted a row.
    pub fn has_inserted(&self, table: TableId, ptr: RowPtr) -> bool {
        let mut ops = self.ops.iter();
        let is_it = |row: &RowOp| row.is_insert && (row.table, row.ptr) == (table, ptr);
        ops.any(|op| matches!(op, Op::Row(row) if is_it(row)))
    }

    /// Records a row whose bytes are the last in `inserted`.
    pub fn push_insert(&mut self, table: TableId, ptr: RowPtr, start: usize) {
        assert!(start <= self.inserted.len(), "the row's bytes are recorded");
        self.ops.push(Op::Row(RowOp {
            table,
            ptr,
            is_insert: true,
            start,
            len: self.inserted.len() - start,
        }));
    }

    /// Records a row whose bytes are the last in `deleted`.
    pub fn push_delete(&mut self, table: TableId, ptr: RowPtr, start: usize) {
        assert!(start <= self.deleted.len(), "the row's bytes are recorded");
        self.ops.push(Op::Row(RowOp {
            table,
            ptr,
            is_insert: false,
            start,
            len: self.deleted.len() - start,
        }));
    }
}

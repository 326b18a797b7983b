//! What remains of the changes of one table when those that cancel each other are left out.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use spacetime_page::{RowPtr, hash_row};

use crate::RowList;
use crate::transaction::RowOp;

/// The rows of all changes of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Arenas {
    pub inserted: Bytes,
    pub deleted: Bytes,
}

impl Arenas {
    fn row(&self, op: &RowOp) -> &[u8] {
        let arena = if op.is_insert {
            &self.inserted
        } else {
            &self.deleted
        };
        &arena[op.range()]
    }
}

/// Up to this many pairs are compared directly.
const PAIRS_MAX: usize = 64;

/// The net inserts and deletes of one table, whose changes are `ops` in order.
pub(crate) fn net(
    ops: Vec<RowOp>,
    arenas: &Arenas,
    fixed_row_len: Option<usize>,
) -> (RowList, RowList) {
    let inserts = ops.iter().filter(|op| op.is_insert).count();
    if inserts == ops.len() {
        return (
            list(&ops, &arenas.inserted, fixed_row_len),
            RowList::default(),
        );
    }
    if inserts == 0 {
        return (
            RowList::default(),
            list(&ops, &arenas.deleted, fixed_row_len),
        );
    }
    let (mut inserts, mut deletes) = cancel_own(ops);
    cancel_equal(&mut inserts, &mut deletes, arenas);
    (
        list(&inserts, &arenas.inserted, fixed_row_len),
        list(&deletes, &arenas.deleted, fixed_row_len),
    )
}

/// Leaves out rows that were inserted and then deleted.
fn cancel_own(ops: Vec<RowOp>) -> (Vec<RowOp>, Vec<RowOp>) {
    let mut inserts: Vec<Option<RowOp>> = Vec::with_capacity(ops.len());
    let mut deletes = Vec::with_capacity(ops.len());
    // Positions in `inserts` of rows that are still there, by pointer.
    let mut live: HashTable<usize> = HashTable::with_capacity(ops.len());
    for op in ops {
        let hash = spread(op.ptr);
        let is_own = |inserts: &[Option<RowOp>], position: usize| {
            inserts[position].is_some_and(|own| own.ptr == op.ptr)
        };
        if op.is_insert {
            let before = live.find(hash, |position| is_own(&inserts, *position));
            assert!(before.is_none(), "a slot holds one row");
            let hasher = |position: &usize| inserts[*position].map_or(0, |own| spread(own.ptr));
            live.insert_unique(hash, inserts.len(), hasher);
            inserts.push(Some(op));
        } else if let Ok(own) = live.find_entry(hash, |position| is_own(&inserts, *position)) {
            let (position, _) = own.remove();
            inserts[position] = None;
        } else {
            deletes.push(op);
        }
    }
    (inserts.into_iter().flatten().collect(), deletes)
}

/// Spreads a pointer over 64 bits: the table uses bits of both ends.
fn spread(ptr: RowPtr) -> u64 {
    u64::from(ptr.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Leaves out rows that were deleted and then inserted again. At most one insert equals a
/// delete, since the rows of a table are different.
fn cancel_equal(inserts: &mut Vec<RowOp>, deletes: &mut Vec<RowOp>, arenas: &Arenas) {
    let mut is_gone = vec![false; deletes.len()];
    if inserts.len() * deletes.len() <= PAIRS_MAX {
        inserts.retain(|insert| {
            let row = arenas.row(insert);
            let again = deletes.iter().position(|delete| arenas.row(delete) == row);
            again.inspect(|again| is_gone[*again] = true).is_none()
        });
    } else {
        let hash_at = |position: &usize| hash_row(arenas.row(&deletes[*position]));
        let mut by_hash: HashTable<usize> = HashTable::with_capacity(deletes.len());
        for position in 0..deletes.len() {
            by_hash.insert_unique(hash_at(&position), position, hash_at);
        }
        inserts.retain(|insert| {
            let row = arenas.row(insert);
            let is_equal = |position: &usize| arenas.row(&deletes[*position]) == row;
            let again = by_hash.find(hash_row(row), is_equal);
            again.inspect(|again| is_gone[**again] = true).is_none()
        });
    }
    let mut gone = is_gone.into_iter();
    deletes.retain(|_| gone.next() != Some(true));
}

/// The rows of `ops`, sharing the arena if they lie there without gaps.
fn list(ops: &[RowOp], arena: &Bytes, fixed_row_len: Option<usize>) -> RowList {
    let (Some(first), Some(last)) = (ops.first(), ops.last()) else {
        return RowList::default();
    };
    let has_gaps = ops
        .windows(2)
        .any(|pair| pair[0].range().end != pair[1].start);
    let bytes = if has_gaps {
        let len = ops.iter().map(|op| op.len).sum();
        let mut packed = Vec::with_capacity(len);
        for op in ops {
            packed.extend_from_slice(&arena[op.range()]);
        }
        Bytes::from(packed)
    } else {
        arena.slice(first.start..last.range().end)
    };
    if let Some(len) = fixed_row_len {
        return RowList::from_fixed(bytes, len, ops.len());
    }
    let mut end = 0;
    let ends: Arc<[usize]> = ops
        .iter()
        .map(|op| {
            end += op.len;
            end
        })
        .collect();
    RowList::from_ends(bytes, ends)
}

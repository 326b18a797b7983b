//! What remains of the changes of one table when those that cancel each other are left out.

use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
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
    let mut inserts: Vec<Option<RowOp>> = Vec::new();
    let mut deletes = Vec::new();
    let mut live: FxHashMap<RowPtr, usize> = FxHashMap::default();
    for op in ops {
        if op.is_insert {
            let before = live.insert(op.ptr, inserts.len());
            assert!(before.is_none(), "a slot holds one row");
            inserts.push(Some(op));
        } else if let Some(own) = live.remove(&op.ptr) {
            inserts[own] = None;
        } else {
            deletes.push(op);
        }
    }
    (inserts.into_iter().flatten().collect(), deletes)
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
        let mut by_hash: FxHashMap<u64, SmallVec<[usize; 2]>> = FxHashMap::default();
        for (position, delete) in deletes.iter().enumerate() {
            let hash = hash_row(arenas.row(delete));
            by_hash.entry(hash).or_default().push(position);
        }
        inserts.retain(|insert| {
            let row = arenas.row(insert);
            let candidates = by_hash.get(&hash_row(row));
            let mut candidates = candidates.into_iter().flatten();
            let again = candidates.find(|delete| arenas.row(&deletes[**delete]) == row);
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

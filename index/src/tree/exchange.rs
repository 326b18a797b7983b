//! Another row in the place of one, without taking the tree apart.

use super::{Leaf, Node, Target, Tree};
use crate::leaf_keys::{KeySource, LeafKeys};
use spacetime_page::RowPtr;
use std::sync::Arc;

impl<L: LeafKeys> Tree<L> {
    /// Puts another row with the same key where one is, if it belongs just there; returns whether
    /// it did.
    pub(crate) fn exchange(
        &mut self,
        key: &L::Key,
        (old, new): (RowPtr, RowPtr),
        is_unique: bool,
        rows: &impl KeySource<L::Key>,
    ) -> bool {
        let target: Target<'_, L, _> = Target {
            key,
            ptr: old,
            is_unique,
            takes_over: false,
            rows,
        };
        let mut node = Arc::make_mut(&mut self.root);
        loop {
            match node {
                Node::Inner {
                    separators,
                    children,
                } => {
                    let at = separators.upper(key, target.search_ptr());
                    node = Arc::make_mut(&mut children[at]);
                }
                Node::Leaf(leaf) => return exchange_in_leaf(leaf, &target, new),
            }
        }
    }
}

/// See [`Tree::exchange`].
fn exchange_in_leaf<L: LeafKeys, R: KeySource<L::Key>>(
    leaf: &mut Leaf<L>,
    target: &Target<'_, L, R>,
    new: RowPtr,
) -> bool {
    let (low, has_key) = leaf.keys.find(&leaf.ptrs, target.key, target.rows);
    if !has_key {
        return false;
    }
    if target.is_unique {
        let is_there = leaf.ptrs[low] == target.ptr;
        if is_there {
            leaf.ptrs[low] = new;
        }
        return is_there;
    }
    let end = leaf.keys.run_end(low, &leaf.ptrs, target.key, target.rows);
    let run = &leaf.ptrs[low..end];
    let Ok(at) = run.binary_search(&target.ptr) else {
        return false;
    };
    // What is beyond the ends of this leaf is on the far side of the old pointer.
    let is_above = new > target.ptr || at.checked_sub(1).map_or(low > 0, |at| run[at] < new);
    let next = run.get(at + 1);
    let is_below = new < target.ptr || next.map_or(end < leaf.len(), |next| new < *next);
    if is_above && is_below {
        leaf.ptrs[low + at] = new;
    }
    is_above && is_below
}

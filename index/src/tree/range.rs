//! Going through a part of a tree.

use super::{FIRST, Leaf, Node, Tree};
use crate::leaf_keys::{KeySource, LeafKeys};
use smallvec::SmallVec;
use spacetime_page::RowPtr;
use std::ops::Bound;
use std::sync::Arc;

/// Pointers of a range of a tree, in order. Where it ends was found out at its beginning, so rows
/// are not asked for keys any more.
#[derive(Clone, Debug)]
pub(crate) struct TreeIter<'a, L: LeafKeys> {
    /// For each inner node on the way to the current leaf, the children after that way.
    path: SmallVec<[std::slice::Iter<'a, Arc<Node<L>>>; 4]>,
    /// What is left of the current leaf, up to the end of the range.
    ptrs: std::slice::Iter<'a, RowPtr>,
    /// The later leaf in which the range ends, and the first pair after it.
    end: Option<(&'a Leaf<L>, usize)>,
}

impl<L: LeafKeys> Tree<L> {
    /// The pointers of all pairs whose keys are in the range, in order.
    pub(crate) fn range(
        &self,
        start: Bound<&L::Key>,
        end: Bound<&L::Key>,
        rows: &impl KeySource<L::Key>,
    ) -> TreeIter<'_, L> {
        let mut iter = TreeIter {
            path: SmallVec::new(),
            ptrs: [].iter(),
            end: None,
        };
        let mut node = &*self.root;
        let leaf = loop {
            match node {
                Node::Inner {
                    separators,
                    children,
                } => {
                    let at = match start {
                        Bound::Included(key) => separators.upper(key, FIRST),
                        Bound::Excluded(key) => separators.after(key),
                        Bound::Unbounded => 0,
                    };
                    iter.path.push(children[at + 1..].iter());
                    node = &children[at];
                }
                Node::Leaf(leaf) => break leaf,
            }
        };
        let from = match start {
            Bound::Included(key) => leaf.lower(key, FIRST, rows).0,
            Bound::Excluded(key) => leaf.after(key, rows),
            Bound::Unbounded => 0,
        };
        let to = end_in(leaf, end, rows);
        if to < leaf.len() {
            iter.path.clear();
        } else if iter.path.iter().any(|rest| rest.len() > 0) {
            iter.end = self.end_of(end, rows);
            iter.stop_if_last(leaf);
        }
        // The range is empty if its end is before its start.
        iter.ptrs = leaf.ptrs[from.min(to)..to].iter();
        iter
    }

    /// The pointers of all pairs, in order.
    pub(crate) fn iter(&self) -> TreeIter<'_, L> {
        let mut iter = TreeIter {
            path: SmallVec::new(),
            ptrs: [].iter(),
            end: None,
        };
        iter.enter(&self.root);
        iter
    }

    /// Whether the pairs of each node are in order, as far as that can be seen without the rows.
    pub(crate) fn is_in_order(&self, is_unique: bool) -> bool {
        is_in_order(&self.root, is_unique)
    }

    /// The leaf in which a range ends, and the first pair after it.
    fn end_of(
        &self,
        end: Bound<&L::Key>,
        rows: &impl KeySource<L::Key>,
    ) -> Option<(&Leaf<L>, usize)> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Inner {
                    separators,
                    children,
                } => {
                    let at = match end {
                        Bound::Included(key) => separators.after(key),
                        Bound::Excluded(key) => separators.upper(key, FIRST),
                        Bound::Unbounded => return None,
                    };
                    node = &children[at];
                }
                Node::Leaf(leaf) => return Some((leaf, end_in(leaf, end, rows))),
            }
        }
    }
}

fn is_in_order<L: LeafKeys>(node: &Node<L>, is_unique: bool) -> bool {
    match node {
        Node::Leaf(leaf) => leaf.keys.is_in_order(&leaf.ptrs, is_unique),
        Node::Inner {
            separators,
            children,
        } => {
            let (keys, ptrs) = (&separators.keys, &separators.ptrs);
            let mut later = 1..keys.len();
            children.len() == keys.len() + 1
                && later.all(|at| (&keys[at - 1], ptrs[at - 1]) < (&keys[at], ptrs[at]))
                && children.iter().all(|child| is_in_order(child, is_unique))
        }
    }
}

/// Index of the first pair of a leaf that is after the end of a range.
#[inline]
fn end_in<L: LeafKeys>(
    leaf: &Leaf<L>,
    end: Bound<&L::Key>,
    rows: &impl KeySource<L::Key>,
) -> usize {
    match end {
        Bound::Included(key) => leaf.after(key, rows),
        Bound::Excluded(key) => leaf.lower(key, FIRST, rows).0,
        Bound::Unbounded => leaf.len(),
    }
}

impl<'a, L: LeafKeys> TreeIter<'a, L> {
    /// Goes no further if the range ends in this leaf; returns where.
    #[inline]
    fn stop_if_last(&mut self, leaf: &Leaf<L>) -> Option<usize> {
        let (last, to) = self.end?;
        if !std::ptr::eq(leaf, last) {
            return None;
        }
        self.end = None;
        self.path.clear();
        Some(to)
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let node = loop {
            match self.path.last_mut()?.next() {
                Some(child) => break &**child,
                None => self.path.truncate(self.path.len() - 1),
            }
        };
        self.enter(node);
        Some(())
    }

    /// Goes to the first leaf under a node.
    fn enter(&mut self, mut node: &'a Node<L>) {
        loop {
            match node {
                Node::Inner { children, .. } => {
                    let mut rest = children.iter();
                    let first = rest.next();
                    self.path.push(rest);
                    let Some(first) = first else { return };
                    node = first;
                }
                Node::Leaf(leaf) => {
                    let to = self.stop_if_last(leaf).unwrap_or(leaf.len());
                    self.ptrs = leaf.ptrs[..to].iter();
                    return;
                }
            }
        }
    }
}

impl<L: LeafKeys> Iterator for TreeIter<'_, L> {
    type Item = RowPtr;

    #[inline]
    fn next(&mut self) -> Option<RowPtr> {
        loop {
            if let Some(ptr) = self.ptrs.next() {
                return Some(*ptr);
            }
            self.next_leaf()?;
        }
    }
}

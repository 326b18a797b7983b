//! Making a tree of many rows at once, much cheaper than adding them one by one.

use super::{Leaf, NODE_LEN_MAX, Node, Separators, Tree, separator_between};
use crate::leaf_keys::{
    COMMON_LEN_MAX, Exact, Heads, KeySource, LeafKeys, Unasked, common_len, head_of, is_whole,
};
use spacetime_page::RowPtr;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// A node, and what separates it from the one before.
struct Part<L: LeafKeys> {
    separator: Option<(L::Owned, RowPtr)>,
    node: Arc<Node<L>>,
}

impl<K: Copy + Ord + Debug> Tree<Exact<K>> {
    /// A tree of these pairs, in any order. If keys are unique and two pairs have the same,
    /// returns the pointer of one.
    pub(crate) fn build(mut pairs: Vec<(K, RowPtr)>, is_unique: bool) -> Result<Self, RowPtr> {
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        let is_taken = |both: &[(K, RowPtr)]| is_unique && both[0].0 == both[1].0;
        if let Some(both) = pairs.windows(2).find(|both| is_taken(both)) {
            return Err(both[1].1);
        }
        let leaves = pairs.chunks(NODE_LEN_MAX).map(|pairs| Leaf {
            keys: Exact(pairs.iter().map(|(key, _)| *key).collect()),
            ptrs: pairs.iter().map(|(_, ptr)| *ptr).collect(),
        });
        Ok(Tree::of_leaves(leaves, is_unique, &Unasked))
    }
}

impl Tree<Heads> {
    /// A tree of these rows, in any order. If keys are unique and two rows have the same, returns
    /// one of them.
    pub(crate) fn build(
        ptrs: Vec<RowPtr>,
        is_unique: bool,
        rows: &impl KeySource<[u8]>,
    ) -> Result<Self, RowPtr> {
        let mut sorting = Sorting {
            pairs: ptrs.into_iter().map(|ptr| (0, ptr)).collect(),
            is_unique,
            rows,
        };
        let mut unsorted = Vec::new();
        let everything = 0..sorting.pairs.len();
        let common = sorting.sort(everything, &mut unsorted)?;
        let is_sorted = unsorted.is_empty() && common.len() <= COMMON_LEN_MAX;
        while let Some(places) = unsorted.pop() {
            sorting.sort(places, &mut unsorted)?;
        }
        let leaves = sorting.pairs.chunks(NODE_LEN_MAX).map(|pairs| {
            let ptrs: Vec<RowPtr> = pairs.iter().map(|(_, ptr)| *ptr).collect();
            let keys = if is_sorted {
                Heads::new(&common, pairs.iter().map(|(head, _)| *head).collect())
            } else {
                Heads::of_rows(&ptrs, rows)
            };
            Leaf { keys, ptrs }
        });
        Ok(Tree::of_leaves(leaves, is_unique, rows))
    }
}

/// Rows being sorted by their keys, a few bytes of these at a time.
struct Sorting<'a, R> {
    pairs: Vec<(u64, RowPtr)>,
    is_unique: bool,
    rows: &'a R,
}

impl<R: KeySource<[u8]>> Sorting<'_, R> {
    /// Sorts some rows by the first bytes in which they differ; returns what is before these.
    /// Adds those that differ later only to `unsorted`. Two equal unique keys are an error.
    fn sort(
        &mut self,
        places: Range<usize>,
        unsorted: &mut Vec<Range<usize>>,
    ) -> Result<Vec<u8>, RowPtr> {
        let start = places.start;
        let pairs = &mut self.pairs[places];
        let Some((_, first)) = pairs.first() else {
            return Ok(Vec::new());
        };
        let mut common = self.rows.with_key(*first, <[u8]>::to_vec);
        for (_, ptr) in pairs.iter().skip(1) {
            if common.is_empty() {
                break;
            }
            let len = self.rows.with_key(*ptr, |key| common_len(&common, key));
            common.truncate(len);
        }
        for (head, ptr) in &mut *pairs {
            *head = self
                .rows
                .with_key(*ptr, |key| head_of(&key[common.len()..]));
        }
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        let mut at = 0;
        for run in pairs.chunk_by(|one, other| one.0 == other.0) {
            let places = start + at..start + at + run.len();
            at += run.len();
            if run.len() == 1 {
                continue;
            }
            if !is_whole(run[0].0) {
                unsorted.push(places);
            } else if self.is_unique {
                return Err(run[1].1);
            }
        }
        Ok(common)
    }
}

impl<L: LeafKeys> Tree<L> {
    /// A tree of these leaves, in order, none of them empty.
    fn of_leaves(
        leaves: impl Iterator<Item = Leaf<L>>,
        is_unique: bool,
        rows: &impl KeySource<L::Key>,
    ) -> Self {
        let (mut len, mut count) = (0, 0);
        let mut level: Vec<Part<L>> = Vec::new();
        for leaf in leaves {
            len += u32::try_from(leaf.len()).unwrap_or(u32::MAX);
            count += 1;
            let separator = match level.last().map(|part| &*part.node) {
                Some(Node::Leaf(left)) => Some(separator_between(left, &leaf, is_unique, rows)),
                _ => None,
            };
            level.push(Part {
                separator,
                node: Arc::new(Node::Leaf(leaf)),
            });
        }
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len().div_ceil(NODE_LEN_MAX));
            let mut parts = level.into_iter().peekable();
            while let Some(Part { separator, node }) = parts.next() {
                let (mut separators, mut children) = (Separators::new(), vec![node]);
                while let Some(part) = parts.next_if(|_| children.len() < NODE_LEN_MAX) {
                    let between = part.separator.into_iter();
                    between.for_each(|between| separators.push(between));
                    children.push(part.node);
                }
                let node = Arc::new(Node::Inner {
                    separators,
                    children,
                });
                above.push(Part { separator, node });
            }
            level = above;
        }
        level.pop().map_or_else(Tree::new, |part| Tree {
            root: part.node,
            len,
            leaves: count,
        })
    }
}

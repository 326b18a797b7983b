//! A B+tree of (key, row pointer) pairs, in that order.
//!
//! Invariants
//!   * Leaves are all at the same depth, and none is empty unless it is the root.
//!   * Separator `i` of an inner node is greater than everything under child `i` and not greater
//!     than anything under child `i + 1`. In a tree of unique keys the pointer of a separator
//!     is 0, so that a key's place does not depend on the pointer it has.
//!   * A separator is a key, or the beginning of one, and outlives the row that had it: only
//!     leaves ask rows for keys.
//!   * A node that is shared with a clone of the tree is copied before it is changed.
//!
//! Not here: what to do about a key that is taken, and how leaves hold keys (see `leaf_keys`).

use crate::leaf_keys::{KeySource, LeafKeys};
use spacetime_page::RowPtr;
use std::borrow::Borrow;
use std::sync::Arc;

mod build;
mod exchange;
mod range;

pub(crate) use range::TreeIter;

/// Most pairs in a leaf, most children of an inner node.
const NODE_LEN_MAX: usize = 128;

/// A node with less looks for a neighbour to merge with, ...
const NODE_LEN_MIN: usize = NODE_LEN_MAX / 4;

/// ... which it does if both together have no more than this.
const MERGED_LEN_MAX: usize = NODE_LEN_MAX * 3 / 4;

const _: () = assert!(NODE_LEN_MIN * 2 < MERGED_LEN_MAX && MERGED_LEN_MAX < NODE_LEN_MAX);

/// The least row pointer.
const FIRST: RowPtr = RowPtr(0);

#[derive(Clone, Debug)]
pub(crate) struct Tree<L: LeafKeys> {
    root: Arc<Node<L>>,
    /// Pairs. Row pointers have 32 bits.
    len: u32,
    /// Leaves, to tell the memory from.
    leaves: u32,
}

#[derive(Clone, Debug)]
enum Node<L: LeafKeys> {
    Leaf(Leaf<L>),
    Inner {
        separators: Separators<L::Owned>,
        children: Vec<Arc<Node<L>>>,
    },
}

/// Pairs in order, keys and pointers apart: no padding, and a search touches keys only.
#[derive(Clone, Debug, Default)]
struct Leaf<L> {
    keys: L,
    ptrs: Vec<RowPtr>,
}

/// The least pairs of the children of a node but the first.
#[derive(Clone, Debug)]
struct Separators<K> {
    keys: Vec<K>,
    ptrs: Vec<RowPtr>,
}

/// The right half of a node that was split, and what separates it from the left one.
struct Split<L: LeafKeys> {
    separator: (L::Owned, RowPtr),
    right: Arc<Node<L>>,
}

impl<K> Separators<K> {
    const fn new() -> Self {
        Separators {
            keys: Vec::new(),
            ptrs: Vec::new(),
        }
    }

    /// Index of the first pair that is greater.
    #[inline]
    fn upper<Q: Ord + ?Sized>(&self, key: &Q, ptr: RowPtr) -> usize
    where
        K: Borrow<Q>,
    {
        let low = self.keys.partition_point(|other| other.borrow() < key);
        match self.keys.get(low) {
            Some(other) if other.borrow() == key => {}
            _ => return low,
        }
        if ptr == FIRST {
            return low + usize::from(self.ptrs[low] == FIRST);
        }
        let run = self.keys[low..].partition_point(|other| other.borrow() <= key);
        low + self.ptrs[low..low + run].partition_point(|other| *other <= ptr)
    }

    /// Index of the first pair with a greater key.
    #[inline]
    fn after<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.keys.partition_point(|other| other.borrow() <= key)
    }

    fn insert(&mut self, at: usize, (key, ptr): (K, RowPtr)) {
        self.keys.insert(at, key);
        self.ptrs.insert(at, ptr);
    }

    fn push(&mut self, separator: (K, RowPtr)) {
        self.insert(self.keys.len(), separator);
    }

    fn remove(&mut self, at: usize) -> (K, RowPtr) {
        (self.keys.remove(at), self.ptrs.remove(at))
    }

    fn split_off(&mut self, at: usize) -> Self {
        Separators {
            keys: self.keys.split_off(at),
            ptrs: self.ptrs.split_off(at),
        }
    }

    fn append(&mut self, more: &mut Self) {
        self.keys.append(&mut more.keys);
        self.ptrs.append(&mut more.ptrs);
    }
}

impl<L: LeafKeys> Leaf<L> {
    #[inline]
    fn len(&self) -> usize {
        self.ptrs.len()
    }

    /// Index of the first pair that is not less. If it is this pair, or if it has this key and
    /// the least pointer was asked for, says so.
    #[inline]
    fn lower(&self, key: &L::Key, ptr: RowPtr, rows: &impl KeySource<L::Key>) -> (usize, bool) {
        let (low, has_key) = self.keys.find(&self.ptrs, key, rows);
        if !has_key || ptr == FIRST {
            return (low, has_key);
        }
        let end = self.keys.run_end(low, &self.ptrs, key, rows);
        let at = low + self.ptrs[low..end].partition_point(|other| *other < ptr);
        (at, at < end && self.ptrs[at] == ptr)
    }

    /// Index of the first pair with a greater key.
    #[inline]
    fn after(&self, key: &L::Key, rows: &impl KeySource<L::Key>) -> usize {
        match self.keys.find(&self.ptrs, key, rows) {
            (low, true) => self.keys.run_end(low, &self.ptrs, key, rows),
            (low, false) => low,
        }
    }

    #[inline]
    fn insert(&mut self, at: usize, key: &L::Key, ptr: RowPtr) {
        self.keys.insert(at, key);
        self.ptrs.insert(at, ptr);
    }
}

impl<L: LeafKeys> Node<L> {
    /// Pairs of a leaf, children of an inner node.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner { children, .. } => children.len(),
        }
    }
}

/// A pair on its way into or out of the tree.
struct Target<'a, L: LeafKeys, R> {
    key: &'a L::Key,
    ptr: RowPtr,
    is_unique: bool,
    /// A unique key that is taken changes hands.
    takes_over: bool,
    rows: &'a R,
}

impl<L: LeafKeys, R> Target<'_, L, R> {
    /// The pointer to search with: keys that are unique are found by themselves.
    #[inline]
    fn search_ptr(&self) -> RowPtr {
        if self.is_unique { FIRST } else { self.ptr }
    }
}

impl<L: LeafKeys> Tree<L> {
    pub(crate) fn new() -> Self {
        Tree {
            root: Arc::new(Node::Leaf(Leaf {
                keys: L::default(),
                ptrs: Vec::new(),
            })),
            len: 0,
            leaves: 1,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.into()
    }

    /// Adds a pair. If keys are unique and this one is taken, returns who has it.
    pub(crate) fn insert(
        &mut self,
        key: &L::Key,
        ptr: RowPtr,
        is_unique: bool,
        rows: &impl KeySource<L::Key>,
    ) -> Result<(), RowPtr> {
        self.insert_target(&Target {
            key,
            ptr,
            is_unique,
            takes_over: false,
            rows,
        })
    }

    /// Adds a pair to a tree of unique keys. If the key is taken it changes hands; returns who had
    /// it.
    pub(crate) fn put(
        &mut self,
        key: &L::Key,
        ptr: RowPtr,
        rows: &impl KeySource<L::Key>,
    ) -> Option<RowPtr> {
        let put = self.insert_target(&Target {
            key,
            ptr,
            is_unique: true,
            takes_over: true,
            rows,
        });
        put.err()
    }

    fn insert_target<R: KeySource<L::Key>>(
        &mut self,
        target: &Target<'_, L, R>,
    ) -> Result<(), RowPtr> {
        let root = Arc::make_mut(&mut self.root);
        if let Some(split) = insert_into(root, target, true, &mut self.leaves)? {
            let mut separators = Separators::new();
            separators.push(split.separator);
            let left = std::mem::replace(&mut self.root, Arc::clone(&split.right));
            self.root = Arc::new(Node::Inner {
                separators,
                children: vec![left, split.right],
            });
        }
        self.len += 1;
        Ok(())
    }

    /// Removes a pair; returns whether it was there.
    pub(crate) fn remove(
        &mut self,
        key: &L::Key,
        ptr: RowPtr,
        is_unique: bool,
        rows: &impl KeySource<L::Key>,
    ) -> bool {
        let target = Target {
            key,
            ptr,
            is_unique,
            takes_over: false,
            rows,
        };
        if !remove_from(Arc::make_mut(&mut self.root), &target, &mut self.leaves) {
            return false;
        }
        self.len -= 1;
        while let Node::Inner { children, .. } = &*self.root {
            match &children[..] {
                [] => *self = Tree::new(),
                [only] => self.root = Arc::clone(only),
                _ => break,
            }
        }
        assert!(
            self.len > 0 || self.root.len() == 0,
            "an empty tree holds nothing"
        );
        true
    }

    /// The pointer of the first pair with this key.
    #[inline]
    pub(crate) fn first(&self, key: &L::Key, rows: &impl KeySource<L::Key>) -> Option<RowPtr> {
        let mut node = &*self.root;
        // Without unique keys, the pair may begin the leaf after the one that is searched.
        let mut next: Option<&Arc<Node<L>>> = None;
        loop {
            match node {
                Node::Inner {
                    separators,
                    children,
                } => {
                    let at = separators.upper(key, FIRST);
                    next = children.get(at + 1).or(next);
                    node = &children[at];
                }
                Node::Leaf(leaf) => {
                    let (at, is_there) = leaf.lower(key, FIRST, rows);
                    if at < leaf.len() {
                        return is_there.then(|| leaf.ptrs[at]);
                    }
                    return next.and_then(|node| first_of(node, key, rows));
                }
            }
        }
    }

    /// Bytes of all nodes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        node_bytes(&self.root)
    }

    /// About the same from counters, whatever the size: each leaf as if it had room for the most
    /// pairs, without what keys have in common.
    pub(crate) fn counted_bytes(&self) -> usize {
        let pair = L::HELD_BYTES + size_of::<RowPtr>();
        match &*self.root {
            Node::Leaf(leaf) => node_size::<L>() + leaf.len().next_power_of_two().max(4) * pair,
            Node::Inner { .. } => {
                let child = size_of::<L::Owned>() + size_of::<RowPtr>() + size_of::<usize>();
                let leaf = node_size::<L>() + NODE_LEN_MAX * pair + child;
                usize::try_from(self.leaves).map_or(usize::MAX, |count| count * leaf)
            }
        }
    }
}

/// The first row under a node, if it has this key.
fn first_of<L: LeafKeys>(
    node: &Node<L>,
    key: &L::Key,
    rows: &impl KeySource<L::Key>,
) -> Option<RowPtr> {
    match node {
        Node::Inner { children, .. } => first_of(children.first()?, key, rows),
        Node::Leaf(leaf) => match leaf.lower(key, FIRST, rows) {
            (0, true) => leaf.ptrs.first().copied(),
            _ => None,
        },
    }
}

/// Bytes of a node itself; two reference counts come before it.
const fn node_size<L: LeafKeys>() -> usize {
    16 + size_of::<Node<L>>()
}

fn node_bytes<L: LeafKeys>(node: &Node<L>) -> usize {
    node_size::<L>()
        + match node {
            Node::Leaf(leaf) => leaf.keys.allocated_bytes() + leaf.ptrs.capacity() * 4,
            Node::Inner {
                separators,
                children,
            } => {
                let below = children.iter().map(|child| node_bytes(child));
                let outside = separators.keys.iter().map(L::separator_bytes);
                separators.keys.capacity() * size_of::<L::Owned>()
                    + outside.sum::<usize>()
                    + separators.ptrs.capacity() * 4
                    + children.capacity() * 8
                    + below.sum::<usize>()
            }
        }
}

/// `at_right_edge`: no leaf follows those under this node.
fn insert_into<L: LeafKeys, R: KeySource<L::Key>>(
    node: &mut Node<L>,
    target: &Target<'_, L, R>,
    at_right_edge: bool,
    leaves: &mut u32,
) -> Result<Option<Split<L>>, RowPtr> {
    match node {
        Node::Leaf(leaf) => {
            let split = insert_into_leaf(leaf, target, at_right_edge)?;
            *leaves += u32::from(split.is_some());
            Ok(split)
        }
        Node::Inner {
            separators,
            children,
        } => {
            let at = separators.upper(target.key, target.search_ptr());
            let at_right_edge = at_right_edge && at + 1 == children.len();
            let child = Arc::make_mut(&mut children[at]);
            let Some(split) = insert_into(child, target, at_right_edge, leaves)? else {
                return Ok(None);
            };
            separators.insert(at, split.separator);
            children.insert(at + 1, split.right);
            if children.len() <= NODE_LEN_MAX {
                return Ok(None);
            }
            // Rows that come in order leave full nodes behind.
            let keep = if at_right_edge {
                NODE_LEN_MAX - 1
            } else {
                NODE_LEN_MAX / 2
            };
            let right = Node::Inner {
                separators: separators.split_off(keep),
                children: children.split_off(keep),
            };
            let separator = separators.remove(keep - 1);
            Ok(Some(Split {
                separator,
                right: Arc::new(right),
            }))
        }
    }
}

fn insert_into_leaf<L: LeafKeys, R: KeySource<L::Key>>(
    leaf: &mut Leaf<L>,
    target: &Target<'_, L, R>,
    at_right_edge: bool,
) -> Result<Option<Split<L>>, RowPtr> {
    let (at, is_there) = leaf.lower(target.key, target.search_ptr(), target.rows);
    if is_there {
        let holder = leaf.ptrs[at];
        if target.is_unique {
            if target.takes_over {
                leaf.ptrs[at] = target.ptr;
            }
            return Err(holder);
        }
        assert!(holder != target.ptr, "{holder:?} is in the index already");
    }
    if leaf.len() < NODE_LEN_MAX {
        leaf.insert(at, target.key, target.ptr);
        return Ok(None);
    }
    // Rows that come in order leave full leaves behind.
    let keep = if at_right_edge && at == NODE_LEN_MAX {
        at
    } else {
        NODE_LEN_MAX / 2
    };
    let mut right = Leaf {
        keys: leaf.keys.split_off(keep),
        ptrs: leaf.ptrs.split_off(keep),
    };
    if at > keep || at == NODE_LEN_MAX {
        right.insert(at - keep, target.key, target.ptr);
    } else {
        leaf.insert(at, target.key, target.ptr);
    }
    leaf.keys.settle(&leaf.ptrs, target.rows);
    right.keys.settle(&right.ptrs, target.rows);
    let separator = separator_between(leaf, &right, target.is_unique, target.rows);
    Ok(Some(Split {
        separator,
        right: Arc::new(Node::Leaf(right)),
    }))
}

/// The separator of two leaves that follow one another.
fn separator_between<L: LeafKeys>(
    left: &Leaf<L>,
    right: &Leaf<L>,
    is_unique: bool,
    rows: &impl KeySource<L::Key>,
) -> (L::Owned, RowPtr) {
    let (last, first) = (left.ptrs[left.len() - 1], right.ptrs[0]);
    let ptr = if is_unique { FIRST } else { first };
    (L::separator(last, (&right.keys, first), rows), ptr)
}

fn remove_from<L: LeafKeys, R: KeySource<L::Key>>(
    node: &mut Node<L>,
    target: &Target<'_, L, R>,
    leaves: &mut u32,
) -> bool {
    match node {
        Node::Leaf(leaf) => {
            let (at, is_there) = leaf.lower(target.key, target.search_ptr(), target.rows);
            let is_there = is_there && leaf.ptrs[at] == target.ptr;
            if is_there {
                leaf.keys.remove(at);
                leaf.ptrs.remove(at);
            }
            is_there
        }
        Node::Inner {
            separators,
            children,
        } => {
            let at = separators.upper(target.key, target.search_ptr());
            if !remove_from(Arc::make_mut(&mut children[at]), target, leaves) {
                return false;
            }
            if children[at].len() < NODE_LEN_MIN {
                *leaves -= u32::from(mend_child(separators, children, at, target.rows));
            }
            true
        }
    }
}

/// Merges a child that has become small with a neighbour, or drops it if it is empty. Says whether
/// there is a leaf less then.
fn mend_child<L: LeafKeys>(
    separators: &mut Separators<L::Owned>,
    children: &mut Vec<Arc<Node<L>>>,
    at: usize,
    rows: &impl KeySource<L::Key>,
) -> bool {
    if children[at].len() == 0 {
        let empty = children.remove(at);
        if !separators.keys.is_empty() {
            separators.remove(at.saturating_sub(1));
        }
        return matches!(*empty, Node::Leaf(_));
    }
    let fits = |left: usize| {
        let pair = children.get(left..left + 2);
        pair.is_some_and(|pair| pair[0].len() + pair[1].len() <= MERGED_LEN_MAX)
    };
    let left = match at.checked_sub(1) {
        Some(left) if fits(left) => left,
        _ if fits(at) => at,
        _ => return false,
    };
    let right = Arc::unwrap_or_clone(children.remove(left + 1));
    let between = separators.remove(left);
    match (Arc::make_mut(&mut children[left]), right) {
        (Node::Leaf(leaf), Node::Leaf(mut more)) => {
            leaf.keys.append(more.keys);
            leaf.ptrs.append(&mut more.ptrs);
            leaf.keys.settle(&leaf.ptrs, rows);
            true
        }
        (
            Node::Inner {
                separators,
                children,
            },
            Node::Inner {
                separators: mut more_separators,
                children: mut more_children,
            },
        ) => {
            separators.push(between);
            separators.append(&mut more_separators);
            children.append(&mut more_children);
            false
        }
        _ => unreachable!("leaves are all at the same depth"),
    }
}

#[cfg(test)]
mod tests;

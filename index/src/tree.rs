//! A B+tree of (key, row pointer) pairs, in that order.
//!
//! Invariants
//!   * Leaves are all at the same depth, and none is empty unless it is the root.
//!   * Separator `i` of an inner node is greater than everything under child `i` and not greater
//!     than anything under child `i + 1`. In a tree of unique keys the pointer of a separator
//!     is 0, so that a key's place does not depend on the pointer it has.
//!   * A node that is shared with a clone of the tree is copied before it is changed.
//!
//! Not here: what to do about a key that is taken.

use smallvec::SmallVec;
use spacetime_page::RowPtr;
use std::ops::Bound;
use std::sync::Arc;

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
pub(crate) struct Tree<K> {
    root: Arc<Node<K>>,
    len: u64,
}

#[derive(Clone, Debug)]
enum Node<K> {
    Leaf(Pairs<K>),
    Inner {
        separators: Pairs<K>,
        children: Vec<Arc<Node<K>>>,
    },
}

/// Pairs in order, keys and pointers apart: no padding, and a search touches keys only.
#[derive(Clone, Debug)]
struct Pairs<K> {
    keys: Vec<K>,
    ptrs: Vec<RowPtr>,
}

/// The right half of a node that was split, and the least pair that belongs there.
struct Split<K> {
    separator: (K, RowPtr),
    right: Arc<Node<K>>,
}

impl<K: Ord + Clone> Pairs<K> {
    const fn new() -> Self {
        Pairs {
            keys: Vec::new(),
            ptrs: Vec::new(),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        self.ptrs.len()
    }

    /// Index of the first pair that is not less.
    #[inline]
    fn lower(&self, key: &K, ptr: RowPtr) -> usize {
        let low = self.keys.partition_point(|other| other < key);
        if ptr == FIRST || self.keys.get(low) != Some(key) {
            return low;
        }
        let run = self.keys[low..].partition_point(|other| other <= key);
        low + self.ptrs[low..low + run].partition_point(|other| *other < ptr)
    }

    /// Index of the first pair that is greater.
    #[inline]
    fn upper(&self, key: &K, ptr: RowPtr) -> usize {
        let low = self.lower(key, ptr);
        let is_equal = self.keys.get(low) == Some(key) && self.ptrs[low] == ptr;
        low + usize::from(is_equal)
    }

    /// Index of the first pair with a greater key.
    #[inline]
    fn after(&self, key: &K) -> usize {
        self.keys.partition_point(|other| other <= key)
    }

    #[inline]
    fn insert(&mut self, at: usize, key: K, ptr: RowPtr) {
        self.keys.insert(at, key);
        self.ptrs.insert(at, ptr);
    }

    fn remove(&mut self, at: usize) -> (K, RowPtr) {
        (self.keys.remove(at), self.ptrs.remove(at))
    }

    fn split_off(&mut self, at: usize) -> Self {
        Pairs {
            keys: self.keys.split_off(at),
            ptrs: self.ptrs.split_off(at),
        }
    }

    fn append(&mut self, other: &mut Self) {
        self.keys.append(&mut other.keys);
        self.ptrs.append(&mut other.ptrs);
    }
}

impl<K: Ord + Clone> Node<K> {
    /// Pairs of a leaf, children of an inner node.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Node::Leaf(pairs) => pairs.len(),
            Node::Inner { children, .. } => children.len(),
        }
    }
}

/// A pair on its way into or out of the tree.
struct Target<'a, K> {
    key: &'a K,
    ptr: RowPtr,
    is_unique: bool,
}

impl<K> Target<'_, K> {
    /// The pointer to search with: keys that are unique are found by themselves.
    fn search_ptr(&self) -> RowPtr {
        if self.is_unique { FIRST } else { self.ptr }
    }
}

impl<K: Ord + Clone> Tree<K> {
    pub(crate) fn new() -> Self {
        Tree {
            root: Arc::new(Node::Leaf(Pairs::new())),
            len: 0,
        }
    }

    /// A tree of these pairs, in any order; much cheaper than adding them one by one. If keys are
    /// unique and two pairs have the same, returns the pointer of one.
    pub(crate) fn build(mut pairs: Vec<(K, RowPtr)>, is_unique: bool) -> Result<Self, RowPtr> {
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        let is_taken = |both: &[(K, RowPtr)]| is_unique && both[0].0 == both[1].0;
        if let Some(both) = pairs.windows(2).find(|both| is_taken(both)) {
            return Err(both[1].1);
        }
        let len = u64::try_from(pairs.len()).unwrap_or(u64::MAX);
        // Nodes of one level, each with the least pair under it.
        let mut level: Vec<(K, RowPtr, Arc<Node<K>>)> = Vec::new();
        for pairs in pairs.chunks(NODE_LEN_MAX) {
            let leaf = Pairs {
                keys: pairs.iter().map(|(key, _)| key.clone()).collect(),
                ptrs: pairs.iter().map(|(_, ptr)| *ptr).collect(),
            };
            let least = if is_unique { FIRST } else { pairs[0].1 };
            level.push((pairs[0].0.clone(), least, Arc::new(Node::Leaf(leaf))));
        }
        drop(pairs);
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len().div_ceil(NODE_LEN_MAX));
            for nodes in level.chunks(NODE_LEN_MAX) {
                let mut separators = Pairs::new();
                for (key, ptr, _) in &nodes[1..] {
                    separators.insert(separators.len(), key.clone(), *ptr);
                }
                let inner = Node::Inner {
                    separators,
                    children: nodes.iter().map(|(_, _, node)| Arc::clone(node)).collect(),
                };
                above.push((nodes[0].0.clone(), nodes[0].1, Arc::new(inner)));
            }
            level = above;
        }
        Ok(level
            .pop()
            .map_or_else(Tree::new, |(_, _, root)| Tree { root, len }))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Adds a pair. If keys are unique and this one is taken, returns who has it.
    pub(crate) fn insert(&mut self, key: &K, ptr: RowPtr, is_unique: bool) -> Result<(), RowPtr> {
        let target = Target {
            key,
            ptr,
            is_unique,
        };
        if let Some(split) = insert_into(Arc::make_mut(&mut self.root), &target, true)? {
            let mut separators = Pairs::new();
            separators.insert(0, split.separator.0, split.separator.1);
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
    pub(crate) fn remove(&mut self, key: &K, ptr: RowPtr, is_unique: bool) -> bool {
        let target = Target {
            key,
            ptr,
            is_unique,
        };
        if !remove_from(Arc::make_mut(&mut self.root), &target) {
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
    pub(crate) fn first(&self, key: &K) -> Option<RowPtr> {
        let mut node = &*self.root;
        // Without unique keys, the pair may begin the leaf after the one that is searched.
        let mut next: Option<&Arc<Node<K>>> = None;
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
                Node::Leaf(pairs) => {
                    let at = pairs.lower(key, FIRST);
                    if at < pairs.len() {
                        return (pairs.keys[at] == *key).then(|| pairs.ptrs[at]);
                    }
                    return next.and_then(|node| first_of(node, key));
                }
            }
        }
    }

    /// The pointers of all pairs whose keys are in the range, in order.
    pub(crate) fn range(&self, start: Bound<&K>, end: Bound<K>) -> TreeIter<'_, K> {
        let mut iter = TreeIter {
            path: SmallVec::new(),
            ptrs: [].iter(),
            end,
        };
        let mut node = &*self.root;
        loop {
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
                Node::Leaf(pairs) => {
                    let from = match start {
                        Bound::Included(key) => pairs.lower(key, FIRST),
                        Bound::Excluded(key) => pairs.after(key),
                        Bound::Unbounded => 0,
                    };
                    iter.enter_leaf(pairs, from);
                    return iter;
                }
            }
        }
    }

    /// Bytes of all nodes and what keys hold outside of them.
    pub(crate) fn allocated_bytes(&self, outside: &impl Fn(&K) -> usize) -> usize {
        node_bytes(&self.root, outside)
    }
}

fn first_of<K: Ord>(node: &Node<K>, key: &K) -> Option<RowPtr> {
    match node {
        Node::Inner { children, .. } => first_of(children.first()?, key),
        Node::Leaf(pairs) => (pairs.keys.first()? == key).then(|| pairs.ptrs[0]),
    }
}

fn node_bytes<K>(node: &Node<K>, outside: &impl Fn(&K) -> usize) -> usize {
    let of_pairs = |pairs: &Pairs<K>| {
        let keys = if size_of::<K>() == 0 {
            0
        } else {
            pairs.keys.capacity() * size_of::<K>()
        };
        keys + pairs.ptrs.capacity() * 4 + pairs.keys.iter().map(outside).sum::<usize>()
    };
    // Two reference counts come before the node.
    16 + size_of::<Node<K>>()
        + match node {
            Node::Leaf(pairs) => of_pairs(pairs),
            Node::Inner {
                separators,
                children,
            } => {
                let below = children.iter().map(|child| node_bytes(child, outside));
                of_pairs(separators) + children.capacity() * 8 + below.sum::<usize>()
            }
        }
}

/// `at_right_edge`: no leaf follows those under this node.
fn insert_into<K: Ord + Clone>(
    node: &mut Node<K>,
    target: &Target<'_, K>,
    at_right_edge: bool,
) -> Result<Option<Split<K>>, RowPtr> {
    match node {
        Node::Leaf(pairs) => insert_into_leaf(pairs, target, at_right_edge),
        Node::Inner {
            separators,
            children,
        } => {
            let at = separators.upper(target.key, target.search_ptr());
            let at_right_edge = at_right_edge && at + 1 == children.len();
            let child = Arc::make_mut(&mut children[at]);
            let Some(split) = insert_into(child, target, at_right_edge)? else {
                return Ok(None);
            };
            let (key, ptr) = split.separator;
            separators.insert(at, key, ptr);
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

fn insert_into_leaf<K: Ord + Clone>(
    pairs: &mut Pairs<K>,
    target: &Target<'_, K>,
    at_right_edge: bool,
) -> Result<Option<Split<K>>, RowPtr> {
    let at = pairs.lower(target.key, target.search_ptr());
    if pairs.keys.get(at) == Some(target.key) {
        let holder = pairs.ptrs[at];
        if target.is_unique {
            return Err(holder);
        }
        assert!(holder != target.ptr, "{holder:?} is in the index already");
    }
    if pairs.len() < NODE_LEN_MAX {
        pairs.insert(at, target.key.clone(), target.ptr);
        return Ok(None);
    }
    // Rows that come in order leave full leaves behind.
    let keep = if at_right_edge && at == NODE_LEN_MAX {
        at
    } else {
        NODE_LEN_MAX / 2
    };
    let mut right = pairs.split_off(keep);
    if at > keep || at == NODE_LEN_MAX {
        right.insert(at - keep, target.key.clone(), target.ptr);
    } else {
        pairs.insert(at, target.key.clone(), target.ptr);
    }
    let ptr = if target.is_unique {
        FIRST
    } else {
        right.ptrs[0]
    };
    Ok(Some(Split {
        separator: (right.keys[0].clone(), ptr),
        right: Arc::new(Node::Leaf(right)),
    }))
}

fn remove_from<K: Ord + Clone>(node: &mut Node<K>, target: &Target<'_, K>) -> bool {
    match node {
        Node::Leaf(pairs) => {
            let at = pairs.lower(target.key, target.search_ptr());
            let is_there = pairs.keys.get(at) == Some(target.key) && pairs.ptrs[at] == target.ptr;
            if is_there {
                pairs.remove(at);
            }
            is_there
        }
        Node::Inner {
            separators,
            children,
        } => {
            let at = separators.upper(target.key, target.search_ptr());
            if !remove_from(Arc::make_mut(&mut children[at]), target) {
                return false;
            }
            if children[at].len() < NODE_LEN_MIN {
                mend_child(separators, children, at);
            }
            true
        }
    }
}

/// Merges a child that has become small with a neighbour, or drops it if it is empty.
fn mend_child<K: Ord + Clone>(
    separators: &mut Pairs<K>,
    children: &mut Vec<Arc<Node<K>>>,
    at: usize,
) {
    if children[at].len() == 0 {
        children.remove(at);
        if separators.len() > 0 {
            separators.remove(at.saturating_sub(1));
        }
        return;
    }
    let fits = |left: usize| {
        let pair = children.get(left..left + 2);
        pair.is_some_and(|pair| pair[0].len() + pair[1].len() <= MERGED_LEN_MAX)
    };
    let left = match at.checked_sub(1) {
        Some(left) if fits(left) => left,
        _ if fits(at) => at,
        _ => return,
    };
    let mut right = children.remove(left + 1);
    let between = separators.remove(left);
    match (
        Arc::make_mut(&mut children[left]),
        Arc::make_mut(&mut right),
    ) {
        (Node::Leaf(pairs), Node::Leaf(more)) => pairs.append(more),
        (
            Node::Inner {
                separators,
                children,
            },
            Node::Inner {
                separators: more_separators,
                children: more_children,
            },
        ) => {
            separators.insert(separators.len(), between.0, between.1);
            separators.append(more_separators);
            children.append(more_children);
        }
        _ => unreachable!("leaves are all at the same depth"),
    }
}

#[cfg(test)]
mod tests;

/// Pointers of a range of a tree, in order.
#[derive(Clone, Debug)]
pub(crate) struct TreeIter<'a, K> {
    /// For each inner node on the way to the current leaf, the children after that way.
    path: SmallVec<[std::slice::Iter<'a, Arc<Node<K>>>; 4]>,
    /// What is left of the current leaf, up to the end of the range.
    ptrs: std::slice::Iter<'a, RowPtr>,
    end: Bound<K>,
}

impl<'a, K: Ord> TreeIter<'a, K> {
    fn enter_leaf(&mut self, pairs: &'a Pairs<K>, from: usize) {
        let is_within = |key: &K| match &self.end {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let to = if pairs.keys.last().is_none_or(is_within) {
            pairs.ptrs.len()
        } else {
            self.path.clear();
            pairs.keys.partition_point(is_within)
        };
        // The range is empty if its end is before its start.
        self.ptrs = pairs.ptrs[from.min(to)..to].iter();
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let mut node = loop {
            match self.path.last_mut()?.next() {
                Some(child) => break &**child,
                None => self.path.truncate(self.path.len() - 1),
            }
        };
        loop {
            match node {
                Node::Inner { children, .. } => {
                    let mut rest = children.iter();
                    node = rest.next()?;
                    self.path.push(rest);
                }
                Node::Leaf(pairs) => {
                    self.enter_leaf(pairs, 0);
                    return Some(());
                }
            }
        }
    }
}

impl<K: Ord> Iterator for TreeIter<'_, K> {
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

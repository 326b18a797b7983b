//! An index: the algorithm it was declared with, and the structure that serves it.
//!
//! Invariants
//!   * A pair of key and row pointer is in an index at most once; a key at most once if the index
//!     is unique.
//!   * A direct index that is not unique, or whose key is not a small unsigned number, is a tree;
//!     one that gets a key unsuited to an array becomes a tree.

use crate::direct::{Direct, DirectIter, Refused};
use crate::hashed::{Hashed, HashedIter};
use crate::key::{Key, KeyRange};
use crate::key_shape::KeyShape;
use crate::leaf_keys::{Exact, Heads, KeySource, Unasked};
use crate::tree::{Tree, TreeIter};
use spacetime_page::{RowPtr, hash_row};
use std::cell::{Cell, RefCell};
use std::ops::Bound;
use std::sync::Arc;

/// How an index was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    BTree,
    Hash,
    Direct,
}

/// A range was asked of a hash index, which only answers whole keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash index answers whole keys only; declare a btree index for ranges")]
pub struct NotOrdered;

/// The rows behind the pointers of an index, for indexes that do not hold their keys.
pub trait RowKeys {
    /// Makes the key of a row, with `shape`. The row is one that is in the index, or that is about
    /// to be.
    fn key_of(&self, ptr: RowPtr, shape: &KeyShape, out: &mut Key);

    /// Whether a row has this key, of this shape.
    #[inline]
    fn has_key(&self, ptr: RowPtr, key: &Key, shape: &KeyShape) -> bool {
        let mut of_row = Key::default();
        self.key_of(ptr, shape, &mut of_row);
        of_row == *key
    }
}

/// The rows, as a tree sees them.
struct Bytes<'a, R> {
    rows: &'a R,
    shape: &'a KeyShape,
    /// Of the last key, to be used again.
    buffer: Cell<Key>,
}

impl<'a, R> Bytes<'a, R> {
    #[inline]
    fn new(rows: &'a R, shape: &'a KeyShape) -> Self {
        Bytes {
            rows,
            shape,
            buffer: Cell::default(),
        }
    }
}

impl<R: RowKeys> KeySource<[u8]> for Bytes<'_, R> {
    #[inline]
    fn with_key<T>(&self, ptr: RowPtr, see: impl FnOnce(&[u8]) -> T) -> T {
        let mut key = self.buffer.take();
        self.rows.key_of(ptr, self.shape, &mut key);
        let seen = key.with_bytes(see);
        self.buffer.set(key);
        seen
    }
}

/// Row pointers by key. A row has one key, and is in the index under no other; whoever changes an
/// index or asks it for a key lets it see the rows, which have the keys that they were added with.
#[derive(Clone, Debug)]
pub struct Index {
    algorithm: Algorithm,
    is_unique: bool,
    shape: Arc<KeyShape>,
    pub(crate) map: Map,
}

/// The structures, by size of the key.
#[derive(Clone, Debug)]
pub(crate) enum Map {
    Tree32(Tree<Exact<u32>>),
    Tree64(Tree<Exact<u64>>),
    /// Keys of more than 8 bytes, or of any length.
    Wide(Tree<Heads>),
    Hash(Hashed),
    Direct(Direct),
}

/// Does the same with the map and the key, whatever they are.
macro_rules! with_map {
    (
        ($map:expr, $key:expr, $rows:expr, $shape:expr),
        tree($tree:ident, $tree_key:ident, $tree_rows:ident) => $on_tree:expr,
        hash($hash:ident, $hash_key:ident) => $on_hash:expr,
        direct($direct:ident, $direct_key:ident) => $on_direct:expr $(,)?
    ) => {
        match ($map, $key) {
            (Map::Tree32($tree), Key::U64(key)) => {
                let ($tree_key, $tree_rows) = (&narrow(*key), &Unasked);
                $on_tree
            }
            (Map::Tree64($tree), Key::U64($tree_key)) => {
                let $tree_rows = &Unasked;
                $on_tree
            }
            (Map::Wide($tree), key) => {
                let $tree_rows = &Bytes::new($rows, $shape);
                key.with_bytes(|$tree_key| $on_tree)
            }
            (Map::Hash($hash), $hash_key) => $on_hash,
            (Map::Direct($direct), Key::U64($direct_key)) => $on_direct,
            (_, key) => wrong_shape(key),
        }
    };
}

/// The key of a map of 32-bit keys.
#[inline]
fn narrow(key: u64) -> u32 {
    let narrow = u32::try_from(key);
    assert!(narrow.is_ok(), "key {key} is not of this index's shape");
    narrow.unwrap_or(u32::MAX)
}

/// The hash of a key.
#[inline]
fn hash_of(key: &Key) -> u64 {
    match key {
        Key::U64(key) => hash_row(&key.to_le_bytes()),
        Key::U128(key) => hash_row(&key.to_le_bytes()),
        Key::U256(words) => {
            let mut bytes = [0; 32];
            let (chunks, _) = bytes.as_chunks_mut::<8>();
            for (chunk, word) in chunks.iter_mut().zip(words) {
                *chunk = word.to_le_bytes();
            }
            hash_row(&bytes)
        }
        Key::Bytes(bytes) => hash_row(bytes),
    }
}

#[cold]
fn wrong_shape(key: &Key) -> ! {
    panic!("key {key:?} is not of this index's shape");
}

impl Map {
    fn new(algorithm: Algorithm, is_unique: bool, shape: &KeyShape) -> Map {
        match (algorithm, shape.width) {
            (Algorithm::Direct, _) if is_unique && shape.is_small_number => {
                Map::Direct(Direct::new())
            }
            (Algorithm::Hash, _) => Map::Hash(Hashed::default()),
            (_, Some(0..=4)) => Map::Tree32(Tree::new()),
            (_, Some(5..=8)) => Map::Tree64(Tree::new()),
            (_, _) => Map::Wide(Tree::new()),
        }
    }
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(algorithm: Algorithm, unique: bool, shape: KeyShape) -> Self {
        Index {
            algorithm,
            is_unique: unique,
            map: Map::new(algorithm, unique, &shape),
            shape: Arc::new(shape),
        }
    }

    /// How its keys are made.
    #[must_use]
    pub fn shape(&self) -> &Arc<KeyShape> {
        &self.shape
    }

    /// How it was declared.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a key can have but one row.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.is_unique
    }

    /// Whether it answers ranges.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.algorithm != Algorithm::Hash
    }

    /// Number of row pointers.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.map {
            Map::Tree32(tree) => tree.len(),
            Map::Tree64(tree) => tree.len(),
            Map::Wide(tree) => tree.len(),
            Map::Hash(hashed) => hashed.len(),
            Map::Direct(direct) => direct.len(),
        }
    }

    /// Whether there are no row pointers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory. Walks the whole index.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        match &self.map {
            Map::Tree32(tree) => tree.allocated_bytes(),
            Map::Tree64(tree) => tree.allocated_bytes(),
            Map::Wide(tree) => tree.allocated_bytes(),
            Map::Hash(hashed) => hashed.allocated_bytes(),
            Map::Direct(direct) => direct.allocated_bytes(),
        }
    }

    /// About the same from counters, whatever the size. The most that it leaves out is what long
    /// keys have in common.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        match &self.map {
            Map::Tree32(tree) => tree.counted_bytes(),
            Map::Tree64(tree) => tree.counted_bytes(),
            Map::Wide(tree) => tree.counted_bytes(),
            Map::Hash(hashed) => hashed.counted_bytes(),
            Map::Direct(direct) => direct.allocated_bytes(),
        }
    }

    /// Adds a row. In a unique index, a key that is taken is an error that tells by which row,
    /// and nothing changes.
    #[inline]
    pub fn insert(&mut self, key: &Key, ptr: RowPtr, rows: &impl RowKeys) -> Result<(), RowPtr> {
        let (is_unique, shape) = (self.is_unique, &*self.shape);
        let refused = with_map!(
            (&mut self.map, key, rows, shape),
            tree(tree, key, rows) => {
                tree.insert(key, ptr, is_unique, rows).map_err(Refused::Taken)
            },
            hash(hashed, key) => {
                let has_key = |other| rows.has_key(other, key, shape);
                let inserted = hashed.insert(hash_of(key), ptr, is_unique, has_key);
                inserted.map_err(Refused::Taken)
            },
            direct(direct, key) => direct.insert(*key, ptr),
        );
        match refused {
            Ok(()) => Ok(()),
            Err(Refused::Taken(holder)) => Err(holder),
            Err(Refused::Unsuited) => {
                self.become_a_tree();
                self.insert(key, ptr, rows)
            }
        }
    }

    /// Fills the empty index with rows, whose keys `key_of` tells. In a unique index two rows with
    /// the same key are an error, which tells one of them, and the index stays empty.
    pub fn fill(
        &mut self,
        len: u64,
        ptrs: impl Iterator<Item = RowPtr>,
        key_of: impl FnMut(RowPtr, &mut Key),
        rows: &impl RowKeys,
    ) -> Result<(), RowPtr> {
        assert!(self.is_empty(), "an index is filled once");
        let keys = usize::try_from(len).unwrap_or(usize::MAX);
        let is_unique = self.is_unique;
        match &mut self.map {
            Map::Tree32(tree) => {
                *tree = Tree::<Exact<u32>>::build(pairs(keys, ptrs, key_of, narrow), is_unique)?;
            }
            Map::Tree64(tree) => {
                *tree = Tree::<Exact<u64>>::build(pairs(keys, ptrs, key_of, |key| key), is_unique)?;
            }
            Map::Wide(tree) => {
                let rows = &Bytes::new(rows, &self.shape);
                *tree = Tree::<Heads>::build(ptrs.collect(), is_unique, rows)?;
            }
            Map::Hash(hashed) => {
                let (key_of, shape) = (RefCell::new(key_of), &*self.shape);
                let (mut key, mut other_key) = (Key::default(), Key::default());
                let hashes = ptrs.map(|ptr| {
                    key_of.borrow_mut()(ptr, &mut key);
                    (hash_of(&key), ptr)
                });
                let same = |ptr, other| {
                    key_of.borrow_mut()(ptr, &mut other_key);
                    rows.has_key(other, &other_key, shape)
                };
                *hashed = Hashed::build(keys, hashes, is_unique, same)?;
            }
            Map::Direct(_) => return self.add_all(ptrs, key_of, rows),
        }
        Ok(())
    }

    /// Adds rows one by one; none if one of them cannot be.
    fn add_all(
        &mut self,
        ptrs: impl Iterator<Item = RowPtr>,
        mut key_of: impl FnMut(RowPtr, &mut Key),
        rows: &impl RowKeys,
    ) -> Result<(), RowPtr> {
        let mut key = Key::default();
        for ptr in ptrs {
            key_of(ptr, &mut key);
            if self.insert(&key, ptr, rows).is_err() {
                self.clear();
                return Err(ptr);
            }
        }
        Ok(())
    }

    /// Removes a row, which is still stored; returns whether it was there under this key.
    #[inline]
    pub fn remove(&mut self, key: &Key, ptr: RowPtr, rows: &impl RowKeys) -> bool {
        let (is_unique, shape) = (self.is_unique, &*self.shape);
        with_map!(
            (&mut self.map, key, rows, shape),
            tree(tree, key, rows) => tree.remove(key, ptr, is_unique, rows),
            hash(hashed, key) => {
                hashed.remove(hash_of(key), ptr, |other| rows.has_key(other, key, shape))
            },
            direct(direct, key) => direct.remove(*key, ptr),
        )
    }

    /// Adds a row to a unique index. If another has its key, which is stored too, takes its place
    /// and returns it.
    pub fn put(&mut self, key: &Key, ptr: RowPtr, rows: &impl RowKeys) -> Option<RowPtr> {
        assert!(self.is_unique, "a key changes hands where it is unique");
        match (&mut self.map, key) {
            (Map::Tree32(tree), Key::U64(key)) => tree.put(&narrow(*key), ptr, &Unasked),
            (Map::Tree64(tree), Key::U64(key)) => tree.put(key, ptr, &Unasked),
            (Map::Wide(tree), key) => {
                let rows = &Bytes::new(rows, &self.shape);
                key.with_bytes(|key| tree.put(key, ptr, rows))
            }
            _ => {
                let holder = self.insert(key, ptr, rows).err()?;
                let exchanged = self.exchange(key, holder, ptr, rows);
                assert!(exchanged, "who has the key is in the index");
                Some(holder)
            }
        }
    }

    /// Puts a row in the place of another with the same key. Both are stored. Returns whether the
    /// old one was there under this key.
    pub fn exchange(&mut self, key: &Key, old: RowPtr, new: RowPtr, rows: &impl RowKeys) -> bool {
        let (is_unique, shape) = (self.is_unique, &*self.shape);
        let is_done = with_map!(
            (&mut self.map, key, rows, shape),
            tree(tree, key, rows) => tree.exchange(key, (old, new), is_unique, rows),
            hash(hashed, key) => hashed.exchange(hash_of(key), old, new),
            direct(direct, key) => direct.exchange(*key, old, new),
        );
        if is_done {
            return true;
        }
        let was_there = self.remove(key, old, rows);
        if was_there {
            let inserted = self.insert(key, new, rows);
            assert!(inserted.is_ok(), "the key has just become free");
        }
        was_there
    }

    /// The row with this key, or one of them.
    #[must_use]
    #[inline]
    pub fn first(&self, key: &Key, rows: &impl RowKeys) -> Option<RowPtr> {
        with_map!(
            (&self.map, key, rows, &*self.shape),
            tree(tree, key, rows) => tree.first(key, rows),
            hash(hashed, key) => {
                hashed.first(hash_of(key), |other| rows.has_key(other, key, &self.shape))
            },
            direct(direct, key) => direct.get(*key),
        )
    }

    /// All rows with this key.
    #[inline]
    pub fn point(&self, key: &Key, rows: &impl RowKeys) -> IndexIter<'_> {
        if self.is_unique {
            return IndexIter(Iter::Hashed(HashedIter::One(self.first(key, rows))));
        }
        if let Map::Hash(hashed) = &self.map {
            let has_key = |other| rows.has_key(other, key, &self.shape);
            return IndexIter(Iter::Hashed(hashed.point(hash_of(key), has_key)));
        }
        IndexIter(self.ordered(Bound::Included(key), Bound::Included(key), rows))
    }

    /// The rows with keys in a range, in the order of keys. A hash index answers only ranges that
    /// are one whole key.
    #[inline]
    pub fn range(
        &self,
        range: &KeyRange,
        rows: &impl RowKeys,
    ) -> Result<IndexIter<'_>, NotOrdered> {
        if let Some(key) = range.as_point() {
            return Ok(self.point(key, rows));
        }
        if !self.is_ordered() {
            return Err(NotOrdered);
        }
        Ok(IndexIter(self.ordered(range.start(), range.end(), rows)))
    }

    /// All rows; in the order of keys if the index is ordered, else refused.
    pub fn iter_ordered(&self) -> Result<IndexIter<'_>, NotOrdered> {
        Ok(IndexIter(match &self.map {
            Map::Tree32(tree) => Iter::Tree32(tree.iter()),
            Map::Tree64(tree) => Iter::Tree64(tree.iter()),
            Map::Wide(tree) => Iter::Wide(tree.iter()),
            Map::Direct(direct) => Iter::Direct(direct.range(Bound::Unbounded, Bound::Unbounded)),
            Map::Hash(_) => return Err(NotOrdered),
        }))
    }

    /// Removes all rows. A direct index that had become a tree is direct again.
    pub fn clear(&mut self) {
        self.map = Map::new(self.algorithm, self.is_unique, &self.shape);
    }

    fn ordered(&self, start: Bound<&Key>, end: Bound<&Key>, rows: &impl RowKeys) -> Iter<'_> {
        match &self.map {
            Map::Tree32(tree) => {
                let (start, end) = (start.map(number).map(narrow), end.map(number).map(narrow));
                Iter::Tree32(tree.range(start.as_ref(), end.as_ref(), &Unasked))
            }
            Map::Tree64(tree) => {
                let (start, end) = (start.map(number), end.map(number));
                Iter::Tree64(tree.range(start.as_ref(), end.as_ref(), &Unasked))
            }
            Map::Wide(tree) => {
                let rows = &Bytes::new(rows, &self.shape);
                Iter::Wide(with_bytes(start, |start| {
                    with_bytes(end, |end| tree.range(start, end, rows))
                }))
            }
            Map::Direct(direct) => Iter::Direct(direct.range(start.map(number), end.map(number))),
            Map::Hash(_) => Iter::Hashed(HashedIter::One(None)),
        }
    }

    #[cold]
    fn become_a_tree(&mut self) {
        let Map::Direct(direct) = &self.map else {
            return;
        };
        let mut map = Map::new(Algorithm::BTree, true, &self.shape);
        for (key, ptr) in direct.range(Bound::Unbounded, Bound::Unbounded) {
            let added = match &mut map {
                Map::Tree32(tree) => tree.insert(&narrow(key), ptr, true, &Unasked),
                Map::Tree64(tree) => tree.insert(&key, ptr, true, &Unasked),
                _ => Err(ptr),
            };
            assert!(
                added == Ok(()),
                "keys of a direct index are small and unique"
            );
        }
        self.map = map;
    }
}

/// The rows with their keys, as a tree takes them.
fn pairs<K>(
    len: usize,
    ptrs: impl Iterator<Item = RowPtr>,
    mut key_of: impl FnMut(RowPtr, &mut Key),
    of: impl Fn(u64) -> K,
) -> Vec<(K, RowPtr)> {
    let mut pairs = Vec::with_capacity(len);
    let mut key = Key::default();
    for ptr in ptrs {
        key_of(ptr, &mut key);
        pairs.push((of(number(&key)), ptr));
    }
    pairs
}

/// A key that is a number of at most 64 bits.
#[inline]
fn number(key: &Key) -> u64 {
    match key {
        Key::U64(key) => *key,
        key => wrong_shape(key),
    }
}

/// Calls `see` with a bound on keys as bytes.
fn with_bytes<T>(bound: Bound<&Key>, see: impl FnOnce(Bound<&[u8]>) -> T) -> T {
    match bound {
        Bound::Included(key) => key.with_bytes(|key| see(Bound::Included(key))),
        Bound::Excluded(key) => key.with_bytes(|key| see(Bound::Excluded(key))),
        Bound::Unbounded => see(Bound::Unbounded),
    }
}

/// Row pointers found in an [`Index`].
#[derive(Clone, Debug)]
pub struct IndexIter<'a>(Iter<'a>);

#[derive(Clone, Debug)]
enum Iter<'a> {
    Hashed(HashedIter<'a>),
    Tree32(TreeIter<'a, Exact<u32>>),
    Tree64(TreeIter<'a, Exact<u64>>),
    Wide(TreeIter<'a, Heads>),
    Direct(DirectIter<'a>),
}

impl Iterator for IndexIter<'_> {
    type Item = RowPtr;

    #[inline]
    fn next(&mut self) -> Option<RowPtr> {
        match &mut self.0 {
            Iter::Hashed(iter) => iter.next(),
            Iter::Tree32(iter) => iter.next(),
            Iter::Tree64(iter) => iter.next(),
            Iter::Wide(iter) => iter.next(),
            Iter::Direct(iter) => iter.next().map(|(_, ptr)| ptr),
        }
    }
}

//! A hash table of keys and their row pointers, in segments.
//!
//! Segments are split one at a time as the table grows (linear hashing), so no insert pays for
//! moving the whole table, and a writer copies one segment when a clone shares it.
//!
//! Invariants
//!   * With `2^level <= segments < 2^(level + 1)`, the entries of the first
//!     `segments - 2^level` segments and of the last as many are told apart by one hash bit more.
//!   * A key is in the table once, with at least one row pointer.
//!
//! The hash has no secret. Keys chosen to collide slow the table down to a search in one segment.

use crate::key::KeyBytes;
use crate::tree::{Tree, TreeIter};
use hashbrown::HashTable;
use spacetime_page::{RowPtr, hash_row};
use std::ops::Bound;
use std::sync::Arc;

/// A further segment is made when the others hold more than this on average. Segments then hold
/// this many to twice as many keys, which just fills tables of 512 and 1024 places.
const SEGMENT_LEN_MEAN_MAX: usize = 390;

/// Keys that can be hashed without going through `std::hash`.
pub(crate) trait HashKey: Eq + Clone {
    fn hash_key(&self) -> u64;
}

impl HashKey for u32 {
    #[inline]
    fn hash_key(&self) -> u64 {
        hash_row(&self.to_le_bytes())
    }
}

impl HashKey for u64 {
    #[inline]
    fn hash_key(&self) -> u64 {
        hash_row(&self.to_le_bytes())
    }
}

impl HashKey for u128 {
    #[inline]
    fn hash_key(&self) -> u64 {
        hash_row(&self.to_le_bytes())
    }
}

impl HashKey for [u64; 4] {
    #[inline]
    fn hash_key(&self) -> u64 {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(self) {
            *bytes = word.to_le_bytes();
        }
        hash_row(&bytes)
    }
}

impl HashKey for KeyBytes {
    #[inline]
    fn hash_key(&self) -> u64 {
        hash_row(self)
    }
}

#[derive(Clone, Debug)]
struct Entry<K> {
    key: K,
    rows: Rows,
}

/// The rows of one key.
#[derive(Clone, Copy, Debug)]
enum Rows {
    One(RowPtr),
    /// Place among the lists of the segment.
    Many(u32),
}

/// Entries, and the rows of those that have more than one.
#[derive(Clone, Debug)]
struct Segment<K> {
    entries: HashTable<Entry<K>>,
    lists: Vec<Tree<()>>,
    /// Places of `lists` that are empty and not referred to.
    unused: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Hashed<K> {
    segments: Arc<Vec<Arc<Segment<K>>>>,
    keys: usize,
    len: u64,
}

/// What came of adding a pair to a segment.
enum Added {
    NewKey,
    SameKey,
    Taken(RowPtr),
}

/// What came of removing a pair from a segment.
enum Removed {
    WithKey,
    Row,
    Nothing,
}

impl<K: HashKey> Segment<K> {
    fn with_capacity(keys: usize) -> Self {
        Segment {
            entries: HashTable::with_capacity(keys),
            lists: Vec::new(),
            unused: Vec::new(),
        }
    }

    fn list(&self, place: u32) -> &Tree<()> {
        &self.lists[index(place)]
    }

    /// Keeps a list; returns its place.
    fn put_list(&mut self, list: Tree<()>) -> u32 {
        if let Some(place) = self.unused.pop() {
            self.lists[index(place)] = list;
            return place;
        }
        self.lists.push(list);
        let place = u32::try_from(self.lists.len() - 1);
        assert!(place.is_ok(), "a segment has fewer than 2^32 keys");
        place.unwrap_or(0)
    }

    fn take_list(&mut self, place: u32) -> Tree<()> {
        self.unused.push(place);
        std::mem::replace(&mut self.lists[index(place)], Tree::new())
    }

    #[inline]
    fn insert(&mut self, hash: u64, key: &K, ptr: RowPtr, is_unique: bool) -> Added {
        let found = self.entries.find(hash, |entry| entry.key == *key);
        match found.map(|entry| entry.rows) {
            None => {
                self.insert_entry(hash, key.clone(), Rows::One(ptr));
                Added::NewKey
            }
            Some(Rows::One(holder)) if is_unique => Added::Taken(holder),
            Some(Rows::One(holder)) => {
                assert!(holder != ptr, "{ptr:?} is in the index already");
                let mut list = Tree::new();
                add(&mut list, holder);
                add(&mut list, ptr);
                let rows = Rows::Many(self.put_list(list));
                if let Some(entry) = self.entries.find_mut(hash, |entry| entry.key == *key) {
                    entry.rows = rows;
                }
                Added::SameKey
            }
            Some(Rows::Many(place)) => {
                add(&mut self.lists[index(place)], ptr);
                Added::SameKey
            }
        }
    }

    fn insert_entry(&mut self, hash: u64, key: K, rows: Rows) {
        let entry = Entry { key, rows };
        self.entries
            .insert_unique(hash, entry, |entry| entry.key.hash_key());
    }

    fn remove(&mut self, hash: u64, key: &K, ptr: RowPtr) -> Removed {
        let Ok(mut found) = self.entries.find_entry(hash, |entry| entry.key == *key) else {
            return Removed::Nothing;
        };
        match found.get().rows {
            Rows::One(holder) if holder == ptr => {
                found.remove();
                let entries = &mut self.entries;
                if entries.capacity() > 64 && entries.len() < entries.capacity() / 8 {
                    entries.shrink_to(entries.len() * 2, |entry| entry.key.hash_key());
                }
                Removed::WithKey
            }
            Rows::One(_) => Removed::Nothing,
            Rows::Many(place) => {
                let list = &mut self.lists[index(place)];
                if !list.remove(&(), ptr, false) {
                    return Removed::Nothing;
                }
                if let (1, Some(last)) = (list.len(), list.first(&())) {
                    found.get_mut().rows = Rows::One(last);
                    self.take_list(place);
                }
                Removed::Row
            }
        }
    }

    fn allocated_bytes(&self, outside: &impl Fn(&K) -> usize) -> usize {
        let keys = self.entries.iter().map(|entry| outside(&entry.key));
        let lists = self.lists.iter().map(|list| list.allocated_bytes(&|()| 0));
        // Two reference counts come before the segment.
        16 + size_of::<Segment<K>>()
            + self.entries.allocation_size()
            + keys.sum::<usize>()
            + self.lists.capacity() * size_of::<Tree<()>>()
            + lists.sum::<usize>()
            + self.unused.capacity() * 4
    }
}

fn add(list: &mut Tree<()>, ptr: RowPtr) {
    let added = list.insert(&(), ptr, false);
    assert!(added.is_ok(), "lists are not unique by key");
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The segment of a hash. The low bits place an entry within its segment.
#[inline]
fn segment_of(hash: u64, segments: usize) -> usize {
    let level = segments.ilog2();
    let bits = usize::try_from(hash >> 32).unwrap_or(usize::MAX);
    let wide = bits & ((2 << level) - 1);
    if wide < segments {
        wide
    } else {
        wide & ((1 << level) - 1)
    }
}

impl<K: HashKey> Hashed<K> {
    pub(crate) fn new() -> Self {
        Hashed {
            segments: Arc::new(vec![Arc::new(Segment::with_capacity(0))]),
            keys: 0,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Adds a pair. If keys are unique and this one is taken, returns who has it.
    #[inline]
    pub(crate) fn insert(&mut self, key: &K, ptr: RowPtr, is_unique: bool) -> Result<(), RowPtr> {
        let hash = key.hash_key();
        match self.segment_mut(hash).insert(hash, key, ptr, is_unique) {
            Added::Taken(holder) => return Err(holder),
            Added::SameKey => {}
            Added::NewKey => {
                self.keys += 1;
                if self.keys > self.segments.len() * SEGMENT_LEN_MEAN_MAX {
                    self.split_a_segment();
                }
            }
        }
        self.len += 1;
        Ok(())
    }

    /// Removes a pair; returns whether it was there.
    #[inline]
    pub(crate) fn remove(&mut self, key: &K, ptr: RowPtr) -> bool {
        let hash = key.hash_key();
        match self.segment_mut(hash).remove(hash, key, ptr) {
            Removed::Nothing => return false,
            Removed::WithKey => self.keys -= 1,
            Removed::Row => {}
        }
        self.len -= 1;
        true
    }

    /// The row pointers of a key.
    #[inline]
    pub(crate) fn point(&self, key: &K) -> HashedIter<'_> {
        let hash = key.hash_key();
        let segment = &self.segments[segment_of(hash, self.segments.len())];
        match segment
            .entries
            .find(hash, |entry| entry.key == *key)
            .map(|entry| entry.rows)
        {
            None => HashedIter::One(None),
            Some(Rows::One(ptr)) => HashedIter::One(Some(ptr)),
            Some(Rows::Many(place)) => {
                let list = segment.list(place);
                HashedIter::Many(list.range(Bound::Unbounded, Bound::Unbounded))
            }
        }
    }

    /// Bytes of all segments and what keys hold outside of them.
    pub(crate) fn allocated_bytes(&self, outside: &impl Fn(&K) -> usize) -> usize {
        let segments = self
            .segments
            .iter()
            .map(|segment| segment.allocated_bytes(outside));
        self.segments.capacity() * 8 + segments.sum::<usize>()
    }

    #[inline]
    fn segment_mut(&mut self, hash: u64) -> &mut Segment<K> {
        let segments = Arc::make_mut(&mut self.segments);
        let at = segment_of(hash, segments.len());
        Arc::make_mut(&mut segments[at])
    }

    /// Moves about half of the next segment in turn to a segment at the end.
    #[cold]
    fn split_a_segment(&mut self) {
        let segments = Arc::make_mut(&mut self.segments);
        let new = segments.len();
        let from = new - (1 << new.ilog2());
        let empty = Arc::new(Segment::with_capacity(0));
        let old = std::mem::replace(&mut segments[from], empty);
        let mut old = Arc::unwrap_or_clone(old);
        let half = old.entries.len() / 2;
        let (mut kept, mut moved) = (Segment::with_capacity(half), Segment::with_capacity(half));
        for entry in std::mem::take(&mut old.entries) {
            let hash = entry.key.hash_key();
            let goes = segment_of(hash, new + 1);
            assert!(
                goes == from || goes == new,
                "an entry was in the wrong segment"
            );
            let target = if goes == new { &mut moved } else { &mut kept };
            let rows = match entry.rows {
                Rows::One(ptr) => Rows::One(ptr),
                Rows::Many(place) => Rows::Many(target.put_list(old.take_list(place))),
            };
            target.insert_entry(hash, entry.key, rows);
        }
        segments[from] = Arc::new(kept);
        segments.push(Arc::new(moved));
    }
}

/// Row pointers of one key of a hash table.
#[derive(Clone, Debug)]
pub(crate) enum HashedIter<'a> {
    One(Option<RowPtr>),
    Many(TreeIter<'a, ()>),
}

impl Iterator for HashedIter<'_> {
    type Item = RowPtr;

    #[inline]
    fn next(&mut self) -> Option<RowPtr> {
        match self {
            HashedIter::One(ptr) => ptr.take(),
            HashedIter::Many(rows) => rows.next(),
        }
    }
}

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

/// A further segment is made when the others hold more than this on average.
const SEGMENT_LEN_MEAN_MAX: usize = 512;

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
#[derive(Clone, Debug)]
enum Rows {
    One(RowPtr),
    Many(Box<Tree<()>>),
}

type Segment<K> = HashTable<Entry<K>>;

#[derive(Clone, Debug)]
pub(crate) struct Hashed<K> {
    segments: Arc<Vec<Arc<Segment<K>>>>,
    keys: usize,
    len: u64,
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
            segments: Arc::new(vec![Arc::new(HashTable::new())]),
            keys: 0,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Adds a pair. If keys are unique and this one is taken, returns who has it.
    pub(crate) fn insert(&mut self, key: &K, ptr: RowPtr, is_unique: bool) -> Result<(), RowPtr> {
        let hash = key.hash_key();
        let segment = self.segment_mut(hash);
        match segment.find_mut(hash, |entry| entry.key == *key) {
            Some(entry) => match &mut entry.rows {
                Rows::One(holder) if is_unique => return Err(*holder),
                Rows::One(holder) => {
                    let mut rows = Tree::new();
                    assert!(*holder != ptr, "{ptr:?} is in the index already");
                    for ptr in [*holder, ptr] {
                        let added = rows.insert(&(), ptr, false);
                        assert!(added.is_ok());
                    }
                    entry.rows = Rows::Many(Box::new(rows));
                }
                Rows::Many(rows) => {
                    let added = rows.insert(&(), ptr, false);
                    assert!(added.is_ok());
                }
            },
            None => {
                let entry = Entry {
                    key: key.clone(),
                    rows: Rows::One(ptr),
                };
                segment.insert_unique(hash, entry, |entry| entry.key.hash_key());
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
    pub(crate) fn remove(&mut self, key: &K, ptr: RowPtr) -> bool {
        let hash = key.hash_key();
        let segment = self.segment_mut(hash);
        let Ok(mut entry) = segment.find_entry(hash, |entry| entry.key == *key) else {
            return false;
        };
        match &mut entry.get_mut().rows {
            Rows::One(holder) if *holder == ptr => {
                entry.remove();
                if segment.capacity() > 64 && segment.len() < segment.capacity() / 8 {
                    segment.shrink_to(segment.len() * 2, |entry| entry.key.hash_key());
                }
                self.keys -= 1;
            }
            Rows::One(_) => return false,
            Rows::Many(rows) => {
                if !rows.remove(&(), ptr, false) {
                    return false;
                }
                if let (1, Some(last)) = (rows.len(), rows.first(&())) {
                    entry.get_mut().rows = Rows::One(last);
                }
            }
        }
        self.len -= 1;
        true
    }

    /// The row pointers of a key.
    #[inline]
    pub(crate) fn point(&self, key: &K) -> HashedIter<'_> {
        let hash = key.hash_key();
        let segment = &self.segments[segment_of(hash, self.segments.len())];
        match segment.find(hash, |entry| entry.key == *key) {
            None => HashedIter::One(None),
            Some(Entry {
                rows: Rows::One(ptr),
                ..
            }) => HashedIter::One(Some(*ptr)),
            Some(Entry {
                rows: Rows::Many(rows),
                ..
            }) => HashedIter::Many(rows.range(Bound::Unbounded, Bound::Unbounded)),
        }
    }

    /// Bytes of all segments and what keys hold outside of them.
    pub(crate) fn allocated_bytes(&self, outside: &impl Fn(&K) -> usize) -> usize {
        let of_rows = |rows: &Rows| match rows {
            Rows::One(_) => 0,
            Rows::Many(rows) => size_of::<Tree<()>>() + rows.allocated_bytes(&|()| 0),
        };
        let of_entry = |entry: &Entry<K>| outside(&entry.key) + of_rows(&entry.rows);
        let of_segment = |segment: &Arc<Segment<K>>| {
            let entries = segment.iter().map(of_entry).sum::<usize>();
            16 + size_of::<Segment<K>>() + segment.allocation_size() + entries
        };
        self.segments.capacity() * 8 + self.segments.iter().map(of_segment).sum::<usize>()
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
        let count = segments.len();
        let from = count - (1 << count.ilog2());
        let new = segments.len();
        let mut moved = HashTable::new();
        let mut kept = HashTable::new();
        let old = std::mem::replace(&mut segments[from], Arc::new(HashTable::new()));
        for entry in Arc::unwrap_or_clone(old) {
            let hash = entry.key.hash_key();
            let goes = segment_of(hash, count + 1);
            assert!(
                goes == from || goes == new,
                "an entry was in the wrong segment"
            );
            let target = if goes == new { &mut moved } else { &mut kept };
            target.insert_unique(hash, entry, |entry| entry.key.hash_key());
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

//! An array of row pointers, indexed by a small unsigned key.
//!
//! Invariants
//!   * There is a chunk exactly where there is a key.
//!   * Memory stays in proportion to the number of keys: a key that would break this is refused,
//!     and the index turns into a tree.

use spacetime_page::{RowPtr, SharedVec};
use std::ops::Bound;
use std::sync::Arc;

const CHUNK_LEN: usize = 512;

/// Chunks and directory entries that are fine with any number of keys: numbers up to a million may
/// come in any order.
const CHUNKS_FREE: usize = 2_048;
const DIRECTORY_FREE: usize = 4_096;

/// A chunk needs a key for every so many of its places, on average over the index.
const PLACES_PER_KEY: usize = 16;

#[derive(Clone, Debug)]
struct Chunk {
    ptrs: [RowPtr; CHUNK_LEN],
    used: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Direct {
    chunks: SharedVec<Option<Arc<Chunk>>>,
    chunk_count: usize,
    len: usize,
}

/// Why a key was not added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Taken(RowPtr),
    /// The key is too large, or too far from the others.
    Unsuited,
}

#[inline]
fn place_of(key: u64) -> Option<(usize, usize)> {
    let key = usize::try_from(u32::try_from(key).ok()?).ok()?;
    Some((key / CHUNK_LEN, key % CHUNK_LEN))
}

impl Direct {
    pub(crate) fn new() -> Self {
        Direct {
            chunks: SharedVec::default(),
            chunk_count: 0,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.len).unwrap_or(u64::MAX)
    }

    pub(crate) fn insert(&mut self, key: u64, ptr: RowPtr) -> Result<(), Refused> {
        assert!(ptr != RowPtr::NONE, "the pointer stands for an empty place");
        let (at, place) = place_of(key).ok_or(Refused::Unsuited)?;
        let is_new = self.chunks.get(at).is_none_or(Option::is_none);
        if is_new && !self.may_add_chunk(at) {
            return Err(Refused::Unsuited);
        }
        while self.chunks.len() <= at {
            self.chunks.push(None);
        }
        let place_of_chunk = self.chunks.get_mut(at).ok_or(Refused::Unsuited)?;
        let chunk = place_of_chunk.get_or_insert_with(|| {
            self.chunk_count += 1;
            Arc::new(Chunk {
                ptrs: [RowPtr::NONE; CHUNK_LEN],
                used: 0,
            })
        });
        match chunk.ptrs[place] {
            RowPtr::NONE => {}
            holder => return Err(Refused::Taken(holder)),
        }
        let chunk = Arc::make_mut(chunk);
        chunk.ptrs[place] = ptr;
        chunk.used += 1;
        self.len += 1;
        Ok(())
    }

    fn may_add_chunk(&self, at: usize) -> bool {
        let directory_max = DIRECTORY_FREE + self.len;
        let places_max = CHUNKS_FREE * CHUNK_LEN + PLACES_PER_KEY * self.len;
        at < directory_max && (self.chunk_count + 1) * CHUNK_LEN <= places_max
    }

    pub(crate) fn remove(&mut self, key: u64, ptr: RowPtr) -> bool {
        if self.get(key) != Some(ptr) {
            return false;
        }
        let Some((at, place)) = place_of(key) else {
            return false;
        };
        let Some(place_of_chunk) = self.chunks.get_mut(at) else {
            return false;
        };
        let Some(chunk) = place_of_chunk.as_mut().map(Arc::make_mut) else {
            return false;
        };
        chunk.ptrs[place] = RowPtr::NONE;
        chunk.used -= 1;
        if chunk.used == 0 {
            *place_of_chunk = None;
            self.chunk_count -= 1;
            let absent = self.chunks.iter().rev();
            let absent = absent.take_while(|chunk| chunk.is_none()).count();
            self.chunks.truncate(self.chunks.len() - absent);
        }
        self.len -= 1;
        true
    }

    /// Puts a row in the place of another; returns whether that was there.
    pub(crate) fn exchange(&mut self, key: u64, old: RowPtr, new: RowPtr) -> bool {
        assert!(new != RowPtr::NONE, "the pointer stands for an empty place");
        let place = place_of(key).filter(|_| self.get(key) == Some(old));
        let chunk = place.and_then(|(at, place)| Some((self.chunks.get_mut(at)?.as_mut()?, place)));
        chunk
            .map(|(chunk, place)| Arc::make_mut(chunk).ptrs[place] = new)
            .is_some()
    }

    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<RowPtr> {
        let (at, place) = place_of(key)?;
        let ptr = self.chunks.get(at)?.as_ref()?.ptrs[place];
        (ptr != RowPtr::NONE).then_some(ptr)
    }

    /// The pairs whose keys are in the range, in order.
    pub(crate) fn range(&self, start: Bound<u64>, end: Bound<u64>) -> DirectIter<'_> {
        let start = match start {
            Bound::Included(key) => Some(key),
            Bound::Excluded(key) => key.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match end {
            Bound::Included(key) => key.saturating_add(1),
            Bound::Excluded(key) => key,
            Bound::Unbounded => u64::MAX,
        };
        let places = u64::try_from(self.chunks.len() * CHUNK_LEN).unwrap_or(u64::MAX);
        let end = end.min(places);
        DirectIter {
            chunks: &self.chunks,
            next: start.unwrap_or(end),
            end,
        }
    }

    /// Bytes of memory, at the price of one look for every 256 chunks.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.chunks.allocated_bytes() + self.chunk_count * (16 + size_of::<Chunk>())
    }
}

/// Pairs of a range of a direct index, in order.
#[derive(Clone, Debug)]
pub(crate) struct DirectIter<'a> {
    chunks: &'a SharedVec<Option<Arc<Chunk>>>,
    next: u64,
    end: u64,
}

impl Iterator for DirectIter<'_> {
    type Item = (u64, RowPtr);

    #[inline]
    fn next(&mut self) -> Option<(u64, RowPtr)> {
        while self.next < self.end {
            let key = self.next;
            let (at, place) = place_of(key)?;
            match self.chunks.get(at)? {
                None => self.next += u64::try_from(CHUNK_LEN - place).ok()?,
                Some(chunk) => {
                    self.next += 1;
                    if chunk.ptrs[place] != RowPtr::NONE {
                        return Some((key, chunk.ptrs[place]));
                    }
                }
            }
        }
        None
    }
}

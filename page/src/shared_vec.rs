//! A vector in chunks, which clones share until one of them changes a chunk.
//!
//! Invariants
//!   * All chunks but the last have `CHUNK_LEN` places; places from `len` on hold the default.
//!   * Changing an element of a shared vector copies one chunk, whatever the length.
//!
//! Not here: insertion and removal in the middle.

use std::sync::Arc;

/// Places in a chunk. A directory of 10,000 pages is then 40 chunks, and copying one costs a few
/// microseconds.
const CHUNK_LEN: usize = 256;

/// The first chunk starts with so many places and doubles: most vectors are short.
const CHUNK_LEN_MIN: usize = 4;

/// A vector that is cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedVec<T> {
    chunks: Vec<Arc<[T]>>,
    len: usize,
}

impl<T> Default for SharedVec<T> {
    fn default() -> Self {
        SharedVec {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> SharedVec<T> {
    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An element.
    #[must_use]
    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        // Places from `len` on are in no chunk, or hold the default: they must not be seen.
        if at >= self.len {
            return None;
        }
        self.chunks.get(at / CHUNK_LEN)?.get(at % CHUNK_LEN)
    }

    /// The elements in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        let full = self.len / CHUNK_LEN;
        let used = move |(at, chunk): (usize, &'_ Arc<[T]>)| {
            if at < full {
                chunk.len()
            } else {
                self.len - full * CHUNK_LEN
            }
        };
        let count = self.chunks.len();
        (0..count).flat_map(move |at| {
            let chunk = &self.chunks[at];
            self.chunks[at][..used((at, chunk))].iter()
        })
    }

    /// Bytes of memory, without what elements own.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| 16 + size_of_val(&**chunk));
        self.chunks.capacity() * size_of::<Arc<[T]>>() + chunks.sum::<usize>()
    }
}

impl<T: Clone + Default> SharedVec<T> {
    /// An element to change; its chunk is copied first if it is shared.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if at >= self.len {
            return None;
        }
        let chunk = self.chunks.get_mut(at / CHUNK_LEN)?;
        Arc::make_mut(chunk).get_mut(at % CHUNK_LEN)
    }

    /// Appends an element.
    pub fn push(&mut self, element: T) {
        let place = self.len % CHUNK_LEN;
        match self.chunks.get_mut(self.len / CHUNK_LEN) {
            None => {
                let len = if self.chunks.is_empty() {
                    CHUNK_LEN_MIN
                } else {
                    CHUNK_LEN
                };
                self.chunks.push((0..len).map(|_| T::default()).collect());
            }
            Some(chunk) if chunk.len() == place => {
                let more = (0..place).map(|_| T::default());
                *chunk = chunk.iter().cloned().chain(more).collect();
            }
            Some(_) => {}
        }
        self.len += 1;
        let slot = self.get_mut(self.len - 1);
        assert!(slot.is_some(), "there is a chunk for the new element");
        if let Some(slot) = slot {
            *slot = element;
        }
    }

    /// Drops the elements from `len` on.
    pub fn truncate(&mut self, len: usize) {
        while self.len > len {
            if let Some(slot) = self.get_mut(self.len - 1) {
                *slot = T::default();
            }
            self.len -= 1;
            if self.len.is_multiple_of(CHUNK_LEN) {
                self.chunks.truncate(self.len / CHUNK_LEN);
            }
        }
    }
}

const _: () = assert!(CHUNK_LEN.is_power_of_two() && CHUNK_LEN_MIN.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::SharedVec;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut vec = SharedVec::default();
        let mut expect = Vec::new();
        for n in 0..2_000u32 {
            vec.push(n);
            expect.push(n);
            if n % 7 == 0 {
                let frozen = vec.clone();
                let before = expect.clone();
                let at = usize::try_from(n / 2).unwrap();
                *vec.get_mut(at).unwrap() += 1;
                expect[at] += 1;
                assert!(frozen.iter().eq(&before), "the clone changed");
            }
            assert_eq!(vec.len(), expect.len());
        }
        assert!(vec.iter().eq(&expect));
        assert!(vec.iter().rev().eq(expect.iter().rev()));
        for len in [2_000, 1_999, 513, 512, 511, 256, 5, 4, 1, 0] {
            vec.truncate(len);
            expect.truncate(len);
            assert!(vec.iter().eq(&expect));
            assert_eq!(vec.get(len), None);
            assert_eq!(vec.get_mut(len), None);
        }
        vec.push(7);
        assert_eq!(vec.get(0), Some(&7));
    }
}

//! Keys as they are kept in indexes, and ranges of them.

use smallvec::SmallVec;
use std::ops::Bound;

/// The bytes of a key that is long or of variable length; up to 16 bytes are held in place.
pub type KeyBytes = SmallVec<[u8; 16]>;

/// An index key. Keys of one [`KeyShape`](crate::KeyShape) are all of one variant, and their order
/// is the order of the values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Keys of at most 8 bytes.
    U64(u64),
    /// Keys of 9 to 16 bytes.
    U128(u128),
    /// Keys of 17 to 32 bytes, such as identities; most significant word first.
    U256([u64; 4]),
    /// All others.
    Bytes(KeyBytes),
}

impl Default for Key {
    fn default() -> Self {
        Key::U64(0)
    }
}

impl Key {
    /// Calls `see` with the key as bytes, whose order is that of the keys of one shape.
    #[inline]
    pub(crate) fn with_bytes<T>(&self, see: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Key::U64(key) => see(&key.to_be_bytes()),
            Key::U128(key) => see(&key.to_be_bytes()),
            Key::U256(words) => {
                let mut bytes = [0; 32];
                let (chunks, _) = bytes.as_chunks_mut::<8>();
                for (chunk, word) in chunks.iter_mut().zip(words) {
                    *chunk = word.to_be_bytes();
                }
                see(&bytes)
            }
            Key::Bytes(bytes) => see(bytes),
        }
    }
}

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub(crate) start: Bound<Key>,
    pub(crate) end: Bound<Key>,
    /// The bounds are one and the same whole key.
    pub(crate) is_point: bool,
}

impl KeyRange {
    /// The only key in the range, if its bounds are one and the same whole key.
    #[must_use]
    pub fn as_point(&self) -> Option<&Key> {
        match &self.start {
            Bound::Included(key) if self.is_point => Some(key),
            _ => None,
        }
    }

    /// The lower bound.
    #[must_use]
    pub fn start(&self) -> Bound<&Key> {
        self.start.as_ref()
    }

    /// The upper bound.
    #[must_use]
    pub fn end(&self) -> Bound<&Key> {
        self.end.as_ref()
    }

    /// Whether a key is in the range.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        let after_start = match &self.start {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        };
        after_start
            && match &self.end {
                Bound::Included(end) => key <= end,
                Bound::Excluded(end) => key < end,
                Bound::Unbounded => true,
            }
    }
}

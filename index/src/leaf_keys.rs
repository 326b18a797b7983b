//! How the leaves of a tree hold the keys of their rows: whole, or as much as tells them apart.
//!
//! Not here: the tree, and where rows keep their keys.

use crate::key::KeyBytes;
use spacetime_page::RowPtr;
use std::borrow::Borrow;
use std::fmt::Debug;

/// The keys of the rows of a tree, for leaves that hold only a part of them.
pub(crate) trait KeySource<K: ?Sized> {
    /// Calls `see` with the key of a row that is in the tree, or is being added.
    fn with_key<T>(&self, ptr: RowPtr, see: impl FnOnce(&K) -> T) -> T;
}

/// For leaves that hold whole keys and ask for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unasked;

impl<K: ?Sized> KeySource<K> for Unasked {
    fn with_key<T>(&self, ptr: RowPtr, _: impl FnOnce(&K) -> T) -> T {
        unreachable!("the leaf of {ptr:?} holds whole keys")
    }
}

/// The keys of one leaf in order. `ptrs` are the rows that have them.
pub(crate) trait LeafKeys: Clone + Debug + Default {
    /// A whole key.
    type Key: Ord + ?Sized;
    /// A key, or the beginning of one, in an inner node.
    type Owned: Clone + Debug + Ord + Borrow<Self::Key>;

    /// Bytes of each key in a leaf.
    const HELD_BYTES: usize;

    /// Index of the first key that is not less, and whether it is this one.
    fn find(
        &self,
        ptrs: &[RowPtr],
        key: &Self::Key,
        rows: &impl KeySource<Self::Key>,
    ) -> (usize, bool);

    /// Index of the first key that is greater, if the one at `from` is this one.
    fn run_end(
        &self,
        from: usize,
        ptrs: &[RowPtr],
        key: &Self::Key,
        rows: &impl KeySource<Self::Key>,
    ) -> usize;

    /// Adds a key where it belongs.
    fn insert(&mut self, at: usize, key: &Self::Key);

    fn remove(&mut self, at: usize);

    /// Takes the keys from `at` on out.
    fn split_off(&mut self, at: usize) -> Self;

    /// Adds keys that are not less than these.
    fn append(&mut self, more: Self);

    /// After a split or a merge: holds what tells these keys apart best.
    fn settle(&mut self, ptrs: &[RowPtr], rows: &impl KeySource<Self::Key>);

    /// Something greater than the last key of a leaf, if the first of the next is, and not
    /// greater than that one.
    fn separator(
        last: RowPtr,
        next: (&Self, RowPtr),
        rows: &impl KeySource<Self::Key>,
    ) -> Self::Owned;

    /// Whether the pairs are in order, as far as that can be seen here.
    fn is_in_order(&self, ptrs: &[RowPtr], is_unique: bool) -> bool;

    /// Bytes outside of this struct.
    fn allocated_bytes(&self) -> usize;

    /// Bytes outside of a separator.
    fn separator_bytes(separator: &Self::Owned) -> usize;
}

/// Whether no pair is before the one before it. Keys that are the same and not whole may be
/// different ones.
fn are_in_order<K: Copy + Ord>(
    keys: &[K],
    ptrs: &[RowPtr],
    is_whole: impl Fn(K) -> bool,
    is_unique: bool,
) -> bool {
    let are_in_order = |at: usize| match keys[at].cmp(&keys[at + 1]) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal if is_whole(keys[at]) => !is_unique && ptrs[at] < ptrs[at + 1],
        std::cmp::Ordering::Equal => true,
        std::cmp::Ordering::Greater => false,
    };
    keys.len() == ptrs.len() && (1..keys.len()).all(|at| are_in_order(at - 1))
}

/// Whole keys, short ones of one length.
#[derive(Clone, Debug)]
pub(crate) struct Exact<K>(pub(crate) Vec<K>);

impl<K> Default for Exact<K> {
    fn default() -> Self {
        Exact(Vec::new())
    }
}

impl<K: Copy + Ord + Debug> LeafKeys for Exact<K> {
    type Key = K;
    type Owned = K;

    const HELD_BYTES: usize = size_of::<K>();

    #[inline]
    fn find(&self, _: &[RowPtr], key: &K, _: &impl KeySource<K>) -> (usize, bool) {
        let low = self.0.partition_point(|other| other < key);
        (low, self.0.get(low) == Some(key))
    }

    #[inline]
    fn run_end(&self, from: usize, _: &[RowPtr], key: &K, _: &impl KeySource<K>) -> usize {
        from + self.0[from..].partition_point(|other| other <= key)
    }

    #[inline]
    fn insert(&mut self, at: usize, key: &K) {
        self.0.insert(at, *key);
    }

    fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Exact(self.0.split_off(at))
    }

    fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    fn settle(&mut self, _: &[RowPtr], _: &impl KeySource<K>) {}

    fn separator(_: RowPtr, (next, _): (&Self, RowPtr), _: &impl KeySource<K>) -> K {
        next.0[0]
    }

    fn is_in_order(&self, ptrs: &[RowPtr], is_unique: bool) -> bool {
        are_in_order(&self.0, ptrs, |_| true, is_unique)
    }

    fn allocated_bytes(&self) -> usize {
        if size_of::<K>() == 0 {
            return 0;
        }
        self.0.capacity() * size_of::<K>()
    }

    fn separator_bytes(_: &K) -> usize {
        0
    }
}

/// What all keys of a leaf begin with, and of each the next few bytes. The rest is in the rows.
///
/// Invariants
///   * All keys begin with `common`. A key that does not makes it shorter, for which no row needs
///     to be read.
///   * Heads are in the order of the keys; keys with the same head are the same if it is whole,
///     and else have to be compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    common: KeyBytes,
    heads: Vec<u64>,
}

/// Bytes of a key in its head; the eighth byte of a head says how many there are.
const HEAD_LEN: usize = 7;

/// The eighth byte of the head of a key that goes on after it.
const GOES_ON: u64 = 8;

/// Longer common beginnings are not held: the rest of them is compared in the rows.
pub(crate) const COMMON_LEN_MAX: usize = 512;

/// The first bytes of what is left of a key.
#[inline]
pub(crate) fn head_of(rest: &[u8]) -> u64 {
    let mut head = [0; 8];
    if let Some(first) = rest.first_chunk::<HEAD_LEN>() {
        head[..HEAD_LEN].copy_from_slice(first);
    } else {
        head[..rest.len()].copy_from_slice(rest);
    }
    let count = u8::try_from(rest.len().min(HEAD_LEN + 1)).unwrap_or(0);
    head[HEAD_LEN] = count;
    u64::from_be_bytes(head)
}

/// Whether a head is all that is left of its key.
#[inline]
pub(crate) fn is_whole(head: u64) -> bool {
    head & 0xff < GOES_ON
}

/// How many bytes two keys have in common at the beginning.
pub(crate) fn common_len(one: &[u8], other: &[u8]) -> usize {
    let both = one.iter().zip(other);
    both.take_while(|(one, other)| one == other).count()
}

/// What the keys of rows in order have in common.
fn common_of(ptrs: &[RowPtr], rows: &impl KeySource<[u8]>) -> KeyBytes {
    let (Some(first), Some(last)) = (ptrs.first(), ptrs.last()) else {
        return KeyBytes::new();
    };
    let mut common = rows.with_key(*first, KeyBytes::from_slice);
    let len = rows.with_key(*last, |last| common_len(&common, last));
    common.truncate(len.min(COMMON_LEN_MAX));
    common
}

impl Heads {
    /// The heads of keys that all begin with `common`, in order.
    pub(crate) fn new(common: &[u8], heads: Vec<u64>) -> Self {
        Heads {
            common: KeyBytes::from_slice(common),
            heads,
        }
    }

    /// The heads of the keys of some rows, in order.
    pub(crate) fn of_rows(ptrs: &[RowPtr], rows: &impl KeySource<[u8]>) -> Self {
        Heads::after(common_of(ptrs, rows), ptrs, rows)
    }

    /// The same, if what they begin with is known.
    fn after(common: KeyBytes, ptrs: &[RowPtr], rows: &impl KeySource<[u8]>) -> Self {
        let head = |ptr: &RowPtr| rows.with_key(*ptr, |key| head_of(&key[common.len()..]));
        Heads {
            heads: ptrs.iter().map(head).collect(),
            common,
        }
    }

    /// Panics if this is not of the keys of these rows.
    #[cfg(test)]
    pub(crate) fn check(&self, ptrs: &[RowPtr], rows: &impl KeySource<[u8]>) {
        assert_eq!(self.heads.len(), ptrs.len());
        for (head, ptr) in self.heads.iter().zip(ptrs) {
            rows.with_key(*ptr, |key| {
                let rest = key.strip_prefix(self.common.as_slice());
                assert_eq!(rest.map(head_of), Some(*head), "{ptr:?}");
            });
        }
    }

    /// Makes `common` shorter.
    fn shorten(&mut self, len: usize) {
        let gone = &self.common[len..];
        let front = head_of(gone) & !0xff;
        let shift = gone.len();
        for head in &mut self.heads {
            let count = match *head & 0xff {
                GOES_ON => GOES_ON,
                count => u64::try_from(shift).map_or(GOES_ON, |shift| GOES_ON.min(count + shift)),
            };
            let bytes = if shift < HEAD_LEN {
                (*head & !0xff) >> (8 * shift) & !0xff
            } else {
                0
            };
            *head = front | bytes | count;
        }
        self.common.truncate(len);
    }

    /// What is left of a key after `common`; or how the key compares with all that are here.
    #[inline]
    fn rest_of<'a>(&self, key: &'a [u8]) -> Result<&'a [u8], std::cmp::Ordering> {
        let len = self.common.len();
        if let Some((front, rest)) = key.split_at_checked(len) {
            return match front.cmp(&self.common) {
                std::cmp::Ordering::Equal => Ok(rest),
                other => Err(other),
            };
        }
        // As a beginning of `common` the key is less, too.
        Err(key.cmp(&self.common))
    }

    /// One past the last head that is the same as the one at `from`.
    #[inline]
    fn same_heads_end(&self, from: usize) -> usize {
        let head = self.heads[from];
        if self.heads.get(from + 1) != Some(&head) {
            return from + 1;
        }
        from + self.heads[from..].partition_point(|other| *other <= head)
    }

    /// Of rows with the same head, the first whose key is not less, and whether it is this one.
    fn find_among(
        places: std::ops::Range<usize>,
        ptrs: &[RowPtr],
        key: &[u8],
        rows: &impl KeySource<[u8]>,
    ) -> (usize, bool) {
        use std::cmp::Ordering::{Equal, Less};
        let compare = |at: usize| rows.with_key(ptrs[at], |other| other.cmp(key));
        // Mostly it is one row, or many with the same key: the first and the last tell.
        let first = compare(places.start);
        if first != Less {
            return (places.start, first == Equal);
        }
        let (mut low, mut high) = (places.start + 1, places.end);
        if low == high || compare(high - 1) == Less {
            return (high, false);
        }
        let mut is_there = false;
        while low < high {
            let middle = low + (high - low) / 2;
            match compare(middle) {
                Less => low = middle + 1,
                other => (high, is_there) = (middle, other == Equal),
            }
        }
        (high, is_there)
    }
}

impl LeafKeys for Heads {
    type Key = [u8];
    type Owned = KeyBytes;

    const HELD_BYTES: usize = size_of::<u64>();

    #[inline]
    fn find(&self, ptrs: &[RowPtr], key: &[u8], rows: &impl KeySource<[u8]>) -> (usize, bool) {
        let rest = match self.rest_of(key) {
            Ok(rest) => rest,
            Err(std::cmp::Ordering::Less) => return (0, false),
            Err(_) => return (self.heads.len(), false),
        };
        let head = head_of(rest);
        let low = self.heads.partition_point(|other| *other < head);
        if self.heads.get(low) != Some(&head) {
            return (low, false);
        }
        if is_whole(head) {
            return (low, true);
        }
        Heads::find_among(low..self.same_heads_end(low), ptrs, key, rows)
    }

    fn run_end(
        &self,
        from: usize,
        ptrs: &[RowPtr],
        key: &[u8],
        rows: &impl KeySource<[u8]>,
    ) -> usize {
        let end = self.same_heads_end(from);
        if is_whole(self.heads[from]) || end == from + 1 {
            return end;
        }
        let is_it = |at: usize| rows.with_key(ptrs[at], |other| other == key);
        if is_it(end - 1) {
            return end;
        }
        let (mut low, mut high) = (from + 1, end - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_it(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        high
    }

    fn insert(&mut self, at: usize, key: &[u8]) {
        if self.heads.is_empty() {
            self.common = KeyBytes::from_slice(&key[..key.len().min(COMMON_LEN_MAX)]);
        }
        let common = common_len(&self.common, key);
        if common < self.common.len() {
            self.shorten(common);
        }
        self.heads.insert(at, head_of(&key[common..]));
    }

    fn remove(&mut self, at: usize) {
        self.heads.remove(at);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Heads {
            common: self.common.clone(),
            heads: self.heads.split_off(at),
        }
    }

    fn append(&mut self, mut more: Self) {
        let common = common_len(&self.common, &more.common);
        self.shorten(common);
        more.shorten(common);
        self.heads.append(&mut more.heads);
    }

    fn settle(&mut self, ptrs: &[RowPtr], rows: &impl KeySource<[u8]>) {
        let mut pairs = self.heads.windows(2);
        let has_ties = pairs.any(|pair| pair[0] == pair[1] && !is_whole(pair[0]));
        if has_ties || self.heads.len() == 1 {
            let common = common_of(ptrs, rows);
            if common.len() > self.common.len() {
                *self = Heads::after(common, ptrs, rows);
            }
        }
    }

    fn separator(
        last: RowPtr,
        (_, next): (&Self, RowPtr),
        rows: &impl KeySource<[u8]>,
    ) -> KeyBytes {
        let last = rows.with_key(last, KeyBytes::from_slice);
        rows.with_key(next, |next| {
            let common = common_len(&last, next);
            KeyBytes::from_slice(&next[..next.len().min(common + 1)])
        })
    }

    fn is_in_order(&self, ptrs: &[RowPtr], is_unique: bool) -> bool {
        are_in_order(&self.heads, ptrs, is_whole, is_unique)
    }

    fn allocated_bytes(&self) -> usize {
        Heads::separator_bytes(&self.common) + self.heads.capacity() * 8
    }

    fn separator_bytes(separator: &KeyBytes) -> usize {
        if separator.spilled() {
            separator.capacity()
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests;

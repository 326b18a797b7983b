//! A hash table of row pointers, in segments. Keys stay in the rows.
//!
//! Segments are split one at a time as the table grows (linear hashing), so no insert pays for
//! moving the whole table, and a writer copies one segment when a clone shares it.
//!
//! Invariants
//!   * An entry is 31 bits of its key's hash and the row, or rows, of that key. The caller is
//!     asked whether a row has a key, so the rows of all entries must be there.
//!   * With `2^level <= segments < 2^(level + 1)`, the entries of the first
//!     `segments - 2^level` segments and of the last as many are told apart by one bit more.
//!   * A key is in the table once, with at least one row pointer.
//!
//! The hash has no secret. Keys chosen to collide slow the table down to a search in one segment.

use crate::leaf_keys::{Exact, Unasked};
use crate::tree::{Tree, TreeIter};
use hashbrown::HashTable;
use spacetime_page::{RowPtr, SharedVec};
use std::cell::RefCell;
use std::sync::Arc;

/// A further segment is made when the others hold more than this on average. Segments then hold
/// this many to twice as many keys, which just fills tables of 512 and 1024 places.
const SEGMENT_LEN_MEAN_MAX: usize = 390;

/// Set in the mark of an entry that has a list of rows.
const MANY: u32 = 1 << 31;

/// A key: part of its hash, and where its rows are.
#[derive(Clone, Copy, Debug)]
struct Entry {
    mark: u32,
    /// A row pointer; or the place of a list of the segment, if `mark` has [`MANY`].
    rows: u32,
}

/// Entries, and the rows of those that have more than one.
#[derive(Clone, Debug, Default)]
struct Segment {
    entries: HashTable<Entry>,
    lists: Vec<Tree<Exact<()>>>,
    /// Places of `lists` that are empty and not referred to.
    unused: Vec<u32>,
    /// What the lists count as.
    list_bytes: usize,
}

/// Row pointers by the hash of something that the rows have.
#[derive(Clone, Debug)]
pub struct Hashed {
    /// None is absent; the option lets the vector have places that are not used yet.
    segments: SharedVec<Option<Arc<Segment>>>,
    keys: usize,
    len: u64,
    /// What the segments count as.
    segment_bytes: usize,
}

/// What came of adding a row to a segment.
enum Added {
    NewKey,
    SameKey,
    Taken(RowPtr),
}

/// What came of removing a row from a segment.
enum Removed {
    WithKey,
    Row,
    Nothing,
}

/// The part of a hash that is kept.
#[inline]
fn mark_of(hash: u64) -> u32 {
    u32::try_from(hash >> 33).unwrap_or(0)
}

/// Spreads a mark over 64 bits such that its low bits, which choose the segment, are not those
/// that choose the place in it.
#[inline]
fn place_hash(mark: u32) -> u64 {
    let spread = u64::from(mark & !MANY).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread.rotate_left(32)
}

impl Segment {
    fn with_capacity(keys: usize) -> Self {
        Segment {
            entries: HashTable::with_capacity(keys),
            ..Segment::default()
        }
    }

    fn list(&self, place: u32) -> &Tree<Exact<()>> {
        &self.lists[index(place)]
    }

    /// Keeps a list; returns its place.
    fn put_list(&mut self, list: Tree<Exact<()>>) -> u32 {
        self.list_bytes += list.counted_bytes();
        if let Some(place) = self.unused.pop() {
            self.lists[index(place)] = list;
            return place;
        }
        self.lists.push(list);
        let place = u32::try_from(self.lists.len() - 1);
        assert!(place.is_ok(), "a segment has fewer than 2^32 keys");
        place.unwrap_or(0)
    }

    fn take_list(&mut self, place: u32) -> Tree<Exact<()>> {
        self.unused.push(place);
        let list = std::mem::replace(&mut self.lists[index(place)], Tree::new());
        self.list_bytes -= list.counted_bytes();
        list
    }

    /// One of the rows of an entry.
    #[inline]
    fn a_row_of(&self, entry: Entry) -> RowPtr {
        if entry.mark & MANY == 0 {
            return RowPtr(entry.rows);
        }
        let first = self.list(entry.rows).first(&(), &Unasked);
        assert!(first.is_some(), "a list has rows");
        first.unwrap_or(RowPtr::NONE)
    }

    /// The entry of a key.
    #[inline]
    fn find(&self, mark: u32, has_key: &impl Fn(RowPtr) -> bool) -> Option<Entry> {
        let is_it = |entry: &Entry| entry.mark & !MANY == mark && has_key(self.a_row_of(*entry));
        self.entries.find(place_hash(mark), is_it).copied()
    }

    #[inline]
    fn insert(
        &mut self,
        mark: u32,
        ptr: RowPtr,
        is_unique: bool,
        has_key: &impl Fn(RowPtr) -> bool,
    ) -> Added {
        let Some(found) = self.find(mark, has_key) else {
            self.insert_entry(Entry { mark, rows: ptr.0 });
            return Added::NewKey;
        };
        if found.mark & MANY != 0 {
            let list = &mut self.lists[index(found.rows)];
            let before = list.counted_bytes();
            add(list, ptr);
            self.list_bytes = self.list_bytes - before + list.counted_bytes();
            return Added::SameKey;
        }
        let holder = RowPtr(found.rows);
        if is_unique {
            return Added::Taken(holder);
        }
        assert!(holder != ptr, "{ptr:?} is in the index already");
        let mut list = Tree::new();
        add(&mut list, holder);
        add(&mut list, ptr);
        let many = Entry {
            mark: mark | MANY,
            rows: self.put_list(list),
        };
        self.replace_entry(found, many);
        Added::SameKey
    }

    fn insert_entry(&mut self, entry: Entry) {
        let hasher = |entry: &Entry| place_hash(entry.mark);
        self.entries
            .insert_unique(place_hash(entry.mark), entry, hasher);
    }

    /// Exchanges an entry for another of the same key.
    fn replace_entry(&mut self, old: Entry, new: Entry) {
        let is_old = |entry: &Entry| (entry.mark, entry.rows) == (old.mark, old.rows);
        let found = self.entries.find_mut(place_hash(old.mark), is_old);
        assert!(found.is_some(), "the entry was found before");
        if let Some(found) = found {
            *found = new;
        }
    }

    fn remove(&mut self, mark: u32, ptr: RowPtr, has_key: &impl Fn(RowPtr) -> bool) -> Removed {
        // A row has one key, so its only entry is the one that is meant. Asking it would cost as
        // much again as finding it.
        let is_single = |entry: &Entry| entry.mark == mark && entry.rows == ptr.0;
        if let Ok(found) = self.entries.find_entry(place_hash(mark), is_single) {
            debug_assert!(has_key(ptr), "{ptr:?} is removed under a key that it has");
            found.remove();
            let entries = &mut self.entries;
            if entries.capacity() > 64 && entries.len() < entries.capacity() / 8 {
                let hasher = |entry: &Entry| place_hash(entry.mark);
                entries.shrink_to(entries.len() * 2, hasher);
            }
            return Removed::WithKey;
        }
        let found = self.find(mark, has_key);
        let Some(found) = found.filter(|found| found.mark & MANY != 0) else {
            return Removed::Nothing;
        };
        let list = &mut self.lists[index(found.rows)];
        let before = list.counted_bytes();
        if !list.remove(&(), ptr, false, &Unasked) {
            return Removed::Nothing;
        }
        self.list_bytes = self.list_bytes - before + list.counted_bytes();
        if let (1, Some(last)) = (list.len(), list.first(&(), &Unasked)) {
            self.take_list(found.rows);
            self.replace_entry(found, Entry { mark, rows: last.0 });
        }
        Removed::Row
    }

    fn allocated_bytes(&self) -> usize {
        let lists = self.lists.iter().map(Tree::allocated_bytes);
        // Two reference counts come before the segment.
        16 + size_of::<Segment>()
            + self.entries.allocation_size()
            + self.lists.capacity() * size_of::<Tree<Exact<()>>>()
            + lists.sum::<usize>()
            + self.unused.capacity() * 4
    }

    /// About the same from counters.
    #[inline]
    fn counted_bytes(&self) -> usize {
        16 + size_of::<Segment>()
            + self.entries.allocation_size()
            + self.lists.len() * size_of::<Tree<Exact<()>>>()
            + self.list_bytes
    }
}

fn add(list: &mut Tree<Exact<()>>, ptr: RowPtr) {
    let added = list.insert(&(), ptr, false, &Unasked);
    assert!(added.is_ok(), "lists are not unique by key");
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The segment of a mark.
#[inline]
fn segment_of(mark: u32, segments: usize) -> usize {
    let level = segments.ilog2();
    let bits = index(mark & !MANY);
    let wide = bits & ((2 << level) - 1);
    if wide < segments {
        wide
    } else {
        wide & ((1 << level) - 1)
    }
}

/// The rows in the order of their segments, and where the rows of each segment end.
fn by_segment(rows: &[(u32, RowPtr)], segments: usize) -> (Vec<(u32, RowPtr)>, Vec<usize>) {
    let mut places = vec![0; segments];
    for (mark, _) in rows {
        places[segment_of(*mark, segments)] += 1;
    }
    let mut end = 0;
    for place in &mut places {
        let count = *place;
        *place = end;
        end += count;
    }
    let mut sorted = vec![(0, RowPtr::NONE); rows.len()];
    for row in rows {
        let place = &mut places[segment_of(row.0, segments)];
        sorted[*place] = *row;
        *place += 1;
    }
    // Each place has moved to the end of its segment.
    (sorted, places)
}

impl Default for Hashed {
    fn default() -> Self {
        let mut segments = SharedVec::default();
        segments.push(Some(Arc::default()));
        Hashed {
            segments,
            keys: 0,
            len: 0,
            segment_bytes: Segment::default().counted_bytes(),
        }
    }
}

impl Hashed {
    /// A table of rows with the hashes of their keys; `same` says of two rows whether they have
    /// the same key. If keys are unique and two rows have one, returns one of them. Much cheaper
    /// than adding the rows one by one, as it goes from segment to segment.
    pub fn build(
        len: usize,
        hashes: impl Iterator<Item = (u64, RowPtr)>,
        is_unique: bool,
        mut same: impl FnMut(RowPtr, RowPtr) -> bool,
    ) -> Result<Self, RowPtr> {
        let mut rows: Vec<(u32, RowPtr)> = Vec::with_capacity(len);
        rows.extend(hashes.map(|(hash, ptr)| (mark_of(hash), ptr)));
        let count = rows.len().div_ceil(SEGMENT_LEN_MEAN_MAX).max(1);
        let mut hashed = Hashed {
            segments: SharedVec::default(),
            keys: 0,
            len: 0,
            segment_bytes: 0,
        };
        let (rows, ends) = by_segment(&rows, count);
        let mut start = 0;
        for end in ends {
            let mut segment = Segment::with_capacity(end - start);
            for &(mark, ptr) in &rows[start..end] {
                let same = RefCell::new(&mut same);
                let has_key = |other| same.borrow_mut()(ptr, other);
                match segment.insert(mark, ptr, is_unique, &has_key) {
                    Added::Taken(_) => return Err(ptr),
                    Added::SameKey => {}
                    Added::NewKey => hashed.keys += 1,
                }
                hashed.len += 1;
            }
            hashed.segment_bytes += segment.counted_bytes();
            hashed.segments.push(Some(Arc::new(segment)));
            start = end;
        }
        Ok(hashed)
    }

    /// Number of row pointers.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no row pointers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a row; `has_key` says of another row whether it has the same key. If keys are unique
    /// and this one is taken, returns who has it.
    #[inline]
    pub fn insert(
        &mut self,
        hash: u64,
        ptr: RowPtr,
        is_unique: bool,
        has_key: impl Fn(RowPtr) -> bool,
    ) -> Result<(), RowPtr> {
        let mark = mark_of(hash);
        let segment = self.segment_mut(mark);
        let before = segment.counted_bytes();
        let added = segment.insert(mark, ptr, is_unique, &has_key);
        let after = segment.counted_bytes();
        self.segment_bytes = self.segment_bytes - before + after;
        match added {
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

    /// Removes a row, which must still be stored; returns whether it was there.
    #[inline]
    pub fn remove(&mut self, hash: u64, ptr: RowPtr, has_key: impl Fn(RowPtr) -> bool) -> bool {
        let mark = mark_of(hash);
        let segment = self.segment_mut(mark);
        let before = segment.counted_bytes();
        let removed = segment.remove(mark, ptr, &has_key);
        let after = segment.counted_bytes();
        self.segment_bytes = self.segment_bytes - before + after;
        match removed {
            Removed::Nothing => return false,
            Removed::WithKey => self.keys -= 1,
            Removed::Row => {}
        }
        self.len -= 1;
        true
    }

    /// Puts a row in the place of another with the same key, if that is its only one; returns
    /// whether it was.
    pub(crate) fn exchange(&mut self, hash: u64, old: RowPtr, new: RowPtr) -> bool {
        let mark = mark_of(hash);
        let is_it = |entry: &Entry| entry.mark == mark && entry.rows == old.0;
        let entry = self
            .segment_mut(mark)
            .entries
            .find_mut(place_hash(mark), is_it);
        entry.map(|entry| entry.rows = new.0).is_some()
    }

    /// A row with the key, if there is one.
    #[inline]
    pub fn first(&self, hash: u64, has_key: impl Fn(RowPtr) -> bool) -> Option<RowPtr> {
        let mark = mark_of(hash);
        let segment = self.segment(mark);
        let entry = segment.find(mark, &has_key)?;
        Some(segment.a_row_of(entry))
    }

    /// The row pointers of a key.
    #[inline]
    pub(crate) fn point(&self, hash: u64, has_key: impl Fn(RowPtr) -> bool) -> HashedIter<'_> {
        let mark = mark_of(hash);
        let segment = self.segment(mark);
        match segment.find(mark, &has_key) {
            None => HashedIter::One(None),
            Some(entry) if entry.mark & MANY == 0 => HashedIter::One(Some(RowPtr(entry.rows))),
            Some(entry) => {
                let list = segment.list(entry.rows);
                HashedIter::Many(list.iter())
            }
        }
    }

    /// All row pointers, in no order.
    pub(crate) fn ptrs(&self) -> impl Iterator<Item = RowPtr> + '_ {
        let segments = self.segments.iter().flatten();
        segments.flat_map(|segment| {
            let entries = segment.entries.iter();
            entries.flat_map(|entry| {
                if entry.mark & MANY == 0 {
                    HashedIter::One(Some(RowPtr(entry.rows)))
                } else {
                    HashedIter::Many(segment.list(entry.rows).iter())
                }
            })
        })
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let segments = self.segments.iter().flatten();
        let segments = segments.map(|segment| segment.allocated_bytes());
        self.segments.allocated_bytes() + segments.sum::<usize>()
    }

    /// About the same from counters, whatever the size.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.segments.len() * size_of::<Option<Arc<Segment>>>() + self.segment_bytes
    }

    #[inline]
    fn segment(&self, mark: u32) -> &Segment {
        let at = segment_of(mark, self.segments.len());
        let segment = self.segments.get(at).and_then(Option::as_deref);
        segment.unwrap_or_else(|| panic!("there is no segment {at}"))
    }

    #[inline]
    fn segment_mut(&mut self, mark: u32) -> &mut Segment {
        let at = segment_of(mark, self.segments.len());
        let segment = self.segments.get_mut(at).and_then(Option::as_mut);
        Arc::make_mut(segment.unwrap_or_else(|| panic!("there is no segment {at}")))
    }

    /// Moves about half of the next segment in turn to a segment at the end.
    #[cold]
    fn split_a_segment(&mut self) {
        let new = self.segments.len();
        let from = new - (1 << new.ilog2());
        let old = self.segments.get_mut(from).and_then(Option::take);
        let mut old = old.map(Arc::unwrap_or_clone).unwrap_or_default();
        let before = old.counted_bytes();
        let half = old.entries.len() / 2;
        let (mut kept, mut moved) = (Segment::with_capacity(half), Segment::with_capacity(half));
        for mut entry in std::mem::take(&mut old.entries) {
            let goes = segment_of(entry.mark, new + 1);
            assert!(
                goes == from || goes == new,
                "an entry was in the wrong segment"
            );
            let target = if goes == new { &mut moved } else { &mut kept };
            if entry.mark & MANY != 0 {
                entry.rows = target.put_list(old.take_list(entry.rows));
            }
            target.insert_entry(entry);
        }
        let after = kept.counted_bytes() + moved.counted_bytes();
        self.segment_bytes = self.segment_bytes - before + after;
        if let Some(place) = self.segments.get_mut(from) {
            *place = Some(Arc::new(kept));
        }
        self.segments.push(Some(Arc::new(moved)));
    }
}

/// Row pointers of one key of a hash table.
#[derive(Clone, Debug)]
pub(crate) enum HashedIter<'a> {
    One(Option<RowPtr>),
    Many(TreeIter<'a, Exact<()>>),
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

#[cfg(test)]
mod tests;

//! One page: slots from the front, objects (rows' variable-length bytes) from the back.
//!
//! ```text
//!   body   | slot 0 | slot 1 | ...  gap  ... | object | object | ... |
//!                       slots_end        objects_start            body.len()
//! ```
//!
//! Invariants
//!   * Bytes that belong to no present row are zero.
//!   * `slots_end` is one past the highest present slot: what a page can take depends on the rows
//!     in it alone, not on what it held before.
//!   * Objects lie contiguous, each referred to by one slot. Space of removed objects
//!     (`garbage`) is regained by moving the others together.
//!   * A body starts small only for the first page of a table and for restored pages, and never
//!     shrinks.
//!   * The hash, if known, is that of the page as it is: who makes a page mutable forgets it.
//!
//! Not here: which page a row goes to (`store`), and what is in a slot (`codec`).

use crate::layout::{BLOB_MARK, BLOB_NAME_LEN, CellKind, RowLayout};
use std::ops::Range;
use std::sync::OnceLock;

/// Bytes of a full-grown page, without the bitmap of present rows.
pub(crate) const PAGE_SIZE: usize = 65_536;

/// Bytes of the first page of a table, to begin with: most tables are tiny.
const PAGE_SIZE_MIN: usize = 4_096;

/// Garbage counts as free space once there is this much of it, so that moving a page's objects
/// together is paid for by many removals.
const GARBAGE_MIN: usize = PAGE_SIZE / 16;

#[derive(Clone)]
pub(crate) struct Page {
    body: Box<[u8]>,
    present: Box<[u64]>,
    rows: u32,
    slots_end: u32,
    /// All words of `present` before this one are full.
    first_open_word: usize,
    objects_start: usize,
    garbage: usize,
    /// Of the image.
    hash: OnceLock<[u8; 32]>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("rows", &self.rows)
            .field("slots_end", &self.slots_end)
            .field("objects_start", &self.objects_start)
            .field("garbage", &self.garbage)
            .finish_non_exhaustive()
    }
}

impl Page {
    /// An empty page. A small one grows when it must.
    pub(crate) fn new(layout: &RowLayout, small: bool) -> Page {
        let size = if small { PAGE_SIZE_MIN } else { PAGE_SIZE };
        Page {
            body: vec![0; size].into_boxed_slice(),
            present: vec![0; index(layout.slots_max).div_ceil(64)].into_boxed_slice(),
            rows: 0,
            slots_end: 0,
            first_open_word: 0,
            objects_start: size,
            garbage: 0,
            hash: OnceLock::new(),
        }
    }

    /// A page of these present rows, whose slots and objects, of this total length, are still to
    /// be written. The last bit that is set is that of slot `slots_end - 1`.
    pub(crate) fn restored(
        layout: &RowLayout,
        slots_end: u32,
        present_words: &[u64],
        objects_len: usize,
    ) -> Page {
        let needed = index(slots_end) * layout.slot_size + objects_len;
        assert!(needed <= PAGE_SIZE, "{needed} bytes wanted in a page");
        let mut size = PAGE_SIZE_MIN;
        while size < needed {
            size = (size * 4).min(PAGE_SIZE);
        }
        let mut page = Page::new(layout, false);
        page.body = vec![0; size].into_boxed_slice();
        page.present[..present_words.len()].copy_from_slice(present_words);
        let rows = present_words.iter().map(|word| word.count_ones());
        page.rows = rows.sum();
        page.slots_end = slots_end;
        let open = present_words.iter().position(|&word| word != u64::MAX);
        page.first_open_word = open.unwrap_or(present_words.len());
        page.objects_start = size;
        page
    }

    /// Writes the object of a restored row, behind whose slot there is room for it.
    pub(crate) fn restore_object(&mut self, layout: &RowLayout, slot: u32, object: &[u8]) {
        let (Some(cell), false) = (layout.object_cell, object.is_empty()) else {
            return;
        };
        let end = self.objects_start;
        self.objects_start -= object.len();
        self.body[self.objects_start..end].copy_from_slice(object);
        let start = self.objects_start;
        write_u16(self.slot_mut(layout, slot), cell, start);
    }

    /// Writes the slots of a restored page without gaps.
    pub(crate) fn write_slots(&mut self, layout: &RowLayout, slots: &[u8]) {
        assert!(slots.len() == index(self.slots_end) * layout.slot_size);
        self.body[..slots.len()].copy_from_slice(slots);
    }

    /// All slots up to the last present one.
    pub(crate) fn slots(&self, layout: &RowLayout) -> &[u8] {
        &self.body[..index(self.slots_end) * layout.slot_size]
    }

    /// The hash of the image, computed by `compute` if it is not known.
    pub(crate) fn hash_or(&self, compute: impl FnOnce() -> [u8; 32]) -> [u8; 32] {
        *self.hash.get_or_init(compute)
    }

    /// The page is about to change.
    #[inline]
    pub(crate) fn forget_hash(&mut self) {
        self.hash.take();
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    pub(crate) fn allocated_bytes(&self) -> usize {
        size_of::<Page>() + self.body.len() + self.present.len() * 8
    }

    /// The same of a full-grown page of this layout.
    pub(crate) fn full_bytes(layout: &RowLayout) -> usize {
        size_of::<Page>() + PAGE_SIZE + index(layout.slots_max).div_ceil(64) * 8
    }

    #[inline]
    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.present
            .get(index(slot) / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// One past the highest present slot.
    pub(crate) fn slots_end(&self) -> u32 {
        self.slots_end
    }

    /// The words of the bitmap of present slots.
    #[inline]
    pub(crate) fn present_words(&self) -> &[u64] {
        &self.present[..index(self.slots_end).div_ceil(64)]
    }

    /// The slot that the next row takes, if there is one.
    #[inline]
    pub(crate) fn free_slot(&self, layout: &RowLayout) -> Option<u32> {
        if self.rows == self.slots_end {
            return (self.slots_end < layout.slots_max).then_some(self.slots_end);
        }
        let open = self.present[self.first_open_word..]
            .iter()
            .position(|&word| word != u64::MAX);
        let word = self.first_open_word + open?;
        u32::try_from(word * 64)
            .ok()
            .map(|slot| slot + self.present[word].trailing_ones())
    }

    /// The longest object that a further row can have; `None` if there is no room for its slot.
    #[inline]
    pub(crate) fn room(&self, layout: &RowLayout) -> Option<usize> {
        if self.rows == layout.slots_max {
            return None;
        }
        let slots = self.slots_end + u32::from(self.rows == self.slots_end);
        let garbage = if self.garbage >= GARBAGE_MIN {
            self.garbage
        } else {
            0
        };
        (PAGE_SIZE - self.body.len() + self.objects_start + garbage)
            .checked_sub(index(slots) * layout.slot_size)
    }

    /// Takes a free slot and space for its row's object; returns where the object goes.
    #[inline]
    pub(crate) fn claim(&mut self, layout: &RowLayout, slot: u32, object_len: usize) -> usize {
        assert!(slot < layout.slots_max, "slot {slot} is beyond the page");
        assert!(!self.contains(slot), "slot {slot} holds a row already");
        let slots_end = self.slots_end.max(slot + 1);
        let slots_len = index(slots_end) * layout.slot_size;
        if slots_len + object_len > self.objects_start {
            self.make_space(layout, slots_len + object_len);
        }
        self.slots_end = slots_end;
        self.rows += 1;
        let word = index(slot) / 64;
        self.present[word] |= 1 << (slot % 64);
        if word == self.first_open_word && self.present[word] == u64::MAX {
            self.first_open_word += 1;
        }
        self.objects_start -= object_len;
        self.objects_start
    }

    /// Copies rows without objects into the next free slots that lie together, as many as fit;
    /// returns the first slot and the number of rows. There must be a free slot.
    pub(crate) fn fill(&mut self, layout: &RowLayout, rows: &[u8]) -> (u32, u32) {
        let slot = self.free_slot(layout);
        assert!(slot.is_some(), "the chosen page has no free slot");
        let slot = slot.unwrap_or(0);
        let given = u32::try_from(rows.len() / layout.slot_size).unwrap_or(u32::MAX);
        let mut count = given.min(layout.slots_max - slot);
        if slot < self.slots_end {
            count = count.min(self.free_slots_from(slot));
        }
        let end = slot + count;
        let slots_len = index(self.slots_end.max(end)) * layout.slot_size;
        if slots_len > self.objects_start {
            self.make_space(layout, slots_len);
        }
        let bytes = &rows[..index(count) * layout.slot_size];
        self.body[index(slot) * layout.slot_size..][..bytes.len()].copy_from_slice(bytes);
        self.slots_end = self.slots_end.max(end);
        self.rows += count;
        let (mut at, end) = (index(slot), index(end));
        while at < end {
            let bits = (64 - at % 64).min(end - at);
            self.present[at / 64] |= (u64::MAX >> (64 - bits)) << (at % 64);
            at += bits;
        }
        let open = self.present[self.first_open_word..]
            .iter()
            .position(|&word| word != u64::MAX);
        self.first_open_word += open.unwrap_or(self.present.len() - self.first_open_word);
        (slot, count)
    }

    /// Whether a present row can stay in its slot with another object of this length.
    #[inline]
    pub(crate) fn can_exchange(&self, layout: &RowLayout, slot: u32, object_len: usize) -> bool {
        object_len <= self.object(layout, slot).len() || object_len <= self.object_room(layout)
    }

    /// The longest object for which there is room without a further slot.
    fn object_room(&self, layout: &RowLayout) -> usize {
        let garbage = if self.garbage >= GARBAGE_MIN {
            self.garbage
        } else {
            0
        };
        PAGE_SIZE - self.body.len() + self.objects_start + garbage
            - index(self.slots_end) * layout.slot_size
    }

    /// Empties a present row's slot and takes space for another object, for which there is room;
    /// returns where it goes.
    pub(crate) fn exchange(&mut self, layout: &RowLayout, slot: u32, object_len: usize) -> usize {
        assert!(self.can_exchange(layout, slot, object_len), "no room");
        let old = self.object(layout, slot);
        self.slot_mut(layout, slot).fill(0);
        self.body[old.clone()].fill(0);
        if old.start == self.objects_start {
            self.objects_start = old.end;
        } else if !old.is_empty() {
            if (1..=old.len()).contains(&object_len) {
                self.garbage += old.len() - object_len;
                return old.start;
            }
            self.garbage += old.len();
        }
        let slots_len = index(self.slots_end) * layout.slot_size;
        if slots_len + object_len > self.objects_start {
            self.make_space(layout, slots_len + object_len);
        }
        self.objects_start -= object_len;
        self.objects_start
    }

    /// Number of free slots from a free one on, up to the end of its word of the bitmap.
    fn free_slots_from(&self, slot: u32) -> u32 {
        let word = self.present[index(slot) / 64] >> (slot % 64);
        word.trailing_zeros().min(64 - slot % 64)
    }

    /// Gives a slot and its row's object back, zeroed.
    #[inline]
    pub(crate) fn release(&mut self, layout: &RowLayout, slot: u32) {
        assert!(self.contains(slot), "slot {slot} holds no row");
        let object = self.object(layout, slot);
        if !object.is_empty() {
            if object.start == self.objects_start {
                self.objects_start = object.end;
            } else {
                self.garbage += object.len();
            }
            self.body[object].fill(0);
        }
        self.slot_mut(layout, slot).fill(0);
        let word = index(slot) / 64;
        self.present[word] &= !(1 << (slot % 64));
        self.first_open_word = self.first_open_word.min(word);
        self.rows -= 1;
        if slot + 1 == self.slots_end {
            self.slots_end = self.highest_present_before(word + 1);
        }
        if self.rows == 0 {
            assert!(
                self.objects_start + self.garbage == self.body.len(),
                "objects leaked"
            );
            (self.objects_start, self.garbage) = (self.body.len(), 0);
        }
    }

    /// One past the highest present slot in the first `words` words.
    fn highest_present_before(&self, words: usize) -> u32 {
        let highest = self.present[..words].iter().rposition(|&word| word != 0);
        highest.map_or(0, |word| {
            let base = u32::try_from(word * 64).unwrap_or(u32::MAX);
            base + 64 - self.present[word].leading_zeros()
        })
    }

    #[inline]
    pub(crate) fn slot(&self, layout: &RowLayout, slot: u32) -> &[u8] {
        let start = index(slot) * layout.slot_size;
        &self.body[start..start + layout.slot_size]
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, layout: &RowLayout, slot: u32) -> &mut [u8] {
        let start = index(slot) * layout.slot_size;
        &mut self.body[start..start + layout.slot_size]
    }

    /// The slot and the rest of the page behind it, which has the object at the given offset.
    #[inline]
    pub(crate) fn slot_and_object_mut(
        &mut self,
        layout: &RowLayout,
        slot: u32,
        object: Range<usize>,
    ) -> (&mut [u8], &mut [u8]) {
        let start = index(slot) * layout.slot_size;
        let (front, back) = self.body.split_at_mut(object.start);
        (
            &mut front[start..start + layout.slot_size],
            &mut back[..object.len()],
        )
    }

    /// The object of a present row.
    #[inline]
    pub(crate) fn object_bytes(&self, layout: &RowLayout, slot: u32) -> &[u8] {
        &self.body[self.object(layout, slot)]
    }

    #[inline]
    fn object(&self, layout: &RowLayout, slot: u32) -> Range<usize> {
        let Some(object_cell) = layout.object_cell else {
            return 0..0;
        };
        let slot = self.slot(layout, slot);
        let start = usize::from(read_u16(slot, object_cell));
        start..start + object_len(layout, slot)
    }

    /// Moves the objects together, into a larger body if that is not enough.
    #[cold]
    fn make_space(&mut self, layout: &RowLayout, needed: usize) {
        let live = self.body.len() - self.objects_start - self.garbage;
        let mut size = self.body.len();
        while needed + live > size && size < PAGE_SIZE {
            size = (size * 4).min(PAGE_SIZE);
        }
        assert!(
            needed + live <= size,
            "{needed} bytes wanted in a page with {live} bytes of objects"
        );
        let mut body = vec![0; size].into_boxed_slice();
        let slots_len = index(self.slots_end) * layout.slot_size;
        body[..slots_len].copy_from_slice(&self.body[..slots_len]);
        let mut start = size;
        if let Some(object_cell) = layout.object_cell {
            for slot in (0..self.slots_end).filter(|&slot| self.contains(slot)) {
                let object = self.object_bytes(layout, slot);
                if object.is_empty() {
                    continue;
                }
                let end = start;
                start -= object.len();
                body[start..end].copy_from_slice(object);
                let cell = index(slot) * layout.slot_size + object_cell;
                write_u16(&mut body, cell, start);
            }
        }
        assert!(
            size - start == live,
            "objects lost while moving them together"
        );
        self.body = body;
        self.objects_start = start;
        self.garbage = 0;
    }
}

#[cfg(test)]
mod tests;

/// The length of the object of the row in this slot.
#[inline]
fn object_len(layout: &RowLayout, slot: &[u8]) -> usize {
    let variable = layout
        .cells
        .iter()
        .filter(|cell| matches!(cell.kind, CellKind::Variable(_)));
    variable
        .map(|cell| stored_len(read_u16(slot, cell.slot_offset)))
        .sum()
}

/// Bytes in the object for a column with this cell.
#[inline]
pub(crate) fn stored_len(cell: u16) -> usize {
    if cell == BLOB_MARK {
        BLOB_NAME_LEN
    } else {
        usize::from(cell)
    }
}

#[inline]
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Writes a number below 2^16; a larger one is a broken invariant of the caller.
#[inline]
pub(crate) fn write_u16(bytes: &mut [u8], at: usize, value: usize) {
    let narrow = u16::try_from(value);
    assert!(narrow.is_ok(), "{value} does not fit a cell");
    bytes[at..at + 2].copy_from_slice(&narrow.unwrap_or(0).to_le_bytes());
}

const _: () = assert!(usize::BITS >= 32);

#[inline]
pub(crate) fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

//! The rows of one table.
//!
//! Invariants
//!   * A row pointer stays valid until its row is removed; then it may be given out again.
//!   * A page that becomes empty is freed; its index is used again.
//!   * Cloning costs a reference count for every few hundred pages. A clone never changes: pages
//!     and the parts of their directory are copied when they are written while shared.
//!
//! Not here: set semantics. Inserting an equal row twice stores it twice.

use crate::blob::{BlobName, BlobStore};
use crate::codec::{self, ObjectPlan};
use crate::free_space::{FreeSpace, class_of};
use crate::image::{ImageError, PageRef, RestoredPage};
use crate::layout::RowLayout;
use crate::page::{Page, index};
use crate::row_ptr::RowPtr;
use crate::shared_vec::SharedVec;
use smallvec::SmallVec;
use std::sync::Arc;

/// Why a row could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// Row pointers are 32 bits long and all are taken. Delete rows, or split the table.
    #[error("the table is full: no room for more than {pages} pages of rows")]
    TableFull { pages: u32 },
}

/// Why rows could not be brought back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Damaged, or written by a version or for a table that stores rows differently.
    #[error("the image of page {position} is wrong: {error}")]
    Page { position: usize, error: ImageError },
    /// Row pointers are 32 bits long. Not a table that was ever stored.
    #[error("there are more than the {pages} pages that a table can have")]
    TooManyPages { pages: u32 },
}

/// The rows of one table, in pages.
#[derive(Clone, Debug)]
pub struct RowStore {
    layout: Arc<RowLayout>,
    pages: SharedVec<Option<Arc<Page>>>,
    free_space: Arc<FreeSpace>,
    /// The page that took the last row: tried first, so that rows inserted together lie together.
    current: u32,
    /// Pages that there are.
    page_count: u32,
    len: u64,
}

impl RowStore {
    /// No rows.
    #[must_use]
    pub fn new(layout: Arc<RowLayout>) -> Self {
        RowStore {
            layout,
            pages: SharedVec::default(),
            free_space: Arc::new(FreeSpace::new()),
            current: 0,
            page_count: 0,
            len: 0,
        }
    }

    /// The layout of the rows.
    #[must_use]
    pub fn layout(&self) -> &Arc<RowLayout> {
        &self.layout
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the pages. Blobs are not counted.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        let pages = self.pages.iter().flatten();
        pages.map(|page| page.allocated_bytes()).sum::<usize>() + self.pages.allocated_bytes()
    }

    /// About the same from counters, whatever the number of pages: each as if it were full-grown,
    /// but for the first, which begins small.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        let first = self.pages.get(0).and_then(Option::as_deref);
        let others = index(self.page_count) - usize::from(first.is_some());
        let directory = self.pages.len() * size_of::<Option<Arc<Page>>>();
        first.map_or(0, Page::allocated_bytes) + others * Page::full_bytes(&self.layout) + directory
    }

    /// Stores a valid row wherever there is room.
    #[inline]
    pub fn insert(&mut self, row: &[u8], blobs: &mut BlobStore) -> Result<RowPtr, InsertError> {
        if self.layout.is_bsatn {
            assert!(
                Some(row.len()) == self.layout.fixed_bsatn_len(),
                "row of a wrong length"
            );
            let (page_index, slot) = self.choose_place(0)?;
            self.put_fixed(page_index, slot, row);
            return Ok(RowPtr::from_parts(page_index, slot, self.layout.slot_bits));
        }
        let layout = Arc::clone(&self.layout);
        let plan = ObjectPlan::new(&layout, row);
        let (page_index, slot) = self.choose_place(plan.len)?;
        self.put(page_index, slot, row, &plan, blobs);
        Ok(RowPtr::from_parts(page_index, slot, self.layout.slot_bits))
    }

    /// Stores valid rows that are their own BSATN, given back to back, wherever there is room.
    /// Tells `placed` where: a first place and how many rows lie from there on, in order.
    pub fn insert_rows(
        &mut self,
        mut rows: &[u8],
        mut placed: impl FnMut(RowPtr, u32),
    ) -> Result<(), InsertError> {
        let row_len = self.layout.fixed_bsatn_len().unwrap_or(0);
        assert!(self.layout.is_bsatn, "the rows are stored as they are");
        assert!(row_len > 0, "rows take bytes");
        assert!(rows.len().is_multiple_of(row_len), "whole rows");
        while !rows.is_empty() {
            let page_index = self.choose_page(0)?;
            let page = page_mut(&mut self.pages, page_index);
            let (slot, count) = page.fill(&self.layout, rows);
            let class = class_of(page.room(&self.layout));
            self.note_room(page_index, class);
            self.len += u64::from(count);
            rows = &rows[index(count) * row_len..];
            let first = RowPtr::from_parts(page_index, slot, self.layout.slot_bits);
            placed(first, count);
        }
        Ok(())
    }

    /// Stores a row that was removed, where it was: the slot must be free, and what was done to
    /// the table since the removal must have been undone, so that there is room.
    pub fn insert_at(&mut self, ptr: RowPtr, row: &[u8], blobs: &mut BlobStore) {
        let layout = Arc::clone(&self.layout);
        let (page_index, slot) = (ptr.page_index(layout.slot_bits), ptr.slot(layout.slot_bits));
        assert!(!self.contains(ptr), "{ptr:?} is taken");
        self.ensure_page(page_index);
        if layout.is_bsatn {
            assert!(
                Some(row.len()) == layout.fixed_bsatn_len(),
                "row of a wrong length"
            );
            self.put_fixed(page_index, slot, row);
        } else {
            self.put(page_index, slot, row, &ObjectPlan::new(&layout, row), blobs);
        }
    }

    /// Puts a valid row in the place of a present one, if its page has room for it; returns
    /// whether it did. Rows of one length always have.
    #[inline]
    pub fn replace(&mut self, ptr: RowPtr, row: &[u8], blobs: &mut BlobStore) -> bool {
        let layout = &*self.layout;
        let (page_index, slot) = (ptr.page_index(layout.slot_bits), ptr.slot(layout.slot_bits));
        if layout.is_bsatn {
            assert!(
                Some(row.len()) == layout.fixed_bsatn_len(),
                "row of a wrong length"
            );
            let page = page_mut(&mut self.pages, page_index);
            assert!(page.contains(slot), "{ptr:?} holds no row");
            page.slot_mut(layout, slot)[..row.len()].copy_from_slice(row);
            return true;
        }
        let plan = ObjectPlan::new(layout, row);
        if !self.page_of(ptr).0.can_exchange(layout, slot, plan.len) {
            return false;
        }
        let page = page_mut(&mut self.pages, page_index);
        let mut unused: SmallVec<[BlobName; 4]> = SmallVec::new();
        let (bytes, object) = (page.slot(layout, slot), page.object_bytes(layout, slot));
        codec::for_each_blob(layout, bytes, object, |name| unused.push(*name));
        let start = page.exchange(layout, slot, plan.len);
        let places = page.slot_and_object_mut(layout, slot, start..start + plan.len);
        plan.write(layout, row, places, start, blobs);
        // Those that the new row has too stay.
        unused.iter().for_each(|name| blobs.release(name));
        let class = class_of(page.room(layout));
        self.note_room(page_index, class);
        true
    }

    /// Removes a present row.
    #[inline]
    pub fn remove(&mut self, ptr: RowPtr, blobs: &mut BlobStore) {
        let layout = &*self.layout;
        let (page_index, slot) = (ptr.page_index(layout.slot_bits), ptr.slot(layout.slot_bits));
        let page = page_mut(&mut self.pages, page_index);
        assert!(page.contains(slot), "{ptr:?} holds no row");
        if layout.object_cell.is_some() {
            let object = page.object_bytes(layout, slot);
            let slot = page.slot(layout, slot);
            codec::for_each_blob(layout, slot, object, |name| blobs.release(name));
        }
        page.release(layout, slot);
        self.len -= 1;
        if page.rows() == 0 {
            self.free_page(page_index);
        } else {
            let room = page.room(layout);
            self.note_room(page_index, class_of(room));
        }
    }

    /// Removes all rows.
    pub fn clear(&mut self, blobs: &mut BlobStore) {
        self.for_each_blob(|name| blobs.release(name));
        *self = RowStore::new(Arc::clone(&self.layout));
    }

    /// Whether there is a row.
    #[must_use]
    #[inline]
    pub fn contains(&self, ptr: RowPtr) -> bool {
        let bits = self.layout.slot_bits;
        let page = self.pages.get(index(ptr.page_index(bits)));
        page.is_some_and(|page| {
            page.as_ref()
                .is_some_and(|page| page.contains(ptr.slot(bits)))
        })
    }

    /// Appends the BSATN of a present row.
    #[inline]
    pub fn read(&self, ptr: RowPtr, blobs: &BlobStore, out: &mut Vec<u8>) {
        let (page, slot) = self.page_of(ptr);
        let layout = &*self.layout;
        let bytes = page.slot(layout, slot);
        if layout.is_bsatn {
            out.extend_from_slice(&bytes[..layout.fixed_bsatn_len().unwrap_or(0)]);
        } else {
            codec::read_row(layout, bytes, page.object_bytes(layout, slot), blobs, out);
        }
    }

    /// The BSATN of a present row without copying it, for tables whose rows are stored as such.
    #[must_use]
    #[inline]
    pub fn row_bytes(&self, ptr: RowPtr) -> Option<&[u8]> {
        let layout = &*self.layout;
        let len = layout.fixed_bsatn_len().filter(|_| layout.is_bsatn)?;
        let (page, slot) = self.page_of(ptr);
        Some(&page.slot(layout, slot)[..len])
    }

    /// Appends the BSATN of one column of a present row.
    #[inline]
    pub fn read_column(&self, ptr: RowPtr, col: usize, blobs: &BlobStore, out: &mut Vec<u8>) {
        let (page, slot) = self.page_of(ptr);
        let object = page.object_bytes(&self.layout, slot);
        codec::read_column(
            &self.layout,
            col,
            page.slot(&self.layout, slot),
            object,
            blobs,
            out,
        );
    }

    /// Whether a present row equals this valid one, bit for bit.
    #[must_use]
    #[inline]
    pub fn row_eq(&self, ptr: RowPtr, row: &[u8], blobs: &BlobStore) -> bool {
        let (page, slot) = self.page_of(ptr);
        let layout = &*self.layout;
        let bytes = page.slot(layout, slot);
        if layout.is_bsatn {
            return bytes[..layout.fixed_bsatn_len().unwrap_or(0)] == *row;
        }
        codec::row_eq(layout, bytes, page.object_bytes(layout, slot), blobs, row)
    }

    /// All rows, by page and slot.
    #[must_use]
    pub fn iter(&self) -> RowIter<'_> {
        RowIter {
            pages: &self.pages,
            words: &[],
            slot_bits: self.layout.slot_bits,
            next_page: 0,
            next_slot: 0,
            word: 0,
        }
    }

    /// Calls `visit` for each use of a blob by a row.
    pub fn for_each_blob(&self, mut visit: impl FnMut(&BlobName)) {
        if self.layout.object_cell.is_none() {
            return;
        }
        for ptr in self.iter() {
            let (page, slot) = self.page_of(ptr);
            let object = page.object_bytes(&self.layout, slot);
            let slot = page.slot(&self.layout, slot);
            codec::for_each_blob(&self.layout, slot, object, &mut visit);
        }
    }

    /// The pages that hold rows, by index, for a snapshot.
    pub fn pages(&self) -> impl Iterator<Item = (u32, PageRef<'_>)> {
        let pages = (0..=u32::MAX).zip(self.pages.iter());
        pages.filter_map(|(page_index, page)| {
            let page = page.as_deref()?;
            Some((page_index, PageRef::new(&self.layout, page)))
        })
    }

    /// Brings rows back from the images of their pages, in order. Checks everything, and counts
    /// uses of blobs, which must be there. Pages come to lie one after another, so pointers to
    /// rows are others than before.
    pub fn restore<I>(
        layout: Arc<RowLayout>,
        images: I,
        blobs: &mut BlobStore,
    ) -> Result<RowStore, RestoreError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut rows = RowStore::new(layout);
        for (position, image) in images.into_iter().enumerate() {
            let page = RestoredPage::decode(&rows.layout, image.as_ref(), blobs);
            let page = page.map_err(|error| RestoreError::Page { position, error })?;
            rows.push_page(page, blobs)?;
        }
        Ok(rows)
    }

    /// Appends a page that was decoded with this layout and these blobs.
    pub fn push_page(
        &mut self,
        restored: RestoredPage,
        blobs: &mut BlobStore,
    ) -> Result<(), RestoreError> {
        let page_index = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        let pages_max = self.pages_max();
        if page_index >= pages_max {
            return Err(RestoreError::TooManyPages { pages: pages_max });
        }
        let page = restored.into_page(&self.layout, blobs);
        let free_space = Arc::make_mut(&mut self.free_space);
        free_space.push_page();
        free_space.set_class(page_index, class_of(page.room(&self.layout)));
        self.len += u64::from(page.rows());
        self.page_count += 1;
        self.pages.push(Some(Arc::new(page)));
        Ok(())
    }

    fn pages_max(&self) -> u32 {
        (u32::MAX >> self.layout.slot_bits).max(1)
    }

    #[cfg(test)]
    pub(crate) fn pages_for_tests(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter_map(Option::as_deref)
    }

    #[inline]
    fn page_of(&self, ptr: RowPtr) -> (&Page, u32) {
        let bits = self.layout.slot_bits;
        let slot = ptr.slot(bits);
        let page = self
            .pages
            .get(index(ptr.page_index(bits)))
            .and_then(Option::as_deref);
        let page = page.filter(|page| page.contains(slot));
        let Some(page) = page else {
            panic!("{ptr:?} holds no row");
        };
        (page, slot)
    }

    /// The page and slot for a row with an object of this length.
    #[inline]
    fn choose_place(&mut self, object_len: usize) -> Result<(u32, u32), InsertError> {
        if let Some(slot) = self.place_in(self.current, object_len) {
            return Ok((self.current, slot));
        }
        self.current = self.find_page(object_len)?;
        let slot = self.place_in(self.current, object_len);
        assert!(slot.is_some(), "the chosen page has no free slot");
        Ok((self.current, slot.unwrap_or(0)))
    }

    /// A free slot of a page that has room.
    #[inline]
    fn place_in(&self, page_index: u32, object_len: usize) -> Option<u32> {
        let page = self.pages.get(index(page_index))?.as_ref()?;
        let room = page.room(&self.layout)?;
        page.free_slot(&self.layout).filter(|_| room >= object_len)
    }

    /// The page for a row with an object of this length.
    #[inline]
    fn choose_page(&mut self, object_len: usize) -> Result<u32, InsertError> {
        if self.has_room(self.current, object_len) {
            return Ok(self.current);
        }
        self.current = self.find_page(object_len)?;
        Ok(self.current)
    }

    #[inline]
    fn has_room(&self, page_index: u32, object_len: usize) -> bool {
        let page = self.pages.get(index(page_index)).and_then(Option::as_ref);
        page.and_then(|page| page.room(&self.layout))
            .is_some_and(|room| room >= object_len)
    }

    #[cold]
    fn find_page(&mut self, object_len: usize) -> Result<u32, InsertError> {
        let mut candidates = self.free_space.candidates(object_len);
        if let Some(page_index) = candidates.find(|&page| self.has_room(page, object_len)) {
            return Ok(page_index);
        }
        drop(candidates);
        let pages_max = self.pages_max();
        let page_index = match self.free_space.first_vacant() {
            Some(vacant) => vacant,
            None => u32::try_from(self.pages.len()).unwrap_or(u32::MAX),
        };
        if page_index >= pages_max {
            return Err(InsertError::TableFull { pages: pages_max });
        }
        self.ensure_page(page_index);
        assert!(
            self.has_room(page_index, object_len),
            "an empty page takes any row"
        );
        Ok(page_index)
    }

    /// Makes an empty page at an index that has none.
    fn ensure_page(&mut self, page_index: u32) {
        let place = self.pages.get(index(page_index));
        if place.is_some_and(Option::is_some) {
            return;
        }
        let free_space = Arc::make_mut(&mut self.free_space);
        while self.pages.len() <= index(page_index) {
            let vacant = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
            self.pages.push(None);
            free_space.push_page();
            free_space.set_vacant(vacant);
        }
        let page = Page::new(&self.layout, page_index == 0);
        free_space.set_occupied(page_index);
        free_space.set_class(page_index, class_of(page.room(&self.layout)));
        self.put_page(page_index, Some(page));
    }

    fn free_page(&mut self, page_index: u32) {
        self.put_page(page_index, None);
        Arc::make_mut(&mut self.free_space).set_vacant(page_index);
    }

    fn put_page(&mut self, page_index: u32, page: Option<Page>) {
        let place = self.pages.get_mut(index(page_index));
        assert!(place.is_some(), "the directory reaches page {page_index}");
        if let Some(place) = place {
            let before = std::mem::replace(place, page.map(Arc::new));
            self.page_count += u32::from(place.is_some());
            self.page_count -= u32::from(before.is_some());
        }
    }

    #[inline]
    fn note_room(&mut self, page_index: u32, class: u8) {
        if self.free_space.class_of_page(index(page_index)) != class {
            Arc::make_mut(&mut self.free_space).set_class(page_index, class);
        }
    }

    #[inline]
    fn put_fixed(&mut self, page_index: u32, slot: u32, row: &[u8]) {
        let page = page_mut(&mut self.pages, page_index);
        page.claim(&self.layout, slot, 0);
        page.slot_mut(&self.layout, slot)[..row.len()].copy_from_slice(row);
        let class = class_of(page.room(&self.layout));
        self.note_room(page_index, class);
        self.len += 1;
    }

    #[inline]
    fn put(
        &mut self,
        page_index: u32,
        slot: u32,
        row: &[u8],
        plan: &ObjectPlan<'_>,
        blobs: &mut BlobStore,
    ) {
        let layout = &*self.layout;
        let page = page_mut(&mut self.pages, page_index);
        let start = page.claim(layout, slot, plan.len);
        let places = page.slot_and_object_mut(layout, slot, start..start + plan.len);
        plan.write(layout, row, places, start, blobs);
        let class = class_of(page.room(layout));
        self.note_room(page_index, class);
        self.len += 1;
    }
}

/// The one way to change a page.
#[inline]
fn page_mut(pages: &mut SharedVec<Option<Arc<Page>>>, page_index: u32) -> &mut Page {
    let page = pages.get_mut(index(page_index)).and_then(Option::as_mut);
    let Some(page) = page else {
        panic!("there is no page {page_index}");
    };
    let page = Arc::make_mut(page);
    page.forget_hash();
    page
}

/// Iterator over the rows of a [`RowStore`].
#[derive(Clone, Debug)]
pub struct RowIter<'a> {
    pages: &'a SharedVec<Option<Arc<Page>>>,
    /// The words of the current page that are not looked at yet.
    words: &'a [u64],
    slot_bits: u32,
    next_page: u32,
    /// Slot of the lowest bit of the next word.
    next_slot: u32,
    /// What is left of the current word, whose lowest bit is `next_slot - 64`.
    word: u64,
}

impl Iterator for RowIter<'_> {
    type Item = RowPtr;

    #[inline]
    fn next(&mut self) -> Option<RowPtr> {
        while self.word == 0 {
            if let Some((word, rest)) = self.words.split_first() {
                (self.word, self.words) = (*word, rest);
            } else {
                let page = self.pages.get(index(self.next_page))?;
                self.words = page.as_ref().map_or(&[], |page| page.present_words());
                self.next_page += 1;
                self.next_slot = 0;
                continue;
            }
            self.next_slot += 64;
        }
        let slot = self.next_slot - 64 + self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(RowPtr::from_parts(self.next_page - 1, slot, self.slot_bits))
    }
}

impl<'a> IntoIterator for &'a RowStore {
    type Item = RowPtr;
    type IntoIter = RowIter<'a>;

    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

//! The image of a page: what a snapshot holds of it.
//!
//! ```text
//!   u32        slots_end: one past the highest present slot, little-endian like all numbers
//!   u64 each   bits of present slots, lowest first; ceil(slots_end / 64) words
//!   slots      of present rows in order, without the offset of the row's object
//!   objects    of present rows in order
//! ```
//!
//! Invariants
//!   * An image depends on the bytes and slots of the rows alone, not on what the page held
//!     before or where it keeps objects. So equal pages have equal hashes.
//!   * There is one image of a page. Decoding refuses everything else, and whatever is no row, and
//!     a row stored in another way than this version would.
//!   * Decoding takes any bytes: it never panics, and never needs more memory than a page and the
//!     longest row.
//!
//! Not here: which pages a table has, and hashes of what was read.

use crate::blob::{BlobName, BlobStore};
use crate::codec;
use crate::layout::{BLOB_MARK, Cell, CellKind, RowLayout};
use crate::page::{PAGE_SIZE, Page, index, read_u16, stored_len};
use crate::shape::RowError;

/// Why bytes are not the image of a page. Offsets count in the row's BSATN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The parts do not add up.
    #[error("an image of {given} bytes where {expected} are described")]
    Length { expected: usize, given: usize },
    /// No page of this table has so many slots, or the last one is not present.
    #[error("the rows of an image end at slot {slots_end}, which cannot be")]
    Slots { slots_end: u32 },
    /// The rows need more than a page.
    #[error("the rows of an image need {bytes} bytes of a page, which has {PAGE_SIZE}")]
    TooLarge { bytes: usize },
    /// The bytes of a slot are no row.
    #[error("slot {slot} holds no valid row: {error}")]
    Row { slot: u32, error: RowError },
    /// The row is valid, but not stored as this version stores it.
    #[error("the row of slot {slot} is stored in a way that is not known")]
    NotCanonical { slot: u32 },
    /// A large value of the row is not there.
    #[error("slot {slot} refers to a large value that is not there")]
    MissingBlob { slot: u32 },
}

/// A page of a [`RowStore`](crate::RowStore), to be written to a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct PageRef<'a> {
    layout: &'a RowLayout,
    page: &'a Page,
}

impl<'a> PageRef<'a> {
    pub(crate) fn new(layout: &'a RowLayout, page: &'a Page) -> PageRef<'a> {
        PageRef { layout, page }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.page.rows()
    }

    /// The BLAKE3 hash of the image. Computed once, until the page changes.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.page.hash_or(|| {
            let mut image = Vec::new();
            self.write_image(&mut image);
            *blake3::hash(&image).as_bytes()
        })
    }

    /// Appends the image.
    pub fn write_image(&self, out: &mut Vec<u8>) {
        let (layout, page) = (self.layout, self.page);
        let words = page.present_words();
        out.extend_from_slice(&page.slots_end().to_le_bytes());
        for word in words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let slot_len = slot_image_len(layout);
        if slot_len == layout.slot_size && page.rows() == page.slots_end() {
            out.extend_from_slice(page.slots(layout));
            return;
        }
        for slot in present_slots(words) {
            out.extend_from_slice(&page.slot(layout, slot)[..slot_len]);
        }
        if layout.object_cell.is_some() {
            for slot in present_slots(words) {
                out.extend_from_slice(page.object_bytes(layout, slot));
            }
        }
    }
}

/// A page decoded from its image, for [`RowStore::push_page`](crate::RowStore::push_page).
/// Decoding needs the blobs but does not change them, so pages can be decoded on many threads.
#[derive(Debug)]
pub struct RestoredPage {
    page: Page,
    slot_size: usize,
    /// One for each use.
    blobs: Vec<BlobName>,
}

impl RestoredPage {
    /// Reads and checks an image.
    pub fn decode(
        layout: &RowLayout,
        image: &[u8],
        blobs: &BlobStore,
    ) -> Result<RestoredPage, ImageError> {
        let mut parts = Parts::split(layout, image)?;
        let mut restored = RestoredPage {
            page: Page::restored(
                layout,
                parts.slots_end,
                &parts.present_words,
                parts.objects.len(),
            ),
            slot_size: layout.slot_size,
            blobs: Vec::new(),
        };
        if layout.is_bsatn && parts.is_dense() {
            restored.page.write_slots(layout, parts.slots);
            restored.check_plain_rows(layout, parts.slots)?;
            return Ok(restored);
        }
        let slot_len = slot_image_len(layout);
        let mut row = Vec::new();
        let words = std::mem::take(&mut parts.present_words);
        for (slot, bytes) in present_slots(&words).zip(parts.slots.chunks_exact(slot_len)) {
            let object = restored.check_row(layout, slot, bytes, parts.objects, blobs, &mut row)?;
            parts.objects = &parts.objects[object.len()..];
            restored.page.slot_mut(layout, slot)[..slot_len].copy_from_slice(bytes);
            restored.page.restore_object(layout, slot, object);
        }
        if !parts.objects.is_empty() {
            return Err(ImageError::Length {
                expected: image.len() - parts.objects.len(),
                given: image.len(),
            });
        }
        Ok(restored)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.page.rows()
    }

    /// Takes the BLAKE3 hash of the image over, which the caller has checked: the next snapshot
    /// then need not compute it.
    #[must_use]
    pub fn with_hash(self, hash: [u8; 32]) -> RestoredPage {
        self.page.hash_or(|| hash);
        self
    }

    /// The page; the uses of its blobs are counted from here on.
    pub(crate) fn into_page(self, layout: &RowLayout, blobs: &mut BlobStore) -> Page {
        assert!(
            self.slot_size == layout.slot_size,
            "a page decoded with another layout"
        );
        for name in &self.blobs {
            blobs.add_use(name);
        }
        self.page
    }

    /// Checks rows that are stored as their BSATN and lie one after another.
    fn check_plain_rows(&self, layout: &RowLayout, slots: &[u8]) -> Result<(), ImageError> {
        if layout.is_plain() && layout.fixed_bsatn_len() == Some(layout.slot_size) {
            return Ok(());
        }
        for (slot, bytes) in (0..).zip(slots.chunks_exact(layout.slot_size)) {
            check_bsatn_slot(layout, slot, bytes)?;
        }
        Ok(())
    }

    /// Checks one row, whose object is at the start of `objects`; returns the object.
    fn check_row<'a>(
        &mut self,
        layout: &RowLayout,
        slot: u32,
        bytes: &[u8],
        objects: &'a [u8],
        blobs: &BlobStore,
        row: &mut Vec<u8>,
    ) -> Result<&'a [u8], ImageError> {
        if layout.is_bsatn {
            return check_bsatn_slot(layout, slot, bytes).map(|()| &[][..]);
        }
        let first_name = self.blobs.len();
        let mut len = 0;
        for cell in &layout.cells {
            let part = check_cell(cell, slot, bytes, &objects[len..])?;
            len += part.len();
            let is_variable = matches!(cell.kind, CellKind::Variable(_));
            if is_variable && let Some(name) = blob_name(cell, bytes, part) {
                if blobs.uses_of(name).is_none() {
                    return Err(ImageError::MissingBlob { slot });
                }
                self.blobs.push(*name);
            }
        }
        let object = &objects[..len];
        row.clear();
        codec::read_row(layout, bytes, object, blobs, row);
        let checked = layout.validate(row);
        checked.map_err(|error| ImageError::Row { slot, error })?;
        let names = &self.blobs[first_name..];
        if !codec::is_stored_as(layout, row, bytes, object, names.len()) {
            return Err(ImageError::NotCanonical { slot });
        }
        Ok(object)
    }
}

/// The blob that the part of a variable cell names, if it is one.
fn blob_name<'a>(cell: &Cell, slot: &[u8], part: &'a [u8]) -> Option<&'a BlobName> {
    let is_blob = read_u16(slot, cell.slot_offset) == BLOB_MARK;
    part.first_chunk().filter(|_| is_blob)
}

/// Checks as much of a cell as reading it relies on; returns its part of the object.
fn check_cell<'a>(
    cell: &Cell,
    slot: u32,
    bytes: &[u8],
    objects: &'a [u8],
) -> Result<&'a [u8], ImageError> {
    let nothing = Ok(&[][..]);
    match &cell.kind {
        CellKind::Fixed { .. } => nothing,
        CellKind::SmallSum { len_by_tag } => {
            let cell = &bytes[cell.slot_offset..][..cell.kind.slot_len()];
            let len = len_by_tag.get(usize::from(cell[0])).copied();
            let len = len.ok_or(ImageError::Row {
                slot,
                error: RowError::InvalidTag {
                    offset: 0,
                    tag: cell[0],
                    variants: len_by_tag.len(),
                },
            })?;
            if cell[usize::from(len)..].iter().any(|&byte| byte != 0) {
                return Err(ImageError::NotCanonical { slot });
            }
            nothing
        }
        CellKind::Variable(_) => {
            let len = stored_len(read_u16(bytes, cell.slot_offset));
            objects.get(..len).ok_or(ImageError::Length {
                expected: len,
                given: objects.len(),
            })
        }
    }
}

/// Checks a slot that is a row's BSATN.
fn check_bsatn_slot(layout: &RowLayout, slot: u32, bytes: &[u8]) -> Result<(), ImageError> {
    let (row, rest) = bytes.split_at(layout.fixed_bsatn_len().unwrap_or(0));
    if rest.iter().any(|&byte| byte != 0) {
        return Err(ImageError::NotCanonical { slot });
    }
    let checked = layout.validate(row);
    checked.map_err(|error| ImageError::Row { slot, error })
}

/// Bytes of a slot in an image.
fn slot_image_len(layout: &RowLayout) -> usize {
    layout.object_cell.unwrap_or(layout.slot_size)
}

/// The slots whose bits are set, in order.
fn present_slots(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    let words = (0..).step_by(64).zip(words);
    words.flat_map(|(base, &word): (u32, _)| {
        let mut left = word;
        std::iter::from_fn(move || {
            let slot = (left != 0).then(|| base + left.trailing_zeros())?;
            left &= left - 1;
            Some(slot)
        })
    })
}

/// An image taken apart.
struct Parts<'a> {
    slots_end: u32,
    present_words: Vec<u64>,
    slots: &'a [u8],
    objects: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(layout: &RowLayout, image: &'a [u8]) -> Result<Parts<'a>, ImageError> {
        let too_short = |expected| ImageError::Length {
            expected,
            given: image.len(),
        };
        let (slots_end, rest) = image.split_first_chunk().ok_or(too_short(4))?;
        let slots_end = u32::from_le_bytes(*slots_end);
        if slots_end == 0 || slots_end > layout.slots_max {
            return Err(ImageError::Slots { slots_end });
        }
        let words_len = index(slots_end).div_ceil(64) * 8;
        let (words, rest) = rest
            .split_at_checked(words_len)
            .ok_or(too_short(4 + words_len))?;
        let (words, _) = words.as_chunks::<8>();
        let present_words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let highest = present_words.last().map_or(0, |word| word.leading_zeros());
        if index(slots_end) + index(highest) != present_words.len() * 64 {
            return Err(ImageError::Slots { slots_end });
        }
        let rows = present_words.iter().map(|word| word.count_ones());
        let slots_len = index(rows.sum()) * slot_image_len(layout);
        let (slots, objects) = rest
            .split_at_checked(slots_len)
            .ok_or(too_short(4 + words_len + slots_len))?;
        if layout.object_cell.is_none() && !objects.is_empty() {
            return Err(too_short(image.len() - objects.len()));
        }
        let bytes = index(slots_end) * layout.slot_size + objects.len();
        if bytes > PAGE_SIZE {
            return Err(ImageError::TooLarge { bytes });
        }
        Ok(Parts {
            slots_end,
            present_words,
            slots,
            objects,
        })
    }

    /// Whether every slot up to the last is present.
    fn is_dense(&self) -> bool {
        let rows = self.present_words.iter().map(|word| word.count_ones());
        rows.sum::<u32>() == self.slots_end
    }
}

#[cfg(test)]
mod tests;

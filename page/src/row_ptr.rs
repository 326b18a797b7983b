//! Where a row lives in its table.

use std::fmt;

/// Page and slot of a row, packed into 32 bits. Only meaningful for the [`RowStore`] that gave it
/// out, and only until the row is removed.
///
/// [`RowStore`]: crate::RowStore
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowPtr(pub u32);

impl RowPtr {
    /// Never given out for a row: free to use as "no row".
    pub const NONE: RowPtr = RowPtr(u32::MAX);

    /// Packs a page index and a slot. Both must fit, and together they must not be [`Self::NONE`].
    #[must_use]
    #[inline]
    pub fn from_parts(page_index: u32, slot: u32, slot_bits: u32) -> RowPtr {
        assert!(slot_bits <= 16, "a page has at most 2^16 slots");
        assert!(
            slot >> slot_bits == 0,
            "slot {slot} needs more than {slot_bits} bits"
        );
        assert!(
            u64::from(page_index) >> (32 - slot_bits) == 0,
            "page index {page_index} leaves no room for {slot_bits} slot bits"
        );
        // A shift by 32 cannot happen: slot_bits <= 16.
        let ptr = RowPtr((page_index << slot_bits) | slot);
        assert!(ptr != RowPtr::NONE, "the last row pointer is reserved");
        ptr
    }

    /// The page index.
    #[must_use]
    #[inline]
    pub fn page_index(self, slot_bits: u32) -> u32 {
        self.0 >> slot_bits
    }

    /// The slot within the page.
    #[must_use]
    #[inline]
    pub fn slot(self, slot_bits: u32) -> u32 {
        self.0 & ((1u32 << slot_bits) - 1)
    }
}

impl fmt::Debug for RowPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowPtr({:#x})", self.0)
    }
}

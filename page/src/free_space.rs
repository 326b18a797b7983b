//! Which pages of a table take further rows.
//!
//! Pages are kept in classes by the order of magnitude of their room, so that a page changes
//! class rarely and a fitting one is found without looking at many.

use std::collections::BTreeSet;

/// Class 0 is "no room"; class `1 + n` is room for an object of `2^n - 1` up to `2^(n+1) - 2`
/// bytes.
const CLASS_COUNT: usize = 19;

#[derive(Clone, Debug)]
pub(crate) struct FreeSpace {
    class_of_page: Vec<u8>,
    pages: [BTreeSet<u32>; CLASS_COUNT],
    /// Page indexes without a page.
    vacant: BTreeSet<u32>,
}

/// The class of a page with this room (see `Page::room`).
#[inline]
pub(crate) fn class_of(room: Option<usize>) -> u8 {
    let class = room.map_or(0, |room| (room + 1).ilog2() + 1);
    u8::try_from(class).unwrap_or(u8::MAX)
}

impl FreeSpace {
    pub(crate) fn new() -> FreeSpace {
        FreeSpace {
            class_of_page: Vec::new(),
            pages: [const { BTreeSet::new() }; CLASS_COUNT],
            vacant: BTreeSet::new(),
        }
    }

    #[inline]
    pub(crate) fn class_of_page(&self, page: usize) -> u8 {
        self.class_of_page[page]
    }

    /// Notes that a page is in another class now.
    pub(crate) fn set_class(&mut self, page: u32, class: u8) {
        let old = &mut self.class_of_page[crate::page::index(page)];
        self.pages[usize::from(*old)].remove(&page);
        *old = class;
        if class > 0 {
            self.pages[usize::from(class)].insert(page);
        }
    }

    /// Notes a page at the end of the table, without room so far.
    pub(crate) fn push_page(&mut self) {
        self.class_of_page.push(0);
    }

    /// Notes that a page was given back.
    pub(crate) fn set_vacant(&mut self, page: u32) {
        self.set_class(page, 0);
        self.vacant.insert(page);
    }

    /// Notes that there is a page again.
    pub(crate) fn set_occupied(&mut self, page: u32) {
        self.vacant.remove(&page);
    }

    /// The lowest page index without a page.
    pub(crate) fn first_vacant(&self) -> Option<u32> {
        self.vacant.first().copied()
    }

    /// Pages to try for an object of this length: a few that may have room, then one that has.
    pub(crate) fn candidates(&self, object_len: usize) -> impl Iterator<Item = u32> + '_ {
        let class = usize::from(class_of(Some(object_len)));
        let maybe = self.pages[class].iter().take(4);
        let surely = self.pages[class + 1..].iter().filter_map(BTreeSet::first);
        maybe.chain(surely.take(1)).copied()
    }
}

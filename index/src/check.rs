//! A check of an index that reads no row: order, count, and whether each pointer is a row.
//!
//! What it cannot see: that a row is under the key that it has.

use crate::index::{Index, Map};
use crate::leaf_keys::LeafKeys;
use crate::tree::Tree;
use spacetime_page::RowPtr;
use std::ops::Bound;

/// What does not hold in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    #[error("its entries are not in order")]
    Order,
    #[error("it has {found} entries, and {counted} were counted")]
    Count { found: u64, counted: u64 },
    #[error("its entry {0:?} is no row")]
    NoRow(RowPtr),
}

impl Index {
    /// Goes through all entries; `is_row` says whether there is a row.
    pub fn check(&self, is_row: impl Fn(RowPtr) -> bool) -> Result<(), IndexFault> {
        let is_unique = self.is_unique();
        let rows = RowCheck {
            is_row,
            found: 0,
            counted: self.len(),
        };
        match &self.map {
            Map::Tree32(tree) => rows.tree(tree, is_unique),
            Map::Tree64(tree) => rows.tree(tree, is_unique),
            Map::Wide(tree) => rows.tree(tree, is_unique),
            Map::Hash(hashed) => rows.all(hashed.ptrs()),
            Map::Direct(direct) => {
                let pairs = direct.range(Bound::Unbounded, Bound::Unbounded);
                rows.all(pairs.map(|(_, ptr)| ptr))
            }
        }
    }
}

struct RowCheck<F> {
    is_row: F,
    found: u64,
    counted: u64,
}

impl<F: Fn(RowPtr) -> bool> RowCheck<F> {
    fn all(mut self, mut ptrs: impl Iterator<Item = RowPtr>) -> Result<(), IndexFault> {
        let is_row = &self.is_row;
        let found = &mut self.found;
        if let Some(ptr) = ptrs.find(|ptr| {
            *found += 1;
            !is_row(*ptr)
        }) {
            return Err(IndexFault::NoRow(ptr));
        }
        let RowCheck { found, counted, .. } = self;
        if found != counted {
            return Err(IndexFault::Count { found, counted });
        }
        Ok(())
    }

    fn tree<L: LeafKeys>(self, tree: &Tree<L>, is_unique: bool) -> Result<(), IndexFault> {
        if !tree.is_in_order(is_unique) {
            return Err(IndexFault::Order);
        }
        self.all(tree.iter())
    }
}

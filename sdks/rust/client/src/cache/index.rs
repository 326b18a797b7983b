//! Indexes of one table: from the value of a column to the slots of rows that have it.
//!
//! Invariants
//!   * An index holds slots only; values are compared in the rows themselves.
//!   * A row is taken out while its slot still has it.

use std::any::Any;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use super::table::{Slot, SlotIndex, row_at};

/// What a table does with any of its indexes.
pub(super) trait ColumnIndex<Row>: Send + Sync {
    fn insert(&mut self, slots: &[Slot<Row>], slot: SlotIndex);
    fn remove(&mut self, slots: &[Slot<Row>], slot: SlotIndex);
    fn as_any(&self) -> &dyn Any;
}

/// An index of one column. Rows with equal values are several entries.
pub(super) struct HashIndex<Row, Col> {
    column: fn(&Row) -> &Col,
    entries: HashTable<SlotIndex>,
    state: foldhash::fast::RandomState,
}

impl<Row, Col: Eq + Hash> HashIndex<Row, Col> {
    pub(super) fn new(column: fn(&Row) -> &Col) -> Self {
        HashIndex {
            column,
            entries: HashTable::new(),
            state: foldhash::fast::RandomState::default(),
        }
    }

    /// A slot whose row has `value`.
    pub(super) fn find(&self, slots: &[Slot<Row>], value: &Col) -> Option<SlotIndex> {
        let same = |slot: &SlotIndex| (self.column)(row_at(slots, *slot)) == value;
        self.entries.find(self.state.hash_one(value), same).copied()
    }

    /// All of them.
    pub(super) fn filter<'a>(
        &'a self,
        slots: &'a [Slot<Row>],
        value: &'a Col,
    ) -> impl Iterator<Item = SlotIndex> + 'a {
        self.entries
            .iter_hash(self.state.hash_one(value))
            .copied()
            .filter(move |slot| (self.column)(row_at(slots, *slot)) == value)
    }
}

impl<Row: 'static, Col: Eq + Hash + 'static> ColumnIndex<Row> for HashIndex<Row, Col> {
    fn insert(&mut self, slots: &[Slot<Row>], slot: SlotIndex) {
        let (column, state) = (self.column, &self.state);
        let hash = |slot: &SlotIndex| state.hash_one(column(row_at(slots, *slot)));
        self.entries.insert_unique(hash(&slot), slot, hash);
    }

    fn remove(&mut self, slots: &[Slot<Row>], slot: SlotIndex) {
        let hash = self.state.hash_one((self.column)(row_at(slots, slot)));
        match self.entries.find_entry(hash, |other| *other == slot) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => panic!("a row that is in the table is in its indexes"),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

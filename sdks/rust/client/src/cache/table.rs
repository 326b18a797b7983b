//! The rows of one table.
//!
//! Invariants
//!   * `by_bytes` and every index hold exactly the slots that have a row, between two updates.
//!   * A slot has a row exactly while some set has it. Free slots are reused.
//!   * Rows that come are counted before rows that go, so a row that moves from one query to
//!     another in one update stays.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::index::{ColumnIndex, HashIndex};
use super::{ApplyMode, StoredRow, TableAppliedDiff};
use crate::update::TableUpdate;
use crate::wire::QuerySetId;

/// A place for a row.
pub(super) type SlotIndex = u32;

/// A place for a row, and who has it.
#[derive(Debug)]
pub(super) struct Slot<Row> {
    row: Option<Arc<StoredRow<Row>>>,
    /// Of the row's bytes.
    hash: u64,
    /// How often each set has the row. Most rows are in one set, once.
    members: SmallVec<[(QuerySetId, u32); 2]>,
    /// During an update: whether the row was there before. `None` if nothing touched it.
    was_there: Option<bool>,
}

/// The row in a slot that has one.
pub(super) fn row_at<Row>(slots: &[Slot<Row>], slot: SlotIndex) -> &Row {
    &stored_at(slots, slot).row
}

fn stored_at<Row>(slots: &[Slot<Row>], slot: SlotIndex) -> &Arc<StoredRow<Row>> {
    let slot = &slots[position(slot)];
    slot.row.as_ref().expect("the slot of an entry has a row")
}

fn position(slot: SlotIndex) -> usize {
    usize::try_from(slot).expect("a slot is an index into memory")
}

/// The rows of one table that the client has.
pub struct TableCache<Row> {
    slots: Vec<Slot<Row>>,
    free: Vec<SlotIndex>,
    by_bytes: HashTable<SlotIndex>,
    state: foldhash::fast::RandomState,
    indexes: Vec<(&'static str, Box<dyn ColumnIndex<Row>>)>,
    /// Slots that the update at hand has touched.
    touched: Vec<SlotIndex>,
}

impl<Row> std::fmt::Debug for TableCache<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.by_bytes.len();
        f.debug_struct("TableCache").field("rows", &rows).finish()
    }
}

impl<Row: Send + Sync + 'static> TableCache<Row> {
    pub(super) fn new() -> Self {
        TableCache {
            slots: Vec::new(),
            free: Vec::new(),
            by_bytes: HashTable::new(),
            state: foldhash::fast::RandomState::default(),
            indexes: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Makes an index of a column whose values differ from row to row.
    pub fn add_unique_constraint<Col>(&mut self, name: &'static str, column: fn(&Row) -> &Col)
    where
        Col: Eq + Hash + 'static,
    {
        self.add_index(name, column);
    }

    /// Makes an index of any column.
    ///
    /// Panics if there are rows already.
    pub fn add_index<Col>(&mut self, name: &'static str, column: fn(&Row) -> &Col)
    where
        Col: Eq + Hash + 'static,
    {
        assert!(self.slots.is_empty(), "indexes are made before rows come");
        self.indexes.push((name, Box::new(HashIndex::new(column))));
    }

    pub(crate) fn len(&self) -> usize {
        self.by_bytes.len()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Arc<StoredRow<Row>>> {
        self.slots.iter().filter_map(|slot| slot.row.as_ref())
    }

    /// A row by the value of an indexed column.
    pub(crate) fn find<Col>(&self, index: &str, value: &Col) -> Option<&Arc<StoredRow<Row>>>
    where
        Col: Eq + Hash + 'static,
    {
        let slot = self.index::<Col>(index)?.find(&self.slots, value)?;
        Some(stored_at(&self.slots, slot))
    }

    /// All rows with that value.
    pub(crate) fn filter<'a, Col>(
        &'a self,
        index: &str,
        value: &'a Col,
    ) -> impl Iterator<Item = &'a Arc<StoredRow<Row>>>
    where
        Col: Eq + Hash + 'static,
    {
        let index = self.index::<Col>(index).into_iter();
        index
            .flat_map(move |index| index.filter(&self.slots, value))
            .map(|slot| stored_at(&self.slots, slot))
    }

    fn index<Col>(&self, name: &str) -> Option<&HashIndex<Row, Col>>
    where
        Col: Eq + Hash + 'static,
    {
        let (_, index) = self.indexes.iter().find(|(known, _)| *known == name)?;
        index.as_any().downcast_ref()
    }

    /// Changes the rows. Also says which set was said to lose a row that it does not have.
    pub(super) fn apply<'r>(
        &mut self,
        update: &'r TableUpdate<Row>,
        mode: ApplyMode,
    ) -> (TableAppliedDiff<'r, Row>, Option<QuerySetId>) {
        let mut unknown = None;
        self.take_members(mode);
        let mut diff = TableAppliedDiff::default();
        for part in &update.parts {
            diff.inserts.append(&mut part.events.take());
            for row in part.inserts.take() {
                let slot = self.find_or_insert(row);
                self.touch(slot);
                join(&mut self.slots[position(slot)].members, part.set);
            }
        }
        for part in &update.parts {
            for index in 0..part.deletes.len() {
                let slot = part.deletes.row(index).and_then(|row| self.find_bytes(row));
                let known = slot.is_some_and(|slot| {
                    self.touch(slot);
                    leave(&mut self.slots[position(slot)].members, part.set)
                });
                if !known {
                    unknown.get_or_insert(part.set);
                }
            }
        }
        self.settle(&mut diff);
        (diff, unknown)
    }

    /// Takes away what an update replaces.
    fn take_members(&mut self, mode: ApplyMode) {
        if mode == ApplyMode::Change {
            return;
        }
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let was = slot.members.len();
            match mode {
                ApplyMode::Change => {}
                ApplyMode::Drop(set) => slot.members.retain(|(member, _)| *member != set),
                ApplyMode::Rebuild => slot.members.clear(),
            }
            if slot.members.len() != was {
                let slot = SlotIndex::try_from(index).expect("slots are counted in 32 bits");
                self.touch(slot);
            }
        }
    }

    fn touch(&mut self, index: SlotIndex) {
        let slot = &mut self.slots[position(index)];
        if slot.was_there.is_none() {
            // Only rows that came with this update are without a mark and not yet indexed: those
            // are marked when they get their slot.
            slot.was_there = Some(true);
            self.touched.push(index);
        }
    }

    fn find_bytes(&self, bytes: &[u8]) -> Option<SlotIndex> {
        let same = |slot: &SlotIndex| *stored_at(&self.slots, *slot).bytes == *bytes;
        let hash = self.state.hash_one(bytes);
        self.by_bytes.find(hash, same).copied()
    }

    fn find_or_insert(&mut self, row: Arc<StoredRow<Row>>) -> SlotIndex {
        let hash = self.state.hash_one(&*row.bytes);
        let slots = &self.slots;
        let same = |slot: &SlotIndex| stored_at(slots, *slot).bytes == row.bytes;
        if let Some(slot) = self.by_bytes.find(hash, same) {
            return *slot;
        }
        let slot = Slot {
            row: Some(row),
            hash,
            members: SmallVec::new(),
            was_there: Some(false),
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[position(index)] = slot;
                index
            }
            None => {
                let index = SlotIndex::try_from(self.slots.len());
                self.slots.push(slot);
                index.expect("fewer than 2^32 rows fit into memory")
            }
        };
        self.touched.push(index);
        let slots = &self.slots;
        self.by_bytes
            .insert_unique(hash, index, |slot| slots[position(*slot)].hash);
        index
    }

    /// Compares before and after, and brings the indexes into step.
    fn settle(&mut self, diff: &mut TableAppliedDiff<'_, Row>) {
        let mut came = Vec::new();
        for index in std::mem::take(&mut self.touched) {
            let slot = &mut self.slots[position(index)];
            let was_there = slot.was_there.take();
            let was_there = was_there.expect("touched slots are marked");
            match (was_there, !slot.members.is_empty()) {
                (true, true) => {}
                (false, true) => came.push(index),
                (true, false) => {
                    for (_, column) in &mut self.indexes {
                        column.remove(&self.slots, index);
                    }
                    diff.deletes.push(self.free_slot(index));
                }
                (false, false) => drop(self.free_slot(index)),
            }
        }
        diff.inserts.reserve(came.len());
        for index in came {
            for (_, column) in &mut self.indexes {
                column.insert(&self.slots, index);
            }
            diff.inserts.push(stored_at(&self.slots, index).clone());
        }
    }

    fn free_slot(&mut self, index: SlotIndex) -> Arc<StoredRow<Row>> {
        let slot = &mut self.slots[position(index)];
        let entry = self.by_bytes.find_entry(slot.hash, |other| *other == index);
        match entry {
            Ok(entry) => drop(entry.remove()),
            Err(_) => panic!("a row that is in the table is found by its bytes"),
        }
        self.free.push(index);
        slot.row.take().expect("a slot that is freed has a row")
    }
}

/// Counts a set that has the row once more.
fn join(members: &mut SmallVec<[(QuerySetId, u32); 2]>, set: QuerySetId) {
    match members.iter_mut().find(|(member, _)| *member == set) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => members.push((set, 1)),
    }
}

/// Counts it once less. False if it does not have the row.
fn leave(members: &mut SmallVec<[(QuerySetId, u32); 2]>, set: QuerySetId) -> bool {
    let Some(index) = members.iter().position(|(member, _)| *member == set) else {
        return false;
    };
    let (_, count) = &mut members[index];
    *count -= 1;
    if *count == 0 {
        members.swap_remove(index);
    }
    true
}

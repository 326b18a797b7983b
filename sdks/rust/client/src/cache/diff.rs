//! What an update changed in one table, for callbacks.

use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Arc;

use hashbrown::HashTable;

use super::StoredRow;

/// Up to this many comparisons, pairs are found by trying all.
const TRIED_PAIRS_MAX: usize = 64;

/// A row before and after a change.
type Update<Row> = (Arc<StoredRow<Row>>, Arc<StoredRow<Row>>);

/// Rows that came, went, or changed.
pub struct TableAppliedDiff<'r, Row> {
    pub(crate) inserts: Vec<Arc<StoredRow<Row>>>,
    pub(crate) deletes: Vec<Arc<StoredRow<Row>>>,
    pub(crate) updates: Vec<Update<Row>>,
    pub(crate) update: PhantomData<&'r ()>,
}

impl<Row> Default for TableAppliedDiff<'_, Row> {
    fn default() -> Self {
        TableAppliedDiff {
            inserts: Vec::new(),
            deletes: Vec::new(),
            updates: Vec::new(),
            update: PhantomData,
        }
    }
}

impl<Row> std::fmt::Debug for TableAppliedDiff<'_, Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableAppliedDiff")
            .field("inserts", &self.inserts.len())
            .field("deletes", &self.deletes.len())
            .field("updates", &self.updates.len())
            .finish()
    }
}

impl<Row> TableAppliedDiff<'_, Row> {
    pub(crate) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.deletes.is_empty() && self.updates.is_empty()
    }

    /// Makes one update of every delete and insert with the same primary key.
    #[must_use]
    pub fn with_updates_by_pk<Key: Eq + Hash>(mut self, key: impl Fn(&Row) -> &Key) -> Self {
        if self.deletes.is_empty() || self.inserts.is_empty() {
            return self;
        }
        if self.deletes.len().saturating_mul(self.inserts.len()) <= TRIED_PAIRS_MAX {
            self.pair_by_trying(key);
        } else {
            self.pair_by_hash(key);
        }
        self
    }

    fn pair_by_trying<Key: Eq>(&mut self, key: impl Fn(&Row) -> &Key) {
        let deletes = std::mem::take(&mut self.deletes);
        for old in deletes {
            let same = |new: &Arc<StoredRow<Row>>| key(&new.row) == key(&old.row);
            match self.inserts.iter().position(same) {
                Some(index) => {
                    let new = self.inserts.remove(index);
                    self.updates.push((old, new));
                }
                None => self.deletes.push(old),
            }
        }
    }

    fn pair_by_hash<Key: Eq + Hash>(&mut self, key: impl Fn(&Row) -> &Key) {
        let state = foldhash::fast::RandomState::default();
        let hash = |row: &Arc<StoredRow<Row>>| state.hash_one(key(&row.row));
        let mut gone: HashTable<Arc<StoredRow<Row>>> = HashTable::with_capacity(self.deletes.len());
        for old in self.deletes.drain(..) {
            gone.insert_unique(hash(&old), old, hash);
        }
        let inserts = std::mem::take(&mut self.inserts);
        for new in inserts {
            let same = |old: &Arc<StoredRow<Row>>| key(&old.row) == key(&new.row);
            match gone.find_entry(hash(&new), same) {
                Ok(entry) => self.updates.push((entry.remove().0, new)),
                Err(_) => self.inserts.push(new),
            }
        }
        self.deletes.extend(gone.drain());
    }
}

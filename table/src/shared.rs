//! Parts of a datastore that views share until the writer changes them.
//!
//! Invariants
//!   * Cloning costs one reference count, whatever the size.
//!   * Changing a shared part copies it first; of the tables only the directory and the table that
//!     is changed, whose rows and indexes are shared further down.
//!   * Every table is in the directory or among those kept at hand, never in both.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use spacetime_types::TableId;

use crate::table::Table;

/// A value that is copied when it is changed while shared.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

/// How many tables are kept at hand.
const HOT_COUNT: usize = 4;

/// The tables by id. Those that were changed last are kept out of the directory: changing them
/// again needs no look into it, and no check whether a view shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// None for a table that is in `hot`.
    directory: Arc<FxHashMap<TableId, Option<Arc<Table>>>>,
    hot: [Option<(TableId, Arc<Table>)>; HOT_COUNT],
    /// Which of `hot` makes room next.
    oldest: usize,
}

impl Tables {
    #[inline]
    pub fn get(&self, id: &TableId) -> Option<&Table> {
        if let Some((_, table)) = self.hot.iter().flatten().find(|(hot, _)| hot == id) {
            return Some(table);
        }
        self.directory.get(id)?.as_deref()
    }

    /// A table to change.
    #[inline]
    pub fn get_mut(&mut self, id: &TableId) -> Option<&mut Table> {
        let is_it =
            |hot: &Option<(TableId, Arc<Table>)>| hot.as_ref().is_some_and(|hot| hot.0 == *id);
        let at = match self.hot.iter().position(is_it) {
            Some(at) => at,
            None => self.take_out(id)?,
        };
        let hot = self.hot[at].as_mut();
        hot.map(|(_, table)| Arc::make_mut(table))
    }

    /// Takes a table out of the directory, in exchange for one that was changed less recently.
    #[cold]
    fn take_out(&mut self, id: &TableId) -> Option<usize> {
        if !self.directory.contains_key(id) {
            return None;
        }
        let directory = Arc::make_mut(&mut self.directory);
        let table = directory.get_mut(id).and_then(Option::take);
        assert!(table.is_some(), "a table is in one place");
        let at = self.oldest;
        self.oldest = (at + 1) % HOT_COUNT;
        if let Some((cold, table)) = self.hot[at].take() {
            directory.insert(cold, Some(table));
        }
        self.hot[at] = table.map(|table| (*id, table));
        Some(at)
    }

    /// Puts all tables back into the directory.
    fn settle(&mut self) -> &mut FxHashMap<TableId, Option<Arc<Table>>> {
        let directory = Arc::make_mut(&mut self.directory);
        for (id, table) in self.hot.iter_mut().filter_map(Option::take) {
            directory.insert(id, Some(table));
        }
        directory
    }

    /// Adds a table; returns the one that was there.
    pub fn insert(&mut self, id: TableId, table: Table) -> Option<Table> {
        let before = self.settle().insert(id, Some(Arc::new(table)));
        before.flatten().map(Arc::unwrap_or_clone)
    }

    pub fn remove(&mut self, id: &TableId) -> Option<Table> {
        let before = self.settle().remove(id);
        before.flatten().map(Arc::unwrap_or_clone)
    }

    pub fn contains_key(&self, id: &TableId) -> bool {
        self.directory.contains_key(id)
    }

    pub fn len(&self) -> usize {
        self.directory.len()
    }

    pub fn keys(&self) -> impl Iterator<Item = &TableId> {
        self.directory.keys()
    }

    pub fn values(&self) -> impl Iterator<Item = &Table> {
        let hot = self.hot.iter().flatten().map(|(_, table)| &**table);
        let others = self.directory.values().filter_map(Option::as_deref);
        hot.chain(others)
    }

    /// All tables to change, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        let tables = self.settle().values_mut().flatten();
        tables.map(Arc::make_mut)
    }
}

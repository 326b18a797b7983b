//! Parts of a datastore that views share until the writer changes them.
//!
//! Invariants
//!   * Cloning costs one reference count, whatever the size.
//!   * Changing a shared part copies it first; of the tables only the directory and the table that
//!     is changed, whose rows and indexes are shared further down.

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

/// The tables by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables(Arc<FxHashMap<TableId, Arc<Table>>>);

impl Tables {
    #[inline]
    pub fn get(&self, id: &TableId) -> Option<&Table> {
        self.0.get(id).map(|table| &**table)
    }

    /// A table to change.
    #[inline]
    pub fn get_mut(&mut self, id: &TableId) -> Option<&mut Table> {
        Arc::make_mut(&mut self.0).get_mut(id).map(Arc::make_mut)
    }

    /// Adds a table; returns the one that was there.
    pub fn insert(&mut self, id: TableId, table: Table) -> Option<Table> {
        let before = Arc::make_mut(&mut self.0).insert(id, Arc::new(table));
        before.map(Arc::unwrap_or_clone)
    }

    pub fn remove(&mut self, id: &TableId) -> Option<Table> {
        let before = Arc::make_mut(&mut self.0).remove(id);
        before.map(Arc::unwrap_or_clone)
    }

    pub fn contains_key(&self, id: &TableId) -> bool {
        self.0.contains_key(id)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn keys(&self) -> impl Iterator<Item = &TableId> {
        self.0.keys()
    }

    pub fn values(&self) -> impl Iterator<Item = &Table> {
        self.0.values().map(|table| &**table)
    }

    /// All tables to change, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        let tables = Arc::make_mut(&mut self.0).values_mut();
        tables.map(Arc::make_mut)
    }
}

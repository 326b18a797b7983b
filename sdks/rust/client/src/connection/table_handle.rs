//! Handles on tables and indexes: what the generated accessors hold.
//!
//! Invariant: nothing is locked when a method returns; iterators go over what they took out.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::DbContextImpl;
use crate::cache::{StoredRow, TableCache};
use crate::callbacks::{CallbackId, EventContextOf, TableCallbacks};
use crate::module::{InModule, SpacetimeModule};

/// A table.
pub struct TableHandle<Row: InModule> {
    connection: DbContextImpl<Row::Module>,
    name: &'static str,
}

impl<Row: InModule> Clone for TableHandle<Row> {
    fn clone(&self) -> Self {
        TableHandle::new(self.connection.clone(), self.name)
    }
}

impl<Row: InModule> Debug for TableHandle<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TableHandle").field(&self.name).finish()
    }
}

fn read<M: SpacetimeModule, Row: Send + Sync + 'static, T: Default>(
    connection: &DbContextImpl<M>,
    table: &str,
    read: impl FnOnce(&TableCache<Row>) -> T,
) -> T {
    let cache = connection.shared.cache.read();
    cache.table(table).map(read).unwrap_or_default()
}

impl<Row> TableHandle<Row>
where
    Row: InModule,
{
    pub(super) fn new(connection: DbContextImpl<Row::Module>, name: &'static str) -> Self {
        TableHandle { connection, name }
    }
}

impl<Row> TableHandle<Row>
where
    Row: InModule + Clone + Send + Sync + 'static,
{
    /// How many rows the client has.
    #[must_use]
    pub fn count(&self) -> u64 {
        let len = read(&self.connection, self.name, TableCache::<Row>::len);
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// The rows that the client has at this moment.
    pub fn iter(&self) -> impl Iterator<Item = Row> + use<Row> {
        let rows = read(&self.connection, self.name, |table: &TableCache<Row>| {
            table.rows().cloned().collect::<Vec<_>>()
        });
        rows.into_iter()
            .map(|row: Arc<StoredRow<Row>>| row.row.clone())
    }

    /// Runs `callback` for every row that comes.
    pub fn on_insert(
        &self,
        callback: impl FnMut(&EventContextOf<Row>, &Row) + Send + 'static,
    ) -> CallbackId {
        let callback = Box::new(callback);
        self.add(|callbacks, id| callbacks.on_insert.push((id, callback)))
    }

    /// Runs it no more.
    pub fn remove_on_insert(&self, id: CallbackId) {
        self.remove(move |callbacks| callbacks.on_insert.retain(|(known, _)| *known != id));
    }

    /// Runs `callback` for every row that goes.
    pub fn on_delete(
        &self,
        callback: impl FnMut(&EventContextOf<Row>, &Row) + Send + 'static,
    ) -> CallbackId {
        let callback = Box::new(callback);
        self.add(|callbacks, id| callbacks.on_delete.push((id, callback)))
    }

    /// Runs it no more.
    pub fn remove_on_delete(&self, id: CallbackId) {
        self.remove(move |callbacks| callbacks.on_delete.retain(|(known, _)| *known != id));
    }

    /// Runs `callback` for every row that changes.
    pub fn on_update(
        &self,
        callback: impl FnMut(&EventContextOf<Row>, &Row, &Row) + Send + 'static,
    ) -> CallbackId {
        let callback = Box::new(callback);
        self.add(|callbacks, id| callbacks.on_update.push((id, callback)))
    }

    /// Runs it no more.
    pub fn remove_on_update(&self, id: CallbackId) {
        self.remove(move |callbacks| callbacks.on_update.retain(|(known, _)| *known != id));
    }

    /// A column whose values differ from row to row.
    #[must_use]
    pub fn get_unique_constraint<Col>(
        &self,
        name: &'static str,
    ) -> UniqueConstraintHandle<Row, Col> {
        UniqueConstraintHandle {
            index: self.get_index(name),
        }
    }

    /// Any column with an index.
    #[must_use]
    pub fn get_index<Col>(&self, name: &'static str) -> IndexHandle<Row, Col> {
        IndexHandle {
            connection: self.connection.clone(),
            table: self.name,
            name,
            column: PhantomData,
        }
    }

    fn add(
        &self,
        add: impl FnOnce(&mut TableCallbacks<Row>, CallbackId) + Send + 'static,
    ) -> CallbackId {
        let (name, id) = (self.name, CallbackId::next());
        self.connection.register(Box::new(move |all| {
            if let Some(callbacks) = all.table_mut(name) {
                add(callbacks, id);
            }
        }));
        id
    }

    fn remove(&self, remove: impl FnOnce(&mut TableCallbacks<Row>) + Send + 'static) {
        let name = self.name;
        self.connection.register(Box::new(move |all| {
            if let Some(callbacks) = all.table_mut(name) {
                remove(callbacks);
            }
        }));
    }
}

/// A column with an index.
pub struct IndexHandle<Row: InModule, Col> {
    connection: DbContextImpl<Row::Module>,
    table: &'static str,
    name: &'static str,
    column: PhantomData<fn(&Col)>,
}

impl<Row: InModule, Col> Debug for IndexHandle<Row, Col> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = (self.table, self.name);
        f.debug_tuple("IndexHandle").field(&name).finish()
    }
}

impl<Row, Col> IndexHandle<Row, Col>
where
    Row: InModule + Clone + Send + Sync + 'static,
    Col: Eq + Hash + 'static,
{
    /// A row whose column has `value`.
    #[must_use]
    pub fn find(&self, value: &Col) -> Option<Row> {
        let row = read(&self.connection, self.table, |table: &TableCache<Row>| {
            table.find(self.name, value).cloned()
        });
        row.map(|row| row.row.clone())
    }

    /// All rows whose column has `value`.
    pub fn filter(&self, value: &Col) -> impl Iterator<Item = Row> + use<Row, Col> {
        let rows = read(&self.connection, self.table, |table: &TableCache<Row>| {
            let rows = table.filter(self.name, value);
            rows.cloned().collect::<Vec<_>>()
        });
        rows.into_iter().map(|row| row.row.clone())
    }
}

/// A column whose values differ from row to row.
pub struct UniqueConstraintHandle<Row: InModule, Col> {
    index: IndexHandle<Row, Col>,
}

impl<Row: InModule, Col> Debug for UniqueConstraintHandle<Row, Col> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.index.fmt(f)
    }
}

impl<Row, Col> UniqueConstraintHandle<Row, Col>
where
    Row: InModule + Clone + Send + Sync + 'static,
    Col: Eq + Hash + 'static,
{
    /// The row whose column has `value`, if the client has it.
    #[must_use]
    pub fn find(&self, value: &Col) -> Option<Row> {
        self.index.find(value)
    }
}

//! What table handles can do.
//!
//! [`Table`], [`TableWithPrimaryKey`] and [`EventTable`] are what a program brings into scope.
//! The other traits say the same, one ability each, for code that is generic over tables.

/// A table whose rows the client has.
pub trait Table {
    /// A row.
    type Row: 'static;
    /// What callbacks get.
    type EventContext;

    /// How many rows the client has.
    fn count(&self) -> u64;

    /// The rows that the client has, in no particular order: a copy as of this call.
    fn iter(&self) -> impl Iterator<Item = Self::Row> + '_;

    /// Names a callback, to remove it.
    type InsertCallbackId;

    /// Runs `callback` for every row that comes.
    fn on_insert(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row) + Send + 'static,
    ) -> Self::InsertCallbackId;

    /// Runs it no more.
    fn remove_on_insert(&self, callback: Self::InsertCallbackId);

    /// Names a callback, to remove it.
    type DeleteCallbackId;

    /// Runs `callback` for every row that goes.
    fn on_delete(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row) + Send + 'static,
    ) -> Self::DeleteCallbackId;

    /// Runs it no more.
    fn remove_on_delete(&self, callback: Self::DeleteCallbackId);
}

/// A table with a primary key: a row that goes while one with the same key comes is an update.
pub trait TableWithPrimaryKey: Table {
    /// Names a callback, to remove it.
    type UpdateCallbackId;

    /// Runs `callback` for every row that changes, with the old and the new row.
    fn on_update(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row, &Self::Row) + Send + 'static,
    ) -> Self::UpdateCallbackId;

    /// Runs it no more.
    fn remove_on_update(&self, callback: Self::UpdateCallbackId);
}

/// A table whose rows only pass by: the client never has any.
pub trait EventTable {
    /// A row.
    type Row: 'static;
    /// What callbacks get.
    type EventContext;

    /// Always 0.
    fn count(&self) -> u64;

    /// Always empty.
    fn iter(&self) -> impl Iterator<Item = Self::Row> + '_;

    /// Names a callback, to remove it.
    type InsertCallbackId;

    /// Runs `callback` for every row that passes by.
    fn on_insert(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row) + Send + 'static,
    ) -> Self::InsertCallbackId;

    /// Runs it no more.
    fn remove_on_insert(&self, callback: Self::InsertCallbackId);
}

/// Any table: its rows.
pub trait TableLike {
    /// A row.
    type Row: 'static;
    /// What callbacks get.
    type EventContext;

    /// How many rows the client has.
    fn count(&self) -> u64;

    /// The rows that the client has.
    fn iter(&self) -> impl Iterator<Item = Self::Row> + '_;
}

/// Any table: rows that come.
pub trait WithInsert: TableLike {
    /// Names a callback, to remove it.
    type InsertCallbackId;

    /// Runs `callback` for every row that comes.
    fn on_insert(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row) + Send + 'static,
    ) -> Self::InsertCallbackId;

    /// Runs it no more.
    fn remove_on_insert(&self, callback: Self::InsertCallbackId);
}

/// Any table that keeps rows: rows that go.
pub trait WithDelete: TableLike {
    /// Names a callback, to remove it.
    type DeleteCallbackId;

    /// Runs `callback` for every row that goes.
    fn on_delete(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row) + Send + 'static,
    ) -> Self::DeleteCallbackId;

    /// Runs it no more.
    fn remove_on_delete(&self, callback: Self::DeleteCallbackId);
}

/// Any table with a primary key: rows that change.
pub trait WithUpdate: TableLike {
    /// Names a callback, to remove it.
    type UpdateCallbackId;

    /// Runs `callback` for every row that changes, with the old and the new row.
    fn on_update(
        &self,
        callback: impl FnMut(&Self::EventContext, &Self::Row, &Self::Row) + Send + 'static,
    ) -> Self::UpdateCallbackId;

    /// Runs it no more.
    fn remove_on_update(&self, callback: Self::UpdateCallbackId);
}

/// Stands for a table of `Db` where no connection is at hand.
pub trait TableAccessor<Db: ?Sized> {
    /// A row.
    type Row: 'static;
    /// A handle on the table.
    type Handle<'db>
    where
        Db: 'db;

    /// The table of a connection.
    fn get<'db>(db: &'db Db) -> Self::Handle<'db>;
}

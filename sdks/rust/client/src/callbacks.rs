//! Callbacks of rows, by table.
//!
//! Invariants
//!   * Callbacks of one table run in the order of their registration, for one row after the other.
//!   * Nothing is locked but the registry itself while they run: registering and removing is put
//!     aside (see `connection`) and done when they are through.

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::{StoredRow, TableAppliedDiff};
use crate::module::{InModule, SpacetimeModule};

/// Names a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallbackId(u64);

impl CallbackId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        CallbackId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What callbacks of a table's rows get.
pub(crate) type EventContextOf<Row> = <<Row as InModule>::Module as SpacetimeModule>::EventContext;

/// A callback for a row that comes or goes.
pub type RowCallback<Row> = Box<dyn FnMut(&EventContextOf<Row>, &Row) + Send + 'static>;

/// A callback for a row that changes.
pub type UpdateCallback<Row> = Box<dyn FnMut(&EventContextOf<Row>, &Row, &Row) + Send + 'static>;

/// The callbacks of one table.
pub(crate) struct TableCallbacks<Row: InModule> {
    pub(crate) on_insert: Vec<(CallbackId, RowCallback<Row>)>,
    pub(crate) on_delete: Vec<(CallbackId, RowCallback<Row>)>,
    pub(crate) on_update: Vec<(CallbackId, UpdateCallback<Row>)>,
}

impl<Row: InModule> TableCallbacks<Row> {
    fn new() -> Self {
        TableCallbacks {
            on_insert: Vec::new(),
            on_delete: Vec::new(),
            on_update: Vec::new(),
        }
    }
}

/// The callbacks of all tables of a module.
pub struct DbCallbacks<M> {
    tables: HashMap<&'static str, Box<dyn Any + Send>>,
    module: PhantomData<fn() -> M>,
}

impl<M> std::fmt::Debug for DbCallbacks<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables = self.tables.keys();
        f.debug_tuple("DbCallbacks")
            .field(&tables.collect::<Vec<_>>())
            .finish()
    }
}

impl<M: SpacetimeModule> DbCallbacks<M> {
    pub(crate) fn new() -> Self {
        DbCallbacks {
            tables: HashMap::new(),
            module: PhantomData,
        }
    }

    /// The callbacks of a table, to change them. `None` if the name stands for another type.
    pub(crate) fn table_mut<Row>(&mut self, name: &'static str) -> Option<&mut TableCallbacks<Row>>
    where
        Row: InModule<Module = M> + 'static,
    {
        self.tables
            .entry(name)
            .or_insert_with(|| Box::new(TableCallbacks::<Row>::new()))
            .downcast_mut()
    }

    /// Runs the callbacks of a table: for rows that came, then that went, then that changed.
    pub fn invoke_table_row_callbacks<Row>(
        &mut self,
        name: &'static str,
        diff: &TableAppliedDiff<'_, Row>,
        event: &M::EventContext,
    ) where
        Row: InModule<Module = M> + 'static,
    {
        if diff.is_empty() {
            return;
        }
        let Some(callbacks) = self.tables.get_mut(name) else {
            return;
        };
        let Some(callbacks) = callbacks.downcast_mut::<TableCallbacks<Row>>() else {
            return;
        };
        run(&mut callbacks.on_insert, &diff.inserts, event);
        run(&mut callbacks.on_delete, &diff.deletes, event);
        for (old, new) in &diff.updates {
            for (_, callback) in &mut callbacks.on_update {
                callback(event, &old.row, &new.row);
            }
        }
    }
}

fn run<Row: InModule>(
    callbacks: &mut [(CallbackId, RowCallback<Row>)],
    rows: &[Arc<StoredRow<Row>>],
    event: &EventContextOf<Row>,
) {
    for row in rows {
        for (_, callback) in callbacks.iter_mut() {
            callback(event, &row.row);
        }
    }
}

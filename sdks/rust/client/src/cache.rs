//! The client's copy of rows: every row of every set, counted by set.
//!
//! Invariants
//!   * A row is there while at least one query of one set has it. It comes (callbacks for inserts)
//!     when the first does, and goes (callbacks for deletes) when the last does not any more.
//!   * Which sets have a row is known exactly, so a set can be taken away, or replaced after a
//!     reconnect, without a word from the server.
//!   * An update is applied as a whole: what callbacks are told is the difference between before
//!     and after, whatever rows did in between.
//!
//! Not here: callbacks, and what the server says (`update`).

mod diff;
mod index;
mod table;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::marker::PhantomData;

pub use diff::TableAppliedDiff;
pub use table::TableCache;

use crate::module::{InModule, SpacetimeModule};
use crate::sats::de::DeserializeOwned;
use crate::update::TableUpdate;
use crate::wire::QuerySetId;

/// A row, and the bytes that it came as, which are its identity.
#[derive(Debug)]
pub struct StoredRow<Row> {
    pub(crate) row: Row,
    pub(crate) bytes: Box<[u8]>,
}

/// What an update stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApplyMode {
    /// Rows that came and went.
    Change,
    /// Nothing any more in this set.
    Drop(QuerySetId),
    /// All rows of all sets: what the cache has besides goes.
    Rebuild,
}

/// An update took away a row that its set does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inconsistency {
    pub(crate) table: &'static str,
    pub(crate) set: QuerySetId,
}

/// The tables of a module.
pub struct ClientCache<M> {
    tables: HashMap<&'static str, Box<dyn Any + Send + Sync>, foldhash::fast::RandomState>,
    mode: ApplyMode,
    inconsistency: Option<Inconsistency>,
    module: PhantomData<fn() -> M>,
}

impl<M> Debug for ClientCache<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables = self.tables.keys();
        f.debug_tuple("ClientCache")
            .field(&tables.collect::<Vec<_>>())
            .finish()
    }
}

impl<M: SpacetimeModule> ClientCache<M> {
    pub(crate) fn new() -> Self {
        let mut cache = ClientCache {
            tables: HashMap::default(),
            mode: ApplyMode::Change,
            inconsistency: None,
            module: PhantomData,
        };
        M::register_tables(&mut cache);
        cache
    }

    /// Says what the updates up to [`finish`](Self::finish) stand for.
    pub(crate) fn begin(&mut self, mode: ApplyMode) {
        self.mode = mode;
    }

    /// The first thing that was wrong with the updates, if anything was.
    pub(crate) fn finish(&mut self) -> Option<Inconsistency> {
        self.mode = ApplyMode::Change;
        self.inconsistency.take()
    }

    /// A table that readers ask for. `None` if the bindings did not register it.
    pub(crate) fn table<Row>(&self, name: &str) -> Option<&TableCache<Row>>
    where
        Row: Send + Sync + 'static,
    {
        self.tables.get(name)?.downcast_ref()
    }

    /// A table, made if it is not there.
    ///
    /// Panics if the bindings use one name for two types of rows.
    pub fn get_or_make_table<Row>(&mut self, name: &'static str) -> &mut TableCache<Row>
    where
        Row: InModule<Module = M> + DeserializeOwned + Debug + Clone + Send + Sync + 'static,
    {
        self.tables
            .entry(name)
            .or_insert_with(|| Box::new(TableCache::<Row>::new()))
            .downcast_mut()
            .expect("bindings have one type of rows for each table")
    }

    /// Changes a table, and says what that changed.
    pub fn apply_diff_to_table<'r, Row>(
        &mut self,
        name: &'static str,
        update: &'r TableUpdate<Row>,
    ) -> TableAppliedDiff<'r, Row>
    where
        Row: InModule<Module = M> + DeserializeOwned + Debug + Clone + Send + Sync + 'static,
    {
        let mode = self.mode;
        if mode == ApplyMode::Change && update.parts.is_empty() {
            return TableAppliedDiff::default();
        }
        let table = self.get_or_make_table::<Row>(name);
        let (diff, unknown) = table.apply(update, mode);
        if let (Some(set), None) = (unknown, &self.inconsistency) {
            self.inconsistency = Some(Inconsistency { table: name, set });
        }
        diff
    }
}

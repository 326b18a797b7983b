//! Tables, as reducers see them.
//!
//! The attribute `table` makes a handle for each table, which implements [`Table`]; the handle's
//! own methods give the indexes.
//!
//! Invariants
//!   * Handles have no data: a table or an index is found by its name, once for each instance of
//!     the module.
//!   * What is the same for all rows is compiled once; only encoding and decoding is not.

mod bounds;
mod definition;
mod errors;
mod index;
mod rows;

use crate::bsatn::{DeserializeOwned, Reader, Serialize};
use crate::scratch::with_buffer;
use crate::spacetime_type::SpacetimeType;
use crate::sys::{Errno, host};
use crate::types::{IndexId, TableId};

pub use bounds::{
    Bare, ColumnTerm, IndexScanRangeBounds, PointBounds, PointTerm, RangeTerm, Tuple,
};
pub use definition::{IndexAlgorithm, IndexDefinition, ScheduleDefinition, TableDefinition};
pub use errors::{
    AutoIncOverflow, MaybeError, TryInsertError, TryUpdateError, UniqueConstraintViolation,
};
pub use index::{
    Column, Index, PointIndex, PointIndexReadOnly, PrimaryKey, RangedIndex, RangedIndexReadOnly,
    UniqueColumn, UniqueColumnReadOnly,
};
pub use rows::TableIter;

/// What every table can do. It has to be in scope: `use spacetimedb::Table`.
pub trait Table: TableInternal {
    /// The struct that rows are.
    type Row: SpacetimeType + Serialize + DeserializeOwned + Sized + 'static;

    /// The error if a value of a unique column exists; `Infallible` if there is no such column.
    type UniqueConstraintViolation: MaybeError<UniqueConstraintViolation>;

    /// The error if a sequence runs out; `Infallible` if there is none.
    type AutoIncOverflow: MaybeError<AutoIncOverflow>;

    /// Puts generated values into the columns that have sequences.
    #[doc(hidden)]
    fn fill_generated(row: &mut Self::Row, generated: &mut Reader<'_>);

    /// How many rows there are, those of this transaction included. Takes constant time.
    fn count(&self) -> u64 {
        let count = host::datastore_table_row_count(Self::table_id().0);
        count.unwrap_or_else(|errno| errno.unexpected())
    }

    /// All rows, in no order.
    #[inline]
    fn iter(&self) -> TableIter<Self::Row> {
        TableIter::over_table(Self::table_id())
    }

    /// Adds a row and returns it with its generated columns. Panics if it violates a constraint.
    #[track_caller]
    fn insert(&self, row: Self::Row) -> Self::Row {
        match insert::<Self>(row) {
            Ok(row) => row,
            Err(errno) => errors::fail_insert(Self::TABLE_NAME, errno),
        }
    }

    /// Adds a row and returns it with its generated columns, or says why it was refused.
    #[track_caller]
    fn try_insert(&self, row: Self::Row) -> Result<Self::Row, TryInsertError<Self>> {
        insert::<Self>(row).map_err(TryInsertError::from_errno)
    }

    /// Deletes the row that is equal to this one; says whether there was one.
    // By value, as the official library has it.
    #[allow(clippy::needless_pass_by_value)]
    fn delete(&self, row: Self::Row) -> bool {
        let deleted = with_buffer(|buffer| {
            // An array of one row.
            buffer.extend_from_slice(&1u32.to_le_bytes());
            row.serialize(buffer);
            host::datastore_delete_all_by_eq(Self::table_id().0, buffer)
        });
        0 < deleted.unwrap_or_else(|errno| errno.unexpected())
    }

    /// Deletes all rows; returns how many there were.
    fn clear(&self) -> u64 {
        let count = host::datastore_clear(Self::table_id().0);
        count.unwrap_or_else(|errno| errno.unexpected())
    }
}

/// What the attribute `table` says about a table.
#[doc(hidden)]
pub trait TableInternal: Sized {
    /// The name in the program.
    const TABLE_NAME: &'static str;

    /// Everything else.
    const DEFINITION: TableDefinition;

    /// The number by which the host knows it.
    fn table_id() -> TableId;
}

/// Adds a row; the generated columns come back in it.
fn insert<T: Table>(mut row: T::Row) -> Result<T::Row, Errno> {
    with_buffer(|buffer| {
        row.serialize(buffer);
        let generated = host::datastore_insert(T::table_id().0, buffer)?;
        if 0 < generated {
            T::fill_generated(&mut row, &mut Reader::new(&buffer[..generated]));
        }
        Ok(row)
    })
}

/// Replaces the row with the same key.
fn update<T: Table>(index: IndexId, mut row: T::Row) -> Result<T::Row, Errno> {
    with_buffer(|buffer| {
        row.serialize(buffer);
        let generated = host::datastore_update(T::table_id().0, index.0, buffer)?;
        if 0 < generated {
            T::fill_generated(&mut row, &mut Reader::new(&buffer[..generated]));
        }
        Ok(row)
    })
}

/// An id that the host is asked for once.
///
/// Natively it is asked for every time: one process may have several databases.
#[doc(hidden)]
#[derive(Debug)]
pub struct CachedId {
    #[cfg(target_arch = "wasm32")]
    id: std::sync::atomic::AtomicU32,
}

/// Not an id that the host ever gives out.
#[cfg(target_arch = "wasm32")]
const UNKNOWN: u32 = u32::MAX;

impl CachedId {
    /// Not yet known.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        CachedId {
            #[cfg(target_arch = "wasm32")]
            id: std::sync::atomic::AtomicU32::new(UNKNOWN),
        }
    }

    /// The id of the table with this name.
    #[inline]
    pub fn table(&self, name: &str) -> TableId {
        TableId(self.get(|| found("table", name, host::table_id_from_name(name))))
    }

    /// The id of the index with this name.
    #[inline]
    pub fn index(&self, name: &str) -> IndexId {
        IndexId(self.get(|| found("index", name, host::index_id_from_name(name))))
    }

    #[cfg(target_arch = "wasm32")]
    #[inline]
    fn get(&self, ask: impl FnOnce() -> u32) -> u32 {
        use std::sync::atomic::Ordering::Relaxed;
        match self.id.load(Relaxed) {
            UNKNOWN => {
                let id = ask();
                self.id.store(id, Relaxed);
                id
            }
            id => id,
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn get(&self, ask: impl FnOnce() -> u32) -> u32 {
        ask()
    }
}

#[cold]
fn found(what: &str, name: &str, id: Result<u32, Errno>) -> u32 {
    id.unwrap_or_else(|errno| panic!("cannot find the {what} `{name}`: {errno}"))
}

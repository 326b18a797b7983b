//! Indexes, as reducers and views see them.
//!
//! A unique column finds one row at most; a ranged index (btree or direct) finds values and ranges;
//! a point index (hash) finds full keys only. The read-only ones are those of views.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use super::bounds::{IndexScanRangeBounds, PointBounds, ScanKey};
use super::rows::delete_key;
use super::{Table, TableIter, TryUpdateError, errors, update};
#[cfg(feature = "unstable")]
use super::{TryInsertError, insert};
use crate::bsatn::Serialize;
use crate::scratch::with_buffer;
use crate::sys::host;
use crate::types::IndexId;

/// An index, which the attribute `table` names by a type.
#[doc(hidden)]
pub trait Index {
    /// The number by which the host knows it.
    fn id() -> IndexId;
}

/// An index over one unique column.
#[doc(hidden)]
pub trait Column: Index {
    /// The table it is a column of.
    type Table: Table;
    /// The column's type.
    type ColType: Serialize;
    /// The column's name.
    const COLUMN_NAME: &'static str;
    /// The column's value in a row.
    fn get_field(row: &<Self::Table as Table>::Row) -> &Self::ColType;
}

/// That of a primary key.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "only the primary key can be updated by",
    label = "this column is unique, but not the primary key",
    note = "mark the column with `#[primary_key]`, or delete the old row and insert the new one"
)]
pub trait PrimaryKey {}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident<$($parameter:ident),*>;)*) => {$(
        $(#[$doc])*
        pub struct $name<$($parameter),*> {
            index: PhantomData<fn() -> ($($parameter,)*)>,
        }

        impl<$($parameter),*> $name<$($parameter),*> {
            #[doc(hidden)]
            pub const HANDLE: Self = $name { index: PhantomData };
        }

        impl<$($parameter),*> fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

handles! {
    /// A unique column of a table.
    UniqueColumn<Tbl, ColType, Col>;
    /// A unique column, in a view.
    UniqueColumnReadOnly<Tbl, ColType, Col>;
    /// An ordered or direct index.
    RangedIndex<Tbl, IndexType, Idx>;
    /// An ordered or direct index, in a view.
    RangedIndexReadOnly<Tbl, IndexType, Idx>;
    /// A hash index.
    PointIndex<Tbl, IndexType, Idx>;
    /// A hash index, in a view.
    PointIndexReadOnly<Tbl, IndexType, Idx>;
}

/// The row with this value of a unique column.
fn find<Tbl: Table, ColType: Serialize>(index: IndexId, value: &ColType) -> Option<Tbl::Row> {
    let mut rows = with_buffer(|buffer| {
        value.serialize(buffer);
        TableIter::<Tbl::Row>::over_point(index, buffer)
    });
    rows.next()
}

fn delete<ColType: Serialize>(index: IndexId, value: &ColType) -> bool {
    let deleted = with_buffer(|buffer| {
        value.serialize(buffer);
        host::datastore_delete_by_index_scan_point(index.0, buffer)
    });
    0 < deleted.unwrap_or_else(|errno| errno.unexpected())
}

impl<Tbl: Table, Col: Column<Table = Tbl>> UniqueColumn<Tbl, Col::ColType, Col> {
    /// The row with this value.
    #[inline]
    pub fn find(&self, value: impl Borrow<Col::ColType>) -> Option<Tbl::Row> {
        find::<Tbl, Col::ColType>(Col::id(), value.borrow())
    }

    /// Deletes the row with this value; says whether there was one.
    #[inline]
    pub fn delete(&self, value: impl Borrow<Col::ColType>) -> bool {
        delete(Col::id(), value.borrow())
    }

    /// Replaces the row with the same primary key, and returns the new one with its generated
    /// columns. Panics if there is no such row, or if the new one violates a constraint.
    #[track_caller]
    pub fn update(&self, row: Tbl::Row) -> Tbl::Row
    where
        Col: PrimaryKey,
    {
        match update::<Tbl>(Col::id(), row) {
            Ok(row) => row,
            Err(errno) => errors::fail_update(errno),
        }
    }

    /// Replaces the row with the same primary key, and returns the new one with its generated
    /// columns; says why if it was refused. The old row stays then.
    #[track_caller]
    pub fn try_update(&self, row: Tbl::Row) -> Result<Tbl::Row, TryUpdateError<Tbl>>
    where
        Col: PrimaryKey,
    {
        update::<Tbl>(Col::id(), row).map_err(TryUpdateError::from_errno)
    }

    /// Replaces the row with the same value of this column, or adds the row. Panics if it
    /// violates another constraint.
    #[cfg(feature = "unstable")]
    #[track_caller]
    pub fn insert_or_update(&self, row: Tbl::Row) -> Tbl::Row {
        delete(Col::id(), Col::get_field(&row));
        match insert::<Tbl>(row) {
            Ok(row) => row,
            Err(errno) => errors::fail_insert(Tbl::TABLE_NAME, errno),
        }
    }

    /// Replaces the row with the same value of this column, or adds the row; says why if it was
    /// refused. The old row is gone then, unless the reducer fails too.
    #[cfg(feature = "unstable")]
    #[track_caller]
    pub fn try_insert_or_update(&self, row: Tbl::Row) -> Result<Tbl::Row, TryInsertError<Tbl>> {
        delete(Col::id(), Col::get_field(&row));
        insert::<Tbl>(row).map_err(TryInsertError::from_errno)
    }
}

impl<Tbl: Table, Col: Column<Table = Tbl>> UniqueColumnReadOnly<Tbl, Col::ColType, Col> {
    /// The row with this value.
    #[inline]
    pub fn find(&self, value: impl Borrow<Col::ColType>) -> Option<Tbl::Row> {
        find::<Tbl, Col::ColType>(Col::id(), value.borrow())
    }
}

fn filter_range<Tbl: Table, IndexType, Idx: Index, K>(
    bounds: &impl IndexScanRangeBounds<IndexType, K>,
) -> TableIter<Tbl::Row> {
    with_buffer(|buffer| {
        let mut key = ScanKey::new(buffer);
        bounds.encode(&mut key);
        TableIter::over_key(Idx::id(), &key)
    })
}

fn filter_point<Tbl: Table, IndexType, Idx: Index, K>(
    key: &impl PointBounds<IndexType, K>,
) -> TableIter<Tbl::Row> {
    with_buffer(|buffer| {
        key.encode(buffer);
        TableIter::over_point(Idx::id(), buffer)
    })
}

// By value, as the official library has them: a range is not copied without being written so.
#[allow(clippy::needless_pass_by_value)]
impl<Tbl: Table, IndexType, Idx: Index> RangedIndex<Tbl, IndexType, Idx> {
    /// The rows with these values.
    pub fn filter<B, K>(&self, bounds: B) -> TableIter<Tbl::Row>
    where
        B: IndexScanRangeBounds<IndexType, K>,
    {
        filter_range::<Tbl, IndexType, Idx, K>(&bounds)
    }

    /// Deletes the rows with these values; returns how many there were.
    pub fn delete<B, K>(&self, bounds: B) -> u64
    where
        B: IndexScanRangeBounds<IndexType, K>,
    {
        with_buffer(|buffer| {
            let mut key = ScanKey::new(buffer);
            bounds.encode(&mut key);
            delete_key(Idx::id(), &key)
        })
    }
}

#[allow(clippy::needless_pass_by_value)]
impl<Tbl: Table, IndexType, Idx: Index> RangedIndexReadOnly<Tbl, IndexType, Idx> {
    /// The rows with these values.
    pub fn filter<B, K>(&self, bounds: B) -> TableIter<Tbl::Row>
    where
        B: IndexScanRangeBounds<IndexType, K>,
    {
        filter_range::<Tbl, IndexType, Idx, K>(&bounds)
    }
}

#[allow(clippy::needless_pass_by_value)]
impl<Tbl: Table, IndexType, Idx: Index> PointIndex<Tbl, IndexType, Idx> {
    /// The rows with this key.
    pub fn filter<P, K>(&self, key: P) -> TableIter<Tbl::Row>
    where
        P: PointBounds<IndexType, K>,
    {
        filter_point::<Tbl, IndexType, Idx, K>(&key)
    }

    /// Deletes the rows with this key; returns how many there were.
    pub fn delete<P, K>(&self, key: P) -> u64
    where
        P: PointBounds<IndexType, K>,
    {
        with_buffer(|buffer| {
            key.encode(buffer);
            let deleted = host::datastore_delete_by_index_scan_point(Idx::id().0, buffer);
            u64::from(deleted.unwrap_or_else(|errno| errno.unexpected()))
        })
    }
}

#[allow(clippy::needless_pass_by_value)]
impl<Tbl: Table, IndexType, Idx: Index> PointIndexReadOnly<Tbl, IndexType, Idx> {
    /// The rows with this key.
    pub fn filter<P, K>(&self, key: P) -> TableIter<Tbl::Row>
    where
        P: PointBounds<IndexType, K>,
    {
        filter_point::<Tbl, IndexType, Idx, K>(&key)
    }
}

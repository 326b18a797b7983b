//! What an index is searched for: values and ranges of its columns.
//!
//! For an index over the columns (c1, ..., cn) that is
//!   * a value or a range of c1, bare or as a tuple of one;
//!   * a tuple of up to n of them, of which only the last may be a range.
//!
//! Which of these an argument is, is told apart by a marker type (`Kind`), which the compiler finds
//! by itself: no argument can be two of them.

use std::ops::{Bound, Range, RangeBounds, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};

use crate::filterable::FilterableValue;
use crate::sys::RangeArguments;

const INCLUDED: u8 = 0;
const EXCLUDED: u8 = 1;
const UNBOUNDED: u8 = 2;

/// An encoded search, in a buffer that is used again: a point, or a range after a prefix.
#[derive(Debug)]
#[doc(hidden)]
pub struct ScanKey<'a> {
    bytes: &'a mut Vec<u8>,
    /// None for a point, which then is all bytes.
    range: Option<RangePlaces>,
}

/// Where in the bytes the parts of a range are.
#[derive(Clone, Copy, Debug)]
struct RangePlaces {
    prefix_elems: u32,
    prefix_end: usize,
    start_end: usize,
    /// Whether the lower bound is the upper one too.
    is_equality: bool,
}

impl<'a> ScanKey<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        ScanKey { bytes, range: None }
    }

    pub(super) fn point(&self) -> &[u8] {
        self.bytes
    }

    pub(super) fn range(&self) -> Option<RangeArguments<'_>> {
        let places = self.range?;
        let (prefix, rest) = self.bytes.split_at(places.prefix_end);
        let (start, end) = rest.split_at(places.start_end - places.prefix_end);
        Some(RangeArguments {
            prefix,
            prefix_elems: places.prefix_elems,
            start,
            end: if places.is_equality { start } else { end },
        })
    }

    fn push(&mut self, value: &impl FilterableValue) {
        value.serialize(self.bytes);
    }

    /// Adds the last term, after so many values.
    fn finish<C, K>(&mut self, term: &impl ColumnTerm<C, K>, prefix_elems: u32, columns: u32) {
        let all_columns = prefix_elems + 1 == columns;
        let is_equality = term.is_point();
        if is_equality && all_columns {
            term.write_value(self.bytes);
            return;
        }
        let prefix_end = self.bytes.len();
        term.write_start(self.bytes);
        let start_end = self.bytes.len();
        if !is_equality {
            term.write_end(self.bytes);
        }
        self.range = Some(RangePlaces {
            prefix_elems,
            prefix_end,
            start_end,
            is_equality,
        });
    }
}

/// A value or a range of one column.
#[diagnostic::on_unimplemented(
    message = "an index over `{Column}` cannot be searched for `{Self}`",
    label = "neither a value nor a range of the column's type, `{Column}`",
    note = "a value is given with its type (`5u32`); a `String` as `&str` or `&String`; a range \
            as `a..b`, `a..`, `a..=b`, `..b` or `..=b`"
)]
#[doc(hidden)]
pub trait ColumnTerm<Column, Kind> {
    /// Whether it is one value.
    fn is_point(&self) -> bool;
    /// The value without a bound's tag; only if it is one.
    fn write_value(&self, out: &mut Vec<u8>);
    /// The lower bound.
    fn write_start(&self, out: &mut Vec<u8>);
    /// The upper bound.
    fn write_end(&self, out: &mut Vec<u8>);
}

/// The kind of a single value.
#[derive(Debug)]
#[doc(hidden)]
pub enum PointTerm {}

/// The kind of a range.
#[derive(Debug)]
#[doc(hidden)]
pub enum RangeTerm {}

impl<V: FilterableValue> ColumnTerm<V::Column, PointTerm> for V {
    fn is_point(&self) -> bool {
        true
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        self.serialize(out);
    }

    fn write_start(&self, out: &mut Vec<u8>) {
        out.push(INCLUDED);
        self.serialize(out);
    }

    fn write_end(&self, out: &mut Vec<u8>) {
        self.write_start(out);
    }
}

fn write_bound<V: FilterableValue>(bound: Bound<&V>, out: &mut Vec<u8>) {
    match bound {
        Bound::Included(value) => {
            out.push(INCLUDED);
            value.serialize(out);
        }
        Bound::Excluded(value) => {
            out.push(EXCLUDED);
            value.serialize(out);
        }
        Bound::Unbounded => out.push(UNBOUNDED),
    }
}

macro_rules! ranges {
    ($($range:ty),*) => {$(
        impl<V: FilterableValue> ColumnTerm<V::Column, RangeTerm> for $range {
            fn is_point(&self) -> bool {
                false
            }

            fn write_value(&self, _: &mut Vec<u8>) {}

            fn write_start(&self, out: &mut Vec<u8>) {
                write_bound(self.start_bound(), out);
            }

            fn write_end(&self, out: &mut Vec<u8>) {
                write_bound(self.end_bound(), out);
            }
        }
    )*};
}

ranges!(
    Range<V>,
    RangeFrom<V>,
    RangeInclusive<V>,
    RangeTo<V>,
    RangeToInclusive<V>,
    (Bound<V>, Bound<V>)
);

/// What a [`RangedIndex`](super::RangedIndex) over these columns can be searched for.
#[diagnostic::on_unimplemented(
    message = "an index over `{Columns}` cannot be searched for `{Self}`",
    label = "not a search of an index over `{Columns}`",
    note = "give a value or a range of the first column, or a tuple of values of the first \
            columns whose last one may be a range",
    note = "a value is given with its type (`5u32`); a `String` as `&str` or `&String`; a range \
            as `a..b`, `a..`, `a..=b`, `..b` or `..=b`"
)]
#[doc(hidden)]
pub trait IndexScanRangeBounds<Columns, Kind> {
    /// Encodes the search into an empty key.
    fn encode(&self, key: &mut ScanKey<'_>);
}

/// What a [`PointIndex`](super::PointIndex) over these columns can be searched for.
#[diagnostic::on_unimplemented(
    message = "a hash index over `{Columns}` cannot be searched for `{Self}`",
    label = "not a full key of a hash index over `{Columns}`",
    note = "a hash index finds only full keys: give a value of every column, and no ranges",
    note = "a value is given with its type (`5u32`); a `String` as `&str` or `&String`"
)]
#[doc(hidden)]
pub trait PointBounds<Columns, Kind> {
    /// Encodes the key.
    fn encode(&self, out: &mut Vec<u8>);
}

/// The kind of an argument that is not a tuple.
#[derive(Debug)]
#[doc(hidden)]
pub struct Bare<Kind>(Kind);

/// The kind of a tuple.
#[derive(Debug)]
#[doc(hidden)]
pub struct Tuple<Kind>(Kind);

/// The bare form for an index over so many columns, and the full keys of a hash index over them.
macro_rules! index_over {
    ($count:literal: $($column:ident $value:ident $place:tt),*) => {
        impl<C1, $($column,)* T, K> IndexScanRangeBounds<(C1, $($column,)*), Bare<K>> for T
        where
            T: ColumnTerm<C1, K>,
        {
            fn encode(&self, key: &mut ScanKey<'_>) {
                key.finish(self, 0, $count);
            }
        }

        impl<V1, $($value,)*> PointBounds<
            (V1::Column, $($value::Column,)*),
            Tuple<PointTerm>
        > for (V1, $($value,)*)
        where
            V1: FilterableValue,
            $($value: FilterableValue,)*
        {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.serialize(out);
                $(self.$place.serialize(out);)*
            }
        }
    };
}

index_over!(1:);
index_over!(2: C2 V2 1);
index_over!(3: C2 V2 1, C3 V3 2);
index_over!(4: C2 V2 1, C3 V3 2, C4 V4 3);
index_over!(5: C2 V2 1, C3 V3 2, C4 V4 3, C5 V5 4);
index_over!(6: C2 V2 1, C3 V3 2, C4 V4 3, C5 V5 4, C6 V6 5);

impl<V: FilterableValue> PointBounds<(V::Column,), Bare<PointTerm>> for V {
    fn encode(&self, out: &mut Vec<u8>) {
        self.serialize(out);
    }
}

/// Tuples: the columns of the leading values, that of the last term, and those left free.
macro_rules! tuples {
    ($($count:literal: [$($value:ident $place:tt),*] $last:tt [$($free:ident),*];)*) => {$(
        impl<$($value,)* C, $($free,)* T, K> IndexScanRangeBounds<
            ($($value::Column,)* C, $($free,)*),
            Tuple<K>
        > for ($($value,)* T,)
        where
            $($value: FilterableValue,)*
            T: ColumnTerm<C, K>,
        {
            fn encode(&self, key: &mut ScanKey<'_>) {
                $(key.push(&self.$place);)*
                key.finish(&self.$last, $last, $count);
            }
        }
    )*};
}

tuples! {
    1: [] 0 [];
    2: [] 0 [F1];
    2: [V0 0] 1 [];
    3: [] 0 [F1, F2];
    3: [V0 0] 1 [F1];
    3: [V0 0, V1 1] 2 [];
    4: [] 0 [F1, F2, F3];
    4: [V0 0] 1 [F1, F2];
    4: [V0 0, V1 1] 2 [F1];
    4: [V0 0, V1 1, V2 2] 3 [];
    5: [] 0 [F1, F2, F3, F4];
    5: [V0 0] 1 [F1, F2, F3];
    5: [V0 0, V1 1] 2 [F1, F2];
    5: [V0 0, V1 1, V2 2] 3 [F1];
    5: [V0 0, V1 1, V2 2, V3 3] 4 [];
    6: [] 0 [F1, F2, F3, F4, F5];
    6: [V0 0] 1 [F1, F2, F3, F4];
    6: [V0 0, V1 1] 2 [F1, F2, F3];
    6: [V0 0, V1 1, V2 2] 3 [F1, F2];
    6: [V0 0, V1 1, V2 2, V3 3] 4 [F1];
    6: [V0 0, V1 1, V2 2, V3 3, V4 4] 5 [];
}

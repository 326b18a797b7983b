//! What views must look like, and how their results are encoded.

use crate::algebraic_type::AlgebraicType;
use crate::bsatn::{DeserializeOwned, Serialize};
use crate::context::{AnonymousViewContext, ViewContext};
use crate::filterable::FilterableValue;
use crate::query_builder::{
    FromWhere, LeftSemiJoin, Query, RawQuery, RightSemiJoin, Table as QueryTable,
};
use crate::rt::AnyViewFn;
use crate::spacetime_type::{SpacetimeType, TypeBuilder};

const ROWS: u8 = 0;
const SQL: u8 = 1;

/// The type of a view's parameter: which kind of view it is.
#[diagnostic::on_unimplemented(
    message = "the parameter of a view must be `&ViewContext` or `&AnonymousViewContext`, not \
               `{Self}`",
    label = "expected `&ViewContext` or `&AnonymousViewContext`",
    note = "a view looks like this: `fn name(ctx: &ViewContext) -> Vec<Row> {{ ... }}`"
)]
pub trait ViewContextArgument {
    /// The context behind the reference.
    type Context;

    /// The function, as one of its kind.
    fn function(call: fn(&Self::Context) -> Vec<u8>) -> AnyViewFn;
}

impl ViewContextArgument for &ViewContext {
    type Context = ViewContext;

    fn function(call: fn(&ViewContext) -> Vec<u8>) -> AnyViewFn {
        AnyViewFn::Sender(call)
    }
}

impl ViewContextArgument for &AnonymousViewContext {
    type Context = AnonymousViewContext;

    fn function(call: fn(&AnonymousViewContext) -> Vec<u8>) -> AnyViewFn {
        AnyViewFn::Anonymous(call)
    }
}

/// What a view may return.
#[diagnostic::on_unimplemented(
    message = "a view cannot return `{Self}`",
    label = "not what a view returns",
    note = "a view returns `Vec<T>`, `Option<T>`, `impl Query<T>` or `RawQuery<T>`, where `T` is \
            a table's row or a struct with `#[derive(SpacetimeType)]`"
)]
pub trait ViewReturn {
    /// The struct that its rows are.
    type Row;

    /// Describes the result.
    fn make_type(types: &mut TypeBuilder) -> AlgebraicType;

    /// Encodes the result.
    fn into_bytes(self) -> Vec<u8>;
}

impl<T: SpacetimeType + Serialize + DeserializeOwned> ViewReturn for Vec<T> {
    type Row = T;

    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        <Vec<T> as SpacetimeType>::make_type(types)
    }

    fn into_bytes(self) -> Vec<u8> {
        rows(&self)
    }
}

impl<T: SpacetimeType + Serialize + DeserializeOwned> ViewReturn for Option<T> {
    type Row = T;

    fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
        <Option<T> as SpacetimeType>::make_type(types)
    }

    fn into_bytes(self) -> Vec<u8> {
        rows(self.as_slice())
    }
}

fn rows<T: Serialize>(rows: &[T]) -> Vec<u8> {
    let mut out = vec![ROWS];
    rows.serialize(&mut out);
    out
}

macro_rules! queries {
    ($($query:ident<$row:ident $(, $other:ident)?>),*) => {$(
        impl<$row: SpacetimeType $(, $other)?> ViewReturn for $query<$row $(, $other)?>
        where
            Self: Query<$row>,
        {
            type Row = $row;

            fn make_type(types: &mut TypeBuilder) -> AlgebraicType {
                query_type::<$row>(types)
            }

            fn into_bytes(self) -> Vec<u8> {
                call_query_view(self)
            }
        }
    )*};
}

queries!(RawQuery<T>, QueryTable<T>, FromWhere<T>, LeftSemiJoin<T>, RightSemiJoin<R, L>);

/// The type of a view that is a query over such rows.
pub fn query_type<T: SpacetimeType>(types: &mut TypeBuilder) -> AlgebraicType {
    AlgebraicType::product([("__query__", T::make_type(types))])
}

/// Encodes a query.
pub fn call_query_view<T>(query: impl Query<T>) -> Vec<u8> {
    let mut out = vec![SQL];
    query.into_sql().serialize(&mut out);
    out
}

/// Fails to compile if a field is not one that rows can be told apart by.
#[derive(Debug)]
pub struct ViewKeyColumn;

impl ViewKeyColumn {
    /// `get` reads the field of a row.
    pub const fn check<Row, T>(_get: fn(&Row) -> &T)
    where
        for<'a> &'a T: FilterableValue<Column = T>,
    {
    }
}

//! Queries, written in Rust: `ctx.from.person().filter(|p| p.age.gte(18u8))`.
//!
//! Invariants
//!   * A column can be compared with a value of its own type, or with another column of that type
//!     in the same row; anything else does not compile.
//!   * Values and names are quoted: no text of a value can change the query.
//!
//! Not here: running queries. The database does that.

mod expression;
mod literal;

use std::marker::PhantomData;

pub use expression::{BoolExpr, CanBeBool, Col, IntoOperand, IxCol, IxJoinEq, Operand};
pub(crate) use literal::write_quoted;
pub use literal::{LiteralValue, write_variant};

/// What a view may return instead of rows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query for rows of `{T}`",
    label = "not a query for rows of `{T}`",
    note = "a `left_semijoin` gives rows of the left table, a `right_semijoin` of the right one"
)]
pub trait Query<T> {
    /// The text of the query.
    fn into_sql(self) -> String;
}

/// A row with columns to compare. The attribute `table` derives it.
pub trait HasCols {
    /// A struct with a [`Col`] for each column.
    type Cols;

    /// The columns of the table with this name.
    fn cols(table: &'static str) -> Self::Cols;
}

/// A row with indexed columns to join by. The attribute `table` derives it.
pub trait HasIxCols {
    /// A struct with an [`IxCol`] for each index over one column.
    type IxCols;

    /// Those of the table with this name.
    fn ix_cols(table: &'static str) -> Self::IxCols;
}

/// A row that can be looked up in a join: not that of an event table.
#[diagnostic::on_unimplemented(
    message = "the table of `{Self}` cannot be joined with",
    label = "an event table has no rows to look up"
)]
pub trait CanBeLookupTable: HasIxCols {}

/// A whole table.
pub struct Table<T> {
    name: &'static str,
    row: PhantomData<fn() -> T>,
}

/// A table, of which only some rows are wanted.
pub struct FromWhere<T> {
    table: Table<T>,
    condition: String,
}

/// The rows of a table that have a partner in another one.
pub struct LeftSemiJoin<L> {
    left: Table<L>,
    join: String,
    condition: String,
}

/// The rows of the other table, `R`.
pub struct RightSemiJoin<R, L> {
    right: Table<R>,
    join: String,
    /// What is asked of the left table's rows.
    left_condition: String,
    condition: String,
    left: PhantomData<fn() -> L>,
}

/// A query as text.
pub struct RawQuery<T> {
    sql: String,
    row: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Table<T> {}

fn and(condition: &mut String, other: &str) {
    if condition.is_empty() {
        condition.push_str(other);
    } else {
        *condition = format!("({condition} AND {other})");
    }
}

fn select(table: &str, join: &str, condition: &str) -> String {
    let mut sql = String::from("SELECT ");
    if !join.is_empty() {
        write_quoted(table, &mut sql);
        sql.push('.');
    }
    sql.push_str("* FROM ");
    if join.is_empty() {
        write_quoted(table, &mut sql);
    } else {
        sql.push_str(join);
    }
    if !condition.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(condition);
    }
    sql
}

impl<T> Table<T> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Table {
            name,
            row: PhantomData,
        }
    }

    /// The name in the program.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn all(self) -> FromWhere<T> {
        FromWhere {
            table: self,
            condition: String::new(),
        }
    }

    /// The query for all rows.
    pub fn build(self) -> RawQuery<T> {
        self.all().build()
    }
}

impl<T: HasCols> Table<T> {
    /// Only the rows for which the condition holds.
    pub fn filter<P: CanBeBool<T>>(self, condition: impl Fn(&T::Cols) -> P) -> FromWhere<T> {
        self.all().filter(condition)
    }

    /// Only the rows for which the condition holds.
    pub fn r#where<P: CanBeBool<T>>(self, condition: impl Fn(&T::Cols) -> P) -> FromWhere<T> {
        self.all().filter(condition)
    }
}

impl<T: HasIxCols> Table<T> {
    /// The rows that have a partner in the other table.
    pub fn left_semijoin<R: CanBeLookupTable, V>(
        self,
        right: Table<R>,
        on: impl Fn(&T::IxCols, &R::IxCols) -> IxJoinEq<T, R, V>,
    ) -> LeftSemiJoin<T> {
        self.all().left_semijoin(right, on)
    }

    /// The other table's rows that have a partner in this one.
    pub fn right_semijoin<R: CanBeLookupTable, V>(
        self,
        right: Table<R>,
        on: impl Fn(&T::IxCols, &R::IxCols) -> IxJoinEq<T, R, V>,
    ) -> RightSemiJoin<R, T> {
        self.all().right_semijoin(right, on)
    }
}

impl<T: HasCols> FromWhere<T> {
    /// Only the rows for which this condition holds as well.
    pub fn filter<P: CanBeBool<T>>(mut self, condition: impl Fn(&T::Cols) -> P) -> Self {
        let condition = condition(&T::cols(self.table.name)).into_bool_expr();
        and(&mut self.condition, condition.sql());
        self
    }

    /// Only the rows for which this condition holds as well.
    pub fn r#where<P: CanBeBool<T>>(self, condition: impl Fn(&T::Cols) -> P) -> Self {
        self.filter(condition)
    }
}

impl<T> FromWhere<T> {
    /// The query for these rows.
    pub fn build(self) -> RawQuery<T> {
        RawQuery::new(select(self.table.name, "", &self.condition))
    }
}

impl<T: HasIxCols> FromWhere<T> {
    fn join<R: HasIxCols, V>(
        &self,
        right: Table<R>,
        on: impl Fn(&T::IxCols, &R::IxCols) -> IxJoinEq<T, R, V>,
    ) -> String {
        let (left, right) = (self.table.name, right.name);
        let equality = on(&T::ix_cols(left), &R::ix_cols(right));
        let mut sql = String::new();
        write_quoted(left, &mut sql);
        sql.push_str(" JOIN ");
        write_quoted(right, &mut sql);
        sql.push_str(" ON ");
        equality.write(&mut sql);
        sql
    }

    /// Those of these rows that have a partner in the other table.
    pub fn left_semijoin<R: CanBeLookupTable, V>(
        self,
        right: Table<R>,
        on: impl Fn(&T::IxCols, &R::IxCols) -> IxJoinEq<T, R, V>,
    ) -> LeftSemiJoin<T> {
        LeftSemiJoin {
            join: self.join(right, on),
            left: self.table,
            condition: self.condition,
        }
    }

    /// The other table's rows that have a partner among these.
    pub fn right_semijoin<R: CanBeLookupTable, V>(
        self,
        right: Table<R>,
        on: impl Fn(&T::IxCols, &R::IxCols) -> IxJoinEq<T, R, V>,
    ) -> RightSemiJoin<R, T> {
        RightSemiJoin {
            join: self.join(right, on),
            right,
            left_condition: self.condition,
            condition: String::new(),
            left: PhantomData,
        }
    }
}

macro_rules! joins {
    ($($join:ident<$row:ident $(, $other:ident)?> by $table:ident;)*) => {$(
        impl<$row: HasCols $(, $other)?> $join<$row $(, $other)?> {
            /// Only the rows for which this condition holds as well.
            pub fn filter<P: CanBeBool<$row>>(
                mut self,
                condition: impl Fn(&$row::Cols) -> P,
            ) -> Self {
                let condition = condition(&$row::cols(self.$table.name)).into_bool_expr();
                and(&mut self.condition, condition.sql());
                self
            }

            /// Only the rows for which this condition holds as well.
            pub fn r#where<P: CanBeBool<$row>>(
                self,
                condition: impl Fn(&$row::Cols) -> P,
            ) -> Self {
                self.filter(condition)
            }
        }
    )*};
}

joins! {
    LeftSemiJoin<L> by left;
    RightSemiJoin<R, L> by right;
}

impl<L> LeftSemiJoin<L> {
    /// The query for these rows.
    pub fn build(self) -> RawQuery<L> {
        RawQuery::new(select(self.left.name, &self.join, &self.condition))
    }
}

impl<R, L> RightSemiJoin<R, L> {
    /// The query for these rows.
    pub fn build(self) -> RawQuery<R> {
        let sides = [self.left_condition, self.condition];
        let sides: Vec<String> = sides.into_iter().filter(|side| !side.is_empty()).collect();
        let condition = sides.join(" AND ");
        RawQuery::new(select(self.right.name, &self.join, &condition))
    }
}

impl<T> RawQuery<T> {
    /// The query with this text.
    pub fn new(sql: String) -> Self {
        RawQuery {
            sql,
            row: PhantomData,
        }
    }

    /// Its text.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

impl<T> Query<T> for RawQuery<T> {
    fn into_sql(self) -> String {
        self.sql
    }
}

macro_rules! queries {
    ($($query:ident<$row:ident $(, $other:ident)?>;)*) => {$(
        impl<$row $(, $other)?> Query<$row> for $query<$row $(, $other)?> {
            fn into_sql(self) -> String {
                self.build().sql
            }
        }

        impl<$row $(, $other)?> From<$query<$row $(, $other)?>> for RawQuery<$row> {
            fn from(query: $query<$row $(, $other)?>) -> Self {
                query.build()
            }
        }
    )*};
}

queries! {
    Table<T>;
    FromWhere<T>;
    LeftSemiJoin<L>;
    RightSemiJoin<R, L>;
}

macro_rules! debug {
    ($($type:ident<$($parameter:ident),*>: $field:ident;)*) => {$(
        impl<$($parameter),*> std::fmt::Debug for $type<$($parameter),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.$field).finish()
            }
        }
    )*};
}

debug! {
    Table<T>: name;
    FromWhere<T>: condition;
    LeftSemiJoin<L>: join;
    RightSemiJoin<R, L>: join;
    RawQuery<T>: sql;
}

#[cfg(test)]
mod tests;

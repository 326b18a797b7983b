//! Typed queries: they only make the text of a subscription.
//!
//! Invariants
//!   * Names are quoted and literals escaped; nothing that a program passes in becomes syntax.
//!   * An expression is in parentheses of its own.

mod literal;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

pub use literal::Operand;

/// The columns of a row's type.
pub trait HasCols {
    /// One field for each column.
    type Cols;

    /// The columns of a table with such rows.
    fn cols(table_name: &'static str) -> Self::Cols;
}

/// The columns that have an index of their own.
pub trait HasIxCols {
    /// One field for each such column.
    type IxCols;

    /// Those of a table with such rows.
    fn ix_cols(table_name: &'static str) -> Self::IxCols;
}

/// Rows of tables that a join can look into: those that are stored.
pub trait CanBeLookupTable: HasIxCols {}

/// A query that gives rows `T`.
pub trait Query<T> {
    /// Its text.
    fn into_sql(self) -> String;
}

/// A table that is queried.
#[derive(Debug)]
pub struct Table<T> {
    name: &'static str,
    rows: PhantomData<fn() -> T>,
}

/// A column of a table.
#[derive(Debug)]
pub struct Col<T, V> {
    table: &'static str,
    column: &'static str,
    types: PhantomData<fn() -> (T, V)>,
}

/// A column with an index.
#[derive(Debug)]
pub struct IxCol<T, V> {
    column: Col<T, V>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Table<T> {}
impl<T, V> Clone for Col<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, V> Copy for Col<T, V> {}
impl<T, V> Clone for IxCol<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, V> Copy for IxCol<T, V> {}

/// A condition on a row.
#[derive(Clone, Debug)]
pub struct BoolExpr<T> {
    sql: String,
    rows: PhantomData<fn() -> T>,
}

/// What stands for a condition: a condition, a column of truth values, or such a value.
pub trait IntoBoolExpr<T> {
    /// The condition.
    fn into_bool_expr(self) -> BoolExpr<T>;
}

/// Two columns that a join makes equal.
#[derive(Clone, Debug)]
pub struct JoinOn<L, R> {
    sql: String,
    sides: PhantomData<fn() -> (L, R)>,
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[allow(clippy::needless_pass_by_value)] // a program passes literals and columns as they are
impl<T, V> Col<T, V> {
    /// A column by its name.
    #[must_use]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        Col {
            table,
            column,
            types: PhantomData,
        }
    }

    fn sql(self) -> String {
        format!("{}.{}", quote(self.table), quote(self.column))
    }

    fn compare(self, operator: &str, other: &impl Operand<T, V>) -> BoolExpr<T> {
        BoolExpr::from_sql(format!("({} {operator} {})", self.sql(), other.to_sql()))
    }

    /// Equal.
    pub fn eq(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare("=", &other)
    }

    /// Not equal.
    pub fn ne(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare("<>", &other)
    }

    /// Less.
    pub fn lt(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare("<", &other)
    }

    /// Less or equal.
    pub fn lte(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare("<=", &other)
    }

    /// Greater.
    pub fn gt(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare(">", &other)
    }

    /// Greater or equal.
    pub fn gte(self, other: impl Operand<T, V>) -> BoolExpr<T> {
        self.compare(">=", &other)
    }
}

impl<T> Col<T, bool> {
    /// Both.
    pub fn and(self, other: impl IntoBoolExpr<T>) -> BoolExpr<T> {
        self.into_bool_expr().and(other)
    }

    /// At least one.
    pub fn or(self, other: impl IntoBoolExpr<T>) -> BoolExpr<T> {
        self.into_bool_expr().or(other)
    }

    /// The opposite.
    #[allow(clippy::should_implement_trait)] // the name is part of the API
    pub fn not(self) -> BoolExpr<T> {
        self.into_bool_expr().not()
    }
}

impl<T, V> IxCol<T, V> {
    /// A column by its name.
    #[must_use]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        IxCol {
            column: Col::new(table, column),
        }
    }

    /// Joins two tables where these columns are equal.
    pub fn eq<R>(self, other: IxCol<R, V>) -> JoinOn<T, R> {
        JoinOn {
            sql: format!("{} = {}", self.column.sql(), other.column.sql()),
            sides: PhantomData,
        }
    }
}

impl<T> BoolExpr<T> {
    fn from_sql(sql: String) -> Self {
        BoolExpr {
            sql,
            rows: PhantomData,
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: impl IntoBoolExpr<T>) -> Self {
        BoolExpr::from_sql(format!("({} AND {})", self.sql, other.into_bool_expr().sql))
    }

    /// At least one.
    #[must_use]
    pub fn or(self, other: impl IntoBoolExpr<T>) -> Self {
        BoolExpr::from_sql(format!("({} OR {})", self.sql, other.into_bool_expr().sql))
    }

    /// The opposite.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // the name is part of the API
    pub fn not(self) -> Self {
        BoolExpr::from_sql(format!("(NOT {})", self.sql))
    }
}

impl<T> IntoBoolExpr<T> for BoolExpr<T> {
    fn into_bool_expr(self) -> BoolExpr<T> {
        self
    }
}

impl<T> IntoBoolExpr<T> for Col<T, bool> {
    fn into_bool_expr(self) -> BoolExpr<T> {
        self.eq(true)
    }
}

impl<T> IntoBoolExpr<T> for bool {
    fn into_bool_expr(self) -> BoolExpr<T> {
        let value = if self { "TRUE" } else { "FALSE" };
        BoolExpr::from_sql(format!("({value} = TRUE)"))
    }
}

/// A table's rows that meet conditions.
#[derive(Clone, Debug)]
pub struct Filtered<T> {
    table: Table<T>,
    condition: Option<BoolExpr<T>>,
}

/// The rows of one side of a join.
#[derive(Clone, Debug)]
pub struct SemiJoin<T> {
    /// Up to the conditions.
    sql: String,
    /// The table whose rows these are.
    kept: &'static str,
    /// Of the other side.
    other_condition: Option<String>,
    condition: Option<BoolExpr<T>>,
    /// Whether the kept side is written first.
    kept_first: bool,
}

impl<T> Table<T> {
    /// A table by its name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Table {
            name,
            rows: PhantomData,
        }
    }

    fn all(self) -> Filtered<T> {
        Filtered {
            table: self,
            condition: None,
        }
    }

    /// Only rows that meet the condition.
    pub fn filter<E: IntoBoolExpr<T>>(self, condition: impl FnOnce(&T::Cols) -> E) -> Filtered<T>
    where
        T: HasCols,
    {
        self.all().filter(condition)
    }

    /// The same as [`filter`](Self::filter).
    pub fn r#where<E: IntoBoolExpr<T>>(self, condition: impl FnOnce(&T::Cols) -> E) -> Filtered<T>
    where
        T: HasCols,
    {
        self.filter(condition)
    }

    /// Only rows that have a partner in the other table.
    pub fn left_semijoin<R>(
        self,
        other: impl Into<Filtered<R>>,
        on: impl FnOnce(&T::IxCols, &R::IxCols) -> JoinOn<T, R>,
    ) -> SemiJoin<T>
    where
        T: HasIxCols,
        R: CanBeLookupTable,
    {
        self.all().left_semijoin(other, on)
    }

    /// The rows of the other table that have a partner in this one.
    pub fn right_semijoin<R>(
        self,
        other: impl Into<Filtered<R>>,
        on: impl FnOnce(&T::IxCols, &R::IxCols) -> JoinOn<T, R>,
    ) -> SemiJoin<R>
    where
        T: HasIxCols,
        R: CanBeLookupTable,
    {
        self.all().right_semijoin(other, on)
    }
}

impl<T> From<Table<T>> for Filtered<T> {
    fn from(table: Table<T>) -> Self {
        table.all()
    }
}

/// One more condition.
fn narrow<T, E: IntoBoolExpr<T>>(known: Option<BoolExpr<T>>, more: E) -> Option<BoolExpr<T>> {
    Some(match known {
        Some(known) => known.and(more),
        None => more.into_bool_expr(),
    })
}

impl<T> Filtered<T> {
    /// Only rows that meet this condition, too.
    #[must_use]
    pub fn filter<E: IntoBoolExpr<T>>(mut self, condition: impl FnOnce(&T::Cols) -> E) -> Self
    where
        T: HasCols,
    {
        let condition = condition(&T::cols(self.table.name));
        self.condition = narrow(self.condition, condition);
        self
    }

    /// The same as [`filter`](Self::filter).
    #[must_use]
    pub fn r#where<E: IntoBoolExpr<T>>(self, condition: impl FnOnce(&T::Cols) -> E) -> Self
    where
        T: HasCols,
    {
        self.filter(condition)
    }

    /// Only rows that have a partner in the other table.
    pub fn left_semijoin<R>(
        self,
        other: impl Into<Filtered<R>>,
        on: impl FnOnce(&T::IxCols, &R::IxCols) -> JoinOn<T, R>,
    ) -> SemiJoin<T>
    where
        T: HasIxCols,
        R: CanBeLookupTable,
    {
        let other = other.into();
        SemiJoin {
            sql: join_sql(self.table, &self.table, &other.table, on),
            kept: self.table.name,
            other_condition: other.condition.map(|condition| condition.sql),
            condition: self.condition,
            kept_first: true,
        }
    }

    /// The rows of the other table that have a partner in this one.
    pub fn right_semijoin<R>(
        self,
        other: impl Into<Filtered<R>>,
        on: impl FnOnce(&T::IxCols, &R::IxCols) -> JoinOn<T, R>,
    ) -> SemiJoin<R>
    where
        T: HasIxCols,
        R: CanBeLookupTable,
    {
        let other = other.into();
        SemiJoin {
            sql: join_sql(other.table, &self.table, &other.table, on),
            kept: other.table.name,
            other_condition: self.condition.map(|condition| condition.sql),
            condition: other.condition,
            kept_first: false,
        }
    }
}

fn join_sql<K, L: HasIxCols, R: HasIxCols>(
    kept: Table<K>,
    left: &Table<L>,
    right: &Table<R>,
    on: impl FnOnce(&L::IxCols, &R::IxCols) -> JoinOn<L, R>,
) -> String {
    let on = on(&L::ix_cols(left.name), &R::ix_cols(right.name));
    let (kept, left, right) = (quote(kept.name), quote(left.name), quote(right.name));
    format!("SELECT {kept}.* FROM {left} JOIN {right} ON {}", on.sql)
}

impl<T> SemiJoin<T> {
    /// Only rows that meet this condition, too.
    #[must_use]
    pub fn filter<E: IntoBoolExpr<T>>(mut self, condition: impl FnOnce(&T::Cols) -> E) -> Self
    where
        T: HasCols,
    {
        let condition = condition(&T::cols(self.kept));
        self.condition = narrow(self.condition, condition);
        self
    }

    /// The same as [`filter`](Self::filter).
    #[must_use]
    pub fn r#where<E: IntoBoolExpr<T>>(self, condition: impl FnOnce(&T::Cols) -> E) -> Self
    where
        T: HasCols,
    {
        self.filter(condition)
    }
}

impl<T> Query<T> for Table<T> {
    fn into_sql(self) -> String {
        format!("SELECT * FROM {}", quote(self.name))
    }
}

impl<T> Query<T> for Filtered<T> {
    fn into_sql(self) -> String {
        let mut sql = self.table.into_sql();
        if let Some(condition) = self.condition {
            sql.push_str(" WHERE ");
            sql.push_str(&condition.sql);
        }
        sql
    }
}

impl<T> Query<T> for SemiJoin<T> {
    fn into_sql(self) -> String {
        let mut conditions = [self.condition.map(|own| own.sql), self.other_condition];
        if !self.kept_first {
            conditions.reverse();
        }
        let conditions: Vec<String> = conditions.into_iter().flatten().collect();
        if conditions.is_empty() {
            return self.sql;
        }
        format!("{} WHERE {}", self.sql, conditions.join(" AND "))
    }
}

/// Where queries begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueryBuilder {
    /// All tables.
    pub from: QueryTableAccessor,
}

/// All tables, each by a method that the bindings give.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueryTableAccessor;

//! Columns and conditions.

use std::marker::PhantomData;

use super::literal::{LiteralValue, write_quoted};

/// A column of the table of `T`, of type `V`.
pub struct Col<T, V> {
    table: &'static str,
    column: &'static str,
    types: PhantomData<fn() -> (T, V)>,
}

/// A column with an index.
pub struct IxCol<T, V> {
    column: Col<T, V>,
}

macro_rules! copy {
    ($($type:ident),*) => {$(
        impl<T, V> Clone for $type<T, V> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T, V> Copy for $type<T, V> {}
    )*};
}

copy!(Col, IxCol);

impl<T, V> std::fmt::Debug for Col<T, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Col({}.{})", self.table, self.column)
    }
}

impl<T, V> std::fmt::Debug for IxCol<T, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ix{:?}", self.column)
    }
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Operand<T> {
    sql: String,
    row: PhantomData<fn() -> T>,
}

impl<T> Operand<T> {
    pub(super) fn new(sql: String) -> Self {
        Operand {
            sql,
            row: PhantomData,
        }
    }
}

/// What a column of type `V` can be compared with: a value of that type, or such a column.
#[diagnostic::on_unimplemented(
    message = "a column of type `{V}` cannot be compared with a `{Self}`",
    label = "expected a `{V}`, or a column of that type in the same row"
)]
pub trait IntoOperand<T, V> {
    /// As a side of a comparison.
    fn into_operand(self) -> Operand<T>;
}

impl<T, V> IntoOperand<T, V> for Col<T, V> {
    fn into_operand(self) -> Operand<T> {
        let mut sql = String::new();
        self.write(&mut sql);
        Operand::new(sql)
    }
}

impl<T, V: LiteralValue> IntoOperand<T, V> for V {
    fn into_operand(self) -> Operand<T> {
        let mut sql = String::new();
        self.write_literal(&mut sql);
        Operand::new(sql)
    }
}

impl<T> IntoOperand<T, String> for &str {
    fn into_operand(self) -> Operand<T> {
        let mut sql = String::new();
        super::literal::write_text(self, &mut sql);
        Operand::new(sql)
    }
}

impl<T, V> Col<T, V> {
    #[doc(hidden)]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        Col {
            table,
            column,
            types: PhantomData,
        }
    }

    fn write(&self, out: &mut String) {
        write_quoted(self.table, out);
        out.push('.');
        write_quoted(self.column, out);
    }

    fn compare(self, operator: &str, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        let mut sql = String::from("(");
        self.write(&mut sql);
        sql.push_str(operator);
        sql.push_str(&right.into_operand().sql);
        sql.push(')');
        BoolExpr::new(sql)
    }

    /// Equal.
    pub fn eq(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" = ", right)
    }

    /// Not equal.
    pub fn ne(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" <> ", right)
    }

    /// Less than.
    pub fn lt(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" < ", right)
    }

    /// Less than or equal.
    pub fn lte(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" <= ", right)
    }

    /// Greater than.
    pub fn gt(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" > ", right)
    }

    /// Greater than or equal.
    pub fn gte(self, right: impl IntoOperand<T, V>) -> BoolExpr<T> {
        self.compare(" >= ", right)
    }
}

impl<T> Col<T, bool> {
    /// Both hold.
    pub fn and(self, other: impl CanBeBool<T>) -> BoolExpr<T> {
        self.into_bool_expr().and(other)
    }

    /// At least one holds.
    pub fn or(self, other: impl CanBeBool<T>) -> BoolExpr<T> {
        self.into_bool_expr().or(other)
    }

    /// It does not hold.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> BoolExpr<T> {
        self.into_bool_expr().not()
    }
}

impl<T, V> IxCol<T, V> {
    #[doc(hidden)]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        IxCol {
            column: Col::new(table, column),
        }
    }

    /// Equal to an indexed column of the other table.
    pub fn eq<R>(self, right: IxCol<R, V>) -> IxJoinEq<T, R, V> {
        IxJoinEq { left: self, right }
    }
}

/// What two tables are joined by.
#[derive(Debug)]
pub struct IxJoinEq<L, R, V> {
    left: IxCol<L, V>,
    right: IxCol<R, V>,
}

impl<L, R, V> IxJoinEq<L, R, V> {
    pub(super) fn write(&self, out: &mut String) {
        self.left.column.write(out);
        out.push_str(" = ");
        self.right.column.write(out);
    }
}

/// A condition on a row.
#[derive(Clone, Debug)]
pub struct BoolExpr<T> {
    sql: String,
    row: PhantomData<fn() -> T>,
}

impl<T> BoolExpr<T> {
    fn new(sql: String) -> Self {
        BoolExpr {
            sql,
            row: PhantomData,
        }
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// Both hold.
    pub fn and(self, other: impl CanBeBool<T>) -> BoolExpr<T> {
        let other = other.into_bool_expr();
        BoolExpr::new(format!("({} AND {})", self.sql, other.sql))
    }

    /// At least one holds.
    pub fn or(self, other: impl CanBeBool<T>) -> BoolExpr<T> {
        let other = other.into_bool_expr();
        BoolExpr::new(format!("({} OR {})", self.sql, other.sql))
    }

    /// It does not hold.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> BoolExpr<T> {
        BoolExpr::new(format!("(NOT {})", self.sql))
    }
}

/// What can be a condition: a comparison, a column of type `bool`, or a `bool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition on the rows of `{T}`",
    label = "expected a comparison, such as `row.column.eq(5u32)`"
)]
pub trait CanBeBool<T> {
    /// As a condition.
    fn into_bool_expr(self) -> BoolExpr<T>;
}

impl<T> CanBeBool<T> for BoolExpr<T> {
    fn into_bool_expr(self) -> BoolExpr<T> {
        self
    }
}

impl<T> CanBeBool<T> for Col<T, bool> {
    fn into_bool_expr(self) -> BoolExpr<T> {
        self.eq(true)
    }
}

impl<T> CanBeBool<T> for bool {
    fn into_bool_expr(self) -> BoolExpr<T> {
        let sql = if self {
            "(TRUE = TRUE)"
        } else {
            "(FALSE = TRUE)"
        };
        BoolExpr::new(sql.to_owned())
    }
}

//! What the parser hands on: exactly the grammar that we run, nothing of the rest of SQL.
//!
//! Invariant: expressions nest at most [`DEPTH_MAX`] levels; AND and OR chains are flat.

use std::fmt;

/// Deepest nesting of an expression (parentheses, NOT, chained comparisons).
pub(crate) const DEPTH_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    SetVariable { name: String, value: Literal },
    ShowVariable { name: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Select {
    pub items: Items,
    pub from: TableRef,
    pub joins: Vec<Join>,
    pub filter: Option<Expr>,
    /// The number's text; `LIMIT ALL` is `None`.
    pub limit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    Star,
    TableStar(String),
    Count { alias: String },
    Columns(Vec<Item>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub column: ColumnRef,
    pub alias: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableRef {
    pub name: String,
    pub alias: Option<String>,
}

impl TableRef {
    /// The name under which the columns are in scope.
    pub(crate) fn scope_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    pub table: TableRef,
    pub on: Option<(ColumnRef, ColumnRef)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnRef {
    pub qualifier: Option<String>,
    pub name: String,
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.qualifier {
            Some(qualifier) => write!(f, "{qualifier}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A literal's text; what it means is decided by the type it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Bool(bool),
    /// With its sign, without blanks.
    Number(String),
    /// The digits only.
    Hex(String),
    /// Unescaped.
    Str(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Number(text) | Literal::Hex(text) | Literal::Str(text) => f.write_str(text),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    Literal(Literal),
    Column(ColumnRef),
    Sender,
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Comparison::Eq => "=",
            Comparison::Ne => "<>",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
        }
    }

    /// The operator with its operands exchanged: `a < b` is `b > a`.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Comparison::Eq | Comparison::Ne => self,
            Comparison::Lt => Comparison::Gt,
            Comparison::Le => Comparison::Ge,
            Comparison::Gt => Comparison::Lt,
            Comparison::Ge => Comparison::Le,
        }
    }

    /// The operator that holds exactly when this one does not.
    pub(crate) fn negated(self) -> Self {
        match self {
            Comparison::Eq => Comparison::Ne,
            Comparison::Ne => Comparison::Eq,
            Comparison::Lt => Comparison::Ge,
            Comparison::Ge => Comparison::Lt,
            Comparison::Gt => Comparison::Le,
            Comparison::Le => Comparison::Gt,
        }
    }

    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Eq => order.is_eq(),
            Comparison::Ne => order.is_ne(),
            Comparison::Lt => order.is_lt(),
            Comparison::Le => order.is_le(),
            Comparison::Gt => order.is_gt(),
            Comparison::Ge => order.is_ge(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Insert {
    pub table: String,
    /// `None` without a column list.
    pub columns: Option<Vec<String>>,
    pub rows: Vec<Vec<Literal>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub table: String,
    pub assignments: Vec<(String, Literal)>,
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    pub table: String,
    pub filter: Option<Expr>,
}

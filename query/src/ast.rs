//! What the parser hands on: exactly the grammar that we run, nothing of the rest of SQL.
//!
//! Invariant: expressions nest at most [`DEPTH_MAX`] levels; AND and OR chains are flat.

use std::fmt;

/// Where something stands in the text, both from one; zero where it does not stand in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub line: u32,
    pub column: u32,
}

/// Deepest nesting of an expression (parentheses, NOT, chained comparisons).
pub(crate) const DEPTH_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    SetVariable {
        name: String,
        value: Literal,
    },
    ShowVariable {
        name: String,
    },
    /// With `analyze` the query is run.
    Explain {
        select: Select,
        analyze: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Select {
    pub distinct: bool,
    pub items: Items,
    pub from: TableRef,
    pub joins: Vec<Join>,
    pub filter: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub having: Option<Expr>,
    pub order_by: Vec<OrderItem>,
    /// The number's text; `LIMIT ALL` is `None`.
    pub limit: Option<String>,
    /// The number's text.
    pub offset: Option<String>,
    /// The statement again, for messages.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    Star,
    TableStar(String, At),
    List(Vec<Item>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub expr: Expr,
    pub alias: Option<String>,
    /// The expression again: the name of a column that has no better one.
    pub text: String,
    pub at: At,
}

/// A key of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderItem {
    pub expr: Expr,
    pub descending: bool,
    /// `NULLS FIRST` or `NULLS LAST`; otherwise nulls are smaller than everything.
    pub nulls_first: Option<bool>,
    pub at: At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableRef {
    pub name: String,
    pub alias: Option<String>,
    pub at: At,
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
    pub on: JoinOn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JoinOn {
    /// Every combination.
    Cross,
    Equal(ColumnRef, ColumnRef),
    /// `LEFT JOIN`: rows of the left side without a partner are kept.
    Left(Expr),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnRef {
    pub qualifier: Option<String>,
    pub name: String,
    pub at: At,
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
    Literal(Literal, At),
    Column(ColumnRef),
    Sender(At),
    /// The position is that of the operator.
    Compare(Comparison, Box<Expr>, Box<Expr>, At),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>, At),
    Like(Box<Expr>, Like, At),
    IsNull(Box<Expr>, At),
    Aggregate(Box<AggregateCall>),
}

impl Expr {
    /// Whether `test` holds of this expression or a part of it.
    pub(crate) fn any(&self, test: &impl Fn(&Expr) -> bool) -> bool {
        test(self)
            || match self {
                Expr::Literal(..) | Expr::Column(_) | Expr::Sender(_) => false,
                Expr::Compare(_, left, right, _) | Expr::Arithmetic(_, left, right, _) => {
                    left.any(test) || right.any(test)
                }
                Expr::And(terms) | Expr::Or(terms) => terms.iter().any(|term| term.any(test)),
                Expr::Not(inner) | Expr::Like(inner, ..) | Expr::IsNull(inner, _) => {
                    inner.any(test)
                }
                Expr::Aggregate(call) => call.argument.iter().any(|inner| inner.any(test)),
            }
    }

    /// How many parts the expression has.
    pub(crate) fn size(&self) -> usize {
        1 + match self {
            Expr::Literal(..) | Expr::Column(_) | Expr::Sender(_) => 0,
            Expr::Compare(_, left, right, _) | Expr::Arithmetic(_, left, right, _) => {
                left.size() + right.size()
            }
            Expr::And(terms) | Expr::Or(terms) => terms.iter().map(Expr::size).sum(),
            Expr::Not(inner) | Expr::Like(inner, ..) | Expr::IsNull(inner, _) => inner.size(),
            Expr::Aggregate(call) => call.argument.iter().map(Expr::size).sum(),
        }
    }

    pub(crate) fn has_aggregate(&self) -> bool {
        self.any(&|expr| matches!(expr, Expr::Aggregate(_)))
    }
}

/// An aggregate function applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AggregateCall {
    pub function: AggregateFunction,
    pub distinct: bool,
    /// `None` for `COUNT(*)`.
    pub argument: Option<Expr>,
    pub at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AggregateFunction {
    Count,
    Sum,
    Min,
    Max,
    Avg,
}

impl AggregateFunction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            AggregateFunction::Count => "COUNT",
            AggregateFunction::Sum => "SUM",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            AggregateFunction::Avg => "AVG",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        [
            AggregateFunction::Count,
            AggregateFunction::Sum,
            AggregateFunction::Min,
            AggregateFunction::Max,
            AggregateFunction::Avg,
        ]
        .into_iter()
        .find(|function| function.name().eq_ignore_ascii_case(name))
    }
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }
}

/// A pattern of LIKE: `%` is any text, `_` any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Like {
    pub pattern: String,
    pub escape: Option<char>,
    /// `ILIKE`: letters of ASCII match in either case.
    pub ignore_case: bool,
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
    pub at: At,
    /// `None` without a column list.
    pub columns: Option<Vec<(String, At)>>,
    pub rows: Vec<Vec<(Literal, At)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub table: String,
    pub at: At,
    pub assignments: Vec<(String, Literal, At)>,
    pub filter: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    pub table: String,
    pub at: At,
    pub filter: Option<Expr>,
}

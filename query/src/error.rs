//! Why a statement was refused. The texts reach users as they are; their fixed parts are what
//! existing clients and test suites look for.

use spacetime_table::error::{ReadError, WriteError};
use spacetime_types::TableId;

use crate::arithmetic::EvalError;
use crate::ast::At;

/// A statement that cannot be compiled. Nothing was executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    #[error("Empty SQL query")]
    Empty,
    #[error("Multiple SQL statements are not supported")]
    MultipleStatements,
    #[error("SQL query exceeds maximum allowed length: \"{shown}...\"")]
    TooLong { shown: String },
    /// The text is not SQL as we know it. The detail says what was expected and where.
    #[error("sql parser error: {0}")]
    Syntax(String),
    #[error("Unsupported: {0}")]
    Unsupported(String),
    #[error("Unsupported SELECT: {0}")]
    UnsupportedSelect(String),
    #[error("Unsupported expression: {0}")]
    UnsupportedExpression(String),
    #[error("Unsupported binary operator: {0}")]
    UnsupportedOperator(String),
    #[error("Unsupported literal expression: {0}")]
    UnsupportedLiteral(String),
    #[error("Unsupported projection expression: {0}")]
    UnsupportedProjection(String),
    #[error("Unsupported aggregate function: {0}")]
    UnsupportedAggregate(String),
    #[error("Unsupported FROM expression: {0}")]
    UnsupportedFrom(String),
    #[error("Unsupported INSERT expression: {0}")]
    UnsupportedInsert(String),
    #[error("Unsupported INSERT value: {0}")]
    UnsupportedInsertValue(String),
    #[error("Unsupported column/variable assignment expression: {0}")]
    UnsupportedAssignment(String),
    #[error("Unsupported table expression in DELETE: {0}")]
    UnsupportedDelete(String),
    #[error("Multi-table DELETE is not supported")]
    MultiTableDelete,
    #[error("Mixed wildcard projections are not supported")]
    MixedWildcard,
    #[error("SELECT * is not supported for joins")]
    WildcardJoin,
    #[error("Aggregate expressions must have column aliases")]
    AggregateWithoutAlias,
    #[error("A FROM clause is required")]
    NoFrom,
    #[error("Implicit joins are not supported")]
    ImplicitJoin,
    #[error("Non-inner joins are not supported")]
    NonInnerJoin,
    #[error("Could not compute positional arguments during query planning")]
    JoinOnOneTable,
    /// `hint` is empty or a sentence with a name that is in scope.
    #[error("`{name}` is not in scope{hint}")]
    NotInScope { name: String, hint: String },
    /// Missing, or invisible to the caller. `hint` is empty or a sentence naming a visible table.
    #[error("no such table: `{table}`. If the table exists, it may be marked private.{hint}")]
    NoSuchTable { table: String, hint: String },
    #[error("`{table}` does not have a field `{field}`{hint}")]
    NoSuchField {
        table: String,
        field: String,
        hint: String,
    },
    #[error("Duplicate name `{0}`")]
    DuplicateName(String),
    #[error("Names must be qualified when using joins")]
    UnqualifiedName,
    /// `found` is the type of the expression, `wanted` the one its context asks for; the words in
    /// the text are the other way round, and clients compare the text.
    #[error("Unexpected type: (expected) {found} != {wanted} (inferred)")]
    UnexpectedType { found: String, wanted: String },
    #[error("The literal expression `{text}` cannot be parsed as type `{type_name}`")]
    Literal { text: String, type_name: String },
    #[error("Cannot resolve type for literal expression")]
    UntypedLiteral,
    #[error("Invalid binary operator `{operator}` for type `{type_name}`")]
    InvalidOperator {
        operator: &'static str,
        type_name: String,
    },
    #[error(
        "The number of fields ({fields}) in the INSERT does not match the number of columns \
         ({columns}) of the table `{table}`"
    )]
    FieldCount {
        fields: usize,
        columns: usize,
        table: String,
    },
    #[error("Inserting a row with {values} values into `{table}` which has {columns} fields")]
    ValueCount {
        values: usize,
        table: String,
        columns: usize,
    },
    #[error("{0} is not a valid system variable")]
    InvalidVariable(String),
    #[error("`{0}` is a view; DML on views is not supported")]
    ViewChange(String),
    #[error("Caller {0} is not authorized to run SQL DML statements")]
    NotAuthorized(String),
    #[error(
        "Column projections are not supported in subscriptions; \
         Subscriptions must return a table type"
    )]
    SubscriptionProjection,
    #[error("Invalid number of tables in subscription: {0}")]
    SubscriptionTables(usize),
    /// The owner lets others read so many rows, and no more.
    #[error("Estimated cardinality ({expected} rows) exceeds limit ({limit} rows)")]
    RowLimit { expected: u64, limit: u64 },
    /// Put the table with the rules first, or ask as the owner.
    #[error("Unsupported expression: LEFT JOIN of a table with visibility rules")]
    RestrictedLeftJoin,
    /// Plans show how many rows there are, also hidden ones. Ask as the owner.
    #[error("EXPLAIN of tables with visibility rules, and of views, is for the owner")]
    RestrictedExplain,
    #[error("Subscriptions require indexes on join columns")]
    SubscriptionIndex,
    /// The module's visibility rules depend on each other in a circle. Change the rules.
    #[error("Discovered cyclic dependency when resolving RLS rules for table id `{0}`")]
    CyclicRules(TableId),
    /// The module's visibility rules multiply. Write fewer or plainer rules.
    #[error("the visibility rules of the tables make this query more than {0} queries or tables")]
    TooManyRules(usize),
    /// The module's visibility rule must select rows of the table it is for.
    #[error("the visibility rule `{sql}` does not return rows of table id `{table}`")]
    RuleTable { table: TableId, sql: String },
    #[error(
        "Unsupported projection expression: a column that is neither in GROUP BY nor inside an \
         aggregate function"
    )]
    NotGrouped,
    #[error(
        "Unsupported expression: an aggregate function outside of the select list, HAVING and \
         ORDER BY"
    )]
    MisplacedAggregate,
    #[error("Unsupported expression: with DISTINCT, ORDER BY takes only what is selected")]
    OrderNotSelected,
    #[error("Unsupported expression: ORDER BY {position} of a select list with {columns} columns")]
    OrderPosition { position: String, columns: usize },
    #[error("Unsupported {what} for type `{type_name}`")]
    UnsupportedType {
        what: &'static str,
        type_name: String,
    },
    #[error("Unsupported expression: {0}")]
    Pattern(&'static str),
    /// Another error, with its place.
    #[error("{error}{excerpt}")]
    Located {
        error: Box<SqlError>,
        at: Place,
        excerpt: String,
    },
}

/// A place in a statement, both counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// Most characters of a line that are shown.
const EXCERPT_CHARS: usize = 76;

impl SqlError {
    /// The error with its place, unless it has one or there is none.
    pub(crate) fn at(self, at: At) -> SqlError {
        match self {
            SqlError::Located { .. } => self,
            error if at == At::default() => error,
            error => SqlError::Located {
                error: Box::new(error),
                at: Place {
                    line: at.line,
                    column: at.column,
                },
                excerpt: String::new(),
            },
        }
    }

    /// Shows the place in `sql`, if there is one: the line with a mark below.
    pub(crate) fn shown_in(self, sql: &str) -> SqlError {
        match self {
            SqlError::Located { error, at, .. } => SqlError::Located {
                excerpt: excerpt(sql, at),
                error,
                at,
            },
            error => error,
        }
    }

    /// The error itself, without its place.
    #[must_use]
    pub fn kind(&self) -> &SqlError {
        match self {
            SqlError::Located { error, .. } => error,
            error => error,
        }
    }

    /// Where in the text it is, if that is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            SqlError::Located { at, .. } => Some(*at),
            _ => None,
        }
    }

    pub(crate) fn without_place(self) -> SqlError {
        match self {
            SqlError::Located { error, .. } => *error,
            error => error,
        }
    }
}

fn excerpt(sql: &str, at: Place) -> String {
    let position = |number: u32| usize::try_from(number).unwrap_or(0).saturating_sub(1);
    let Some(line) = sql.lines().nth(position(at.line)) else {
        return String::new();
    };
    let column = position(at.column);
    let skipped = column.saturating_sub(EXCERPT_CHARS / 2);
    let visible = |ch: char| if ch.is_control() { ' ' } else { ch };
    let shown: String = line
        .chars()
        .skip(skipped)
        .take(EXCERPT_CHARS)
        .map(visible)
        .collect();
    let (before, after) = (
        if skipped > 0 { "..." } else { "" },
        if line.chars().count() > skipped + EXCERPT_CHARS {
            "..."
        } else {
            ""
        },
    );
    let blanks = " ".repeat(before.len() + column - skipped);
    format!(
        "\n at line {}, column {}:\n  {before}{shown}{after}\n  {blanks}^",
        at.line, at.column
    )
}

/// Why a compiled statement could not be run to its end. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The schema changed since the statement was compiled. Compile it again.
    #[error("the table or index {0} of this plan is gone; compile the statement again")]
    StalePlan(String),
    /// Its meter stopped it. Ask for less: narrow the conditions, or use an index.
    #[error("the query was stopped before its end")]
    Interrupted,
    /// Its meter stopped it. Group, sort or select less, or set a LIMIT.
    #[error("the query has to hold more than {0} bytes at once")]
    HoldsTooMuch(usize),
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Another row has the key.
    #[error(
        "IndexError: Unique constraint violation '{index}' in table '{table}': \
         column(s): '{columns}' value: {value}"
    )]
    UniqueViolation {
        index: String,
        table: String,
        columns: String,
        value: String,
    },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

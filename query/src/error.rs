//! Why a statement was refused. The texts reach users as they are; their fixed parts are what
//! existing clients and test suites look for.

use spacetime_table::error::{ReadError, WriteError};
use spacetime_types::TableId;

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
    #[error("`{0}` is not in scope")]
    NotInScope(String),
    /// Missing, or invisible to the caller. `hint` is empty or a sentence naming a visible table.
    #[error("no such table: `{table}`. If the table exists, it may be marked private.{hint}")]
    NoSuchTable { table: String, hint: String },
    #[error("`{table}` does not have a field `{field}`")]
    NoSuchField { table: String, field: String },
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

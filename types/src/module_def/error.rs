//! Why a definition is refused. The author of the module must change it.
//!
//! Invariants
//!   * All errors of a definition are collected; they are shown sorted, each text once.
//!   * Texts are those that module authors know from other hosts, where those have the rule.
//!   * At most [`ERROR_COUNT_MAX`] errors are kept: names in a hostile definition can be long.

use std::collections::BTreeMap;
use std::fmt;

use super::raw::Lifecycle;
use super::raw_v10::MethodOrAny;
use crate::bsatn::{DEPTH_MAX, DecodeError};
use crate::names::IdentifierError;
use crate::{ColId, ResolveError, TypeRef};

type Name = Box<str>;

/// Most errors that are kept of one definition.
pub const ERROR_COUNT_MAX: usize = 256;

/// Why bytes or a raw definition are not a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadModuleDefError {
    /// The bytes are not a definition of a version known here.
    #[error("error decoding module description: {0}")]
    Decode(#[from] DecodeError),
    /// The definition breaks rules.
    #[error("{0}")]
    Invalid(#[from] ModuleDefErrors),
}

/// Everything that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleDefErrors {
    /// Sorted by text, no two with the same text.
    errors: Vec<ModuleDefError>,
}

impl ModuleDefErrors {
    /// `None` if there are no errors.
    pub(super) fn new(errors: Vec<ModuleDefError>) -> Option<Self> {
        let by_text: BTreeMap<String, ModuleDefError> = errors
            .into_iter()
            .map(|error| (error.to_string(), error))
            .collect();
        let errors: Vec<_> = by_text.into_values().collect();
        (!errors.is_empty()).then_some(ModuleDefErrors { errors })
    }

    /// The errors; at least one.
    #[must_use]
    pub fn errors(&self) -> &[ModuleDefError] {
        &self.errors
    }
}

impl fmt::Display for ModuleDefErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Errors occurred:")?;
        for error in &self.errors {
            writeln!(f, "{error}")?;
        }
        writeln!(f)
    }
}

impl std::error::Error for ModuleDefErrors {}

/// Where a type is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeLocation {
    /// An entry of the typespace.
    InTypespace(TypeRef),
    /// A parameter.
    Param {
        kind: FunctionKind,
        function: Name,
        position: usize,
        name: Option<Name>,
    },
    /// What a function gives back.
    Return { kind: FunctionKind, function: Name },
}

/// A kind of function with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    Reducer,
    Procedure,
    View,
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FunctionKind::Reducer => "reducer",
            FunctionKind::Procedure => "procedure",
            FunctionKind::View => "view",
        })
    }
}

impl fmt::Display for TypeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeLocation::InTypespace(entry) => write!(f, "typespace ref `{entry}`"),
            TypeLocation::Param {
                kind,
                function,
                position,
                name,
            } => {
                write!(f, "{kind} `{function}` argument {position}")?;
                match name {
                    Some(name) => write!(f, " (`{name}`)"),
                    None => Ok(()),
                }
            }
            TypeLocation::Return { kind, function } => {
                write!(f, "{kind} `{function}` return value")
            }
        }
    }
}

/// Why clients could not make sense of a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeCause {
    #[error("all reducer parameters require names")]
    UnnamedParam,
    #[error("all type elements require names: {0}")]
    UnnamedElement(TypeText),
    #[error("non-special product or sum type {0} cannot be used to generate a client type use")]
    InlineType(TypeText),
    #[error("invalid AlgebraicTypeRef")]
    InvalidRef,
    #[error("type {0} is not valid for generating a definition")]
    NotADefinition(TypeText),
    #[error("type {ty} contains identifier error {error}")]
    Identifier {
        ty: TypeText,
        error: IdentifierError,
    },
    #[error("nesting deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleDefError {
    // The definition as a whole.
    #[error("section {kind} is given more than once")]
    DuplicateSection { kind: &'static str },
    #[error("the definition is too large: {what} take more than {max}")]
    TooLarge { what: &'static str, max: usize },

    // Names.
    #[error("module contains invalid identifier: {0}")]
    InvalidIdentifier(#[from] IdentifierError),
    #[error("Table name is reserved for system use: {table}")]
    ReservedTableName { table: Name },
    #[error("name `{name}` is used for multiple entities")]
    DuplicateName { name: Name },
    #[error("Name {name} is used for multiple reducers, procedures and/or views")]
    DuplicateFunctionName { name: Name },
    #[error("HTTP handler name {name} is used for multiple HTTP handlers")]
    DuplicateHttpHandlerName { name: Name },
    #[error("name `{name}` is used for multiple types")]
    DuplicateTypeName { name: String },
    #[error("name `{column}` is used for multiple columns of `{owner}`")]
    DuplicateColumnName { owner: Name, column: Name },
    #[error("name `{param}` is used for multiple parameters of {kind} `{function}`")]
    DuplicateParamName {
        kind: FunctionKind,
        function: Name,
        param: Name,
    },

    // Types.
    #[error("error at {at}: internal codegen error: {cause}")]
    Type { at: TypeLocation, cause: TypeCause },
    #[error("Type {name:?} has invalid ref: {ty}")]
    InvalidTypeRef { name: String, ty: TypeRef },
    #[error("type `{name:?}` is not annotated with a custom ordering, but uses one: {ty}")]
    CustomOrdering { name: String, ty: TypeText },

    // Tables.
    #[error("Table {table} has invalid product_type_ref {ty}")]
    InvalidProductTypeRef { table: Name, ty: TypeRef },
    #[error("table `{table}` has unnamed column `{column}`, which is forbidden.")]
    UnnamedColumn { table: Name, column: usize },
    #[error("`{owner}` has {count} columns, more than the 65535 that can be numbered")]
    TooManyColumns { owner: Name, count: usize },
    #[error("column `{column}` of `{owner}` cannot be stored: {error}")]
    ColumnType {
        owner: Name,
        column: Name,
        error: ResolveError,
    },
    #[error("table `{table}` has multiple primary key annotations")]
    MultiplePrimaryKeys { table: Name },
    #[error("table `{table}` column `{column}` is primary key but has no unique constraint")]
    PrimaryKeyNotUnique { table: Name, column: Name },
    #[error("column `{column}` referenced by def {def} not found in table `{table}`")]
    ColumnNotFound {
        column: ColId,
        def: Name,
        table: Name,
    },
    #[error("def `{def}` in table `{table}` has no columns")]
    NoColumns { def: Name, table: Name },
    #[error("def `{def}` has duplicate columns: {columns:?}")]
    DuplicateColumns { def: Name, columns: Vec<ColId> },
    #[error(
        "No index found to support unique constraint `{constraint}` for columns `{}`",
        DebugSet(.columns)
    )]
    UniqueWithoutIndex {
        constraint: Name,
        columns: Vec<ColId>,
    },
    #[error("Direct index does not support type `{ty}` in column `{column}` in index `{index}`")]
    DirectIndexType {
        index: Name,
        column: Name,
        ty: TypeText,
    },
    #[error("index `{index}` has no source_name; the module could not look it up")]
    IndexWithoutSourceName { index: Name },
    #[error("Failed to deserialize default value for table {table} column {column}: {error}")]
    DefaultValue {
        table: Name,
        column: ColId,
        error: DecodeError,
    },
    #[error("Multiple default values for table {table} column {column}")]
    DuplicateDefaultValue { table: Name, column: ColId },

    // Sequences.
    #[error(
        "invalid sequence column type: table `{table}` column `{column}` with type `{ty}` \
         in sequence `{sequence}`"
    )]
    SequenceColumnType {
        table: Name,
        column: Name,
        ty: TypeText,
        sequence: Name,
    },
    #[error(
        "Attempt to define table `{table}` column `{column}` with more than 1 auto_inc sequence"
    )]
    DuplicateSequence { table: Name, column: Name },
    #[error(
        "invalid sequence range information: expected {min:?} <= {start:?} <= {max:?} \
         in sequence `{sequence}`"
    )]
    SequenceRange {
        sequence: Name,
        min: Option<i128>,
        start: Option<i128>,
        max: Option<i128>,
    },
    #[error(
        "sequence `{sequence}` cannot count from {start} by {increment} between {min} and {max}: \
         the start must lie in the range, the increment must not be 0 and must be smaller \
         than the range (defaults: start 1, minimum 1)"
    )]
    SequenceUnusable {
        sequence: Name,
        start: i128,
        min: i128,
        max: i128,
        increment: i128,
    },

    // Functions.
    #[error("reducer {reducer} has invalid return type: found Result<{ok}, {err}>")]
    ReducerReturnType {
        reducer: Name,
        ok: TypeText,
        err: TypeText,
    },
    #[error("lifecycle event {event:?} without reducer")]
    LifecycleWithoutReducer { event: Lifecycle },
    #[error("Multiple reducers defined for lifecycle event {event:?}")]
    DuplicateLifecycle { event: Lifecycle },
    #[error("lifecycle reducer {reducer} has parameters {params}, but is called without any")]
    LifecycleParams { reducer: Name, params: TypeText },

    // Schedules.
    #[error("Table {table} not found")]
    TableNotFound { table: Name },
    #[error(
        "Schedule {schedule} refers to a scheduled reducer or procedure {function} that does \
         not exist"
    )]
    ScheduledFunctionNotFound { schedule: Name, function: Name },
    #[error("Scheduled reducer {function} expected to have type {expected}, but has type {actual}")]
    ScheduledFunctionParams {
        function: Name,
        expected: TypeText,
        actual: TypeText,
    },
    #[error(
        "A scheduled table must have columns `scheduled_id: u64` and \
         `scheduled_at: ScheduledAt`, but table `{table}` has columns {columns}"
    )]
    ScheduledTableColumns { table: Name, columns: TypeText },

    // Views.
    #[error("View {view} has invalid return type {ty}")]
    ViewReturnType { view: Name, ty: TypeText },
    #[error("View {view} referenced by primary key definition not found")]
    ViewNotFound { view: Name },
    #[error("Primary key column {column} for view {view} not found")]
    ViewPrimaryKeyColumnNotFound { view: Name, column: Name },
    #[error("View {view} has multiple primary key columns: {columns:?}")]
    MultipleViewPrimaryKeyColumns { view: Name, columns: Vec<Name> },
    #[error("View {view} has multiple primary key definitions")]
    MultipleViewPrimaryKeys { view: Name },

    // HTTP.
    #[error(
        "HTTP route path `{path}` is invalid; allowed characters are ASCII lowercase letters, \
         digits and `-_~/`"
    )]
    HttpRoutePath { path: Name },
    #[error("HTTP route refers to unknown HTTP handler `{handler}`")]
    HttpHandlerNotFound { handler: Name },
    #[error("HTTP route duplicates method {method:?} for path {path}")]
    DuplicateHttpRoute { method: MethodOrAny, path: Name },

    // Submodules.
    #[error(
        "submodule namespace `{namespace}` is {} bytes, which exceeds the 63-byte limit",
        .namespace.len()
    )]
    NamespaceTooLong { namespace: Name },
    #[error(
        "lifecycle event {event:?} is not permitted in submodule under namespace `{namespace}`; \
         lifecycle reducers may only be declared in the root module"
    )]
    LifecycleInSubmodule { event: Lifecycle, namespace: Name },

    // Modules of the 0.8 to 0.12 era.
    #[error("table `{table}` has invalid {what} `{value}`")]
    UnknownWord {
        table: Name,
        what: &'static str,
        value: Name,
    },
    #[error("table `{table}` declares columns {declared}, but its row type is {actual}")]
    ColumnsMismatch {
        table: Name,
        declared: TypeText,
        actual: TypeText,
    },
    #[error("table `{table}` is scheduled but has no column `scheduled_at`")]
    NoScheduledAtColumn { table: Name },
}

/// Prints columns as a set.
struct DebugSet<'a>(&'a [ColId]);

impl fmt::Display for DebugSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0).finish()
    }
}

/// Longest text of a type in an error; a hostile definition could otherwise have a short list of
/// errors print megabytes each.
pub const TYPE_TEXT_BYTES_MAX: usize = 4096;

/// The text of a type, cut off with `...` when it is very long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeText(Box<str>);

impl TypeText {
    pub(super) fn new(ty: &impl fmt::Display) -> Self {
        let mut text = Limited(String::new());
        if fmt::write(&mut text, format_args!("{ty}")).is_err() {
            text.0.push_str("...");
        }
        TypeText(text.0.into())
    }
}

impl fmt::Display for TypeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string that refuses to grow past the limit, which ends the printing early.
struct Limited(String);

impl fmt::Write for Limited {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() + part.len() > TYPE_TEXT_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

//! Module definitions: what a module says of itself, and what the server makes of it.
//!
//! A module writes a [`RawModuleDef`]; validation turns it into a [`ModuleDef`], the one type
//! that tables, host, migrations and code generation build on.
//!
//! Not here: creating tables from a definition, comparing two definitions, parsing row filters.

mod check_functions;
mod check_schedules;
mod check_tables;
mod check_types;
mod def;
mod draft;
mod error;
mod from_v8;
mod naming;
mod raw;
mod raw_v10;
mod raw_v8;
mod raw_v9;
mod record;
mod report;
mod to_raw;
mod validate;
mod walk;

pub use def::{
    ColumnDef, DefVersion, HttpHandlerDef, HttpRouteDef, IndexAlgorithm, IndexDef, ModuleDef, Name,
    ProcedureDef, ReducerDef, ScheduleDef, ScheduledKind, Scoped, SequenceDef, TableAccess,
    TableDef, TableType, TypeDef, UniqueConstraintDef, VIEW_ARG_HASH_COLUMN, ViewDef, ViewReturn,
};
pub use error::{
    ERROR_COUNT_MAX, FunctionKind, ModuleDefError, ModuleDefErrors, ReadModuleDefError, TypeCause,
    TypeLocation, TypeText,
};
pub use raw::{
    Lifecycle, RawConstraintData, RawIndexAlgorithm, RawModuleDef, RawRowLevelSecurity,
    RawTableAccess, RawTableType, RawUniqueConstraint,
};
pub use raw_v8::{
    RawColumnDefV8, RawConstraintDefV8, RawIndexDefV8, RawIndexTypeV8, RawMiscExportV8,
    RawModuleDefV8, RawReducerDefV8, RawSequenceDefV8, RawTableDefV8, RawTableDescV8,
    RawTypeAliasV8,
};
pub use raw_v9::{
    RawColumnDefaultV9, RawConstraintDefV9, RawIndexDefV9, RawMiscExportV9, RawModuleDefV9,
    RawProcedureDefV9, RawReducerDefV9, RawScheduleDefV9, RawScopedTypeNameV9, RawSequenceDefV9,
    RawTableDefV9, RawTypeDefV9, RawViewDefV9,
};
pub use raw_v10::{
    CaseConversionPolicy, HttpMethod, MethodOrAny, RawColumnDefaultV10, RawConstraintDefV10,
    RawExplicitName, RawExplicitNames, RawHttpHandlerDefV10, RawHttpRouteDefV10, RawIndexDefV10,
    RawLifeCycleReducerDefV10, RawModuleDefV10, RawModuleDefV10Section, RawNameMapping,
    RawProcedureDefV10, RawReducerDefV10, RawScheduleDefV10, RawScopedTypeNameV10,
    RawSequenceDefV10, RawSubmoduleV10, RawTableDefV10, RawTypeDefV10, RawViewDefV10,
    RawViewPrimaryKeyDefV10, Visibility,
};
pub use record::{RawBytes, ToJson};

#[cfg(test)]
mod tests;

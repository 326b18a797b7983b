//! The definition format of 2.x modules: a list of optional sections.
//!
//! An unknown section is a decode failure: its length is not written, so it cannot be skipped.

use serde_json::Value;

use super::raw::{
    Lifecycle, RawConstraintData, RawIndexAlgorithm, RawRowLevelSecurity, RawTableAccess,
    RawTableType,
};
use super::record::{RawBytes, ToJson, record, tagged};
use crate::bsatn::{Decode, DecodeError, Encode, Reader};
use crate::{AlgebraicType, ProductType, TypeRef, Typespace};

/// A whole module, or a submodule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawModuleDefV10 {
    pub sections: Vec<RawModuleDefV10Section>,
}

impl Encode for RawModuleDefV10 {
    fn encode(&self, out: &mut Vec<u8>) {
        self.sections.encode(out);
    }
}

impl<'a> Decode<'a> for RawModuleDefV10 {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // Submodules hold whole modules, so this decoder meets itself again.
        reader.nested(|reader| {
            Ok(RawModuleDefV10 {
                sections: Decode::decode(reader)?,
            })
        })
    }
}

impl ToJson for RawModuleDefV10 {
    fn to_json(&self) -> Value {
        super::record::object([("sections", self.sections.to_json())])
    }
}

tagged! {
    /// One aspect of a module.
    pub enum RawModuleDefV10Section {
        Typespace(Typespace),
        Types(Vec<RawTypeDefV10>),
        Tables(Vec<RawTableDefV10>),
        Reducers(Vec<RawReducerDefV10>),
        Procedures(Vec<RawProcedureDefV10>),
        Views(Vec<RawViewDefV10>),
        Schedules(Vec<RawScheduleDefV10>),
        LifeCycleReducers(Vec<RawLifeCycleReducerDefV10>),
        RowLevelSecurity(Vec<RawRowLevelSecurity>),
        CaseConversionPolicy(CaseConversionPolicy),
        ExplicitNames(RawExplicitNames),
        HttpHandlers(Vec<RawHttpHandlerDefV10>),
        HttpRoutes(Vec<RawHttpRouteDefV10>),
        ViewPrimaryKeys(Vec<RawViewPrimaryKeyDefV10>),
        Submodules(Vec<RawSubmoduleV10>),
    }
}

tagged! {
    /// How names in the program become names in the database.
    #[derive(Copy, Default)]
    pub enum CaseConversionPolicy {
        /// Names stay as written.
        None,
        /// Tables, columns and functions become `snake_case`, variants `camelCase`, types
        /// `PascalCase`.
        #[default]
        SnakeCase,
    }
}

record! {
    /// A type's name with the modules around it, as written.
    pub struct RawScopedTypeNameV10 {
        pub scope: Vec<Box<str>>,
        pub source_name: Box<str>,
    }
}

record! {
    /// A named type.
    pub struct RawTypeDefV10 {
        pub source_name: RawScopedTypeNameV10,
        pub ty: TypeRef,
        pub custom_ordering: bool,
    }
}

record! {
    /// A table.
    pub struct RawTableDefV10 {
        pub source_name: Box<str>,
        pub product_type_ref: TypeRef,
        pub primary_key: Vec<u16>,
        pub indexes: Vec<RawIndexDefV10>,
        pub constraints: Vec<RawConstraintDefV10>,
        pub sequences: Vec<RawSequenceDefV10>,
        pub table_type: RawTableType,
        pub table_access: RawTableAccess,
        pub default_values: Vec<RawColumnDefaultV10>,
        pub is_event: bool,
    }
}

record! {
    /// The value that a column of old rows gets when it is added.
    pub struct RawColumnDefaultV10 {
        pub col_id: u16,
        pub value: RawBytes,
    }
}

record! {
    /// An index.
    pub struct RawIndexDefV10 {
        pub source_name: Option<Box<str>>,
        pub accessor_name: Option<Box<str>>,
        pub algorithm: RawIndexAlgorithm,
    }
}

record! {
    /// A constraint. Its name is ignored.
    pub struct RawConstraintDefV10 {
        pub source_name: Option<Box<str>>,
        pub data: RawConstraintData,
    }
}

record! {
    /// A sequence.
    pub struct RawSequenceDefV10 {
        pub source_name: Option<Box<str>>,
        pub column: u16,
        pub start: Option<i128>,
        pub min_value: Option<i128>,
        pub max_value: Option<i128>,
        pub increment: i128,
    }
}

tagged! {
    /// Who may call a function.
    #[derive(Copy)]
    pub enum Visibility { Private, ClientCallable }
}

record! {
    /// A reducer.
    pub struct RawReducerDefV10 {
        pub source_name: Box<str>,
        pub params: ProductType,
        pub visibility: Visibility,
        pub ok_return_type: AlgebraicType,
        pub err_return_type: AlgebraicType,
    }
}

record! {
    /// A procedure.
    pub struct RawProcedureDefV10 {
        pub source_name: Box<str>,
        pub params: ProductType,
        pub return_type: AlgebraicType,
        pub visibility: Visibility,
    }
}

record! {
    /// A view.
    pub struct RawViewDefV10 {
        pub source_name: Box<str>,
        pub index: u32,
        pub is_public: bool,
        pub is_anonymous: bool,
        pub params: ProductType,
        pub return_type: AlgebraicType,
    }
}

record! {
    /// Makes a table's rows timers. Its name is ignored.
    pub struct RawScheduleDefV10 {
        pub source_name: Option<Box<str>>,
        pub table_name: Box<str>,
        pub schedule_at_col: u16,
        pub function_name: Box<str>,
    }
}

record! {
    /// Binds a reducer to an event of the database.
    pub struct RawLifeCycleReducerDefV10 {
        pub lifecycle_spec: Lifecycle,
        pub function_name: Box<str>,
    }
}

record! {
    /// A name in the program and the name in the database.
    pub struct RawNameMapping {
        pub source_name: Box<str>,
        pub canonical_name: Box<str>,
    }
}

tagged! {
    /// What a mapping is for.
    pub enum RawExplicitName {
        Table(RawNameMapping),
        Function(RawNameMapping),
        Index(RawNameMapping),
    }
}

record! {
    /// Names that the author chose.
    #[derive(Default)]
    pub struct RawExplicitNames { pub entries: Vec<RawExplicitName> }
}

record! {
    /// A function that takes an HTTP request.
    pub struct RawHttpHandlerDefV10 { pub source_name: Box<str> }
}

tagged! {
    /// An HTTP method.
    pub enum HttpMethod {
        Get,
        Head,
        Post,
        Put,
        Delete,
        Connect,
        Options,
        Trace,
        Patch,
        Extension(Box<str>),
    }
}

tagged! {
    /// The methods that a route takes.
    pub enum MethodOrAny { Any, Method(HttpMethod) }
}

record! {
    /// Binds a method and path to a handler.
    pub struct RawHttpRouteDefV10 {
        pub handler_function: Box<str>,
        pub method: MethodOrAny,
        pub path: Box<str>,
    }
}

record! {
    /// The primary key of a view's rows.
    pub struct RawViewPrimaryKeyDefV10 {
        pub view_source_name: Box<str>,
        pub columns: Vec<Box<str>>,
    }
}

record! {
    /// A module under a namespace.
    pub struct RawSubmoduleV10 {
        pub namespace: Box<str>,
        pub module: RawModuleDefV10,
    }
}

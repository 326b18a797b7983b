//! The definition format of 1.x modules: names are canonical already, no sections.

use super::raw::{
    Lifecycle, RawConstraintData, RawIndexAlgorithm, RawRowLevelSecurity, RawTableAccess,
    RawTableType,
};
use super::record::{RawBytes, record, tagged};
use crate::{AlgebraicType, ProductType, TypeRef, Typespace};

record! {
    /// A whole module.
    #[derive(Default)]
    pub struct RawModuleDefV9 {
        pub typespace: Typespace,
        pub tables: Vec<RawTableDefV9>,
        pub reducers: Vec<RawReducerDefV9>,
        pub types: Vec<RawTypeDefV9>,
        pub misc_exports: Vec<RawMiscExportV9>,
        pub row_level_security: Vec<RawRowLevelSecurity>,
    }
}

record! {
    /// A table.
    pub struct RawTableDefV9 {
        pub name: Box<str>,
        pub product_type_ref: TypeRef,
        pub primary_key: Vec<u16>,
        pub indexes: Vec<RawIndexDefV9>,
        pub constraints: Vec<RawConstraintDefV9>,
        pub sequences: Vec<RawSequenceDefV9>,
        pub schedule: Option<RawScheduleDefV9>,
        pub table_type: RawTableType,
        pub table_access: RawTableAccess,
    }
}

record! {
    /// An index.
    pub struct RawIndexDefV9 {
        pub name: Option<Box<str>>,
        pub accessor_name: Option<Box<str>>,
        pub algorithm: RawIndexAlgorithm,
    }
}

record! {
    /// A constraint.
    pub struct RawConstraintDefV9 {
        pub name: Option<Box<str>>,
        pub data: RawConstraintData,
    }
}

record! {
    /// A sequence.
    pub struct RawSequenceDefV9 {
        pub name: Option<Box<str>>,
        pub column: u16,
        pub start: Option<i128>,
        pub min_value: Option<i128>,
        pub max_value: Option<i128>,
        pub increment: i128,
    }
}

record! {
    /// Makes the table's rows timers.
    pub struct RawScheduleDefV9 {
        pub name: Option<Box<str>>,
        pub reducer_name: Box<str>,
        pub scheduled_at_column: u16,
    }
}

record! {
    /// A reducer.
    pub struct RawReducerDefV9 {
        pub name: Box<str>,
        pub params: ProductType,
        pub lifecycle: Option<Lifecycle>,
    }
}

record! {
    /// A type's name with the modules around it.
    pub struct RawScopedTypeNameV9 {
        pub scope: Vec<Box<str>>,
        pub name: Box<str>,
    }
}

record! {
    /// A named type.
    pub struct RawTypeDefV9 {
        pub name: RawScopedTypeNameV9,
        pub ty: TypeRef,
        pub custom_ordering: bool,
    }
}

record! {
    /// The value that a column of old rows gets when it is added.
    pub struct RawColumnDefaultV9 {
        pub table: Box<str>,
        pub col_id: u16,
        pub value: RawBytes,
    }
}

record! {
    /// A procedure.
    pub struct RawProcedureDefV9 {
        pub name: Box<str>,
        pub params: ProductType,
        pub return_type: AlgebraicType,
    }
}

record! {
    /// A view.
    pub struct RawViewDefV9 {
        pub name: Box<str>,
        pub index: u32,
        pub is_public: bool,
        pub is_anonymous: bool,
        pub params: ProductType,
        pub return_type: AlgebraicType,
    }
}

tagged! {
    /// What the format got after it was frozen.
    pub enum RawMiscExportV9 {
        ColumnDefaultValue(RawColumnDefaultV9),
        Procedure(RawProcedureDefV9),
        View(RawViewDefV9),
    }
}

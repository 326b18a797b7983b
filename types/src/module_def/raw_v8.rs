//! The definition format of 0.8 to 0.12 modules.

use crate::{AlgebraicType, ProductTypeElement, TypeRef, Typespace};

crate::bsatn_struct! {
    /// A whole module.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct RawModuleDefV8 {
        pub typespace: Typespace,
        pub tables: Vec<RawTableDescV8>,
        pub reducers: Vec<RawReducerDefV8>,
        pub misc_exports: Vec<RawMiscExportV8>,
    }
}

crate::bsatn_struct! {
    /// A table and its row type.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawTableDescV8 {
        pub schema: RawTableDefV8,
        pub data: TypeRef,
    }
}

crate::bsatn_struct! {
    /// A table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawTableDefV8 {
        pub table_name: Box<str>,
        pub columns: Vec<RawColumnDefV8>,
        pub indexes: Vec<RawIndexDefV8>,
        pub constraints: Vec<RawConstraintDefV8>,
        pub sequences: Vec<RawSequenceDefV8>,
        pub table_type: Box<str>,
        pub table_access: Box<str>,
        pub scheduled: Option<Box<str>>,
    }
}

crate::bsatn_struct! {
    /// A column.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawColumnDefV8 {
        pub col_name: Box<str>,
        pub col_type: AlgebraicType,
    }
}

crate::bsatn_enum! {
    /// An index's kind.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RawIndexTypeV8 { BTree, Hash }
}

crate::bsatn_struct! {
    /// An index.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawIndexDefV8 {
        pub index_name: Box<str>,
        pub is_unique: bool,
        pub index_type: RawIndexTypeV8,
        pub columns: Vec<u16>,
    }
}

crate::bsatn_struct! {
    /// A constraint: bits that say what to make of the columns.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawConstraintDefV8 {
        pub constraint_name: Box<str>,
        pub constraints: u8,
        pub columns: Vec<u16>,
    }
}

crate::bsatn_struct! {
    /// A sequence.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawSequenceDefV8 {
        pub sequence_name: Box<str>,
        pub col_pos: u16,
        pub increment: i128,
        pub start: Option<i128>,
        pub min_value: Option<i128>,
        pub max_value: Option<i128>,
        pub allocated: i128,
    }
}

crate::bsatn_struct! {
    /// A reducer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawReducerDefV8 {
        pub name: Box<str>,
        pub args: Vec<ProductTypeElement>,
    }
}

crate::bsatn_struct! {
    /// Another name of a type.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RawTypeAliasV8 {
        pub name: Box<str>,
        pub ty: TypeRef,
    }
}

crate::bsatn_enum! {
    /// What the format got after it was frozen.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum RawMiscExportV8 { TypeAlias(RawTypeAliasV8) }
}

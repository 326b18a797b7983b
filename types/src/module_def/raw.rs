//! The raw definition as a module hands it over: the version sum and what the versions share.
//!
//! Invariants
//!   * Field order and variant order are the wire format; a reordering breaks every module.
//!   * Decoding is bounded by the input: nothing is allocated for elements that are not there.
//!
//! Not here: whether a definition makes sense (see `validate`).

use super::raw_v8::RawModuleDefV8;
use super::raw_v9::RawModuleDefV9;
use super::raw_v10::RawModuleDefV10;
use super::record::{record, tagged};
use crate::bsatn::{self, DecodeError};

crate::bsatn_enum! {
    /// What `__describe_module__` writes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum RawModuleDef {
        /// Modules of the 0.8 to 0.12 era.
        V8BackCompat(RawModuleDefV8),
        /// Modules of 1.x.
        V9(RawModuleDefV9),
        /// Modules of 2.x.
        V10(RawModuleDefV10),
    }
}

impl RawModuleDef {
    /// Reads a definition. Bytes after it are ignored, as other hosts do.
    pub fn from_bsatn(bytes: &[u8]) -> Result<Self, DecodeError> {
        bsatn::from_slice(bytes)
    }
}

tagged! {
    /// Who made the table.
    #[derive(Copy)]
    pub enum RawTableType { System, User }
}

tagged! {
    /// Who may read the table.
    #[derive(Copy)]
    pub enum RawTableAccess { Public, Private }
}

tagged! {
    /// An index's kind and columns.
    pub enum RawIndexAlgorithm {
        BTree(Vec<u16>),
        Hash(Vec<u16>),
        Direct(u16),
    }
}

record! {
    /// The columns of a unique constraint.
    pub struct RawUniqueConstraint { pub columns: Vec<u16> }
}

tagged! {
    /// What a constraint demands.
    pub enum RawConstraintData { Unique(RawUniqueConstraint) }
}

tagged! {
    /// An event of the database that a reducer can be bound to.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub enum Lifecycle { Init, OnConnect, OnDisconnect }
}

record! {
    /// A row filter, as SQL.
    pub struct RawRowLevelSecurity { pub sql: Box<str> }
}

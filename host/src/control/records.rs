//! Rows of the control database.

use spacetime_table::IndexAlgorithm;
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_types::{AlgebraicType, ColId, Hash, Identity, bsatn_struct};

bsatn_struct! {
    /// One database.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DatabaseRecord {
        pub identity: Identity,
        /// Names its directory; never used again for another one.
        pub replica: u64,
        pub owner: Identity,
        /// The program that it was created, or last reset, with.
        pub initial_program: Hash,
        /// Against updates, reset and deletion.
        pub locked: bool,
        /// Deleted: the record stays so that its names lead back to the same identity.
        pub deleted: bool,
    }
}

bsatn_struct! {
    /// A name of a database.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(super) struct NameRecord {
        pub(super) name: String,
        pub(super) database: Identity,
        /// Who registered it.
        pub(super) owner: Identity,
    }
}

pub(super) const DATABASES: &str = "database";
pub(super) const NAMES: &str = "name";

/// The tables of a control database.
pub(super) fn tables() -> [TableDef; 2] {
    let hash = || AlgebraicType::U256;
    [
        keyed(
            DATABASES,
            vec![
                ColumnDef::new("identity", AlgebraicType::identity()),
                ColumnDef::new("replica", AlgebraicType::U64),
                ColumnDef::new("owner", AlgebraicType::identity()),
                ColumnDef::new("initial_program", hash()),
                ColumnDef::new("locked", AlgebraicType::Bool),
                ColumnDef::new("deleted", AlgebraicType::Bool),
            ],
        ),
        keyed(
            NAMES,
            vec![
                ColumnDef::new("name", AlgebraicType::String),
                ColumnDef::new("database", AlgebraicType::identity()),
                ColumnDef::new("owner", AlgebraicType::identity()),
            ],
        ),
    ]
}

/// A table whose first column is its primary key.
fn keyed(name: &str, columns: Vec<ColumnDef>) -> TableDef {
    let key = &columns[0].name;
    let index = format!("{name}_{key}_idx_btree");
    let constraint = format!("{name}_{key}_key");
    TableDef {
        primary_key: Some(ColId(0)),
        indexes: vec![IndexDef {
            accessor: Some(index.as_str().into()),
            name: index.into(),
            algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
        }],
        constraints: vec![ConstraintDef {
            name: constraint.into(),
            columns: vec![ColId(0)],
        }],
        ..TableDef::new(name, columns)
    }
}

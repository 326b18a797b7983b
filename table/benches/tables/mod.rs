//! Tables to measure.
#![allow(dead_code)]

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{AlgebraicType, ColId, IndexId, TableId};

/// A database with one table, and the index of its key.
pub struct Keyed {
    pub datastore: Datastore,
    pub table: TableId,
    pub index: IndexId,
}

/// A table of these columns, with a unique index on the first of the kind that `kinds` says: `b`
/// for a tree, `h` for a hash index. Further letters are further, not unique indexes.
pub fn table(columns: Vec<AlgebraicType>, kinds: &str) -> Keyed {
    let columns = columns.into_iter().zip(["key", "value", "more"]);
    let columns = columns.map(|(of, name)| ColumnDef::new(name, of)).collect();
    let mut def = TableDef::new("t", columns);
    def.primary_key = Some(ColId(0));
    for (column, kind) in (0..).zip(kinds.chars()) {
        let columns = vec![ColId(column)];
        def.indexes.push(IndexDef {
            name: format!("t_{column}_idx").into(),
            accessor: None,
            algorithm: match kind {
                'h' => IndexAlgorithm::Hash(columns),
                _ => IndexAlgorithm::BTree(columns),
            },
        });
    }
    def.constraints.push(ConstraintDef {
        name: "t_key".into(),
        columns: vec![ColId(0)],
    });
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    datastore.commit();
    let index = datastore.index_id("t_0_idx").expect("the index");
    Keyed {
        datastore,
        table,
        index,
    }
}

/// A table of (u32 key, i32).
pub fn keyed(kind: &str) -> Keyed {
    table(vec![AlgebraicType::U32, AlgebraicType::I32], kind)
}

/// The numbers below `len` in an order that looks random, each once.
pub fn scattered(n: u32, len: u32) -> u32 {
    let product = (u64::from(n) * 2_654_435_761) % u64::from(len.max(1));
    u32::try_from(product).unwrap_or(0)
}

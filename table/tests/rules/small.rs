//! A small table, and what the tests of rules do with it.

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm, ReplayError, TxDelta};
use spacetime_types::{AlgebraicType, ColId, TableId};

pub fn index(name: &str, columns: &[u16]) -> IndexDef {
    IndexDef {
        name: name.into(),
        accessor: Some(format!("{name}_source").into()),
        algorithm: IndexAlgorithm::BTree(columns.iter().copied().map(ColId).collect()),
    }
}

pub fn unique(name: &str, columns: &[u16]) -> ConstraintDef {
    ConstraintDef {
        name: name.into(),
        columns: columns.iter().copied().map(ColId).collect(),
    }
}

/// A table of (id: `id_type` generated key, n: U8 indexed).
pub fn definition(name: &str, id_type: AlgebraicType) -> TableDef {
    let columns = vec![
        ColumnDef::new("id", id_type),
        ColumnDef::new("n", AlgebraicType::U8),
    ];
    let mut def = TableDef::new(name, columns);
    def.accessor = format!("{name}Accessor").into();
    def.primary_key = Some(ColId(0));
    def.indexes = vec![
        index(&format!("{name}_id"), &[0]),
        index(&format!("{name}_n"), &[1]),
    ];
    def.constraints = vec![unique(&format!("{name}_id_key"), &[0])];
    def.sequences = vec![SequenceDef::new(&format!("{name}_id_seq"), ColId(0))];
    def
}

pub fn with_table(id_type: AlgebraicType) -> (Datastore, TableId) {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&definition("t", id_type))
        .expect("a definition");
    datastore.commit();
    (datastore, table)
}

pub fn row(id: u32, n: u8) -> Vec<u8> {
    let mut row = id.to_le_bytes().to_vec();
    row.push(n);
    row
}

pub fn check(datastore: Datastore) -> Datastore {
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore
}

pub fn replay(deltas: &[&TxDelta]) -> Result<Datastore, ReplayError> {
    let mut datastore = Datastore::new();
    datastore.replay_begin();
    for delta in deltas {
        for table in delta.logged_tables() {
            for row in table.inserts.iter() {
                assert_eq!(datastore.replay_insert(table.table, row)?, row.len());
            }
        }
        for table in delta.logged_tables().filter(|table| !table.truncated) {
            for row in table.deletes.iter() {
                datastore.replay_delete(table.table, row)?;
            }
        }
        for table in delta.logged_tables().filter(|table| table.truncated) {
            datastore.replay_truncate(table.table)?;
        }
        datastore.replay_commit()?;
    }
    datastore.finish_replay()?;
    Ok(check(datastore))
}

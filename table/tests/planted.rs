//! Every planted defect is a real one: what it breaks can be seen from outside.
//!
//! One test, since the switch is one for the process.

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::error::WriteError;
use spacetime_table::planted::{Bug, switch};
use spacetime_table::system::ST_SEQUENCE;
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{AlgebraicType, ColId, TableId};

fn without_rows() -> (Datastore, TableId) {
    let columns = vec![
        ColumnDef::new("id", AlgebraicType::U32),
        ColumnDef::new("n", AlgebraicType::U8),
    ];
    let mut def = TableDef::new("t", columns);
    def.primary_key = Some(ColId(0));
    def.indexes = vec![IndexDef {
        name: "t_id".into(),
        accessor: None,
        algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
    }];
    def.constraints = vec![ConstraintDef {
        name: "t_id_key".into(),
        columns: vec![ColId(0)],
    }];
    def.sequences = vec![SequenceDef::new("t_id_seq", ColId(0))];
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    datastore.commit();
    (datastore, table)
}

fn database() -> (Datastore, TableId) {
    let (mut datastore, table) = without_rows();
    datastore.begin_tx();
    let inserted = datastore.insert(table, &[0, 0, 0, 0, 1]).expect("a row");
    assert_eq!(inserted.generated.as_slice(), [1, 0, 0, 0]);
    datastore.commit();
    (datastore, table)
}

/// Whether an undone deletion leaves its mark.
fn undo_is_broken() -> bool {
    let (mut datastore, table) = database();
    datastore.begin_tx();
    assert_eq!(datastore.delete_eq(table, &[1, 0, 0, 0, 1]), Ok(true));
    datastore.rollback();
    datastore.check_integrity().is_err()
}

fn unique_is_broken() -> bool {
    let (mut datastore, table) = database();
    datastore.begin_tx();
    let old = datastore.insert(table, &[1, 0, 0, 0, 2]);
    assert!(matches!(old, Err(WriteError::UniqueViolation { .. })));
    datastore.insert(table, &[7, 0, 0, 0, 1]).expect("a row");
    let is_broken = datastore.insert(table, &[7, 0, 0, 0, 2]).is_ok();
    datastore.commit();
    assert_eq!(
        datastore.row_count(table),
        Some(if is_broken { 3 } else { 2 })
    );
    is_broken
}

fn sequence_is_broken() -> bool {
    let (datastore, table) = database();
    let view = datastore.view();
    let mut again = Datastore::new();
    again.restore_begin([]).expect("no blobs");
    for table in view.snapshot_tables() {
        let images = table.pages().map(|page| {
            let mut image = Vec::new();
            page.write_image(&mut image);
            image
        });
        again
            .restore_table(table.id(), table.fingerprint(), table.row_count(), images)
            .expect("a right snapshot");
    }
    again.restore_end().expect("a whole snapshot");
    again.finish_replay().expect("a right snapshot");
    again.begin_tx();
    match again.insert(table, &[0, 0, 0, 0, 2]) {
        Ok(inserted) => inserted.generated.as_slice() != 4097u32.to_le_bytes(),
        Err(_) => true,
    }
}

fn sequence_row_is_broken() -> bool {
    let (mut datastore, table) = without_rows();
    datastore.begin_tx();
    datastore.insert(table, &[0; 5]).expect("a row");
    datastore.rollback();
    datastore.begin_tx();
    datastore.insert(table, &[0; 5]).expect("a row");
    datastore.commit().table(ST_SEQUENCE).is_none()
}

#[test]
fn each_defect_shows_and_only_when_it_is_on() {
    let broken = |bug| {
        [
            undo_is_broken(),
            unique_is_broken(),
            sequence_is_broken(),
            // Undoing the row of the sequence would meet the other defect.
            bug != Some(Bug::IndexNotUndone) && sequence_row_is_broken(),
        ]
    };
    assert_eq!(broken(None), [false; 4]);
    for (position, bug) in Bug::ALL.into_iter().enumerate() {
        assert_eq!(Bug::from_name(bug.name()), Some(bug));
        switch(Some(bug));
        let mut expected = [false; 4];
        expected[position] = true;
        assert_eq!(broken(Some(bug)), expected, "{}", bug.name());
        switch(None);
    }
}

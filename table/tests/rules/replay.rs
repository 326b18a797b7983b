//! What a replay of the log makes of it, rule by rule.

use spacetime_table::system::{ST_SEQUENCE, ST_TABLE, StSequence, StTable, SystemRow};
use spacetime_table::{Datastore, ReplayError, TableAccess, TxDelta};
use spacetime_types::{AlgebraicType, TableId};

use crate::small::{check, definition, replay, row};

#[test]
fn ids_and_values_go_on_at_the_next_block_after_a_restart() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&definition("t", AlgebraicType::U32))
        .expect("a table");
    datastore.insert(table, &row(0, 1)).expect("a row");
    let delta = datastore.commit();
    let mut again = replay(&[&delta]).expect("a right log");
    again.begin_tx();
    let inserted = again.insert(table, &row(0, 1)).expect("a row");
    assert_eq!(inserted.generated.as_slice(), 4097u32.to_le_bytes());
    let next = again
        .create_table(&definition("u", AlgebraicType::U32))
        .expect("a table");
    assert_eq!(next, TableId(8192));
    again.rollback();
    check(again);
}

#[test]
fn replay_names_what_is_wrong() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&definition("t", AlgebraicType::U32))
        .expect("a table");
    datastore.insert(table, &row(1, 1)).expect("a row");
    let delta = datastore.commit();
    let started = || {
        let mut datastore = Datastore::new();
        datastore.replay_begin();
        for table in &delta.tables {
            for row in table.inserts.iter() {
                datastore.replay_insert(table.table, row).expect("a row");
            }
        }
        for table in &delta.tables {
            for row in table.deletes.iter() {
                datastore.replay_delete(table.table, row).expect("a row");
            }
        }
        datastore.replay_commit().expect("a record");
        datastore
    };
    // What conflicts is found when rows are looked for, at the latest at the end.
    let inserted = |row: &[u8]| {
        let mut replayed = started();
        replayed.replay_insert(table, row).expect("a row");
        replayed
    };
    let duplicate = Err(ReplayError::DuplicateRow { table: "t".into() });
    assert_eq!(
        inserted(&row(1, 1)).replay_delete(table, &row(1, 1)).err(),
        duplicate.clone().err()
    );
    assert_eq!(inserted(&row(1, 1)).replay_truncate(table), duplicate);
    assert_eq!(inserted(&row(1, 1)).finish_replay(), duplicate);
    for ends_record in [false, true] {
        let mut replayed = inserted(&row(1, 2));
        if ends_record {
            replayed.replay_commit().expect("a record");
        }
        // In the same record the old row may be deleted yet, in the next not any more.
        let deleted = replayed.replay_delete(table, &row(1, 1));
        let is_conflict = matches!(deleted, Err(ReplayError::Conflict { .. }));
        assert_eq!((is_conflict, deleted.is_ok()), (ends_record, !ends_record));
    }
    let mut replayed = inserted(&row(1, 2));
    replayed.replay_commit().expect("a record");
    assert!(matches!(
        replayed.finish_replay(),
        Err(ReplayError::Conflict { .. })
    ));
    let mut replayed = started();
    assert!(matches!(
        replayed.replay_delete(table, &row(1, 2)),
        Err(ReplayError::MissingRow { .. })
    ));
    let mut replayed = started();
    assert!(matches!(
        replayed.replay_insert(table, &[1]),
        Err(ReplayError::InvalidRow { .. })
    ));
    let unknown = TableId(5000);
    assert_eq!(
        replayed.replay_insert(unknown, &[]),
        Err(ReplayError::UnknownTable(unknown))
    );
    assert_eq!(
        replayed.replay_truncate(unknown),
        Err(ReplayError::UnknownTable(unknown))
    );
    let mut replayed = started();
    let (_, description) = replayed
        .system_rows::<StTable>()
        .find(|(_, row)| row.table_id == table)
        .expect("the description");
    replayed
        .replay_delete(ST_TABLE, &description.to_bsatn())
        .expect("the row");
    assert!(matches!(
        replayed.replay_commit(),
        Err(ReplayError::Catalogue(_))
    ));
}

#[test]
fn replay_follows_an_update_within_one_record() {
    let mut datastore = Datastore::new();
    let mut deltas = Vec::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&definition("t", AlgebraicType::U32))
        .expect("a table");
    let key = datastore.index_id("t_id").expect("the index");
    datastore.insert(table, &row(1, 1)).expect("a row");
    datastore.insert(table, &row(2, 1)).expect("a row");
    deltas.push(datastore.commit());
    datastore.begin_tx();
    datastore.update(table, key, &row(1, 2)).expect("a row");
    datastore.update(table, key, &row(2, 9)).expect("a row");
    datastore
        .set_access(table, TableAccess::Public)
        .expect("the table");
    deltas.push(datastore.commit());
    let deltas: Vec<&TxDelta> = deltas.iter().map(AsRef::as_ref).collect();
    let replayed = replay(&deltas).expect("a right log");
    assert_eq!(replayed.row_count(table), Some(2));
    assert!(replayed.find_eq(table, &row(1, 2)).is_some());
    assert!(replayed.find_eq(table, &row(2, 9)).is_some());
    let schema = replayed.schema(table).expect("the table");
    assert_eq!(schema.access, TableAccess::Public);
}

#[test]
fn old_logs_repeat_rows_of_built_in_tables() {
    let sequence = |allocated| {
        let fresh = Datastore::new();
        let (_, mut row) = fresh
            .system_rows::<StSequence>()
            .find(|(_, row)| &*row.sequence_name == "st_view_view_id_seq")
            .expect("the sequence");
        row.allocated = allocated;
        row.to_bsatn()
    };
    let mut datastore = Datastore::new();
    let (_, table) = datastore.system_rows::<StTable>().next().expect("a row");
    datastore.replay_begin();
    datastore
        .replay_insert(ST_TABLE, &table.to_bsatn())
        .expect("a row that is there");
    datastore
        .replay_insert(ST_SEQUENCE, &sequence(4097))
        .expect("another version");
    datastore.replay_commit().expect("the higher is kept");
    datastore
        .replay_insert(ST_SEQUENCE, &sequence(8193))
        .expect("the next block");
    datastore
        .replay_delete(ST_SEQUENCE, &sequence(4097))
        .expect("the version before");
    datastore.replay_commit().expect("a record");
    datastore.finish_replay().expect("a log");
    let datastore = check(datastore);
    let views: Vec<StSequence> = datastore
        .system_rows::<StSequence>()
        .map(|(_, row)| row)
        .filter(|row| row.sequence_id.0 == 6)
        .collect();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].allocated, 8193);
}

#[test]
fn a_snapshot_of_an_old_version_gets_the_missing_tables() {
    let fresh = Datastore::new();
    let mut datastore = Datastore::new();
    datastore.replay_begin_empty();
    let mut ids: Vec<TableId> = fresh.tables().map(|schema| schema.id).collect();
    ids.sort();
    for id in ids {
        for ptr in fresh.scan(id).expect("the table") {
            let mut row = Vec::new();
            fresh.read_row(id, ptr, &mut row);
            let is_about_last = match id.0 {
                1 | 2 => row.starts_with(&20u32.to_le_bytes()),
                4 => row[4..8] == 20u32.to_le_bytes(),
                5 => row.windows(18).any(|bytes| bytes == b"st_column_accessor"),
                _ => false,
            };
            if !is_about_last {
                datastore.replay_insert(id, &row).expect("a row");
            }
        }
    }
    datastore.replay_commit().expect("a record");
    datastore.finish_replay().expect("a snapshot");
    assert!(
        datastore.check_integrity().is_err(),
        "a table is not described"
    );
    datastore.begin_tx();
    assert_eq!(datastore.create_missing_system_tables(), Ok(1));
    datastore.commit();
    let datastore = check(datastore);
    assert_eq!(datastore.row_count(ST_TABLE), Some(20));
}

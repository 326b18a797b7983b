//! The rules of writing, one by one, and changes of the schema.

use std::ops::Bound;

use spacetime_table::definition::{
    ColumnDef, ConstraintDef, IndexDef, ScheduleDef, SequenceDef, TableDef, ViewDef,
};
use spacetime_table::error::{ReadError, SchemaError, WriteError};
use spacetime_table::system::{
    ROW_LIMIT, ST_MODULE, ST_SEQUENCE, ST_TABLE, StIndexAccessor, StSequence, StTable, StVar,
    StView, SystemRow, VarValue,
};
use spacetime_table::{Datastore, IndexAlgorithm, Persistence, ReplayError, TableAccess, TxDelta};
use spacetime_types::{AlgebraicType, ColId, ProductType, SumType, SumTypeVariant, TableId};

fn index(name: &str, columns: &[u16]) -> IndexDef {
    IndexDef {
        name: name.into(),
        accessor: Some(format!("{name}_source").into()),
        algorithm: IndexAlgorithm::BTree(columns.iter().copied().map(ColId).collect()),
    }
}

fn unique(name: &str, columns: &[u16]) -> ConstraintDef {
    ConstraintDef {
        name: name.into(),
        columns: columns.iter().copied().map(ColId).collect(),
    }
}

/// A table of (id: `id_type` generated key, n: U8 indexed).
fn definition(name: &str, id_type: AlgebraicType) -> TableDef {
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

fn with_table(id_type: AlgebraicType) -> (Datastore, TableId) {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&definition("t", id_type))
        .expect("a definition");
    datastore.commit();
    (datastore, table)
}

fn row(id: u32, n: u8) -> Vec<u8> {
    let mut row = id.to_le_bytes().to_vec();
    row.push(n);
    row
}

fn check(datastore: Datastore) -> Datastore {
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore
}

fn replay(deltas: &[&TxDelta]) -> Result<Datastore, ReplayError> {
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

#[test]
fn the_first_table_is_4096_and_allocates_a_block_of_ids() {
    let (datastore, table) = with_table(AlgebraicType::U32);
    assert_eq!(table, TableId(4096));
    let (_, sequence) = datastore
        .system_rows::<StSequence>()
        .next()
        .expect("a sequence");
    assert_eq!(
        (&*sequence.sequence_name, sequence.allocated),
        ("st_table_table_id_seq", 8192)
    );
    let schema = datastore.schema(table).expect("the table");
    assert_eq!(schema.indexes[0].id.0, 4096);
    assert!(schema.indexes[0].unique);
    assert!(!schema.indexes[1].unique);
    assert_eq!(schema.constraints[0].id.0, 4096);
    assert_eq!(schema.sequences[0].id.0, 4096);
    check(datastore);
}

#[test]
fn names_are_found_canonical_first() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    assert_eq!(datastore.table_id("t"), Some(table));
    assert_eq!(datastore.table_id("tAccessor"), Some(table));
    assert_eq!(
        datastore.index_id("t_id_source"),
        datastore.index_id("t_id")
    );
    datastore.begin_tx();
    let other = datastore.create_table(&definition("tAccessor", AlgebraicType::U32));
    assert_eq!(datastore.table_id("tAccessor"), other.ok());
    datastore.rollback();
    assert_eq!(datastore.table_id("tAccessor"), Some(table));
    check(datastore);
}

#[test]
fn generates_values_and_writes_the_sequence_row_once_a_block() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    let sequence = datastore.schema(table).expect("the table").sequences[0].id;
    assert_eq!(datastore.sequence_position(sequence), Some((1, 1)));
    datastore.begin_tx();
    let inserted = datastore.insert(table, &row(0, 7)).expect("a row");
    assert_eq!(inserted.generated.as_slice(), [1, 0, 0, 0]);
    let given = datastore.insert(table, &row(900, 7)).expect("a row");
    assert!(given.generated.is_empty(), "a given value is kept");
    let delta = datastore.commit();
    assert_eq!(datastore.sequence_position(sequence), Some((2, 4097)));
    let rows = delta
        .table(ST_SEQUENCE)
        .expect("the sequence's row was rewritten");
    assert_eq!((rows.inserts.len(), rows.deletes.len()), (1, 1));
    datastore.begin_tx();
    datastore.insert(table, &row(0, 8)).expect("a row");
    assert!(datastore.commit().table(ST_SEQUENCE).is_none());
    datastore.begin_tx();
    let duplicate = datastore.insert(table, &row(900, 8));
    assert!(matches!(duplicate, Err(WriteError::UniqueViolation { .. })));
    for _ in 3..=4097 {
        if let Err(error) = datastore.insert(table, &row(0, 1)) {
            assert!(
                matches!(error, WriteError::UniqueViolation { .. }),
                "900 is taken"
            );
        }
    }
    assert_eq!(datastore.sequence_position(sequence), Some((4098, 8193)));
    datastore.rollback();
    assert_eq!(datastore.sequence_position(sequence), Some((3, 4097)));
    check(datastore);
}

#[test]
fn a_generated_value_must_fit_its_column() {
    let (mut datastore, table) = with_table(AlgebraicType::U8);
    datastore.begin_tx();
    for n in 1..=255u8 {
        let inserted = datastore.insert(table, &[0, 1]).expect("a row");
        assert_eq!(inserted.generated.as_slice(), [n]);
    }
    let refused = datastore.insert(table, &[0, 1]);
    assert!(
        matches!(refused, Err(WriteError::AutoIncOverflow { value: 256, .. })),
        "{refused:?}"
    );
    assert_eq!(datastore.row_count(table), Some(255));
    datastore.commit();
    check(datastore);
}

#[test]
fn checks_bytes_then_equality_then_keys() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    let first = datastore.insert(table, &row(5, 1)).expect("a row");
    let again = datastore.insert(table, &row(5, 1)).expect("an equal row");
    assert!(again.existed);
    assert_eq!(again.ptr, first.ptr);
    assert!(matches!(
        datastore.insert(table, &row(5, 2)),
        Err(WriteError::UniqueViolation { .. })
    ));
    assert!(matches!(
        datastore.insert(table, &[5, 0, 0]),
        Err(WriteError::InvalidRow { .. })
    ));
    let surplus = [row(6, 1), vec![0]].concat();
    assert!(matches!(
        datastore.insert(table, &surplus),
        Err(WriteError::InvalidRow { .. })
    ));
    let missing = TableId(9999);
    assert_eq!(
        datastore.insert(missing, &[]),
        Err(WriteError::NoSuchTable(missing))
    );
    assert_eq!(datastore.commit().tables[0].inserts.len(), 1);
    check(datastore);
}

#[test]
fn updates_through_a_unique_index() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    let key = datastore.index_id("t_id").expect("the index");
    let other = datastore.index_id("t_n").expect("the index");
    datastore.begin_tx();
    datastore.insert(table, &row(1, 1)).expect("a row");
    datastore.commit();
    datastore.begin_tx();
    assert!(
        !datastore
            .update(table, key, &row(1, 2))
            .expect("a row")
            .existed
    );
    assert!(
        datastore
            .update(table, key, &row(1, 2))
            .expect("a row")
            .existed
    );
    assert!(matches!(
        datastore.update(table, key, &row(2, 2)),
        Err(WriteError::NoSuchRow { .. })
    ));
    assert_eq!(
        datastore.update(table, other, &row(1, 2)),
        Err(WriteError::IndexNotUnique(other))
    );
    assert!(matches!(
        datastore.update(ST_TABLE, key, &[]),
        Err(WriteError::Protected(_))
    ));
    let foreign = datastore.schema(ST_TABLE).expect("the table").indexes[0].id;
    assert_eq!(
        datastore.update(table, foreign, &row(1, 2)),
        Err(WriteError::NoSuchIndex {
            table,
            index: foreign
        })
    );
    let delta = datastore.commit();
    assert_eq!(delta.tables[0].inserts.row(0), Some(row(1, 2).as_slice()));
    assert_eq!(delta.tables[0].deletes.row(0), Some(row(1, 1).as_slice()));
    assert!(!delta.tables[0].truncated);
    check(datastore);
}

#[test]
fn changes_that_cancel_leave_no_delta() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    datastore.insert(table, &row(1, 1)).expect("a row");
    datastore.commit();
    datastore.begin_tx();
    datastore.insert(table, &row(2, 2)).expect("a row");
    assert_eq!(datastore.delete_eq(table, &row(2, 2)), Ok(true));
    assert_eq!(datastore.delete_eq(table, &row(1, 1)), Ok(true));
    assert_eq!(datastore.delete_eq(table, &row(1, 1)), Ok(false));
    datastore.insert(table, &row(1, 1)).expect("a row");
    let delta = datastore.commit();
    assert!(delta.is_empty());
    assert!(!delta.consumes_offset);
    datastore.begin_tx();
    assert_eq!(datastore.clear(table), Ok(1));
    assert_eq!(datastore.clear(table), Ok(0));
    let delta = datastore.commit();
    assert!(delta.tables[0].truncated);
    assert!(delta.consumes_offset);
    check(datastore);
}

#[test]
fn modules_do_not_write_what_the_database_writes() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let mut def = definition("v", AlgebraicType::U32);
    def.sequences.clear();
    def.access = TableAccess::Public;
    def.view = Some(ViewDef {
        is_anonymous: true,
        params: vec![("p".into(), AlgebraicType::U8)],
        columns: vec![("n".into(), AlgebraicType::U8)],
    });
    let view = datastore.create_table(&def).expect("a definition");
    for table in [ST_TABLE, ST_MODULE, view] {
        assert!(matches!(
            datastore.insert(table, &[]),
            Err(WriteError::Protected(_))
        ));
        assert!(matches!(
            datastore.delete_eq(table, &[]),
            Err(WriteError::Protected(_))
        ));
        assert!(matches!(
            datastore.clear(table),
            Err(WriteError::Protected(_))
        ));
    }
    let (_, row_of_view) = datastore.system_rows::<StView>().next().expect("the view");
    assert_eq!(row_of_view.table_id, Some(view));
    datastore.commit();
    datastore.begin_tx();
    datastore.insert_system(view, &row(1, 1)).expect("a row");
    let schema = datastore.schema(view).expect("the table");
    assert_eq!(schema.persistence(), Persistence::Ephemeral);
    let delta = datastore.commit();
    assert!(!delta.consumes_offset, "results of views are not logged");
    assert_eq!(delta.logged_tables().count(), 0);
    datastore.begin_tx();
    let limit = StVar {
        name: ROW_LIMIT.into(),
        value: VarValue::U64(5),
    };
    datastore.insert_system_row(&limit).expect("a row");
    assert_eq!(datastore.delete_system_rows::<StVar>(|_| true), Ok(1));
    datastore.drop_table(view).expect("the table");
    assert_eq!(datastore.system_rows::<StView>().count(), 0);
    datastore.commit();
    check(datastore);
}

#[test]
fn reads_report_what_is_wrong_with_a_key() {
    let (datastore, _) = with_table(AlgebraicType::U32);
    let index = datastore.index_id("t_id").expect("the index");
    assert!(matches!(
        datastore.index_point(index, &[1, 2]),
        Err(ReadError::InvalidKey(_))
    ));
    assert!(matches!(
        datastore.index_point(index, &[0; 5]),
        Err(ReadError::InvalidKey(_))
    ));
    let missing = spacetime_types::IndexId(99);
    assert!(matches!(
        datastore.index_point(missing, &[]),
        Err(ReadError::NoSuchIndex(_))
    ));
    let open = Bound::Unbounded;
    assert!(matches!(
        datastore.index_range(index, &[0; 4], 1, open, open),
        Err(ReadError::InvalidKey(_))
    ));
}

#[test]
fn refuses_wrong_definitions_and_leaves_nothing() {
    let (mut datastore, _) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    let refused = datastore.create_table(&definition("t", AlgebraicType::U32));
    assert!(
        matches!(refused, Err(SchemaError::NameTaken { .. })),
        "{refused:?}"
    );
    let mut same_accessor = definition("u", AlgebraicType::U32);
    same_accessor.accessor = "tAccessor".into();
    let refused = datastore.create_table(&same_accessor);
    assert!(
        matches!(refused, Err(SchemaError::NameTaken { .. })),
        "{refused:?}"
    );
    let wrong: [fn(&mut TableDef); 7] = [
        |def| def.indexes.push(index("x", &[9])),
        |def| def.indexes.push(index("x", &[1, 1])),
        |def| def.constraints.push(unique("x", &[1, 0])),
        |def| def.constraints.clear(),
        |def| def.sequences.push(SequenceDef::new("x", ColId(0))),
        |def| def.sequences[0].increment = 0,
        |def| def.columns[0].column_type = AlgebraicType::String,
    ];
    for spoil in wrong {
        let mut def = definition("u", AlgebraicType::U32);
        spoil(&mut def);
        let refused = datastore.create_table(&def);
        assert!(
            matches!(refused, Err(SchemaError::InvalidDefinition { .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(
        datastore.drop_table(ST_TABLE),
        Err(SchemaError::Protected(_))
    ));
    assert!(matches!(
        datastore.drop_table(TableId(7000)),
        Err(SchemaError::NoSuchTable(_))
    ));
    assert!(datastore.commit().is_empty());
    check(datastore);
}

#[test]
fn keys_come_and_go() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    for (id, n) in [(1, 1), (2, 1), (3, 2)] {
        datastore.insert(table, &row(id, n)).expect("a row");
    }
    datastore.commit();
    datastore.begin_tx();
    let refused = datastore.add_constraint(table, &unique("n_key", &[1]));
    assert!(
        matches!(refused, Err(SchemaError::Duplicates { .. })),
        "{refused:?}"
    );
    datastore
        .remove_constraint(table, "t_id_key")
        .expect("the constraint");
    datastore
        .insert(table, &row(1, 9))
        .expect("the key is no longer unique");
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore.remove_index(table, "t_id").expect("the index");
    datastore
        .add_index(table, &index("both", &[1, 0]))
        .expect("an index");
    datastore
        .add_constraint(table, &unique("both_key", &[0, 1]))
        .expect("no duplicates");
    assert_eq!(datastore.check_integrity(), Ok(()));
    let both = datastore.index_id("both").expect("the index");
    assert!(
        datastore
            .update(table, both, &row(1, 9))
            .expect("a row")
            .existed
    );
    assert!(matches!(
        datastore.remove_index(table, "t_id"),
        Err(SchemaError::NoSuchObject { .. })
    ));
    datastore.rollback();
    assert_eq!(datastore.row_count(table), Some(3));
    assert!(datastore.index_id("both").is_none());
    assert_eq!(datastore.system_rows::<StIndexAccessor>().count(), 2);
    check(datastore);
}

#[test]
fn sequences_and_attributes_change() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    datastore
        .remove_sequence(table, "t_id_seq")
        .expect("the sequence");
    assert!(
        datastore
            .insert(table, &row(0, 1))
            .expect("a row")
            .generated
            .is_empty()
    );
    datastore
        .add_sequence(table, &SequenceDef::new("t_n_seq", ColId(1)))
        .expect("a sequence");
    let sequence = datastore.schema(table).expect("the table").sequences[0].id;
    assert!(datastore.continue_sequence(sequence, (40, 4097)));
    assert!(
        !datastore.continue_sequence(sequence, (0, 4097)),
        "below the minimum"
    );
    assert_eq!(
        datastore
            .insert(table, &row(9, 0))
            .expect("a row")
            .generated
            .as_slice(),
        [40]
    );
    datastore
        .set_access(table, TableAccess::Public)
        .expect("the table");
    datastore.set_primary_key(table, None).expect("the table");
    datastore
        .set_table_accessor(table, &"other".into())
        .expect("a free name");
    datastore
        .set_index_accessor(table, "t_id", &"source".into())
        .expect("a free name");
    let schedule = ScheduleDef {
        name: "s".into(),
        function: "f".into(),
        at_column: ColId(1),
    };
    datastore
        .set_schedule(table, Some(&schedule))
        .expect("the table");
    datastore.commit();
    assert_eq!(datastore.table_id("other"), Some(table));
    assert_eq!(datastore.table_id("tAccessor"), None);
    assert_eq!(datastore.index_id("source"), datastore.index_id("t_id"));
    datastore.begin_tx();
    datastore.set_schedule(table, None).expect("the table");
    datastore.rollback();
    let schema = check(datastore).schema(table).expect("the table").clone();
    assert_eq!(schema.access, TableAccess::Public);
    assert_eq!(schema.primary_key, None);
    assert_eq!(
        schema.schedule.as_ref().map(|schedule| &*schedule.function),
        Some("f")
    );
}

/// A sum with these payloads, and names by position.
fn sum(payloads: &[AlgebraicType]) -> AlgebraicType {
    let variants = payloads
        .iter()
        .enumerate()
        .map(|(n, algebraic_type)| SumTypeVariant {
            name: Some(format!("v{n}").into()),
            algebraic_type: algebraic_type.clone(),
        });
    AlgebraicType::Sum(SumType {
        variants: variants.collect(),
    })
}

#[test]
fn enums_grow_under_the_rows_that_are_there() {
    use AlgebraicType::{String, U8, U32};
    let columns = |payloads: &[AlgebraicType]| {
        vec![
            ColumnDef::new("id", U32),
            ColumnDef::new("e", sum(payloads)),
        ]
    };
    let grown = columns(&[U8, U8, String]);
    let mut datastore = Datastore::new();
    let mut deltas = Vec::new();
    datastore.begin_tx();
    let mut def = definition("t", U32);
    def.columns = columns(&[U8, U8]);
    def.indexes.truncate(1);
    let table = datastore.create_table(&def).expect("a definition");
    let old = [row(1, 0), vec![7]].concat();
    datastore.insert(table, &old).expect("a row");
    deltas.push(datastore.commit());

    datastore.begin_tx();
    datastore.set_columns(table, &grown).expect("the rows fit");
    let new = [row(2, 2), vec![1, 0, 0, 0, b'x']].concat();
    datastore.insert(table, &new).expect("a row");
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore.rollback();
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore.begin_tx();
    assert!(
        datastore.insert(table, &new).is_err(),
        "the old columns are back"
    );
    datastore.set_columns(table, &grown).expect("the rows fit");
    datastore.insert(table, &new).expect("a row");
    datastore.delete_eq(table, &old).expect("the table");
    deltas.push(datastore.commit());

    datastore.begin_tx();
    datastore
        .insert(table, &[row(3, 2), vec![0; 4]].concat())
        .expect("a row");
    let late = datastore.set_columns(table, &columns(&[U8]));
    assert!(
        matches!(late, Err(SchemaError::InvalidDefinition { .. })),
        "{late:?}"
    );
    datastore.rollback();
    datastore.begin_tx();
    let refused = datastore.set_columns(table, &columns(&[U8]));
    assert!(
        matches!(refused, Err(SchemaError::InvalidDefinition { .. })),
        "{refused:?}"
    );
    assert!(datastore.commit().is_empty());
    let deltas: Vec<&TxDelta> = deltas.iter().map(AsRef::as_ref).collect();
    let replayed = replay(&deltas).expect("a right log");
    assert_eq!(replayed.row_count(table), Some(1));
    assert!(replayed.find_eq(table, &new).is_some());
    check(datastore);
}

#[test]
fn a_dropped_table_is_a_truncation_and_meta_rows() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    datastore.begin_tx();
    datastore.insert(table, &row(1, 1)).expect("a row");
    datastore.commit();
    datastore.begin_tx();
    datastore.drop_table(table).expect("the table");
    assert!(datastore.schema(table).is_none());
    let delta = datastore.commit();
    let dropped = delta.table(table).expect("its rows");
    assert!(dropped.truncated);
    assert_eq!(dropped.deletes.len(), 1);
    assert_eq!(
        delta
            .table(ST_TABLE)
            .expect("its description")
            .deletes
            .len(),
        1
    );
    check(datastore);
}

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

#[test]
fn rows_without_columns_are_rows() {
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore
        .create_table(&TableDef::new("unit", Vec::new()))
        .expect("a table");
    assert!(!datastore.insert(table, &[]).expect("a row").existed);
    assert!(datastore.insert(table, &[]).expect("a row").existed);
    let delta = datastore.commit();
    assert_eq!(delta.table(table).expect("a row").inserts.len(), 1);
    assert_eq!(
        delta.table(table).expect("a row").schema.row_type,
        ProductType::default()
    );
    check(datastore);
}

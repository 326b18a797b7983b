//! The rules of writing and reading rows, one by one.

use std::ops::Bound;

use spacetime_table::definition::{TableDef, ViewDef};
use spacetime_table::error::{ReadError, WriteError};
use spacetime_table::system::{
    ROW_LIMIT, ST_MODULE, ST_SEQUENCE, ST_TABLE, StSequence, StVar, StView, VarValue,
};
use spacetime_table::{Datastore, Persistence, TableAccess};
use spacetime_types::{AlgebraicType, ProductType, TableId};

use crate::small::{check, definition, row, with_table};

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
    // The values stay used up; the row is what it was, until the next value is wanted.
    assert_eq!(datastore.sequence_position(sequence), Some((4098, 8193)));
    datastore.begin_tx();
    let inserted = datastore.insert(table, &row(0, 8)).expect("a row");
    assert_eq!(inserted.generated.as_slice(), 4098_u32.to_le_bytes());
    let delta = datastore.commit();
    let rows = delta.table(ST_SEQUENCE).expect("the row is written again");
    assert_eq!((rows.inserts.len(), rows.deletes.len()), (1, 1));
    check(datastore);
}

#[test]
fn what_was_generated_in_an_undone_transaction_is_a_gap() {
    let (mut datastore, table) = with_table(AlgebraicType::U32);
    let sequence = datastore.schema(table).expect("the table").sequences[0].id;
    let generate = |datastore: &mut Datastore| {
        let inserted = datastore.insert(table, &row(0, 1)).expect("a row");
        u32::from_le_bytes(inserted.generated.as_slice().try_into().expect("a u32"))
    };
    let recorded = |datastore: &Datastore| {
        let mut rows = datastore.system_rows::<StSequence>();
        let row = rows.find(|(_, row)| row.sequence_id == sequence);
        row.expect("the sequence's row").1.allocated
    };
    // Undone with the block that it opened: the next transaction writes the row.
    datastore.begin_tx();
    assert_eq!([generate(&mut datastore), generate(&mut datastore)], [1, 2]);
    datastore.rollback();
    assert_eq!(recorded(&datastore), 1);
    datastore.begin_tx();
    assert_eq!(generate(&mut datastore), 3);
    assert_eq!(recorded(&datastore), 4097);
    // The same inside a transaction.
    let savepoint = datastore.savepoint();
    assert_eq!(generate(&mut datastore), 4);
    datastore.rollback_to(savepoint);
    assert_eq!(generate(&mut datastore), 5);
    datastore.commit();
    // A row that is refused has used its value up as well.
    let (mut other, table) = with_table(AlgebraicType::U32);
    other.begin_tx();
    other.insert(table, &row(1, 1)).expect("a row");
    let refused = other.insert(table, &row(0, 2));
    assert!(matches!(refused, Err(WriteError::UniqueViolation { .. })));
    let inserted = other.insert(table, &row(0, 2)).expect("a row");
    assert_eq!(inserted.generated.as_slice(), 2_u32.to_le_bytes());
    other.commit();
    check(other);
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

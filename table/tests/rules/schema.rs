//! The rules of definitions and of changes of the schema.

use spacetime_table::definition::{ColumnDef, ScheduleDef, SequenceDef, TableDef};
use spacetime_table::error::SchemaError;
use spacetime_table::system::{ST_TABLE, StIndexAccessor, StSequence};
use spacetime_table::{Datastore, TableAccess, TxDelta};
use spacetime_types::{AlgebraicType, ColId, SumType, SumTypeVariant, TableId};

use crate::small::{check, definition, index, replay, row, unique, with_table};

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

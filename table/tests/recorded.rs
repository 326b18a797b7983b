//! Writing recorded rows between transactions that run.

use spacetime_table::Datastore;
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::error::WriteError;
use spacetime_table::{IndexAlgorithm, system::ST_SEQUENCE};
use spacetime_types::{AlgebraicType, ColId, SequenceId, TableId};

/// A table of (id: U32 generated key, n: U8).
fn with_table() -> (Datastore, TableId, SequenceId) {
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
    let sequence = datastore.schema(table).expect("the table").sequences[0].id;
    (datastore, table, sequence)
}

fn row(id: u32, n: u8) -> Vec<u8> {
    let mut row = id.to_le_bytes().to_vec();
    row.push(n);
    row
}

#[test]
fn recorded_rows_are_taken_as_they_are() {
    let (mut datastore, table, sequence) = with_table();
    datastore.begin_tx();
    assert_eq!(datastore.insert_recorded(table, &row(0, 1)), Ok(true));
    assert_eq!(datastore.insert_recorded(table, &row(0, 1)), Ok(false));
    let taken = datastore.insert_recorded(table, &row(0, 2));
    assert!(matches!(taken, Err(WriteError::UniqueViolation { .. })));
    let short = datastore.insert_recorded(table, &[0, 0]);
    assert!(matches!(short, Err(WriteError::InvalidRow { .. })));
    let delta = datastore.commit();
    let changed = delta.table(table).expect("a row came");
    assert_eq!(changed.inserts.iter().collect::<Vec<_>>(), [row(0, 1)]);
    assert!(delta.table(ST_SEQUENCE).is_none(), "nothing was generated");
    assert_eq!(datastore.sequence_position(sequence), Some((1, 1)));
    assert_eq!(datastore.check_integrity(), Ok(()));
}

#[test]
fn a_placed_sequence_goes_on_from_there_without_a_new_block() {
    let (mut datastore, table, sequence) = with_table();
    assert!(datastore.place_sequence(sequence, 17, 4097));
    datastore.begin_tx();
    let inserted = datastore.insert(table, &row(0, 1)).expect("a row");
    assert_eq!(inserted.generated.as_slice(), [17, 0, 0, 0]);
    assert!(datastore.commit().table(ST_SEQUENCE).is_none());
    assert_eq!(datastore.sequence_position(sequence), Some((18, 4097)));
}

#[test]
fn a_sequence_is_not_placed_where_it_never_stands() {
    let (mut datastore, _, sequence) = with_table();
    assert!(!datastore.place_sequence(SequenceId(9999), 1, 1));
    assert!(!datastore.place_sequence(sequence, 0, 1), "below its range");
    assert!(!datastore.place_sequence(sequence, 9, 8), "past its block");
    assert_eq!(datastore.sequence_position(sequence), Some((1, 1)));
}

//! Bytes of rows against known vectors, and the bootstrap rows against the lists of names.

use spacetime_types::{ColId, ConstraintId, IndexId, SequenceId, TableId, bsatn};

use super::field::Field;
use super::*;
use crate::Datastore;
use crate::schema::{IndexAlgorithm, TableAccess, TableKind};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check<R: SystemRow + PartialEq + std::fmt::Debug>(row: R, expected: &str) {
    assert_eq!(hex(&row.to_bsatn()), expected);
    assert_eq!(R::decode(&row.to_bsatn()), Ok(row));
}

#[test]
fn rows_have_their_known_bytes() {
    let table = |id, name: &str, table_access, key: Option<u16>| StTable {
        table_id: TableId(id),
        table_name: name.into(),
        table_type: TableKind::User,
        table_access,
        table_primary_key: key.map(|column| vec![ColId(column)]),
    };
    check(
        table(4096, "person", TableAccess::Public, Some(0)),
        "0010000006000000706572736f6e0400000075736572060000007075626c696300010000000000",
    );
    check(
        table(4097, "t", TableAccess::Private, None),
        "0110000001000000740400000075736572070000007072697661746501",
    );
    check(
        StColumn {
            table_id: TableId(4096),
            col_pos: ColId(0),
            col_name: "id".into(),
            col_type: bsatn::to_vec(&AlgebraicType::U64),
        },
        "001000000000020000006964010000000d",
    );
    check(
        StIndex {
            index_id: IndexId(4096),
            table_id: TableId(4096),
            index_name: "person_id_idx_btree".into(),
            index_algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
        },
        "001000000010000013000000706572736f6e5f69645f6964785f627472656501010000000000",
    );
    check(
        StConstraint {
            constraint_id: ConstraintId(4096),
            constraint_name: "person_id_key".into(),
            table_id: TableId(4096),
            constraint_data: ConstraintData::Unique(vec![ColId(0)]),
        },
        "001000000d000000706572736f6e5f69645f6b65790010000001010000000000",
    );
    check(
        StVar {
            name: ROW_LIMIT.into(),
            value: VarValue::U64(5),
        },
        "09000000726f775f6c696d6974080500000000000000",
    );
    check(
        StSequence {
            sequence_id: SequenceId(4096),
            sequence_name: "person_id_seq".into(),
            table_id: TableId(4096),
            col_pos: ColId(0),
            increment: 1,
            start: 1,
            min_value: 1,
            max_value: i128::MAX,
            allocated: 1,
        },
        "001000000d000000706572736f6e5f69645f736571001000000000010000000000000000000000000000000\
         100000000000000000000000000000001000000000000000000000000000000ffffffffffffffffffffffff\
         ffffff7f01000000000000000000000000000000",
    );
}

#[test]
fn column_types_have_their_known_bytes() {
    let check = |column_type: AlgebraicType, expected: &str| {
        assert_eq!(hex(&bsatn::to_vec(&column_type)), expected);
    };
    check(
        IndexAlgorithm::column_type(),
        "01040000000006000000556e757365640f0005000000425472656503090006000000446972656374090004000\
         000486173680309",
    );
    check(
        ConstraintData::column_type(),
        "01020000000006000000556e757365640f0006000000556e697175650309",
    );
    check(
        VarValue::column_type(),
        "010e0000000004000000426f6f6c050002000000493806000200000055380700030000004931360800030000\
         005531360900030000004933320a00030000005533320b00030000004936340c00030000005536340d000400\
         0000493132380e0004000000553132380f0003000000463332120003000000463634130006000000537472\
         696e6704",
    );
    check(
        Option::<Vec<ColId>>::column_type(),
        "01020000000004000000736f6d65030900040000006e6f6e650200000000",
    );
    check(
        Option::<u32>::column_type(),
        "01020000000004000000736f6d650b00040000006e6f6e650200000000",
    );
}

#[test]
fn refuses_unknown_words_and_variants() {
    let mut row = StTable {
        table_id: TableId(1),
        table_name: "t".into(),
        table_type: TableKind::User,
        table_access: TableAccess::Public,
        table_primary_key: None,
    }
    .to_bsatn();
    let word = row
        .windows(4)
        .position(|bytes| bytes == b"user")
        .expect("the word");
    row[word] = b'x';
    assert!(StTable::decode(&row).is_err());
    assert!(
        StEventTable::decode(&[1, 0, 0, 0, 0]).is_err(),
        "a surplus byte"
    );
    assert!(StEventTable::decode(&[1, 0, 0]).is_err());
}

/// Names of the bootstrap rows with the suffix cut off, by id.
fn names<R: SystemRow>(name: impl Fn(&R) -> (u32, String), suffix: &str) -> Vec<String> {
    let datastore = Datastore::new();
    let mut rows: Vec<_> = datastore
        .system_rows::<R>()
        .map(|(_, row)| name(&row))
        .collect();
    rows.sort();
    let ids: Vec<u32> = rows.iter().map(|(id, _)| *id).collect();
    let count = u32::try_from(rows.len()).expect("few");
    assert_eq!(ids, (1..=count).collect::<Vec<_>>());
    let cut = |name: String| name.strip_suffix(suffix).expect("the suffix").to_owned();
    rows.into_iter().map(|(_, name)| cut(name)).collect()
}

#[test]
fn bootstrap_indexes_have_their_fixed_ids() {
    let found = names::<StIndex>(
        |row| (row.index_id.0, row.index_name.to_string()),
        "_idx_btree",
    );
    let expected = "st_table_table_id st_table_table_name st_column_table_id_col_pos \
        st_sequence_sequence_id st_index_index_id st_constraint_constraint_id \
        st_client_identity_connection_id st_var_name st_scheduled_schedule_id \
        st_scheduled_table_id st_row_level_security_table_id st_row_level_security_sql \
        st_connection_credentials_connection_id st_view_view_id st_view_view_name \
        st_view_param_view_id_param_pos st_view_column_view_id_col_pos st_view_sub_identity \
        st_view_sub_has_subscribers st_view_sub_view_id_arg_id_identity st_view_arg_id \
        st_view_arg_bytes st_event_table_table_id st_table_accessor_table_name \
        st_table_accessor_accessor_name st_index_accessor_index_name \
        st_index_accessor_accessor_name st_column_accessor_table_name_col_name \
        st_column_accessor_table_name_accessor_name";
    assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn bootstrap_constraints_have_their_fixed_ids() {
    let name = |row: &StConstraint| (row.constraint_id.0, row.constraint_name.to_string());
    let expected = "st_table_table_id st_table_table_name st_column_table_id_col_pos \
        st_sequence_sequence_id st_index_index_id st_constraint_constraint_id \
        st_client_identity_connection_id st_var_name st_scheduled_schedule_id \
        st_scheduled_table_id st_row_level_security_sql st_connection_credentials_connection_id \
        st_view_view_id st_view_view_name st_view_param_view_id_param_pos \
        st_view_column_view_id_col_pos st_view_arg_id st_view_arg_bytes st_event_table_table_id \
        st_table_accessor_table_name st_table_accessor_accessor_name \
        st_index_accessor_index_name st_index_accessor_accessor_name \
        st_column_accessor_table_name_col_name st_column_accessor_table_name_accessor_name";
    assert_eq!(
        names(name, "_key"),
        expected.split_whitespace().collect::<Vec<_>>()
    );
}

#[test]
fn bootstrap_sequences_start_at_4096() {
    let name = |row: &StSequence| (row.sequence_id.0, row.sequence_name.to_string());
    let expected = "st_table_table_id st_index_index_id st_constraint_constraint_id \
        st_scheduled_schedule_id st_sequence_sequence_id st_view_view_id st_view_arg_id";
    assert_eq!(
        names(name, "_seq"),
        expected.split_whitespace().collect::<Vec<_>>()
    );
    for (_, row) in Datastore::new().system_rows::<StSequence>() {
        assert_eq!((row.increment, row.start, row.min_value), (1, 4097, 1));
        assert_eq!((row.max_value, row.allocated), (i128::MAX, 4096));
        assert_eq!(row.col_pos, ColId(0));
    }
}

#[test]
fn a_new_database_is_consistent() {
    let datastore = Datastore::new();
    assert_eq!(datastore.check_integrity(), Ok(()));
    assert_eq!(datastore.row_count(ST_TABLE), Some(20));
    assert_eq!(datastore.table_id("st_column_accessor"), Some(TableId(20)));
    let private: Vec<_> = datastore
        .tables()
        .filter(|schema| schema.access == TableAccess::Private)
        .map(|schema| schema.id)
        .collect();
    assert_eq!(private, [ST_CONNECTION_CREDENTIALS]);
}

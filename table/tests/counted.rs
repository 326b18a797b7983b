//! The memory that counters tell is about that which a walk finds, whatever was done.

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::{AlgebraicType, ColId, TableId, bsatn};

/// A table of (n: U64, text: String, group: U32, number: U32) with one index.
fn with_index(algorithm: Option<IndexAlgorithm>, is_unique: bool) -> (Datastore, TableId) {
    let columns = vec![
        ColumnDef::new("n", AlgebraicType::U64),
        ColumnDef::new("text", AlgebraicType::String),
        ColumnDef::new("group", AlgebraicType::U32),
        ColumnDef::new("number", AlgebraicType::U32),
    ];
    let mut def = TableDef::new("t", columns);
    if let Some(algorithm) = algorithm {
        if is_unique {
            def.constraints = vec![ConstraintDef {
                name: "t_key".into(),
                columns: algorithm.columns().to_vec(),
            }];
        }
        def.indexes = vec![IndexDef {
            name: "t_index".into(),
            accessor: None,
            algorithm,
        }];
    }
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    datastore.commit();
    (datastore, table)
}

fn row(n: u32) -> Vec<u8> {
    // Not in order.
    let key = n.wrapping_mul(0x9e37_79b1);
    let mut row = u64::from(key % 300_000).to_le_bytes().to_vec();
    let text = format!("text {key:>12}");
    bsatn::encode_len(text.len(), &mut row);
    row.extend_from_slice(text.as_bytes());
    row.extend_from_slice(&(key % 500).to_le_bytes());
    row.extend_from_slice(&n.to_le_bytes());
    row
}

#[track_caller]
fn check(datastore: &Datastore, what: &str) {
    let (counted, found) = (datastore.counted_bytes(), datastore.allocated_bytes());
    let slack = found / 4 + 100_000;
    assert!(
        counted.abs_diff(found) < slack,
        "{what}: {counted}, not {found}"
    );
}

#[test]
fn counters_agree_with_what_is_there() {
    use IndexAlgorithm::{BTree, Direct, Hash};
    let n = || vec![ColId(0)];
    for (what, algorithm, is_unique) in [
        ("nothing", None, false),
        ("tree", Some(BTree(n())), false),
        ("texts", Some(BTree(vec![ColId(1)])), true),
        ("groups", Some(BTree(vec![ColId(2), ColId(1)])), false),
        ("hash", Some(Hash(vec![ColId(1)])), true),
        ("groups by hash", Some(Hash(vec![ColId(2)])), false),
        ("direct", Some(Direct(ColId(3))), true),
    ] {
        let (mut datastore, table) = with_index(algorithm, is_unique);
        let empty = datastore.counted_bytes();
        for part in 0..6_u32 {
            let numbers = part * 5_000..(part + 1) * 5_000;
            datastore.begin_tx();
            for n in numbers.clone() {
                datastore.insert(table, &row(n)).expect("a row");
            }
            check(&datastore, what);
            if part % 3 == 1 {
                datastore.rollback();
                check(&datastore, what);
                continue;
            }
            datastore.commit();
            // A view makes the writer copy what it changes next.
            let view = datastore.view();
            datastore.begin_tx();
            for n in numbers.filter(|n| n % 3 == 0) {
                assert_eq!(datastore.delete_eq(table, &row(n)), Ok(true));
            }
            check(&datastore, what);
            datastore.commit();
            drop(view);
            check(&datastore, what);
        }
        let full = datastore.counted_bytes();
        datastore.begin_tx();
        let rows = datastore.row_count(table).expect("the table");
        assert_eq!(datastore.clear(table), Ok(rows));
        check(&datastore, what);
        assert!(datastore.counted_bytes() < empty + 1_000, "{what}");
        datastore.rollback();
        check(&datastore, what);
        let again = datastore.counted_bytes();
        assert!(
            again.abs_diff(full) < full / 4,
            "{what}: {again}, not {full}"
        );
    }
}

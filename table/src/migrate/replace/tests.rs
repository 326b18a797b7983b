//! Rows written at once are the same as rows written one by one.

use super::*;
use crate::definition::{ColumnDef, ConstraintDef, IndexDef};
use crate::{IndexAlgorithm, TxDelta};

const BYTES_MAX: usize = 1 << 30;
const ROWS: u32 = 3_000;

/// A table of (id: U64, text: String, group: U16, flag: Bool) with these indexes, of which the
/// first is unique or not.
fn definition(is_unique: bool, algorithms: &[IndexAlgorithm]) -> TableDef {
    let columns = [
        ("id", AlgebraicType::U64),
        ("text", AlgebraicType::String),
        ("group", AlgebraicType::U16),
        ("flag", AlgebraicType::Bool),
    ];
    let columns = columns.map(|(name, ty)| ColumnDef::new(name, ty));
    let mut def = TableDef::new("t", columns.to_vec());
    for (nth, algorithm) in algorithms.iter().enumerate() {
        if nth == 0 && is_unique {
            def.constraints.push(ConstraintDef {
                name: "t_key".into(),
                columns: algorithm.columns().to_vec(),
            });
        }
        def.indexes.push(IndexDef {
            name: format!("t_{nth}").into(),
            accessor: None,
            algorithm: algorithm.clone(),
        });
    }
    def
}

fn row(n: u32) -> Vec<u8> {
    let scattered = n.wrapping_mul(0x9e37_79b1);
    let text = format!(
        "{scattered:>width$}",
        width = 1 + usize::from(n.is_multiple_of(7)) * 3_000
    );
    let mut row = u64::from(n).to_le_bytes().to_vec();
    row.extend_from_slice(&u32::try_from(text.len()).expect("short").to_le_bytes());
    row.extend_from_slice(text.as_bytes());
    row.extend_from_slice(&u16::try_from(n % 100).expect("small").to_le_bytes());
    row.push(u8::from(n.is_multiple_of(2)));
    row
}

fn with_rows() -> (Datastore, TableDef) {
    let def = definition(true, &[IndexAlgorithm::BTree(vec![ColId(0)])]);
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    for n in 0..ROWS {
        datastore.insert(table, &row(n)).expect("a row");
    }
    // Not all pages are full.
    for n in (0..ROWS).filter(|n| n % 5 == 0) {
        assert_eq!(datastore.delete_eq(table, &row(n)), Ok(true));
    }
    datastore.commit();
    (datastore, def)
}

/// What a replacement left: rows in their places, counts, and the delta.
type Left = (Vec<(u32, Vec<u8>)>, String, Vec<(TableId, Vec<Vec<u8>>)>);

fn left(datastore: &mut Datastore, table: TableId, what: String) -> Left {
    assert_eq!(datastore.check_integrity(), Ok(()), "{what}");
    let ptrs = datastore.scan(table).expect("the table");
    let rows = ptrs.map(|ptr| {
        let mut row = Vec::new();
        datastore.read_row(table, ptr, &mut row);
        (ptr.0, row)
    });
    let rows = rows.collect();
    let delta: Arc<TxDelta> = datastore.commit();
    let inserts = delta.tables.iter().map(|table| {
        let rows = table.inserts.iter().map(<[u8]>::to_vec);
        (table.table, rows.collect())
    });
    (rows, what, inserts.collect())
}

fn replace(new: &TableDef, columns: &[ColumnSource], at_once: bool) -> Option<Left> {
    let (mut datastore, old) = with_rows();
    datastore.begin_tx();
    let point = datastore.savepoint();
    let mut applied = Applied::default();
    let gone = take_away(&mut datastore, &old, new, columns, &mut applied);
    let mut gone = gone.expect("the table is there");
    let table = datastore.create_table(new).expect("a definition");
    let write = |datastore: &mut Datastore, gone: &mut Gone<'_>| match at_once {
        true => write_at_once(datastore, gone, table, BYTES_MAX).expect("no error"),
        false => match write_one_by_one(datastore, gone, table, BYTES_MAX) {
            Ok((written, 0)) => Some(written),
            Ok(_) | Err(StepFailure::Conflict { .. }) => None,
            Err(error) => panic!("{error:?}"),
        },
    };
    let Some(written) = write(&mut datastore, &mut gone) else {
        if at_once {
            assert_eq!(datastore.row_count(table), Some(0));
            assert_eq!(datastore.check_integrity(), Ok(()));
        }
        datastore.rollback_to(point);
        assert_eq!(datastore.check_integrity(), Ok(()));
        return None;
    };
    Some(left(&mut datastore, table, written.to_string()))
}

#[test]
fn rows_written_at_once_are_those_written_one_by_one() {
    use IndexAlgorithm::{BTree, Direct, Hash};
    let copy = |column| ColumnSource::Copy(ColId(column));
    let all: Vec<ColumnSource> = (0..4).map(copy).collect();
    let set = ColumnSource::Value(Arc::from(0_u64.to_le_bytes()));
    let no_id = [&[set][..], &all[1..]].concat();
    let tree = |columns: &[u16]| BTree(columns.iter().copied().map(ColId).collect());
    let hash = |columns: &[u16]| Hash(columns.iter().copied().map(ColId).collect());
    let mut refused = 0;
    for (is_unique, algorithms, columns) in [
        (true, vec![tree(&[0]), tree(&[1]), hash(&[2])], &all),
        (true, vec![hash(&[1]), tree(&[2, 0])], &all),
        (true, vec![Direct(ColId(0)), hash(&[3, 2])], &all),
        (false, vec![tree(&[2])], &all),
        (false, vec![], &all),
        (false, vec![], &no_id),
        // Keys that are the same.
        (true, vec![tree(&[2])], &all),
        (true, vec![tree(&[0])], &no_id),
    ] {
        let new = definition(is_unique, &algorithms);
        let one_by_one = replace(&new, columns, false);
        let at_once = replace(&new, columns, true);
        refused += usize::from(at_once.is_none());
        assert!(at_once == one_by_one, "{is_unique} {algorithms:?}");
    }
    assert_eq!(refused, 2);
}

#[test]
fn rows_that_become_equal_are_left_to_the_slow_way() {
    let (mut datastore, old) = with_rows();
    let mut new = definition(false, &[]);
    new.columns.truncate(1);
    new.columns[0] = ColumnDef::new("group", AlgebraicType::U16);
    datastore.begin_tx();
    let mut applied = Applied::default();
    let columns = [ColumnSource::Copy(ColId(2))];
    let gone = take_away(&mut datastore, &old, &new, &columns, &mut applied);
    let gone = gone.expect("the table is there");
    put_back(&mut datastore, gone, BYTES_MAX, &mut applied).expect("rows are merged");
    assert_eq!(applied.rewritten, [("t".into(), 80)]);
    assert_eq!(applied.merged, [("t".into(), u64::from(ROWS) * 4 / 5 - 80)]);
    assert_eq!(datastore.check_integrity(), Ok(()));
    datastore.rollback();
    assert_eq!(datastore.check_integrity(), Ok(()));
}

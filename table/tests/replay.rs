//! Logs as transactions write them lead to the rows that the transactions left. Logs with one
//! wrong change are refused, at the latest at the end.

use std::collections::BTreeMap;

use proptest::prelude::*;
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm, ReplayError};
use spacetime_types::{AlgebraicType, ColId, TableId};

/// How rows of a table are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By a unique column; the value has another index.
    Key,
    /// By a unique column, and the rows are of different lengths.
    KeyAndText,
    /// By the whole row.
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Record {
    inserts: Vec<Vec<u8>>,
    deletes: Vec<Vec<u8>>,
    truncates: bool,
}

/// One wrong change.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    InsertsPresentRow,
    DeletesAbsentRow,
    TakesUsedKey,
    InsertsTwice,
}

fn row(kind: Kind, key: u8, value: u8) -> Vec<u8> {
    let mut row = u32::from(key).to_le_bytes().to_vec();
    row.extend_from_slice(&u64::from(value).to_le_bytes());
    if kind == Kind::KeyAndText {
        row.extend_from_slice(&u32::from(value).to_le_bytes());
        row.resize(row.len() + usize::from(value), b'x');
    }
    row
}

fn definition(kind: Kind) -> TableDef {
    let mut columns = vec![
        ColumnDef::new("key", AlgebraicType::U32),
        ColumnDef::new("value", AlgebraicType::U64),
    ];
    if kind == Kind::KeyAndText {
        columns.push(ColumnDef::new("text", AlgebraicType::String));
    }
    let mut def = TableDef::new("t", columns);
    let index = |name: &str, column| IndexDef {
        name: name.into(),
        accessor: None,
        algorithm: IndexAlgorithm::BTree(vec![ColId(column)]),
    };
    def.indexes.push(index("t_value", 1));
    if kind != Kind::Nothing {
        def.indexes.push(index("t_key", 0));
        def.constraints.push(ConstraintDef {
            name: "t_key_unique".into(),
            columns: vec![ColId(0)],
        });
    }
    def
}

/// The rows of the model, by what must be unique.
type Rows = BTreeMap<(u8, u8), Vec<u8>>;

fn unique(kind: Kind, key: u8, value: u8) -> (u8, u8) {
    match kind {
        Kind::Nothing => (key, value),
        _ => (key, 0),
    }
}

/// Records that change each row at most once, as transactions do, and the rows at the end.
fn right_log(kind: Kind, steps: &[Vec<(u8, u8, u8)>]) -> (Vec<Record>, Vec<Rows>) {
    let mut rows = Rows::new();
    let mut states = vec![rows.clone()];
    let mut records = Vec::new();
    for record_steps in steps {
        let before = rows.clone();
        for (what, key, value) in record_steps {
            let (key, value) = (key % 16, value % 8);
            let place = unique(kind, key, value);
            match what % 16 {
                0 => rows.clear(),
                1..=4 => drop(rows.remove(&place)),
                _ => drop(rows.insert(place, row(kind, key, value))),
            }
        }
        let minus = |left: &Rows, right: &Rows| -> Vec<Vec<u8>> {
            let is_new = |(place, row): &(&(u8, u8), &Vec<u8>)| right.get(place) != Some(*row);
            left.iter()
                .filter(is_new)
                .map(|(_, row)| row.clone())
                .collect()
        };
        let mut record = Record {
            inserts: minus(&rows, &before),
            deletes: minus(&before, &rows),
            truncates: false,
        };
        if rows.is_empty() && !record.deletes.is_empty() {
            record.truncates = true;
            record.deletes.clear();
        }
        records.push(record);
        states.push(rows.clone());
    }
    (records, states)
}

/// Makes one record wrong; false if there is no way to.
fn spoil(kind: Kind, record: &mut Record, before: &Rows, wrong: Wrong, nth: usize) -> bool {
    let kept = before
        .iter()
        .filter(|(_, row)| !record.deletes.contains(row));
    let kept: Vec<_> = kept.collect();
    let chosen = kept.get(nth % kept.len().max(1)).copied();
    match wrong {
        Wrong::InsertsPresentRow => match chosen {
            Some((_, row)) => record.inserts.push(row.clone()),
            None => return false,
        },
        // A row with this value never is.
        Wrong::DeletesAbsentRow => record.deletes.push(row(kind, 3, 200)),
        Wrong::TakesUsedKey => match chosen {
            Some(((key, _), old)) if kind != Kind::Nothing && !record.truncates => {
                let is_changed = record.inserts.iter().any(|row| row[..4] == old[..4]);
                if is_changed {
                    return false;
                }
                record.inserts.push(row(kind, *key, 201));
            }
            _ => return false,
        },
        Wrong::InsertsTwice => match record.inserts.get(nth % record.inserts.len().max(1)) {
            Some(row) => record.inserts.push(row.clone()),
            None => return false,
        },
    }
    true
}

fn replay(kind: Kind, records: &[Record], at_once: bool) -> Result<Datastore, ReplayError> {
    let mut created = Datastore::new();
    created.begin_tx();
    let table = created
        .create_table(&definition(kind))
        .expect("a definition");
    let delta = created.commit();
    let mut again = Datastore::new();
    again.replay_begin();
    for changed in delta.logged_tables() {
        insert(&mut again, changed.table, changed.inserts.iter(), at_once)?;
    }
    for changed in delta.logged_tables() {
        for row in changed.deletes.iter() {
            again.replay_delete(changed.table, row)?;
        }
    }
    again.replay_commit()?;
    for record in records {
        insert(
            &mut again,
            table,
            record.inserts.iter().map(Vec::as_slice),
            at_once,
        )?;
        for row in &record.deletes {
            again.replay_delete(table, row)?;
        }
        if record.truncates {
            again.replay_truncate(table)?;
        }
        again.replay_commit()?;
    }
    again.finish_replay()?;
    assert_eq!(again.check_integrity(), Ok(()));
    Ok(again)
}

fn insert<'a>(
    datastore: &mut Datastore,
    table: TableId,
    rows: impl Iterator<Item = &'a [u8]>,
    at_once: bool,
) -> Result<(), ReplayError> {
    let rows: Vec<&[u8]> = rows.collect();
    if at_once && !rows.is_empty() {
        let (mut used, bytes) = (0, rows.concat());
        let count = u64::try_from(rows.len()).expect("a count");
        datastore.replay_insert_rows(table, count, &bytes, &mut used)?;
        assert_eq!(used, bytes.len());
        return Ok(());
    }
    for row in rows {
        assert_eq!(datastore.replay_insert(table, row)?, row.len());
    }
    Ok(())
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Key), Just(Kind::KeyAndText), Just(Kind::Nothing)]
}

fn wrongs() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        Just(Wrong::InsertsPresentRow),
        Just(Wrong::DeletesAbsentRow),
        Just(Wrong::TakesUsedKey),
        Just(Wrong::InsertsTwice),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Vec<(u8, u8, u8)>>> {
    prop::collection::vec(prop::collection::vec(any::<(u8, u8, u8)>(), 1..12), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn right_logs_lead_to_their_rows(kind in kinds(), steps in steps(), at_once in any::<bool>()) {
        let (records, states) = right_log(kind, &steps);
        let datastore = replay(kind, &records, at_once).expect("a right log");
        let table = datastore.table_id("t").expect("the table");
        let mut rows = Vec::new();
        for ptr in datastore.scan(table).expect("the table") {
            let mut row = Vec::new();
            datastore.read_row(table, ptr, &mut row);
            rows.push(row);
        }
        rows.sort();
        let mut expected: Vec<Vec<u8>> = states[records.len()].values().cloned().collect();
        expected.sort();
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn wrong_logs_are_refused(
        kind in kinds(),
        steps in steps(),
        at_once in any::<bool>(),
        wrong in wrongs(),
        place in any::<prop::sample::Index>(),
        nth in any::<usize>(),
    ) {
        let (mut records, states) = right_log(kind, &steps);
        let place = place.index(records.len());
        prop_assume!(spoil(kind, &mut records[place], &states[place], wrong, nth));
        let refused = replay(kind, &records, at_once).expect_err("a wrong log");
        let is_named = matches!(
            refused,
            ReplayError::DuplicateRow { .. }
                | ReplayError::MissingRow { .. }
                | ReplayError::Conflict { .. }
        );
        prop_assert!(is_named, "{:?}", refused);
    }
}

//! One table against a model: a map from sets to how often they have each row.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use spacetime_types::bsatn;

use super::table::TableCache;
use super::{ApplyMode, StoredRow, TableAppliedDiff};
use crate::update::{TableUpdate, UpdatePart};
use crate::wire::QuerySetId;
use crate::wire::v2::BsatnRowList;

/// A key and a value.
type Row = (u8, u8);

fn part(set: u32, inserts: &[Row], deletes: &[Row]) -> UpdatePart<Row> {
    let stored = inserts.iter().map(|row| {
        let bytes = bsatn::to_vec(row).into();
        Arc::new(StoredRow { row: *row, bytes })
    });
    UpdatePart {
        set: QuerySetId(set),
        inserts: Cell::new(stored.collect()),
        deletes: row_list(deletes),
        events: Cell::default(),
    }
}

fn row_list(rows: &[Row]) -> BsatnRowList {
    let bytes: Vec<u8> = rows.iter().flat_map(bsatn::to_vec).collect();
    BsatnRowList::fixed_size(2, Bytes::from(bytes))
}

fn table() -> TableCache<Row> {
    let mut table = TableCache::new();
    table.add_unique_constraint("key", |row: &Row| &row.0);
    table.add_index("value", |row: &Row| &row.1);
    table
}

fn apply(
    table: &mut TableCache<Row>,
    mode: ApplyMode,
    parts: Vec<UpdatePart<Row>>,
) -> (Changes, Option<QuerySetId>) {
    let update = TableUpdate { parts };
    let (diff, unknown) = table.apply(&update, mode);
    (changes(&diff), unknown)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    inserts: Vec<Row>,
    deletes: Vec<Row>,
    updates: Vec<(Row, Row)>,
}

fn changes(diff: &TableAppliedDiff<'_, Row>) -> Changes {
    let sorted = |rows: &[Arc<StoredRow<Row>>]| {
        let mut rows: Vec<Row> = rows.iter().map(|row| row.row).collect();
        rows.sort_unstable();
        rows
    };
    let mut updates: Vec<_> = diff
        .updates
        .iter()
        .map(|(old, new)| (old.row, new.row))
        .collect();
    updates.sort_unstable();
    Changes {
        inserts: sorted(&diff.inserts),
        deletes: sorted(&diff.deletes),
        updates,
    }
}

fn inserts(rows: &[Row]) -> Changes {
    Changes {
        inserts: rows.to_vec(),
        ..Changes::default()
    }
}

fn deletes(rows: &[Row]) -> Changes {
    Changes {
        deletes: rows.to_vec(),
        ..Changes::default()
    }
}

#[test]
fn a_row_of_two_sets_comes_once_and_goes_with_the_second() {
    let mut table = table();
    let row = [(1, 1)];
    let (seen, _) = apply(&mut table, ApplyMode::Change, vec![part(1, &row, &[])]);
    assert_eq!(seen, inserts(&row));
    let (seen, _) = apply(&mut table, ApplyMode::Change, vec![part(2, &row, &[])]);
    assert_eq!(seen, Changes::default());
    let (seen, _) = apply(&mut table, ApplyMode::Drop(QuerySetId(1)), vec![]);
    assert_eq!(seen, Changes::default());
    assert_eq!(table.find("key", &1_u8).unwrap().row, (1, 1));
    let (seen, unknown) = apply(&mut table, ApplyMode::Change, vec![part(2, &[], &row)]);
    assert_eq!((seen, unknown), (deletes(&row), None));
    assert!(table.find("key", &1_u8).is_none());
}

#[test]
fn a_row_that_moves_between_queries_causes_nothing() {
    let mut table = table();
    let row = [(1, 1)];
    apply(&mut table, ApplyMode::Change, vec![part(1, &row, &[])]);
    let moved = vec![part(1, &[], &row), part(2, &row, &[])];
    let (seen, unknown) = apply(&mut table, ApplyMode::Change, moved);
    assert_eq!((seen, unknown), (Changes::default(), None));
}

#[test]
fn a_delete_of_an_unknown_row_is_reported_and_harmless() {
    let mut table = table();
    apply(&mut table, ApplyMode::Change, vec![part(1, &[(1, 1)], &[])]);
    for (set, row) in [(1, (9, 9)), (2, (1, 1))] {
        let wrong = vec![part(set, &[], &[row])];
        let (seen, unknown) = apply(&mut table, ApplyMode::Change, wrong);
        assert_eq!((seen, unknown), (Changes::default(), Some(QuerySetId(set))));
    }
    assert_eq!(table.len(), 1);
}

#[test]
fn rebuilding_shows_the_difference_only() {
    let mut table = table();
    let before = vec![part(1, &[(1, 1), (2, 2), (3, 3)], &[])];
    apply(&mut table, ApplyMode::Change, before);
    let update = TableUpdate {
        parts: vec![part(1, &[(1, 1), (2, 9), (4, 4)], &[])],
    };
    let (diff, _) = table.apply(&update, ApplyMode::Rebuild);
    let diff = diff.with_updates_by_pk(|row| &row.0);
    let expected = Changes {
        inserts: vec![(4, 4)],
        deletes: vec![(3, 3)],
        updates: vec![((2, 2), (2, 9))],
    };
    assert_eq!(changes(&diff), expected);
    assert_eq!(table.find("key", &2_u8).unwrap().row, (2, 9));
    assert_eq!(table.filter("value", &3_u8).count(), 0);
}

#[test]
fn many_updates_are_paired_by_key() {
    let mut table = table();
    let old: Vec<Row> = (0..100).map(|key| (key, 1)).collect();
    let new: Vec<Row> = (50..150).map(|key| (key, 2)).collect();
    apply(&mut table, ApplyMode::Change, vec![part(1, &old, &[])]);
    let update = TableUpdate {
        parts: vec![part(1, &new, &old)],
    };
    let (diff, _) = table.apply(&update, ApplyMode::Change);
    let changes = changes(&diff.with_updates_by_pk(|row| &row.0));
    assert_eq!(changes.updates.len(), 50);
    assert_eq!((changes.inserts.len(), changes.deletes.len()), (50, 50));
    assert!(changes.updates.iter().all(|(old, new)| old.0 == new.0));
    assert_eq!(table.filter("value", &2_u8).count(), 100);
}

/// One step of the random run. Deletes are chosen among what the set has.
#[derive(Clone, Debug)]
enum Step {
    Change(Vec<(u32, Vec<Row>, Vec<u8>)>),
    Drop(u32),
    Rebuild(Vec<(u32, Vec<Row>)>),
}

/// Numbers that look random, the same for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((self.0 >> 40) % u64::from(bound)).unwrap()
    }

    fn many<T>(&mut self, bound: u8, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(bound)).map(|_| one(self)).collect()
    }

    fn rows(&mut self) -> Vec<Row> {
        self.many(5, |random| (random.below(6), random.below(2)))
    }

    fn step(&mut self) -> Step {
        match self.below(8) {
            0 => Step::Drop(self.below(3).into()),
            1 => Step::Rebuild(self.many(4, |random| (random.below(3).into(), random.rows()))),
            _ => Step::Change(self.many(4, |random| {
                let choices = random.many(4, |random| random.below(255));
                (random.below(3).into(), random.rows(), choices)
            })),
        }
    }
}

/// How often each set has each row.
type Model = BTreeMap<(u32, Row), u32>;

fn visible(model: &Model) -> BTreeSet<Row> {
    model.keys().map(|(_, row)| *row).collect()
}

fn add(model: &mut Model, set: u32, rows: &[Row]) {
    for row in rows {
        *model.entry((set, *row)).or_default() += 1;
    }
}

/// Takes some of what the set has out of the model, and returns it.
fn remove(model: &mut Model, set: u32, choices: &[u8]) -> Vec<Row> {
    let mut removed = Vec::new();
    for choice in choices {
        let has: Vec<Row> = model
            .keys()
            .filter(|(member, _)| *member == set)
            .map(|(_, row)| *row)
            .collect();
        let Some(row) = has.get(usize::from(*choice) % has.len().max(1)) else {
            continue;
        };
        let count = model.get_mut(&(set, *row)).unwrap();
        *count -= 1;
        if *count == 0 {
            model.remove(&(set, *row));
        }
        removed.push(*row);
    }
    removed
}

fn take_step(table: &mut TableCache<Row>, model: &mut Model, step: Step) -> Changes {
    let (mode, parts) = match step {
        Step::Change(parts) => {
            for (set, inserts, _) in &parts {
                add(model, *set, inserts);
            }
            let parts = parts.iter().map(|(set, inserts, choices)| {
                let deletes = remove(model, *set, choices);
                part(*set, inserts, &deletes)
            });
            (ApplyMode::Change, parts.collect())
        }
        Step::Drop(set) => {
            model.retain(|(member, _), _| *member != set);
            (ApplyMode::Drop(QuerySetId(set)), Vec::new())
        }
        Step::Rebuild(parts) => {
            model.clear();
            for (set, rows) in &parts {
                add(model, *set, rows);
            }
            let parts = parts.iter().map(|(set, rows)| part(*set, rows, &[]));
            (ApplyMode::Rebuild, parts.collect())
        }
    };
    let (changes, unknown) = apply(table, mode, parts);
    assert_eq!(unknown, None);
    changes
}

#[test]
fn callbacks_and_rows_agree_with_the_model() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut table = table();
        let mut model = Model::new();
        for _ in 0..20 {
            let before = visible(&model);
            let changes = take_step(&mut table, &mut model, random.step());
            let after = visible(&model);
            let came: Vec<Row> = after.difference(&before).copied().collect();
            let went: Vec<Row> = before.difference(&after).copied().collect();
            assert_eq!(changes.inserts, came, "seed {seed}");
            assert_eq!(changes.deletes, went, "seed {seed}");
            let rows: BTreeSet<Row> = table.rows().map(|row| row.row).collect();
            assert_eq!(rows, after, "seed {seed}");
            assert_eq!(table.len(), after.len(), "seed {seed}");
            for value in 0..2_u8 {
                let found = table.filter("value", &value).map(|row| row.row);
                let expected = after.iter().filter(|row| row.1 == value);
                let expected: BTreeSet<Row> = expected.copied().collect();
                assert_eq!(found.collect::<BTreeSet<Row>>(), expected, "seed {seed}");
            }
        }
    }
}

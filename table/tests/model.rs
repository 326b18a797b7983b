//! Random transactions against a naive model: contents, indexes, deltas, rollback, replay, views,
//! and the restore of views with the rest of the log on top.

mod model {
    pub mod naive;
    pub mod shapes;
}

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use model::naive::{Applied, Model};
use model::shapes::{SHAPES, Shape};
use proptest::prelude::*;
use spacetime_table::error::WriteError;
use spacetime_table::{Datastore, IndexAlgorithm, ReadView, RestoredBlob, TableSchema, TxDelta};
use spacetime_types::{AlgebraicValue, TableId};

/// One thing to do. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    Create(usize),
    Drop(usize),
    Insert(usize, u8, u8),
    Update(usize, u8, u8),
    DeleteNth(usize, u8),
    DeleteEq(usize, u8, u8),
    Clear(usize),
    Savepoint,
    BackToSavepoint,
    Commit,
    Rollback,
}

fn op() -> impl Strategy<Value = Op> {
    let table = || 0..SHAPES.len();
    prop_oneof![
        2 => table().prop_map(Op::Create),
        1 => table().prop_map(Op::Drop),
        30 => (table(), any::<u8>(), any::<u8>()).prop_map(|(t, a, b)| Op::Insert(t, a, b)),
        12 => (table(), any::<u8>(), any::<u8>()).prop_map(|(t, a, b)| Op::Update(t, a, b)),
        12 => (table(), any::<u8>()).prop_map(|(t, n)| Op::DeleteNth(t, n)),
        4 => (table(), any::<u8>(), any::<u8>()).prop_map(|(t, a, b)| Op::DeleteEq(t, a, b)),
        1 => table().prop_map(Op::Clear),
        2 => Just(Op::Savepoint),
        2 => Just(Op::BackToSavepoint),
        5 => Just(Op::Commit),
        3 => Just(Op::Rollback),
    ]
}

/// All rows of all tables.
type Dump = BTreeMap<TableId, Vec<Vec<u8>>>;

fn dump(datastore: &Datastore) -> Dump {
    let rows_of = |schema: &Arc<TableSchema>| {
        let rows = datastore.scan(schema.id).expect("the table").map(|ptr| {
            let mut row = Vec::new();
            datastore.read_row(schema.id, ptr, &mut row);
            row
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        (schema.id, rows)
    };
    datastore.tables().map(rows_of).collect()
}

/// Everything that a rolled-back transaction must leave as it was. The rows of sequences are in it,
/// the values that were used up are not.
fn trace(datastore: &Datastore) -> (Dump, Vec<String>) {
    let mut schemas: Vec<_> = datastore.tables().cloned().collect();
    schemas.sort_by_key(|schema| schema.id);
    let texts = schemas.iter().map(|schema| format!("{schema:?}")).collect();
    (dump(datastore), texts)
}

/// What a snapshot of a view brings back, in a replay that is still open.
fn restored(view: &ReadView) -> Datastore {
    let mut again = Datastore::new();
    let blobs = view.snapshot_blobs().into_iter().map(|blob| RestoredBlob {
        name: *blob.name,
        bytes: Arc::clone(blob.bytes),
        uses: blob.uses,
    });
    again.restore_begin(blobs).expect("right blobs");
    for table in view.snapshot_tables() {
        let images = table.pages().map(|page| {
            let mut image = Vec::new();
            page.write_image(&mut image);
            image
        });
        let (id, fingerprint) = (table.id(), table.fingerprint());
        let restored = again.restore_table(id, fingerprint, table.row_count(), images);
        restored.expect("a right snapshot");
    }
    again.restore_end().expect("a whole snapshot");
    again
}

struct Run {
    datastore: Datastore,
    tables: Vec<Option<TableId>>,
    model: Model,
    deltas: Vec<Arc<TxDelta>>,
    views: Vec<Viewed>,
    /// Values generated in the open transaction.
    generated: Vec<(TableId, u64)>,
    /// The greatest value that was generated in a transaction that was committed.
    used: BTreeMap<TableId, u64>,
}

/// A view, what it showed at first, and how many records the log had.
struct Viewed {
    view: ReadView,
    dump: Dump,
    records: usize,
}

impl Run {
    fn new() -> Self {
        Run {
            datastore: Datastore::new(),
            tables: vec![None; SHAPES.len()],
            model: Model::default(),
            deltas: Vec::new(),
            views: Vec::new(),
            generated: Vec::new(),
            used: BTreeMap::new(),
        }
    }

    fn run(&mut self, ops: &[Op]) {
        let transactions = ops.split_inclusive(|op| matches!(op, Op::Commit | Op::Rollback));
        for ops in transactions {
            let before = (self.tables.clone(), self.model.clone());
            let traced = trace(&self.datastore);
            self.datastore.begin_tx();
            let mut savepoint = None;
            for op in ops {
                match op {
                    Op::Savepoint => {
                        let state = (self.tables.clone(), self.model.clone());
                        let generated = self.generated.len();
                        savepoint = Some((self.datastore.savepoint(), state, generated));
                    }
                    Op::BackToSavepoint => {
                        if let Some((point, (tables, model), generated)) = savepoint.take() {
                            self.generated.truncate(generated);
                            self.datastore.rollback_to(point);
                            self.tables = tables;
                            self.model.undo_to(model);
                        }
                    }
                    op => self.apply(op),
                }
            }
            if matches!(ops.last(), Some(Op::Rollback)) {
                self.datastore.rollback();
                self.generated.clear();
                self.tables = before.0;
                self.model.undo_to(before.1);
                assert_eq!(trace(&self.datastore), traced, "rollback leaves no trace");
            } else {
                let delta = self.datastore.commit();
                for (table, value) in self.generated.drain(..) {
                    let used = self.used.entry(table).or_default();
                    *used = value.max(*used);
                }
                self.check_delta(&traced.0, &delta);
                self.model.forget_events();
                self.deltas.push(delta);
            }
            assert_eq!(self.datastore.check_integrity(), Ok(()));
            self.check_contents();
            self.check_indexes();
            if ops.len() % 3 == 0 {
                self.views.push(Viewed {
                    view: self.datastore.view(),
                    dump: dump(&self.datastore),
                    records: self.deltas.len(),
                });
            }
        }
        self.check_views();
        self.check_replay(Datastore::new(), 0);
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Create(shape) if self.tables[shape].is_none() => {
                let created = self.datastore.create_table(&SHAPES[shape].definition());
                let table = created.expect("a right definition");
                self.tables[shape] = Some(table);
                self.model.create(shape);
            }
            Op::Drop(shape) => {
                if let Some(table) = self.tables[shape].take() {
                    self.datastore
                        .drop_table(table)
                        .expect("the table is there");
                    self.model.drop(shape);
                }
            }
            Op::Insert(shape, a, b) => self.insert(shape, a, b),
            Op::Update(shape, a, b) => self.update(shape, a, b),
            Op::DeleteNth(shape, nth) => {
                let Some(table) = self.tables[shape] else {
                    return;
                };
                if let Some(row) = self.model.nth(shape, usize::from(nth)) {
                    let ptr = self
                        .datastore
                        .find_eq(table, &row)
                        .expect("the model has it");
                    self.datastore
                        .delete(table, ptr)
                        .expect("an ordinary table");
                    self.model.delete(shape, &row);
                }
            }
            Op::DeleteEq(shape, a, b) => {
                let Some(table) = self.tables[shape] else {
                    return;
                };
                let row = SHAPES[shape].row(a, b).bytes();
                let deleted = self.datastore.delete_eq(table, &row);
                assert_eq!(deleted, Ok(self.model.delete(shape, &row)));
            }
            Op::Clear(shape) => {
                let Some(table) = self.tables[shape] else {
                    return;
                };
                let count = self.datastore.clear(table).expect("an ordinary table");
                assert_eq!(count, self.model.clear(shape));
            }
            _ => {}
        }
    }

    fn insert(&mut self, shape: usize, a: u8, b: u8) {
        let Some(table) = self.tables[shape] else {
            return;
        };
        let row = SHAPES[shape].row(a, b);
        let inserted = self.datastore.insert(table, &row.bytes());
        let expected = self.model.insert(shape, row);
        self.compare(table, inserted, expected);
    }

    fn update(&mut self, shape: usize, a: u8, b: u8) {
        let Some(table) = self.tables[shape] else {
            return;
        };
        let Some((_, key)) = SHAPES[shape].first_unique() else {
            return;
        };
        let schema = self.datastore.schema(table).expect("the table");
        let index = schema
            .indexes
            .iter()
            .find(|index| index.algorithm.columns() == key);
        let index = index.expect("each key has an index").id;
        let row = SHAPES[shape].row(a, b);
        let updated = self.datastore.update(table, index, &row.bytes());
        let expected = self.model.update(shape, row);
        self.compare(table, updated, expected);
    }

    fn compare(
        &mut self,
        table: TableId,
        found: Result<spacetime_table::Inserted, WriteError>,
        expected: Applied,
    ) {
        match (found, expected) {
            (
                Ok(found),
                Applied::Done {
                    row,
                    generated,
                    existed,
                },
            ) => {
                let mut stored = Vec::new();
                self.datastore.read_row(table, found.ptr, &mut stored);
                assert_eq!(stored, row);
                assert_eq!(found.generated.as_slice(), generated);
                assert_eq!(found.existed, existed);
                if !generated.is_empty() {
                    let mut value = [0; 8];
                    value[..generated.len()].copy_from_slice(&generated);
                    self.generated.push((table, u64::from_le_bytes(value)));
                }
            }
            (Err(WriteError::UniqueViolation { .. }), Applied::Violation) => {}
            (Err(WriteError::NoSuchRow { .. }), Applied::NoSuchRow) => {}
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    fn check_contents(&self) {
        for (shape, table) in self.tables.iter().enumerate() {
            let Some(table) = table else { continue };
            let found = dump(&self.datastore).remove(table).expect("the table");
            assert_eq!(found, self.model.rows(shape), "{}", SHAPES[shape].name);
            let count = u64::try_from(found.len()).expect("few");
            assert_eq!(self.datastore.row_count(*table), Some(count));
        }
    }

    fn check_indexes(&self) {
        for (shape, table) in self.tables.iter().enumerate() {
            let Some(table) = table else { continue };
            let schema = self.datastore.schema(*table).expect("the table");
            for index in &schema.indexes {
                let columns: Vec<usize> = index
                    .algorithm
                    .columns()
                    .iter()
                    .map(|column| usize::from(column.0))
                    .collect();
                for (a, b) in [(0, 0), (1, 3), (2, 5), (7, 1)] {
                    let shape = (shape, &SHAPES[shape]);
                    self.check_point(shape, index.id, &columns, a, b);
                    let is_ordered = !matches!(index.algorithm, IndexAlgorithm::Hash(_));
                    self.check_ranges(shape, index.id, &columns, (a, b), is_ordered);
                }
            }
        }
    }

    fn check_point(
        &self,
        (shape, make): (usize, &Shape),
        index: spacetime_types::IndexId,
        columns: &[usize],
        a: u8,
        b: u8,
    ) {
        let row = make.row(a, b);
        let key = row.key(columns);
        let (table, found) = self
            .datastore
            .index_point(index, &row.key_bytes(columns))
            .expect("a key");
        let mut found = self.read_all(table, found);
        found.sort();
        let expected = self.model.rows_where(shape, |row| row.key(columns) == key);
        assert_eq!(found, expected);
    }

    fn check_ranges(
        &self,
        (shape, make): (usize, &Shape),
        index: spacetime_types::IndexId,
        columns: &[usize],
        (a, b): (u8, u8),
        is_ordered: bool,
    ) {
        let first = &columns[..1];
        let (low, high) = (
            make.row(a, b),
            make.row(a.wrapping_add(3), b.wrapping_add(2)),
        );
        let (low_bytes, high_bytes) = (low.key_bytes(first), high.key_bytes(first));
        let end = Bound::Excluded(high_bytes.as_slice());
        let start = Bound::Included(low_bytes.as_slice());
        let range = self.datastore.index_range(index, &[], 0, start, end);
        if !is_ordered {
            assert!(range.is_err(), "a hash index has no order");
            return;
        }
        let (table, found) = range.expect("a range");
        let found = self.read_all(table, found);
        let (low_key, high_key) = (low.key(first), high.key(first));
        let is_within = |key: &Vec<AlgebraicValue>| (&low_key..&high_key).contains(&key);
        let expected = self
            .model
            .rows_where(shape, |row| is_within(&row.key(first)));
        let keys: Vec<_> = found
            .iter()
            .map(|row| make.decode(row).key(columns))
            .collect();
        assert!(keys.is_sorted(), "a range comes in key order");
        let mut found = found;
        found.sort();
        assert_eq!(found, expected);
        if columns.len() > 1 {
            let range = self.datastore.index_range(
                index,
                &low_bytes,
                1,
                Bound::Unbounded,
                Bound::Unbounded,
            );
            let (table, found) = range.expect("a range");
            let mut found = self.read_all(table, found);
            found.sort();
            let expected = self
                .model
                .rows_where(shape, |row| row.key(first) == low_key);
            assert_eq!(found, expected);
        }
    }

    fn read_all(
        &self,
        table: TableId,
        rows: impl Iterator<Item = spacetime_table::RowPtr>,
    ) -> Vec<Vec<u8>> {
        let read = |ptr| {
            let mut row = Vec::new();
            self.datastore.read_row(table, ptr, &mut row);
            row
        };
        rows.map(read).collect()
    }

    /// The delta is the difference of the contents, and events.
    fn check_delta(&self, before: &Dump, delta: &TxDelta) {
        let mut after = dump(&self.datastore);
        for (shape, table) in self.tables.iter().enumerate() {
            if let Some(table) = table
                && SHAPES[shape].is_event
            {
                assert_eq!(after[table], Vec::<Vec<u8>>::new(), "events are forgotten");
                after.insert(*table, self.model.rows(shape));
            }
        }
        let none = Vec::new();
        let ids: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let mut changed = Vec::new();
        for id in ids {
            let old = before.get(id).unwrap_or(&none);
            let new = after.get(id).unwrap_or(&none);
            let minus = |left: &[Vec<u8>], right: &[Vec<u8>]| -> Vec<Vec<u8>> {
                left.iter()
                    .filter(|row| right.binary_search(row).is_err())
                    .cloned()
                    .collect()
            };
            let (inserts, deletes) = (minus(new, old), minus(old, new));
            if inserts.is_empty() && deletes.is_empty() {
                continue;
            }
            changed.push(*id);
            let found = delta.table(*id).expect("a changed table");
            let sorted = |list: &spacetime_table::RowList| {
                let mut rows: Vec<Vec<u8>> = list.iter().map(<[u8]>::to_vec).collect();
                rows.sort();
                rows
            };
            assert_eq!(sorted(&found.inserts), inserts);
            assert_eq!(sorted(&found.deletes), deletes);
            assert_eq!(found.truncated, !deletes.is_empty() && new.is_empty());
        }
        let found: Vec<_> = delta.tables.iter().map(|table| table.table).collect();
        assert_eq!(found, changed);
        assert_eq!(delta.consumes_offset, !changed.is_empty());
    }

    /// Views never change, whatever the writer does; and a database restored from one and the log
    /// since is the same.
    fn check_views(&mut self) {
        for (position, viewed) in self.views.iter().enumerate() {
            assert_eq!(dump(&viewed.view), viewed.dump, "a view never changes");
            assert_eq!(viewed.view.check_integrity(), Ok(()));
            if position % 8 == 0 {
                self.check_replay(restored(&viewed.view), viewed.records);
            }
        }
        let before = dump(&self.datastore);
        self.views.clear();
        assert_eq!(dump(&self.datastore), before);
    }

    /// Applying the deltas from `records` on as a log does gives the same database.
    fn check_replay(&self, mut again: Datastore, records: usize) {
        if !again.is_replaying() {
            again.replay_begin();
        }
        for delta in &self.deltas[records..] {
            let logged = || delta.logged_tables();
            for table in logged() {
                let (mut used, bytes) = (0, table.inserts.bytes());
                let count = u64::try_from(table.inserts.len()).expect("a count");
                let inserted = again.replay_insert_rows(table.table, count, bytes, &mut used);
                assert_eq!((inserted, used), (Ok(()), bytes.len()));
            }
            for table in logged().filter(|table| !table.truncated) {
                for row in table.deletes.iter() {
                    again.replay_delete(table.table, row).expect("a delete");
                }
            }
            for table in logged().filter(|table| table.truncated) {
                again.replay_truncate(table.table).expect("a truncation");
            }
            again.replay_commit().expect("the end of a record");
        }
        again.finish_replay().expect("a right log");
        assert_eq!(again.check_integrity(), Ok(()));
        assert_eq!(dump(&again), dump(&self.datastore));
        let mut schemas: Vec<_> = self.datastore.tables().collect();
        schemas.sort_by_key(|schema| schema.id);
        for schema in schemas {
            let replayed = again.schema(schema.id).expect("the table");
            assert_eq!(format!("{replayed:?}"), format!("{schema:?}"));
            self.check_sequences(&again, schema);
        }
    }

    /// After a restart every value comes after those of the rows that were ever committed.
    fn check_sequences(&self, again: &Datastore, schema: &TableSchema) {
        for sequence in &schema.sequences {
            let (value, _) = again.sequence_position(sequence.id).expect("replayed");
            let used = self.used.get(&schema.id).copied().unwrap_or_default();
            assert!(
                value > i128::from(used),
                "{}: {value} after {used}",
                schema.name
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn random_transactions_agree_with_the_model(ops in prop::collection::vec(op(), 1..250)) {
        let mut run = Run::new();
        let create: Vec<Op> = (0..SHAPES.len()).map(Op::Create).chain([Op::Commit]).collect();
        run.run(&[create, ops].concat());
    }
}

//! A database comes back from a snapshot that SpacetimeDB could have written of it.

#[path = "../../snapshot/tests/foreign_writer/mod.rs"]
mod foreign_writer;
mod load;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foreign_writer::{Builder, PageBuilder, SNAPSHOTS};
use load::{Load, options, path};
use spacetime_durability::storage::SimStorage;
use spacetime_snapshot::foreign::{ForeignSnapshot, list};
use spacetime_store::{LogRetention, OpenStoreError, RestoreForeignError, restore_foreign};
use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm};
use spacetime_types::bsatn::{Reader, decode_value};
use spacetime_types::{AlgebraicType as Ty, ColId, Layout, TableId, TxOffset, Typespace};

const ROWS_PER_PAGE: usize = 20;

/// A table with a generated key, and one without any key and with all sorts of columns.
fn database() -> Datastore {
    let columns = vec![
        ColumnDef::new("id", Ty::U32),
        ColumnDef::new("ok", Ty::Bool),
    ];
    let mut keyed = TableDef::new("keyed", columns);
    keyed.primary_key = Some(ColId(0));
    keyed.indexes = vec![IndexDef {
        name: "keyed_id".into(),
        accessor: None,
        algorithm: IndexAlgorithm::BTree(vec![ColId(0)]),
    }];
    keyed.constraints = vec![ConstraintDef {
        name: "keyed_id_key".into(),
        columns: vec![ColId(0)],
    }];
    keyed.sequences = vec![SequenceDef::new("keyed_id_seq", ColId(0))];
    let bag = TableDef::new(
        "bag",
        vec![
            ColumnDef::new("text", Ty::String),
            ColumnDef::new("bytes", Ty::array(Ty::U8)),
            ColumnDef::new("wide", Ty::option(Ty::U128)),
        ],
    );
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let [keyed, bag] = [&keyed, &bag].map(|def| datastore.create_table(def).expect("a definition"));
    for n in 0..70_u8 {
        datastore
            .insert(keyed, &[0, 0, 0, 0, n % 2])
            .expect("a row");
        let mut row = vec![3, 0, 0, 0, b'a', b'b', b'0' + n % 10];
        let bytes: Vec<u8> = (0..u32::from(n) * 40)
            .map(|at| at.to_le_bytes()[0] ^ n)
            .collect();
        row.extend_from_slice(&(u32::from(n) * 40).to_le_bytes());
        row.extend_from_slice(&bytes);
        row.push(1);
        datastore.insert(bag, &row).expect("a row");
    }
    datastore.commit();
    datastore
}

fn rows(datastore: &Datastore, table: TableId) -> BTreeSet<Vec<u8>> {
    let read = |ptr| {
        let mut row = Vec::new();
        datastore.read_row(table, ptr, &mut row);
        row
    };
    datastore.scan(table).expect("a table").map(read).collect()
}

/// What SpacetimeDB would have written; `leave_out` is a table that is missing.
fn builder(datastore: &Datastore, leave_out: Option<&str>) -> Builder {
    let mut builder = Builder::default();
    for schema in datastore.tables() {
        if leave_out == Some(&*schema.name) {
            continue;
        }
        let ty = Ty::Product(schema.row_type.clone());
        let row_size = Layout::row_size(&schema.row_type).expect("no references");
        let rows: Vec<_> = rows(datastore, schema.id).into_iter().collect();
        for rows in rows.chunks(ROWS_PER_PAGE) {
            let mut page = PageBuilder::new(row_size);
            for row in rows {
                let slot = page.slot();
                let value = decode_value(&Typespace::default(), &ty, &mut Reader::new(row));
                builder.put_value(&mut page, &ty, &value.expect("a row"), slot);
            }
            builder.add_page(schema.id.0, &page);
        }
    }
    builder
}

fn written(builder: &Builder) -> SimStorage {
    let disk = SimStorage::new(0);
    builder.write(&disk, 12, |_| false);
    disk
}

fn restore(disk: &SimStorage) -> Result<(Datastore, u64), RestoreForeignError> {
    let entries = list(disk, Path::new(SNAPSHOTS)).expect("no fault is planned");
    let snapshot = ForeignSnapshot::open(Arc::new(disk.clone()), &entries[0])?;
    let mut datastore = Datastore::new();
    let count = restore_foreign(&mut datastore, &snapshot)?;
    datastore.finish_replay()?;
    Ok((datastore, count))
}

#[test]
fn all_rows_of_all_tables_come_back() {
    let before = database();
    let (mut after, count) = restore(&written(&builder(&before, None))).expect("good");
    let tables: Vec<_> = before.tables().map(|schema| schema.id).collect();
    let mut expected = 0;
    for table in tables {
        assert_eq!(rows(&after, table), rows(&before, table), "table {table}");
        let schema = |of: &Datastore| format!("{:?}", of.schema(table));
        assert_eq!(schema(&after), schema(&before));
        expected += before.row_count(table).expect("a table");
    }
    assert_eq!(count, expected);
    // It works like any other: indexes find rows, and generated keys go on without repetition.
    let keyed = after.table_id("keyed").expect("it is there");
    after.begin_tx();
    for _ in 0..10 {
        after
            .insert(keyed, &[0, 0, 0, 0, 1])
            .expect("a key that was never given out");
    }
    after.commit();
    assert_eq!(after.row_count(keyed), Some(80));
}

#[test]
fn rows_without_their_description_are_refused() {
    let before = database();
    for missing in ["st_table", "st_column"] {
        let refused = restore(&written(&builder(&before, Some(missing)))).map(drop);
        assert!(
            matches!(refused, Err(RestoreForeignError::Rows(_))),
            "{refused:?}"
        );
    }
    let mut builder = builder(&before, None);
    let mut page = PageBuilder::new(8);
    page.slot();
    builder.add_page(9999, &page);
    let refused = restore(&written(&builder)).map(drop);
    assert!(matches!(
        refused,
        Err(RestoreForeignError::UnknownTable(TableId(9999)))
    ));
}

#[test]
fn damage_is_an_error() {
    let disk = written(&builder(&database(), None));
    let mut refused = 0;
    let files = disk.files();
    let objects = files
        .iter()
        .filter(|file| file.to_string_lossy().contains("/objects/"));
    for file in objects {
        let copy = disk.fork(0);
        copy.damage(file, |bytes| bytes[700] ^= 1);
        let damaged = restore(&copy).map(drop);
        refused += usize::from(matches!(damaged, Err(RestoreForeignError::Snapshot(_))));
    }
    assert!(refused > 10, "{refused}");
}

/// A database whose early log is gone, with one of many snapshots of SpacetimeDB's.
fn with_pruned_log(choose: impl FnOnce(usize) -> usize) -> (Load, TxOffset) {
    let mut load = Load::new(3, options(LogRetention::Keep));
    let mut builders = vec![(0, builder(load.store.datastore(), None))];
    while segments(&load.disk).len() < 3 {
        for _ in 0..10 {
            load.transact();
        }
        builders.push((load.count() - 1, builder(load.store.datastore(), None)));
        load.write_log();
    }
    load.close();
    assert!(load.disk.lose(&segments(&load.disk)[0]));
    let (offset, builder) = builders.swap_remove(choose(builders.len()));
    builder.write_to(&load.disk, &path("snapshots"), offset, |number| {
        number % 2 == 0
    });
    (load, TxOffset(offset))
}

fn segments(disk: &SimStorage) -> Vec<PathBuf> {
    let mut files = disk.files();
    files.retain(|file| file.to_string_lossy().ends_with(".stdb.log"));
    files
}

#[test]
fn a_database_with_archived_log_is_opened_and_goes_on() {
    let (mut load, _) = with_pruned_log(|count| count - 2);
    load.open_again()
        .expect("the snapshot and the log behind it");
    load.check();
    load.transact();
    load.snapshot();
    load.reopen();
    load.check();
}

#[test]
fn a_snapshot_that_the_log_does_not_reach_is_of_no_use() {
    let (mut load, offset) = with_pruned_log(|_| 0);
    match load.open_again() {
        Err(OpenStoreError::NoUsableSnapshot { tried, .. }) => {
            let tried: Vec<_> = tried.iter().map(|unused| unused.offset).collect();
            assert_eq!(tried, [offset]);
        }
        other => panic!("not refused: {other:?}"),
    }
}

//! Views on other threads, while the writer goes on.

use std::sync::mpsc::sync_channel;

use spacetime_table::definition::{ColumnDef, ConstraintDef, IndexDef, TableDef};
use spacetime_table::{Datastore, IndexAlgorithm, ReadView};
use spacetime_types::{AlgebraicType, ColId, IndexId, TableId};

const ACCOUNTS: u32 = 20_000;
const BALANCE: u32 = 100;

fn row(id: u32, balance: u32) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&id.to_le_bytes());
    row[4..].copy_from_slice(&balance.to_le_bytes());
    row
}

fn bank() -> (Datastore, TableId, IndexId) {
    let columns = vec![
        ColumnDef::new("id", AlgebraicType::U32),
        ColumnDef::new("balance", AlgebraicType::U32),
    ];
    let mut def = TableDef::new("account", columns);
    def.indexes = vec![IndexDef {
        name: "account_id".into(),
        accessor: None,
        algorithm: IndexAlgorithm::Hash(vec![ColId(0)]),
    }];
    def.constraints = vec![ConstraintDef {
        name: "account_id_key".into(),
        columns: vec![ColId(0)],
    }];
    let mut datastore = Datastore::new();
    datastore.begin_tx();
    let table = datastore.create_table(&def).expect("a definition");
    for id in 0..ACCOUNTS {
        datastore.insert(table, &row(id, BALANCE)).expect("a row");
    }
    datastore.commit();
    let index = datastore.index_id("account_id").expect("the index");
    (datastore, table, index)
}

fn balance(datastore: &Datastore, index: IndexId, id: u32) -> u32 {
    let (table, mut rows) = datastore
        .index_point(index, &id.to_le_bytes())
        .expect("a key");
    let ptr = rows.next().expect("an account");
    let mut row = Vec::new();
    datastore.read_row(table, ptr, &mut row);
    row.last_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The sum by a scan, and by the index.
fn totals(view: &ReadView, table: TableId, index: IndexId) -> [u64; 2] {
    let mut row = Vec::new();
    let scanned = view.scan(table).expect("the table").map(|ptr| {
        row.clear();
        view.read_row(table, ptr, &mut row);
        u64::from(u32::from_le_bytes(*row.last_chunk().expect("a balance")))
    });
    let found = (0..ACCOUNTS).map(|id| u64::from(balance(view, index, id)));
    [scanned.sum(), found.sum()]
}

/// Moves money between two accounts, or takes everything back half way.
fn transfer(datastore: &mut Datastore, (table, index): (TableId, IndexId), n: u32) {
    let from = n.wrapping_mul(7_919) % ACCOUNTS;
    let to = n.wrapping_mul(104_729) % ACCOUNTS;
    let (have, get) = (
        balance(datastore, index, from),
        balance(datastore, index, to),
    );
    if from == to || have == 0 {
        return;
    }
    datastore.begin_tx();
    let taken = datastore.update(table, index, &row(from, have - 1));
    taken.expect("an account");
    if n.is_multiple_of(5) {
        datastore.rollback();
        return;
    }
    let given = datastore.update(table, index, &row(to, get + 1));
    given.expect("an account");
    datastore.commit();
}

#[test]
fn readers_see_whole_transactions_while_the_writer_runs() {
    let (mut datastore, table, index) = bank();
    let expected = u64::from(ACCOUNTS) * u64::from(BALANCE);
    let (views, to_read) = sync_channel::<ReadView>(2);
    let reader = std::thread::spawn(move || {
        let mut count = 0;
        for view in to_read {
            let first = totals(&view, table, index);
            assert_eq!(first, [expected; 2], "half a transfer is seen");
            assert_eq!(totals(&view, table, index), first);
            count += 1;
        }
        count
    });
    let (mut n, mut sent) = (0u32, 0);
    while sent < 20 {
        transfer(&mut datastore, (table, index), n);
        n += 1;
        // The writer never waits for the reader.
        if n.is_multiple_of(100) && views.try_send(datastore.view()).is_ok() {
            sent += 1;
        }
    }
    drop(views);
    assert_eq!(reader.join().expect("the reader holds"), sent);
    assert_eq!(totals(&datastore.view(), table, index), [expected; 2]);
    assert_eq!(datastore.check_integrity(), Ok(()));
}

#[test]
fn a_view_outlives_the_tables_it_shows() {
    let (mut datastore, table, index) = bank();
    let view = datastore.view();
    datastore.begin_tx();
    datastore.drop_table(table).expect("the table");
    datastore.commit();
    assert!(datastore.schema(table).is_none());
    assert_eq!(view.row_count(table), Some(u64::from(ACCOUNTS)));
    assert_eq!(view.table_id("account"), Some(table));
    assert_eq!(balance(&view, index, 7), BALANCE);
    drop(datastore);
    assert_eq!(view.check_integrity(), Ok(()));
}

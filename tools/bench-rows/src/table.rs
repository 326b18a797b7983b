//! The operations through the interface of the datastore.

use spacetime_table::Datastore;

use crate::tables::{Keyed, keyed, scattered};
use crate::{Costs, TX_ROWS, black_box, measure, rounds};

fn row(key: u32, value: u32) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&key.to_le_bytes());
    row[4..].copy_from_slice(&value.to_le_bytes());
    row
}

/// Calls `change` with all keys, in transactions.
fn in_transactions(
    datastore: &mut Datastore,
    keys: impl Iterator<Item = u32>,
    mut change: impl FnMut(&mut Datastore, u32),
) {
    datastore.begin_tx();
    for (nth, key) in (1..).zip(keys) {
        change(datastore, key);
        if nth % TX_ROWS == 0 {
            black_box(datastore.commit());
            datastore.begin_tx();
        }
    }
    black_box(datastore.commit());
}

/// `kind` is that of the key's index: `b` for a tree, `h` for a hash index.
pub(crate) fn costs(kind: &str, rows: u32) -> Costs {
    let Keyed {
        mut datastore,
        table,
        index,
    } = keyed(kind);
    let rounds = rounds(rows);
    let count = u64::from(rounds) * u64::from(rows);
    let keys = || (0..rows).map(|n| scattered(n, rows));
    let (mut insert, mut delete) = (0.0, 0.0);
    for round in 0..rounds {
        insert += measure(count, || {
            in_transactions(&mut datastore, 0..rows, |datastore, key| {
                datastore.insert(table, &row(key, 1)).expect("a row");
            });
        });
        if round + 1 < rounds {
            delete += measure(count, || delete_all(&mut datastore, index, keys()));
        }
    }
    let mut found = Vec::new();
    let find = measure(count, || {
        for key in (0..rounds).flat_map(|_| keys()) {
            let (table, mut ptrs) = datastore
                .index_point(index, &key.to_le_bytes())
                .expect("a key");
            let ptr = ptrs.next().expect("a row");
            found.clear();
            datastore.read_row(table, ptr, &mut found);
            black_box(&found);
        }
    });
    let update = measure(count, || {
        for round in 0..rounds {
            in_transactions(&mut datastore, keys(), |datastore, key| {
                datastore
                    .update(table, index, &row(key, round + 2))
                    .expect("a row");
            });
        }
    });
    let scan = measure(count, || {
        for _ in 0..rounds {
            for ptr in datastore.scan(table).expect("the table") {
                found.clear();
                datastore.read_row(table, ptr, &mut found);
                black_box(&found);
            }
        }
    });
    delete += measure(count, || delete_all(&mut datastore, index, keys()));
    [insert, find, update, scan, delete]
}

fn delete_all(
    datastore: &mut Datastore,
    index: spacetime_types::IndexId,
    keys: impl Iterator<Item = u32>,
) {
    in_transactions(datastore, keys, |datastore, key| {
        let (table, mut ptrs) = datastore
            .index_point(index, &key.to_le_bytes())
            .expect("a key");
        let ptr = ptrs.next().expect("a row");
        drop(ptrs);
        datastore.delete(table, ptr).expect("the row");
    });
}

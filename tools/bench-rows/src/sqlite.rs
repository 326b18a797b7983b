//! The same with SQLite in memory, through prepared statements.

use rusqlite::{Connection, Result};

use crate::tables::scattered;
use crate::{Costs, TX_ROWS, black_box, measure, rounds};

pub(crate) fn costs(rows: u32) -> Result<Costs> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;
         CREATE TABLE t (key INTEGER PRIMARY KEY, value INTEGER NOT NULL)",
    )?;
    let rounds = rounds(rows);
    let count = u64::from(rounds) * u64::from(rows);
    let keys = || (0..rows).map(|n| scattered(n, rows));
    let (mut insert, mut delete) = (0.0, 0.0);
    for round in 0..rounds {
        insert += timed(count, || change(&db, INSERT, 0..rows, 1))?;
        if round + 1 < rounds {
            delete += timed(count, || change(&db, DELETE, keys(), 0))?;
        }
    }
    let find = timed(count, || {
        let mut find = db.prepare("SELECT value FROM t WHERE key = ?1")?;
        for key in (0..rounds).flat_map(|_| keys()) {
            black_box(find.query_row([key], |row| row.get::<_, u32>(0))?);
        }
        Ok(())
    })?;
    let update = timed(count, || {
        (0..rounds).try_for_each(|round| change(&db, UPDATE, keys(), round + 2))
    })?;
    let scan = timed(count, || {
        let mut all = db.prepare("SELECT key, value FROM t")?;
        for _ in 0..rounds {
            let mut found = all.query([])?;
            while let Some(row) = found.next()? {
                black_box((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?));
            }
        }
        Ok(())
    })?;
    delete += timed(count, || change(&db, DELETE, keys(), 0))?;
    Ok([insert, find, update, scan, delete])
}

const INSERT: &str = "INSERT INTO t VALUES (?1, ?2)";
const UPDATE: &str = "UPDATE t SET value = ?2 WHERE key = ?1";
const DELETE: &str = "DELETE FROM t WHERE key = ?1 AND value <> ?2";

fn timed(count: u64, run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let mut done = Ok(());
    let nanos = measure(count, || done = run());
    done.map(|()| nanos)
}

/// Runs a statement for all keys, in transactions.
fn change(
    db: &Connection,
    statement: &str,
    keys: impl Iterator<Item = u32>,
    value: u32,
) -> Result<()> {
    let mut statement = db.prepare(statement)?;
    let (mut begin, mut commit) = (db.prepare("BEGIN")?, db.prepare("COMMIT")?);
    begin.execute([])?;
    for (nth, key) in (1..).zip(keys) {
        statement.execute([key, value])?;
        if nth % TX_ROWS == 0 {
            commit.execute([])?;
            begin.execute([])?;
        }
    }
    commit.execute([])?;
    Ok(())
}

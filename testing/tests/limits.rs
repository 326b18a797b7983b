//! What bounds the memory of a database's rows and indexes, for the module, for SQL statements and
//! for migrations.

use serde_json::json;
use spacetime_host::migration_token;
use spacetime_testing::{
    CallError, CallLimits, MigrationPolicy, Mode, TestDatabase, repository_module,
};
use spacetime_types::Hash;

/// Beside the module itself, which is a row.
const LIMIT: usize = 1 << 20;
const TOLD: &str = "the rows of this database, with their indexes, have more than";

fn open(module: &str) -> TestDatabase {
    let module = repository_module(module).expect("it is built");
    let limits = CallLimits {
        row_bytes_max: LIMIT + module.len(),
        ..CallLimits::default()
    };
    let builder = TestDatabase::builder().limits(limits);
    builder.from_bytes(module).expect("it runs")
}

/// Rows of `counter`: a text of 60 bytes with an index, and a number.
fn counters(db: &TestDatabase, numbers: std::ops::Range<u32>) -> Result<(), String> {
    let row = |n: u32| format!("('{n:>60}', {n})");
    let rows: Vec<String> = numbers.map(row).collect();
    let statement = format!(
        "INSERT INTO counter (what, times) VALUES {}",
        rows.join(", ")
    );
    let written = db.sql(&statement);
    written.map(drop).map_err(|error| error.to_string())
}

#[test]
fn statements_are_refused_beyond_the_limit_and_may_always_delete() {
    let db = open("migrations_v1");
    let before = db.count("counter");
    let mut count = 0;
    let refused = loop {
        match counters(&db, count..count + 500) {
            Ok(()) => count += 500,
            Err(refused) => break refused,
        }
        assert!(count < 20_000, "there is a limit");
    };
    assert!(refused.contains(TOLD), "{refused}");
    // A row is its text and number with their lengths, and its entry in the index: without the
    // index, there would be room for a seventh more.
    let row_bytes = 60 + 4 + 8;
    let count = usize::try_from(count).expect("few");
    assert!(count * row_bytes < LIMIT * 9 / 10, "{count} rows");
    assert!(count * row_bytes > LIMIT / 2, "{count} rows");
    assert_eq!(
        db.count("counter"),
        before + count,
        "nothing of the statement is left"
    );
    db.sql("UPDATE counter SET times = 1")
        .expect("no more bytes");
    db.sql("DELETE FROM counter").expect("less bytes");
    counters(&db, 0..500).expect("there is room again");
}

#[test]
fn a_migration_is_refused_beyond_the_limit() {
    let db = open("migrations_v1");
    // What a test puts in is not bounded.
    let player = |n: u32| {
        let name = format!("player {n}");
        json!({"id": 0, "name": name, "score": 1, "rank": {"novice": []}})
    };
    let players: Vec<_> = (0..40_000).map(player).collect();
    db.insert("player", players).expect("rows");
    // An index and a column more.
    let [old, next] = ["migrations_v1", "migrations_v2"]
        .map(|module| repository_module(module).expect("it is built"));
    let (database, mode) = (db.database_identity(), Mode::Automatic);
    let token = migration_token(database, Hash::of(&old), Hash::of(&next), &mode);
    let publish = || {
        let policy = MigrationPolicy::BreakClients { token };
        db.publish_with(next.clone(), Mode::Automatic, policy)
    };
    let refused = publish().expect_err("no room").to_string();
    assert!(refused.contains(TOLD), "{refused}");
    assert_eq!(db.count("player"), 40_000);
    let row = db
        .sql("SELECT * FROM player WHERE id = 7")
        .expect("rows")
        .one();
    assert!(row.json().get("level").is_none(), "{}", row.json());
    db.sql("DELETE FROM player WHERE id > 100")
        .expect("less bytes");
    publish().expect("there is room");
    assert_eq!(db.count("player"), 100);
}

#[test]
fn a_module_is_stopped_beyond_the_limit() {
    let db = open("kitchen_sink");
    let stopped = db.call("insert_forever", ()).expect_err("too much");
    assert!(matches!(stopped, CallError::Broke(_)), "{stopped:?}");
    assert!(db.log_text().contains(TOLD), "{}", db.log_text());
    assert_eq!(db.count("ledger"), 0);
    db.call("insert_ledger", json!([1, "one", 1]))
        .expect("room");
}

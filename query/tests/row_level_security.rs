//! What rules let callers see, in one-off queries.

mod fixture;

use fixture::{OWNER, build, caller};
use spacetime_query::{RowBuffer, SqlError, Statement, compile, execute_select};
use spacetime_table::Datastore;
use spacetime_table::system::{StRowLevelSecurity, SystemRow};

const TABLES: &str = "\
table usr public: id identity, n u32; pk id
[u1,1]
[u2,2]
table doc public: k u64, owner identity, v u32; pk k; btree owner
[1,u1,10]
[2,u2,20]
[3,u1,30]
table boss private: who identity, n u32; pk who
[u2,1]
";

/// Adds a rule for a table.
fn rule(datastore: &mut Datastore, table: &str, sql: &str) {
    let row = StRowLevelSecurity {
        table_id: datastore.table_id(table).expect("the table"),
        sql: sql.into(),
    };
    datastore.begin_tx();
    datastore
        .insert_system(StRowLevelSecurity::TABLE, &row.to_bsatn())
        .expect("a rule");
    datastore.commit();
}

fn rows(datastore: &Datastore, sql: &str, who: u8) -> Result<usize, SqlError> {
    let Statement::Select(plan) = compile(sql, datastore, &caller(who))? else {
        panic!("a query");
    };
    let mut rows = RowBuffer::new(None);
    execute_select(&plan, datastore, &mut rows).expect("rows");
    Ok(rows.finish().len())
}

fn count(datastore: &Datastore, sql: &str, who: u8) -> u64 {
    let Ok(Statement::Select(plan)) = compile(sql, datastore, &caller(who)) else {
        panic!("a query");
    };
    let mut rows = RowBuffer::new(None);
    execute_select(&plan, datastore, &mut rows).expect("rows");
    let rows = rows.finish();
    let bytes = rows.row(0).and_then(|row| row.try_into().ok());
    u64::from_le_bytes(bytes.expect("one number"))
}

#[test]
fn a_rule_limits_clients_and_not_the_owner() {
    let mut datastore = build(TABLES);
    rule(
        &mut datastore,
        "doc",
        "SELECT * FROM doc WHERE owner = :sender",
    );
    let all = "SELECT * FROM doc";
    assert_eq!(rows(&datastore, all, OWNER), Ok(3));
    assert_eq!(rows(&datastore, all, 1), Ok(2));
    assert_eq!(rows(&datastore, all, 2), Ok(1));
    assert_eq!(rows(&datastore, all, 3), Ok(0));
    assert_eq!(
        rows(&datastore, "SELECT k FROM doc d WHERE d.v > 10", 1),
        Ok(1)
    );
    assert_eq!(count(&datastore, "SELECT COUNT(*) AS n FROM doc", 1), 2);
    let joined = "SELECT u.n FROM usr u JOIN doc d ON u.id = d.owner";
    assert_eq!(rows(&datastore, joined, 1), Ok(2));
}

#[test]
fn results_of_several_rules_are_concatenated_under_one_limit() {
    let mut datastore = build(TABLES);
    rule(
        &mut datastore,
        "doc",
        "SELECT * FROM doc WHERE owner = :sender",
    );
    rule(
        &mut datastore,
        "doc",
        "SELECT d.* FROM doc AS d WHERE d.v >= 20",
    );
    let all = "SELECT * FROM doc";
    assert_eq!(
        rows(&datastore, all, 1),
        Ok(4),
        "one row is let through twice"
    );
    assert_eq!(count(&datastore, "SELECT COUNT(*) AS n FROM doc", 1), 4);
    assert_eq!(rows(&datastore, "SELECT * FROM doc LIMIT 3", 1), Ok(3));
    assert_eq!(rows(&datastore, "SELECT v, k FROM doc LIMIT 1", 1), Ok(1));
    let twice = "SELECT a.* FROM doc a JOIN doc b ON a.k = b.k";
    assert_eq!(rows(&datastore, twice, 1), Ok(6), "1*1 + 1*1 + 2*2");
}

#[test]
fn a_rule_may_join_a_private_table_and_is_not_mixed_up_with_the_query() {
    let mut datastore = build(TABLES);
    let bosses = "SELECT doc.* FROM boss JOIN doc WHERE boss.who = :sender";
    rule(&mut datastore, "doc", bosses);
    rule(
        &mut datastore,
        "doc",
        "SELECT * FROM doc WHERE owner = :sender",
    );
    assert_eq!(rows(&datastore, "SELECT k, v FROM doc", 1), Ok(2));
    assert_eq!(rows(&datastore, "SELECT v, k FROM doc", 2), Ok(4));
    let private = rows(&datastore, "SELECT * FROM boss", 2);
    let private = private.expect_err("private");
    assert!(matches!(private.kind(), SqlError::NoSuchTable { .. }));
}

#[test]
fn rules_of_rules_apply_and_circles_are_refused() {
    let mut datastore = build(TABLES);
    let by_user = "SELECT doc.* FROM doc JOIN usr ON doc.owner = usr.id";
    rule(&mut datastore, "doc", by_user);
    rule(
        &mut datastore,
        "usr",
        "SELECT * FROM usr WHERE id = :sender",
    );
    assert_eq!(rows(&datastore, "SELECT * FROM doc", 1), Ok(2));
    assert_eq!(rows(&datastore, "SELECT * FROM doc", 2), Ok(1));
    let by_doc = "SELECT usr.* FROM usr JOIN doc ON doc.owner = usr.id";
    rule(&mut datastore, "usr", by_doc);
    let circle = rows(&datastore, "SELECT * FROM doc", 1).expect_err("a circle");
    assert!(matches!(circle, SqlError::CyclicRules(_)), "{circle}");
    assert_eq!(rows(&datastore, "SELECT * FROM doc", OWNER), Ok(3));
}

#[test]
fn a_rule_may_read_its_own_table_again() {
    let mut datastore = build(TABLES);
    let neighbours = "SELECT a.* FROM doc a JOIN doc b ON a.owner = b.owner WHERE b.v = 30";
    rule(&mut datastore, "doc", neighbours);
    assert_eq!(rows(&datastore, "SELECT * FROM doc", 2), Ok(2));
}

#[test]
fn a_rule_must_return_its_table() {
    let mut datastore = build(TABLES);
    rule(&mut datastore, "doc", "SELECT * FROM usr");
    let refused = rows(&datastore, "SELECT * FROM doc", 1).expect_err("another table");
    assert!(matches!(refused, SqlError::RuleTable { .. }), "{refused}");
}

#[test]
fn hidden_rows_have_no_part_in_the_order_and_plans_are_for_the_owner() {
    let mut datastore = build(TABLES);
    rule(
        &mut datastore,
        "doc",
        "SELECT * FROM doc WHERE owner = :sender",
    );
    let values = |datastore: &Datastore, sql: &str| -> Vec<u32> {
        let Ok(Statement::Select(plan)) = compile(sql, datastore, &caller(1)) else {
            panic!("a query");
        };
        let mut rows = RowBuffer::new(None);
        execute_select(&plan, datastore, &mut rows).expect("rows");
        let rows = rows.finish();
        let value = |row: &[u8]| u32::from_le_bytes(row.try_into().expect("a number"));
        rows.iter().map(value).collect()
    };
    // The slot of a hidden row is taken by the next one, wherever that is in the order.
    let own = [3, 30, 10, 20, 25];
    let mut hidden: Vec<Vec<u8>> = Vec::new();
    for (key, v) in (10_u64..).zip(own) {
        datastore.begin_tx();
        let table = datastore.table_id("doc").expect("the table");
        let row = |key: u64, who: u8, v: u32| {
            let who = caller(who).identity.to_le_bytes();
            [&key.to_le_bytes()[..], &who, &v.to_le_bytes()].concat()
        };
        for gone in hidden.drain(..) {
            datastore.delete_eq(table, &gone).expect("a delete");
        }
        datastore.insert(table, &row(key, 1, v)).expect("a row");
        hidden.push(row(key + 100, 2, v));
        datastore.insert(table, &hidden[0]).expect("a row");
        datastore.commit();
    }
    let all = values(&datastore, "SELECT v FROM doc");
    assert!(all.is_sorted(), "{all:?}");
    assert_eq!(all.len(), 7);
    assert_eq!(values(&datastore, "SELECT v FROM doc LIMIT 2"), [3, 10]);
    assert_eq!(
        values(&datastore, "SELECT v FROM doc ORDER BY v DESC LIMIT 2"),
        [30, 30]
    );
    let explain = "EXPLAIN SELECT * FROM doc";
    assert!(compile(explain, &datastore, &caller(OWNER)).is_ok());
    let refused = compile(explain, &datastore, &caller(1)).map(drop);
    assert_eq!(refused, Err(SqlError::RestrictedExplain));
    assert!(compile("EXPLAIN SELECT * FROM usr", &datastore, &caller(1)).is_ok());
}

//! What single transactions deliver, case by case.

mod fixture;

use std::collections::BTreeMap;

use fixture::{OWNER, build, caller};
use spacetime_query::{RowBuffer, Statement, execute_select};
use spacetime_query::{SubscriptionPlan, SubscriptionSet, compile, execute_change};
use spacetime_table::{Datastore, RowList};

const TABLES: &str = "\
table t public: a u64, b u32, c string; pk a; btree b
table u public: x u64, y u32; btree x
";

/// Texts without a query's answer: changes run as one transaction each.
fn run(datastore: &mut Datastore, changes: &[&str]) {
    for sql in changes {
        match compile(sql, datastore, &caller(OWNER)) {
            Ok(Statement::Change(plan)) => {
                execute_change(&plan, datastore).expect(sql);
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

/// Rows by how often they come (positive) or go.
type Net = BTreeMap<Vec<u8>, i64>;

fn add(net: &mut Net, rows: &RowList, times: i64) {
    for row in rows.iter() {
        *net.entry(row.to_vec()).or_default() += times;
    }
}

/// Rows in SQL that some texts of one query would find, for comparison.
fn found(datastore: &Datastore, sql: &str) -> RowList {
    match compile(sql, datastore, &caller(OWNER)) {
        Ok(Statement::Select(plan)) => {
            let mut rows = RowBuffer::new(None);
            execute_select(&plan, datastore, &mut rows).expect(sql);
            rows.finish()
        }
        other => panic!("{sql}: {other:?}"),
    }
}

/// Runs `before`, subscribes, runs `changes` in one transaction and expects so many rows inserted
/// and deleted; afterwards the copy is what the query finds.
fn check(sql: &str, before: &[&str], changes: &[&str], inserted: usize, deleted: usize) {
    let mut datastore = build(TABLES);
    datastore.begin_tx();
    run(&mut datastore, before);
    datastore.commit();
    let plan = SubscriptionPlan::compile(sql, &datastore, &caller(OWNER)).expect(sql);
    let mut copy = Net::new();
    add(&mut copy, &plan.initial_rows(&datastore).expect(sql), 1);
    let mut set = SubscriptionSet::new();
    set.add(1_u32, plan);
    datastore.begin_tx();
    run(&mut datastore, changes);
    let delta = datastore.commit();
    let evaluation = set.evaluate(&delta, &datastore);
    assert!(evaluation.failures.is_empty(), "{sql}");
    let mut counts = (0, 0);
    for update in &evaluation.updates {
        counts = (update.inserts.len(), update.deletes.len());
        add(&mut copy, &update.inserts, 1);
        add(&mut copy, &update.deletes, -1);
    }
    assert_eq!(
        counts,
        (inserted, deleted),
        "{sql} with {changes:?} after {before:?}"
    );
    copy.retain(|_, times| *times != 0);
    let mut expected = Net::new();
    add(&mut expected, &found(&datastore, sql), 1);
    assert_eq!(copy, expected, "{sql} with {changes:?} after {before:?}");
}

const T1: &str = "INSERT INTO t (a, b, c) VALUES (1, 1, 'x')";
const T1_LIKE_TWO: &str = "INSERT INTO t (a, b, c) VALUES (1, 2, 'x')";
const RENAME: &str = "UPDATE t SET c = 'y' WHERE a = 1";
const U5: &str = "INSERT INTO u (x, y) VALUES (1, 5)";
const U6: &str = "INSERT INTO u (x, y) VALUES (1, 6)";
const U7: &str = "INSERT INTO u (x, y) VALUES (1, 7)";

#[test]
fn one_table() {
    let of_one = "SELECT * FROM t WHERE b = 1";
    check(of_one, &[T1], &[RENAME], 1, 1);
    check(of_one, &[T1], &["UPDATE t SET b = 2 WHERE a = 1"], 0, 1);
    check(
        of_one,
        &[T1_LIKE_TWO],
        &["UPDATE t SET b = 1 WHERE a = 1"],
        1,
        0,
    );
    check(of_one, &[T1], &["DELETE FROM t", T1], 0, 0);
    check(of_one, &[], &[T1, "DELETE FROM t"], 0, 0);
    let of_two = "SELECT * FROM t WHERE b = 1 OR b = 2";
    check(of_two, &[T1], &["UPDATE t SET b = 2 WHERE a = 1"], 1, 1);
    let above = "SELECT * FROM t WHERE b > 5";
    let six = "INSERT INTO t (a, b, c) VALUES (1, 6, 'x')";
    check(above, &[six], &["UPDATE t SET b = 5 WHERE a = 1"], 0, 1);
    let three = "INSERT INTO t (a, b, c) VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')";
    check("SELECT * FROM t", &[three], &["DELETE FROM t"], 0, 3);
}

#[test]
fn a_row_is_counted_once_for_each_partner() {
    let join = "SELECT t.* FROM t JOIN u ON t.a = u.x";
    let delete_5 = "DELETE FROM u WHERE y = 5";
    check(join, &[T1], &[U5], 1, 0);
    check(join, &[T1, U5], &[U6], 1, 0);
    check(join, &[T1, U5, U6], &[delete_5], 0, 1);
    check(join, &[T1, U5, U6], &["DELETE FROM t"], 0, 2);
    check(join, &[T1, U5], &["DELETE FROM t", delete_5], 0, 1);
    check(join, &[], &[T1, U5], 1, 0);
    check(join, &[T1, U5], &[delete_5, U7], 0, 0);
    check(join, &[T1, U5], &[RENAME, delete_5, U7], 1, 1);
    check(join, &[T1, U5, U6], &[RENAME, delete_5], 1, 2);
}

#[test]
fn conditions_on_either_side() {
    let of_u = "SELECT u.* FROM t JOIN u ON t.a = u.x WHERE t.b = 1";
    check(
        of_u,
        &[T1_LIKE_TWO, U5, U6],
        &["UPDATE t SET b = 1 WHERE a = 1"],
        2,
        0,
    );
    check(of_u, &[T1, U5], &[RENAME], 0, 0);
    let of_t = "SELECT t.* FROM t JOIN u ON t.a = u.x WHERE u.y = 5";
    check(of_t, &[T1, U5], &["UPDATE u SET y = 6 WHERE y = 5"], 0, 1);
    let own = "SELECT t.* FROM t JOIN u ON t.a = u.x WHERE t.b = 1";
    check(own, &[T1, U5, U6], &[RENAME], 2, 2);
}

#[test]
fn a_table_with_itself_and_three_tables() {
    let same = "SELECT p.* FROM t p JOIN t q ON p.a = q.a";
    check(same, &[], &[T1], 1, 0);
    check(same, &[T1], &[RENAME], 1, 1);
    let pairs = "SELECT p.* FROM u p JOIN u q ON p.x = q.x";
    check(pairs, &[U5], &[U6], 3, 0);
    check(pairs, &[U5, U6], &["DELETE FROM u"], 0, 4);
    let three = "SELECT t.* FROM t JOIN u p ON t.a = p.x JOIN u q ON p.x = q.x WHERE q.y > 5";
    check(three, &[T1, U5, U6], &[U7], 4, 0);
    check(
        three,
        &[T1, U5, U6, U7],
        &["DELETE FROM t", "DELETE FROM u"],
        0,
        6,
    );
    check(three, &[], &[T1, U5, U6], 2, 0);
}

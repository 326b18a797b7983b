//! Which plans are chosen, as EXPLAIN prints them.

mod fixture;

use fixture::{OWNER, build, caller, named};
use spacetime_query::{Statement, compile, explain};
use spacetime_table::Datastore;

fn check(datastore: &Datastore, sql: &str, expected: &str) {
    let compiled = compile(sql, datastore, &caller(OWNER));
    let Ok(Statement::Select(select)) = compiled else {
        panic!("{sql}: {compiled:?}");
    };
    let found = explain(&select, None, None).join("\n");
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn conditions_become_accesses() {
    let datastore = named("main");
    check(
        &datastore,
        "SELECT * FROM item WHERE id = 3 AND qty > 1",
        "Select item.*\n  -> look up 1 key in item by index item_id_idx where item.qty > 1",
    );
    check(
        &datastore,
        "SELECT name FROM item WHERE qty BETWEEN 1 AND 5",
        "Select item.name\n  -> range of item by index item_qty_idx",
    );
    check(
        &datastore,
        "SELECT name FROM item WHERE tag = 'hw' AND active",
        "Select item.name\n  -> look up 1 key in item by index item_tag_active_idx",
    );
    check(
        &datastore,
        "SELECT name FROM item WHERE tag LIKE 'h%'",
        "Select item.name\n  -> range of item by index item_tag_active_idx \
         where item.tag LIKE 'h%'",
    );
    check(
        &datastore,
        "SELECT name FROM item WHERE id IN (1, 2, 2)",
        "Select item.name\n  -> look up 2 keys in item by index item_id_idx",
    );
    check(
        &datastore,
        "SELECT tag, COUNT(*) AS n FROM item WHERE price > 1.5 GROUP BY tag \
         ORDER BY n DESC LIMIT 2 OFFSET 1",
        "Limit 2 offset 1\n  -> Sort by COUNT(*) DESC\n    -> Group by item.tag\n      \
         -> Select item.tag, COUNT(*)\n        -> scan item where item.price > 1.5",
    );
}

#[test]
fn joins_start_where_they_are_narrow() {
    let datastore = named("main");
    check(
        &datastore,
        "SELECT i.name FROM item i JOIN ord o ON i.id = o.item_id WHERE o.oid = 100",
        "Select item.name\n  -> look up 1 key in ord by index ord_oid_idx\n    \
         -> join: look up ord.item_id in item by index item_id_idx \
         where item.id = ord.item_id",
    );
    check(
        &datastore,
        "SELECT i.name FROM item i LEFT JOIN ord o ON i.id = o.item_id WHERE o.oid IS NULL",
        "Select item.name\n  -> scan item\n    \
         -> left join: look up item.id in ord by index ord_item_id_idx \
         where item.id = ord.item_id then where ord.oid IS NULL",
    );
}

#[test]
fn joins_start_with_the_smaller_table() {
    let mut text = String::from("table big public: a u32; btree a\n");
    for row in 0..60 {
        text.push_str(&format!("[{row}]\n"));
    }
    text.push_str("table small public: b u32; btree b\n[1]\n[2]\n");
    let datastore = build(&text);
    for from in [
        "big JOIN small ON big.a = small.b",
        "small JOIN big ON small.b = big.a",
    ] {
        let equality = match from.starts_with("big") {
            true => "big.a = small.b",
            false => "small.b = big.a",
        };
        check(
            &datastore,
            &format!("SELECT big.a FROM {from}"),
            &format!(
                "Select big.a\n  -> scan small\n    \
                 -> join: look up small.b in big by index big_a_idx where {equality}"
            ),
        );
    }
}

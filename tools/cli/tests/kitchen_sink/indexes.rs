//! Keys and indexes of every kind; the module checks most of them itself.

use serde_json::json;

use crate::Sink;

#[test]
fn every_kind_of_index_finds_what_it_should() {
    let sink = Sink::publish("indexes");
    for reducer in [
        "check_item_indexes",
        "check_direct_indexes",
        "check_key_order",
        "check_hash_indexes",
    ] {
        sink.call(reducer, json!([]));
        // Again, over the rows and deletions that the first call left.
        sink.call(reducer, json!([]));
    }
    let count = sink.rows("SELECT COUNT(*) AS n FROM ordered_key WHERE int_8 = -8");
    assert_eq!(count, [json!([1])]);
}

#[test]
fn items_are_deleted_through_every_index() {
    let sink = Sink::publish("items");
    for n in 0..6 {
        sink.call(
            "insert_item",
            json!([n, -n, format!("name {n}"), n % 2, format!("label {n}")]),
        );
    }
    sink.call("delete_items_by_shelf_range", json!([0, 2]));
    sink.call("delete_items_by_owner", json!([1]));
    sink.call("delete_item_by_label", json!(["label 4"]));
    assert_eq!(
        sink.rows("SELECT shelf, \"row\", name, owner, label FROM item"),
        [json!([2, -2, "name 2", 0, "label 2"])]
    );
    let id = sink.rows("SELECT id FROM item")[0][0].clone();
    sink.call("update_item", json!([[id, 9, 9, "moved", 9, "label 9"]]));
    assert_eq!(
        sink.rows("SELECT shelf, label FROM item"),
        [json!([9, "label 9"])]
    );
    sink.call("delete_item_by_id", json!([id]));
    assert!(sink.rows("SELECT * FROM item").is_empty());
}

#[test]
fn a_second_row_with_a_unique_value_is_refused() {
    let sink = Sink::publish("unique");
    sink.call("insert_item", json!([1, 1, "a", 1, "label"]));
    let (status, text) = sink
        .try_call("insert_item", json!([2, 2, "b", 2, "label"]))
        .unwrap_err();
    assert_eq!(status, 530);
    assert!(text.contains("unique"), "{text}");

    let (status, text) = sink
        .try_call("try_insert_duplicate", json!([]))
        .unwrap_err();
    assert_eq!(status, 530);
    assert!(text.contains("ledger"), "{text}");
    let (status, _) = sink.try_call("insert_duplicate", json!([])).unwrap_err();
    assert_eq!(status, 530);
    let (status, _) = sink.try_call("update_missing", json!([77])).unwrap_err();
    assert_eq!(status, 530);
    assert!(sink.rows("SELECT * FROM ledger").is_empty());

    sink.call("recover_from_duplicate", json!([5]));
    assert_eq!(
        sink.rows("SELECT * FROM ledger"),
        [json!([5, "recovered 5", 1])]
    );
    let refused = sink
        .server
        .sql(
            &sink.owner,
            sink.database,
            "INSERT INTO ledger (id, name, value) VALUES (5, 'again', 2)",
        )
        .unwrap_err();
    assert_eq!(refused.status, 400, "{}", refused.text);
}

#[test]
fn values_are_generated_for_every_integer_type() {
    let sink = Sink::publish("auto-inc");
    sink.call("insert_auto_inc_all", json!([1]));
    sink.call("insert_auto_inc_all", json!([2]));
    let rows = sink.rows("SELECT * FROM auto_inc_all WHERE id = 2");
    let generated = rows[0].as_array().unwrap();
    for value in &generated[1..11] {
        assert_eq!(value, &json!(2), "{rows:?}");
    }
    assert_eq!(generated[11..], [json!("0x2"), json!("0x2")]);

    for (key_type, most) in [("i8", 127), ("u8", 255)] {
        sink.call("insert_auto_inc", json!([key_type, most]));
        let (status, text) = sink
            .try_call("insert_auto_inc", json!([key_type, 1]))
            .unwrap_err();
        assert_eq!(status, 530, "{key_type}: {text}");
        let count = sink.rows(&format!(
            "SELECT COUNT(*) AS n FROM auto_inc_{}",
            column(key_type)
        ));
        assert_eq!(count, [json!([most])], "{key_type}");
    }
    for key_type in ["i32", "u32", "u64", "i128", "u256"] {
        sink.call("insert_auto_inc", json!([key_type, 10]));
    }
    let rows = sink.rows("SELECT id FROM auto_inc_u_256 WHERE note = 9");
    assert_eq!(rows, [json!(["0xa"])]);

    // A key that the caller chose uses up no value, and is met again.
    sink.call("insert_auto_inc_u_32_at", json!([11, 99]));
    assert!(sink.try_call("insert_auto_inc", json!(["u32", 1])).is_err());
    let failed = sink.try_call("insert_auto_inc", json!(["u31", 1]));
    assert_eq!(
        failed.unwrap_err().1,
        "no table with a generated key of type u31"
    );
}

/// `u8` is `u_8` in the name of a table.
fn column(key_type: &str) -> String {
    let (letter, width) = key_type.split_at(1);
    format!("{letter}_{width}")
}

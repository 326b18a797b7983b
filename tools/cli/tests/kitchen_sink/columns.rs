//! Columns of every type: stored, changed, removed, and read back byte for byte.

use serde_json::{Value, json};
use spacetime_types::bsatn::{self, Encode};
use spacetime_types::{I256, U256};

use crate::Sink;
use crate::harness::websocket::v2::{Change, Client};

/// Appends values as they follow one another in a row.
#[derive(Default)]
struct Row(Vec<u8>);

impl Row {
    fn with(mut self, value: impl Encode) -> Self {
        value.encode(&mut self.0);
        self
    }
}

fn lowest_number(id: u32) -> Vec<u8> {
    let row = Row::default().with(id).with(false);
    let row = row.with(i8::MIN).with(0u8).with(i16::MIN).with(0u16);
    let row = row.with(i32::MIN).with(0u32).with(i64::MIN).with(0u64);
    let row = row
        .with(i128::MIN)
        .with(0u128)
        .with(I256::MIN)
        .with(U256::ZERO);
    row.with(f32::MIN.to_bits()).with((-0.0f64).to_bits()).0
}

fn highest_number(id: u32) -> Vec<u8> {
    let row = Row::default().with(id).with(true);
    let row = row
        .with(i8::MAX)
        .with(u8::MAX)
        .with(i16::MAX)
        .with(u16::MAX);
    let row = row
        .with(i32::MAX)
        .with(u32::MAX)
        .with(i64::MAX)
        .with(u64::MAX);
    let row = row
        .with(i128::MAX)
        .with(u128::MAX)
        .with(I256::MAX)
        .with(U256::MAX);
    // A NaN with a payload of its own has to stay that one.
    row.with(0x7fc0_1234u32).with(5e-324f64.to_bits()).0
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The one change of a call.
#[track_caller]
fn change(client: &mut Client, reducer: &str, arguments: &[u8]) -> Change {
    let mut changes = client.call(reducer, arguments).changes();
    assert_eq!(changes.len(), 1, "{reducer}: {changes:?}");
    changes.remove(0)
}

#[test]
fn numbers_of_every_width() {
    let sink = Sink::publish("numbers");
    let (low, high) = (lowest_number(7), highest_number(7));
    let mut client = sink.client();
    let mut watcher = sink.client();
    for client in [&mut client, &mut watcher] {
        let tables = client.subscribe(1, &["SELECT * FROM number"]).unwrap();
        assert!(tables.iter().all(|table| table.rows.is_empty()));
    }

    let inserted = change(&mut client, "insert_number", &low);
    assert_eq!(inserted.table, "number");
    assert_eq!(
        (&inserted.inserts, &inserted.deletes),
        (&vec![low.clone()], &vec![])
    );
    assert_eq!(watcher.next_update(), [inserted]);
    assert_eq!(
        sink.rows("SELECT * FROM number"),
        [parsed(concat!(
            "[7,false,-128,0,-32768,0,-2147483648,0,-9223372036854775808,0,",
            "-170141183460469231731687303715884105728,0,",
            "\"-0x8000000000000000000000000000000000000000000000000000000000000000\",",
            "\"0x0\",-3.4028235e38,-0.0]"
        ))]
    );

    let updated = change(&mut client, "update_number", &high);
    assert_eq!(
        (&updated.inserts, &updated.deletes),
        (&vec![high.clone()], &vec![low])
    );
    assert_eq!(watcher.next_update(), [updated]);
    assert_eq!(
        sink.rows("SELECT * FROM number"),
        [parsed(concat!(
            "[7,true,127,255,32767,65535,2147483647,4294967295,",
            "9223372036854775807,18446744073709551615,",
            "170141183460469231731687303715884105727,340282366920938463463374607431768211455,",
            "\"0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\",",
            "\"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\",",
            "null,5e-324]"
        ))]
    );
    let mut late = sink.client();
    let tables = late.subscribe(1, &["SELECT * FROM number"]).unwrap();
    assert_eq!(tables[0].rows, std::slice::from_ref(&high));
    assert_eq!(
        late.query("SELECT * FROM number").unwrap()[0].rows,
        std::slice::from_ref(&high)
    );

    let deleted = change(&mut client, "delete_number", &7u32.to_le_bytes());
    assert_eq!((&deleted.inserts, &deleted.deletes), (&vec![], &vec![high]));
    assert_eq!(watcher.next_update(), [deleted]);
    assert!(sink.rows("SELECT * FROM number").is_empty());
    let (status, text) = sink.try_call("delete_number", json!([7])).unwrap_err();
    assert_eq!((status, text.as_str()), (530, "no row 7"));
}

/// A composite row with something in every column, or with as little as there can be.
fn composite(id: u32, full: bool) -> Vec<u8> {
    let texts: Vec<String> = ["", "a", "caf\u{e9}"].map(str::to_owned).to_vec();
    let row = Row::default().with(id);
    let row = if full {
        let row = row.with("a \u{1f980} \u{0} b".to_owned());
        let row = row
            .with(vec![0u8, 1, 255])
            .with(texts)
            .with(vec![0u64, u64::MAX]);
        let row = row.with(vec![1.5f64.to_bits(), f64::NAN.to_bits()]);
        let row = row.with(vec![true, false]).with(2u8).with((1u32, 2u32));
        // The shape: a group of one. Then what is nested: a label, two sizes, a circle, red.
        let row = row.with(4u8).with(vec![(3u32, 4u32)]);
        let row = row
            .with("nested".to_owned())
            .with(vec![(5u32, 6u32), (7, 8)]);
        let row = row.with((1u8, 0.5f64.to_bits())).with(0u8);
        // A labelled shape, and an error.
        let row = row
            .with((0u8, 3u8, "label".to_owned()))
            .with((1u8, "bad".to_owned()));
        // Nothing for `empty`.
        let row = row.with((0u8, -7i32)).with((0u8, "text".to_owned()));
        row.with((0u8, 0u8, 3u8)).with((0u8, 5u32))
    } else {
        let nothing = || Vec::<u8>::new();
        let row = row
            .with(String::new())
            .with(nothing())
            .with(nothing())
            .with(nothing());
        let row = row
            .with(nothing())
            .with(nothing())
            .with(0u8)
            .with((0u32, 0u32));
        let row = row
            .with(0u8)
            .with(String::new())
            .with(nothing())
            .with(0u8)
            .with(0u8);
        let row = row.with(1u8).with((0u8, 0u32, 0u32));
        row.with(1u8)
            .with(1u8)
            .with((0u8, 1u8))
            .with((1u8, String::new()))
    };
    let row = row
        .with(U256::from(0x0102_0304u32))
        .with(u128::from(id) << 100);
    let row = row
        .with(-1i64)
        .with(-1_000_000i64)
        .with(0x0123_4567_89ab_cdefu128);
    let row = row.with((u8::from(full), 1_700_000_000_123_456i64));
    if full {
        row.with(vec![Vec::new(), vec![1u16, 65535]]).0
    } else {
        row.with(Vec::<u8>::new()).0
    }
}

#[test]
fn text_lists_sums_and_special_types() {
    let sink = Sink::publish("composites");
    let (full, bare) = (composite(1, true), composite(1, false));
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM composite"]).unwrap();
    let inserted = change(&mut client, "insert_composite", &full);
    assert_eq!(inserted.inserts, std::slice::from_ref(&full));
    let rows = sink.rows("SELECT * FROM composite");
    let head = rows[0].as_array().unwrap()[..11].to_vec();
    assert_eq!(
        Value::Array(head),
        json!([
            1,
            "a \u{1f980} \u{0} b",
            "0001ff",
            ["", "a", "caf\u{e9}"],
            [0, u64::MAX],
            [1.5, null],
            [true, false],
            [2, []],
            [1, 2],
            [4, [[3, 4]]],
            [
                "nested",
                [[5, 6], [7, 8]],
                [1, 0.5],
                [0, []],
                [0, [3, "label"]],
                [1, "bad"]
            ],
        ])
    );
    let tail = rows[0].as_array().unwrap()[11..].to_vec();
    let due = json!([1, [1_700_000_000_123_456i64]]);
    assert_eq!(
        Value::Array(tail),
        Value::Array(vec![
            json!([]),
            json!([0, -7]),
            json!([0, "text"]),
            json!([0, [0, 3]]),
            json!([0, 5]),
            json!(["0x1020304"]),
            parsed("[1267650600228229401496703205376]"),
            json!([-1]),
            json!([-1_000_000]),
            json!([0x0123_4567_89ab_cdefu64]),
            due,
            json!([[], [1, 65535]]),
        ])
    );

    let updated = change(&mut client, "update_composite", &bare);
    assert_eq!(
        (&updated.inserts, &updated.deletes),
        (&vec![bare.clone()], &vec![full])
    );
    let deleted = change(&mut client, "delete_composite", &1u32.to_le_bytes());
    assert_eq!(deleted.deletes, [bare]);
}

#[test]
fn arguments_in_json_become_the_same_bytes() {
    let sink = Sink::publish("json");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM composite"]).unwrap();
    let row = json!({
        "id": 1, "text": "a \u{1f980} \u{0} b", "bytes": "0001ff",
        "words": ["", "a", "caf\u{e9}"], "longs": [0, u64::MAX],
        "floats": [], "flags": [true, false], "color": {"blue": []},
        "size": {"width": 1, "height": 2}, "shape": [4, [[3, 4]]],
        "nested": ["nested", [[5, 6], [7, 8]], {"1": 0.5}, [0, []], {"some": [3, "label"]},
            {"err": "bad"}],
        "empty": {}, "maybe_int": {"some": -7}, "maybe_text": {"some": "text"},
        "maybe_maybe": {"some": {"some": 3}}, "outcome": {"ok": 5},
        "identity": ["0x1020304"], "connection": {"__connection_id__": 1_u64 << 60},
        "moment": [-1], "span": {"__time_duration_micros__": -1_000_000},
        "uuid": [0x0123_4567_89ab_cdef_u64],
        "due": {"Time": [1_700_000_000_123_456_i64]}, "list_of_lists": [[], [1, 65535]]
    });
    sink.call("insert_composite", json!([row]));
    let changes = client.next_update();
    // The two that JSON numbers cannot say here: NaN, and a 128-bit number.
    let expected = composite(1, true);
    let floats = bsatn::to_vec(&vec![1.5f64.to_bits(), f64::NAN.to_bits()]);
    let connection = (1u128 << 100).to_le_bytes();
    let expected = replaced(&expected, &floats, &bsatn::to_vec(&Vec::<u8>::new()));
    let expected = replaced(&expected, &connection, &(1u128 << 60).to_le_bytes());
    assert_eq!(changes[0].inserts, [expected]);
}

/// `bytes` with the one place that is `old` made `new`.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn samples_read_back_as_they_were_stored() {
    let sink = Sink::publish("samples");
    sink.call("insert_samples", json!([1, 300]));
    sink.call("check_samples", json!([1, 300]));
    let count = sink.rows("SELECT COUNT(*) AS n FROM composite");
    assert_eq!(count, [json!([300])]);
    sink.call("delete_composite", json!([17]));
    let failed = sink.try_call("check_samples", json!([1, 300]));
    assert_eq!(failed, Err((530, "no composite 17".to_owned())));
    sink.call("check_samples", json!([18, 100]));
}

#[test]
fn equal_rows_without_a_key_are_one_row() {
    let sink = Sink::publish("plain");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
    let row = bsatn::to_vec(&(-1i32, "a".to_owned()));
    assert_eq!(
        change(&mut client, "insert_plain", &row).inserts,
        std::slice::from_ref(&row)
    );
    assert_eq!(client.call("insert_plain", &row).changes(), []);
    assert_eq!(sink.rows("SELECT * FROM plain"), [json!([-1, "a"])]);
    assert_eq!(change(&mut client, "delete_plain", &row).deletes, [row]);
    let failed = sink.try_call("delete_plain", json!([-1, "a"]));
    assert_eq!(failed, Err((530, "no such row".to_owned())));
}

#[test]
fn a_row_may_be_larger_than_a_page() {
    let sink = Sink::publish("big-rows");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
    for text_bytes in [65_530u32, 65_536, 3_000_000] {
        let arguments = bsatn::to_vec(&(1i32, text_bytes));
        let text = "x".repeat(usize::try_from(text_bytes).unwrap());
        let row = bsatn::to_vec(&(1i32, text));
        let inserted = change(&mut client, "insert_big_row", &arguments);
        assert!(inserted.inserts == [row.clone()], "{text_bytes}");
        let deleted = change(&mut client, "delete_plain", &row);
        assert!(deleted.deletes == [row], "{text_bytes}");
    }
}

#[test]
fn a_default_of_a_column_is_no_argument() {
    let sink = Sink::publish("defaults");
    sink.call("insert_defaulted", json!([1, 2, "said"]));
    assert_eq!(
        sink.rows("SELECT * FROM defaulted"),
        [json!([1, 2, "said"])]
    );
    assert_eq!(
        sink.try_call("insert_defaulted", json!([2])).unwrap_err().0,
        400
    );
}

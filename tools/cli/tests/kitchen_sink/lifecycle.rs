//! What the server calls by itself: on publishing, connecting, and when a timer is due.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spacetime_types::bsatn;

use crate::Sink;
use crate::harness::module;
use crate::harness::websocket::v2::{Client, Outcome};
use crate::harness::websocket::{Closed, Options, V2};

/// Waits until the query has rows, and gives them.
fn rows_at_last(sink: &Sink, query: &str) -> Vec<Value> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let rows = sink.rows(query);
        if !rows.is_empty() {
            return rows;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no rows in time: {query}");
}

#[test]
fn connections_are_seen_by_the_module() {
    let sink = Sink::publish("lifecycle");
    let first = sink.rows("SELECT what, identity FROM lifecycle_call WHERE id = 1");
    assert_eq!(first[0][0], "init");

    let stranger = sink.server.new_login();
    let client = Client::of(&sink.server, sink.database, &stranger);
    let number = u128::from_le_bytes(client.connection);
    let of = |what: &str| {
        format!(
            "SELECT what, connection FROM lifecycle_call WHERE what = '{what}' AND identity = 0x{}",
            stranger.identity
        )
    };
    let connection: Value = serde_json::from_str(&format!("[0,[{number}]]")).unwrap();
    assert_eq!(
        sink.rows(&of("connected")),
        [json!(["connected", connection])]
    );
    assert!(sink.rows(&of("disconnected")).is_empty());
    client.socket.close();
    let rows = rows_at_last(&sink, &of("disconnected"));
    assert_eq!(rows, [json!(["disconnected", connection])]);
}

#[test]
fn a_closed_door_is_said_to_whoever_knocks() {
    let sink = Sink::publish("door");
    let mut inside = sink.client();
    let reason = bsatn::to_vec(&"not today".to_owned());
    inside.call("close_door", &reason).changes();

    let options = Options::of(&sink.owner);
    let closed = Client::try_open(&sink.server, sink.database, V2, &options).unwrap_err();
    assert_eq!(closed.code, 1008);
    assert!(closed.reason.contains("not today"), "{closed:?}");
    let refused = sink.try_call("open_door", json!([])).unwrap_err();
    assert_eq!(refused.0, 403);
    assert!(refused.1.contains("not today"), "{refused:?}");
    let sql = sink
        .server
        .sql(&sink.owner, sink.database, "SELECT * FROM plain");
    assert_eq!(sql.unwrap_err().status, 403);

    inside.call("open_door", &[]).changes();
    sink.client();
}

#[test]
fn a_call_knows_its_caller_the_time_and_the_database() {
    let sink = Sink::publish("caller");
    let mut client = sink.client();
    client.call("record_caller", &[]).changes();
    client.call("record_caller", &[]).changes();
    let rows = sink.rows("SELECT * FROM caller");
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    let identity = |hex: &str| json!([format!("0x{}", hex.trim_start_matches('0'))]);
    assert_eq!(row[1], identity(&sink.owner.identity));
    let number = u128::from_le_bytes(client.connection);
    assert_eq!(row[2].to_string(), format!("[0,[{number}]]"));
    assert_eq!(row[3], identity(&sink.identity));
    assert!(row[4][0].as_i64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(row[5], json!(false));
    assert_eq!(row[6][0], 0, "no issuer: {row}");
    assert_eq!(row[7][0], 0, "no subject: {row}");
    assert_ne!(row[8], rows[1][8], "not random");
    assert_ne!(row[9], rows[1][9], "not unique");
    assert_ne!(row[10], rows[1][10], "not unique");
}

#[test]
fn a_timer_runs_once_and_goes() {
    let sink = Sink::publish("timers");
    for (text, outcome) in [("good", 0), ("failing", 1), ("panicking", 2)] {
        sink.call("start_timer", json!([1, text, [outcome, []]]));
    }
    let rows = rows_at_last(&sink, "SELECT text, caller FROM tick WHERE text = 'good'");
    assert_eq!(rows.len(), 1);
    assert_eq!(
        rows[0][1][0].as_str().unwrap(),
        format!("0x{}", sink.identity)
    );
    let start = Instant::now();
    while !sink.rows("SELECT * FROM timer").is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "timers stay");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What the other two inserted before they failed is undone.
    assert_eq!(sink.rows("SELECT text FROM tick"), [json!(["good"])]);
    let argument = json!([[0, {"Interval": [1]}, "mine", [0, []]]]);
    let (status, text) = sink.try_call("run_timer", argument).unwrap_err();
    // A scheduled reducer is private, even for those who know its name; or it refuses itself.
    assert!([404, 530].contains(&status), "{status} {text}");
}

#[test]
fn a_repeating_timer_repeats_until_it_is_stopped() {
    let sink = Sink::publish("repeating");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM tick"]).unwrap();
    sink.call("start_repeating_timer", json!([20, "tick"]));
    let mut seen = 0;
    while seen < 5 {
        seen += client.next_update()[0].inserts.len();
    }
    assert_eq!(sink.rows("SELECT id FROM timer").len(), 1);
    sink.call("stop_timers", json!([]));
    assert!(sink.rows("SELECT id FROM timer").is_empty());
    let count = || sink.rows("SELECT COUNT(*) AS n FROM tick");
    let stopped = count();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(count(), stopped);
}

#[test]
fn clients_stay_while_the_same_module_is_published_again() {
    let sink = Sink::publish("again");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
    let row = |n: i32| bsatn::to_vec(&(n, "a".to_owned()));
    client.call("insert_plain", &row(1)).changes();
    let program = module("kitchen_sink");
    let again = sink.server.publish(&sink.owner, sink.database, &program);
    assert_eq!(again, sink.identity);
    assert_eq!(
        client.call("insert_plain", &row(2)).changes()[0].inserts,
        [row(2)]
    );
    sink.call("insert_plain", json!([3, "a"]));
    assert_eq!(client.next_update()[0].inserts, [row(3)]);
    assert_eq!(sink.rows("SELECT a FROM plain").len(), 3);
    let inits = sink.rows("SELECT id FROM lifecycle_call WHERE what = 'init'");
    assert_eq!(inits.len(), 1);
}

#[test]
fn clearing_ends_connections_and_starts_anew() {
    let sink = Sink::publish("clear");
    let mut client = sink.client();
    assert!(matches!(
        client.call("insert_plain", &bsatn::to_vec(&(1i32, "a".to_owned()))),
        Outcome::Ok(_)
    ));
    let program = module("kitchen_sink");
    let cleared = sink
        .server
        .try_publish(&sink.owner, sink.database, "clear=true", &program);
    assert_eq!(cleared.unwrap(), sink.identity);
    let closed: Result<crate::harness::websocket::v2::Event, Closed> = client.socket.try_next();
    assert!(closed.is_err(), "{closed:?}");
    assert!(sink.rows("SELECT * FROM plain").is_empty());
}

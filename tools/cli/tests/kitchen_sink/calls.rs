//! Calls that go wrong, each in one way, and a database that goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spacetime_types::bsatn;

use crate::Sink;
use crate::harness::websocket::v2::Outcome;

const FATAL: &str = "The instance encountered a fatal error.";
const OUT_OF_TIME: &str = "Module energy budget exhausted.";

/// A call that has to succeed, and to be seen.
fn goes_on(sink: &Sink, id: u32) {
    sink.call("insert_ledger", json!([id, format!("row {id}"), id]));
    let rows = sink.rows(&format!("SELECT value FROM ledger WHERE id = {id}"));
    assert_eq!(rows, [json!([id])]);
}

fn fatal() -> Result<(), (u16, String)> {
    Err((530, FATAL.to_owned()))
}

#[test]
fn an_error_undoes_the_call_and_reaches_the_caller() {
    let sink = Sink::publish("errors");
    goes_on(&sink, 1);
    let before = sink.rows("SELECT * FROM ledger");
    let text = "caf\u{e9} \u{1f980} no";
    for reducer in ["fail", "fail_after_writes"] {
        let result = sink.try_call(reducer, json!([text]));
        assert_eq!(result, Err((530, text.to_owned())), "{reducer}");
    }
    assert_eq!(sink.rows("SELECT * FROM ledger"), before);

    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM ledger"]).unwrap();
    let argument = bsatn::to_vec(&text.to_owned());
    let failed = Outcome::Err(text.to_owned());
    assert_eq!(client.call("fail_after_writes", &argument), failed);
    let internal = Outcome::Internal(FATAL.to_owned());
    assert_eq!(client.call("panic_after_writes", &argument), internal);
    assert_eq!(sink.rows("SELECT * FROM ledger"), before);
    // No message about any of it: the next one is the answer to the next call.
    let row = bsatn::to_vec(&(2u32, "row 2".to_owned(), 2i64));
    let changes = client.call("insert_ledger", &row).changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].inserts, [row]);
}

#[test]
fn a_panic_ends_the_call_and_is_in_the_log() {
    let sink = Sink::publish("panics");
    assert_eq!(sink.try_call("panic_now", json!(["as told"])), fatal());
    goes_on(&sink, 1);
    let before = sink.rows("SELECT * FROM ledger");
    assert_eq!(
        sink.try_call("panic_after_writes", json!(["as told"])),
        fatal()
    );
    assert_eq!(sink.try_call("trap_now", json!([])), fatal());
    assert_eq!(sink.rows("SELECT * FROM ledger"), before);
    goes_on(&sink, 2);

    let panics: Vec<Value> = sink
        .log_records("")
        .into_iter()
        .filter(|record| record["level"] == "Panic" && record["message"] == "as told")
        .collect();
    assert_eq!(panics.len(), 2, "{panics:?}");
    assert_eq!(panics[0]["function"], "panic_now");
    assert!(panics[0]["trace"].is_array(), "{panics:?}");
}

#[test]
fn an_endless_call_is_stopped() {
    let sink = Sink::publish("loops");
    for (id, reducer) in [(1, "loop_forever"), (2, "loop_in_host_forever")] {
        let start = Instant::now();
        let result = sink.try_call(reducer, json!([]));
        assert_eq!(result, Err((402, OUT_OF_TIME.to_owned())), "{reducer}");
        assert!(start.elapsed() < Duration::from_secs(30), "{reducer}");
        goes_on(&sink, id);
    }
    let stopped = sink.client().call("loop_forever", &[]);
    let expected = Outcome::Internal("reducer ran out of energy".to_owned());
    assert_eq!(stopped, expected);
    goes_on(&sink, 3);
}

#[test]
fn hunger_for_memory_and_stack_ends_the_call() {
    let sink = Sink::publish("hunger");
    assert_eq!(sink.try_call("recurse_forever", json!([])), fatal());
    goes_on(&sink, 1);
    // Whether the memory or the second is over first depends on the machine.
    let (status, _) = sink.try_call("grow_memory_forever", json!([])).unwrap_err();
    assert!([530, 402].contains(&status), "{status}");
    goes_on(&sink, 2);
    let (status, _) = sink.try_call("insert_forever", json!([])).unwrap_err();
    assert!([530, 402].contains(&status), "{status}");
    assert_eq!(sink.rows("SELECT id FROM ledger").len(), 2);
    goes_on(&sink, 3);
}

#[test]
fn forgotten_iterators_do_not_stay() {
    let sink = Sink::publish("iterators");
    goes_on(&sink, 1);
    for _ in 0..3 {
        sink.call("leak_iterators", json!([200]));
    }
    goes_on(&sink, 2);
}

#[test]
fn what_cannot_be_called_is_refused_before_the_call() {
    let sink = Sink::publish("refused");
    let status = |reducer: &str, arguments: Value| {
        let (status, text) = sink.try_call(reducer, arguments).unwrap_err();
        assert!(!text.is_empty(), "{reducer}");
        status
    };
    assert_eq!(status("no_such_reducer", json!([])), 404);
    assert_eq!(status("init", json!([])), 400);
    assert_eq!(status("client_connected", json!([])), 400);
    assert_eq!(status("fail", json!([])), 400);
    assert_eq!(status("fail", json!([1])), 400);
    assert_eq!(status("fail", json!(["a", "b"])), 400);
    assert_eq!(status("insert_plain", json!([1u64 << 40, "a"])), 400);

    let mut client = sink.client();
    let mut internal = |reducer: &str, arguments: &[u8]| match client.call(reducer, arguments) {
        Outcome::Internal(text) => text,
        other => panic!("{reducer}: {other:?}"),
    };
    assert_eq!(internal("no_such_reducer", &[]), "no such reducer");
    assert!(internal("init", &[]).contains("special Init lifecycle reducer"));
    assert!(internal("fail", &[]).starts_with("invalid arguments for reducer fail"));
    assert!(internal("fail", &[9, 0, 0, 0]).starts_with("invalid arguments for reducer fail"));
    goes_on(&sink, 1);
}

#[test]
fn a_table_can_be_changed_while_it_is_read() {
    let sink = Sink::publish("sheep");
    sink.call("fill_sheep", json!([2000]));
    sink.call("update_while_iterating", json!([]));
    let renamed = sink.rows("SELECT name FROM sheep WHERE id = 1999");
    assert_eq!(renamed, [json!(["renamed 1999"])]);
    sink.call("delete_while_filtering", json!([7]));
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM sheep"]).unwrap();
    let unchanged = client.call("delete_and_reinsert", &bsatn::to_vec(&5u32));
    assert_eq!(unchanged.changes(), []);
    let unchanged = client.call("insert_and_delete", &bsatn::to_vec(&5000u32));
    assert_eq!(unchanged.changes(), []);
    let changes = client.call("delete_while_iterating", &[]).changes();
    assert_eq!(changes[0].deletes.len(), 1990);
    assert!(changes[0].inserts.is_empty());
}

#[test]
fn events_are_sent_and_not_kept() {
    let sink = Sink::publish("events");
    let mut watcher = sink.client();
    assert_eq!(watcher.subscribe(1, &["SELECT * FROM hit"]), Ok(Vec::new()));
    sink.call("emit_hits", json!([7, 2]));
    let changes = watcher.next_update();
    assert_eq!(changes.len(), 1);
    let mut events = changes[0].events.clone();
    events.sort();
    assert_eq!(
        events,
        [bsatn::to_vec(&(7u32, 0i32)), bsatn::to_vec(&(7u32, 1i32))]
    );
    assert!(sink.try_call("emit_hit_and_fail", json!([8])).is_err());
    sink.call("check_no_hits", json!([]));
    assert!(sink.rows("SELECT * FROM hit").is_empty());
    sink.call("emit_hits", json!([9, 1]));
    let changes = watcher.next_update();
    assert_eq!(changes[0].events, [bsatn::to_vec(&(9u32, 0i32))]);
}

//! A module that calls the host as no honest module would: see `modules/hostile`.

use serde_json::json;

use crate::Sink;

const FATAL: &str = "The instance encountered a fatal error.";

/// A call that changes nothing and has to succeed.
fn honest(sink: &Sink, after: &str) {
    assert_eq!(sink.try_call("errno_table", json!([])), Ok(()), "{after}");
}

#[test]
fn a_pointer_out_of_memory_ends_the_call_and_nothing_else() {
    let sink = Sink::publish_module("hostile-trap", "hostile");
    for reducer in [
        "trap_name_at_null",
        "trap_name_outside_memory",
        "trap_name_longer_than_memory",
        "trap_name_not_utf_8",
        "trap_result_outside_memory",
        "trap_identity_outside_memory",
        "trap_row_outside_memory",
        "trap_error_text_outside_memory",
        "trap_too_many_prefix_columns",
    ] {
        let result = sink.try_call(reducer, json!([]));
        assert_eq!(result, Err((530, FATAL.to_owned())), "{reducer}");
        honest(&sink, reducer);
    }
}

#[test]
fn what_does_not_exist_is_an_error_number() {
    let sink = Sink::publish_module("hostile-errno", "hostile");
    for reducer in [
        "errno_table",
        "errno_table_name",
        "errno_index",
        "errno_index_name",
        "errno_iterator",
        "errno_bytes",
        "errno_timer",
    ] {
        sink.call(reducer, json!([]));
    }
}

#[test]
fn odd_behaviour_is_survived() {
    let sink = Sink::publish_module("hostile-odd", "hostile");
    let fatal = Err((530, FATAL.to_owned()));
    assert_eq!(sink.try_call("odd_return_code", json!([])), fatal);
    honest(&sink, "odd_return_code");

    let (status, text) = sink.try_call("odd_error_text", json!([])).unwrap_err();
    assert_eq!((status, text.as_str()), (530, "a\u{fffd}b"));
    honest(&sink, "odd_error_text");

    let (status, text) = sink
        .try_call("odd_large_error_text", json!([]))
        .unwrap_err();
    assert_eq!(status, 530);
    assert!(
        text.bytes().all(|byte| byte == b'x'),
        "not what was written"
    );
    honest(&sink, "odd_large_error_text");

    sink.call("odd_log_lines", json!([]));
    honest(&sink, "odd_log_lines");

    // More timers than a call may have: refused before they fill the memory.
    assert_eq!(sink.try_call("odd_many_timers", json!([])), fatal);
    honest(&sink, "odd_many_timers");
}

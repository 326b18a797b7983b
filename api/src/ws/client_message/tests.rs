use proptest::prelude::*;
use spacetime_host::CallArgs;

use super::*;
use crate::ws::test_bytes::{hex, unhex};

/// One line that says everything about a message.
fn show(message: &ClientMessage) -> String {
    let args = |args: &CallArgs| match args {
        CallArgs::Bsatn(bytes) => hex(bytes),
        CallArgs::Json(text) => String::from_utf8_lossy(text).into_owned(),
    };
    match message {
        ClientMessage::CallReducer {
            request_id,
            reducer,
            args: bytes,
            quiet,
        } => {
            format!("reducer {request_id} {reducer} {} {quiet}", args(bytes))
        }
        ClientMessage::CallProcedure {
            request_id,
            procedure,
            args: bytes,
        } => {
            format!("procedure {request_id} {procedure} {}", args(bytes))
        }
        ClientMessage::Subscribe {
            request_id,
            query_set,
            queries,
        } => {
            format!("subscribe {request_id} {query_set:?} {queries:?}")
        }
        ClientMessage::Unsubscribe {
            request_id,
            query_set,
            send_dropped,
        } => {
            format!("unsubscribe {request_id} {query_set:?} {send_dropped}")
        }
        ClientMessage::OneOff { message_id, query } => {
            format!("one-off {} {query}", hex(message_id))
        }
    }
}

fn check_v2(bytes: &str, expect: &str) {
    let message = decode_v2(&unhex(bytes)).expect("a message");
    assert_eq!(show(&message), expect);
}

fn check_v1(bytes: &str, expect: &str) {
    let message = decode_v1(&unhex(bytes)).expect("a message");
    assert_eq!(show(&message), expect);
}

#[test]
fn v2_messages() {
    check_v2(
        "000100000007000000010000001200000053454c454354202a2046524f4d2075736572",
        r#"subscribe 1 Set(7) ["SELECT * FROM user"]"#,
    );
    check_v2("01020000000700000000", "unsubscribe 2 Set(7) false");
    check_v2("01020000000700000001", "unsubscribe 2 Set(7) true");
    check_v2(
        "02030000001200000053454c454354202a2046524f4d2075736572",
        "one-off 03000000 SELECT * FROM user",
    );
    check_v2(
        "030400000000030000006164640800000003000000626f621e",
        "reducer 4 add 03000000626f621e false",
    );
    check_v2(
        "040500000000030000007265740800000003000000626f621e",
        "procedure 5 ret 03000000626f621e",
    );
}

#[test]
fn v1_messages() {
    check_v1(
        "00030000006164640800000003000000626f621e0400000000",
        "reducer 4 add 03000000626f621e false",
    );
    check_v1(
        "00030000006164640800000003000000626f621e0400000001",
        "reducer 4 add 03000000626f621e true",
    );
    check_v1(
        "01010000001200000053454c454354202a2046524f4d207573657201000000",
        r#"subscribe 1 Legacy ["SELECT * FROM user"]"#,
    );
    check_v1(
        "020200000001021200000053454c454354202a2046524f4d2075736572",
        "one-off 0102 SELECT * FROM user",
    );
    check_v1(
        "031200000053454c454354202a2046524f4d20757365720100000007000000",
        r#"subscribe 1 Single(7) ["SELECT * FROM user"]"#,
    );
    check_v1(
        "04010000001200000053454c454354202a2046524f4d20757365720100000007000000",
        r#"subscribe 1 Multi(7) ["SELECT * FROM user"]"#,
    );
    check_v1("050200000007000000", "unsubscribe 2 Single(7) true");
    check_v1("060200000007000000", "unsubscribe 2 Multi(7) true");
    check_v1(
        "07030000007265740800000003000000626f621e0500000000",
        "procedure 5 ret 03000000626f621e",
    );
}

#[test]
fn a_v3_frame_holds_several_messages() {
    let frame = unhex(
        "02030000001200000053454c454354202a2046524f4d2075736572\
         030400000000030000006164640800000003000000626f621e",
    );
    let messages: Vec<String> = MessagesV3::new(&frame)
        .map(|message| show(&message.expect("a message")))
        .collect();
    let expect = [
        "one-off 03000000 SELECT * FROM user",
        "reducer 4 add 03000000626f621e false",
    ];
    assert_eq!(messages, expect);
}

#[test]
fn a_v3_frame_yields_the_messages_before_a_bad_one_and_then_ends() {
    let frame = unhex("01020000000700000000ff01020000000700000000");
    let mut messages = MessagesV3::new(&frame);
    assert!(messages.next().expect("the first").is_ok());
    assert!(messages.next().expect("the second").is_err());
    assert!(messages.next().is_none());
}

#[test]
fn an_empty_v3_frame_is_an_error() {
    let frame = Bytes::new();
    let mut messages = MessagesV3::new(&frame);
    let error = messages.next().expect("one item").expect_err("an error");
    assert!(
        error.to_string().contains("at least one v2 client message"),
        "{error}"
    );
    assert!(messages.next().is_none());
}

#[test]
fn refuses_unknown_tags_flags_and_surplus_bytes() {
    for bad in [
        "05",
        "ff",
        "01020000000700000002",
        "0102000000070000000000",
        "03040000000103",
    ] {
        assert!(decode_v2(&unhex(bad)).is_err(), "{bad}");
    }
    for bad in [
        "08",
        "05020000000700000000",
        "00030000006164640000000004000000",
        "",
    ] {
        assert!(decode_v1(&unhex(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_count_beyond_the_frame_is_refused_before_anything_is_allocated() {
    assert!(decode_v2(&unhex("000100000007000000ffffffff")).is_err());
    assert!(decode_v1(&unhex("01ffffffff01000000")).is_err());
}

#[test]
fn arguments_share_the_frames_memory() {
    let frame = unhex("030400000000030000006164640800000003000000626f621e");
    let message = decode_v2(&frame).expect("a message");
    let ClientMessage::CallReducer {
        args: CallArgs::Bsatn(args),
        ..
    } = message
    else {
        panic!("a reducer call with BSATN arguments");
    };
    assert!(frame.as_ptr_range().contains(&args.as_ptr()));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let frame = Bytes::from(bytes);
        let _ = decode_v1(&frame);
        let _ = decode_v2(&frame);
        let count = MessagesV3::new(&frame).count();
        prop_assert!(count <= frame.len().max(1));
    }

    #[test]
    fn a_cut_message_is_an_error(cut in 0usize..25) {
        let whole = unhex("030400000000030000006164640800000003000000626f621e");
        prop_assert!(decode_v2(&whole.slice(..cut)).is_err());
    }

    #[test]
    fn calls_survive_a_round_trip(
        request_id in any::<u32>(),
        name in ".{0,20}",
        args in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut frame = vec![3];
        frame.extend_from_slice(&request_id.to_le_bytes());
        frame.push(0);
        crate::ws::wire::write_str(&mut frame, &name);
        crate::ws::wire::write_bytes(&mut frame, &args);
        let message = decode_v2(&frame.into()).expect("a message");
        let expected = format!("reducer {request_id} {name} {} false", hex(&args));
        prop_assert_eq!(show(&message), expected);
    }
}

//! A session of `v1.json.spacetimedb` with the real server, text for text.

mod harness;

use harness::websocket::{Options, Socket};
use harness::{Login, Server, module};
use serde_json::{Value, json};

const PROTOCOL: &str = "v1.json.spacetimedb";
const DATABASE: &str = "sink";

fn start() -> (Server, Login) {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("kitchen_sink"));
    (server, owner)
}

fn open(server: &Server, login: &Login) -> Socket {
    Socket::try_open(server, DATABASE, PROTOCOL, &Options::of(login)).unwrap()
}

/// The next message: its name and its content.
#[track_caller]
fn next(socket: &mut Socket) -> (String, Value) {
    let text = socket.next_text().unwrap();
    let message: Value = serde_json::from_str(&text).unwrap();
    let object = message.as_object().unwrap();
    assert_eq!(object.len(), 1, "{text}");
    let (name, content) = object.iter().next().unwrap();
    (name.clone(), content.clone())
}

#[track_caller]
fn expect(socket: &mut Socket, name: &str) -> Value {
    let (found, content) = next(socket);
    assert_eq!(found, name, "{content}");
    content
}

/// The only table of a DatabaseUpdate: deletes and inserts of its only query.
#[track_caller]
fn only(update: &Value) -> (Value, Value) {
    let table = &update["tables"][0];
    assert_eq!(table["table_name"], "plain");
    assert!(table["table_id"].is_u64());
    let change = &table["updates"][0];
    let count = |rows: &Value| rows.as_array().unwrap().len();
    let rows = count(&change["deletes"]) + count(&change["inserts"]);
    assert_eq!(table["num_rows"], json!(rows));
    (change["deletes"].clone(), change["inserts"].clone())
}

fn row(a: i32, text: &str) -> String {
    json!({"a": a, "text": text}).to_string()
}

#[test]
fn a_session_in_text() {
    let (server, owner) = start();
    let (mut caller, mut other) = (open(&server, &owner), open(&server, &owner));
    let token = expect(&mut caller, "IdentityToken");
    let identity = json!({"__identity__": format!("0x{}", owner.identity)});
    assert_eq!(token["identity"], identity);
    assert_eq!(token["token"], json!(owner.token));
    let connection = token["connection_id"].clone();
    assert!(connection["__connection_id__"].is_number());
    expect(&mut other, "IdentityToken");

    caller.send_text(
        r#"{"SubscribeMulti":{"query_strings":["SELECT * FROM plain"],"request_id":1,
            "query_id":{"id":7}}}"#,
    );
    let applied = expect(&mut caller, "SubscribeMultiApplied");
    assert_eq!(
        (&applied["request_id"], &applied["query_id"]),
        (&json!(1), &json!({"id": 7}))
    );
    other.send_text(r#"{"Subscribe":{"query_strings":["SELECT * FROM *"],"request_id":2}}"#);
    let initial = expect(&mut other, "InitialSubscription");
    assert_eq!(initial["request_id"], json!(2));

    // Whoever calls gets the whole story, the other only the rows.
    caller.send_text(
        r#"{"CallReducer":{"reducer":"insert_plain","args":"[5,\"say \\\"hi\\\"\"]",
            "request_id":4,"flags":0}}"#,
    );
    let update = expect(&mut caller, "TransactionUpdate");
    let inserted = json!([row(5, "say \"hi\"")]);
    assert_eq!(
        only(&update["status"]["Committed"]),
        (json!([]), inserted.clone())
    );
    assert_eq!(update["caller_identity"], identity);
    assert_eq!(update["caller_connection_id"], connection);
    let call = &update["reducer_call"];
    assert_eq!(call["reducer_name"], "insert_plain");
    assert_eq!(call["args"], json!("[5,\"say \\\"hi\\\"\"]"));
    assert_eq!(call["request_id"], json!(4));
    assert!(update["timestamp"]["__timestamp_micros_since_unix_epoch__"].is_i64());
    let update = expect(&mut other, "TransactionUpdateLight");
    assert_eq!(only(&update["update"]), (json!([]), inserted.clone()));

    caller
        .send_text(r#"{"OneOffQuery":{"message_id":"00ff","query_string":"SELECT * FROM plain"}}"#);
    let answer = expect(&mut caller, "OneOffQueryResponse");
    assert_eq!(answer["message_id"], "00ff");
    assert_eq!(answer["error"], json!({"none": []}));
    assert_eq!(
        answer["tables"],
        json!([{"table_name": "plain", "rows": inserted}])
    );
    caller.send_text(r#"{"OneOffQuery":{"message_id":"","query_string":"SELECT * FROM nope"}}"#);
    let answer = expect(&mut caller, "OneOffQueryResponse");
    assert!(answer["error"]["some"].is_string(), "{answer}");

    // A single query that is there twice, an unknown one, and the end of both.
    caller.send_text(
        r#"{"SubscribeSingle":{"query":"SELECT * FROM plain","request_id":5,"query_id":{"id":8}}}"#,
    );
    let applied = expect(&mut caller, "SubscribeApplied");
    assert_eq!(applied["query_id"], json!({"id": 8}));
    caller.send_text(r#"{"UnsubscribeMulti":{"request_id":6,"query_id":{"id":9}}}"#);
    let error = expect(&mut caller, "SubscriptionError");
    assert_eq!(error["request_id"], json!({"some": 6}));
    assert_eq!(error["query_id"], json!({"some": 9}));
    assert_eq!(error["table_id"], json!({"none": []}));
    caller.send_text(r#"{"UnsubscribeMulti":{"request_id":7,"query_id":{"id":7}}}"#);
    expect(&mut caller, "UnsubscribeMultiApplied");
    caller.send_text(r#"{"Unsubscribe":{"request_id":8,"query_id":{"id":8}}}"#);
    let dropped = expect(&mut caller, "UnsubscribeApplied");
    let rows = &dropped["rows"]["table_rows"]["updates"][0];
    assert_eq!(
        (&rows["deletes"], &rows["inserts"]),
        (&inserted, &json!([]))
    );
}

#[test]
fn procedures_return_text() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("procedures"));
    let mut socket = open(&server, &owner);
    expect(&mut socket, "IdentityToken");
    socket.send_text(
        r#"{"CallProcedure":{"procedure":"add","args":"[40,2]","request_id":5,"flags":0}}"#,
    );
    let result = expect(&mut socket, "ProcedureResult");
    assert_eq!(result["status"], json!({"Returned": "42"}), "{result}");
    assert_eq!(result["request_id"], json!(5));
    socket.send_text(
        r#"{"CallProcedure":{"procedure":"add","args":"[40]","request_id":6,"flags":0}}"#,
    );
    let result = expect(&mut socket, "ProcedureResult");
    let error = result["status"]["InternalError"].as_str().unwrap();
    assert!(error.contains("invalid arguments"), "{result}");
}

#[test]
fn calls_that_fail_are_told_to_the_caller_alone() {
    let (server, owner) = start();
    let mut socket = open(&server, &owner);
    expect(&mut socket, "IdentityToken");
    socket.send_text(
        r#"{"CallReducer":{"reducer":"fail","args":"[\"no\"]","request_id":1,"flags":0}}"#,
    );
    let update = expect(&mut socket, "TransactionUpdate");
    assert_eq!(update["status"], json!({"Failed": "no"}));
    assert_eq!(update["reducer_call"]["args"], "[\"no\"]");
    socket.send_text(r#"{"CallReducer":{"reducer":"nope","args":"[]","request_id":2,"flags":0}}"#);
    let update = expect(&mut socket, "TransactionUpdate");
    assert_eq!(update["status"], json!({"Failed": "no such reducer"}));
    assert_eq!(update["reducer_call"]["request_id"], json!(0));
    assert_eq!(update["reducer_call"]["reducer_id"], json!(u32::MAX));
    // Quiet calls have no answer, not even when they fail; the next message is another one.
    for reducer in ["fail", "insert_plain"] {
        let args = if reducer == "fail" {
            "[\\\"no\\\"]"
        } else {
            "[1,\\\"a\\\"]"
        };
        socket.send_text(&format!(
            "{{\"CallReducer\":{{\"reducer\":\"{reducer}\",\"args\":\"{args}\",\
             \"request_id\":3,\"flags\":1}}}}"
        ));
    }
    socket.send_text(r#"{"CallProcedure":{"procedure":"p","args":"[]","request_id":4,"flags":0}}"#);
    let result = expect(&mut socket, "ProcedureResult");
    assert_eq!(result["request_id"], json!(4));
    socket.send_text(r#"{"OneOffQuery":{"message_id":"01","query_string":"SELECT * FROM plain"}}"#);
    let answer = expect(&mut socket, "OneOffQueryResponse");
    assert_eq!(answer["tables"][0]["rows"], json!([row(1, "a")]));
    // The form of a request may be the other one.
    let mut one_off = vec![2u8, 1, 0, 0, 0, 9];
    one_off.extend(spacetime_types::bsatn::to_vec(&"SELECT * FROM plain"));
    socket.send(one_off);
    assert_eq!(
        expect(&mut socket, "OneOffQueryResponse")["message_id"],
        "09"
    );
    socket.send_text("{\"Nonsense\":{}}");
    let closed = socket.next_text().unwrap_err();
    assert_eq!(closed.code, 1002, "{closed:?}");
}

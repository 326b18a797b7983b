//! The routes about databases and identities, and who may use them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::Sink;
use crate::harness::{Login, Refusal, module};

impl Sink {
    /// Any request to the server, as `login`.
    fn request(
        &self,
        method: Method,
        route: &str,
        login: Option<&Login>,
        body: &str,
    ) -> Result<String, Refusal> {
        let mut request = self.server.http().request(method, self.server.v1(route));
        if let Some(login) = login {
            request = request.bearer_auth(&login.token);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.server.send(request.body(body.to_owned()))
    }

    #[track_caller]
    fn get(&self, route: &str) -> String {
        self.request(Method::GET, route, None, "")
            .unwrap_or_else(|refusal| panic!("{route}: {refusal:?}"))
    }

    #[track_caller]
    fn get_json(&self, route: &str) -> Value {
        serde_json::from_str(&self.get(route)).unwrap()
    }
}

#[track_caller]
fn status(result: Result<String, Refusal>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(refusal) => refusal.status,
    }
}

#[test]
fn a_database_tells_about_itself() {
    let sink = Sink::publish("about");
    let info = sink.get_json("database/about");
    let hex = |value: &Value| value["__identity__"].as_str().unwrap().to_owned();
    let padded = |hex: &str| format!("{:0>64}", hex.trim_start_matches("0x"));
    assert_eq!(padded(&hex(&info["database_identity"])), sink.identity);
    assert_eq!(padded(&hex(&info["owner_identity"])), sink.owner.identity);
    assert_eq!(info["host_type"], json!({"Wasm": []}));
    assert!(info["initial_program"].as_str().unwrap().starts_with("0x"));

    assert_eq!(sink.get("database/about/identity"), sink.identity);
    assert_eq!(
        sink.get_json("database/about/names"),
        json!({"names": ["about"]})
    );
    let by_identity = format!("database/{}/names", sink.identity);
    assert_eq!(sink.get_json(&by_identity), json!({"names": ["about"]}));
    let owned = sink.get_json(&format!("identity/{}/databases", sink.owner.identity));
    assert_eq!(owned, json!({"identities": [sink.identity]}));

    let schema = sink.get_json("database/about/schema?version=9");
    let tables = schema["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["name"] == "ordered_key"));
    let reducers = schema["reducers"].as_array().unwrap();
    assert!(
        reducers
            .iter()
            .any(|reducer| reducer["name"] == "insert_composite")
    );
    let schema = sink.get_json("database/about/schema?version=10");
    assert!(schema["sections"].is_array(), "{schema}");
    let none = sink.request(Method::GET, "database/about/schema", None, "");
    assert_eq!(status(none), 400);
    for route in [
        "database/nowhere",
        "database/nowhere/identity",
        "database/nowhere/names",
    ] {
        assert_eq!(
            status(sink.request(Method::GET, route, None, "")),
            404,
            "{route}"
        );
    }
    assert_eq!(
        status(sink.request(Method::GET, "database/A_b/names", None, "")),
        400
    );
}

#[test]
fn identities_are_proved_by_tokens() {
    let sink = Sink::publish("tokens");
    let login = sink.server.new_login();
    let verify = format!("identity/{}/verify", login.identity);
    assert_eq!(
        status(sink.request(Method::GET, &verify, Some(&login), "")),
        200
    );
    assert_eq!(
        status(sink.request(Method::GET, &verify, Some(&sink.owner), "")),
        400
    );
    assert_eq!(status(sink.request(Method::GET, &verify, None, "")), 401);

    let route = "identity/websocket-token";
    let answer = sink.request(Method::POST, route, Some(&login), "").unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let short = Login {
        identity: login.identity.clone(),
        token: answer["token"].as_str().unwrap().to_owned(),
    };
    assert_eq!(
        status(sink.request(Method::GET, &verify, Some(&short), "")),
        200
    );
    assert_eq!(status(sink.request(Method::POST, route, None, "")), 401);

    let key = sink.get("identity/public-key");
    assert!(key.starts_with("-----BEGIN PUBLIC KEY-----"), "{key}");
    for token in ["nonsense", "a.b.c", &flipped(&login.token)] {
        let liar = Login {
            identity: login.identity.clone(),
            token: token.to_owned(),
        };
        let refused = sink
            .server
            .call(&liar, sink.database, "openDoor", json!([]));
        assert_eq!(refused.unwrap_err().status, 401, "{token}");
        let refused = sink.server.sql(&liar, sink.database, "SELECT * FROM plain");
        assert_eq!(refused.unwrap_err().status, 401, "{token}");
        let refused = sink.server.try_publish(&liar, "stolen", "", b"");
        assert_eq!(refused.unwrap_err().status, 401, "{token}");
    }
}

/// A token with another signature.
fn flipped(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let mut signature: Vec<char> = signature.chars().collect();
    signature[5] = if signature[5] == 'A' { 'B' } else { 'A' };
    format!("{head}.{}", String::from_iter(signature))
}

#[test]
fn only_the_owner_changes_a_database() {
    let sink = Sink::publish("owned");
    let stranger = sink.server.new_login();
    let program = module("chat");
    for query in ["", "clear=true"] {
        let refused = sink
            .server
            .try_publish(&stranger, sink.database, query, &program)
            .unwrap_err();
        assert_eq!(refused.status, 403, "{query}: {}", refused.text);
        assert!(
            refused.text.contains("is not authorized"),
            "{}",
            refused.text
        );
    }
    for (method, route) in [
        (Method::DELETE, "database/owned"),
        (Method::PUT, "database/owned/reset"),
        (Method::POST, "database/owned/lock"),
    ] {
        let refused = sink.request(method, route, Some(&stranger), "");
        assert_eq!(status(refused), 403, "{route}");
    }
    sink.call("insert_plain", json!([1, "still here"]));
}

#[test]
fn what_is_no_module_is_refused() {
    let sink = Sink::publish("no-module");
    for program in [&b""[..], b"nonsense", b"\0asm\x01\0\0\0"] {
        let refused = sink
            .server
            .try_publish(&sink.owner, sink.database, "", program)
            .unwrap_err();
        assert!([400, 500].contains(&refused.status), "{refused:?}");
        assert!(!refused.text.is_empty());
        let refused = sink
            .server
            .try_publish(&sink.owner, "never-made", "", program);
        assert!(refused.is_err());
    }
    sink.call("insert_plain", json!([1, "still here"]));
}

#[test]
fn names_can_be_replaced() {
    let sink = Sink::publish("first-name");
    let route = format!("database/{}/names", sink.identity);
    let names = json!(["second-name", "third-name"]).to_string();
    let put = |login: &Login| sink.request(Method::PUT, &route, Some(login), &names);
    assert_eq!(status(put(&sink.server.new_login())), 401);
    assert_eq!(put(&sink.owner).unwrap(), "\"Success\"");
    assert_eq!(sink.get("database/third-name/identity"), sink.identity);
    let old = sink.request(Method::GET, "database/first-name/identity", None, "");
    assert_eq!(status(old), 404);
    // A name of another database is not to be had, even by the owner of both.
    sink.server
        .publish(&sink.owner, "taken-name", &module("chat"));
    let taken = json!(["taken-name"]).to_string();
    let refused = sink.request(Method::PUT, &route, Some(&sink.owner), &taken);
    assert_eq!(status(refused), 400);
}

#[test]
fn a_deleted_database_is_gone() {
    let sink = Sink::publish("deleted");
    let mut client = sink.client();
    let delete = || sink.request(Method::DELETE, "database/deleted", Some(&sink.owner), "");
    delete().unwrap();
    let event: Result<crate::harness::websocket::v2::Event, _> = client.socket.try_next();
    assert!(event.is_err(), "{event:?}");
    let gone = sink.try_call("insert_plain", json!([1, "a"])).unwrap_err();
    assert_eq!(gone.0, 404);
    let sql = sink
        .server
        .sql(&sink.owner, sink.database, "SELECT * FROM plain");
    assert_eq!(sql.unwrap_err().status, 404);
    assert_eq!(status(delete()), 200);
}

#[test]
fn the_service_answers() {
    let sink = Sink::publish("service");
    assert_eq!(sink.get("ping"), "");
    let health = sink.get_json("health");
    assert_eq!(health["schedulable"], json!(true));
    assert!(!health["version"].as_str().unwrap().is_empty(), "{health}");
    let now = sink.get_json("database/service/unstable/timestamp");
    let micros = &now["__timestamp_micros_since_unix_epoch__"];
    assert!(micros.as_i64().unwrap() > 1_700_000_000_000_000);
}

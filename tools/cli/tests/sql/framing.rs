//! Limits of texts and rows, and the HTTP around a statement.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::blocking::Response;
use serde_json::{Value, json};
use spacetime_types::module_def::Lifecycle;

use crate::cases::{Callers, fixture};
use crate::harness::websocket::v2::Client;
use crate::harness::{Login, Refusal, Server};
use crate::program::{Reducer, Step, program};

const DATABASE: &str = "sql";

fn start(fixture_name: &str) -> (Server, Callers) {
    let server = Server::start();
    let callers = Callers::new(&server);
    let module = fixture(fixture_name, &callers);
    server.publish(callers.owner(), DATABASE, &program(&module));
    (server, callers)
}

fn rows(server: &Server, login: &Login, sql: &str) -> Result<Vec<Value>, Refusal> {
    let results = server.sql(login, DATABASE, sql)?;
    Ok(results[0]["rows"].as_array().expect("rows").clone())
}

fn post(server: &Server, path: &str, body: &'static str) -> Response {
    let url = server.v1(&format!("database/{path}"));
    server.http().post(url).body(body).send().unwrap()
}

#[test]
fn long_and_deep_texts() {
    let (server, callers) = start("main");
    let owner = callers.owner();
    let ask = |sql: &str| rows(&server, owner, sql);
    let nested = |depth: usize| {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        format!("SELECT id FROM item WHERE {open}id = 1{close}")
    };
    assert_eq!(ask(&nested(47)), Ok(vec![json!([1])]));
    let refused = ask(&nested(2_000)).expect_err("too deep");
    assert!(
        refused.text.contains("recursion limit exceeded"),
        "{refused:?}"
    );
    let chain = |count: usize| {
        let terms = vec!["id=1"; count].join(" OR ");
        format!("SELECT id FROM item WHERE {terms}")
    };
    assert_eq!(ask(&chain(1_600)), Ok(vec![json!([1])]));
    assert_eq!(ask(&chain(5_000)), Ok(vec![json!([1])]));
    let named = |bytes: usize, fill: &str| {
        let start = "SELECT id FROM item WHERE name = '";
        let len = bytes - start.len() - 1;
        format!("{start}{}'", fill.repeat(len / fill.len()))
    };
    assert_eq!(ask(&named(50_000, "a")), Ok(vec![]));
    for text in [named(50_001, "a"), named(60_001, "\u{e9}")] {
        let refused = ask(&text).expect_err("too long").text;
        let shown: String = text.chars().take(120).collect();
        let expected = format!("SQL query exceeds maximum allowed length: \"{shown}...\"");
        assert_eq!(refused, expected);
    }
    let started = Instant::now();
    for literal in ["1e10000000000", "1e-10000000000", &"9".repeat(40_000)] {
        let refused = ask(&format!("SELECT id FROM item WHERE id = {literal}"));
        let refused = refused.expect_err("no number").text;
        assert!(refused.starts_with("The literal expression `"), "{refused}");
    }
    let infinite = "SELECT id FROM item WHERE price = 1e10000000000";
    assert_eq!(ask(infinite), Ok(vec![]));
    assert!(started.elapsed() < Duration::from_secs(30));
    let joins: String = (1..8)
        .map(|at| format!(" JOIN bag b{at} ON b{}.x = b{at}.x", at - 1))
        .collect();
    let counted = ask(&format!("SELECT COUNT(*) AS n FROM bag b0{joins}"));
    assert_eq!(counted, Ok(vec![json!([257])]));
    let many: Vec<String> = (1..6_000).map(|id| format!("({id})")).collect();
    let insert = format!("INSERT INTO emp (id) VALUES {}", many.join(","));
    assert!(insert.len() < 50_000);
    assert_eq!(ask(&insert), Ok(vec![]));
    assert_eq!(
        ask("SELECT COUNT(*) AS n FROM emp"),
        Ok(vec![json!([5_999])])
    );
    assert_eq!(ask("DELETE FROM emp WHERE id > 1"), Ok(vec![]));
    let joins: String = (1..200)
        .map(|at| format!(" JOIN emp e{at} ON e{}.id = e{at}.id", at - 1))
        .collect();
    let one = ask(&format!("SELECT e0.id FROM emp e0{joins}"));
    assert_eq!(one, Ok(vec![json!([1])]));
}

#[test]
fn the_row_limit_is_for_everybody_but_the_owner() {
    let (server, callers) = start("oo");
    let (owner, other) = (callers.owner(), callers.get("u1"));
    let insert = "INSERT INTO u (x, y, z) VALUES (2, 3, 3), (2, 4, 4), (1, 1, 1), (1, 2, 2)";
    rows(&server, owner, "DELETE FROM u").unwrap();
    rows(&server, owner, "DELETE FROM t").unwrap();
    rows(&server, owner, insert).unwrap();
    let insert = "INSERT INTO t (a, b, c) VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 1, 'c')";
    rows(&server, owner, insert).unwrap();
    rows(&server, owner, "SET row_limit = 2").unwrap();
    let count = |login: &Login, sql: &str| rows(&server, login, sql).map(|rows| rows.len());
    let refused = |sql: &str, expected: u64, limit: u64| {
        let refusal = count(other, sql).expect_err(sql);
        let text = format!("Estimated cardinality ({expected} rows) exceeds limit ({limit} rows)");
        assert_eq!((refusal.status, refusal.text), (400, text), "{sql}");
    };
    assert_eq!(count(owner, "SELECT x FROM u"), Ok(4));
    refused("SELECT x FROM u", 4, 2);
    assert_eq!(count(other, "SELECT y FROM u WHERE x = 1"), Ok(2));
    assert_eq!(count(other, "SELECT y FROM u WHERE x = 77"), Ok(0));
    assert_eq!(count(other, "SELECT y FROM u WHERE y = 1 AND z = 1"), Ok(1));
    assert_eq!(count(other, "SELECT * FROM u LIMIT 2"), Ok(2));
    refused("SELECT * FROM u LIMIT 3", 3, 2);
    refused("SELECT COUNT(*) AS n FROM u", 4, 2);
    refused("SELECT t.* FROM t JOIN u ON t.a = u.x WHERE t.a = 1", 3, 2);
    assert_eq!(
        rows(&server, other, "SHOW row_limit"),
        Ok(vec![json!([[8, 2]])])
    );
    let mut client = Client::of(&server, DATABASE, other);
    let error = client
        .subscribe(1, &["SELECT * FROM u"])
        .expect_err("refused");
    assert!(error.starts_with("Estimated cardinality (4 rows) exceeds limit (2 rows)"));
    rows(
        &server,
        owner,
        "DELETE FROM st_var WHERE name = 'row_limit'",
    )
    .unwrap();
    assert_eq!(count(other, "SELECT x FROM u"), Ok(4));
    rows(&server, owner, "SET row_limit = 0").unwrap();
    refused("SELECT a FROM t WHERE a = 99", 1, 0);
}

#[test]
fn the_http_around_a_statement() {
    let (server, callers) = start("main");
    let owner = callers.owner();
    let one = "SELECT id FROM item WHERE id = 1";
    let answer = post(&server, "sql/sql", one);
    assert_eq!(answer.status(), 200);
    for header in [
        "spacetime-identity",
        "spacetime-identity-token",
        "spacetime-execution-duration-micros",
    ] {
        assert!(answer.headers().contains_key(header), "{header}");
    }
    let body: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    let result = body[0].as_object().expect("an object");
    let mut keys: Vec<&str> = result.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["rows", "schema", "stats", "total_duration_micros"]);
    let refused = |path: &str, body: &'static str, status: u16, text: &str| {
        let answer = post(&server, path, body);
        assert_eq!(answer.status(), status, "{path} {body}");
        let found = answer.text().unwrap();
        assert!(found.starts_with(text), "{path} {body}: {found}");
    };
    refused("nodb/sql", one, 404, "`nodb` not found");
    refused(
        &format!("{}/sql", "c2".repeat(32)),
        one,
        404,
        "No such database.",
    );
    refused("sql/sql", "", 400, "Empty SQL query");
    let text = "Unsupported projection expression: 1";
    refused("sql/sql", "SELECT 1", 400, text);
    let two = "SELECT id FROM item; SELECT id FROM item";
    refused(
        "sql/sql",
        two,
        400,
        "Multiple SQL statements are not supported",
    );
    refused("sql/sql?confirmed=maybe", one, 400, "");
    for query in ["confirmed=false", "confirmed=true", "foo=1"] {
        assert_eq!(
            post(&server, &format!("sql/sql?{query}"), one).status(),
            200
        );
    }
    let url = server.v1("database/sql/sql");
    let get = server.http().get(&url).send().unwrap();
    assert_eq!(get.status(), 405);
    let bytes = server.http().post(&url).body(vec![0xff, 0xfe]).send();
    assert_eq!(bytes.unwrap().status(), 400);
    let garbage = server.http().post(&url).bearer_auth("garbage").body(one);
    let garbage = garbage.send().unwrap();
    assert_eq!(garbage.status(), 401);
    assert_eq!(garbage.text().unwrap(), "Invalid token: InvalidToken");
    let results = server
        .sql(
            owner,
            DATABASE,
            "SELECT id, name AS nm FROM item WHERE id = 1",
        )
        .unwrap();
    let expected = json!({"elements": [
        {"name": {"some": "id"}, "algebraic_type": {"U64": []}},
        {"name": {"some": "nm"}, "algebraic_type": {"String": []}},
    ]});
    assert_eq!(results[0]["schema"], expected);
    let changed = server
        .sql(owner, DATABASE, "INSERT INTO emp (id) VALUES (1)")
        .unwrap();
    assert_eq!(changed[0]["schema"], json!({"elements": []}));
    assert_eq!(changed[0]["rows"], json!([]));
    assert_eq!(changed[0]["stats"]["rows_inserted"], 1);
    for _ in 0..2 {
        let seen = rows(&server, owner, "SELECT COUNT(*) AS n FROM st_client");
        assert_eq!(seen, Ok(vec![json!([1])]));
    }
}

#[test]
fn a_database_that_lets_nobody_in_answers_nothing() {
    let server = Server::start();
    let callers = Callers::new(&server);
    let mut module = fixture("oo", &callers);
    module.reducers.push(Reducer {
        name: "connected",
        lifecycle: Some(Lifecycle::OnConnect),
        steps: vec![Step::Fail("no entry today")],
    });
    server.publish(callers.owner(), DATABASE, &program(&module));
    let refused = server
        .sql(callers.owner(), DATABASE, "DELETE FROM t")
        .unwrap_err();
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.text.contains("no entry today"), "{refused:?}");
    // Nothing of it is in the log: the first transaction is the only one.
    let past = |query: &'static str| {
        let request = server.http().post(server.v1("database/sql/sql?at_tx=0"));
        let request = request.bearer_auth(&callers.owner().token).body(query);
        let answer: Value = serde_json::from_str(&server.send(request).unwrap()).unwrap();
        answer[0]["rows"].clone()
    };
    assert_eq!(past("SELECT COUNT(*) AS n FROM st_client"), json!([[0]]));
    assert_eq!(past("SELECT COUNT(*) AS n FROM t"), json!([[2]]));
    let next = server.http().post(server.v1("database/sql/sql?at_tx=1"));
    let next = next
        .bearer_auth(&callers.owner().token)
        .body("SELECT * FROM t");
    let next = server.send(next).unwrap_err();
    assert!(next.text.contains("is not there yet"), "{next:?}");
}

#[test]
fn a_body_may_come_in_pieces() {
    let (server, _callers) = start("main");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let head = "POST /v1/database/sql/sql HTTP/1.1\r\nhost: here\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for piece in ["SELECT id ", "FROM item ", "WHERE id = 1", ""] {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        stream.write_all(chunk.as_bytes()).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"rows\":[[1]]"), "{answer}");
}

#[test]
fn queries_do_not_wait_for_the_call_that_runs() {
    let server = Server::start_with(&["--call-time-limit", "8"]);
    let callers = Callers::new(&server);
    let owner = callers.owner();
    let mut module = fixture("main", &callers);
    let item = module.tables.iter().find(|table| table.name == "item");
    let gone = item.unwrap().rows[0].clone();
    let steps = vec![Step::Delete("item", gone), Step::Say("begun"), Step::Spin];
    module = module.with_reducer("spin", steps);
    server.publish(owner, DATABASE, &program(&module));
    let count = "SELECT COUNT(*) AS n FROM item";
    let before = rows(&server, owner, count);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| server.call(owner, DATABASE, "spin", json!([])));
        let logs = || {
            let request = server
                .http()
                .get(server.v1("database/sql/logs?num_lines=9"));
            server.send(request.bearer_auth(&owner.token)).unwrap()
        };
        while !logs().contains("begun") {
            assert!(!call.is_finished(), "{}", logs());
        }
        let ask = || {
            for _ in 0..10 {
                assert_eq!(rows(&server, owner, count), before);
                let one = rows(&server, owner, "SELECT id FROM item WHERE id = 1");
                assert_eq!(one, Ok(vec![json!([1])]));
            }
        };
        let asking: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        for asker in asking {
            asker.join().unwrap();
        }
        // Mistakes are told in their turn, and changes are made in theirs.
        assert!(!call.is_finished(), "the queries waited for the call");
        let changed = server.sql(owner, DATABASE, "INSERT INTO emp (id) VALUES (77)");
        assert_eq!(changed.unwrap()[0]["stats"]["rows_inserted"], 1);
        let refused = call.join().unwrap().expect_err("an endless call");
        assert_eq!(refused.status, 402, "{refused:?}");
    });
    assert_eq!(rows(&server, owner, count), before);
    let added = rows(&server, owner, "SELECT id FROM emp WHERE id = 77");
    assert_eq!(added, Ok(vec![json!([77])]));
}

#[test]
fn who_leaves_before_the_answer_leaves_nothing_behind() {
    let (server, callers) = start("main");
    let owner = callers.owner();
    let many: Vec<String> = (1..3_000).map(|id| format!("({id})")).collect();
    let insert = format!("INSERT INTO emp (id) VALUES {}", many.join(","));
    rows(&server, owner, &insert).unwrap();
    let long = "SELECT COUNT(*) AS n FROM emp a JOIN emp b JOIN emp c";
    let impatient = reqwest::blocking::Client::builder()
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let url = server.v1("database/sql/sql");
    let request = impatient.post(&url).bearer_auth(&owner.token).body(long);
    assert!(request.send().unwrap_err().is_timeout());
    let started = Instant::now();
    while rows(&server, owner, "SELECT COUNT(*) AS n FROM st_client") != Ok(vec![json!([1])]) {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it is still there"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        rows(&server, owner, "SELECT id FROM emp WHERE id = 7"),
        Ok(vec![json!([7])])
    );
}

#[test]
fn errors_show_their_place_and_a_hint() {
    let (server, callers) = start("main");
    let text = |sql: &str| {
        let refusal = rows(&server, callers.owner(), sql).expect_err(sql);
        assert_eq!(refusal.status, 400);
        refusal.text
    };
    assert_eq!(
        text("SELECT id\nFROM itm"),
        "no such table: `itm`. If the table exists, it may be marked private. \
         Did you mean `item`?\n at line 2, column 6:\n  FROM itm\n       ^"
    );
    assert_eq!(
        text("SELECT id, nme FROM item"),
        "`nme` is not in scope. Did you mean `name`?\n at line 1, column 12:\n  \
         SELECT id, nme FROM item\n             ^"
    );
    assert_eq!(
        text("UPDATE item SET qyt = 1"),
        "`item` does not have a field `qyt`. Did you mean `qty`?\n at line 1, column 17:\n  \
         UPDATE item SET qyt = 1\n                  ^"
    );
}

#[test]
fn slow_queries_are_logged_with_their_plans() {
    let server = Server::start_with(&["--slow-query-log", "0"]);
    let callers = Callers::new(&server);
    let module = fixture("main", &callers);
    server.publish(callers.owner(), DATABASE, &program(&module));
    let sql = "SELECT name FROM item WHERE qty = 10 ORDER BY name";
    assert_eq!(rows(&server, callers.owner(), sql).unwrap().len(), 2);
    let log = server.log();
    for part in [
        "slow query",
        sql,
        "Sort by item.name",
        "2 rows",
        "visited=2",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let explained = server.cli_ok(&[
        "sql",
        "--server",
        &server.url(),
        "--anonymous",
        "--explain",
        DATABASE,
        sql,
    ]);
    assert!(explained.contains("Sort by item.name"), "{explained}");
    assert!(explained.contains("expected"), "{explained}");
}

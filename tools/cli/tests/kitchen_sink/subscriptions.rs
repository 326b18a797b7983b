//! Protocols v2 and v3: subscriptions, queries, visibility, compression, and how they end.

use serde_json::json;
use spacetime_types::bsatn;

use crate::Sink;
use crate::harness::websocket::v2::{Client, Event, Outcome};
use crate::harness::websocket::{Closed, Options, Socket, V1, V2, V3};

fn plain(a: i32) -> Vec<u8> {
    bsatn::to_vec(&(a, "text".to_owned()))
}

#[test]
fn a_subscription_holds_what_it_asks_for_until_it_ends() {
    let sink = Sink::publish("subscribe");
    for a in 0..4 {
        sink.call("insert_plain", json!([a, "text"]));
    }
    for protocol in [V2, V3] {
        let options = Options::of(&sink.owner);
        let mut client = Client::open(&sink.server, sink.database, protocol, &options);
        let query = "SELECT * FROM plain WHERE a > 1 AND a < 100";
        let tables = client.subscribe(5, &[query]).unwrap();
        assert_eq!((tables.len(), tables[0].table.as_str()), (1, "plain"));
        let mut rows = tables[0].rows.clone();
        rows.sort();
        assert_eq!(rows, [plain(2), plain(3)], "{protocol}");

        assert_eq!(client.call("insert_plain", &plain(100)).changes(), []);
        let changes = client.call("insert_plain", &plain(50)).changes();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].set, &changes[0].inserts), (5, &vec![plain(50)]));
        // A second set with the same rows gets them too, each its own.
        client.subscribe(6, &["SELECT * FROM plain"]).unwrap();
        let changes = client.call("delete_plain", &plain(50)).changes();
        let sets: Vec<u32> = changes.iter().map(|change| change.set).collect();
        assert_eq!(sets, [5, 6]);
        assert!(changes.iter().all(|change| change.deletes == [plain(50)]));

        let dropped = client.unsubscribe(5, true).unwrap().unwrap();
        let mut rows = dropped[0].rows.clone();
        rows.sort();
        assert_eq!(rows, [plain(2), plain(3)]);
        assert_eq!(client.unsubscribe(6, false), Ok(None));
        assert_eq!(client.call("delete_plain", &plain(100)).changes(), []);
        // The number is free again.
        assert!(client.subscribe(5, &[query]).is_ok());
    }
}

#[test]
fn a_wrong_subscription_is_an_error_and_no_more() {
    let sink = Sink::publish("subscribe-errors");
    let mut client = sink.client();
    for query in [
        "SELECT * FROM nowhere",
        "SELECT nothing FROM plain",
        "SELECT * FROM plain WHERE a = 'text'",
        "SELEC * FROM plain",
        "DELETE FROM plain",
        "",
    ] {
        let error = client
            .subscribe(1, &["SELECT * FROM plain", query])
            .unwrap_err();
        assert!(!error.is_empty(), "{query}");
        assert!(client.query(query).is_err(), "{query}");
    }
    let error = client.unsubscribe(1, true).unwrap_err();
    assert!(error.starts_with("Subscription not found:"), "{error}");
    client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
    assert!(client.subscribe(1, &["SELECT * FROM number"]).is_err());
    // The first one under that number stays.
    let changes = client.call("insert_plain", &plain(1)).changes();
    assert_eq!(changes[0].inserts, [plain(1)]);
    assert_eq!(client.subscribe(2, &[]), Ok(Vec::new()));
}

#[test]
fn one_off_queries_see_the_present() {
    let sink = Sink::publish("one-off");
    let mut client = sink.client();
    let query = "SELECT * FROM plain WHERE a = 1";
    let tables = client.query(query).unwrap();
    assert!(tables.iter().all(|table| table.rows.is_empty()));
    client.call("insert_plain", &plain(1)).changes();
    client.call("insert_plain", &plain(2)).changes();
    let tables = client.query(query).unwrap();
    assert_eq!(tables[0].table, "plain");
    assert_eq!(tables[0].rows, [plain(1)]);
}

#[test]
fn a_private_table_is_there_for_its_owner_only() {
    let sink = Sink::publish("private");
    let mut owner = sink.client();
    let query = "SELECT * FROM secret";
    owner.subscribe(1, &[query]).unwrap();
    sink.call("keep_secret", json!([1, "hidden"]));
    let row = bsatn::to_vec(&(1u32, "hidden".to_owned()));
    assert_eq!(owner.next_update()[0].inserts, [row]);
    assert_eq!(sink.rows(query), [json!([1, "hidden"])]);

    let stranger = sink.server.new_login();
    let mut client = Client::of(&sink.server, sink.database, &stranger);
    assert!(client.subscribe(1, &[query]).is_err());
    assert!(client.query(query).is_err());
    let sql = sink.server.sql(&stranger, sink.database, query);
    assert_eq!(sql.unwrap_err().status, 400);
    let all = client.subscribe(2, &["SELECT * FROM *"]).unwrap();
    assert_eq!(client.unsubscribe(2, false), Ok(None));
    assert!(all.iter().all(|table| table.table != "secret"), "{all:?}");
    for write in [
        "DELETE FROM plain",
        "INSERT INTO plain (a, text) VALUES (1, 'x')",
        "UPDATE plain SET a = 2",
    ] {
        let refused = sink.server.sql(&stranger, sink.database, write);
        assert_eq!(refused.unwrap_err().status, 400, "{write}");
    }
    client.subscribe(3, &["SELECT * FROM plain"]).unwrap();
    // The stranger's next message is about what is public.
    sink.call("keep_secret", json!([2, "hidden"]));
    sink.call("insert_plain", json!([7, "text"]));
    let changes = client.next_update();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].inserts, [plain(7)]);
}

#[test]
fn sql_changes_reach_subscribers() {
    let sink = Sink::publish("sql-changes");
    let mut client = sink.client();
    client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
    let run = |text: &str| {
        let results = sink.server.sql(&sink.owner, sink.database, text).unwrap();
        results[0]["stats"].clone()
    };
    let stats = run("INSERT INTO plain (a, text) VALUES (1, 'text'), (2, 'text')");
    assert_eq!(stats["rows_inserted"], 2);
    let mut inserts = client.next_update()[0].inserts.clone();
    inserts.sort();
    assert_eq!(inserts, [plain(1), plain(2)]);
    let stats = run("UPDATE plain SET a = 3 WHERE a = 2");
    assert_eq!(stats["rows_updated"], 1);
    let change = client.next_update().remove(0);
    assert_eq!(
        (change.inserts, change.deletes),
        (vec![plain(3)], vec![plain(2)])
    );
    let stats = run("DELETE FROM plain WHERE a = 1");
    assert_eq!(stats["rows_deleted"], 1);
    assert_eq!(client.next_update()[0].deletes, [plain(1)]);
}

#[test]
fn large_messages_are_compressed_as_asked() {
    let sink = Sink::publish("compression");
    sink.call("insert_big_row", json!([1, 50_000]));
    let row = bsatn::to_vec(&(1i32, "x".repeat(50_000)));
    for protocol in [V2, V3] {
        for (compression, tag) in [("None", 0), ("Brotli", 1), ("Gzip", 2)] {
            let options = Options {
                compression,
                ..Options::of(&sink.owner)
            };
            let mut client = Client::open(&sink.server, sink.database, protocol, &options);
            let small = client.query("SELECT * FROM plain WHERE a = 99").unwrap();
            assert!(small.iter().all(|table| table.rows.is_empty()));
            let tables = client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
            assert!(tables[0].rows == [row.clone()], "{compression}");
            let tags = &client.socket.tags;
            assert_eq!(tags[1..], [0, tag], "{protocol} {compression}");
        }
    }
}

#[test]
fn confirmed_or_not_the_order_is_the_same() {
    let sink = Sink::publish("confirmed");
    for confirmed in [true, false] {
        let options = Options {
            confirmed,
            ..Options::of(&sink.owner)
        };
        let mut client = Client::open(&sink.server, sink.database, V3, &options);
        client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
        for n in 0..20 {
            let arguments = plain(n + 100 * i32::from(confirmed));
            client.socket.send(Client::call_bytes(
                n.unsigned_abs(),
                "insert_plain",
                &arguments,
            ));
        }
        for n in 0..20 {
            match client.next() {
                Event::Reducer {
                    request, outcome, ..
                } => {
                    assert_eq!(request, n);
                    assert_eq!(outcome.changes()[0].inserts.len(), 1);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn several_messages_may_share_a_frame_in_v3() {
    let sink = Sink::publish("batches");
    let options = Options::of(&sink.owner);
    let mut client = Client::open(&sink.server, sink.database, V3, &options);
    let mut frame = Client::call_bytes(1, "insert_plain", &plain(1));
    frame.extend(Client::call_bytes(
        2,
        "fail",
        &bsatn::to_vec(&"no".to_owned()),
    ));
    frame.extend(Client::call_bytes(3, "insert_plain", &plain(3)));
    client.socket.send(frame);
    for number in 1..=3 {
        let Event::Reducer {
            request, outcome, ..
        } = client.next()
        else {
            panic!("not an answer to a call");
        };
        assert_eq!(request, number);
        assert_eq!(outcome == Outcome::Err("no".to_owned()), number == 2);
    }
    assert_eq!(sink.rows("SELECT a FROM plain").len(), 2);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let sink = Sink::publish("protocol-errors");
    for (protocol, frame) in [
        (V2, vec![]),
        (V2, vec![99]),
        (V2, vec![0, 1, 0]),
        (V3, vec![]),
        (V3, vec![200, 0]),
        (V3, vec![2, 0, 0, 0, 0, 255, 255, 255, 255]),
    ] {
        let options = Options::of(&sink.owner);
        let mut client = Client::open(&sink.server, sink.database, protocol, &options);
        client.socket.send(frame.clone());
        let closed: Result<Event, Closed> = client.socket.try_next();
        let closed = closed.unwrap_err();
        assert!(
            (1002..=1011).contains(&closed.code),
            "{frame:?}: {closed:?}"
        );
        assert_ne!(closed.code, 1006, "{frame:?}: no reason given");
    }
    let mut client = sink.client();
    client.socket.send_text("{}");
    let closed: Result<Event, Closed> = client.socket.try_next();
    assert_ne!(closed.unwrap_err().code, 1006);
    sink.client();
}

#[test]
fn upgrades_that_cannot_be_are_refused() {
    let sink = Sink::publish("upgrades");
    let options = Options::of(&sink.owner);
    let status = |database: &str, protocols: &str, options: &Options<'_>| {
        Socket::try_open(&sink.server, database, protocols, options)
            .expect_err("an upgrade that should not be")
            .status
    };
    assert_eq!(status("nowhere", V2, &options), 404);
    assert_eq!(status(sink.database, "v9.bsatn.spacetimedb", &options), 400);
    let odd = Options {
        compression: "zip",
        ..options
    };
    assert_eq!(status(sink.database, V2, &odd), 400);
    let mut liar = sink.owner.clone();
    liar.token.push('x');
    assert_eq!(status(sink.database, V2, &Options::of(&liar)), 401);

    let both = format!("{V1}, {V2}");
    let socket = Socket::try_open(&sink.server, sink.database, &both, &options).unwrap();
    assert_eq!(socket.protocol, V2);
    // Without a token, a new identity comes with one that proves it.
    let nobody = Options {
        login: None,
        ..options
    };
    let client = Client::open(&sink.server, sink.database, V2, &nobody);
    assert_eq!(client.token.split('.').count(), 3);
    assert_ne!(client.identity, sink.client().identity);
}

//! A view that fails: whoever uses it is told, and nobody else notices.

use serde_json::json;
use spacetime_types::bsatn;

use crate::harness::websocket::v1;
use crate::harness::websocket::v2::{Client, Event};
use crate::harness::websocket::{Options, Socket, V1};
use crate::{Game, NOTHING, only};

fn switch(name: &str, value: u32) -> Vec<u8> {
    bsatn::to_vec(&(name.to_owned(), value))
}

fn subscription_error(client: &mut Client) -> (u32, String) {
    match client.next() {
        Event::SubscriptionError {
            request: None,
            set,
            error,
        } => (set, error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_view_that_fails_is_an_error_for_whoever_asks() {
    let game = Game::publish("failing-asks");
    let ann = game.server.new_login();
    let error = game.sql_error(&ann, "SELECT * FROM broken");
    assert!(
        error.contains("Error materializing view `broken`"),
        "{error}"
    );
    let mut client = game.client(&ann);
    let error = client.subscribe(1, &["SELECT * FROM broken"]).unwrap_err();
    assert!(error.contains("`broken`"), "{error}");
    let error = client.query("SELECT * FROM broken").unwrap_err();
    assert!(error.contains("`broken`"), "{error}");
    // The set was not made.
    let queries = ["SELECT * FROM player", "SELECT * FROM broken"];
    assert!(client.subscribe(1, &queries).is_err());
    client.subscribe(1, &["SELECT * FROM player"]).unwrap();
    let arguments = bsatn::to_vec(&("ann".to_owned(), 1u32));
    assert_eq!(client.call("join", &arguments).changes().len(), 1);
}

#[test]
fn a_view_that_begins_to_fail_ends_its_subscriptions_only() {
    let game = Game::publish("failing-begins");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    let mut reader = game.client(&ann);
    let mut caller = game.client(&bob);
    let rows = reader.subscribe(1, &["SELECT * FROM moody"]).unwrap();
    assert_eq!(only(rows), [] as [Vec<u8>; 0]);
    reader.subscribe(2, &["SELECT * FROM player"]).unwrap();
    // Rows are a set.
    caller.call("set_switch", &switch("moody", 3)).changes();
    let changes = reader.next_update();
    assert_eq!(changes[0].inserts, [1u64.to_le_bytes().to_vec()]);

    for mood in [100, 101] {
        let set = mood;
        caller.call("set_switch", &switch("moody", 0)).changes();
        if mood == 100 {
            let cleared = reader.next_update();
            assert_eq!(cleared[0].deletes.len(), 1, "{cleared:?}");
        }
        reader.subscribe(set, &["SELECT * FROM moody"]).unwrap();
        // The caller succeeds, and its change is kept.
        caller.call("set_switch", &switch("moody", mood)).changes();
        if mood == 100 {
            let (first, error) = subscription_error(&mut reader);
            assert_eq!(first, 1);
            assert!(
                error.contains("Error materializing view `moody`"),
                "{error}"
            );
        }
        let (second, error) = subscription_error(&mut reader);
        assert_eq!(second, set);
        assert!(error.contains("`moody`"), "{error}");
        let kept = "SELECT value FROM switch WHERE name = 'moody'";
        assert_eq!(game.rows(&game.owner, kept), [json!([mood])]);
        // The other subscription of the same client goes on.
        let arguments = bsatn::to_vec(&("bob".to_owned(), mood));
        caller.call("join", &arguments).changes();
        assert_eq!(reader.next_update()[0].set, 2);
        assert!(reader.subscribe(9, &["SELECT * FROM moody"]).is_err());
    }
    // It works again when what it reads is good again.
    caller.call("set_switch", &switch("moody", 1)).changes();
    let rows = reader.subscribe(9, &["SELECT * FROM moody"]).unwrap();
    assert_eq!(only(rows).len(), 1);
    let route = format!("database/{}/logs?num_lines=100", game.database);
    let request = game.server.http().get(game.server.v1(&route));
    let log = game.server.send(request.bearer_auth(&game.owner.token));
    let log = log.unwrap();
    assert!(log.contains("not in the mood"), "{log}");
    assert!(log.contains("time limit"), "{log}");
}

#[test]
fn one_sender_fails_and_others_do_not() {
    let game = Game::publish("failing-key");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    let mut of_ann = game.client(&ann);
    let mut of_bob = game.client(&bob);
    let mut caller = game.client(&game.owner);
    caller.call("set_switch", &switch("twins", 1)).changes();
    let rows = of_ann.subscribe(1, &["SELECT * FROM twins"]).unwrap();
    assert_eq!(only(rows).len(), 1);
    of_bob.subscribe(1, &["SELECT * FROM my_notes"]).unwrap();
    // Two rows with one key.
    caller.call("set_switch", &switch("twins", 2)).changes();
    let (_, error) = subscription_error(&mut of_ann);
    assert!(error.contains("`twins`"), "{error}");
    let arguments = bsatn::to_vec(&(1u64, 3u32, "b".to_owned()));
    assert_eq!(of_bob.call("write_note", &arguments).changes().len(), 1);
    let error = game.sql_error(&bob, "SELECT * FROM twins");
    assert!(error.contains("`twins`"), "{error}");
    caller.call("set_switch", &switch("twins", 1)).changes();
    assert_eq!(
        game.rows(&bob, "SELECT COUNT(*) AS n FROM twins"),
        [json!([1])]
    );
}

#[test]
fn queries_of_views_are_checked() {
    let game = Game::publish("failing-queries");
    let ann = game.server.new_login();
    game.call(&ann, "join", json!(["ann", 9]));
    let raw = "SELECT name FROM raw";
    assert_eq!(game.rows(&ann, raw), NOTHING);
    game.call(&ann, "set_switch", json!(["raw", 1]));
    assert_eq!(game.rows(&ann, raw), [json!(["ann"])]);
    for (value, expected) in [
        (2, ":sender"),
        (3, "veteran"),
        (4, "declared type"),
        (5, "not valid"),
    ] {
        game.call(&ann, "set_switch", json!(["raw", value]));
        let error = game.sql_error(&ann, raw);
        assert!(error.contains(expected), "{value}: {error}");
    }
}

#[test]
fn protocol_v1_is_told_too() {
    let game = Game::publish("failing-v1");
    let ann = game.server.new_login();
    let options = Options::of(&ann);
    let mut socket = Socket::try_open(&game.server, game.database, V1, &options).unwrap();
    let connected: v1::Event = socket.next();
    assert!(matches!(connected, v1::Event::Connected { .. }));
    let query = "SELECT * FROM moody".to_owned();
    socket.send(bsatn::to_vec(&(3u8, query, 6u32, 72u32)));
    let applied: v1::Event = socket.next();
    assert!(matches!(applied, v1::Event::Applied { .. }), "{applied:?}");
    game.call(&ann, "set_switch", json!(["moody", 100]));
    match socket.next() {
        v1::Event::SubscriptionError { error, .. } => {
            assert!(error.contains("`moody`"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

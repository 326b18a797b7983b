//! Every kind of view, asked once and subscribed to.

use serde_json::json;
use spacetime_types::bsatn;

use crate::harness::websocket::v1;
use crate::harness::websocket::v2::Client;
use crate::harness::websocket::{Options, Socket, V1, V2, V3};
use crate::{Game, NOTHING, note, only};

#[test]
fn views_are_queried_like_tables() {
    let game = Game::publish("shapes-sql");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    assert_eq!(game.rows(&ann, "SELECT * FROM my_notes"), NOTHING);
    assert_eq!(game.rows(&ann, "SELECT * FROM note_count"), NOTHING);
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    game.call(&ann, "write_note", json!([2, 8, "b"]));
    game.call(&bob, "write_note", json!([3, 9, "c"]));

    let ids = |login, query: &str| game.rows(login, query);
    let of_ann = [json!([1]), json!([2])];
    for view in ["my_notes", "my_notes_by_query"] {
        assert_eq!(ids(&ann, &format!("SELECT id FROM {view}")), of_ann);
        assert_eq!(ids(&bob, &format!("SELECT id FROM {view}")), [json!([3])]);
        assert_eq!(ids(&game.owner, &format!("SELECT id FROM {view}")), NOTHING);
        let count = format!("SELECT COUNT(*) AS n FROM {view} WHERE day > 4");
        assert_eq!(ids(&ann, &count), [json!([1])]);
    }
    assert_eq!(ids(&ann, "SELECT id FROM my_week"), [json!([2])]);
    assert_eq!(ids(&bob, "SELECT text FROM first_note"), [json!(["a"])]);
    // By the name in the program and by the stored one.
    assert_eq!(ids(&bob, "SELECT * FROM note_count"), [json!([3])]);
    assert_eq!(ids(&bob, "SELECT * FROM \"NoteCount\""), [json!([3])]);
    let limited = ids(&ann, "SELECT id FROM my_notes LIMIT 1");
    assert_eq!(limited.len(), 1);
    // The table behind the views is private, and the hidden column is no column.
    let error = game.sql_error(&ann, "SELECT * FROM note");
    assert!(error.contains("no such table"), "{error}");
    let error = game.sql_error(&ann, "SELECT arg_hash FROM my_notes");
    assert!(error.contains("arg_hash"), "{error}");
    let error = game.sql_error(&game.owner, "DELETE FROM my_notes");
    assert!(error.contains("is a view"), "{error}");
}

#[test]
fn joins_take_views() {
    let game = Game::publish("shapes-joins");
    let ann = game.server.new_login();
    game.call(&ann, "join", json!(["ann", 12]));
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    let writers = game.rows(&ann, "SELECT name FROM writer");
    assert_eq!(writers, [json!(["ann"])]);
    let joined = "SELECT p.name FROM player p JOIN my_notes n ON p.id = n.id WHERE n.day = 3";
    assert_eq!(game.rows(&ann, joined), [json!(["ann"])]);
    assert_eq!(game.rows(&game.owner, joined), NOTHING);
    let two = "SELECT v.name FROM veteran v JOIN my_player m ON v.id = m.id";
    assert_eq!(game.rows(&ann, two), [json!(["ann"])]);

    let mut client = game.client(&ann);
    assert_eq!(
        only(client.subscribe(2, &["SELECT * FROM writer"]).unwrap()).len(),
        1
    );
    let join = "SELECT p.* FROM player p JOIN my_notes n ON p.id = n.id";
    assert_eq!(only(client.subscribe(1, &[join]).unwrap()).len(), 1);
    game.call(&ann, "erase_note", json!([1]));
    let update = client.next_update();
    let sets: Vec<u32> = update.iter().map(|change| change.set).collect();
    assert_eq!(sets, [1, 2]);
    for change in update {
        assert_eq!((change.deletes.len(), change.inserts.len()), (1, 0));
    }
    game.call(&ann, "write_note", json!([1, 9, "b"]));
    assert_eq!(client.next_update().len(), 2);
}

#[test]
fn one_off_queries_compute_views() {
    let game = Game::publish("shapes-one-off");
    let ann = game.server.new_login();
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    for protocol in [V2, V3] {
        let options = Options::of(&ann);
        let mut client = Client::open(&game.server, game.database, protocol, &options);
        let rows = only(client.query("SELECT * FROM my_notes").unwrap());
        assert_eq!(rows, [note(&client, 1, 3, "a")]);
    }
    // Nobody has used this view in the other protocols.
    let mut socket = Socket::try_open(&game.server, game.database, V1, &Options::of(&ann)).unwrap();
    let connected: v1::Event = socket.next();
    assert!(matches!(connected, v1::Event::Connected { .. }));
    let query = "SELECT * FROM note_count".to_owned();
    socket.send(bsatn::to_vec(&(2u8, vec![7u8], query)));
    match socket.next() {
        v1::Event::OneOff { error, tables, .. } => {
            assert_eq!(error, None);
            assert_eq!(
                tables,
                [("NoteCount".to_owned(), vec![vec![1, 0, 0, 0, 0, 0, 0, 0]])]
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn subscriptions_follow_every_shape() {
    let game = Game::publish("shapes-subscribe");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    let mut client = game.client(&ann);
    let one = note(&client, 1, 3, "a");
    let queries = [
        "SELECT * FROM my_notes",
        "SELECT * FROM my_notes_by_query",
        "SELECT * FROM my_week",
        "SELECT * FROM first_note",
        "SELECT * FROM note_count",
    ];
    let tables = client.subscribe(1, &queries).unwrap();
    let mut names: Vec<&str> = tables.iter().map(|table| table.table.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["NoteCount", "first_note", "my_notes", "my_notes_by_query"]
    );

    // Somebody else's note: only the count moves.
    game.call(&bob, "write_note", json!([5, 9, "x"]));
    let update = client.next_update();
    let names: Vec<&str> = update.iter().map(|change| change.table.as_str()).collect();
    assert_eq!(names, ["NoteCount"]);
    assert_eq!(update[0].inserts, [2u64.to_le_bytes().to_vec()]);
    assert_eq!(update[0].deletes, [1u64.to_le_bytes().to_vec()]);

    // An own note moves from one week into another, by the caller itself.
    let arguments = bsatn::to_vec(&(1u64, 8u32, "b".to_owned()));
    let changes = client.call("write_note", &arguments).changes();
    let moved = note(&client, 1, 8, "b");
    let found: Vec<_> = changes
        .iter()
        .map(|change| {
            (
                change.table.as_str(),
                change.inserts.len(),
                change.deletes.len(),
            )
        })
        .collect();
    let expected = [
        ("first_note", 1, 1),
        ("my_notes", 1, 1),
        ("my_notes_by_query", 1, 1),
        ("my_week", 1, 0),
    ];
    assert_eq!(found, expected);
    assert!(
        changes
            .iter()
            .all(|change| change.inserts == [moved.clone()])
    );
    assert_eq!(changes[0].deletes, [one]);

    // The same again: nothing changes.
    assert_eq!(client.call("write_note", &arguments).changes(), []);
    game.call(&ann, "erase_note", json!([1]));
    assert_eq!(client.next_update().len(), 5);
    let rows = client.unsubscribe(1, true).unwrap().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].table, "NoteCount");
    // The result of a query is followed without the function.
    assert_eq!(game.runs("my_notes_by_query"), 1);
}

#[test]
fn the_sender_is_the_reader_and_not_the_caller() {
    let game = Game::publish("shapes-sender");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    let mut of_ann = game.client(&ann);
    let mut again = game.client(&ann);
    let mut of_bob = game.client(&bob);
    for client in [&mut of_ann, &mut again, &mut of_bob] {
        let rows = client.subscribe(1, &["SELECT * FROM my_notes"]).unwrap();
        assert_eq!(only(rows), [] as [Vec<u8>; 0]);
    }
    let arguments = bsatn::to_vec(&(1u64, 8u32, "b".to_owned()));
    let changes = of_bob.call("write_note", &arguments).changes();
    assert_eq!(changes[0].inserts, [note(&of_bob, 1, 8, "b")]);
    let changes = of_ann.call("write_note", &arguments).changes();
    // Ann takes the id over: it leaves Bob's rows and comes into hers.
    assert_eq!(changes[0].inserts, [note(&of_ann, 1, 8, "b")]);
    assert_eq!(again.next_update()[0].inserts, [note(&of_ann, 1, 8, "b")]);
    assert_eq!(of_bob.next_update()[0].deletes, [note(&of_bob, 1, 8, "b")]);
}

#[test]
fn all_tables_take_in_the_views_and_events_stay_events() {
    let game = Game::publish("shapes-all");
    let ann = game.server.new_login();
    let mut client = game.client(&ann);
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    game.call(&ann, "join", json!(["ann", 12]));
    // Everything that can be seen, views too, but not those that fail.
    let tables = client.subscribe(1, &["SELECT * FROM *"]).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| &*table.table).collect();
    assert!(names.contains(&"player"), "{names:?}");
    assert!(names.contains(&"ping_count"), "{names:?}");
    assert!(!names.contains(&"broken"), "{names:?}");
    let log = game.log();
    assert!(log.contains("left out of `SELECT * FROM *`"), "{log}");
    assert!(log.contains("broken"), "{log}");
    client.unsubscribe(1, false).unwrap();
    // Who asks for it by name is told.
    let both = ["SELECT * FROM *", "SELECT * FROM broken"];
    let error = client.subscribe(1, &both).unwrap_err();
    assert!(error.contains("view `broken`"), "{error}");
    let events = client.subscribe(2, &["SELECT * FROM ping"]).unwrap();
    assert_eq!(only(events), [] as [Vec<u8>; 0]);
    let sent = client.call("send_ping", &7u32.to_le_bytes()).changes();
    assert_eq!(sent[0].events, [7u32.to_le_bytes().to_vec()]);
    // A view sees no events.
    let rows = game.rows(&ann, "SELECT * FROM ping_count");
    assert_eq!(rows, [json!([0])]);
}

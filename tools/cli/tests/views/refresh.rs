//! When views run, and when they do not.

use std::io::Write as _;

use serde_json::json;
use spacetime_types::bsatn;

use crate::harness::module;
use crate::{Game, note, only};

#[test]
fn only_what_depends_on_a_change_runs_again() {
    let game = Game::publish("refresh-few");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    let mut of_ann = game.client(&ann);
    let mut of_bob = game.client(&bob);
    for client in [&mut of_ann, &mut of_bob] {
        let queries = ["SELECT * FROM my_notes", "SELECT * FROM my_week"];
        client.subscribe(1, &queries).unwrap();
        client.subscribe(2, &["SELECT * FROM first_note"]).unwrap();
    }
    let runs = |game: &Game| ["my_notes", "my_week", "first_note"].map(|view| game.runs(view));
    assert_eq!(runs(&game), [2, 2, 1]);
    // Another id, out of the week: only the notes of Ann.
    game.call(&ann, "write_note", json!([2, 3, "a"]));
    assert_eq!(of_ann.next_update().len(), 1);
    assert_eq!(runs(&game), [3, 2, 1]);
    // Inside the week.
    game.call(&ann, "write_note", json!([3, 7, "a"]));
    assert_eq!(of_ann.next_update().len(), 2);
    assert_eq!(runs(&game), [4, 3, 1]);
    // The first of all, out of the week.
    game.call(&bob, "write_note", json!([1, 14, "a"]));
    assert_eq!(of_bob.next_update().len(), 2);
    assert_eq!(of_ann.next_update().len(), 1);
    assert_eq!(runs(&game), [5, 3, 2]);
    // Nothing that a view reads.
    game.call(&bob, "send_ping", json!([1]));
    game.call(&bob, "set_switch", json!(["nothing", 1]));
    let failed = game
        .server
        .call(&bob, game.database, "write_note_and_fail", json!([1]));
    assert!(failed.is_err());
    assert_eq!(runs(&game), [5, 3, 2]);
}

#[test]
fn nobody_pays_for_a_view_without_readers() {
    let game = Game::publish("refresh-none");
    let ann = game.server.new_login();
    let mut client = game.client(&ann);
    client.subscribe(1, &["SELECT * FROM first_note"]).unwrap();
    client.subscribe(2, &["SELECT * FROM first_note"]).unwrap();
    game.call(&ann, "write_note", json!([1, 3, "a"]));
    client.next_update();
    assert_eq!(game.runs("first_note"), 2);
    client.unsubscribe(1, false).unwrap();
    game.call(&ann, "write_note", json!([1, 3, "b"]));
    client.next_update();
    assert_eq!(game.runs("first_note"), 3);
    client.unsubscribe(2, false).unwrap();
    // Still fresh, so a question costs nothing.
    let texts = |game: &Game| game.rows(&ann, "SELECT text FROM first_note");
    assert_eq!(texts(&game), [json!(["b"])]);
    assert_eq!(game.runs("first_note"), 3);
    for text in ["c", "d", "e"] {
        game.call(&ann, "write_note", json!([1, 3, text]));
    }
    assert_eq!(game.runs("first_note"), 3);
    assert_eq!(texts(&game), [json!(["e"])]);
    assert_eq!(game.runs("first_note"), 4);
    // A client that goes takes its readers with it.
    client.subscribe(3, &["SELECT * FROM first_note"]).unwrap();
    drop(client);
    let gone = || game.rows(&game.owner, "SELECT * FROM st_client").len() == 1;
    while !gone() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    game.call(&ann, "write_note", json!([1, 3, "f"]));
    assert_eq!(game.runs("first_note"), 4);
}

#[test]
fn sql_changes_and_reads_reach_views() {
    let game = Game::publish("refresh-sql");
    let owner = &game.owner;
    let mut client = game.client(owner);
    game.call(owner, "write_note", json!([1, 3, "a"]));
    client.subscribe(1, &["SELECT * FROM my_notes"]).unwrap();
    let update = "UPDATE note SET text = 'b' WHERE id = 1";
    game.server.sql(owner, game.database, update).unwrap();
    let changes = client.next_update();
    assert_eq!(changes[0].inserts, [note(&client, 1, 3, "b")]);
    assert_eq!(changes[0].deletes, [note(&client, 1, 3, "a")]);
    game.server
        .sql(owner, game.database, "DELETE FROM note")
        .unwrap();
    assert_eq!(client.next_update()[0].deletes, [note(&client, 1, 3, "b")]);
}

#[test]
fn views_are_computed_anew_after_a_restart_and_an_update() {
    let mut server = crate::harness::Server::start();
    let owner = server.new_login();
    let program = module("views");
    server.publish(&owner, "restart", &program);
    server
        .call(&owner, "restart", "write_note", json!([1, 3, "a"]))
        .unwrap();
    let query = "SELECT text FROM my_notes";
    assert_eq!(server.rows(&owner, "restart", query), [json!(["a"])]);
    server.kill();
    server.restart();
    let stored = "SELECT COUNT(*) AS n FROM st_view";
    assert_eq!(server.rows(&owner, "restart", stored), [json!([14])]);
    assert_eq!(server.rows(&owner, "restart", query), [json!(["a"])]);
    server
        .call(&owner, "restart", "write_note", json!([1, 3, "b"]))
        .unwrap();
    assert_eq!(server.rows(&owner, "restart", query), [json!(["b"])]);
    server.terminate();
    server.restart();
    assert_eq!(server.rows(&owner, "restart", query), [json!(["b"])]);

    // The same program again: subscriptions go on.
    let mut client = crate::Client::of(&server, "restart", &owner);
    let rows = client.subscribe(1, &["SELECT * FROM my_notes"]).unwrap();
    assert_eq!(only(rows), [note(&client, 1, 3, "b")]);
    server.publish(&owner, "restart", &program);
    let arguments = bsatn::to_vec(&(1u64, 3u32, "c".to_owned()));
    let changes = client.call("write_note", &arguments).changes();
    assert_eq!(changes[0].inserts, [note(&client, 1, 3, "c")]);
    assert_eq!(changes[0].deletes, [note(&client, 1, 3, "b")]);
}

/// Most clients that `one_change_costs_one_view` connects, where that is set.
const CLIENTS_VARIABLE: &str = "SPACETIME_TEST_VIEW_CLIENTS";

#[test]
fn one_change_costs_one_view() {
    let game = Game::publish("refresh-many");
    let clients = std::env::var(CLIENTS_VARIABLE).map_or(20, |text| text.parse().unwrap());
    let mut caller = game.client(&game.owner);
    let queries = ["SELECT * FROM my_notes"];
    caller.subscribe(1, &queries).unwrap();
    let mut others = Vec::new();
    let cost = |caller: &mut crate::Client, calls: u64| {
        let before = game.runs("my_notes");
        let start = std::time::Instant::now();
        for id in 0..calls {
            let arguments = bsatn::to_vec(&(id, 3u32, format!("{id}")));
            caller.call("write_note", &arguments).changes();
            caller.call("erase_note", &id.to_le_bytes()).changes();
        }
        let micros = start.elapsed().as_micros() / u128::from(2 * calls);
        assert_eq!(
            game.runs("my_notes") - before,
            usize::try_from(2 * calls).unwrap()
        );
        micros
    };
    let alone = cost(&mut caller, 100);
    for _ in 0..clients {
        let mut client = game.client(&game.server.new_login());
        let all = ["SELECT * FROM my_notes", "SELECT * FROM my_notes_by_query"];
        client.subscribe(1, &all).unwrap();
        others.push(client);
    }
    let among_many = cost(&mut caller, 100);
    let figures = format!(
        "a call with one view: {alone} us; with {clients} other senders: {among_many} us\n"
    );
    let _ = std::io::stderr().write_all(figures.as_bytes());
}

#[test]
fn an_update_and_first_rows_never_overlap() {
    let game = Game::publish("refresh-interleaved");
    let ann = game.server.new_login();
    let mut client = game.client(&ann);
    for round in 0..20u32 {
        let text = format!("{round}");
        game.call(&ann, "write_note", json!([1, round, text]));
        let set = round + 1;
        let rows = client.subscribe(set, &["SELECT * FROM my_notes"]).unwrap();
        assert_eq!(only(rows), [note(&client, 1, round, &text)]);
        client.unsubscribe(set, false).unwrap();
    }
}

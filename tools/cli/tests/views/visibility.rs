//! Rules of row level security, from the module to what two clients see.

use serde_json::json;
use spacetime_types::bsatn;

use crate::harness::websocket::v2::{Client, Event};
use crate::harness::{Login, module};
use crate::{Game, NOTHING, only};

const LETTERS: &str = "SELECT * FROM letter";

fn write(client: &mut Client, id: u64, group: u32) {
    let arguments = bsatn::to_vec(&(id, group, "text".to_owned()));
    client.call("write", &arguments).changes();
}

/// The ids of letters.
fn ids(rows: &[Vec<u8>]) -> Vec<u64> {
    let id = |row: &Vec<u8>| u64::from_le_bytes(row[..8].try_into().unwrap());
    let mut ids: Vec<u64> = rows.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn sql_ids(game: &Game, login: &Login, query: &str) -> Vec<u64> {
    let rows = game.rows(login, query);
    rows.iter().map(|row| row[0].as_u64().unwrap()).collect()
}

#[test]
fn everybody_sees_what_the_rules_let_through() {
    let game = Game::publish_module("visibility", "visibility");
    let (ann, bob) = (game.server.new_login(), game.server.new_login());
    let mut of_ann = game.client(&ann);
    let mut of_bob = game.client(&bob);
    write(&mut of_ann, 1, 10);
    write(&mut of_ann, 2, 20);
    write(&mut of_bob, 3, 30);
    assert_eq!(sql_ids(&game, &ann, "SELECT id FROM letter"), [1, 2]);
    assert_eq!(sql_ids(&game, &bob, "SELECT id FROM letter"), [3]);
    assert_eq!(
        sql_ids(&game, &game.owner, "SELECT id FROM letter"),
        [1, 2, 3]
    );
    let count = "SELECT COUNT(*) AS n FROM letter";
    assert_eq!(game.rows(&bob, count), [json!([1])]);
    // Plans count hidden rows, too.
    let explain = "EXPLAIN SELECT * FROM letter";
    let error = game.sql_error(&bob, explain);
    assert!(error.contains("is for the owner"), "{error}");
    assert!(!game.rows(&game.owner, explain).is_empty());
    let rules = "SELECT sql FROM st_row_level_security";
    assert_eq!(game.rows(&game.owner, rules).len(), 2);
    let stranger = game.server.new_login();
    assert_eq!(game.rows(&stranger, LETTERS), NOTHING);
    // What a module computes is not restricted.
    assert_eq!(
        sql_ids(&game, &stranger, "SELECT id FROM every_letter"),
        [1, 2, 3]
    );

    assert_eq!(ids(&only(of_ann.subscribe(1, &[LETTERS]).unwrap())), [1, 2]);
    assert_eq!(ids(&only(of_bob.subscribe(1, &[LETTERS]).unwrap())), [3]);
    assert_eq!(ids(&only(of_bob.query(LETTERS).unwrap())), [3]);
    let mut of_owner = game.client(&game.owner);
    let rows = only(of_owner.subscribe(1, &[LETTERS]).unwrap());
    assert_eq!(ids(&rows), [1, 2, 3]);

    // Bob enters the group of one of Ann's letters, and leaves it again.
    let changes = of_bob.call("enter", &20u32.to_le_bytes()).changes();
    assert_eq!(ids(&changes[0].inserts), [2]);
    write(&mut of_ann, 4, 20);
    assert_eq!(ids(&of_bob.next_update()[0].inserts), [4]);
    write(&mut of_ann, 5, 10);
    write(&mut of_ann, 4, 10);
    assert_eq!(ids(&of_bob.next_update()[0].deletes), [4]);
    let changes = of_bob.call("leave", &[]).changes();
    assert_eq!(ids(&changes[0].deletes), [2]);
    assert_eq!(ids(&only(of_bob.query(LETTERS).unwrap())), [3]);
}

#[test]
fn other_rules_end_connections() {
    let game = Game::publish_module("visibility-changes", "visibility");
    let mut program = module("visibility");
    let ann = game.server.new_login();
    let mut client = game.client(&ann);
    write(&mut client, 1, 7);
    client.subscribe(1, &[LETTERS]).unwrap();
    // The same rules: the connection stays.
    game.server.publish(&game.owner, game.database, &program);
    write(&mut client, 2, 8);
    assert_eq!(sql_ids(&game, &ann, "SELECT id FROM letter"), [1, 2]);

    let (old, new) = (b"author = :sender", b"id = 00000000002");
    let place = program.windows(old.len()).position(|part| part == old);
    let place = place.expect("the rule is in the program");
    program[place..place + new.len()].copy_from_slice(new);
    let published = game.server.try_update(&game.owner, game.database, &program);
    assert!(published.is_ok(), "{published:?}");
    let closed = loop {
        match client.socket.try_next::<Event>() {
            Ok(_) => {}
            Err(closed) => break closed,
        }
    };
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (1001, "module exited")
    );
    assert_eq!(sql_ids(&game, &ann, "SELECT id FROM letter"), [2]);
}

#[test]
fn wrong_rules_are_refused() {
    let game = Game::publish_module("visibility-wrong", "visibility");
    let mut program = module("visibility");
    let (old, new) = (b"author = :sender", b"nothing_here = 1");
    let place = program.windows(old.len()).position(|part| part == old);
    let place = place.expect("the rule is in the program");
    program[place..place + new.len()].copy_from_slice(new);
    let refused = game.server.try_update(&game.owner, game.database, &program);
    let error = refused.unwrap_err();
    assert!(error.text.contains("nothing_here"), "{error:?}");
    let new_database = game
        .server
        .try_publish(&game.owner, "visibility-never", "", &program);
    assert!(new_database.is_err());
    // The old rules hold.
    let mut client = game.client(&game.owner);
    write(&mut client, 1, 7);
    let stranger = game.server.new_login();
    assert_eq!(game.rows(&stranger, LETTERS), NOTHING);
}

//! Names in the program and stored names, and clients that go without a farewell.

use std::time::Duration;

use serde_json::json;

use crate::harness::websocket::v2::Outcome;
use crate::{Game, only};

#[test]
fn things_are_found_by_both_names() {
    let game = Game::publish("names");
    let ann = game.server.new_login();
    game.call(&ann, "AddThing", json!([7]));
    for table in ["thing", "LoudThing", "\"LoudThing\""] {
        for column in ["topSpeed", "top_speed"] {
            let query = format!("SELECT {column} FROM {table} WHERE {column} = 7");
            assert_eq!(game.rows(&ann, &query), [json!([7])], "{query}");
        }
    }
    let stored = "SELECT table_name FROM st_table_accessor WHERE accessor_name = 'thing'";
    assert_eq!(game.rows(&ann, stored), [json!(["LoudThing"])]);

    let mut client = game.client(&ann);
    // Clients are told the stored name, however they asked.
    let tables = client.subscribe(1, &["SELECT * FROM thing"]).unwrap();
    assert_eq!(tables[0].table, "LoudThing");
    assert_eq!(only(tables).len(), 1);
    let changes = client.call("AddThing", &8u32.to_le_bytes()).changes();
    assert_eq!(changes[0].table, "LoudThing");
    let again = client.call("AddThing", &8u32.to_le_bytes());
    let expected = "there is a thing of speed 8".to_owned();
    assert_eq!(again, Outcome::Err(expected));
    // The name of the function in the program is not one to call it by.
    let refused = client.call("add_thing", &9u32.to_le_bytes());
    assert!(matches!(refused, Outcome::Internal(_)), "{refused:?}");
}

#[test]
fn clients_go_even_if_their_farewell_fails() {
    let game = Game::publish("farewell");
    let ann = game.server.new_login();
    for mood in [100, 101] {
        game.call(&ann, "set_switch", json!(["farewell", mood]));
        let client = game.client(&ann);
        let clients = "SELECT * FROM st_client";
        assert_eq!(game.rows(&game.owner, clients).len(), 2);
        drop(client);
        // The question itself is asked by a client.
        while game.rows(&game.owner, clients).len() > 1 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let credentials = "SELECT * FROM st_connection_credentials";
        assert_eq!(game.rows(&game.owner, credentials).len(), 1);
    }
}

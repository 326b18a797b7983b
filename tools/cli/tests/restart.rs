//! What a server takes up again after it was killed: its clients have gone, its timers go on.

mod harness;

use std::time::{Duration, Instant};

use harness::websocket::v2::Client;
use harness::{Login, Server, module};
use serde_json::{Value, json};

const DATABASE: &str = "sink";
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Waits until the query has more rows than that.
fn wait_for_more(server: &Server, owner: &Login, query: &str, than: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let rows = server.rows(owner, DATABASE, query);
        if rows.len() > than {
            return rows;
        }
        assert!(start.elapsed() < WAIT_MAX, "{query}: {rows:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn clients_are_seen_off_and_timers_go_on_after_a_kill() {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("kitchen_sink"));
    let call = |server: &Server, reducer: &str, arguments: Value| {
        server
            .call(&owner, DATABASE, reducer, arguments)
            .unwrap_or_else(|refusal| panic!("{reducer}: {refusal:?}"));
    };
    let stranger = server.new_login();
    let clients = [(); 3].map(|()| Client::of(&server, DATABASE, &stranger));
    call(&server, "start_repeating_timer", json!([30, "again"]));
    // Due while the server is down, and long after.
    call(&server, "start_timer", json!([700, "once", [0, []]]));
    call(&server, "start_timer", json!([3_600_000, "later", [0, []]]));
    let ticks = "SELECT id FROM tick WHERE text = 'again'";
    wait_for_more(&server, &owner, ticks, 2);
    server.kill();
    drop(clients);
    std::thread::sleep(Duration::from_millis(800));
    server.restart();

    let gone = format!(
        "SELECT connection FROM lifecycle_call WHERE what = 'disconnected' AND identity = 0x{}",
        stranger.identity
    );
    let mut gone = server.rows(&owner, DATABASE, &gone);
    gone.sort_by_key(Value::to_string);
    gone.dedup();
    assert_eq!(gone.len(), 3, "each client is seen off, once: {gone:?}");
    let left = server.rows(&owner, DATABASE, "SELECT * FROM st_client");
    assert_eq!(left.len(), 1, "only whoever asks is connected: {left:?}");

    let so_far = server.rows(&owner, DATABASE, ticks).len();
    wait_for_more(&server, &owner, ticks, so_far + 2);
    let once = "SELECT id FROM tick WHERE text = 'once'";
    assert_eq!(wait_for_more(&server, &owner, once, 0).len(), 1);
    let timers = server.rows(&owner, DATABASE, "SELECT text FROM timer");
    assert_eq!(timers.len(), 2, "one repeats, one is due later: {timers:?}");
    call(&server, "stop_timers", json!([]));
    let stopped = server.rows(&owner, DATABASE, ticks).len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.rows(&owner, DATABASE, ticks).len(), stopped);
    // What ran once does not run again.
    assert_eq!(server.rows(&owner, DATABASE, once).len(), 1);
}

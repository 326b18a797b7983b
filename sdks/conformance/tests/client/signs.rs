//! Signs of life, and the file for debugging.

use std::time::{Duration, Instant};

use spacetimedb_sdk::DbContext as _;

use super::proxy::Proxy;
use super::server::server;
use super::{Client, PATIENCE, builder};

#[test]
fn a_mute_server_is_given_up() {
    let Some(server) = server() else { return };
    server.publish("mute", "kitchen_sink");
    let proxy = Proxy::start(&server.address);
    let limit = Duration::from_millis(300);
    let builder = builder(&proxy.url(), "mute").with_silence_limit(limit);
    let client = Client::connect(builder).unwrap();
    proxy.mute();
    client.until("broken");
}

/// Whoever is slow gets another chance.
#[test]
fn a_quiet_server_is_not() {
    let Some(server) = server() else { return };
    server.publish("quiet", "kitchen_sink");
    let mut limit = Duration::from_millis(50);
    loop {
        let builder = builder(&server.url(), "quiet").with_silence_limit(limit);
        let client = Client::connect(builder).unwrap();
        let start = Instant::now();
        while start.elapsed() < limit * 5 && client.conn.frame_tick().is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !client.log.has("broken") {
            return;
        }
        limit *= 2;
        assert!(limit < PATIENCE, "no answer to pings");
    }
}

#[test]
fn the_file_for_debugging_has_a_line_for_every_message() {
    let Some(server) = server() else { return };
    server.publish("debugging", "kitchen_sink");
    let name = format!("client-debug-{}.txt", std::process::id());
    let path = std::env::temp_dir().join(name);
    let unwritable = builder(&server.url(), "debugging").with_debug_to_file("/no/such/folder/x");
    let error = unwritable.build().map(drop).unwrap_err().to_string();
    assert!(error.contains("/no/such/folder/x"), "{error}");
    let builder = builder(&server.url(), "debugging").with_debug_to_file(&path);
    let client = Client::connect(builder).unwrap();
    client.subscribe(&["SELECT * FROM item"]);
    client.add("a", 1);
    client.conn.disconnect().unwrap();
    client.until("closed");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let events: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .map(|event| event.split(" in ").next().unwrap())
        .collect();
    let url = server.url();
    assert_eq!(
        events,
        [
            &format!("connecting to debugging at {url}/"),
            "connected, V3",
            "came: InitialConnection",
            "sent: 1 to 1",
            "came: SubscribeApplied",
            "sent: 2 to 2",
            "came: ReducerResult",
            "the end: None",
        ]
    );
}

//! Signs of life, and the file for debugging.

use std::cell::Cell;
use std::time::{Duration, Instant};

use spacetimedb_sdk::DbContext as _;

use super::proxy::Proxy;
use super::server::server;
use super::{Client, Log, PATIENCE, builder};

/// Drives a connection that ends after some silence. Whether it is still there when it is `enough`.
fn outlives(url: &str, database: &str, limit: Duration, enough: impl Fn(&Log) -> bool) -> bool {
    let log = Log::default();
    let connected = log.clone();
    let conn = builder(url, database)
        .with_silence_limit(limit)
        .on_connect(move |_, _, _| connected.push("connected"))
        .build()
        .unwrap();
    while !enough(&log) {
        if conn.frame_tick().is_err() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Whoever is slow gets another chance: a busy machine takes longer to answer.
fn with_growing_limits(mut succeeds: impl FnMut(Duration) -> bool) {
    let mut limit = Duration::from_millis(50);
    while !succeeds(limit) {
        limit *= 2;
        assert!(limit < PATIENCE, "no signs of life");
    }
}

#[test]
fn a_mute_server_is_given_up() {
    let Some(server) = server() else { return };
    server.publish("mute", "kitchen_sink");
    with_growing_limits(|limit| {
        let proxy = Proxy::start(&server.address);
        let is_mute = Cell::new(false);
        let start = Instant::now();
        let outlived = outlives(&proxy.url(), "mute", limit, |log| {
            if log.has("connected") && !is_mute.replace(true) {
                proxy.mute();
            }
            start.elapsed() > PATIENCE
        });
        assert!(!outlived, "a mute server is not given up");
        is_mute.get()
    });
}

#[test]
fn a_quiet_server_is_not() {
    let Some(server) = server() else { return };
    server.publish("quiet", "kitchen_sink");
    with_growing_limits(|limit| {
        let start = Instant::now();
        outlives(&server.url(), "quiet", limit, |_| {
            start.elapsed() > limit * 5
        })
    });
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

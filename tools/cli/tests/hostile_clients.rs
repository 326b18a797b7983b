//! Many clients, and greedy ones: each is told everything that it asked for, and none takes from
//! the others. No test here looks at a clock to decide whether the server was fast enough.

mod harness;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use harness::websocket::v2::{Client, Event as ClientEvent};
use harness::websocket::{Options, Socket, V2, V3};
use harness::{Login, Server, module};
use serde_json::{Value, json};
use spacetime_types::bsatn::{self, Reader};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use wire::{Event, Wire};

const DATABASE: &str = "bench";
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Descriptors of a process that are not connections of a test.
const OTHER_FILES: usize = 150;

/// A server whose `config.toml` has these lines.
fn start_with(config: &str) -> (Server, Login) {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("config.toml"), config).unwrap();
    let server = Server::start_in(folder, &[]);
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("transfers"));
    (server, owner)
}

fn touch_args(id: u32, stamp: u64) -> Vec<u8> {
    bsatn::to_vec(&(id, stamp))
}

/// The times in the rows that a v3 payload tells of.
fn stamps(payload: &[u8], found: &mut Vec<u64>) {
    let mut reader = Reader::new(payload);
    assert_eq!(reader.u8().unwrap(), 0, "not compressed");
    while !reader.rest().is_empty() {
        assert_eq!(reader.u8().unwrap(), 4, "a transaction update");
        for _ in 0..reader.u32().unwrap() {
            assert_eq!(reader.u32().unwrap(), 1, "the set");
            for _ in 0..reader.u32().unwrap() {
                assert_eq!(reader.str().unwrap(), "item");
                for _ in 0..reader.u32().unwrap() {
                    assert_eq!(reader.u8().unwrap(), 0, "a table that stays");
                    let inserts = rows(&mut reader);
                    let deletes = rows(&mut reader);
                    assert_eq!(inserts.len(), deletes.len());
                    found.extend(inserts);
                }
            }
        }
    }
}

fn rows(reader: &mut Reader<'_>) -> Vec<u64> {
    assert_eq!(reader.u8().unwrap(), 0, "rows of one size");
    assert_eq!(reader.array::<2>("size").unwrap(), 64u16.to_le_bytes());
    let rows = reader.bytes().unwrap().chunks_exact(64);
    rows.map(|row| u64::from_le_bytes(row[4..12].try_into().unwrap()))
        .collect()
}

/// As many connections as this process may have, a thousand at most.
fn many() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    1000.min(soft.unwrap_or(1024_usize).saturating_sub(OTHER_FILES))
}

#[test]
fn a_thousand_subscribers_are_told_of_every_change_in_order() {
    const CHANGES: u64 = 40;
    let (server, owner) = start_with("");
    let count = many();
    server
        .call(&owner, DATABASE, "fill_items", json!([2]))
        .unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let mut subscribers = Vec::new();
        for index in 0..count {
            let (address, token) = (server.address(), owner.token.clone());
            subscribers.push(tokio::spawn(async move {
                // Half to the table, half to the one row that changes every second time.
                let query = match index % 2 {
                    0 => "SELECT * FROM item",
                    _ => "SELECT * FROM item WHERE id = 1",
                };
                let options = "compression=None&confirmed=false";
                let opened = wire::open(address, DATABASE, wire::V3, Some(&token), options);
                let mut socket = opened.await.unwrap();
                let greeting = socket.next().await.unwrap().unwrap();
                assert!(matches!(greeting, Message::Binary(_)));
                let mut request = Vec::new();
                wire::write_subscribe(1, 1, &[query], &mut request);
                socket.send(Message::Binary(request.into())).await.unwrap();
                loop {
                    if let Message::Binary(applied) = socket.next().await.unwrap().unwrap() {
                        assert_eq!(applied[1], 1, "the first rows");
                        return socket;
                    }
                }
            }));
        }
        let mut told = Vec::new();
        for (index, subscriber) in subscribers.into_iter().enumerate() {
            let mut socket = subscriber.await.unwrap();
            let wanted: Vec<u64> = (1..=CHANGES)
                .filter(|stamp| index % 2 == 0 || stamp % 2 == 1)
                .collect();
            told.push(tokio::spawn(async move {
                let mut found = Vec::new();
                while found.len() < wanted.len() {
                    match socket.next().await.unwrap().unwrap() {
                        Message::Binary(payload) => stamps(&payload, &mut found),
                        Message::Ping(_) | Message::Pong(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(found, wanted, "subscriber {index}");
            }));
        }
        let caller = Wire::connect(server.address(), DATABASE, wire::V3, &owner.token);
        let mut caller = caller.await.unwrap();
        for stamp in 1..=CHANGES {
            let mut call = Vec::new();
            let id = u32::try_from(stamp % 2).unwrap();
            wire::write_call(0, "touch", &touch_args(id, stamp), &mut call);
            caller.send(call).await.unwrap();
        }
        let all = async {
            for subscriber in told {
                subscriber.await.unwrap();
            }
        };
        let all = tokio::time::timeout(WAIT_MAX, all).await;
        assert!(all.is_ok(), "somebody was not told\n{}", server.log());
    });
}

/// The ids of the items that an observer is told of, one for each transaction, up to the `count`th.
fn observed(mut observer: Client, count: usize) -> Vec<u32> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let changes = observer.next_update();
        assert_eq!(changes.len(), 1, "{changes:?}");
        let [row] = changes[0].inserts.as_slice() else {
            panic!("{changes:?}");
        };
        ids.push(u32::from_le_bytes(row[..4].try_into().unwrap()));
    }
    ids
}

#[test]
fn one_that_floods_takes_turns_with_others() {
    const FLOOD: u32 = 4000;
    const CALLS: u32 = 40;
    // What fits into one batch is taken in the order in which it came.
    const BATCH: usize = 256;
    let (server, owner) = start_with("");
    server
        .call(&owner, DATABASE, "fill_items", json!([2]))
        .unwrap();
    let mut observer = Client::open(&server, DATABASE, V3, &Options::of(&owner));
    observer.subscribe(1, &["SELECT * FROM item"]).unwrap();
    let calls = |id: u32, count: u32| {
        let mut frame = Vec::new();
        for number in 0..count {
            let args = touch_args(id, 1 + u64::from(number));
            wire::write_call(number, "touch", &args, &mut frame);
        }
        frame
    };
    let all = usize::try_from(FLOOD + CALLS).unwrap();
    let order = std::thread::scope(|scope| {
        let observing = scope.spawn(|| observed(observer, all));
        Runtime::new().unwrap().block_on(async {
            let connect = || Wire::connect(server.address(), DATABASE, wire::V3, &owner.token);
            let (mut flooder, mut victim) = (connect().await.unwrap(), connect().await.unwrap());
            flooder.send(calls(0, FLOOD)).await.unwrap();
            // The flood has arrived as soon as the first of it is answered.
            let mut answered = 0;
            while answered < FLOOD {
                assert!(matches!(flooder.next().await, Ok(Event::Result { .. })));
                answered += 1;
                if answered == 1 {
                    victim.send(calls(1, CALLS)).await.unwrap();
                }
            }
            for _ in 0..CALLS {
                assert!(matches!(victim.next().await, Ok(Event::Result { .. })));
            }
        });
        observing.join().unwrap()
    });
    // Counted in calls, not in time: from the victim's first call on, no other of its calls waits
    // for more than its turn.
    let places = (0..all).filter(|place| order[*place] == 1);
    let places: Vec<usize> = places.collect();
    assert_eq!(places.len(), CALLS as usize);
    let gaps = places.windows(2).map(|pair| pair[1] - pair[0] - 1);
    let between: usize = gaps.clone().sum();
    let longest = gaps.max().unwrap();
    eprintln!(
        "the victim's calls came after {} of the flood, {between} between them, {longest} at once",
        places[0]
    );
    assert!(
        longest <= BATCH,
        "{longest} calls of the flood at once: {places:?}"
    );
    assert!(
        between <= BATCH + 4 * CALLS as usize,
        "{between} calls of the flood: {places:?}"
    );
}

#[test]
fn quotas_are_kept_and_the_connection_goes_on() {
    let (server, owner) = start_with(
        "[limits]\nqueries-per-set = 3\nquery-sets-per-client = 4\nqueries-per-client = 6\n\
         connections-per-identity = 2\n",
    );
    let mut client = Client::of(&server, DATABASE, &owner);
    let query = |id: u32| format!("SELECT * FROM item WHERE id = {id}");
    let queries: Vec<String> = (0..4).map(query).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let error = client.subscribe(1, &queries).unwrap_err();
    assert_eq!(error, "more than 3 queries in one set");
    client.subscribe(1, &queries[..3]).unwrap();
    client.subscribe(2, &queries[..2]).unwrap();
    let error = client.subscribe(3, &queries[..2]).unwrap_err();
    assert_eq!(error, "more than 6 queries of one client");
    client.subscribe(3, &queries[3..]).unwrap();
    client.unsubscribe(1, false).unwrap();
    client.subscribe(4, &[]).unwrap();
    client.subscribe(5, &[]).unwrap();
    let error = client.subscribe(6, &[]).unwrap_err();
    assert_eq!(error, "more than 4 subscriptions");

    let second = Client::of(&server, DATABASE, &owner);
    let refused = Socket::try_open(&server, DATABASE, V2, &Options::of(&owner)).unwrap_err();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.text, "this identity has too many connections");
    // Another identity is not concerned, and who leaves makes room.
    let other = server.new_login();
    drop(Client::of(&server, DATABASE, &other));
    second.socket.close();
    let start = Instant::now();
    loop {
        match Socket::try_open(&server, DATABASE, V2, &Options::of(&owner)) {
            Ok(_) => break,
            Err(_) => assert!(start.elapsed() < WAIT_MAX, "no room"),
        }
    }
}

#[test]
fn ten_thousand_subscriptions_of_one_client_are_bounded_and_dropped_with_it() {
    const ASKED: u32 = 10_000;
    const ALLOWED: usize = 500;
    let (server, owner) = start_with(&format!("[limits]\nquery-sets-per-client = {ALLOWED}\n"));
    server
        .call(&owner, DATABASE, "fill_items", json!([1]))
        .unwrap();
    let mut client = Client::open(&server, DATABASE, V3, &Options::of(&owner));
    let mut request = Vec::new();
    for set in 0..ASKED {
        let query = format!("SELECT * FROM item WHERE id = {set}");
        wire::write_subscribe(set, set, &[&query], &mut request);
    }
    client.socket.send(request);
    let (mut applied, mut refused) = (0, 0);
    for _ in 0..ASKED {
        match client.next() {
            ClientEvent::Applied { .. } => applied += 1,
            ClientEvent::SubscriptionError { .. } => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((applied, refused), (ALLOWED, ASKED as usize - ALLOWED));
    let numbers = || {
        let text = server
            .send(server.http().get(server.v1("metrics")))
            .unwrap();
        let of = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
            value.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
        };
        (
            of("spacetime_active_queries{"),
            of("spacetime_subscription_sets{"),
            of("spacetime_subscribe_errors_total{"),
        )
    };
    assert_eq!(numbers(), (500.0, 500.0, 9500.0));
    let report = server
        .http()
        .get(server.v1(&format!("database/{DATABASE}/unstable/queries")));
    let report = server.send(report.bearer_auth(&owner.token)).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["query_sets"], json!(ALLOWED));
    assert_eq!(report["busiest"].as_array().map(Vec::len), Some(50));
    client.socket.close();
    let start = Instant::now();
    while numbers().0 > 0.0 {
        assert!(start.elapsed() < WAIT_MAX, "its queries are still there");
    }
}

#[test]
fn who_sends_too_fast_is_slowed_down_and_loses_nothing() {
    const CALLS: u32 = 60;
    let (server, owner) = start_with("[limits]\nmessages-per-second = 40\n");
    server
        .call(&owner, DATABASE, "fill_items", json!([1]))
        .unwrap();
    let mut fast = Client::open(&server, DATABASE, V3, &Options::of(&owner));
    let start = Instant::now();
    for request in 0..CALLS {
        let call = Client::call_bytes(request, "touch", &touch_args(0, 7));
        fast.socket.send(call);
    }
    for expected in 0..CALLS {
        match fast.next() {
            ClientEvent::Reducer { request, .. } => assert_eq!(request, expected),
            other => panic!("{other:?}"),
        }
    }
    // 40 at once, the others at 40 a second: a lower bound, however slow the machine is.
    let took = start.elapsed();
    assert!(took > Duration::from_millis(450), "{took:?}");
}

#[test]
fn half_a_request_does_not_hold_a_connection() {
    let (server, _) = start_with("[limits]\nheader-timeout = \"1s\"\n");
    let mut silent = TcpStream::connect(server.address()).unwrap();
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(server.address()).unwrap())
        .collect();
    for stream in &mut slow {
        stream
            .write_all(b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n")
            .unwrap();
    }
    let pinged = server.send(server.http().get(server.v1("ping")));
    assert!(pinged.is_ok(), "{pinged:?}");
    let start = Instant::now();
    for stream in &mut slow {
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        loop {
            // A byte now and then does not help.
            let written = stream.write_all(b"a");
            match stream.read(&mut [0; 512]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if written.is_err() {
                break;
            }
            assert!(start.elapsed() < WAIT_MAX, "it is still open");
        }
    }
    silent.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    assert!(ended.is_ok(), "{ended:?}");
}

#[test]
fn a_connection_id_is_used_by_one_client_at_a_time() {
    let (server, owner) = start_with("");
    let with_id = Options {
        compression: "None&connection_id=000102030405060708090a0b0c0d0e0f",
        ..Options::of(&owner)
    };
    let clients = || {
        server
            .rows(&owner, DATABASE, "SELECT * FROM st_client")
            .len()
    };
    let mut first = Client::open(&server, DATABASE, V2, &with_id);
    // Whoever asks is a client, too.
    assert_eq!(clients(), 2);
    let second = Client::open(&server, DATABASE, V2, &with_id);
    assert_eq!(first.connection, second.connection);
    let closed = first.socket.try_next::<ClientEvent>().unwrap_err();
    assert_eq!(
        closed.reason,
        "another connection with the same id took its place"
    );
    assert_eq!(clients(), 2);

    let other = server.new_login();
    let stranger = Options {
        login: Some(&other),
        ..with_id
    };
    let refused = Client::try_open(&server, DATABASE, V2, &stranger).unwrap_err();
    assert_eq!(
        refused.reason,
        "the connection id is in use by another client"
    );
    assert_eq!(clients(), 2);
    drop(second);
    let start = Instant::now();
    while clients() > 1 {
        assert!(start.elapsed() < WAIT_MAX, "it is still there");
    }
    Client::open(&server, DATABASE, V2, &stranger);
}

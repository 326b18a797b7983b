//! Reads beside writes: first rows of subscriptions, queries and counts, while money moves.
//!
//! What is read is checked against three things that hold in every state and in no mixture of two:
//! the sum of all balances, that a row that goes was there and a row that comes was not, and that
//! the rows dropped at the end of a set are exactly those that its first rows and updates led to.

mod harness;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::websocket::v2::{Client, Event, Outcome};
use harness::websocket::{Closed, Options, Socket, V1, V2, V3, v1};
use harness::{Login, Server, module};
use serde_json::json;
use spacetime_types::bsatn;

const DATABASE: &str = "transfers";
/// So many rows take some milliseconds to read, and a writer makes many transactions meanwhile.
const ACCOUNTS: u32 = 200_000;
/// Money moves between so few accounts that one change that is missed shows soon.
const HOT_ACCOUNTS: u32 = 50;
const OPENING_BALANCE: i64 = 1_000_000;
const TOTAL: i64 = ACCOUNTS as i64 * OPENING_BALANCE;
/// Calls that the hammer has in flight.
const WINDOW: u32 = 16;
const ALL: &str = "SELECT * FROM account";
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A server with accounts, and their owner. Its clients may be slower than the hammer: they take a
/// while for each large answer, and what is tested is what they are told, not how fast they read.
fn start(arguments: &[&str]) -> (Server, Login) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let config = "[limits]\noutgoing-messages = 0\n";
    std::fs::write(data.join("config.toml"), config).unwrap();
    let server = Server::start_in(folder, arguments);
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("transfers"));
    server
        .call(&owner, DATABASE, "seed", json!([ACCOUNTS]))
        .unwrap();
    (server, owner)
}

/// The calls that a hammer has made.
#[derive(Default)]
struct Hammer {
    stop: AtomicBool,
    done: AtomicU64,
}

impl Hammer {
    /// Moves money until told to stop.
    fn run(&self, server: &Server, owner: &Login) {
        let mut client = Client::open(server, DATABASE, V3, &Options::of(owner));
        let mut request = 0;
        let send = |client: &mut Client, request: u32| {
            let from = request.wrapping_mul(7) % HOT_ACCOUNTS;
            let to = (from + 1 + request % (HOT_ACCOUNTS - 1)) % HOT_ACCOUNTS;
            let arguments = bsatn::to_vec(&(from, to, 1i64));
            client
                .socket
                .send(Client::call_bytes(request, "transfer", &arguments));
        };
        for _ in 0..WINDOW {
            request += 1;
            send(&mut client, request);
        }
        while !self.stop.load(Ordering::Relaxed) {
            match client.next() {
                Event::Reducer { outcome, .. } => assert!(matches!(outcome, Outcome::Ok(_))),
                other => panic!("{other:?}"),
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            request += 1;
            send(&mut client, request);
        }
    }

    /// Waits until so many more calls are done.
    fn wait_for(&self, calls: u64) {
        let (start, until) = (Instant::now(), self.done.load(Ordering::Relaxed) + calls);
        while self.done.load(Ordering::Relaxed) < until {
            assert!(start.elapsed() < WAIT_MAX, "the writer stands still");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Runs `test` while a hammer runs.
fn beside_a_hammer(server: &Server, owner: &Login, test: impl FnOnce(&Hammer)) {
    /// Stops the hammer, also when the test fails.
    struct Stop<'a>(&'a Hammer);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }
    let hammer = Hammer::default();
    std::thread::scope(|scope| {
        let stop = Stop(&hammer);
        scope.spawn(|| hammer.run(server, owner));
        hammer.wait_for(10);
        test(&hammer);
        drop(stop);
    });
}

/// A client's copy of the accounts.
#[derive(Default, PartialEq, Eq)]
struct Cache {
    balances: BTreeMap<u32, i64>,
    total: i64,
}

impl Cache {
    fn of(rows: &[Vec<u8>]) -> Cache {
        let mut cache = Cache::default();
        cache.apply(&[], rows);
        cache
    }

    /// A transaction: every row that goes is there, every row that comes is not.
    #[track_caller]
    fn apply(&mut self, deletes: &[Vec<u8>], inserts: &[Vec<u8>]) {
        let account = |row: &[u8]| bsatn::from_slice_exact::<(u32, i64)>(row).unwrap();
        for (id, balance) in deletes.iter().map(|row| account(row)) {
            assert_eq!(self.balances.remove(&id), Some(balance), "account {id}");
            self.total -= balance;
        }
        for (id, balance) in inserts.iter().map(|row| account(row)) {
            assert_eq!(self.balances.insert(id, balance), None, "account {id}");
            self.total += balance;
        }
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(self.balances.len(), ACCOUNTS as usize);
        assert_eq!(self.total, TOTAL);
    }
}

#[test]
fn first_rows_and_updates_meet_exactly() {
    let (server, owner) = start(&[]);
    beside_a_hammer(&server, &owner, |_| {
        for (protocol, confirmed) in [(V2, false), (V3, true), (V2, true), (V3, false)] {
            let options = Options {
                confirmed,
                ..Options::of(&owner)
            };
            let mut client = Client::open(&server, DATABASE, protocol, &options);
            for set in 1..4 {
                let tables = client.subscribe(set, &[ALL]).unwrap();
                let mut cache = Cache::of(&tables[0].rows);
                cache.check();
                for _ in 0..300 {
                    for change in client.next_update() {
                        cache.apply(&change.deletes, &change.inserts);
                    }
                    assert_eq!(cache.total, TOTAL);
                }
                let end = bsatn::to_vec(&(1u8, 1000u32, set, 1u8));
                client.socket.send(end);
                let dropped = loop {
                    match client.next() {
                        Event::Update(changes) => {
                            for change in changes {
                                cache.apply(&change.deletes, &change.inserts);
                            }
                        }
                        Event::Unapplied { tables, .. } => break tables.unwrap(),
                        other => panic!("{other:?}"),
                    }
                };
                assert!(Cache::of(&dropped[0].rows) == cache, "the rows at the end");
            }
        }
    });
    // The whole state, by another way.
    let mut client = Client::of(&server, DATABASE, &owner);
    let rows = client.subscribe(1, &[ALL]).unwrap();
    let asked = client.query(ALL).unwrap();
    assert!(Cache::of(&rows[0].rows) == Cache::of(&asked[0].rows));
}

fn open_v1(server: &Server, owner: &Login) -> Socket {
    let mut socket = Socket::try_open(server, DATABASE, V1, &Options::of(owner)).unwrap();
    assert!(matches!(socket.next(), v1::Event::Connected { .. }));
    socket
}

/// Applies what a v1 client is told of the accounts.
fn apply_v1(cache: &mut Cache, tables: &[v1::Change]) {
    for table in tables {
        cache.apply(&table.deletes, &table.inserts);
    }
}

#[test]
fn first_rows_and_updates_meet_exactly_for_v1_too() {
    let (server, owner) = start(&[]);
    beside_a_hammer(&server, &owner, |_| {
        let mut socket = open_v1(&server, &owner);
        let follow = |socket: &mut Socket, cache: &mut Cache| {
            for _ in 0..200 {
                match socket.next() {
                    v1::Event::LightUpdate { tables, .. } => apply_v1(cache, &tables),
                    other => panic!("{other:?}"),
                }
                assert_eq!(cache.total, TOTAL);
            }
        };
        // The legacy set, which a second one replaces.
        for request in 1u32..4 {
            socket.send(bsatn::to_vec(&(1u8, vec![ALL.to_owned()], request)));
            let mut cache = loop {
                match socket.next() {
                    v1::Event::InitialSubscription { tables, .. } => {
                        break Cache::of(&tables[0].inserts);
                    }
                    v1::Event::LightUpdate { .. } => {}
                    other => panic!("{other:?}"),
                }
            };
            cache.check();
            follow(&mut socket, &mut cache);
        }

        let mut socket = open_v1(&server, &owner);
        // Two sets asked at once: the rows come once, whichever is read first.
        for query in [70u32, 71] {
            let queries = vec![ALL.to_owned()];
            socket.send(bsatn::to_vec(&(4u8, queries, query, query)));
        }
        let mut cache = match socket.next() {
            v1::Event::MultiApplied {
                query: 70, tables, ..
            } => Cache::of(&tables[0].inserts),
            other => panic!("{other:?}"),
        };
        cache.check();
        loop {
            match socket.next() {
                v1::Event::LightUpdate { tables, .. } => apply_v1(&mut cache, &tables),
                v1::Event::MultiApplied { query, tables, .. } => {
                    assert_eq!((query, tables.len()), (71, 0));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        follow(&mut socket, &mut cache);
        // The first to go drops nothing, the last one everything.
        for (query, is_last) in [(70u32, false), (71, true)] {
            socket.send(bsatn::to_vec(&(6u8, query, query)));
            let dropped = loop {
                match socket.next() {
                    v1::Event::LightUpdate { tables, .. } => apply_v1(&mut cache, &tables),
                    v1::Event::MultiUnapplied { tables, .. } => break tables,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(dropped.is_empty(), !is_last);
            for table in dropped {
                assert!(Cache::of(&table.deletes) == cache, "the rows at the end");
            }
        }
    });
}

#[test]
fn every_query_sees_one_state_while_money_moves() {
    let (server, owner) = start(&[]);
    beside_a_hammer(&server, &owner, |hammer| {
        let mut client = Client::of(&server, DATABASE, &owner);
        for _ in 0..5 {
            Cache::of(&client.query(ALL).unwrap()[0].rows).check();
            hammer.wait_for(1);
        }
        // A count that visits every row.
        let count = "SELECT COUNT(*) AS n FROM account WHERE balance <> 0";
        for _ in 0..5 {
            let rows = server.rows(&owner, DATABASE, count);
            assert_eq!(rows, [json!([ACCOUNTS])]);
            hammer.wait_for(1);
        }
        let rows = server.rows(&owner, DATABASE, ALL);
        let balances = rows.iter().map(|row| row[1].as_i64().unwrap());
        assert_eq!(balances.sum::<i64>(), TOTAL);
        // Whoever asks is connected while the question has its turn, and no longer.
        let count = "SELECT COUNT(*) AS n FROM st_client";
        assert_eq!(server.rows(&owner, DATABASE, count), [json!([3])]);
    });
}

/// A combination of all rows with all rows: hours.
const ENDLESS: &str = "SELECT a.* FROM account a JOIN account b WHERE a.balance < b.balance";

#[test]
fn an_endless_query_delays_nobody_else_and_ends() {
    let (server, owner) = start(&["--query-time-limit", "6"]);
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut asking = Client::of(&server, DATABASE, &owner);
        let answered = &answered;
        scope.spawn(move || {
            // Together: the call is made at once, its result keeps its place behind the answer.
            let query = bsatn::to_vec(&(2u8, 1u32, ENDLESS.to_owned()));
            asking.socket.send(query);
            let arguments = bsatn::to_vec(&(100_000u32, 100_001u32, 5i64));
            let call = Client::call_bytes(2, "transfer", &arguments);
            asking.socket.send(call);
            match asking.next() {
                Event::OneOff { request, result } => {
                    answered.store(true, Ordering::SeqCst);
                    assert_eq!(request, 1);
                    let error = result.unwrap_err();
                    assert!(error.contains("took longer than 6s"), "{error}");
                }
                other => panic!("{other:?}"),
            }
            match asking.next() {
                Event::Reducer { request, .. } => assert_eq!(request, 2),
                other => panic!("{other:?}"),
            }
        });
        let moved = "SELECT balance FROM account WHERE id = 100000";
        let start = Instant::now();
        while server.rows(&owner, DATABASE, moved) != [json!([OPENING_BALANCE - 5])] {
            assert!(start.elapsed() < WAIT_MAX, "the call is not made");
        }
        let mut client = Client::of(&server, DATABASE, &owner);
        for n in 0..100u32 {
            let arguments = bsatn::to_vec(&(n, n + 1, 1i64));
            let outcome = client.call("transfer", &arguments);
            assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
        }
        assert_eq!(
            client
                .query("SELECT * FROM account WHERE id = 7")
                .unwrap()
                .len(),
            1
        );
        let early = !answered.load(Ordering::SeqCst);
        assert!(early, "the endless query ended before a hundred calls");
    });
    assert!(answered.load(Ordering::SeqCst));
    // Over HTTP too, as an error in words.
    let refused = server.sql(&owner, DATABASE, ENDLESS).unwrap_err();
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("took longer"), "{refused:?}");
}

#[test]
fn a_set_whose_rows_cannot_be_read_was_never_there() {
    // Two hundred thousand rows in no time.
    let (server, owner) = start(&["--query-time-limit", "0"]);
    beside_a_hammer(&server, &owner, |hammer| {
        let few = "SELECT * FROM account WHERE id < 50";
        for (round, protocol) in [V2, V3].into_iter().cycle().take(6).enumerate() {
            let mut client = Client::open(&server, DATABASE, protocol, &Options::of(&owner));
            // Another set goes on all the while.
            let tables = client.subscribe(1, &[few]).unwrap();
            let mut cache = Cache::of(&tables[0].rows);
            let total = cache.total;
            let subscribe = |client: &mut Client, query: &str| {
                let queries = vec![query.to_owned()];
                client
                    .socket
                    .send(bsatn::to_vec(&(0u8, 9u32, 2u32, queries)));
                loop {
                    match client.next() {
                        Event::Update(changes) => {
                            for change in changes {
                                assert_eq!(change.set, 1, "of a set that is not there");
                                cache.apply(&change.deletes, &change.inserts);
                            }
                            assert_eq!(cache.total, total);
                        }
                        Event::SubscriptionError { set: 2, error, .. } => return Err(error),
                        Event::Applied { set: 2, tables, .. } => return Ok(tables),
                        other => panic!("{other:?}"),
                    }
                }
            };
            let mut subscribe = subscribe;
            for _ in 0..3 {
                let error = subscribe(&mut client, ALL).unwrap_err();
                assert!(error.contains("took longer than 0ns"), "{error}");
                assert!(error.contains("executing: `SELECT"), "{error}");
            }
            if round % 2 == 0 {
                hammer.wait_for(50);
            }
            // The number is free.
            let tables = subscribe(&mut client, few).unwrap();
            assert_eq!(tables[0].rows.len(), 50);
            let mut second = Cache::of(&tables[0].rows);
            assert!(second == cache, "both sets hold the same");
            for _ in 0..50 {
                let changes = client.next_update();
                let sets: Vec<u32> = changes.iter().map(|change| change.set).collect();
                assert_eq!(sets, [1, 2]);
                cache.apply(&changes[0].deletes, &changes[0].inserts);
                second.apply(&changes[1].deletes, &changes[1].inserts);
            }
        }
    });
}

#[test]
fn a_v1_client_whose_shared_rows_cannot_be_read_is_told_and_let_go() {
    let (server, owner) = start(&["--query-time-limit", "0"]);
    beside_a_hammer(&server, &owner, |_| {
        let mut socket = open_v1(&server, &owner);
        let all = || vec![ALL.to_owned()];
        socket.send(bsatn::to_vec(&(1u8, all(), 1u32)));
        let failed = |event: v1::Event| match event {
            v1::Event::SubscriptionError { request, error, .. } => {
                assert!(error.contains("took longer"), "{error}");
                request
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(socket.next()), Some(1));
        socket.send(bsatn::to_vec(&(4u8, all(), 2u32, 70u32)));
        assert_eq!(failed(socket.next()), Some(2));
        // The first one lends its rows to the second, or both are read: either way neither is told
        // as if it were there.
        socket.send(bsatn::to_vec(&(4u8, all(), 3u32, 71u32)));
        socket.send(bsatn::to_vec(&(4u8, all(), 4u32, 72u32)));
        assert_eq!(failed(socket.next()), Some(3));
        match socket.try_next::<v1::Event>() {
            Ok(event) => assert_eq!(failed(event), Some(4)),
            Err(Closed { code, reason }) => {
                assert_eq!(code, 1001);
                assert!(reason.contains("shares its rows"), "{reason}");
            }
        }
    });
}

#[test]
fn the_past_has_the_limits_of_the_present() {
    let (server, owner) = start(&["--query-time-limit", "0"]);
    let route = server.v1(&format!("database/{DATABASE}/sql?at_tx=0"));
    for _ in 0..3 {
        let request = server.http().post(&route).bearer_auth(&owner.token);
        let refused = server.send(request.body("SELECT COUNT(*) AS n FROM account"));
        let refused = format!("{:?}", refused.unwrap_err());
        assert!(refused.contains("took longer than 0ns"), "{refused}");
    }
}

#[test]
fn a_server_that_is_told_to_measures_what_its_writers_are_busy_with() {
    let (mut server, owner) = start(&[]);
    let ask = |server: &Server, login: &Login| {
        let route = server.v1(&format!("database/{DATABASE}/unstable/pauses?reset=true"));
        server.send(server.http().get(route).bearer_auth(&login.token))
    };
    let refused = format!("{:?}", ask(&server, &owner).unwrap_err());
    assert!(refused.contains("SPACETIME_MEASURE_PAUSES"), "{refused}");
    server.terminate();
    assert!(server.restart_with(&[("SPACETIME_MEASURE_PAUSES", "1")]));
    ask(&server, &owner).unwrap();
    for n in 0..10 {
        let arguments = json!([n, n + 1, 1]);
        server
            .call(&owner, DATABASE, "transfer", arguments)
            .unwrap();
    }
    let answer: serde_json::Value = serde_json::from_str(&ask(&server, &owner).unwrap()).unwrap();
    let number = |key: &str| answer[key].as_u64().unwrap();
    assert!(number("count") >= 10, "{answer}");
    assert!(
        0 < number("p50") && number("p50") <= number("longest"),
        "{answer}"
    );
    let stranger = server.new_login();
    assert!(ask(&server, &stranger).is_err());
}

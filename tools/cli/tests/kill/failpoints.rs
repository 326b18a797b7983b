//! The server dies at chosen operations of its disk, before or after them.
//!
//! `SPACETIME_KILL_FAILPOINT_ROUNDS` sets how often each is tried.

use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;

use crate::bank::{Bank, Report};
use crate::harness::{Server, module};
use crate::wire::Random;
use crate::{DATABASE, assert_no_error, start_busy_server};

const FAILPOINT_VARIABLE: &str = "SPACETIME_FAILPOINT";
const ROUNDS: u64 = 1;
/// How long a place may take to be reached under load for the first time, which must happen, and
/// again, which may.
const REACHED_WITHIN: Duration = Duration::from_secs(90);
const REACHED_AGAIN_WITHIN: Duration = Duration::from_secs(4);
/// Beside the first time, a place is tried the n-th time for n below.
const NTH_MAX: u64 = 4;

/// Where to die: what it is, and the operation and the end of the file's name.
const PLACES: [(&str, &str); 19] = [
    ("segment create", "create:.stdb.new"),
    ("segment sync", "sync:.stdb.new"),
    ("segment rotate", "rename:.stdb.log"),
    ("segment directory", "sync-dir:clog"),
    ("log write", "write:.stdb.log"),
    ("log sync", "sync:.stdb.log"),
    ("watermark write", "write:durable_offset"),
    ("watermark sync", "sync:durable_offset"),
    ("offset index", "create:.stdb.ofs"),
    ("snapshot begin", "create:.pack"),
    ("snapshot pack write", "write:.pack"),
    ("snapshot pack sync", "sync:.pack"),
    ("snapshot manifest", "create:.manifest.tmp"),
    ("snapshot manifest sync", "sync:.manifest.tmp"),
    ("snapshot finish", "rename:.manifest"),
    ("snapshot directory", "sync-dir:snapshots"),
    ("snapshot retention", "remove:.manifest"),
    ("segment compress", "create:.stdb.zst-new"),
    ("segment delete", "remove:.stdb.log"),
];

#[test]
fn a_server_that_dies_at_any_step_of_the_disk_loses_nothing() {
    let rounds = std::env::var("SPACETIME_KILL_FAILPOINT_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let mut random = Random::from_environment("SPACETIME_KILL_SEED");
    let program = module("ledger");
    let mut server = start_busy_server();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &program);
    let mut bank = Bank::new(&program);
    let runtime = Runtime::new().unwrap();
    server.kill();
    let mut idle = Vec::new();
    for (name, place) in PLACES {
        let mut deaths = 0;
        for round in 0..2 * rounds {
            let nth = match round {
                0 | 1 => 1 + round,
                _ => 1 + random.below(NTH_MAX),
            };
            let after = if round % 2 == 0 { "" } else { ":after" };
            let place = format!("{place}:{nth}{after}");
            let mut reports: Vec<Report> = Vec::new();
            let mut died = !server.restart_with(&[(FAILPOINT_VARIABLE, &place)]);
            if !died {
                let loads = bank.start_loads(&runtime, server.address(), &owner, &mut random);
                let reached_within = if nth == 1 && deaths == 0 {
                    REACHED_WITHIN
                } else {
                    REACHED_AGAIN_WITHIN
                };
                died = server.ends_within(reached_within).is_some();
                if !died {
                    server.kill();
                }
                let loads = loads
                    .into_iter()
                    .map(|load| runtime.block_on(load).unwrap());
                reports.extend(loads);
            }
            deaths += u64::from(died);
            server.restart();
            let found = bank.check(&server, &owner, &reports);
            eprintln!("{name} ({place}): died: {died}, {found}");
            assert_no_error(&server);
            // Answers of calls over HTTP do not wait for the disk; those of queries do.
            server.rows(&owner, DATABASE, "SELECT committed FROM counter");
            server.kill();
        }
        if deaths == 0 {
            idle.push(name);
        }
    }
    assert_eq!(idle, Vec::<&str>::new(), "never reached");
    assert!(bank.confirmed > 0, "nothing was confirmed");
}

/// The server dies before it syncs what the call did: nobody may have been told that it is kept.
#[test]
fn a_call_that_asks_for_it_is_answered_once_the_disk_has_it() {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    let transfer = |seq: u32| json!([1, seq, 1, 2, 5]);
    let confirmed = "transfer?confirmed=true";
    let wrong = server.call(&owner, DATABASE, "transfer?confirmed=perhaps", transfer(0));
    assert_eq!(wrong.unwrap_err().status, 400);
    server
        .call(&owner, DATABASE, confirmed, transfer(1))
        .unwrap();
    server.kill();

    // Behind the syncs of the start itself.
    let starts = |nth: u32| {
        let place = format!("sync:.stdb.log:{nth}");
        server.restart_with(&[(FAILPOINT_VARIABLE, &place)])
    };
    assert!((1..10).any(starts), "{}", server.log());
    let url = server.v1(&format!("database/{DATABASE}/call/{confirmed}"));
    let request = server.http().post(url).bearer_auth(&owner.token);
    let request = request.header("content-type", "application/json");
    let answer = request.body(transfer(2).to_string()).send();
    assert!(answer.is_err(), "{answer:?}");
    assert!(server.ends_within(REACHED_WITHIN).is_some(), "no sync");

    server.restart();
    server
        .call(&owner, DATABASE, confirmed, transfer(3))
        .unwrap();
    server.cli_ok(&["login", "--token", &owner.token]);
    let words = ["call", DATABASE, "transfer", "1", "4", "1", "2", "5"];
    let url = server.url();
    server.cli_ok(&[&words[..], &["--server", &url, "--yes"]].concat());
    server.kill();
    server.restart();
    // The second one was written, maybe, and nobody was told.
    let rows = server.rows(&owner, DATABASE, "SELECT committed FROM counter");
    assert!(rows == [json!([3])] || rows == [json!([4])], "{rows:?}");
}

#[test]
fn a_place_that_is_none_is_said_at_the_start() {
    let mut server = Server::start();
    server.terminate();
    for place in ["fsync:.log:1", "rename:.manifest", ""] {
        let runs = server.restart_with(&[(FAILPOINT_VARIABLE, place)]);
        assert!(!runs, "started with {place:?}");
        let log = server.log();
        let expected = format!("{FAILPOINT_VARIABLE}={place:?} names no operation of the disk");
        assert!(log.contains(&expected), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

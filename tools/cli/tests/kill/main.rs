//! The real server is killed over and over, with the same data all along: at random moments, and
//! at chosen operations of the disk. And its disk fails.
//!
//! Checked after every restart
//!   * what was confirmed is there, and so is everything that was committed before it: the
//!     transfers of each client are those up to some number, the counter counts all of them, the
//!     balances sum up to what they were;
//!   * what was there before the last round has not changed;
//!   * no generated number was given out twice;
//!   * nobody is connected, and the module has seen everybody off;
//!   * a publication is done or not done, and done if it was confirmed.
//!
//! Segments of the log and the distance between snapshots are small, so that both come about all
//! the time. `SPACETIME_KILL_ROUNDS` and `SPACETIME_KILL_SEED` set how many random kills, and
//! which.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../wire/mod.rs"]
mod wire;

mod bank;
mod disk_errors;
mod failpoints;
mod side;

use std::time::{Duration, Instant};

use bank::{Bank, Report};
use harness::{Server, module};
use side::{Change, Side, check_side};
use tokio::runtime::Runtime;
use wire::Random;

const ROUNDS: u64 = 80;
const DATABASE: &str = "bank";
/// Much is written to disk in short time.
const CONFIG: &str = "\
[commitlog]
max-segment-size = 200000
retention = \"remove\"

[snapshots]
log-bytes = 300000
retain = 2
";

/// A server whose log comes in small segments, with snapshots in between.
fn start_busy_server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/config.toml"), CONFIG).unwrap();
    Server::start_in(folder, &[])
}

#[test]
fn a_killed_server_has_every_confirmed_call_and_a_prefix_of_all() {
    let rounds = std::env::var("SPACETIME_KILL_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let mut random = Random::from_environment("SPACETIME_KILL_SEED");
    let program = module("ledger");
    let mut server = start_busy_server();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &program);
    let mut bank = Bank::new(&program);
    let mut side = Side::Absent;
    let runtime = Runtime::new().unwrap();
    let begin = Instant::now();
    for round in 0..rounds {
        let loads = bank.start_loads(&runtime, server.address(), &owner, &mut random);
        let change = Change::for_round(round, side, &program, &mut random);
        let delay = match &change {
            None => 50 + random.below(350),
            Some(_) => random.below(1200),
        };
        let changing = change.as_ref().map(|change| change.start(&server, &owner));
        std::thread::sleep(Duration::from_millis(delay));
        server.kill();
        let reports: Vec<Report> = loads
            .into_iter()
            .map(|load| runtime.block_on(load).unwrap())
            .collect();
        let changed = changing.is_some_and(|changing| changing.join().unwrap());
        server.restart();
        let found = bank.check(&server, &owner, &reports);
        eprintln!(
            "round {round}: killed after {delay} ms, {found}{}",
            change.as_ref().map_or(String::new(), |change| format!(
                ", {} done: {changed}",
                change.name()
            )),
        );
        match change {
            Some(Change::Republish(program)) => {
                bank.check_program(&server, &owner, &program, changed);
            }
            Some(change) => side = check_side(&server, &owner, side, &change, changed),
            None => bank.check_program_is_the_same(&server, &owner),
        }
        assert_no_error(&server);
    }
    eprintln!(
        "{rounds} rounds: {:?}, {} transfers",
        begin.elapsed(),
        bank.committed
    );
    assert!(bank.confirmed > 0, "no round confirmed anything");

    assert!(server.terminate().success());
    server.restart();
    bank.check(&server, &owner, &[]);
}

#[test]
fn a_server_that_is_told_to_stop_loses_nothing_and_starts_without_repair() {
    let mut random = Random::from_environment("SPACETIME_KILL_SEED");
    let program = module("ledger");
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &program);
    let mut bank = Bank::new(&program);
    let runtime = Runtime::new().unwrap();
    for signal in ["TERM", "INT", "TERM", "INT"] {
        let before = bank.confirmed;
        let loads = bank.start_loads(&runtime, server.address(), &owner, &mut random);
        std::thread::sleep(Duration::from_millis(300 + random.below(500)));
        server.signal(signal);
        let status = server.wait_for_end(Duration::from_secs(30));
        assert!(status.success(), "{signal}: {status}\n{}", server.log());
        let reports: Vec<Report> = loads
            .into_iter()
            .map(|load| runtime.block_on(load).unwrap())
            .collect();
        server.restart();
        let found = bank.check(&server, &owner, &reports);
        eprintln!("{signal}: {found}");
        assert!(bank.confirmed > before, "{signal}: nothing was confirmed");
        assert_no_error(&server);
        let repaired = server.log().contains("cut an interrupted write off");
        assert!(!repaired, "{signal}: {}", server.log());
    }
}

fn assert_no_error(server: &Server) {
    let log = server.log();
    let bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
    assert_eq!(log.lines().find(bad), None, "{log}");
}

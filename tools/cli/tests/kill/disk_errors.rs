//! The disk of the real server fails: `strace` makes system calls return errors.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Login, Refusal, Server, module};

const FAILING: &str = "failing";
const OTHER: &str = "other";
/// How long strace may take to hold the server.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the failing database may take to notice.
const FAILURE_TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn a_failed_sync_stops_one_database_and_loses_nothing() {
    check("inject=fdatasync:error=EIO:when=3+");
}

#[test]
fn a_full_disk_stops_one_database_and_loses_nothing() {
    check("inject=pwrite64,write:error=ENOSPC:when=3+");
}

fn check(rule: &str) {
    if !can_inject() {
        eprintln!("NOT RUN: there is no strace here that may inject errors");
        return;
    }
    let program = module("ledger");
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, FAILING, &program);
    let segment = only_segment(&server);
    server.publish(&owner, OTHER, &program);
    for seq in 1..=5 {
        transfer(&server, &owner, FAILING, seq).unwrap();
        transfer(&server, &owner, OTHER, seq).unwrap();
    }
    let injected = Injected::attach(&server, &segment, rule);
    let confirmed = transfer_until_refused(&server, &owner, 6);
    // The others, and the server, go on; the failing one stays refused.
    transfer(&server, &owner, OTHER, 6).unwrap();
    assert!(transfer(&server, &owner, FAILING, confirmed + 2).is_err());
    server.send(server.http().get(server.v1("ping"))).unwrap();
    drop(injected);
    assert!(transfer(&server, &owner, FAILING, confirmed + 2).is_err());
    transfer(&server, &owner, OTHER, 7).unwrap();

    server.kill();
    server.restart();
    let committed = committed(&server, &owner, FAILING);
    assert!(
        committed >= confirmed,
        "{confirmed} confirmed, {committed} there"
    );
    assert!(
        committed <= confirmed + 1,
        "{committed} there, one was refused"
    );
    assert_eq!(self::committed(&server, &owner, OTHER), 7);
    transfer(&server, &owner, FAILING, committed + 1).unwrap();
}

/// One transfer, confirmed by a query: the answer of the call does not wait for the disk.
fn transfer(server: &Server, owner: &Login, database: &str, seq: u64) -> Result<(), Refusal> {
    let arguments = json!([0, seq, 1, 2, 5]);
    server.call(owner, database, "transfer", arguments)?;
    let query = "SELECT committed FROM counter";
    server.sql(owner, database, query).map(drop)
}

/// Calls until one is refused; returns how many were confirmed since the database was made.
fn transfer_until_refused(server: &Server, owner: &Login, first: u64) -> u64 {
    let begin = Instant::now();
    for seq in first.. {
        if transfer(server, owner, FAILING, seq).is_err() {
            return seq - 1;
        }
        assert!(begin.elapsed() < FAILURE_TIMEOUT, "no call was refused");
    }
    unreachable!("time runs out first");
}

fn committed(server: &Server, owner: &Login, database: &str) -> u64 {
    let rows = server.rows(owner, database, "SELECT committed FROM counter");
    rows[0][0].as_u64().unwrap()
}

/// The segment of the only database.
fn only_segment(server: &Server) -> PathBuf {
    let only = |folder: &Path, suffix: &str| {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut found = entries.filter(|path| path.to_string_lossy().ends_with(suffix));
        let first = found.next().unwrap();
        assert_eq!(found.next(), None, "there is one in {}", folder.display());
        first
    };
    let replica = only(&server.data_dir().join("replicas"), "");
    only(&replica.join("clog"), ".stdb.log")
}

/// Whether this machine lets strace change what another process is told.
fn can_inject() -> bool {
    let mut child = Command::new("sleep").arg("10").spawn().unwrap();
    let pid = child.id().to_string();
    let probe = Command::new("strace")
        .args([
            "-qq",
            "-e",
            "inject=read:error=EIO:when=9999",
            "-p",
            &pid,
            "-o",
            "/dev/null",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let can = probe.is_ok_and(|mut probe| {
        let held = is_held_within(&pid, Duration::from_secs(3));
        let _ = probe.kill();
        let _ = probe.wait();
        held
    });
    let _ = child.kill();
    let _ = child.wait();
    can
}

/// Whether a tracer gets hold of a process.
fn is_held_within(pid: &str, timeout: Duration) -> bool {
    let begin = Instant::now();
    let status = format!("/proc/{pid}/status");
    while begin.elapsed() < timeout {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let tracer = text.lines().find(|line| line.starts_with("TracerPid:"));
        if tracer.is_some_and(|line| !line.ends_with("\t0")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// An strace that is attached to a server, ended when dropped.
struct Injected(Child);

impl Injected {
    /// From now on system calls of the server on `file` end as `rule` says.
    fn attach(server: &Server, file: &Path, rule: &str) -> Injected {
        let pid = server.pid().to_string();
        let child = Command::new("strace")
            .args(["-f", "-qq", "-p", &pid, "-o"])
            .arg(server.scratch().join("strace.txt"))
            .arg("-P")
            .arg(file)
            .args(["-e", rule])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let injected = Injected(child);
        assert!(
            is_held_within(&pid, ATTACH_TIMEOUT),
            "strace did not attach"
        );
        injected
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // Then it lets go of the server.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-s", "INT", &pid]).status();
        let _ = self.0.wait();
    }
}

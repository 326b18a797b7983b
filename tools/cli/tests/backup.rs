//! Backups under load, restores elsewhere to any transaction, and queries of the past.
//!
//! The oracle is arithmetic: the ledger's counter says how many transfers were committed, its
//! entries are numbered by place, and the balances sum up to what they were at every transaction.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::{Login, Server, binary, module};
use serde_json::{Value, json};

const DATABASE: &str = "bank";
/// Queries that together show all rows of the module's tables.
const QUERIES: [&str; 5] = [
    "SELECT * FROM account",
    "SELECT * FROM counter",
    "SELECT * FROM entry",
    "SELECT * FROM presence",
    "SELECT * FROM visits",
];

/// Transfers, one after the other, until told to stop.
fn load(
    server: &Server,
    owner: &Login,
    client: u32,
    stop: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<u64> {
    let url = server.v1(&format!("database/{DATABASE}/call/transfer"));
    let (http, token) = (server.http().clone(), owner.token.clone());
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let mut seq = 0;
        while !stop.load(Ordering::Relaxed) {
            let arguments = json!([client, seq, seq % 64, (seq + 7) % 64, 1]);
            let request = http
                .post(&url)
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .body(arguments.to_string());
            let answer = request.send().unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().unwrap());
            seq += 1;
        }
        seq
    })
}

fn login_cli(server: &Server, owner: &Login) {
    let address = server.url();
    server.cli_ok(&["server", "add", "here", "--url", &address, "--default"]);
    server.cli_ok(&["login", "--token", &owner.token]);
}

fn transfers(server: &Server, owner: &Login, count: u64) {
    for seq in 0..count {
        let arguments = json!([9, 1_000_000 + seq, seq % 64, (seq + 1) % 64, 2]);
        server.call(owner, DATABASE, "transfer", arguments).unwrap();
    }
}

/// Waits until everything so far is on disk.
fn settle(server: &Server, owner: &Login) {
    server.rows(owner, DATABASE, "SELECT * FROM counter");
}

fn backup(server: &Server, place: &Path) -> Value {
    let place = place.to_str().unwrap();
    let printed = server.cli_ok(&["backup", DATABASE, "--to", place, "--json"]);
    serde_json::from_str(printed.lines().last().unwrap()).unwrap()
}

/// The rows of all tables, sorted. The connection that asks is not among them in the past.
fn content(rows: impl Fn(&str) -> Vec<Value>) -> Vec<Vec<String>> {
    let sorted = |query: &&str| {
        let mut rows: Vec<String> = rows(query).iter().map(ToString::to_string).collect();
        rows.sort_unstable();
        rows
    };
    QUERIES.iter().map(sorted).collect()
}

fn content_at(server: &Server, owner: &Login, at: u64) -> Vec<Vec<String>> {
    content(|query| past(server, owner, at, query).unwrap())
}

fn past(
    server: &Server,
    owner: &Login,
    at: u64,
    query: &str,
) -> Result<Vec<Value>, harness::Refusal> {
    let route = server.v1(&format!("database/{DATABASE}/sql?at_tx={at}"));
    let request = server
        .http()
        .post(route)
        .bearer_auth(&owner.token)
        .body(query.to_owned());
    let answer: Value = serde_json::from_str(&server.send(request)?).unwrap();
    Ok(answer[0]["rows"].as_array().unwrap().clone())
}

/// Runs a command that may fail: its status, what it printed, what it complained of.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary()).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn restore(place: &Path, to: &Path, more: &[&str]) -> Value {
    let (place, to) = (place.to_str().unwrap(), to.to_str().unwrap());
    let arguments = [&["restore", "--from", place, "--to", to, "--json"], more].concat();
    let (status, stdout, stderr) = run(&arguments);
    assert_eq!(status, 0, "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// A server on a restored data directory, with the keys of the first one, so that its logins hold.
fn serve(folder: tempfile::TempDir, original: &Server) -> Server {
    let config = folder.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    for key in ["id_ecdsa", "id_ecdsa.pub"] {
        let from = original.scratch().join("config").join(key);
        std::fs::copy(from, config.join(key)).unwrap();
    }
    Server::start_in(folder, &[])
}

#[test]
fn a_backup_under_load_is_restored_to_any_transaction() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    login_cli(&server, &owner);
    let place = server.scratch().join("backups");

    let stop = Arc::new(AtomicBool::new(false));
    let loads = [1, 2].map(|client| load(&server, &owner, client, &stop));
    transfers(&server, &owner, 40);
    let first = backup(&server, &place);
    transfers(&server, &owner, 40);
    let second = backup(&server, &place);
    stop.store(true, Ordering::Relaxed);
    let sent: u64 = loads.into_iter().map(|load| load.join().unwrap()).sum();
    assert!(sent > 0, "there was no load");
    let end = |backup: &Value| backup["end"].as_u64().unwrap();
    assert!(end(&second) > end(&first));
    // Only what is new was sent the second time.
    let bytes = |backup: &Value, key: &str| backup[key].as_u64().unwrap();
    assert_eq!(
        bytes(&second, "received_bytes"),
        bytes(&second, "bytes") - bytes(&first, "bytes")
    );

    // One without load: nothing is new but the index.
    settle(&server, &owner);
    let third = backup(&server, &place);
    let fourth = backup(&server, &place);
    assert_eq!(bytes(&fourth, "received_bytes"), 0);
    assert_eq!(bytes(&fourth, "new_pieces"), 0);
    assert_eq!(end(&fourth), end(&third));
    let listed = server.cli_ok(&[
        "backup",
        "list",
        "--from",
        place.to_str().unwrap(),
        "--json",
    ]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    server.cli_ok(&["backup", "verify", "--from", place.to_str().unwrap()]);

    check_points(&server, &owner, &place, end(&second));
    check_whole(&server, &owner, &place, &second);
    check_refusals(&place);
}

/// Restores to five transactions all over the log; each has exactly the content of then.
fn check_points(server: &Server, owner: &Login, place: &Path, end: u64) {
    for nth in 1..=5 {
        let at = (end - 1) * nth / 5 - (nth % 2);
        let folder = tempfile::tempdir().unwrap();
        let restored = restore(
            place,
            &folder.path().join("data"),
            &["--at-tx", &at.to_string()],
        );
        assert_eq!(restored["last_transaction"], at);
        let directory = restored["directory"].as_str().unwrap().to_owned();
        let replayed = run(&["replay", &directory, "--json"]);
        assert_eq!(replayed.0, 0, "{}{}", replayed.1, replayed.2);
        let elsewhere = serve(folder, server);
        // Its own last transactions may be those of clients that it saw off.
        assert_eq!(
            content_at(&elsewhere, owner, at),
            content_at(server, owner, at),
            "after transaction {at}"
        );
        let sum = past(&elsewhere, owner, at, "SELECT * FROM account").unwrap();
        let sum: i64 = sum.iter().map(|row| row[1].as_i64().unwrap()).sum();
        assert_eq!(sum, 64_000);
        // It goes on from there.
        let arguments = json!([5, 1, 2, 3, 4]);
        elsewhere
            .call(owner, DATABASE, "transfer", arguments)
            .unwrap();
    }
}

/// The whole of one backup, by its name.
fn check_whole(server: &Server, owner: &Login, place: &Path, backup: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let id = backup["backup"].as_str().unwrap();
    let data = folder.path().join("data");
    let restored = restore(place, &data, &["--backup", id, "--latest"]);
    let last = backup["end"].as_u64().unwrap() - 1;
    assert_eq!(restored["last_transaction"], last);
    let again = [
        "restore",
        "--from",
        place.to_str().unwrap(),
        "--to",
        data.to_str().unwrap(),
    ];
    let (status, _, stderr) = run(&again);
    assert_eq!(status, 1);
    assert!(stderr.contains("has the database"), "{stderr}");
    let replaced = restore(place, &data, &["--replace", "--backup", id]);
    assert_eq!(replaced["last_transaction"], last);
    assert_ne!(replaced["directory"], restored["directory"]);
    let gone = PathBuf::from(restored["directory"].as_str().unwrap());
    assert!(!gone.exists(), "the replaced files are gone");
    let elsewhere = serve(folder, server);
    let (here, there) = (
        content_at(server, owner, last),
        content_at(&elsewhere, owner, last),
    );
    assert_eq!(here, there);
}

/// A piece that was changed, and one that is gone, are refused by name.
fn check_refusals(place: &Path) {
    let objects = place.join("objects");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&objects)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_unstable();
    let victim = files.first().unwrap();
    let name = victim.file_name().unwrap().to_str().unwrap();
    let good = std::fs::read(victim).unwrap();
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damage in [Some(&changed), None] {
        match damage {
            Some(bytes) => std::fs::write(victim, bytes).unwrap(),
            None => std::fs::remove_file(victim).unwrap(),
        }
        let place = place.to_str().unwrap();
        let (status, stdout, _) = run(&["backup", "verify", "--from", place]);
        assert_eq!(status, 1, "{stdout}");
        assert!(
            stdout.contains(name) && stdout.contains(".stdb.log, byte"),
            "{stdout}"
        );
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("data");
        let (status, _, stderr) = run(&["restore", "--from", place, "--to", to.to_str().unwrap()]);
        assert_eq!(status, 1);
        assert!(stderr.contains(name), "{stderr}");
        assert!(stderr.contains(".stdb.log cannot be restored"), "{stderr}");
        let left = std::fs::read_dir(to.join("replicas")).unwrap().count();
        assert_eq!(left, 0, "nothing half restored is left");
    }
    std::fs::write(victim, good).unwrap();

    let index = std::fs::read_dir(place.join("backups")).unwrap().next();
    let index = std::fs::read_dir(index.unwrap().unwrap().path()).unwrap();
    let mut indexes: Vec<PathBuf> = index.map(|entry| entry.unwrap().path()).collect();
    indexes.sort_unstable();
    let newest = indexes.last().unwrap();
    let mut text = std::fs::read(newest).unwrap();
    text[20] ^= 1;
    std::fs::write(newest, text).unwrap();
    let id = newest.file_stem().unwrap().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("data");
    let (place, to) = (place.to_str().unwrap(), to.to_str().unwrap());
    let (status, _, stderr) = run(&["restore", "--from", place, "--to", to, "--backup", id]);
    assert_eq!(status, 1);
    assert!(
        stderr.contains(id) && stderr.contains("checksum"),
        "{stderr}"
    );
}

#[test]
fn the_past_is_for_the_owner_and_cannot_be_changed() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    transfers(&server, &owner, 3);
    settle(&server, &owner);
    let committed = |at| past(&server, &owner, at, "SELECT committed FROM counter").unwrap();
    assert_eq!(committed(0), [json!([0])]);
    // Each call comes with a connection: its arrival, the call, its leaving.
    assert_eq!(committed(2), [json!([1])]);
    assert_eq!(committed(5), [json!([2])]);
    assert_eq!(committed(2), [json!([1])]);

    let refused = |login: &Login, at, query: &str| past(&server, login, at, query).unwrap_err();
    let stranger = server.new_login();
    let answer = refused(&stranger, 2, "SELECT * FROM counter");
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = refused(&owner, 2, "DELETE FROM counter");
    assert!(
        answer.text.contains("the past cannot be changed"),
        "{answer:?}"
    );
    let answer = refused(&owner, 1_000_000, "SELECT * FROM counter");
    assert!(answer.text.contains("is not there yet"), "{answer:?}");
    let answer = refused(&owner, 2, "SELECT * FROM nothing");
    assert_eq!(answer.status, 400, "{answer:?}");

    login_cli(&server, &owner);
    let query = "SELECT committed FROM counter";
    let now = server.cli_ok(&["sql", DATABASE, query]);
    let then = server.cli_ok(&["sql", DATABASE, "--at-tx", "2", query]);
    assert!(
        now.contains('3') && then.contains('1') && !then.contains('3'),
        "{now}{then}"
    );

    // A backup is for the owner too.
    let route = server.v1(&format!("database/{DATABASE}/backup"));
    let request = server.http().post(route).bearer_auth(&stranger.token);
    let answer = server
        .send(request.json(&json!({"files": {}})))
        .unwrap_err();
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[test]
fn a_time_stands_for_the_last_call_before_it() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    login_cli(&server, &owner);
    transfers(&server, &owner, 2);
    let between = time_text();
    transfers(&server, &owner, 3);
    settle(&server, &owner);
    let place = server.scratch().join("backups");
    backup(&server, &place);
    let folder = tempfile::tempdir().unwrap();
    let restored = restore(&place, &folder.path().join("data"), &["--at", &between]);
    let last = restored["last_transaction"].as_u64().unwrap();
    let elsewhere = serve(folder, &server);
    let rows = past(&elsewhere, &owner, last, "SELECT committed FROM counter").unwrap();
    assert_eq!(rows, [json!([2])]);

    let to = server.scratch().join("too-early");
    let (place, to) = (place.to_str().unwrap(), to.to_str().unwrap());
    let early = "1999-01-01T00:00:00Z";
    let (status, _, stderr) = run(&["restore", "--from", place, "--to", to, "--at", early]);
    assert_eq!(status, 1);
    assert!(stderr.contains("was at or before the time"), "{stderr}");
}

fn time_text() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = i64::try_from(now.unwrap().as_micros()).unwrap();
    spacetime_types::Timestamp::from_micros(micros).to_string()
}

#[test]
fn a_backup_takes_a_snapshot_first_if_that_is_wanted() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, DATABASE, &module("ledger"));
    login_cli(&server, &owner);
    transfers(&server, &owner, 20);
    settle(&server, &owner);
    let entries = |server: &Server| {
        let rows = server.rows(&owner, DATABASE, "SELECT * FROM entry");
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort_unstable();
        rows
    };
    let content = entries(&server);
    assert!(!content.is_empty());
    for (when, expected) in [("never", 0), ("auto", 0), ("always", 1)] {
        let place = server.scratch().join(when);
        let to = place.to_str().unwrap();
        server.cli_ok(&["backup", DATABASE, "--to", to, "--snapshot", when]);
        let folder = tempfile::tempdir().unwrap();
        let restored = restore(&place, &folder.path().join("data"), &[]);
        let directory = Path::new(restored["directory"].as_str().unwrap());
        let files = std::fs::read_dir(directory.join("snapshots")).into_iter();
        let names = files.flatten().map(|file| file.unwrap().file_name());
        let manifests = names.filter(|name| name.to_str().unwrap().ends_with(".manifest"));
        assert_eq!(manifests.count(), expected, "{when}");
        let elsewhere = serve(folder, &server);
        assert_eq!(entries(&elsewhere), content, "{when}");
    }
}

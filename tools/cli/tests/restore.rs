//! Restoring into a server that runs, while it works: beside a database, and in its place.
//!
//! The oracle is the past of the original, and the ledger's arithmetic: entries are numbered by
//! place, the counter says how many there are, and balances always sum up to the same.

mod harness;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::websocket::v2::{Client, Event};
use harness::{Login, Server, module};
use serde_json::{Value, json};

/// No test waits longer.
const PATIENCE: Duration = Duration::from_secs(60);
const DATABASE: &str = "bank";
const COPY: &str = "bank-then";
const QUERIES: [&str; 5] = [
    "SELECT * FROM account",
    "SELECT * FROM counter",
    "SELECT * FROM entry",
    "SELECT * FROM presence",
    "SELECT * FROM visits",
];

struct Bank {
    server: Server,
    owner: Login,
    identity: String,
    place: PathBuf,
}

impl Bank {
    fn new() -> Self {
        let server = Server::start();
        let owner = server.new_login();
        let identity = server.publish(&owner, DATABASE, &module("ledger"));
        let address = server.url();
        server.cli_ok(&["server", "add", "here", "--url", &address, "--default"]);
        server.cli_ok(&["login", "--token", &owner.token]);
        let place = server.scratch().join("backups");
        Bank {
            server,
            owner,
            identity,
            place,
        }
    }

    fn transfers(&self, database: &str, count: u64) {
        for seq in 0..count {
            let arguments = json!([9, 1_000_000 + seq, seq % 64, (seq + 1) % 64, 2]);
            let called = self
                .server
                .call(&self.owner, database, "transfer", arguments);
            called.unwrap();
        }
    }

    fn backup(&self) -> Value {
        let place = self.place.to_str().unwrap();
        let arguments = ["backup", DATABASE, "--to", place, "--json"];
        let arguments = [&arguments[..], &["--snapshot", "always"]].concat();
        let printed = self.server.cli_ok(&arguments);
        serde_json::from_str(printed.lines().last().unwrap()).unwrap()
    }

    fn restore(&self, more: &[&str]) -> Value {
        let place = self.place.to_str().unwrap();
        let arguments = [&["restore", "--from", place, "--json"], more].concat();
        let printed = self.server.cli_ok(&arguments);
        serde_json::from_str(printed.lines().last().unwrap()).unwrap()
    }

    /// What a refused restore complains of.
    fn refused(&self, more: &[&str]) -> String {
        let place = self.place.to_str().unwrap();
        let arguments = [&["restore", "--from", place, "--yes"], more].concat();
        let output = self.server.cli(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The rows of all tables after a transaction, sorted.
    fn content_at(&self, database: &str, at: u64) -> Vec<Vec<String>> {
        let sorted = |query: &&str| {
            let route = self
                .server
                .v1(&format!("database/{database}/sql?at_tx={at}"));
            let request = self.server.http().post(route);
            let request = request.bearer_auth(&self.owner.token);
            let answer = self.server.send(request.body((*query).to_owned())).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let rows = answer[0]["rows"].as_array().unwrap();
            let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
            rows.sort_unstable();
            rows
        };
        QUERIES.iter().map(sorted).collect()
    }

    /// How many transfers are in it, after everything adds up.
    fn audit(&self, database: &str) -> u64 {
        let rows = |query: &str| self.server.rows(&self.owner, database, query);
        let sum: i64 = rows("SELECT balance FROM account")
            .iter()
            .map(|row| row[0].as_i64().unwrap())
            .sum();
        assert_eq!(sum, 64_000);
        // One state for both: the counter is taken from the entries.
        let entries = rows("SELECT place FROM entry");
        let mut places: Vec<u64> = entries.iter().map(|row| row[0].as_u64().unwrap()).collect();
        places.sort_unstable();
        let count = places.len() as u64;
        assert_eq!(places, (0..count).collect::<Vec<u64>>());
        count
    }

    fn replicas(&self) -> usize {
        let folder = self.server.data_dir().join("replicas");
        std::fs::read_dir(folder).unwrap().count()
    }

    fn identity_of(&self, database: &str) -> String {
        let query = "SELECT database_identity, owner_identity FROM st_module";
        let rows = self.server.rows(&self.owner, database, query);
        rows[0].to_string()
    }
}

/// Transfers until told to stop. A database that is just being replaced may refuse some.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(bank: &Bank) -> Load {
        let load = Load {
            stop: Arc::default(),
            sent: Arc::default(),
            threads: Vec::new(),
        };
        let threads = (1..=2).map(|client| {
            let url = format!("database/{DATABASE}/call/transfer");
            let (url, http) = (bank.server.v1(&url), bank.server.http().clone());
            let token = bank.owner.token.clone();
            let (stop, sent) = (Arc::clone(&load.stop), Arc::clone(&load.sent));
            std::thread::spawn(move || {
                let mut seq = 0;
                while !stop.load(Ordering::Relaxed) {
                    let arguments = json!([client, seq, seq % 64, (seq + 7) % 64, 1]);
                    let request = http
                        .post(&url)
                        .bearer_auth(&token)
                        .header("content-type", "application/json")
                        .body(arguments.to_string());
                    let status = request.send().unwrap().status();
                    match status.as_u16() {
                        200 => sent.fetch_add(1, Ordering::Relaxed),
                        503 => 0,
                        other => panic!("{other}"),
                    };
                    seq += 1;
                }
            })
        });
        let threads = threads.collect();
        Load { threads, ..load }
    }

    /// Waits until some more calls have come through.
    fn wait_for_more(&self) {
        let before = self.sent.load(Ordering::Relaxed);
        while self.sent.load(Ordering::Relaxed) < before + 10 {
            assert!(!self.threads.iter().any(JoinHandle::is_finished));
            std::thread::yield_now();
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_backup_is_restored_beside_the_database_and_in_its_place_under_load() {
    let mut bank = Bank::new();
    let load = Load::start(&bank);
    bank.transfers(DATABASE, 20);
    bank.backup();
    bank.transfers(DATABASE, 20);
    let backup = bank.backup();
    load.wait_for_more();
    let at = backup["end"].as_u64().unwrap() - 7;
    let then = bank.content_at(DATABASE, at);

    // Beside the original, which goes on.
    let at_tx = at.to_string();
    let restored = bank.restore(&["--as", COPY, "--at-tx", &at_tx]);
    assert_eq!(restored["op"], "created", "{restored}");
    assert_eq!(restored["last_transaction"], at);
    assert_ne!(restored["database_identity"], bank.identity);
    load.wait_for_more();
    assert_eq!(bank.content_at(COPY, at), then);
    let copied = bank.audit(COPY);
    assert_eq!(copied, then[2].len() as u64);
    bank.transfers(COPY, 3);
    assert_eq!(bank.audit(COPY), copied + 3);
    assert_ne!(bank.identity_of(COPY), bank.identity_of(DATABASE));
    load.wait_for_more();
    load.end();
    assert!(bank.audit(DATABASE) > copied);

    // Both are there after a restart.
    assert!(bank.server.terminate().success());
    bank.server.restart();
    assert_eq!(bank.audit(COPY), copied + 3);
    assert_eq!(bank.replicas(), 2);

    // In the place of the original, which clients use meanwhile.
    let load = Load::start(&bank);
    let before = bank.identity_of(DATABASE);
    let mut client = Client::of(&bank.server, DATABASE, &bank.owner);
    let restored = bank.restore(&["--over", DATABASE, "--at-tx", &at_tx]);
    assert_eq!(restored["op"], "replaced", "{restored}");
    assert_eq!(restored["database_identity"], bank.identity);
    let closed = loop {
        if let Err(closed) = client.socket.try_next::<Event>() {
            break closed;
        }
    };
    assert_eq!(closed.code, 1001, "{closed:?}");
    load.wait_for_more();
    load.end();
    assert_eq!(bank.content_at(DATABASE, at), then);
    assert!(bank.audit(DATABASE) > copied, "the load went on there");
    assert_eq!(bank.identity_of(DATABASE), before);
    assert_eq!(bank.replicas(), 2, "the files that were replaced are gone");
    bank.server.kill();
    bank.server.restart();
    assert_eq!(bank.content_at(DATABASE, at), then);

    // A backup of the copy is one of its own; it goes over another database of the same owner.
    let place = bank.place.to_str().unwrap();
    bank.server.cli_ok(&["backup", COPY, "--to", place]);
    bank.restore(&["--over", DATABASE, "--database", COPY]);
    assert_eq!(bank.audit(DATABASE), copied + 3);
    assert_eq!(bank.identity_of(DATABASE), before);
}

#[test]
fn what_cannot_be_restored_changes_nothing() {
    let bank = Bank::new();
    bank.transfers(DATABASE, 5);
    bank.backup();
    let committed = bank.audit(DATABASE);
    let check = |expected: &str, more: &[&str]| {
        let text = bank.refused(more);
        assert!(text.contains(expected), "{more:?}: {text}");
        assert_eq!(bank.audit(DATABASE), committed);
        // A program that stops in the middle of the upload is gone before the server knows.
        wait_for("files to be removed", || bank.replicas() == 1);
    };
    check("already", &["--as", DATABASE]);
    check("`nothing`", &["--over", "nothing"]);
    check(
        "has the transactions before",
        &["--as", COPY, "--at-tx", "999999"],
    );
    let early = "1999-01-01T00:00:00Z";
    check("was at or before the time", &["--as", COPY, "--at", early]);
    bank.server.cli_ok(&["lock", DATABASE]);
    check("locked", &["--over", DATABASE]);
    bank.server.cli_ok(&["unlock", DATABASE]);

    // Somebody else.
    let stranger = bank.server.new_login();
    let url = format!("database/{DATABASE}/restore?mode=replace");
    let post = |login: &Login, body: Vec<u8>| {
        let request = bank.server.http().post(bank.server.v1(&url));
        let request = request.bearer_auth(&login.token).body(body);
        bank.server.send(request).unwrap_err()
    };
    assert_eq!(post(&stranger, Vec::new()).status, 403);
    // Whoever sends much that is not wanted is told why, too, and not cut off.
    let refusal = |route: &str, token: &str| {
        let request = bank.server.http().post(bank.server.v1(route));
        let request = request.bearer_auth(token).body(vec![0; 32 << 20]);
        bank.server.send(request).unwrap_err()
    };
    let taken = format!("database/{DATABASE}/restore?mode=new");
    let refused = refusal(&taken, &bank.owner.token);
    assert!(refused.text.contains("already"), "{refused:?}");
    assert_eq!(refusal("database/another", "no token").status, 401);
    // What is no backup, and one that ends too soon.
    for body in [
        Vec::new(),
        b"nonsense".to_vec(),
        b"STBK\xff\0\0\0{}".to_vec(),
    ] {
        let refused = post(&bank.owner, body);
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    wait_for("files to be removed", || bank.replicas() == 1);

    // A damaged piece is named.
    let victim = first_file(&bank.place.join("objects"));
    let mut bytes = std::fs::read(&victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&victim, bytes).unwrap();
    let name = victim.file_name().unwrap().to_str().unwrap();
    check(name, &["--over", DATABASE]);
    check(name, &["--as", COPY]);
    wait_for("the server's log to tell", || {
        bank.server.log().contains("nothing was restored")
    });
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn first_file(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_unstable();
    files.remove(0)
}

//! The server as a process: how it starts, refuses and ends.

mod harness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Server, module};
use serde_json::json;

#[test]
fn answers_and_ends_cleanly() {
    let mut server = Server::start();
    let ping = server.http().get(server.v1("ping"));
    assert_eq!(server.send(ping).unwrap(), "");
    let pid_file = server.data_dir().join("spacetime.pid");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert_eq!(pid, server.pid().to_string());
    assert!(server.terminate().success(), "{}", server.log());
    assert!(!pid_file.exists());
}

#[test]
fn an_interrupt_ends_it_too() {
    let mut server = Server::start();
    server.signal("INT");
    let status = server.wait_for_end(Duration::from_secs(30));
    assert!(status.success(), "{status}\n{}", server.log());
}

/// All files below a directory with what is in them.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_changes_nothing() {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "transfers", &module("transfers"));
    server
        .call(&owner, "transfers", "seed", json!([7]))
        .unwrap();
    // The first one stands still: whatever changes is the second one's doing.
    server.stop();
    let before = contents(&server.data_dir());
    assert!(before.len() > 4, "{:?}", before.keys());
    let mut second = server.start_command();
    let output = second
        .args(["--listen-addr", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = format!("another server (process {})", server.pid());
    assert!(stderr.contains(&expected), "{stderr}");
    let after = contents(&server.data_dir());
    assert!(after.keys().eq(before.keys()), "{:?}", after.keys());
    for (path, bytes) in after {
        assert!(bytes == before[&path], "{} has changed", path.display());
    }
    server.signal("CONT");
    // The first one goes on.
    server
        .call(&owner, "transfers", "seed", json!([9]))
        .unwrap();
    let count = "SELECT COUNT(*) AS n FROM account";
    assert_eq!(server.rows(&owner, "transfers", count), [json!([9])]);
    server.kill();
    server.restart();
    assert_eq!(server.rows(&owner, "transfers", count), [json!([9])]);
}

#[test]
fn a_busy_port_is_refused() {
    let server = Server::start();
    let output = server
        .start_command()
        .args(["--data-dir"])
        .arg(server.scratch().join("other"))
        .output();
    // The data directory is given twice.
    assert_eq!(output.unwrap().status.code(), Some(2));

    let other = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(harness::binary())
        .args(["start", "--non-interactive", "--data-dir"])
        .arg(other.path())
        .arg("--jwt-key-dir")
        .arg(other.path())
        .args(["--listen-addr", &server.address().to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("Error: cannot listen on "), "{stderr}");
}

#[test]
fn a_killed_server_starts_again_and_still_knows_its_tokens() {
    let mut server = Server::start();
    let login = server.new_login();
    let port = server.address().port();
    server.kill();
    server.restart();
    assert_eq!(server.address().port(), port);
    let verify = server.v1(&format!("identity/{}/verify", login.identity));
    let request = server.http().get(verify).bearer_auth(&login.token);
    assert_eq!(server.send(request).unwrap(), "");
    let other = server.v1(&format!("identity/{}/verify", "0".repeat(64)));
    let request = server.http().get(other).bearer_auth(&login.token);
    assert_eq!(server.send(request).unwrap_err().status, 400);
}

#[test]
fn what_cannot_be_done_is_refused_at_the_start() {
    let server = Server::start();
    for (argument, status) in [
        ("--pg-port=5432", 1),
        ("--jwt-pub-key-path=x", 2),
        ("--call-time-limit=-1", 1),
        ("--no-such-flag", 2),
    ] {
        let output = server.start_command().arg(argument).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{argument}");
    }
}

#[test]
fn databases_in_memory_are_gone_with_the_server() {
    if !Path::new("/dev/shm").is_dir() {
        eprintln!("SKIPPED: this machine has no memory file system");
        return;
    }
    let mut server = Server::start_with(&["--in-memory"]);
    let folder = PathBuf::from(format!("/dev/shm/spacetime-in-memory-{}", server.pid()));
    assert!(folder.join("replicas").is_dir());
    assert!(!server.data_dir().join("replicas").exists());
    let owner = server.new_login();
    server.publish(&owner, "transfers", &module("transfers"));
    server
        .call(&owner, "transfers", "seed", json!([7]))
        .unwrap();
    let count = "SELECT COUNT(*) AS n FROM account";
    assert_eq!(server.rows(&owner, "transfers", count), [json!([7])]);
    assert!(server.terminate().success(), "{}", server.log());
    assert!(!folder.exists());
    // What a killed one has left goes when the next one starts.
    server.restart();
    let killed = PathBuf::from(format!("/dev/shm/spacetime-in-memory-{}", server.pid()));
    assert!(server.sql(&owner, "transfers", count).is_err());
    server.kill();
    assert!(killed.exists());
    server.restart();
    assert!(!killed.exists());
    assert!(server.terminate().success(), "{}", server.log());
}

#[test]
fn a_broken_configuration_is_an_error_that_names_the_file() {
    let mut server = Server::start();
    assert!(server.terminate().success());
    let path = server.data_dir().join("config.toml");
    std::fs::write(&path, "[websocket]\nping-interval = \"never\"\n").unwrap();
    let output = server.start_command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = format!("Error: {} is invalid", path.display());
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert!(stderr.contains("websocket.ping-interval"), "{stderr}");
}

//! Data directories of earlier versions open, with all that was in them.
//!
//! Each folder `fixtures/data-VERSION` was written by a server of that version and is never
//! changed or made anew. What it holds is said in its `README`.

mod harness;

use std::path::Path;
use std::process::Command;

use harness::{Server, binary};
use serde_json::{Value, json};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn data_of_0_1_0_opens() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1.0");
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture, &folder.path().join("data"));
    let replica = folder.path().join("data/replicas/1");

    // The tools first, as they change nothing.
    let output = Command::new(binary())
        .args(["commitlog", "verify", "--replay", "--json"])
        .arg(&replica)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"], json!([]));
    let next = report["next"].as_u64().unwrap();

    let mut server = Server::start_in(folder, &[]);
    let login = server.new_login();
    let texts = server.rows(&login, "room", "SELECT text FROM message");
    assert_eq!(
        texts,
        [json!(["first"]), json!(["it's \u{fc}ber 'quoted'"])]
    );
    let people = server.rows(&login, "room", "SELECT name, online FROM user");
    assert!(people.contains(&json!([[0, "Ann"], false])), "{people:?}");
    // And it goes on.
    server
        .call(&login, "room", "send_message", json!(["third"]))
        .unwrap();
    let texts = server.rows(&login, "room", "SELECT text FROM message");
    assert_eq!(texts.len(), 3);
    assert!(server.terminate().success());
    let output = Command::new(binary())
        .args(["commitlog", "list", "--json"])
        .arg(server.data_dir().join("replicas/1"))
        .output()
        .unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(listed["transactions"].as_u64().unwrap() > next);
}

//! What a server does with data that is damaged, missing, or in use by another server.

mod harness;

use std::path::{Path, PathBuf};

use harness::{Login, Refusal, Server, module};

/// A stopped server with two databases, and the log folder of the first.
fn stopped_server() -> (Server, Login, PathBuf) {
    let mut server = Server::start();
    let owner = server.new_login();
    let program = module("transfers");
    for database in ["first", "second"] {
        server.publish(&owner, database, &program);
        // Rows, so that there are commits behind the early ones.
        for n in 1..=5 {
            server
                .call(&owner, database, "seed", serde_json::json!([n]))
                .unwrap();
        }
    }
    assert!(server.terminate().success());
    let log = server.data_dir().join("replicas/1/clog");
    (server, owner, log)
}

fn segment(log: &Path) -> PathBuf {
    let files = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    logs.pop().unwrap()
}

/// The first database is refused with words that contain all of `expect`; the second one serves.
fn check_only_first_is_refused(server: &Server, owner: &Login, expect: &[&str]) {
    let count = |database| server.sql(owner, database, "SELECT COUNT(*) AS n FROM account");
    let call = server.call(owner, "first", "seed", serde_json::json!([9]));
    for refused in [count("first").map(drop), call.map(drop)] {
        let Refusal { status, text } = refused.expect_err("a damaged database does not serve");
        assert_eq!(status, 503, "{text}");
        for part in expect {
            assert!(text.contains(part), "no {part:?} in: {text}");
        }
    }
    let second = count("second").unwrap();
    assert_eq!(second[0]["rows"], serde_json::json!([[5]]));
    server
        .call(owner, "second", "seed", serde_json::json!([5]))
        .unwrap();
}

#[test]
fn a_flipped_byte_in_an_early_commit_is_refused_with_file_and_offset() {
    let (mut server, owner, log) = stopped_server();
    let file = segment(&log);
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    let at = good.len() / 2;
    bad[at] ^= 0x10;
    std::fs::write(&file, &bad).unwrap();
    server.restart();
    let name = file.file_name().unwrap().to_str().unwrap();
    check_only_first_is_refused(&server, &owner, &[name, "byte"]);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        bad,
        "damage is left as it is"
    );

    // Put right, it serves again.
    assert!(server.terminate().success());
    std::fs::write(&file, &good).unwrap();
    server.restart();
    assert!(server.sql(&owner, "first", "SELECT * FROM account").is_ok());
}

#[test]
fn a_log_that_is_gone_is_refused_and_not_begun_anew() {
    let (mut server, owner, log) = stopped_server();
    let file = segment(&log);
    let watermark: Vec<_> = std::fs::read_dir(log.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    // The files beside the log go too: the control plane alone knows that there was one.
    for path in watermark.iter().chain([&file]) {
        std::fs::remove_file(path).unwrap();
    }
    server.restart();
    check_only_first_is_refused(&server, &owner, &["no log", "clog"]);
    assert!(server.terminate().success());

    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
    server.restart();
    check_only_first_is_refused(&server, &owner, &["no log", "clog"]);
    assert!(!log.exists(), "nothing was begun");
}

#[test]
fn a_server_without_its_control_plane_does_not_start() {
    let (mut server, owner, log) = stopped_server();
    let control = server.data_dir().join("control");
    let aside = server.data_dir().join("aside");
    std::fs::rename(&control, &aside).unwrap();
    let output = server.start_command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("no log") && said.contains("control"),
        "{said}"
    );
    assert!(segment(&log).is_file());

    std::fs::rename(&aside, &control).unwrap();
    server.restart();
    assert!(server.sql(&owner, "first", "SELECT * FROM account").is_ok());
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "first", &module("transfers"));
    // On a port of its own, so that the data is all that stands in the way.
    let anywhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let output = server.start_command_at(anywhere).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let pid = server.pid().to_string();
    assert!(
        said.contains("another server") && said.contains(&pid),
        "{said}"
    );
    server
        .call(&owner, "first", "seed", serde_json::json!([1]))
        .unwrap();
}

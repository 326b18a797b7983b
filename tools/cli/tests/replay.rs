//! `spacetime replay`: recorded calls run again do what they did, and another build of a module is
//! told apart from the one that was recorded.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Server, binary, module};
use serde_json::{Value, json};

/// What a replay printed: its differences and its summary.
struct Replayed {
    status: i32,
    differences: Vec<Value>,
    summary: Value,
}

fn replay(replica: &Path, arguments: &[&str]) -> Replayed {
    let output = Command::new(binary())
        .arg("replay")
        .arg(replica)
        .arg("--json")
        .args(arguments)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let summary = lines.pop().unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(summary["kind"], "summary", "{stderr}");
    assert!(lines.iter().all(|line| line["kind"] == "difference"));
    Replayed {
        status: output.status.code().unwrap(),
        differences: lines,
        summary,
    }
}

fn check_equal(replayed: &Replayed) {
    let Replayed {
        status,
        differences,
        summary,
    } = replayed;
    assert_eq!(*status, 0, "{differences:#?} {summary}");
    assert_eq!(summary["equal"], true, "{summary}");
}

fn replica(server: &Server) -> PathBuf {
    server.data_dir().join("replicas/1")
}

fn succeeds(server: &Server, login: &harness::Login, calls: &[(&str, Value)]) {
    for (reducer, arguments) in calls {
        server
            .call(login, "sink", reducer, arguments.clone())
            .unwrap_or_else(|refusal| panic!("{reducer}: {refusal:?}\n{}", server.log()));
    }
}

#[test]
fn calls_of_every_kind_do_the_same_again() {
    let mut server = Server::start();
    let owner = server.new_login();
    let program = module("kitchen_sink");
    server.publish(&owner, "sink", &program);
    let numbered: [(&str, Value); 6] = [
        ("insert_auto_inc", json!(["u32", 3])),
        ("insert_auto_inc", json!(["i8", 2])),
        ("insert_auto_inc_u_32_at", json!([900, 1])),
        ("insert_auto_inc_all", json!([1])),
        ("record_caller", json!([])),
        ("insert_auto_inc", json!(["u256", 2])),
    ];
    succeeds(&server, &owner, &numbered);
    // These leave nothing in the log but the connection around them.
    for failing in ["fail_after_writes", "panic_after_writes"] {
        assert!(server.call(&owner, "sink", failing, json!(["no"])).is_err());
    }
    for outcome in ["succeed", "fail", "panic"] {
        let arguments = json!([1, outcome, {outcome: []}]);
        succeeds(&server, &owner, &[("start_timer", arguments)]);
    }
    wait_until_empty(&server, &owner, "timer");
    let inserted = "INSERT INTO auto_inc_u_32 (id, note) VALUES (0, 7)";
    server.sql(&owner, "sink", inserted).unwrap();
    succeeds(&server, &owner, &numbered[..1]);
    // Numbers go on in another block after a restart.
    server.kill();
    server.restart();
    succeeds(&server, &owner, &numbered[..1]);
    succeeds(&server, &owner, &[("stop_timers", json!([]))]);
    server.publish(&owner, "sink", &program);
    succeeds(&server, &owner, &numbered[..1]);
    assert!(server.terminate().success());

    let whole = replay(&replica(&server), &[]);
    check_equal(&whole);
    let calls = whole.summary["calls"].as_u64().unwrap();
    // Each call over HTTP is also a connection that comes and goes.
    assert!(calls > 45, "{}", whole.summary);
    let jumps = whole.summary["sequence_jumps"].as_u64().unwrap();
    assert!(jumps > 0, "a restart skips numbers: {}", whole.summary);

    // The same program given by hand, and every part of the log.
    let file = harness::module_path("kitchen_sink");
    check_equal(&replay(
        &replica(&server),
        &["--module", file.to_str().unwrap()],
    ));
    let end = whole.summary["end"].as_u64().unwrap();
    for from in [1, end / 3, end - 1] {
        let part = replay(&replica(&server), &["--from", &from.to_string()]);
        check_equal(&part);
        assert_eq!(part.summary["transactions"], end - from);
    }
    let until = (end / 2).to_string();
    let part = replay(&server.data_dir(), &["--until", &until]);
    check_equal(&part);
    assert_eq!(part.summary["end"], end / 2);
}

fn wait_until_empty(server: &Server, owner: &harness::Login, table: &str) {
    let start = std::time::Instant::now();
    let query = format!("SELECT COUNT(*) AS n FROM {table}");
    while server.rows(owner, "sink", &query) != [json!([0])] {
        assert!(start.elapsed().as_secs() < 20, "{table} is not emptied");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The transfers module, with another opening balance: 1,000,001 for 1,000,000.
fn changed_transfers(folder: &Path) -> PathBuf {
    let mut program = module("transfers");
    // i64.const, and the number as a signed variable-length integer.
    let (old, new) = ([0x42, 0xc0, 0x84, 0x3d], [0x42, 0xc1, 0x84, 0x3d]);
    let places: Vec<usize> = (0..program.len() - old.len())
        .filter(|&at| program[at..].starts_with(&old))
        .collect();
    assert!(
        !places.is_empty(),
        "the opening balance is not in the module"
    );
    for at in places {
        program[at..at + new.len()].copy_from_slice(&new);
    }
    let path = folder.join("changed.wasm");
    std::fs::write(&path, program).unwrap();
    path
}

#[test]
fn a_changed_build_is_reported_where_it_differs_and_nowhere_else() {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "sink", &module("transfers"));
    let calls = [
        ("seed", json!([2])),
        ("transfer", json!([0, 1, 5])),
        ("transfer", json!([1, 0, 2])),
        ("insert_many", json!([0, 3])),
    ];
    succeeds(&server, &owner, &calls);
    assert!(server.terminate().success());
    check_equal(&replay(&replica(&server), &[]));

    let changed = changed_transfers(server.scratch());
    let changed = ["--module", changed.to_str().unwrap()];
    let replayed = replay(&replica(&server), &changed);
    assert_eq!(replayed.status, 1);
    let [seed] = replayed.differences.as_slice() else {
        panic!("one difference, not {:#?}", replayed.differences);
    };
    assert_eq!(seed["reducer"], "seed");
    assert_eq!(seed["caller"], json!(owner.identity));
    assert_eq!(seed["failure"], Value::Null);
    let account = |balance: u64| {
        json!({"count": 2, "rows": [
            {"id": 0, "balance": balance},
            {"id": 1, "balance": balance},
        ]})
    };
    let none = json!({"count": 0, "rows": []});
    let expected = json!([{
        "table": "account",
        "not_inserted": account(1_000_000),
        "also_inserted": account(1_000_001),
        "not_deleted": none,
        "also_deleted": none,
    }]);
    assert_eq!(seed["tables"], expected);
    assert_eq!(replayed.summary["different"], 1);
    assert_eq!(replayed.summary["first_difference"], seed["offset"]);

    let text = Command::new(binary())
        .arg("replay")
        .arg(replica(&server))
        .args(changed)
        .output()
        .unwrap();
    assert_eq!(text.status.code(), Some(1));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("seed called by"), "{text}");
    assert!(
        text.contains("recorded + {\"id\":0,\"balance\":1000000}"),
        "{text}"
    );
    assert!(
        text.contains("now      + {\"id\":0,\"balance\":1000001}"),
        "{text}"
    );

    // A module without the reducers.
    let other = harness::module_path("kitchen_sink");
    let other = replay(&replica(&server), &["--module", other.to_str().unwrap()]);
    assert_eq!(other.status, 1);
    let failures: Vec<(&str, &str)> = other
        .differences
        .iter()
        .map(|difference| {
            let text = |key: &str| difference[key].as_str().unwrap();
            (text("reducer"), text("failure"))
        })
        .filter(|(reducer, _)| !reducer.starts_with("call_identity"))
        .collect();
    let missing = calls
        .each_ref()
        .map(|(name, _)| (*name, format!("the module has no reducer `{name}`")));
    let missing: Vec<(&str, &str)> = missing.iter().map(|(a, b)| (*a, &**b)).collect();
    assert_eq!(failures, missing);
}

#[test]
fn what_is_not_a_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |directory: &Path| {
        let output = Command::new(binary())
            .arg("replay")
            .arg(directory)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let empty = run(folder.path());
    assert!(empty.contains("there is no log in"), "{empty}");
    let absent = run(&folder.path().join("absent"));
    assert!(absent.contains("is not a directory"), "{absent}");
}

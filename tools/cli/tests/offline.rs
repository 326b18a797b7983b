//! `spacetime commitlog` on the files of a real server.

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::{Server, binary, module};
use serde_json::{Value, json};

/// A stopped server with one database, and the directory of that.
fn stopped_server() -> (Server, PathBuf) {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "bank", &module("transfers"));
    for n in 1..=5 {
        server.call(&owner, "bank", "seed", json!([n])).unwrap();
        // A query waits for the disk, so that calls do not share a commit.
        server.rows(&owner, "bank", "SELECT * FROM account");
    }
    let update = "UPDATE account SET balance = 7 WHERE id = 3";
    server.sql(&owner, "bank", update).unwrap();
    assert!(server.terminate().success());
    let replica = server.data_dir().join("replicas/1");
    (server, replica)
}

fn commitlog(command: &str, replica: &Path, flags: &[&str]) -> Output {
    Command::new(binary())
        .arg("commitlog")
        .arg(command)
        .arg(replica)
        .args(flags)
        .output()
        .unwrap()
}

/// Runs to a success, and gives what it printed.
fn text(command: &str, replica: &Path, flags: &[&str]) -> String {
    let output = commitlog(command, replica, flags);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{command} {flags:?}: {stdout}{stderr}"
    );
    stdout
}

/// Runs to the exit status 1, and gives both outputs.
fn refused(command: &str, replica: &Path, flags: &[&str]) -> (String, String) {
    let output = commitlog(command, replica, flags);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{command} {flags:?}: {stderr}"
    );
    assert!(stderr.contains("Error: "), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines().map(json_of).collect()
}

fn segment(replica: &Path) -> PathBuf {
    replica.join("clog/00000000000000000000.stdb.log")
}

#[test]
fn reports_say_what_the_server_has_written() {
    let (_server, replica) = stopped_server();
    let listed = json_of(&text("list", &replica, &["--json"]));
    let len = std::fs::metadata(segment(&replica)).unwrap().len();
    assert_eq!(listed["segments"][0]["bytes"], json!(len));
    assert_eq!(listed["damaged"], json!(false));
    let total = listed["transactions"].as_u64().unwrap();
    let table = text("list", &replica, &[]);
    assert!(table.contains("00000000000000000000.stdb.log"), "{table}");
    assert!(table.contains(&format!("0 - {}", total - 1)), "{table}");

    let verified = json_of(&text("verify", &replica, &["--json", "--replay"]));
    assert_eq!(verified["findings"], json!([]));
    assert_eq!(verified["readable_transactions"], json!(total));
    assert_eq!(verified["replay"]["next"], json!(total));
    assert!(text("verify", &replica, &[]).contains("the log is whole"));

    let counted = json_of(&text("stat", &replica, &["--json"]));
    let reducers = counted["reducers"].as_array().unwrap();
    let seeds = reducers
        .iter()
        .find(|reducer| reducer["name"] == "seed")
        .unwrap();
    assert_eq!(seeds["calls"], json!(5));
    let picture = text("stat", &replica, &[]);
    assert!(
        picture.contains("account") && picture.contains('\u{2588}'),
        "{picture}"
    );

    // The log's directory alone will do, and a data directory names its databases.
    assert!(text("verify", &replica.join("clog"), &[]).contains("the log is whole"));
    let data = replica.parent().unwrap().parent().unwrap();
    let (_, stderr) = refused("verify", data, &[]);
    assert!(stderr.contains("replicas/1"), "{stderr}");
    refused("verify", Path::new("/nowhere"), &[]);
}

#[test]
fn transactions_are_shown_with_names_and_found_by_values() {
    let (_server, replica) = stopped_server();
    let seeds = lines_of(&text("show", &replica, &["--json", "--reducer", "seed"]));
    assert_eq!(seeds.len(), 5);
    assert_eq!(seeds[0]["tables"][0]["name"], json!("account"));
    assert!(seeds[0]["time_micros"].as_i64().unwrap() > 1_600_000_000_000_000);
    let found = ["--json", "--table", "account", "--where", "balance=7"];
    let found = lines_of(&text("show", &replica, &found));
    assert_eq!(found.len(), 1);
    let inserted = &found[0]["tables"][0]["inserts"][0];
    assert_eq!(
        (&inserted["id"], &inserted["balance"]),
        (&json!(3), &json!(7))
    );
    let offset = found[0]["offset"].as_u64().unwrap();

    let people = text(
        "show",
        &replica,
        &["--from", &offset.to_string(), "--limit", "1"],
    );
    assert!(
        people.starts_with(&format!("transaction {offset}  ")),
        "{people}"
    );
    assert!(
        people.contains("account") && people.contains("balance"),
        "{people}"
    );
    assert!(people.contains("- ") && people.contains("+ "), "{people}");
    refused("show", &replica, &["--where", "balance"]);
    refused("show", &replica, &["--where", "nothing=1"]);
    let usage = commitlog("show", &replica, &["--since", "yesterday"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn states_are_compared_and_exported() {
    let (_server, replica) = stopped_server();
    let last = json_of(&text("list", &replica, &["--json"]))["transactions"]
        .as_u64()
        .unwrap()
        - 1;
    let update = ["--json", "--table", "account", "--where", "balance=7"];
    let at = lines_of(&text("show", &replica, &update))[0]["offset"]
        .as_u64()
        .unwrap();
    let (before, after) = ((at - 1).to_string(), at.to_string());
    let (report, stderr) = refused(
        "diff",
        &replica,
        &["--from", &before, "--to", &after, "--json"],
    );
    assert!(stderr.contains("1 tables differ"), "{stderr}");
    let report = json_of(&report);
    assert_eq!(report["tables"][0]["name"], json!("account"));
    assert_eq!(
        report["tables"][0]["changed"][0]["after"]["balance"],
        json!(7)
    );
    let last = last.to_string();
    let same = text("diff", &replica, &["--from", &last, "--to", &last]);
    assert!(same.contains("no table differs"), "{same}");

    let csv = text(
        "export",
        &replica,
        &["--table", "account", "--format", "csv"],
    );
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 6, "{csv}");
    assert!(lines.contains(&"3,7"), "{csv}");
    let old = text(
        "export",
        &replica,
        &["--table", "account", "-f", "csv", "--at", &before],
    );
    assert!(!old.contains("\n3,7"), "{old}");
    let folder = replica.join("../../exported");
    let out = folder.to_str().unwrap();
    let written = json_of(&text(
        "export",
        &replica,
        &["-f", "sql", "-o", out, "--json"],
    ));
    let mut names = written["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| &table["name"]);
    assert!(names.any(|name| name == "account"), "{written}");
    let sql = std::fs::read_to_string(folder.join("account.sql")).unwrap();
    assert!(sql.starts_with("CREATE TABLE \"account\" ("), "{sql}");
    refused("export", &replica, &["-f", "sql", "-o", out]);
    refused("export", &replica, &["--table", "nobody"]);
    refused("export", &replica, &["--at", "100000"]);
}

#[test]
fn a_damaged_database_is_reported_repaired_and_opens() {
    let (mut server, replica) = stopped_server();
    let path = segment(&replica);
    let good = std::fs::read(&path).unwrap();
    let seeds = lines_of(&text("show", &replica, &["--json", "--reducer", "seed"]));
    let (third, byte) = (&seeds[2]["offset"], seeds[2]["byte"].as_u64().unwrap());
    let mut bad = good.clone();
    bad[usize::try_from(byte).unwrap() + 3] ^= 0x20;
    std::fs::write(&path, &bad).unwrap();

    let (report, stderr) = refused("verify", &replica, &["--json"]);
    assert!(stderr.contains("is damaged"), "{stderr}");
    let report = json_of(&report);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], json!("damage"));
    assert_eq!(finding["file"], json!("00000000000000000000.stdb.log"));
    // The commit may begin with transactions that came just before.
    let first_lost = finding["offset"].as_u64().unwrap();
    let third = third.as_u64().unwrap();
    assert!(first_lost <= third && third < first_lost + 3, "{finding}");
    assert!(finding["byte"].as_u64().unwrap() <= byte - 22, "{finding}");
    assert_eq!(report["good_until"], json!(first_lost));
    // What is behind the damage can still be read.
    let shown = lines_of(&text("show", &replica, &["--json", "--reducer", "seed"]));
    assert_eq!(shown.len(), 4);
    assert_eq!(shown[2]["after_damage"], json!(true));

    // Nothing happens without --yes, nor while a server has the database.
    let (plan, stderr) = refused("repair", &replica, &[]);
    assert!(stderr.contains("--yes"), "{stderr}");
    assert!(plan.contains("will end before transaction"), "{plan}");
    assert_eq!(std::fs::read(&path).unwrap(), bad);
    let done = text("repair", &replica, &["--yes"]);
    assert!(done.contains("the log is whole now"), "{done}");
    let kept = replica.join("clog/00000000000000000000.stdb.log.before-repair-1");
    assert_eq!(std::fs::read(kept).unwrap(), bad);
    assert!(text("repair", &replica, &[]).contains("nothing to repair"));

    // A copy of the good log differs from the third call on.
    let copy = server.scratch().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::write(copy.join(path.file_name().unwrap()), &good).unwrap();
    let with = ["--with", copy.to_str().unwrap(), "--json"];
    let (difference, _) = refused("diff", &replica, &with);
    assert_eq!(
        json_of(&difference)["difference"]["offset"],
        json!(first_lost)
    );

    server.restart();
    let login = server.new_login();
    let rows = server.rows(&login, "bank", "SELECT COUNT(*) AS n FROM account");
    assert_eq!(rows, [json!([2])]);
    let (_, stderr) = refused("repair", &replica, &["--yes"]);
    assert!(stderr.contains("in use by"), "{stderr}");
    // Looking is allowed.
    text("verify", &replica, &[]);
}

#[test]
fn a_snapshot_saves_what_is_behind_damage_unless_the_log_is_to_be_cut() {
    let (mut server, replica) = stopped_server();
    let settings = server.data_dir().join("config.toml");
    std::fs::write(settings, "[snapshots]\non-shutdown = true\n").unwrap();
    server.restart();
    let login = server.new_login();
    let rows = |server: &Server| {
        let rows = server.rows(&login, "bank", "SELECT COUNT(*) AS n FROM account");
        rows[0][0].as_u64().unwrap()
    };
    let all = rows(&server);
    assert!(server.terminate().success());
    let snapshots = replica.join("snapshots");
    let manifests = || {
        let names = std::fs::read_dir(&snapshots).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".manifest")).count()
    };
    assert_eq!(manifests(), 1);

    let path = segment(&replica);
    let good = std::fs::read(&path).unwrap();
    let seeds = lines_of(&text("show", &replica, &["--json", "--reducer", "seed"]));
    let byte = usize::try_from(seeds[2]["byte"].as_u64().unwrap()).unwrap();
    let mut bad = good.clone();
    bad[byte + 3] ^= 0x20;
    std::fs::write(&path, &bad).unwrap();
    let (plan, _) = refused("repair", &replica, &[]);
    assert!(plan.contains("no row is lost"), "{plan}");
    let (plan, _) = refused("repair", &replica, &["--cut"]);
    assert!(
        plan.contains("whole transactions behind it are lost"),
        "{plan}"
    );
    assert!(plan.contains("move the snapshot"), "{plan}");
    assert_eq!(std::fs::read(&path).unwrap(), bad);

    // Cut: the snapshot, which is later than the end of the log, goes aside with the rest.
    let done = text("repair", &replica, &["--cut", "--yes"]);
    assert!(done.contains("the log is whole now"), "{done}");
    assert_eq!(manifests(), 0);
    server.restart();
    let left = rows(&server);
    assert!(0 < left && left < all, "{left} of {all}");
    assert!(server.terminate().success());
}

//! One database through the life of its module: changes that are made by themselves, changes that
//! have to be asked for, refusals, restarts in between, and the way back.

mod harness;

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use harness::websocket::v2::{Client, Event};
use harness::{Login, Refusal, Server, binary, module, module_path};
use serde_json::{Value, json};

const DATABASE: &str = "game";
const WAIT_MAX: Duration = Duration::from_secs(60);
const PLAYERS: &str = "SELECT * FROM player";
const HEROES: &str = "SELECT * FROM hero";

/// A server with the first module, two players in it, and their owner, who is logged in.
fn start() -> (Server, Login) {
    let server = Server::start();
    let owner = server.new_login();
    let address = server.url();
    server.cli_ok(&["server", "add", "here", "--url", &address, "--default"]);
    server.cli_ok(&["login", "--token", &owner.token]);
    let printed = server.cli_ok(&["publish", DATABASE, "--bin-path", &path("v1"), "--yes"]);
    assert!(
        printed.contains("Created new database with name: game"),
        "{printed}"
    );
    for (name, score) in [("ann", 10), ("bob", 500)] {
        let arguments = json!([name, score]);
        server
            .call(&owner, DATABASE, "add_player", arguments)
            .unwrap();
    }
    (server, owner)
}

fn path(version: &str) -> String {
    let path = module_path(&format!("migrations_{version}"));
    path.to_str().unwrap().to_owned()
}

/// Another program that does the same: a section that means nothing is added.
fn touched(program: &[u8]) -> Vec<u8> {
    [program, &[0, 2, 1, b'x']].concat()
}

/// `spacetime publish game --bin-path ...`.
fn publish(server: &Server, version: &str, more: &[&str]) -> Output {
    let program = path(version);
    let arguments = [&["publish", DATABASE, "--bin-path", &program], more].concat();
    server.cli(&arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[track_caller]
fn published(server: &Server, version: &str, more: &[&str]) -> String {
    let output = publish(server, version, more);
    let text = printed(&output);
    assert!(output.status.success(), "{text}\n{}", server.log());
    text
}

#[track_caller]
fn refused(server: &Server, version: &str, more: &[&str]) -> String {
    let output = publish(server, version, more);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn pre_publish(
    server: &Server,
    login: &Login,
    query: &str,
    version: &str,
) -> Result<Value, Refusal> {
    let route = format!("database/{DATABASE}/pre_publish?{query}");
    let request = server
        .http()
        .post(server.v1(&route))
        .bearer_auth(&login.token)
        .body(module(&format!("migrations_{version}")));
    let answer = server.send(request)?;
    Ok(serde_json::from_str(&answer).unwrap())
}

fn sorted(server: &Server, owner: &Login, query: &str) -> Vec<Value> {
    let mut rows = server.rows(owner, DATABASE, query);
    rows.sort_by_key(Value::to_string);
    rows
}

/// How often something happened, by the module's own counters.
fn times(server: &Server, owner: &Login, what: &str) -> u64 {
    let query = format!("SELECT * FROM counter WHERE what = '{what}'");
    let rows = server.rows(owner, DATABASE, &query);
    rows.first().map_or(0, |row| row[1].as_u64().unwrap())
}

/// Scheduled rows go on under the new module.
#[track_caller]
fn wait_for(server: &Server, owner: &Login, what: &str) {
    let start = Instant::now();
    while times(server, owner, what) == 0 {
        assert!(start.elapsed() < WAIT_MAX, "no {what}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads until the server ends the connection.
fn wait_for_close(client: &mut Client) {
    let start = Instant::now();
    while client.socket.try_next::<Event>().is_ok() {
        assert!(start.elapsed() < WAIT_MAX, "the client is still connected");
    }
}

const PLAN_V2: &str = "\
\u{25b8} Removed table: unused

\u{25b8} Created column in table player
    + level: U8 (default: 7)
\u{25b8} Created user table: badge (public)
    Columns:
        \u{2022} name: String
    Unique constraints:
        \u{2022} badge_name_key on [name]
    Indexes:
        \u{2022} badge_name_idx_btree on [name]

\u{25b8} Created index player_name_idx_btree on [name] of table player
!!! Warning: All clients will be disconnected due to breaking schema changes
Table `player`: 2 row(s) are written anew.
";

#[test]
fn the_plan_is_shown_and_guarded_by_its_token() {
    let (server, owner) = start();
    let stranger = server.new_login();
    let refused = pre_publish(&server, &stranger, "", "v2").unwrap_err();
    assert_eq!(refused.status, 403);
    for style in ["style", "pretty_print_style"] {
        let plan = pre_publish(&server, &owner, &format!("{style}=NoColor"), "v2").unwrap();
        let plan = &plan["AutoMigrate"];
        let text = plan["migrate_plan"].as_str().unwrap();
        let steps = text.split_once("\n\n").unwrap().1;
        assert_eq!(steps, PLAN_V2);
        assert_eq!(plan["break_clients"], true);
        assert_eq!(plan["major_version_upgrade"], false);
    }
    let coloured = pre_publish(&server, &owner, "", "v2").unwrap();
    let coloured = coloured["AutoMigrate"]["migrate_plan"].as_str().unwrap();
    assert!(
        coloured.contains("\u{1b}[31mRemoved\u{1b}[0m"),
        "{coloured}"
    );

    let program = module("migrations_v2");
    let check = |query: &str, expected: &str| {
        let refused = server
            .try_publish(&owner, DATABASE, query, &program)
            .unwrap_err();
        assert_eq!((refused.status, &*refused.text), (400, expected));
    };
    let failed = "Failed to create or update the database:";
    check(
        "",
        &format!(
            "{failed} Migration plan contains a client-breaking change which is disallowed under \
             current policy"
        ),
    );
    check(
        "policy=BreakClients",
        "Migration policy is set to `BreakClients`, but no migration token was provided.",
    );
    check(
        "policy=BreakClients&token=0x12",
        &format!("{failed} Token provided is invalid or does not match expected hash"),
    );
    let dry = published(&server, "v2", &["--dry-run"]);
    assert!(dry.contains("Removed table: unused"), "{dry}");
    assert!(!dry.contains("Publishing module"), "{dry}");
    let declined = self::refused(&server, "v2", &[]);
    assert!(declined.contains("BREAK existing clients"), "{declined}");
    let rows = sorted(&server, &owner, PLAYERS);
    assert_eq!(
        rows[0].as_array().unwrap().len(),
        4,
        "nothing has changed: {rows:?}"
    );
}

#[test]
fn a_compatible_update_keeps_clients_and_their_subscriptions() {
    let (server, owner) = start();
    let mut client = Client::of(&server, DATABASE, &owner);
    let tables = client.subscribe(1, &[PLAYERS]).unwrap();
    assert_eq!(tables[0].rows.len(), 2);
    let program = touched(&module("migrations_v1"));
    server.publish(&owner, DATABASE, &program);
    server.publish(&owner, DATABASE, &program);
    server
        .call(&owner, DATABASE, "add_player", json!(["cid", 1]))
        .unwrap();
    let update = client.next_update();
    assert_eq!(update[0].inserts.len(), 1);
    assert_eq!(times(&server, &owner, "init"), 1);
    let ids = sorted(&server, &owner, PLAYERS);
    let ids: Vec<&Value> = ids.iter().map(|row| &row[0]).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_table_with_rows_is_not_removed_by_itself() {
    let (server, owner) = start();
    server
        .sql(&owner, DATABASE, "INSERT INTO unused (n) VALUES (1)")
        .unwrap();
    let reason = refused(&server, "v2", &["--yes"]);
    assert!(
        reason.contains("Cannot remove table `unused`: table contains data."),
        "{reason}"
    );
    assert!(
        reason.contains("--delete-data was not specified"),
        "{reason}"
    );
    assert_eq!(
        sorted(&server, &owner, PLAYERS)[0]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let done = published(&server, "v2", &["--migrate", "--yes=migrate"]);
    assert!(
        done.contains("Table `unused`: 1 row(s) are deleted."),
        "{done}"
    );
    assert_eq!(sorted(&server, &owner, PLAYERS).len(), 2);
}

#[test]
fn on_conflict_the_data_goes_if_that_was_allowed() {
    let (server, owner) = start();
    let reason = refused(&server, "v3", &["--yes"]);
    let expected = "Aborting because publishing would require manual migration or deletion of \
                    data and --delete-data was not specified.";
    assert!(reason.contains(expected), "{reason}");
    published(&server, "v3", &["--yes", "--delete-data=on-conflict"]);
    assert_eq!(sorted(&server, &owner, HEROES), [json!(null); 0]);
}

#[test]
fn a_reset_without_a_program_keeps_the_module() {
    let (server, owner) = start();
    let route = server.v1(&format!("database/{DATABASE}/reset"));
    let request = server.http().put(&route).bearer_auth(&owner.token);
    let answer: Value = serde_json::from_str(&server.send(request).unwrap()).unwrap();
    assert_eq!(answer["Success"]["op"], "updated");
    assert_eq!(sorted(&server, &owner, PLAYERS), [json!(null); 0]);
    assert_eq!(times(&server, &owner, "init"), 1);
    server
        .call(&owner, DATABASE, "add_player", json!(["dan", 1]))
        .unwrap();
    assert_eq!(sorted(&server, &owner, PLAYERS)[0][0], 1);
}

/// Two tables and their indexes are other ones after it.
fn to_v3(server: &Server) -> Output {
    let hints = [
        "--migrate",
        "--rename",
        "player=hero",
        "--rename",
        "player.name=nick",
        "--default",
        "hero.coins=-5",
        "--yes=migrate",
    ];
    publish(server, "v3", &hints)
}

#[test]
fn a_database_lives_through_all_versions_and_goes_back() {
    let (mut server, owner) = start();
    let mut client = Client::of(&server, DATABASE, &owner);
    client.subscribe(1, &[PLAYERS]).unwrap();
    published(&server, "v2", &["--break-clients"]);
    wait_for_close(&mut client);
    // Asked first: each question over HTTP is a connection, too.
    assert_eq!(times(&server, &owner, "disconnected from v2"), 1);
    let players = [
        json!([1, "ann", 10, [1, []], 7]),
        json!([2, "bob", 500, [1, []], 7]),
    ];
    assert_eq!(sorted(&server, &owner, PLAYERS), players);
    assert_eq!(times(&server, &owner, "init"), 1);
    wait_for(&server, &owner, "tick of v2");

    server.kill();
    server.restart();
    assert_eq!(sorted(&server, &owner, PLAYERS), players);
    let levels = server.call(&owner, DATABASE, "level_of", json!(["bob"]));
    assert_eq!(levels.unwrap_err().text, "[7]");
    server
        .call(&owner, DATABASE, "add_player", json!(["ann", 3]))
        .unwrap();

    let question = pre_publish(&server, &owner, "", "v3").unwrap();
    let reason = question["ManualMigrate"]["reason"].as_str();
    // Without hints, tables that are gone and tables that are new.
    assert_eq!(
        reason.map(|reason| reason.contains("contains data")),
        Some(true),
        "{question}"
    );
    let duplicate = to_v3(&server);
    let text = printed(&duplicate);
    assert_eq!(duplicate.status.code(), Some(1), "{text}");
    assert!(text.contains("\"ann\" appears 2 times"), "{text}");
    server
        .sql(&owner, DATABASE, "DELETE FROM player WHERE score = 3")
        .unwrap();
    let done = to_v3(&server);
    let text = printed(&done);
    assert!(done.status.success(), "{text}\n{}", server.log());
    assert!(
        text.contains("Renamed table player \u{2192} hero"),
        "{text}"
    );
    assert!(text.contains("    - score: U16"), "{text}");
    let heroes = [
        json!([[1, []], "ann", [0, 7], 1, -5]),
        json!([[1, []], "bob", [0, 7], 2, -5]),
    ];
    assert_eq!(sorted(&server, &owner, HEROES), heroes);
    let gone = server.sql(&owner, DATABASE, PLAYERS).unwrap_err();
    assert_eq!(gone.status, 400, "{gone:?}");
    wait_for(&server, &owner, "tick of v3");

    server.kill();
    server.restart();
    assert_eq!(sorted(&server, &owner, HEROES), heroes);
    server
        .call(&owner, DATABASE, "add_hero", json!(["eve", 9]))
        .unwrap();
    let ids = sorted(&server, &owner, HEROES);
    let eve = ids.iter().find(|row| row[1] == "eve").unwrap();
    assert!(eve[3].as_u64().unwrap() > 2, "the sequence goes on: {eve}");
    go_back(&mut server, &owner, &text, &players);
}

/// Follows what the migration printed, into another folder.
fn go_back(server: &mut Server, owner: &Login, printed: &str, players: &[Value]) {
    let (_, after) = printed.split_once("--at-tx ").unwrap();
    let offset = after.split_whitespace().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = server.scratch().join("backups");
    let place = place.to_str().unwrap();
    server.cli_ok(&["backup", DATABASE, "--to", place]);
    let to = folder.path().join("data");
    let restored = std::process::Command::new(binary())
        .args([
            "restore",
            "--from",
            place,
            "--database",
            DATABASE,
            "--at-tx",
            offset,
        ])
        .arg("--to")
        .arg(&to)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", self::printed(&restored));
    copy_keys(server.scratch(), folder.path());
    let back = Server::start_in(folder, &[]);
    assert_eq!(sorted(&back, owner, PLAYERS), players);
    let levels = back.call(owner, DATABASE, "level_of", json!(["ann"]));
    assert_eq!(levels.unwrap_err().text, "[7]");
}

/// Logins of one server hold at another with its keys.
fn copy_keys(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("config")).unwrap();
    for key in ["config/id_ecdsa", "config/id_ecdsa.pub"] {
        std::fs::copy(from.join(key), to.join(key)).unwrap();
    }
}

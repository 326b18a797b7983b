//! Every command against a real server, with and without a module.

mod harness;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::{Server, binary, module_path};
use serde_json::{Value, json};

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server with the chat module in the database `chat`.
fn chat() -> Server {
    let server = Server::start();
    let wasm = module_path("chat").display().to_string();
    let url = server.url();
    server.cli_ok(&["server", "add", "here", "--url", &url, "--default"]);
    let said = server.cli_ok(&["publish", "chat", "--yes", "--bin-path", &wasm]);
    let last = said.lines().last().unwrap();
    let identity = last.strip_prefix("Created new database with name: chat, identity: ");
    assert_eq!(identity.map(str::len), Some(64), "{said}");
    assert!(said.contains("Logged in with identity "), "{said}");
    server
}

#[test]
fn arguments_that_are_not_understood_end_with_status_2() {
    let server = Server::start();
    for arguments in [
        &["nonsense"][..],
        &["sql", "--nonsense"],
        &["call"],
        &["logs"],
        &["sql", "only-one"],
        &["subscribe", "only-one"],
        &["publish", "x", "--bin-path", "a", "--module-path", "b"],
        &["publish", "x", "--delete-data=sometimes"],
        &["logs", "x", "--level-exact"],
    ] {
        let arguments = [&["--config-path", "cli.toml"], arguments].concat();
        let output = server.cli(&arguments).output();
        // Twice the same global flag is one of them.
        assert_eq!(status(&output.unwrap()), Some(2), "{arguments:?}");
        let output = server.cli(&arguments[2..]).output().unwrap();
        assert_eq!(
            status(&output),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn versions_and_help_go_to_stdout() {
    let said = |argument: &str| {
        let output = Command::new(binary()).arg(argument).output().unwrap();
        assert_eq!(status(&output), Some(0), "{argument}");
        String::from_utf8(output.stdout).unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said("-V"), format!("spacetime {version}\n"));
    assert!(said("--version").contains(&format!("spacetimedb tool version {version}; ")));
    assert!(said("version").starts_with("Path: "));
    let list = Command::new(binary()).args(["version", "list"]).output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    assert_eq!(list, format!("{version} (current)\n"));
    let install = Command::new(binary())
        .args(["version", "install", "9.9.9", "--use", "-y"])
        .output()
        .unwrap();
    assert_eq!(status(&install), Some(1), "{}", stderr(&install));
    let help = said("--help");
    for command in [
        "publish",
        "call",
        "sql",
        "subscribe",
        "logs",
        "start",
        "server",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
    }
}

#[test]
fn servers_are_added_pinged_and_removed() {
    let server = Server::start();
    let url = format!("{}/", server.url());
    let said = server.cli_ok(&["server", "add", "here", "--url", &url, "-d"]);
    let host = server.address().to_string();
    assert!(
        said.ends_with(&format!("Host: {host}\nProtocol: http\n")),
        "{said}"
    );
    assert!(said.contains("BEGIN PUBLIC KEY"), "{said}");
    let list = server.cli_ok(&["server", "list"]);
    let line = list.lines().find(|line| line.contains("here")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["***", host.as_str(), "http", "here"]);

    let online = format!("Server is online: {}\n", server.url());
    assert_eq!(server.cli_ok(&["server", "ping", "here"]), online);
    assert_eq!(server.cli_ok(&["server", "ping", &url]), online);
    let unchanged = server.cli_ok(&["server", "fingerprint", "here"]);
    assert!(
        unchanged.starts_with("Fingerprint is unchanged for server here:"),
        "{unchanged}"
    );

    let twice = server
        .cli(&["server", "add", "here", "--url", "http://h:1"])
        .output()
        .unwrap();
    assert_eq!(status(&twice), Some(1));
    let declined = server
        .cli(&["server", "edit", "here", "--new-name", "x"])
        .output()
        .unwrap();
    assert_eq!(status(&declined), Some(1));
    server.cli_ok(&["server", "edit", "here", "--new-name", "there", "--yes"]);
    assert_eq!(server.cli_ok(&["server", "ping", "there"]), online);
    server.cli_ok(&["server", "remove", "there"]);
    let gone = server.cli(&["server", "ping", "there"]).output().unwrap();
    assert_eq!(status(&gone), Some(1));
    assert!(stderr(&gone).contains("No such saved server configuration: there"));
    let nobody = server.cli(&["list"]).output().unwrap();
    assert!(
        stderr(&nobody).contains("No default server configuration."),
        "{}",
        stderr(&nobody)
    );

    let away = server
        .cli(&["server", "ping", "http://127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(status(&away), Some(1));
    assert!(stderr(&away).contains("Caused by:"), "{}", stderr(&away));
}

/// Who a command is at a server.
fn who(server: &Server, config: &Path) -> String {
    let output = Command::new(binary())
        .arg("--config-path")
        .arg(config)
        .args(["list", "--server", &server.url(), "--yes"])
        .output()
        .unwrap();
    assert_eq!(status(&output), Some(0), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    let last = said.lines().last().unwrap();
    let identity = last.strip_prefix("No databases found for ").unwrap();
    identity.trim_end_matches('.').to_owned()
}

#[test]
fn every_server_has_its_own_login() {
    let (first, second) = (Server::start(), Server::start());
    let config = first.config_path();
    let cli = |arguments: &[&str]| first.cli_ok(arguments);
    let account = first.new_login();
    // A login with an account is for all servers, and stays when a server issues one.
    cli(&["login", "--token", &account.token]);
    assert_eq!(who(&first, &config), account.identity);
    cli(&["login", "--server-issued-login", &second.url()]);
    assert_eq!(who(&first, &config), account.identity);
    let other = who(&second, &config);
    assert_ne!(other, account.identity);
    let shown = cli(&["login", "show"]);
    let expected = format!(
        "You are logged in as {}\nAt {} you are {other}\n",
        account.identity,
        second.url()
    );
    assert_eq!(shown, expected);
    // Without an account the login that the last server issued is the one that is shown.
    cli(&["logout"]);
    cli(&["login", "--server-issued-login", &second.url()]);
    let other = who(&second, &config);
    let shown = cli(&["login", "show"]);
    assert_eq!(shown, format!("You are logged in as {other}\n"));
    cli(&["login", "--server-issued-login", &first.url()]);
    assert_eq!(who(&second, &config), other);
    assert_ne!(who(&first, &config), other);
}

/// It is not even shown there, unless that may be the same server.
#[test]
fn a_login_that_one_server_issued_is_no_hindrance_at_another() {
    let (first, second) = (chat(), Server::start());
    let at = |url: &str| first.cli_ok(&["list", "--server", url]);
    let other = at(&second.url());
    assert!(other.contains("Logged in with identity "), "{other}");
    assert!(other.contains("No databases found"), "{other}");
    first.cli_ok(&["login", "--server-issued-login", &first.url()]);
    let config = first.config_path();
    let me = who(&first, &config);
    let same = at(&first.url().replace("127.0.0.1", "localhost"));
    assert_eq!(same, format!("No databases found for {me}.\n"));
    assert_ne!(who(&second, &config), me);
    let empty = first.cli(&["login", "--token", " "]).output().unwrap();
    assert_eq!(status(&empty), Some(1));
}

/// Whoever reads the results with a program finds nothing else among them.
#[test]
fn a_new_login_is_not_told_among_data() {
    let server = chat();
    for words in [
        &["sql", "chat", "SELECT * FROM message", "--format", "json"][..],
        &["describe", "chat", "--json"],
    ] {
        server.cli_ok(&["logout"]);
        let output = server.cli(words).output().unwrap();
        let data: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(!data.is_null());
        let told = stderr(&output);
        assert!(told.contains("Logged in with identity "), "{told}");
    }
}

#[test]
fn a_login_is_kept_until_the_logout() {
    let server = Server::start();
    let nobody = "You are not logged in. Run `spacetime login` to log in.\n";
    assert_eq!(server.cli_ok(&["login", "show"]), nobody);
    let url = server.url();
    server.cli_ok(&["login", "--server-issued-login", &url]);
    let shown = server.cli_ok(&["login", "show", "--token"]);
    let [me, token] = shown.lines().collect::<Vec<&str>>()[..] else {
        panic!("{shown}");
    };
    let identity = me.strip_prefix("You are logged in as ").unwrap();
    let token = token
        .strip_prefix("Your auth token (don't share this!) is ")
        .unwrap();
    let verify = server.v1(&format!("identity/{identity}/verify"));
    server
        .send(server.http().get(verify).bearer_auth(token))
        .unwrap();
    assert_eq!(
        server.cli_ok(&["list", "--server", &url]),
        format!("No databases found for {identity}.\n")
    );
    assert_eq!(
        server.cli_ok(&["logout"]),
        format!("Logged out (identity {identity}).\n")
    );
    assert_eq!(server.cli_ok(&["login", "show"]), nobody);
    let said = server.cli_ok(&["login", "--token", token]);
    assert_eq!(said, format!("Logged in with identity {identity}\n"));
    assert_eq!(
        server.cli_ok(&["login", "--token", "opaque"]),
        "Token saved.\n"
    );
}

#[test]
fn the_data_of_a_running_server_cannot_be_cleared() {
    let mut server = Server::start();
    let data = server.data_dir().display().to_string();
    let clear = ["server", "clear", "--data-dir", &data, "--yes"];
    assert_eq!(status(&server.cli(&clear).output().unwrap()), Some(1));
    // Nor what no server has made.
    std::fs::write(server.scratch().join("letter.txt"), "dear").unwrap();
    let scratch = server.scratch().display().to_string();
    let other = ["server", "clear", "--data-dir", &scratch, "--yes"];
    assert_eq!(status(&server.cli(&other).output().unwrap()), Some(1));
    assert!(server.scratch().join("letter.txt").is_file());
    assert!(server.terminate().success());
    let declined = server.cli_ok(&clear[..4]);
    assert!(declined.ends_with("Aborting\n"), "{declined}");
    assert!(server.data_dir().is_dir());
    assert!(
        server
            .cli_ok(&clear)
            .ends_with(&format!("Deleted database: {data}\n"))
    );
    assert!(!server.data_dir().exists());
    assert!(
        server
            .cli_ok(&clear)
            .starts_with("Local database not found.")
    );
}

#[test]
fn calls_change_what_queries_show() {
    let server = chat();
    assert_eq!(
        server.cli_ok(&["call", "chat", "send_message", "hello"]),
        ""
    );
    assert_eq!(
        server.cli_ok(&["call", "chat", "send_message", "\"\\u0021\""]),
        ""
    );
    let table = server.cli_ok(&["sql", "chat", "SELECT text FROM message"]);
    assert_eq!(table, " text    \n---------\n \"hello\" \n \"!\"     \n");
    let json = server.cli_ok(&[
        "sql",
        "chat",
        "SELECT text FROM message",
        "--format",
        "json",
    ]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["rows"], json!([["hello"], ["!"]]));

    server.cli_ok(&["call", "chat", "send_message", "who?", "--anonymous"]);
    let senders = server.cli_ok(&["sql", "chat", "SELECT sender FROM message"]);
    let mut senders: Vec<&str> = senders.lines().skip(2).collect();
    senders.sort_unstable();
    senders.dedup();
    assert_eq!(senders.len(), 2, "{senders:?}");

    let refused = |arguments: &[&str]| {
        let output = server.cli(arguments).output().unwrap();
        assert_eq!(status(&output), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        stderr(&output)
    };
    let text = refused(&["call", "chat", "send_message", ""]);
    assert!(
        text.contains("Response text: a message must not be empty"),
        "{text}"
    );
    let text = refused(&["call", "chat", "send_message"]);
    assert!(text.contains("send_message(text: String)"), "{text}");
    let text = refused(&["call", "chat", "sendmessage", "x"]);
    assert!(
        text.contains("No such reducer OR procedure `sendmessage` for database `chat`"),
        "{text}"
    );
    assert!(text.contains("`send_message`"), "{text}");
    let text = refused(&["sql", "chat", "SELECT * FROM nothing"]);
    assert!(text.contains("no such table"), "{text}");
    let text = refused(&["sql", "no-such-db", "SELECT * FROM user"]);
    assert!(
        text.contains("failed to find database `no-such-db`."),
        "{text}"
    );

    let prompt = server
        .cli(&["sql", "chat", "--interactive"])
        .output()
        .unwrap();
    assert_eq!(status(&prompt), Some(0), "the end of the input is the end");
}

#[test]
fn a_subscription_prints_rows_and_then_changes() {
    let server = chat();
    server.cli_ok(&["call", "chat", "send_message", "first"]);
    let query = "SELECT * FROM message";
    let mut subscribe = server.cli(&["subscribe", "chat", query, "-n", "1", "--timeout", "30"]);
    let mut process = subscribe
        .arg("--print-initial-update")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let initial = next();
    assert_eq!(initial["message"]["inserts"][0]["text"], "first");
    assert_eq!(initial["message"]["deletes"], json!([]));
    // The subscription is there: what comes now is a change.
    server.cli_ok(&["call", "chat", "send_message", "second"]);
    let change = next();
    assert_eq!(change["message"]["inserts"][0]["text"], "second");
    assert_eq!(change["message"]["inserts"].as_array().unwrap().len(), 1);
    assert!(process.wait().unwrap().success());

    let timed_out = server.cli(&["subscribe", "chat", query, "-n", "1", "-t", "0"]);
    let output = { timed_out }.output().unwrap();
    assert_eq!(status(&output), Some(1));
    assert!(
        stderr(&output).contains("after receiving 0/1 updates"),
        "{}",
        stderr(&output)
    );
    let refused = server
        .cli(&["subscribe", "chat", "SELECT * FROM nothing"])
        .output()
        .unwrap();
    assert_eq!(status(&refused), Some(1));
    assert!(stderr(&refused).contains("nothing"), "{}", stderr(&refused));
}

/// A view that is a query has the rows of its table, not the query's.
#[test]
fn views_are_described_and_followed_like_tables() {
    let server = chat();
    let views = module_path("views").display().to_string();
    server.cli_ok(&["publish", "views", "--yes", "--bin-path", &views]);
    let described = server.cli_ok(&["describe", "views"]);
    for expected in [
        "view veteran\n    id: u64\n    owner: Identity\n    level: u32\n    name: String\n",
        "table score (private)\n    player: u64 (primary key)\n    points: i64 (index)\n",
        "    id: u64 (primary key, auto increment)\n    owner: Identity (unique)\n",
        "procedure add(a: u32, b: u32) -> u64\n",
    ] {
        assert!(described.contains(expected), "{described}");
    }
    for words in [["view", "veteran"], ["procedure", "add"]] {
        let one = server.cli_ok(&["describe", "views", words[0], words[1]]);
        assert!(one.starts_with(&words.join(" ")), "{one}");
        let json = server.cli_ok(&["describe", "views", words[0], words[1], "--json"]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["source_name"], words[1]);
    }
    let missing = server.cli(&["describe", "views", "view", "score"]).output();
    assert_eq!(status(&missing.unwrap()), Some(1));

    server.cli_ok(&["call", "views", "join", "Ann", "20"]);
    let query = "SELECT * FROM veteran";
    let shown = server.cli_ok(&["subscribe", "views", query, "--print-initial-update", "-n0"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["veteran"]["inserts"][0]["name"], "Ann");
}

#[test]
fn mistakes_are_noticed_before_anything_is_done() {
    let server = chat();
    let chat = module_path("chat").display().to_string();
    let said = |words: &[&str]| {
        let output = server.cli(words).output().unwrap();
        assert_eq!(status(&output), Some(1), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        stderr(&output)
    };
    let name = said(&["publish", "My App", "--bin-path", &chat]);
    assert!(name.contains("like `my-app`"), "{name}");
    let name = said(&["rename", "chat", "--to", "Talk"]);
    assert!(name.contains("like `talk`"), "{name}");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let program = said(&["publish", "x", "--bin-path", manifest]);
    assert!(program.contains("is no WebAssembly program"), "{program}");
    let lifecycle = said(&["call", "chat", "init"]);
    assert!(!lifecycle.contains("Invalid arguments"), "{lifecycle}");
    let taken = server.cli(&["publish", "talk", "-y", "-b", &chat]).output();
    assert_eq!(status(&taken.unwrap()), Some(0));
    let taken = said(&["rename", "chat", "--to", "talk"]);
    assert!(taken.contains("    Cannot rename to talk"), "{taken}");
    // A login of another server, or of this one before it had new keys.
    let other = Server::start().new_login();
    server.cli_ok(&["login", "--token", &other.token]);
    let refused = said(&["sql", "chat", "SELECT * FROM user"]);
    assert!(
        refused.contains("Invalid token: InvalidSignature"),
        "{refused}"
    );
    let way_out = format!("`spacetime login --server-issued-login {}`", server.url());
    assert!(refused.contains(&way_out), "{refused}");
}

#[test]
fn logs_are_shown_and_filtered() {
    let server = chat();
    let logs = server.cli_ok(&["logs", "chat"]);
    assert!(logs.contains("  INFO: "), "{logs}");
    assert!(logs.contains("the chat room is open"), "{logs}");
    let last = server.cli_ok(&["logs", "chat", "-n", "1", "--format", "json"]);
    assert_eq!(last.lines().count(), 1);
    let record: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(record["level"], "Info");
    assert_eq!(server.cli_ok(&["logs", "chat", "--level", "panic"]), "");

    let stranger = server.new_login();
    server.cli_ok(&["login", "--token", &stranger.token]);
    let refused = server.cli(&["logs", "chat"]).output().unwrap();
    assert_eq!(status(&refused), Some(1));
    assert!(
        stderr(&refused).contains("not authorized"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_database_is_described_listed_renamed_locked_and_deleted() {
    let server = chat();
    let described = server.cli_ok(&["describe", "chat"]);
    assert!(
        described.contains("table message\n    sender: Identity\n"),
        "{described}"
    );
    assert!(
        described.contains("reducer set_name(name: String)"),
        "{described}"
    );
    let table = server.cli_ok(&["describe", "chat", "table", "user", "--json"]);
    let table: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(table["primary_key"], json!([0]));
    let missing = server
        .cli(&["describe", "chat", "reducer", "user"])
        .output()
        .unwrap();
    assert!(
        stderr(&missing).contains("no such reducer"),
        "{}",
        stderr(&missing)
    );

    let list = server.cli_ok(&["list"]);
    assert!(list.contains(" chat "), "{list}");
    assert!(
        server
            .cli_ok(&["rename", "chat", "--to", "talk"])
            .starts_with("Name set to talk for")
    );
    let is_locked = "Database talk is now locked. It cannot be deleted until unlocked.\n";
    assert_eq!(server.cli_ok(&["lock", "talk"]), is_locked);
    assert_eq!(
        status(&server.cli(&["delete", "talk", "-y"]).output().unwrap()),
        Some(1)
    );
    assert_eq!(
        server.cli_ok(&["unlock", "talk"]),
        "Database talk is now unlocked.\n"
    );
    assert!(
        server.cli_ok(&["delete", "talk"]).ends_with("Aborting\n"),
        "no answer is a no"
    );
    assert!(server.cli_ok(&["list"]).contains(" talk "));
    server.cli_ok(&["delete", "talk", "--yes"]);
    assert!(server.cli_ok(&["list"]).starts_with("No databases found"));
}

#[test]
fn data_in_the_way_of_a_module_is_deleted_only_if_asked() {
    let server = chat();
    server.cli_ok(&["call", "chat", "send_message", "keep me"]);
    let chat = module_path("chat").display().to_string();
    let other = module_path("transfers").display().to_string();
    let count = || {
        server
            .cli_ok(&["sql", "chat", "SELECT text FROM message"])
            .lines()
            .count()
    };

    let again = server.cli_ok(&["publish", "chat", "-y", "-b", &chat]);
    assert!(
        again.contains("Updated database with name: chat, identity: "),
        "{again}"
    );
    assert_eq!(count(), 3);

    let refused = server
        .cli(&["publish", "chat", "-y", "-b", &other])
        .output()
        .unwrap();
    assert_eq!(status(&refused), Some(1));
    let expected = "Aborting because publishing would require manual migration or deletion of \
                    data and --delete-data was not specified.";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    assert_eq!(count(), 3);

    let declined = server
        .cli(&["publish", "chat", "-c", "-b", &chat])
        .output()
        .unwrap();
    assert_eq!(status(&declined), Some(1));
    assert!(
        stderr(&declined).starts_with("Error: Aborted."),
        "{}",
        stderr(&declined)
    );
    assert_eq!(count(), 3);

    server.cli_ok(&["publish", "chat", "-y", "--delete-data", "-b", &chat]);
    assert_eq!(count(), 2);
    server.cli_ok(&[
        "publish",
        "chat",
        "-y",
        "--delete-data=on-conflict",
        "-b",
        &other,
    ]);
    let gone = server
        .cli(&["sql", "chat", "SELECT text FROM message"])
        .output()
        .unwrap();
    assert_eq!(status(&gone), Some(1));

    // A name belongs to who took it first.
    let stranger = server.new_login();
    server.cli_ok(&["login", "--token", &stranger.token]);
    let theirs = server
        .cli(&["publish", "chat", "-y", "-c", "-b", &chat])
        .output()
        .unwrap();
    assert_eq!(status(&theirs), Some(1));
}

#[test]
fn a_project_names_its_database_and_program() {
    let server = chat();
    let wasm = module_path("chat").display().to_string();
    let text = json!({"database": "room", "server": server.url(), "bin-path": wasm}).to_string();
    std::fs::write(server.scratch().join("spacetime.json"), text).unwrap();
    let said = server.cli_ok(&["publish", "--yes"]);
    assert!(said.contains("Using configuration from "), "{said}");
    assert!(
        said.contains("Publishing precompiled module to database 'room'"),
        "{said}"
    );
    assert!(
        said.contains("Created new database with name: room, identity: "),
        "{said}"
    );
    server.cli_ok(&["call", "send_message", "hi"]);
    let table = server.cli_ok(&["sql", "SELECT text FROM message"]);
    assert!(table.contains("\"hi\""), "{table}");
    assert!(server.cli_ok(&["logs"]).contains("the chat room is open"));
    // With two words the first is any database.
    let other = server.cli_ok(&["sql", "chat", "SELECT text FROM message"]);
    assert!(!other.contains("\"hi\""), "{other}");
}

//! What people and scripts see: the help of every command, error messages, exit statuses, and the
//! shape of results, held against files in the repository.
//!
//! After a change that is meant, write the files anew and look at the difference:
//!
//! ```text
//! SPACETIME_UPDATE_GOLDEN=1 cargo test --test cli_golden
//! ```

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use harness::{Server, binary, module_path};
use serde_json::json;

/// Set to write the files instead of comparing with them.
const UPDATE_VARIABLE: &str = "SPACETIME_UPDATE_GOLDEN";

fn repository(path: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().join(path)
}

/// Compares a text with a file, or writes it.
fn check(path: &str, text: &str) {
    let file = repository(path);
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let different = expected.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = different.unwrap_or_else(|| expected.lines().count().min(text.lines().count()));
    assert!(
        expected == text,
        "{path} differs from line {}:\n- {}\n+ {}\nIf that is meant: {UPDATE_VARIABLE}=1",
        line + 1,
        expected.lines().nth(line).unwrap_or("(nothing)"),
        text.lines().nth(line).unwrap_or("(nothing)"),
    );
}

/// What commands said, one after the other.
struct Transcript {
    text: String,
    /// What differs from run to run, and what stands for it.
    replacements: Vec<(String, &'static str)>,
}

impl Transcript {
    fn new(replacements: Vec<(String, &'static str)>) -> Self {
        Transcript {
            text: String::new(),
            replacements,
        }
    }

    fn run(&mut self, mut command: Command, arguments: &[&str]) -> Output {
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("RUST_BACKTRACE");
        let output = command.output().unwrap();
        let words: Vec<String> = arguments
            .iter()
            .map(
                |word| match word.contains([' ', '"', '*']) || word.is_empty() {
                    true => format!("'{word}'"),
                    false => (*word).to_owned(),
                },
            )
            .collect();
        let typed = self.steady(&words.join(" "));
        self.text.push_str(&format!("$ spacetime {typed}\n"));
        for (stream, bytes) in [("", &output.stdout), ("! ", &output.stderr)] {
            for line in String::from_utf8_lossy(bytes).lines() {
                let line = self.steady(line);
                self.text.push_str(format!("{stream}{line}").trim_end());
                self.text.push('\n');
            }
        }
        let status = output
            .status
            .code()
            .map_or("killed".to_owned(), |code| code.to_string());
        self.text.push_str(&format!("= {status}\n\n"));
        output
    }

    /// The line without what differs from run to run.
    fn steady(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (found, instead) in &self.replacements {
            line = line.replace(found.as_str(), instead);
        }
        // Identities, tokens and times look like nothing else.
        let mut out = String::new();
        for (at, word) in line
            .split_inclusive(|it: char| !it.is_ascii_hexdigit())
            .enumerate()
        {
            let digits = word.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
            let rest = &word[digits.len()..];
            match digits.len() {
                64 => out.push_str("IDENTITY"),
                16 if at > 0 && digits.bytes().all(|it| it.is_ascii_digit()) => {
                    out.push_str("MICROS");
                }
                _ => out.push_str(digits),
            }
            out.push_str(rest);
        }
        out
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    let output = Command::new(binary())
        .args(["man", "--markdown"])
        .env_remove("SPACETIMEDB_DB_NAME")
        .output()
        .unwrap();
    assert!(output.status.success());
    check("docs/cli.md", &String::from_utf8(output.stdout).unwrap());
}

#[test]
fn mistakes_are_told_in_the_same_words_as_ever() {
    let home = tempfile::tempdir().unwrap();
    let work = home.path().join("here");
    std::fs::create_dir_all(&work).unwrap();
    let replacements = vec![(home.path().display().to_string(), "HOME")];
    let mut transcript = Transcript::new(replacements);
    let spacetime = || {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(&work);
        command
    };
    for words in [
        &["nonsense"][..],
        &["publsh"],
        &["energy"],
        &["identity"],
        &["call"],
        &["logs"],
        &["delete"],
        &["sql", "only-one"],
        &["sql", "db", "SELECT 1", "--format", "xml"],
        &["subscribe", "only-one"],
        &["describe"],
        &["publish", "x", "--bin-path", "a.wasm", "--module-path", "b"],
        &["publish", "x", "--delete-data=sometimes"],
        &["publish", "x", "--yes=perhaps"],
        &["logs", "x", "--level-exact"],
        &["login", "show"],
        &["logout"],
        &["list", "--server", "nowhere"],
        &["server", "list"],
        &["server", "set-default", "nowhere"],
        &[
            "server",
            "add",
            "local",
            "--url",
            "http://127.0.0.1:9",
            "--no-fingerprint",
        ],
        &["server", "add", "mine", "--url", "127.0.0.1:9"],
        &[
            "server",
            "add",
            "mine",
            "--url",
            "http://127.0.0.1:9/",
            "--no-fingerprint",
            "-d",
        ],
        &["server", "remove", "nowhere"],
        &["server", "remove", "mine"],
        &["list"],
        &["server", "clear", "--data-dir", "absent"],
        &["build"],
        &["build", "--module-path", "absent"],
        &["init"],
        &["init", "--template"],
        &["init", "app", "--non-interactive"],
        &["init", "app", "--non-interactive", "--template", "basic-r"],
        &["init", "app", "--non-interactive", "--lang", "typescript"],
        &["init", "!", "--non-interactive", "--template", "basic-rs"],
        &["dev"],
        &["top", "--interval", "0", "--server", "local"],
        &["extract-schema", "absent.wasm"],
        &["extract-schema", "absent.js"],
        &["man", "nonsense"],
        &["completions", "nonsense"],
        &["start", "--pg-port", "5432"],
    ] {
        transcript.run(spacetime(), words);
    }
    std::fs::write(
        work.join("spacetime.json"),
        "{ database: 'a', modulepath: 'm' }",
    )
    .unwrap();
    transcript.run(spacetime(), &["publish"]);
    std::fs::write(work.join("spacetime.json"), "{ dev: { start: 'x' } }").unwrap();
    transcript.run(spacetime(), &["publish"]);
    let several = "{ database: 'a', children: [{ database: 'b' }] }";
    std::fs::write(work.join("spacetime.json"), several).unwrap();
    transcript.run(spacetime(), &["call", "f"]);
    transcript.run(spacetime(), &["publish", "c"]);
    transcript.run(spacetime(), &["publish", "--bin-path", "x.wasm"]);
    check("tools/cli/tests/golden/mistakes.txt", &transcript.text);
}

#[test]
fn results_have_the_same_shape_as_ever() {
    let server = Server::start();
    let url = server.url();
    let chat = module_path("chat").display().to_string();
    let mut transcript = Transcript::new(vec![
        (chat.clone(), "chat.wasm"),
        (url.clone(), "URL"),
        (server.config_path().display().to_string(), "CONFIG"),
    ]);
    server.cli_ok(&["server", "add", "here", "--url", &url, "--default"]);
    let spacetime = || server.cli(&[]);
    for words in [
        &["server", "ping", "here"][..],
        &["list"],
        &["publish", "chat", "--bin-path", &chat, "--dry-run"],
        &["publish", "chat", "--bin-path", &chat],
        &["publish", "chat", "--bin-path", &chat, "-c"],
        &["call", "chat", "set_name", "Ann"],
        &["call", "chat", "set_name"],
        &["call", "chat", "set_name", "a", "b"],
        &["call", "chat", "setname", "a"],
        &["call", "chat", "send_message", ""],
        &[
            "call",
            "chat",
            "send_message",
            "--json",
            "[\"one, \\\"two\\\"\"]",
        ],
        &["call", "chat", "send_message", "--json", "{}"],
        &["call", "absent", "f"],
        &["sql", "chat", "SELECT text FROM message"],
        &["sql", "chat", "SELECT text FROM message", "--format", "csv"],
        &["sql", "chat", "SELECT nothing FROM message"],
        &["sql", "chat", "SELECT COUNT(*) AS n FROM user"],
        &["describe", "chat"],
        &["describe", "chat", "table", "message"],
        &["describe", "chat", "table", "absent"],
        &["describe", "chat", "reducer", "set_name", "--json"],
        &["subscribe", "chat", "SELECT text FROM message", "-n", "1"],
        &[
            "subscribe",
            "chat",
            "SELECT * FROM message",
            "--timeout",
            "1",
            "-n",
            "1",
        ],
        &["list"],
        &["rename", "chat", "--to", "talk"],
        &["lock", "talk"],
        &["delete", "talk", "--yes"],
        &["unlock", "talk"],
        &["delete", "talk"],
        &["delete", "talk", "--yes"],
        &["logs", "talk"],
    ] {
        transcript.run(spacetime(), words);
    }
    check("tools/cli/tests/golden/results.txt", &transcript.text);
}

#[test]
fn other_names_of_the_program_work() {
    let folder = tempfile::tempdir().unwrap();
    let standalone = folder.path().join("spacetimedb-standalone");
    std::os::unix::fs::symlink(binary(), &standalone).unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(&standalone).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["version"]).starts_with("Path: "));
    let chat = module_path("chat").display().to_string();
    let text = run(&["extract-schema", &chat]);
    let definition: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sections = definition["V10"]["sections"].as_array().unwrap();
    let tables = sections
        .iter()
        .find_map(|section| section.get("Tables"))
        .unwrap();
    let names: Vec<&str> = tables
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|table| table["source_name"].as_str())
        .collect();
    assert_eq!(names, ["message", "user"]);

    // Bindings can be made of it as well as of the program.
    let file = folder.path().join("chat.json");
    std::fs::write(&file, text).unwrap();
    let bindings = |name: &str, source: &[&str]| {
        let out = folder.path().join(name);
        let mut generate = Command::new(binary());
        generate.args([
            "generate",
            "--no-config",
            "--lang",
            "typescript",
            "--out-dir",
        ]);
        let output = generate.arg(&out).args(source).output().unwrap();
        assert!(output.status.success(), "{source:?}: {output:?}");
        std::fs::read_to_string(out.join("index.ts")).unwrap()
    };
    let definition = file.display().to_string();
    assert_eq!(
        bindings("from-program", &["--bin-path", &chat]),
        bindings("from-definition", &["--module-def", &definition])
    );
}

#[test]
fn a_look_at_a_server_counts_what_happens() {
    let server = Server::start();
    let login = server.new_login();
    server.publish(&login, "chat", &harness::module("chat"));
    let mut top = server
        .cli(&[
            "top",
            "--server",
            &server.url(),
            "--once",
            "--format",
            "json",
            "-i",
            "2",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while matches!(top.try_wait(), Ok(None)) {
        server
            .call(&login, "chat", "send_message", json!(["x"]))
            .unwrap();
    }
    let output = top.wait_with_output().unwrap();
    let activity: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let [chat] = activity["databases"].as_array().unwrap().as_slice() else {
        panic!("{activity}");
    };
    assert_eq!(chat["name"], "chat");
    assert!(
        chat["transactions_per_second"].as_f64().unwrap() > 1.0,
        "{activity}"
    );
    assert!(
        chat["transaction_milliseconds"].as_f64().unwrap() > 0.0,
        "{activity}"
    );
    assert!(
        chat["module_memory_bytes"].as_f64().unwrap() > 0.0,
        "{activity}"
    );
    if cfg!(target_os = "linux") {
        assert!(
            activity["memory_bytes"].as_f64().unwrap() > 1e6,
            "{activity}"
        );
    }
}

#[test]
fn scripts_for_shells_and_manual_pages_are_made() {
    let said = |words: &[&str]| {
        let output = Command::new(binary()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("publish"), "{shell}");
    }
    assert!(said(&["man"]).starts_with(".ie"), "a page for man");
    assert!(said(&["man", "server", "add"]).contains("fingerprint"));
}

#[test]
fn tools_reach_a_database_through_the_bridge() {
    use std::io::Write as _;
    let server = Server::start();
    let login = server.new_login();
    server.publish(&login, "chat", &harness::module("chat"));
    server.cli_ok(&["login", "--token", &login.token]);
    let ask = |words: &[&str], requests: &[serde_json::Value]| {
        let mut command = server.cli(words);
        command
            .args(["--server", &server.url()])
            .env_remove("SPACETIMEDB_DB_NAME");
        let mut bridge = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = bridge.stdin.take().unwrap();
        for request in requests {
            writeln!(stdin, "{request}").unwrap();
        }
        drop(stdin);
        let output = bridge.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let answers = text.lines().map(|line| serde_json::from_str(line).unwrap());
        answers.collect::<Vec<serde_json::Value>>()
    };
    let request = |method: &str, params: serde_json::Value| {
        let mut request = json!({"jsonrpc": "2.0", "id": 7, "method": method});
        request["params"] = params;
        request
    };
    let tool = |name: &str, arguments: serde_json::Value| {
        request("tools/call", json!({"name": name, "arguments": arguments}))
    };
    let text = |answer: &serde_json::Value| {
        let result = &answer["result"];
        let text = result["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (text, result["isError"].as_bool())
    };
    let answers = ask(
        &["mcp", "chat"],
        &[
            request("initialize", json!({})),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            request("tools/list", json!({})),
            tool("call", json!({"reducer": "send_message", "args": ["hi"]})),
            tool("sql", json!({"sql": "SELECT text FROM message"})),
            tool("call", json!({"reducer": "send_message", "args": [""]})),
            tool("get_schema", json!({})),
            tool("nonsense", json!({})),
            request("nonsense", json!({})),
            tool("list_databases", json!({})),
        ],
    );
    assert_eq!(answers.len(), 9, "{answers:?}");
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[1]["result"]["tools"].as_array().unwrap().len(), 4);
    assert_eq!(
        text(&answers[2]),
        ("reducer 'send_message' committed".to_owned(), Some(false))
    );
    assert!(text(&answers[3]).0.contains("[[\"hi\"]]"), "{}", answers[3]);
    assert_eq!(
        text(&answers[4]),
        ("a message must not be empty".to_owned(), Some(true))
    );
    assert!(text(&answers[5]).0.contains("\"tables\""));
    for (answer, code) in [(6, -32602), (7, -32601), (8, -32602)] {
        assert_eq!(
            answers[answer]["error"]["code"], code,
            "{}",
            answers[answer]
        );
    }
    let answers = ask(
        &["mcp"],
        &[
            tool("list_databases", json!({})),
            tool(
                "sql",
                json!({"database": "chat", "sql": "SELECT text FROM message"}),
            ),
            tool("sql", json!({"sql": "SELECT text FROM message"})),
            tool("sql", json!({"database": "absent", "sql": "SELECT 1"})),
            tool("ping", json!({"message": "x"})),
        ],
    );
    assert!(text(&answers[0]).0.contains("\"chat\""), "{}", answers[0]);
    assert!(text(&answers[1]).0.contains("hi"), "{}", answers[1]);
    assert_eq!(answers[2]["error"]["code"], -32602);
    assert_eq!(text(&answers[3]).1, Some(true));
    assert_eq!(text(&answers[4]).0, "pong: x");
}

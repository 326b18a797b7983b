//! `spacetime init` and `spacetime dev` on projects, against a real server.

mod harness;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use harness::{Server, module_path};
use serde_json::{Value, json};

/// How long a line may take to come.
const LINE_TIMEOUT: Duration = Duration::from_secs(120);

/// A `spacetime dev` that runs, and what it prints.
struct Dev {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Dev {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        let err = child.stderr.take().unwrap();
        let second = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                let _ = second.send(format!("! {line}"));
            }
        });
        Dev {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads on until a line has this in it.
    fn wait_for(&mut self, what: &str) -> String {
        loop {
            match self.lines.recv_timeout(LINE_TIMEOUT) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(error) => panic!("no `{what}`: {error}\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Reads on until each of these was in some line, in any order: what is said comes over two
    /// pipes and from two programs. The lines, in the order of the question.
    fn wait_for_all<const N: usize>(&mut self, all: [&str; N]) -> [String; N] {
        let start = self.seen.len();
        loop {
            let new = &self.seen[start..];
            let found = all.map(|what| new.iter().find(|line| line.contains(what)));
            let missing = all.iter().zip(&found).find(|(_, line)| line.is_none());
            match missing.map(|(what, _)| (*what).to_owned()) {
                None => return found.map(|line| line.unwrap().clone()),
                Some(what) => match self.lines.recv_timeout(LINE_TIMEOUT) {
                    Ok(line) => self.seen.push(line),
                    Err(error) => panic!("no `{what}`: {error}\n{}", self.seen.join("\n")),
                },
            }
        }
    }

    /// SIGTERM, and the end.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(
            self.child.wait().unwrap().success(),
            "{}",
            self.seen.join("\n")
        );
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

fn is_running(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("cmdline").exists()
        && !std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
            .unwrap_or_default()
            .contains(") Z ")
}

#[test]
fn a_project_is_published_again_when_its_program_changes() {
    let server = Server::start();
    let folder = server.scratch().join("project");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("module.wasm");
    std::fs::copy(module_path("chat"), &program).unwrap();
    let run = "echo client $$ of $SPACETIMEDB_DB_NAME at $SPACETIMEDB_HOST; sleep 300";
    let config = json!({"server": server.url(), "bin-path": "module.wasm", "dev": {"run": run}});
    write(&folder.join("spacetime.json"), &config);
    let mut command = server.cli(&["dev", "--skip-generate"]);
    command.current_dir(&folder);
    let mut dev = Dev::start(command);
    let named = dev.wait_for("The database is called project-");
    let name = named
        .split_whitespace()
        .find(|word| word.starts_with("project-"))
        .unwrap();
    let started = format!("of {name} at {}", server.url());
    let [client, ..] =
        dev.wait_for_all([&started, "Published successfully!", "the chat room is open"]);
    let pid = client.split_whitespace().nth(1).unwrap().to_owned();
    let local = std::fs::read_to_string(folder.join("spacetime.local.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&local).unwrap(),
        json!({"database": name})
    );

    // A program that cannot be used does not end it, and the next one is taken.
    std::fs::write(&program, "no program").unwrap();
    dev.wait_for_all(["Something changed", "! Error: "]);
    std::fs::copy(module_path("transfers"), &program).unwrap();
    dev.wait_for_all(["Something changed", "Published successfully!"]);
    let described = server.cli_ok(&["describe", name, "--server", &server.url()]);
    assert!(described.contains("table account"), "{described}");

    assert!(
        is_running(&pid),
        "the client goes on over changes of the module"
    );
    dev.stop();
    assert!(!is_running(&pid), "the client ends with the loop");
}

/// Programs that stand for others, found first on the path.
fn stand_in(server: &Server, command: &mut Command, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = server.scratch().join("programs");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let others = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{others}", folder.display()));
}

#[test]
fn what_a_client_needs_is_installed_and_one_that_ended_starts_again() {
    let server = Server::start();
    let folder = server.scratch().join("project");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("module.wasm");
    std::fs::copy(module_path("chat"), &program).unwrap();
    let config = json!({
        "server": server.url(), "bin-path": "module.wasm", "database": "installs",
        "dev": {"run": "npm run dev"},
    });
    write(&folder.join("spacetime.json"), &config);
    write(
        &folder.join("package.json"),
        &json!({"dependencies": {"left": "1"}}),
    );
    let mut command = server.cli(&["dev", "--yes"]);
    command.current_dir(&folder);
    let script = r#"[ "$1" = install ] && mkdir -p node_modules/left; echo "npm did $*""#;
    stand_in(&server, &mut command, "npm", script);
    let mut dev = Dev::start(command);
    dev.wait_for_all([
        "The package left is not installed",
        "npm did install",
        "npm did run dev",
        "The client has ended",
    ]);
    assert!(folder.join("src/module_bindings/index.ts").is_file());
    std::fs::copy(module_path("transfers"), &program).unwrap();
    let [.., again] = dev.wait_for_all(["Something changed", "Writing file", "npm did"]);
    assert!(again.contains("npm did run dev"), "{again}");
    dev.stop();
}

#[test]
fn a_client_that_is_compiled_starts_again_with_new_bindings() {
    let server = Server::start();
    let folder = server.scratch().join("project");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), "[package]").unwrap();
    std::fs::write(folder.join("src/main.rs"), "fn main() {}").unwrap();
    let program = folder.join("module.wasm");
    std::fs::copy(module_path("chat"), &program).unwrap();
    let config = json!({
        "server": server.url(), "bin-path": "module.wasm", "database": "compiled",
        "dev": {"run": "echo run''ning $$; exec sleep 300"},
    });
    write(&folder.join("spacetime.json"), &config);
    let mut command = server.cli(&["dev", "--yes"]);
    command.current_dir(&folder);
    let mut dev = Dev::start(command);
    let first = dev.wait_for("running ");
    let first = first.split_whitespace().nth(1).unwrap().to_owned();
    // The same bindings: it goes on.
    std::fs::copy(module_path("chat"), &program).unwrap();
    dev.wait_for_all(["Something changed", "Generate finished"]);
    std::fs::copy(module_path("transfers"), &program).unwrap();
    let second = dev.wait_for("running ");
    assert!(!second.contains(&first) && !is_running(&first), "{second}");
    dev.stop();
}

#[test]
fn a_server_is_started_for_the_time_of_the_work() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let folder = home.path().join("work");
    std::fs::create_dir(&folder).unwrap();
    let chat = module_path("chat").display().to_string();
    write(
        &folder.join("spacetime.json"),
        &json!({"server": url, "bin-path": chat}),
    );
    let spacetime = |words: &[&str]| {
        let mut command = Command::new(harness::binary());
        command
            .arg("--root-dir")
            .arg(home.path().join("root"))
            .args(words)
            .current_dir(&folder)
            .stdin(Stdio::null());
        command
    };
    let refused = spacetime(&["dev", "--skip-generate"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("No server answers at"), "{text}");

    let mut dev = Dev::start(spacetime(&["dev", "--skip-generate", "--yes"]));
    dev.wait_for("Started a server");
    dev.wait_for("Published successfully!");
    let ping = spacetime(&["server", "ping", &url]).output().unwrap();
    assert!(ping.status.success());
    dev.stop();
    let ping = spacetime(&["server", "ping", &url]).output().unwrap();
    assert!(!ping.status.success(), "the server has ended");
}

#[test]
fn templates_are_listed_and_neighbours_are_named() {
    let server = Server::start();
    let listed = server.cli_ok(&["init", "--template"]);
    for part in [
        "react-ts         TypeScript, React    A page in React",
        "basic-rs         Rust                 A program",
        "modules in JavaScript do not run",
    ] {
        assert!(listed.contains(part), "{listed}");
    }
    for (asked, answer) in [
        ("react", "Did you mean `react-ts` or `chat-react-ts`?"),
        ("astro-ts", "the nearest here is `nextjs-ts`"),
        (
            "cobol",
            "there is no template `cobol`. `spacetime init --template` lists all",
        ),
    ] {
        let words = ["init", "app", "-t", asked, "--non-interactive"];
        let refused = server.cli(&words).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(text.contains(answer), "{text}");
    }
}

#[test]
fn a_project_is_made_and_names_its_server() {
    let server = Server::start();
    let made = server.cli_ok(&[
        "init",
        "My App",
        "-t",
        "react-ts",
        "--local",
        "--non-interactive",
    ]);
    assert!(made.contains("Project created in ./my-app"), "{made}");
    let folder = server.scratch().join("my-app");
    for path in [
        "spacetimedb/src/lib.rs",
        "src/App.tsx",
        "src/module_bindings/index.ts",
        ".gitignore",
        ".env.local",
        "LICENSE",
    ] {
        assert!(folder.join(path).is_file(), "{path}");
    }
    // A repository is a template too.
    let repository = server.scratch().join("repository");
    let git = |words: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@example.com"])
            .args(words)
            .current_dir(&repository)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{words:?}");
    };
    std::fs::rename(&folder, &repository).unwrap();
    std::fs::write(repository.join(".template.json"), "{}").unwrap();
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    let url = format!("file://{}", repository.display());
    server.cli_ok(&["init", "other", "-t", &url, "--non-interactive"]);
    let other = server.scratch().join("other");
    assert!(!other.join(".git").exists() && !other.join(".template.json").exists());
    let package = std::fs::read_to_string(other.join("package.json")).unwrap();
    assert!(package.contains("\"name\": \"other\""), "{package}");
    let config = std::fs::read_to_string(other.join("spacetime.json")).unwrap();
    assert!(
        config.contains("maincloud") && config.contains("npm run dev"),
        "{config}"
    );
}

#[test]
fn a_project_can_use_the_sdks_of_a_checkout() {
    let server = Server::start();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checkout = here.ancestors().nth(2).unwrap().display().to_string();
    let init = |name: &str, template: &str, checkout: &str| {
        let words = ["init", name, "-t", template, "--local", "--non-interactive"];
        let mut command = server.cli(&words);
        command.args(["--sdk-path", checkout]).output().unwrap()
    };
    let read = |path: &str| std::fs::read_to_string(server.scratch().join(path)).unwrap();
    assert!(init("rust", "basic-rs", &checkout).status.success());
    for (manifest, name, package, place) in [
        (
            "rust/Cargo.toml",
            "spacetimedb-sdk",
            "spacetime-client",
            "client",
        ),
        (
            "rust/spacetimedb/Cargo.toml",
            "spacetimedb",
            "spacetime-module",
            "module",
        ),
    ] {
        let text = read(manifest);
        let path = format!("path = \"{checkout}/sdks/rust/{place}\"");
        let line = text.lines().find(|line| line.contains(&path));
        let line = line.unwrap_or_else(|| panic!("{manifest}: {text}"));
        assert!(line.starts_with(&format!("{name} = ")), "{line}");
        assert_eq!(text.matches(&checkout).count(), 1, "{text}");
        assert!(line.contains(&format!("package = \"{package}\"")), "{line}");
    }
    assert!(init("page", "react-ts", &checkout).status.success());
    let package: Value = serde_json::from_str(&read("page/package.json")).unwrap();
    assert_eq!(
        package["dependencies"]["spacetimedb"],
        format!("file:{checkout}/sdks/typescript")
    );
    let elsewhere = server.scratch().display().to_string();
    let refused = init("other", "basic-rs", &elsewhere);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("is not a checkout of this project"), "{text}");
}

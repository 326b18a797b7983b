//! A real server process for end-to-end tests, and the few requests that most of them need.
//!
//! ```ignore
//! mod harness;
//!
//! let mut server = harness::Server::start();
//! let owner = server.new_login();
//! let database = server.publish(&owner, "sink", &harness::module("kitchen_sink"));
//! server.call(&owner, "sink", "add", json!(["a", 1])).unwrap();
//! server.kill();
//! server.restart();
//! assert_eq!(server.rows(&owner, "sink", "SELECT * FROM person"), [json!([1, "a"])]);
//! ```
//!
//! Invariants
//!   * A server listens on loopback, on a port of its own, and keeps it over a restart.
//!   * Its data is in a temporary folder that goes away with the value.
//!   * No server outlives its value.
//!
//! Everything panics with the server's own log on failure: this is for tests only.

#![allow(dead_code, reason = "no test file needs everything")]

pub mod websocket;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a server may take from its start to its first connection.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to write out everything after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one request may take: publishing compiles a module, with a debug build of the compiler.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// What the line with the address starts with.
const LISTENING: &str = "Starting spacetime listening on ";

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_spacetime"))
}

/// The bytes of one of the repository's modules, by its file name without the ending.
pub fn module(name: &str) -> Vec<u8> {
    let path = module_path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where that module is.
pub fn module_path(name: &str) -> PathBuf {
    spacetime_wasm_build::repository_module(name).unwrap_or_else(|error| panic!("{error}"))
}

/// An identity and the token that proves it.
#[derive(Clone, Debug)]
pub struct Login {
    /// 64 hex digits.
    pub identity: String,
    pub token: String,
}

/// An answer that was not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

/// A server process, stopped when dropped.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    folder: TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
    http: Client,
}

impl Server {
    /// A server with an empty data directory.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more arguments for `spacetime start`; a restart gets them too.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments)
    }

    /// A server whose files are in `data` and `config` of a folder that may have them already.
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let http = Client::builder().timeout(REQUEST_TIMEOUT).build().unwrap();
        let mut server = Server {
            child: None,
            folder,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            http,
        };
        server.restart();
        server
    }

    /// Starts the server again, with the same data and on the same port.
    pub fn restart(&mut self) {
        let is_running = self.restart_with(&[]);
        assert!(is_running, "the server did not start\n{}", self.log());
    }

    /// The same with more environment. False if it ended before it listened.
    pub fn restart_with(&mut self, environment: &[(&str, &str)]) -> bool {
        assert!(self.child.is_none(), "the server is running; stop it first");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let mut command = self.start_command();
        command.envs(environment.iter().copied());
        let mut child = command.stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let (found, address) = mpsc::channel();
        // Reads to the end, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix(LISTENING) {
                    let _ = found.send(address.trim().parse::<SocketAddr>());
                }
            }
        });
        match address.recv_timeout(START_TIMEOUT) {
            Ok(Ok(address)) => self.address = address,
            Ok(Err(error)) => panic!("the address that the server prints: {error}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                self.kill();
                return false;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the server did not start\n{}", self.log())
            }
        }
        true
    }

    /// The command that starts this server, for one that is expected to fail.
    pub fn start_command(&self) -> Command {
        self.start_command_at(self.address)
    }

    /// The same, to listen on `address`.
    pub fn start_command_at(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("start")
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--jwt-key-dir")
            .arg(self.folder.path().join("config"))
            .args(["--listen-addr", &address.to_string(), "--non-interactive"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration file that [`Server::cli`] uses.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config/cli.toml")
    }

    /// A folder for whatever a test wants to write; goes away with the server.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server is not running").id()
    }

    /// What the server has written to standard error, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// SIGKILL: nothing is written out. Returns when the process is gone.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server is not running");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Any signal, by name (`STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name} {pid}: {status}");
    }

    /// SIGSTOP, and the wait until every thread stands still: the signal itself returns before.
    pub fn stop(&self) {
        self.signal("STOP");
        let start = Instant::now();
        while !self.is_stopped() {
            assert!(start.elapsed() < STOP_TIMEOUT, "{}", self.log());
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn is_stopped(&self) -> bool {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            // Not Linux: nothing to wait for.
            return true;
        };
        tasks.flatten().all(|task| {
            // A thread that has ended in between does nothing either.
            let Ok(state) = std::fs::read_to_string(task.path().join("stat")) else {
                return true;
            };
            // The name is in parentheses and may hold anything; the state comes behind it.
            let state = state.rsplit_once(") ").expect("stat has a name").1;
            state.starts_with('T')
        })
    }

    /// SIGTERM, and the wait for the clean end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_end(STOP_TIMEOUT)
    }

    /// Waits for a server that ends by itself.
    pub fn wait_for_end(&mut self, timeout: Duration) -> ExitStatus {
        let ended = self.ends_within(timeout);
        ended.unwrap_or_else(|| panic!("the server did not end within {timeout:?}\n{}", self.log()))
    }

    /// The same for one that may go on; then it does.
    pub fn ends_within(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < timeout {
            let child = self.child.as_mut().expect("the server is not running");
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return Some(status);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        None
    }

    /// `spacetime ...` with a configuration of this server's own.
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("--config-path")
            .arg(self.config_path())
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// The same, run to a success; returns what it printed.
    pub fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{stdout}{stderr}",
            output.status
        );
        stdout
    }

    /// A fresh identity, from `POST /v1/identity`.
    pub fn new_login(&self) -> Login {
        let answer = self.send(self.http.post(self.v1("identity"))).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        Login {
            identity: answer["identity"].as_str().unwrap().to_owned(),
            token: answer["token"].as_str().unwrap().to_owned(),
        }
    }

    /// Creates or updates a database, and returns its identity.
    pub fn publish(&self, login: &Login, database: &str, program: &[u8]) -> String {
        self.try_publish(login, database, "", program)
            .unwrap_or_else(|refusal| panic!("publish: {refusal:?}\n{}", self.log()))
    }

    /// The same, with a query string (`clear=true`), where it may fail.
    pub fn try_publish(
        &self,
        login: &Login,
        database: &str,
        query: &str,
        program: &[u8],
    ) -> Result<String, Refusal> {
        let url = format!("{}?{query}", self.v1(&format!("database/{database}")));
        let request = self
            .http
            .put(url)
            .bearer_auth(&login.token)
            .body(program.to_vec());
        let answer: Value = serde_json::from_str(&self.send(request)?).unwrap();
        Ok(answer["Success"]["database_identity"]
            .as_str()
            .unwrap()
            .to_owned())
    }

    /// Updates a database although clients may break: asks for the plan, and publishes with its
    /// token. The reason, if there is no plan, comes as a refusal.
    pub fn try_update(
        &self,
        login: &Login,
        database: &str,
        program: &[u8],
    ) -> Result<String, Refusal> {
        let request = self
            .http
            .post(self.v1(&format!("database/{database}/pre_publish")))
            .bearer_auth(&login.token)
            .body(program.to_vec());
        let answer: Value = serde_json::from_str(&self.send(request)?).unwrap();
        let Some(token) = answer["AutoMigrate"]["token"].as_str() else {
            let text = answer["ManualMigrate"]["reason"]
                .as_str()
                .unwrap()
                .to_owned();
            return Err(Refusal { status: 400, text });
        };
        let query = format!("policy=BreakClients&token={token}");
        self.try_publish(login, database, &query, program)
    }

    /// Calls a reducer or a procedure with the arguments in order; a procedure's value comes back.
    pub fn call(
        &self,
        login: &Login,
        database: &str,
        function: &str,
        arguments: impl Into<Value>,
    ) -> Result<Value, Refusal> {
        let arguments: Value = arguments.into();
        let request = self
            .http
            .post(self.v1(&format!("database/{database}/call/{function}")))
            .bearer_auth(&login.token)
            .header("content-type", "application/json")
            .body(arguments.to_string());
        let answer = self.send(request)?;
        Ok(serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// The results of SQL text, one for each statement, as the server writes them. Waits until
    /// what they show is durable.
    pub fn sql(&self, login: &Login, database: &str, text: &str) -> Result<Vec<Value>, Refusal> {
        let request = self
            .http
            .post(self.v1(&format!("database/{database}/sql")))
            .bearer_auth(&login.token)
            .body(text.to_owned());
        let answer = self.send(request)?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// The rows of one query, each an array.
    pub fn rows(&self, login: &Login, database: &str, query: &str) -> Vec<Value> {
        let results = self
            .sql(login, database, query)
            .unwrap_or_else(|refusal| panic!("{query}: {refusal:?}"));
        assert_eq!(results.len(), 1, "{query}: {}", json!(results));
        results[0]["rows"].as_array().unwrap().clone()
    }

    /// A client of the server's routes, for what is not here; see [`Server::v1`].
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The address of a route: `v1("ping")`.
    pub fn v1(&self, route: &str) -> String {
        format!("{}/v1/{route}", self.url())
    }

    /// Sends, and gives the body of a success.
    pub fn send(&self, request: RequestBuilder) -> Result<String, Refusal> {
        let answer = request
            .send()
            .unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.log()));
        let status = answer.status();
        let text = answer.text().unwrap();
        if status.is_success() {
            Ok(text)
        } else {
            Err(Refusal {
                status: status.as_u16(),
                text,
            })
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may end by itself in between; either way it is gone after the wait.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! A server process for the tests, and the few requests that they need.
//!
//! Invariant: the process ends with the last test that uses it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const LISTENING: &str = "Starting spacetime listening on ";

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: String,
    folder: PathBuf,
    token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn binary() -> Option<PathBuf> {
    if let Some(binary) = std::env::var_os("SPACETIME_BIN") {
        return Some(binary.into());
    }
    // The tests are in `deps`, beside which the workspace's binaries are.
    let tests = std::env::current_exe().ok()?;
    let binary = tests.parent()?.parent()?.join("spacetime");
    binary.exists().then_some(binary)
}

/// The server that all tests of this process share. `None`, loudly, if there is no binary.
pub fn server() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(own_server()?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// A server for one test alone. `None`, loudly, if there is no binary.
pub fn own_server() -> Option<Server> {
    let binary = binary();
    if binary.is_none() {
        eprintln!("SKIPPED: no server; build the workspace or set SPACETIME_BIN");
    }
    binary.map(|binary| Server::start(&binary))
}

/// The token of somebody whom another server knows.
#[allow(dead_code, reason = "not every test asks")]
pub fn foreign_token() -> Option<String> {
    Some(Server::start(&binary()?).token.clone())
}

/// A server process on the files in `folder`, and where it listens.
fn launch(binary: &std::path::Path, folder: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(binary)
        .args(["start", "--non-interactive", "--listen-addr", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--jwt-key-dir")
        .arg(folder.join("keys"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("the server ended").unwrap();
        if let Some(address) = line.strip_prefix(LISTENING) {
            break address.trim().to_owned();
        }
    };
    // Read on, so that the server never waits for a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

impl Server {
    fn start(binary: &std::path::Path) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("client-e2e-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let (child, address) = launch(binary, &folder);
        let mut server = Server {
            child,
            address,
            folder,
            token: String::new(),
        };
        let login = server.request("POST", "/v1/identity", &[]);
        let token = login.split("\"token\":\"").nth(1).unwrap();
        server.token = token.split('"').next().unwrap().to_owned();
        server
    }

    /// Kills the process without a warning, and starts another on its files, at another address.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.address) = launch(&binary().unwrap(), &self.folder);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whom the databases belong to.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Makes a database of one of the repository's modules.
    pub fn publish(&self, database: &str, module: &str) {
        let path = spacetime_wasm_build::repository_module(module).unwrap();
        let program = std::fs::read(path).unwrap();
        let answer = self.request("PUT", &format!("/v1/database/{database}"), &program);
        assert!(answer.contains("Success"), "{answer}");
    }

    /// The identity of a database, as the answer to a question about it tells.
    #[allow(dead_code, reason = "the scenarios share this file")]
    pub fn identity(&self, database: &str) -> String {
        let answer = self.request("GET", &format!("/v1/database/{database}/identity"), &[]);
        let body = answer.rsplit("\r\n").next().unwrap_or_default();
        body.trim().to_owned()
    }

    /// The rows of a query, as the server says them.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn sql(&self, database: &str, query: &str) -> String {
        let path = format!("/v1/database/{database}/sql");
        body(&self.request("POST", &path, query.as_bytes()))
    }

    /// Calls a reducer, and waits for its end. Whether it went well.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn call(&self, database: &str, reducer: &str, args: &str) -> bool {
        let path = format!("/v1/database/{database}/call/{reducer}");
        let answer = self.request("POST", &path, args.as_bytes());
        answer.starts_with("HTTP/1.1 200")
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let login = match &*self.token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let kind = match path.contains("/call/") {
            true => "application/json",
            false => "application/octet-stream",
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{login}\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn body(answer: &str) -> String {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let start = answer.find("\r\n\r\n").unwrap() + 4;
    answer[start..].to_owned()
}

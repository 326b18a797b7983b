//! Encrypted connections: the server with a certificate of its own, used by the command line.

mod harness;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use harness::{Server, binary, module_path};

const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate or key of the Rust client's tests: `server` at 127.0.0.1 is vouched for by
/// `authority`, and `other` at the same address by itself.
fn test_file(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../../sdks/conformance/tests/client/tls")
        .join(name)
}

/// A server whose certificate is in files that tests may change, and the folder of the files.
fn encrypted_server() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let place = |from: &str, to: &str| {
        let path = folder.path().join(to);
        std::fs::copy(test_file(from), &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificate = place("server.pem", "cert.pem");
    let key = place("server.key", "key.pem");
    let server = Server::start_with(&["--tls-cert", &certificate, "--tls-key", &key]);
    (server, folder)
}

fn url(server: &Server) -> String {
    format!("https://{}", server.address())
}

/// A command of somebody who trusts the authority in a file.
fn command(server: &Server, trusted: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("--config-path")
        .arg(server.config_path())
        .args(arguments)
        .env("SSL_CERT_FILE", trusted)
        .stdin(Stdio::null());
    command
}

fn run(server: &Server, trusted: &str, arguments: &[&str]) -> Output {
    command(server, &test_file(trusted), arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_database_is_used_over_encrypted_connections() {
    let (mut server, _folder) = encrypted_server();
    let url = url(&server);
    let wasm = module_path("chat");
    let publish = ["publish", "-s", &url, "--yes", "--no-config", "-b"];
    let publish = [&publish[..], &[wasm.to_str().unwrap(), "chat"]].concat();
    stdout(&run(&server, "authority.pem", &publish));

    let mut listening = command(&server, &test_file("authority.pem"), &[]);
    let query = "SELECT * FROM message";
    let listen = ["subscribe", "-s", &url, "--no-config", "-n", "1"];
    let mut listening = listening
        .args(listen)
        .args(["--print-initial-update", "chat", query])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = listening.stdout.take().unwrap();
    // The first rows are there: from here on changes are told.
    let mut first = [0];
    said.read_exact(&mut first).unwrap();
    let call = ["call", "-s", &url, "--no-config", "chat", "send_message"];
    let call = [&call[..], &["behind a lock"]].concat();
    // Whoever has not connected is nobody to this module; the connection of the call is enough.
    stdout(&run(&server, "authority.pem", &call));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(listening.wait().unwrap().success());
    assert!(rest.contains("behind a lock"), "{rest}");

    // Nobody vouches for the server.
    let ping = ["sql", "-s", &url, "--no-config", "chat", query];
    let refused = run(&server, "other.pem", &ping);
    assert!(!refused.status.success(), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(told.contains("certificate"), "{told}");

    assert!(server.terminate().success(), "{}", server.log());
}

#[test]
fn a_new_certificate_is_used_at_once_and_connections_stay() {
    let (server, folder) = encrypted_server();
    let url = url(&server);
    let ping = ["server", "ping", &url];
    stdout(&run(&server, "authority.pem", &ping));
    for (from, to) in [("other.pem", "cert.pem"), ("other.key", "key.pem")] {
        std::fs::copy(test_file(from), folder.path().join(to)).unwrap();
    }
    server.signal("HUP");
    let started = Instant::now();
    while !run(&server, "other.pem", &ping).status.success() {
        assert!(started.elapsed() < PATIENCE, "{}", server.log());
    }
    assert!(!run(&server, "authority.pem", &ping).status.success());
}

#[test]
fn the_file_of_authorities_matters_to_encrypted_connections_only() {
    let server = Server::start();
    let ping = ["server", "ping", &server.url()];
    stdout(&run(&server, "there is no such file", &ping));
    let ping = ["server", "ping", &url(&server)];
    let refused = run(&server, "there is no such file", &ping);
    assert!(!refused.status.success(), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("SSL_CERT_FILE"), "{told}");
}

#[test]
fn why_there_is_no_encrypted_connection_is_told() {
    let refused = |server: &Server| {
        let output = run(server, "other.pem", &["list", "--server", &url(server)]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = refused(&Server::start());
    assert!(told.contains("does not encrypt"), "{told}");
    let (server, _folder) = encrypted_server();
    let told = refused(&server);
    assert!(told.contains("nobody known vouches"), "{told}");
    assert!(told.contains("SSL_CERT_FILE"), "{told}");
}

#[test]
fn who_does_not_encrypt_is_told() {
    let (server, _folder) = encrypted_server();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /v1/ping HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
}

#[test]
fn a_handshake_that_never_ends_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let config = format!(
        "[tls]\ncertificate-path = {:?}\nkey-path = {:?}\n[limits]\nheader-timeout = \"200ms\"\n",
        test_file("server.pem"),
        test_file("server.key")
    );
    std::fs::write(folder.path().join("data/config.toml"), config).unwrap();
    let server = Server::start_in(folder, &[]);
    // Nothing at all, and the beginning of a handshake.
    for sent in [&[][..], &[22, 3, 1]] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty(), "{answer:?}");
    }
}

#[test]
fn a_server_whose_certificate_cannot_be_used_does_not_start() {
    let server = Server::start();
    let (certificate, key) = (test_file("server.pem"), test_file("other.key"));
    let output = Command::new(binary())
        .args(["start", "--listen-addr", "127.0.0.1:0", "--data-dir"])
        .arg(server.scratch().join("elsewhere"))
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    for part in ["cannot be encrypted", "server.pem", "other.key"] {
        assert!(told.contains(part), "{told}");
    }
}

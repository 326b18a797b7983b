use std::net::SocketAddr;

use spacetime_host::HostConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::KeyPair;

/// A server without databases on a free port.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), std::io::Error>>,
    host: Arc<Host>,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let config = HostConfig::new(folder.path().join("data"));
        let host = Host::open(config).await.expect("an empty host");
        let authority = Authority::new(&KeyPair::generate(), &[]).expect("an authority");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move {
            let _ = stopped.await;
        };
        let config = ApiConfig {
            body_bytes_max: 1000,
            ..ApiConfig::default()
        };
        let task = tokio::spawn(serve(Arc::clone(&host), authority, config, listener, until));
        Server {
            address,
            stop,
            task,
            host,
            _folder: folder,
        }
    }

    /// Sends one request on a connection of its own.
    async fn ask(&self, request_line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{request_line} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !headers.iter().any(|(name, _)| *name == "connection") {
            text.push_str("connection: close\r\n");
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        stream.write_all(text.as_bytes()).await.expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        Answer::parse(&String::from_utf8_lossy(&answer))
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    async fn end(self) {
        self.stop.send(()).expect("the server is running");
        self.task.await.expect("no panic").expect("a clean end");
        self.host.shutdown().await;
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let (head, body) = (head.to_ascii_lowercase(), body.to_owned());
        Answer {
            status: status.expect("a status"),
            head,
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    fn is(&self, status: u16, body: &str) {
        assert_eq!(
            (self.status, self.body.as_str()),
            (status, body),
            "{}",
            self.head
        );
    }
}

#[tokio::test]
async fn the_server_tells_about_itself() {
    let server = Server::start().await;
    server.get("/v1/ping").await.is(200, "");
    let health = server.get("/v1/health").await;
    assert_eq!(health.json()["schedulable"], true);
    assert_eq!(server.get("/v1/nothing").await.status, 404);
    assert_eq!(server.ask("DELETE /v1/ping", &[], "").await.status, 405);
    let energy = server.get("/v1/energy/c200").await;
    energy.is(200, r#"{"balance":"0"}"#);
    server.end().await;
}

#[tokio::test]
async fn identities_are_made_verified_and_exchanged() {
    let server = Server::start().await;
    let made = server.ask("POST /v1/identity", &[], "").await.json();
    let (identity, token) = (made["identity"].as_str(), made["token"].as_str());
    let (identity, token) = (identity.expect("an identity"), token.expect("a token"));
    let bearer = format!("Bearer {token}");
    let auth = [("authorization", bearer.as_str())];

    let verify = format!("GET /v1/identity/{identity}/verify");
    assert_eq!(server.ask(&verify, &auth, "").await.status, 204);
    server
        .ask(&verify, &[], "")
        .await
        .is(401, "Authorization required");
    let other = format!("GET /v1/identity/{}/verify", "0".repeat(64));
    server.ask(&other, &auth, "").await.is(400, "");
    // A token in the query is as good, but the header wins.
    assert_eq!(
        server
            .ask(&format!("{verify}?token={token}"), &[], "")
            .await
            .status,
        204
    );
    let bad_query = server
        .ask(&format!("{verify}?token=nonsense"), &[], "")
        .await;
    assert_eq!(bad_query.status, 401);
    assert_eq!(
        server
            .ask(&format!("{verify}?token=nonsense"), &auth, "")
            .await
            .status,
        204
    );

    let exchange = "POST /v1/identity/websocket-token";
    server
        .ask(exchange, &[], "")
        .await
        .is(401, "Authorization required");
    let short = server.ask(exchange, &auth, "").await.json();
    let short = short["token"].as_str().expect("a token");
    assert_ne!(short, token);
    assert_eq!(
        server
            .ask(&format!("{verify}?token={short}"), &[], "")
            .await
            .status,
        204
    );

    let databases = server
        .get(&format!("/v1/identity/{identity}/databases"))
        .await;
    databases.is(200, r#"{"identities":[]}"#);
    let key = server.get("/v1/identity/public-key").await;
    assert_eq!(
        key.header("content-type"),
        Some("application/pem-certificate-chain")
    );
    assert!(
        key.body.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{}",
        key.body
    );
    server.end().await;
}

#[tokio::test]
async fn malformed_credentials_are_told_from_invalid_ones() {
    let server = Server::start().await;
    let ask = async |value| {
        server
            .ask("GET /v1/ping", &[("authorization", value)], "")
            .await
    };
    ask("Basic dTpw")
        .await
        .is(400, "Authorization is invalid: malformed token");
    assert_eq!(ask("Bearer nonsense").await.status, 401);
    server.end().await;
}

#[tokio::test]
async fn database_routes_tell_callers_who_they_are_even_in_errors() {
    let server = Server::start().await;
    let missing = server.get("/v1/database/foo/identity").await;
    missing.is(404, "`foo` not found");
    let identity = missing.header("spacetime-identity").expect("an identity");
    assert_eq!(identity.len(), 64);
    assert!(missing.header("spacetime-identity-token").is_some());
    assert_eq!(missing.header("access-control-allow-origin"), Some("*"));

    let made = server.ask("POST /v1/identity", &[], "").await.json();
    let bearer = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let auth = [("authorization", bearer.as_str())];
    let known = server.ask("GET /v1/database/foo", &auth, "").await;
    assert_eq!(
        known.header("spacetime-identity"),
        made["identity"].as_str()
    );
    server.end().await;
}

#[tokio::test]
async fn databases_are_looked_up_by_name_and_identity() {
    let server = Server::start().await;
    let identity = "c200c7974d91242679d4221dfcb519457d4b91f73fa0ab4db466b355a5a19208";
    server
        .get("/v1/database/Foo")
        .await
        .is(400, "invalid characters in database name");
    server
        .get(&format!("/v1/database/{identity}"))
        .await
        .is(404, "No such database.");
    server
        .get(&format!("/v1/database/{identity}/identity"))
        .await
        .is(200, identity);
    server
        .get(&format!("/v1/database/{identity}/names"))
        .await
        .is(200, r#"{"names":[]}"#);
    let deleted = server
        .ask(&format!("DELETE /v1/database/{identity}"), &[], "")
        .await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    let added = server
        .ask(&format!("POST /v1/database/{identity}/names"), &[], "foo")
        .await;
    added.is(400, r#"{"TldNotRegistered":{"domain":"foo"}}"#);
    server.end().await;
}

#[tokio::test]
async fn calls_need_their_content_type_and_bodies_are_bounded() {
    let server = Server::start().await;
    let call = "POST /v1/database/foo/call/add";
    assert_eq!(server.ask(call, &[], "[]").await.status, 400);
    let with_charset = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(server.ask(call, &with_charset, "[]").await.status, 415);
    let json = [("content-type", "application/json")];
    server
        .ask(call, &json, "[]")
        .await
        .is(404, "`foo` not found");
    assert_eq!(server.ask(call, &json, &"x".repeat(1001)).await.status, 413);
    assert_eq!(
        server
            .ask("POST /v1/database/foo/sql", &[], &"x".repeat(1001))
            .await
            .status,
        413
    );
    server.end().await;
}

#[tokio::test]
async fn bad_parameters_are_refused_before_anything_is_published() {
    let server = Server::start().await;
    for (query, text) in [
        ("num_replicas=256", "Replication factor 256 out of bounds"),
        ("host_type=Js", "JavaScript modules are not supported"),
        (
            "policy=BreakClients",
            "Migration policy is set to `BreakClients`, but no migration token was provided.",
        ),
    ] {
        server
            .ask(&format!("PUT /v1/database/foo?{query}"), &[], "")
            .await
            .is(400, text);
    }
    assert_eq!(
        server
            .ask("PUT /v1/database/foo?clear=yes", &[], "")
            .await
            .status,
        400
    );
    let cleared = server.ask("POST /v1/database?clear=true", &[], "").await;
    cleared.is(400, "Clear database requires database name or identity");
    server
        .get("/v1/database/foo")
        .await
        .is(404, "`foo` not found");
    server.end().await;
}

#[tokio::test]
async fn browsers_may_ask_first() {
    let server = Server::start().await;
    let headers = [
        ("origin", "https://example.com"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = server
        .ask("OPTIONS /v1/database/foo/call/add", &headers, "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("*"));
    let allowed = answer
        .header("access-control-allow-headers")
        .expect("allowed headers");
    assert!(allowed.contains("authorization"), "{allowed}");
    server.end().await;
}

const UPGRADE: [(&str, &str); 4] = [
    // Without "close" a refused request leaves the connection open for the next one.
    ("connection", "upgrade, close"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[tokio::test]
async fn websocket_requests_are_checked_in_order() {
    let server = Server::start().await;
    let path = "GET /v1/database/foo/subscribe";
    assert_eq!(server.ask(path, &[], "").await.status, 426);
    assert_eq!(
        server
            .ask(&path.replace("GET", "POST"), &UPGRADE, "")
            .await
            .status,
        405
    );
    let zero = format!("{path}?connection_id={}", "0".repeat(32));
    server.ask(&zero, &UPGRADE, "").await.is(
        400,
        "Invalid connection ID: the all-zeros ConnectionId is reserved.",
    );
    let ask = async |query: &str| server.ask(&format!("{path}?{query}"), &UPGRADE, "").await;
    assert_eq!(ask("compression=gzip").await.status, 400);
    assert_eq!(ask("confirmed=1").await.status, 400);
    assert_eq!(ask("connection_id=12").await.status, 400);
    ask("compression=Gzip&confirmed=true&light=false")
        .await
        .is(404, "`foo` not found");
    server.end().await;
}

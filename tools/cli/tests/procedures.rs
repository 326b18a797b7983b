//! Procedures, the HTTP requests that they send, the handlers of a module's own routes, and
//! schedules that call procedures, on the real server.

mod harness;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use harness::websocket::v2::{Client, Event};
use harness::{Login, Server, module};
use reqwest::Method;
use serde_json::{Value, json};
use spacetime_types::bsatn;

/// Procedures compute for a second at most and transactions for half of one; modules may reach
/// this machine.
const CONFIG: &str = "[module-http]\nallow-private-addresses = true\n\
                      [wasm]\nprocedure-time-limit = \"1s\"\nprocedure-instance-pool-size = 8\n";

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

struct Database {
    server: Arc<Server>,
    owner: Login,
    name: &'static str,
}

impl Database {
    fn publish(name: &'static str) -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("data")).unwrap();
            std::fs::write(folder.path().join("data/config.toml"), CONFIG).unwrap();
            let server = Server::start_in(folder, &["--call-time-limit", "0.5"]);
            let server = Arc::new(server);
            *shared = Arc::downgrade(&server);
            server
        });
        let owner = server.new_login();
        server.publish(&owner, name, &module("procedures"));
        Database {
            server,
            owner,
            name,
        }
    }

    fn call(&self, function: &str, arguments: Value) -> Result<Value, (u16, String)> {
        let result = self
            .server
            .call(&self.owner, self.name, function, arguments);
        result.map_err(|refusal| (refusal.status, refusal.text))
    }

    /// The entries in the order in which they were made.
    fn entries(&self) -> Vec<String> {
        let rows = self
            .server
            .rows(&self.owner, self.name, "SELECT id, text FROM entry");
        let mut rows: Vec<(u64, String)> = rows
            .iter()
            .map(|row| {
                (
                    row[0].as_u64().unwrap(),
                    row[1].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        rows.sort();
        rows.into_iter().map(|(_, text)| text).collect()
    }

    fn wait_for_entries(&self, count: usize) -> Vec<String> {
        let started = Instant::now();
        loop {
            let entries = self.entries();
            if entries.len() >= count || started.elapsed() > Duration::from_secs(60) {
                return entries;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        let url = self
            .server
            .v1(&format!("database/{}/logs?num_lines=200", self.name));
        let request = self.server.http().get(url).bearer_auth(&self.owner.token);
        self.server.send(request).unwrap()
    }
}

#[test]
fn values_come_back_and_bad_calls_are_refused() {
    let database = Database::publish("values");
    assert_eq!(database.call("add", json!([1, 2])), Ok(json!(3)));
    let described = database.call("describe", json!(["ab", {"some": 7}]));
    assert_eq!(described, Ok(json!(["ab", [97, 98], [0, 7]])));
    let described = database.call("describe", json!(["", {"none": []}]));
    assert_eq!(described, Ok(json!(["", [], [1, []]])));
    let (status, text) = database.call("add", json!([1, "x"])).unwrap_err();
    assert_eq!(status, 400);
    assert!(
        text.starts_with("invalid arguments for procedure add"),
        "{text}"
    );
    let missing = database.call("subtract", json!([1, 2])).unwrap_err();
    assert_eq!(missing, (404, "No such procedure".to_owned()));
    // What a schedule calls is the database's own, and its owner's.
    let stranger = database.server.new_login();
    let errand = json!([[1, [1, [0]], "x", 0]]);
    let refused = database
        .server
        .call(&stranger, database.name, "run_errand", errand)
        .unwrap_err();
    assert_eq!((refused.status, &*refused.text), (404, "No such procedure"));
    assert!(!database.log().contains("nonexistent procedure \\\"add\\\""));
}

#[test]
fn transactions_commit_one_by_one_and_are_pushed_before_the_answer() {
    let database = Database::publish("transactions");
    let mut client = Client::of(&database.server, database.name, &database.owner);
    client.subscribe(1, &["SELECT * FROM entry"]).unwrap();
    let sent = client.start_procedure("write_twice", &bsatn::to_vec("x"));
    for id in [1u64, 2] {
        let changes = client.next_update();
        assert_eq!(changes.len(), 1);
        let row = bsatn::to_vec(&(id, format!("x {id}")));
        assert_eq!(changes[0].inserts, [row]);
    }
    let answer = Event::Procedure {
        request: sent,
        result: Ok(bsatn::to_vec(&2u64)),
    };
    assert_eq!(client.next(), answer);

    let sent = client.start_procedure("change_ones_mind", &[]);
    let result = Ok(bsatn::to_vec(&Some("undone".to_owned())));
    let answer = Event::Procedure {
        request: sent,
        result,
    };
    assert_eq!(client.next(), answer);
    assert_eq!(database.entries(), ["x 1", "x 2"]);

    let sent = client.start_procedure("nothing", &[]);
    let answer = Event::Procedure {
        request: sent,
        result: Err("No such procedure".to_owned()),
    };
    assert_eq!(client.next(), answer);
}

#[test]
fn a_broken_procedure_keeps_what_it_committed_and_no_more() {
    let database = Database::publish("broken");
    let (status, text) = database.call("stumble", json!([])).unwrap_err();
    assert_eq!(status, 500);
    assert_eq!(text, "The instance encountered a fatal error.");
    assert_eq!(database.entries(), ["before the fall"]);
    let log = database.log();
    assert!(log.contains("stumbled"), "{log}");
    assert!(
        log.contains("aborting dangling anonymous transaction in procedure stumble"),
        "{log}"
    );
    assert_eq!(database.call("add", json!([1, 2])), Ok(json!(3)));
    assert_eq!(database.call("write", json!(["after"])), Ok(Value::Null));
}

#[test]
fn an_endless_procedure_is_stopped_and_holds_nobody_up_for_long() {
    let database = Database::publish("endless");
    std::thread::scope(|scope| {
        let spinning = scope.spawn(|| database.call("spin", json!([false])));
        // Reducers run beside it.
        for round in 0..5 {
            let written = database.call("write", json!([round.to_string()]));
            assert_eq!(written, Ok(Value::Null));
        }
        let (status, text) = spinning.join().unwrap().unwrap_err();
        assert_eq!(status, 402, "{text}");
    });
    // One that keeps the rows is stopped too, and its transaction is undone.
    let (status, text) = database.call("spin", json!([true])).unwrap_err();
    assert_eq!(status, 402, "{text}");
    assert_eq!(database.call("write", json!(["last"])), Ok(Value::Null));
    assert_eq!(database.entries().len(), 6);
}

#[test]
fn naps_run_side_by_side_and_do_not_count_as_computing() {
    let database = Database::publish("naps");
    let started = Instant::now();
    std::thread::scope(|scope| {
        let naps: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| database.call("nap", json!([1500]))))
            .collect();
        for nap in naps {
            assert_eq!(nap.join().unwrap(), Ok(json!(true)));
        }
    });
    let took = started.elapsed();
    // One after the other would be nine seconds.
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert_eq!(database.call("nap", json!([0])), Ok(json!(true)));
}

#[test]
fn a_procedure_knows_its_caller() {
    let database = Database::publish("callers");
    let who = database.call("who", json!([])).unwrap();
    let identity = &database.owner.identity;
    assert_eq!(who[0].as_str(), Some(&**identity));
    assert_eq!(who[1].as_str(), Some(&**identity));
    assert!(
        who[2].as_str().is_some_and(|subject| subject.len() > 10),
        "{who}"
    );
}

/// A web server for one request: answers with `answer` and returns what came in.
fn answer_once(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        read_request(stream, answer)
    });
    (address, serving)
}

fn read_request(mut stream: TcpStream, answer: &str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut text = String::new();
    let mut body_len = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(len) = line.to_lowercase().strip_prefix("content-length:") {
            body_len = len.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; body_len];
    reader.read_exact(&mut body).unwrap();
    text.push_str(&String::from_utf8(body).unwrap());
    stream.write_all(answer.as_bytes()).unwrap();
    text
}

#[test]
fn procedures_send_requests() {
    let database = Database::publish("outbound");
    let (address, serving) =
        answer_once("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlost");
    let fetched = database.call("fetch", json!([format!("http://{address}/a?b=1")]));
    assert_eq!(fetched, Ok(json!("404 lost")));
    assert!(
        serving
            .join()
            .unwrap()
            .starts_with("GET /a?b=1 HTTP/1.1\r\n")
    );

    let (address, serving) = answer_once(
        "HTTP/1.1 200 OK\r\nx-answer: because\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
    );
    let posted = database.call("post", json!([format!("http://{address}/"), "text"]));
    assert_eq!(posted, Ok(json!(["because", "ok"])));
    let request = serving.join().unwrap();
    assert!(request.contains("x-question: why\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ntext"), "{request}");

    let refused = database.call("fetch", json!(["http://127.0.0.1:1/?key=secret"]));
    let refused = refused.unwrap();
    let refused = refused.as_str().unwrap();
    assert!(refused.starts_with("error: "), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

#[test]
fn the_inside_of_the_network_is_closed_unless_it_is_opened() {
    let server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "guarded", &module("procedures"));
    for uri in [
        format!("{}/v1/ping", server.url()),
        "http://localhost:1/".to_owned(),
        "http://[::ffff:127.0.0.1]:1/".to_owned(),
    ] {
        let fetched = server
            .call(&owner, "guarded", "fetch", json!([uri]))
            .unwrap();
        let fetched = fetched.as_str().unwrap();
        assert!(fetched.contains("is not public"), "{uri}: {fetched}");
    }
}

#[test]
fn a_module_answers_requests_on_its_routes() {
    let database = Database::publish("routes");
    let send = |method: Method, path: &str, body: &'static str| {
        let url = database
            .server
            .v1(&format!("database/{}/route{path}", database.name));
        let request = database.server.http().request(method, url).body(body);
        request.send().unwrap()
    };
    let answer = send(Method::GET, "/hello?x=1", "");
    assert_eq!(answer.status(), 201);
    let values: Vec<_> = answer.headers().get_all("x-r").iter().collect();
    assert_eq!(values, ["a", "b"]);
    let url = format!(
        "{}/v1/database/routes/route/hello?x=1",
        database.server.url()
    );
    assert_eq!(answer.text().unwrap(), format!("GET {url}"));
    assert_eq!(send(Method::GET, "", "").status(), 201);
    assert_eq!(send(Method::DELETE, "/any", "").status(), 201);
    for (method, path) in [
        (Method::POST, "/hello"),
        (Method::GET, "/other"),
        (Method::GET, "/hello/"),
        (Method::GET, "/"),
    ] {
        let answer = send(method.clone(), path, "");
        assert_eq!(answer.status(), 404, "{method} {path}");
        let text = "Database has not registered a handler for this route";
        assert_eq!(answer.text().unwrap(), text);
    }
    for count in ["1", "2"] {
        assert_eq!(
            send(Method::POST, "/", "from outside").text().unwrap(),
            count
        );
    }
    assert_eq!(database.entries(), ["from outside", "from outside"]);
    let answer = send(Method::GET, "/broken", "");
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.text().unwrap(),
        "The instance encountered a fatal error."
    );
    let url = database.server.v1("database/nowhere/route/hello");
    assert_eq!(
        database.server.http().get(url).send().unwrap().status(),
        404
    );
}

#[test]
fn schedules_call_procedures() {
    let database = Database::publish("errands");
    database.call("plan", json!(["once", 10, 0, 50])).unwrap();
    assert_eq!(database.wait_for_entries(2), ["begin once", "end once"]);
    let left = database
        .server
        .rows(&database.owner, database.name, "SELECT * FROM errand");
    assert!(left.is_empty(), "{left:?}");

    // Due every 10 ms, and takes 40: no run overlaps another.
    database.call("plan", json!(["often", 0, 10, 40])).unwrap();
    let entries = database.wait_for_entries(8);
    database.call("forget_errands", json!([])).unwrap();
    let runs = &entries[2..8];
    assert_eq!(runs, ["begin often", "end often"].repeat(3));
    // Gone for good, once the last run has ended.
    let is_quiet = |_| {
        let count = database.entries().len();
        std::thread::sleep(Duration::from_millis(200));
        database.entries().len() == count
    };
    assert!((0..50).any(is_quiet), "errands go on");
}

#[test]
fn a_killed_errand_is_not_run_again_and_a_waiting_one_is() {
    let mut server = Server::start();
    let owner = server.new_login();
    server.publish(&owner, "killed", &module("procedures"));
    let plan = |server: &Server, arguments: Value| {
        server.call(&owner, "killed", "plan", arguments).unwrap();
    };
    let entries = |server: &Server| {
        let rows = server.rows(&owner, "killed", "SELECT text FROM entry");
        let texts = rows.iter().map(|row| row[0].as_str().unwrap().to_owned());
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts
    };
    plan(&server, json!(["long", 0, 0, 60_000]));
    plan(&server, json!(["late", 700, 0, 0]));
    let wait_for = |server: &Server, wanted: &str| {
        let started = Instant::now();
        while !entries(server).iter().any(|text| text == wanted) {
            assert!(started.elapsed() < Duration::from_secs(60), "{wanted}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(&server, "begin long");
    server.kill();
    server.restart();
    wait_for(&server, "end late");
    assert_eq!(entries(&server), ["begin late", "begin long", "end late"]);
    // A sleeper does not hold up the end of the server.
    plan(&server, json!(["longer", 0, 0, 60_000]));
    wait_for(&server, "begin longer");
    let started = Instant::now();
    assert!(server.terminate().success());
    assert!(started.elapsed() < Duration::from_secs(60));
}

//! Tests of modules as their authors would write them: modules of this repository, in this process.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use spacetime_testing::{
    Bsatn, CallError, HttpAnswer, Identity, Routed, TestDatabase, Timestamp, repository_module,
};

/// What a module was written with.
#[derive(Clone, Copy, Debug)]
enum Library {
    Official,
    /// This project's own.
    Own,
}

/// The folder of the modules that were built with this project's library.
const OWN_MODULES_VARIABLE: &str = "SPACETIME_OWN_MODULES_DIR";

impl Library {
    fn module(self, name: &str) -> Bytes {
        match self {
            Library::Official => repository_module(name).expect("it is built"),
            Library::Own => {
                let folder = std::env::var_os(OWN_MODULES_VARIABLE).expect("looked at before");
                let file = Path::new(&folder).join(format!("{name}.wasm"));
                std::fs::read(file).expect("it is built").into()
            }
        }
    }

    fn open(self, module: &str) -> TestDatabase {
        TestDatabase::from_bytes(self.module(module)).expect("it runs")
    }
}

macro_rules! with_both_libraries {
    ($($name:ident),* $(,)?) => {
        mod official {
            $(#[test]
            fn $name() {
                super::$name(super::Library::Official);
            })*
        }

        mod own {
            $(#[test]
            fn $name() {
                match std::env::var_os(super::OWN_MODULES_VARIABLE) {
                    Some(_) => super::$name(super::Library::Own),
                    None => eprintln!("SKIPPED: {} is not set", super::OWN_MODULES_VARIABLE),
                }
            })*
        }
    };
}

with_both_libraries! {
    chat_knows_who_is_in_the_room,
    transfers_keep_the_sum_and_arguments_may_be_exact,
    rows_can_be_put_in_past_the_module,
    events_are_seen_by_subscribers_and_are_gone_then,
    lifecycle_reducers_run_and_may_refuse,
    scheduled_rows_run_when_the_test_says_so,
    a_panic_is_undone_and_told,
    procedures_sleep_without_anybody_waiting,
    scheduled_procedures_run_at_their_times,
    the_network_is_a_function_of_the_test,
    what_is_on_disk_outlives_a_power_cut,
    the_same_test_gives_the_same_result,
    another_version_takes_its_place,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(time.micros + i64::try_from(by.as_micros()).unwrap())
}

fn chat_knows_who_is_in_the_room(library: Library) {
    let db = library.open("chat");
    assert_eq!(db.count("user"), 0);
    assert!(db.log_text().contains("the chat room is open"));

    let alice = db.connect("alice").unwrap();
    let bob = db.connect("bob").unwrap();
    let users = alice
        .subscribe(&["SELECT * FROM user", "SELECT * FROM message"])
        .unwrap();
    assert_eq!(users.inserted("user").len(), 2);
    alice.call("set_name", ("Alice",)).unwrap();
    let sent = db.now();
    bob.call("send_message", json!(["hello"])).unwrap();

    let message = db.rows("message").one();
    assert_eq!(message["text"], "hello");
    assert_eq!(message.get::<Identity>("sender"), bob.identity());
    assert!(message.get::<Timestamp>("sent") >= sent);
    let told = alice.take_changes();
    assert_eq!(told.inserted("message").one(), message);
    let named = told.inserted("user").one();
    assert_eq!(named["name"], json!({"some": "Alice"}));
    assert!(alice.take_changes().is_empty());
    assert!(
        bob.take_changes().is_empty(),
        "bob has subscribed to nothing"
    );

    let refused = bob.call("send_message", (" ",)).unwrap_err();
    assert_eq!(
        refused,
        CallError::Failed("a message must not be empty".to_owned())
    );
    bob.disconnect();
    let gone = alice.take_changes();
    assert_eq!(gone.inserted("user").one()["online"], false);
    assert_eq!(gone.deleted("user").one()["online"], true);
    let online = db.sql("SELECT * FROM user WHERE online = true").unwrap();
    assert_eq!(
        online.one().get::<Identity>("identity"),
        db.identity("alice")
    );
}

fn transfers_keep_the_sum_and_arguments_may_be_exact(library: Library) {
    let db = library.open("transfers");
    db.call("seed", (10,)).unwrap();
    db.call(
        "transfer",
        Bsatn::new().with(&1u32).with(&2u32).with(&500i64),
    )
    .unwrap();
    db.call("transfer", json!({"from": 2, "to": 3, "amount": 7}))
        .unwrap();
    let broke = db.call("transfer", (1, 2, 1_000_000_000)).unwrap_err();
    assert_eq!(broke.to_string(), "insufficient funds");
    let rows = db.rows("account").sorted_by::<u32>("id");
    assert_eq!(rows[1], json!({"id": 1, "balance": 999_500}));
    let total: i64 = rows.column::<i64>("balance").iter().sum();
    assert_eq!(total, 10_000_000);

    assert!(matches!(
        db.call("no_such", ()),
        Err(CallError::NoSuchFunction(_))
    ));
    assert!(matches!(
        db.call("seed", ("ten",)),
        Err(CallError::BadArgs(_))
    ));
}

fn rows_can_be_put_in_past_the_module(library: Library) {
    let db = library.open("transfers");
    db.insert(
        "account",
        json!([{"id": 1, "balance": 5}, {"id": 2, "balance": 6}]),
    )
    .unwrap();
    db.insert("account", json!({"id": 3, "balance": 7}))
        .unwrap();
    db.call("check_total", (18,)).unwrap();
    let taken = json!([{"id": 4, "balance": 1}, {"id": 3, "balance": 1}]);
    assert!(db.insert("account", taken).is_err(), "the key 3 is taken");
    assert_eq!(db.count("account"), 3, "all or nothing");
    assert!(db.insert("account", json!({"id": "x"})).is_err());
    assert!(db.insert("nothing", json!({})).is_err());
}

fn events_are_seen_by_subscribers_and_are_gone_then(library: Library) {
    let db = library.open("kitchen_sink");
    let client = db.connect("client").unwrap();
    client.subscribe(&["SELECT * FROM hit"]).unwrap();
    db.call("emit_hits", (7, 3)).unwrap();
    let told = client.take_changes();
    assert!(told.iter().all(|change| change.is_event));
    let strengths = told.inserted("hit").sorted_by::<i32>("strength");
    assert_eq!(strengths.column::<i32>("strength"), [0, 1, 2]);
    assert!(db.call("emit_hit_and_fail", (7,)).is_err());
    assert!(client.take_changes().is_empty());
    db.call("check_no_hits", ()).unwrap();
}

fn lifecycle_reducers_run_and_may_refuse(library: Library) {
    let db = library.open("kitchen_sink");
    let first = db.connect("first").unwrap();
    db.call("close_door", ("closed",)).unwrap();
    let refused = db.connect("second").unwrap_err();
    assert_eq!(refused.to_string(), "closed");
    assert!(matches!(
        db.call("open_door", ()),
        Err(CallError::NotLetIn(_))
    ));
    first.call("open_door", ()).unwrap();
    let second = db.connect("second").unwrap();
    let calls = db.rows("lifecycle_call").sorted_by::<u64>("id");
    let last = calls.last().unwrap();
    assert_eq!(last["what"], "connected");
    assert_eq!(last.get::<Identity>("identity"), second.identity());
    assert_eq!(calls[0]["what"], "init");
    assert!(matches!(db.call("init", ()), Err(CallError::Lifecycle(_))));
}

fn scheduled_rows_run_when_the_test_says_so(library: Library) {
    let db = library.open("kitchen_sink");
    let timer = |delay: u64, text: &str, outcome: &str| {
        db.call("start_timer", json!([delay, text, {outcome: {}}]))
            .unwrap();
    };
    timer(2000, "second", "succeed");
    timer(1000, "first", "succeed");
    timer(3000, "fails", "fail");
    db.call("start_repeating_timer", (10_000, "again")).unwrap();
    let planned = db.schedules();
    let texts: Vec<&str> = planned
        .iter()
        .map(|it| it.row["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["first", "second", "fails", "again"]);
    assert_eq!(planned[0].function, "run_timer");
    assert_eq!(
        (planned[0].every, planned[3].every),
        (None, Some(seconds(10)))
    );

    db.advance(Duration::from_millis(500));
    assert_eq!(db.count("tick"), 0);
    assert_eq!(db.advance_to_next(), Some(planned[0].due));
    let tick = db.rows("tick").one();
    assert_eq!(tick.get::<Timestamp>("moment"), planned[0].due);
    assert_eq!(tick.get::<Identity>("caller"), db.database_identity());

    db.advance(seconds(60));
    let ticks = db.rows("tick").sorted_by::<u64>("id");
    let again = ticks.iter().filter(|tick| tick["text"] == "again");
    let moments: Vec<Timestamp> = again.map(|tick| tick.get("moment")).collect();
    let first = planned[3].due;
    let expected: Vec<Timestamp> = (0..6).map(|n| later(first, seconds(10) * n)).collect();
    assert_eq!(moments, expected[..moments.len()], "no drift");
    assert!(moments.len() >= 5, "{moments:?}");
    assert_eq!(
        ticks.len(),
        2 + moments.len(),
        "the one that failed left nothing"
    );
    assert!(
        db.logs()
            .iter()
            .any(|line| line.message.contains("told to fail"))
    );
    assert_eq!(db.schedules().len(), 1);

    db.call("stop_timers", ()).unwrap();
    assert_eq!(db.next_due(), None);
    assert_eq!(db.advance_to_next(), None);
}

fn a_panic_is_undone_and_told(library: Library) {
    let db = library.open("kitchen_sink");
    let panics = json!([0, "x", {"panic": {}}]);
    db.call("start_timer", panics).unwrap();
    db.advance(seconds(1));
    assert_eq!(db.count("tick"), 0);
    assert_eq!(
        db.count("timer"),
        0,
        "a call is made once, whatever came of it"
    );
    let bad: Vec<_> = db
        .take_logs()
        .into_iter()
        .filter(spacetime_testing::LogLine::is_bad)
        .collect();
    assert!(
        bad.iter()
            .any(|line| line.message.contains("told to panic")),
        "{bad:?}"
    );
    assert!(db.take_logs().is_empty());
}

fn procedures_sleep_without_anybody_waiting(library: Library) {
    let db = library.open("procedures");
    assert_eq!(db.call("add", (2, 3)).unwrap(), 5);
    let client = db.connect("client").unwrap();
    let before = db.now();
    assert_eq!(client.call_procedure("nap", (3_600_000,)).unwrap(), true);
    let slept = db.now().micros - before.micros;
    assert!((3_600_000_000..3_600_100_000).contains(&slept), "{slept}");
    let described = client
        .call_procedure("describe", json!(["ab", {"some": 9}]))
        .unwrap();
    let expected = json!({"name": "ab", "sizes": [97, 98], "parent": {"some": 9}});
    assert_eq!(described, expected);

    client.subscribe(&["SELECT * FROM entry"]).unwrap();
    assert_eq!(db.call("write_twice", ("x",)).unwrap(), 2);
    assert_eq!(client.take_changes().inserted("entry").len(), 2);
    assert!(matches!(
        client.call_procedure("stumble", ()),
        Err(CallError::Broke(_))
    ));
    assert_eq!(db.count("entry"), 3, "what was committed before stays");
}

fn scheduled_procedures_run_at_their_times(library: Library) {
    let db = library.open("procedures");
    // In a second, taking three; and every five seconds, taking two.
    db.call("plan", ("once", 1000, 0, 3000)).unwrap();
    db.call("plan", ("often", 0, 5000, 2000)).unwrap();
    db.advance(Duration::from_millis(4500));
    let texts = |db: &TestDatabase| -> Vec<String> {
        db.rows("entry").sorted_by::<u64>("id").column("text")
    };
    assert_eq!(texts(&db), ["begin once", "end once"]);
    db.advance(seconds(10));
    let expected = [
        "begin once",
        "end once",
        "begin often",
        "end often",
        "begin often",
        "end often",
    ];
    assert_eq!(texts(&db), expected);
    db.call("forget_errands", ()).unwrap();
    db.advance(seconds(100));
    assert_eq!(db.count("entry"), 6);
}

fn the_network_is_a_function_of_the_test(library: Library) {
    let program = library.module("procedures");
    let builder = TestDatabase::builder().http(|question| match &*question.uri {
        "https://example.com/a" => {
            Ok(HttpAnswer::new(200, "yes").with_header("x-answer", "because"))
        }
        _ => Err("no way".to_owned()),
    });
    let db = builder.from_bytes(program.clone()).unwrap();
    assert_eq!(
        db.call("fetch", ("https://example.com/a",)).unwrap(),
        "200 yes"
    );
    let failed = db.call("fetch", ("https://example.com/b",)).unwrap();
    assert!(failed.as_str().unwrap().contains("no way"), "{failed}");
    let posted = db.call("post", ("https://example.com/a", "text")).unwrap();
    assert_eq!(posted, json!(["because", "yes"]));

    let hello = db.request("GET", "/hello", "").answer();
    assert_eq!(
        (hello.status, &*hello.text()),
        (201, "GET http://localhost/hello")
    );
    assert_eq!(db.request("POST", "/", "note").answer().text(), "1");
    assert_eq!(db.rows("entry").one()["text"], "note");
    assert_eq!(db.request("GET", "/nowhere", ""), Routed::NoRoute);
    assert!(matches!(db.request("GET", "/broken", ""), Routed::Broke(_)));

    let alone = TestDatabase::from_bytes(program).unwrap();
    let refused = alone.call("fetch", ("https://example.com/a",)).unwrap();
    assert!(
        refused.as_str().unwrap().contains("switched off"),
        "{refused}"
    );
}

fn what_is_on_disk_outlives_a_power_cut(library: Library) {
    let db = library.open("kitchen_sink");
    db.call("start_timer", json!([5000, "later", {"succeed": {}}]))
        .unwrap();
    let due = db.next_due();
    let client = db.connect("client").unwrap();
    db.sync();
    db.cut_power(1);
    assert_eq!(db.next_due(), due);
    let calls = db.rows("lifecycle_call").sorted_by::<u64>("id");
    assert!(
        calls.iter().any(|call| {
            call["what"] == "disconnected" && call.get::<Identity>("identity") == client.identity()
        }),
        "whoever was connected is seen off at the next start"
    );
    db.advance(seconds(10));
    assert_eq!(db.count("tick"), 1);
    db.restart();
    assert_eq!((db.count("tick"), db.count("timer")), (1, 0));
}

fn the_same_test_gives_the_same_result(library: Library) {
    let run = |seed: u64| {
        let program = library.module("kitchen_sink");
        let db = TestDatabase::builder()
            .seed(seed)
            .from_bytes(program)
            .unwrap();
        let client = db.connect("client").unwrap();
        client.call("start_repeating_timer", (300, "t")).unwrap();
        db.advance(seconds(3));
        let rows = db.rows("tick").sorted_by::<u64>("id").json();
        (rows, client.connection_id(), db.log_text())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

fn another_version_takes_its_place(library: Library) {
    let db = TestDatabase::from_bytes(library.module("migrations_v1")).unwrap();
    let before = db.sql("SELECT * FROM st_module").unwrap();
    db.publish(library.module("migrations_v1")).unwrap();
    assert_eq!(db.sql("SELECT * FROM st_module").unwrap(), before);
    assert!(db.publish(&b"no module"[..]).is_err());
}

//! Protocol v1 in BSATN.

use serde_json::json;
use spacetime_types::bsatn;

use crate::Sink;
use crate::harness::websocket::v1::{Change, Event, Status, Update};
use crate::harness::websocket::{Options, Socket, V1};

fn open(sink: &Sink) -> Socket {
    let options = Options::of(&sink.owner);
    let mut socket = Socket::try_open(&sink.server, sink.database, V1, &options).unwrap();
    match socket.next() {
        Event::Connected { token, .. } => assert_eq!(token, sink.owner.token),
        other => panic!("the first message is {other:?}"),
    }
    socket
}

fn plain(a: i32) -> Vec<u8> {
    bsatn::to_vec(&(a, "text".to_owned()))
}

fn call(reducer: &str, arguments: Vec<u8>, request: u32, flags: u8) -> Vec<u8> {
    bsatn::to_vec(&(0u8, reducer.to_owned(), arguments, request, flags))
}

fn inserted(a: i32) -> Vec<Change> {
    vec![Change {
        table: "plain".to_owned(),
        inserts: vec![plain(a)],
        deletes: vec![],
    }]
}

#[test]
fn legacy_subscriptions_and_updates() {
    let sink = Sink::publish("v1-legacy");
    sink.call("insert_plain", json!([1, "text"]));
    let mut socket = open(&sink);
    let queries = vec!["SELECT * FROM plain".to_owned()];
    socket.send(bsatn::to_vec(&(1u8, queries, 9u32)));
    let applied = Event::InitialSubscription {
        tables: inserted(1),
        request: 9,
    };
    assert_eq!(socket.next::<Event>(), applied);

    socket.send(call("insert_plain", plain(2), 4, 0));
    match socket.next() {
        Event::Update(Update {
            status: Status::Committed(tables),
            reducer,
            arguments,
            request,
            ..
        }) => {
            assert_eq!(tables, inserted(2));
            assert_eq!((reducer.as_str(), request), ("insert_plain", 4));
            assert_eq!(arguments, plain(2));
        }
        other => panic!("{other:?}"),
    }
    // Another's transaction comes without its reducer.
    sink.call("insert_plain", json!([3, "text"]));
    match socket.next() {
        Event::LightUpdate { request, tables } => {
            assert_eq!((request, tables), (0, inserted(3)));
        }
        other => panic!("{other:?}"),
    }
    socket.send(call("fail", bsatn::to_vec(&"no".to_owned()), 5, 0));
    match socket.next() {
        Event::Update(update) => {
            assert_eq!(update.status, Status::Failed("no".to_owned()));
            assert_eq!((update.reducer.as_str(), update.request), ("fail", 5));
        }
        other => panic!("{other:?}"),
    }
    // Without notice: a failure is silent, a success is like another's.
    socket.send(call("fail", bsatn::to_vec(&"no".to_owned()), 6, 1));
    socket.send(call("insert_plain", plain(7), 7, 1));
    match socket.next() {
        Event::LightUpdate { tables, .. } => assert_eq!(tables, inserted(7)),
        Event::Update(update) => assert_eq!(update.status, Status::Committed(inserted(7))),
        other => panic!("{other:?}"),
    }
    socket.send(call("nothing", vec![], 8, 0));
    match socket.next() {
        Event::Update(update) => {
            assert!(matches!(update.status, Status::Failed(_)), "{update:?}");
            assert_eq!(update.request, 0);
        }
        other => panic!("{other:?}"),
    }
    socket.close();
}

#[test]
fn single_and_several_queries_under_a_number() {
    let sink = Sink::publish("v1-multi");
    sink.call("insert_plain", json!([1, "text"]));
    let mut socket = open(&sink);
    let query = || "SELECT * FROM plain".to_owned();
    socket.send(bsatn::to_vec(&(3u8, query(), 1u32, 70u32)));
    let applied = Event::Applied {
        request: 1,
        query: 70,
        table: inserted(1).remove(0),
    };
    assert_eq!(socket.next::<Event>(), applied);

    socket.send(bsatn::to_vec(&(4u8, vec![query()], 2u32, 71u32)));
    match socket.next() {
        Event::MultiApplied { request, query, .. } => assert_eq!((request, query), (2, 71)),
        other => panic!("{other:?}"),
    }
    socket.send(bsatn::to_vec(&(6u8, 3u32, 71u32)));
    match socket.next() {
        Event::MultiUnapplied {
            request,
            query,
            tables,
        } => {
            assert_eq!((request, query), (3, 71));
            // The rows are still those of the first subscription.
            let deleted: usize = tables.iter().map(|table| table.deletes.len()).sum();
            assert_eq!(deleted, 0);
        }
        other => panic!("{other:?}"),
    }
    socket.send(bsatn::to_vec(&(5u8, 4u32, 70u32)));
    match socket.next() {
        Event::Unapplied {
            request,
            query,
            table,
        } => {
            assert_eq!((request, query), (4, 70));
            assert_eq!(table.deletes, [plain(1)]);
        }
        other => panic!("{other:?}"),
    }
    socket.send(bsatn::to_vec(&(5u8, 5u32, 70u32)));
    match socket.next() {
        Event::SubscriptionError { request, query, .. } => {
            assert_eq!((request, query), (Some(5), Some(70)));
        }
        other => panic!("{other:?}"),
    }
    let events = "SELECT * FROM hit".to_owned();
    socket.send(bsatn::to_vec(&(3u8, events, 6u32, 72u32)));
    match socket.next() {
        Event::SubscriptionError { error, .. } => {
            assert!(error.contains("requires WebSocket v2"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_off_queries() {
    let sink = Sink::publish("v1-one-off");
    sink.call("insert_plain", json!([1, "text"]));
    let mut socket = open(&sink);
    let id = vec![1u8, 2, 3];
    let query = "SELECT * FROM plain WHERE a = 1".to_owned();
    socket.send(bsatn::to_vec(&(2u8, id.clone(), query)));
    let expected = Event::OneOff {
        message: id.clone(),
        error: None,
        tables: vec![("plain".to_owned(), vec![plain(1)])],
    };
    assert_eq!(socket.next::<Event>(), expected);
    socket.send(bsatn::to_vec(&(2u8, id.clone(), "SELECT".to_owned())));
    match socket.next() {
        Event::OneOff {
            message,
            error,
            tables,
        } => {
            assert_eq!((message, tables.len()), (id, 0));
            assert!(error.is_some_and(|error| !error.is_empty()));
        }
        other => panic!("{other:?}"),
    }
}

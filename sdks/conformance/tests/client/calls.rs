//! Calls, the ends of connections, and the ways to drive one.

use std::time::Duration;

use spacetimedb_sdk::{DbContext as _, Error, credentials, procedure_reply, reply};

use super::kitchen_sink::*;
use super::server::{foreign_token, server};
use super::{Client, builder, procedures};

#[test]
fn reducers_end_in_one_of_three_ways() {
    let Some(server) = server() else { return };
    server.publish("calls", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "calls")).unwrap();
    let log = client.log.clone();
    client
        .conn
        .reducers
        .fail_then("no luck".to_owned(), move |ctx, outcome| {
            log.push(format!("{outcome:?} {:?}", ctx.event.status));
        })
        .unwrap();
    client.until("Ok(Err(\"no luck\")) Err(\"no luck\")");
    let log = client.log.clone();
    client
        .conn
        .reducers
        .panic_now_then("aargh".to_owned(), move |_, outcome| {
            log.push(if outcome.is_err() { "panicked" } else { "fine" });
        })
        .unwrap();
    client.until("panicked");
    client.add("a", 1);
    assert!(client.log.has("added"));
}

#[test]
fn procedures_return_values() {
    let Some(server) = server() else { return };
    server.publish("procedures", "procedures");
    let conn = procedures::DbConnection::builder()
        .with_uri(server.url())
        .with_database_name("procedures")
        .build()
        .unwrap();
    let driver = conn.run_threaded();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sum = runtime.block_on(procedure_reply(|done| {
        use procedures::add as _;
        conn.procedures.add_then(20, 22, done);
    }));
    assert_eq!(sum.unwrap(), 42);
    conn.disconnect().unwrap();
    driver.join().unwrap();
}

#[test]
fn async_callers_wait_for_answers() {
    let Some(server) = server() else { return };
    server.publish("async", "kitchen_sink");
    let conn = builder(&server.url(), "async").build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let work = async {
            let all = conn.subscription_builder();
            let handle = all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
            assert!(spacetimedb_sdk::SubscriptionHandle::is_active(&handle));
            let bad = conn.subscription_builder();
            let bad = bad.subscribe_and_wait("SELECT * FROM nonsense").await;
            assert!(matches!(bad, Err(Error::SubscriptionError { .. })));
            let failed = reply(|done| conn.reducers.fail_then("no".to_owned(), done)).await;
            assert_eq!(failed.unwrap(), Err("no".to_owned()));
            conn.disconnect().unwrap();
        };
        let ((), driven) = tokio::join!(work, conn.run_async());
        driven.unwrap();
    });
    assert!(matches!(conn.frame_tick(), Err(Error::Disconnected)));
    assert!(matches!(conn.disconnect(), Err(Error::Disconnected)));
    let late = conn.reducers.fail("late".to_owned());
    assert!(matches!(late, Err(Error::Disconnected)));
}

#[test]
fn what_was_sent_before_the_end_arrives() {
    let Some(server) = server() else { return };
    server.publish("flush", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "flush")).unwrap();
    for n in 0..200 {
        let (name, label) = ("n".to_owned(), n.to_string());
        client
            .conn
            .reducers
            .insert_item(1, 0, name, 7, label)
            .unwrap();
    }
    client.conn.disconnect().unwrap();
    client.until("closed");
    let other = Client::connect(builder(&server.url(), "flush")).unwrap();
    other.subscribe(&["SELECT * FROM item"]);
    other.drive("all items", |other| other.labels().len() == 200);
}

#[test]
fn no_connection_says_why() {
    let Some(server) = server() else { return };
    server.publish("known", "kitchen_sink");
    let reason = |builder: spacetimedb_sdk::DbConnectionBuilder<RemoteModule>| {
        let Err(Error::FailedToConnect { source }) = builder.build().map(drop) else {
            panic!("there is a connection");
        };
        source.to_string()
    };
    let unknown = reason(builder(&server.url(), "unknown"));
    assert!(unknown.contains("404"), "{unknown}");
    let token = builder(&server.url(), "known").with_token(Some("nonsense"));
    let token = reason(token);
    assert!(token.contains("401") || token.contains("400"), "{token}");
    let foreign = builder(&server.url(), "known").with_token(foreign_token());
    let foreign = reason(foreign);
    assert!(foreign.contains("InvalidSignature"), "{foreign}");
    let nobody = reason(builder("http://127.0.0.1:1", "known"));
    assert!(nobody.contains("cannot be reached"), "{nobody}");
}

#[test]
fn driving_from_inside_a_callback_does_no_harm() {
    let Some(server) = server() else { return };
    server.publish("nested", "kitchen_sink");
    let client = Client::connect(builder(&server.url(), "nested")).unwrap();
    let conn = std::sync::Arc::new(builder(&server.url(), "nested").build().unwrap());
    let (inner, log) = (conn.clone(), client.log.clone());
    conn.subscription_builder()
        .on_applied(move |_| {
            assert!(matches!(inner.advance_one_message(), Ok(false)));
            assert!(inner.frame_tick().is_ok());
            assert!(inner.advance_one_message_blocking().is_err());
            log.push("nested");
        })
        .subscribe("SELECT * FROM item");
    let start = std::time::Instant::now();
    while !client.log.has("nested") {
        conn.frame_tick().unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(start.elapsed() < super::PATIENCE);
    }
}

#[test]
fn a_database_is_found_by_its_identity_too() {
    let Some(server) = server() else { return };
    server.publish("named", "kitchen_sink");
    let identity = server.identity("named");
    let client = Client::connect(builder(&server.url(), &identity)).unwrap();
    client.add("a", 1);
    let other = Client::connect(builder(&server.url(), "named")).unwrap();
    other.subscribe(&["SELECT * FROM item"]);
    assert_eq!(other.labels(), ["a"]);
}

/// In a process of its own, since the home directory is everybody's.
#[test]
fn credentials_are_kept_in_a_file() {
    const HERE: &str = "CREDENTIALS_HOME_OF_A_TEST";
    let Some(home) = std::env::var_os(HERE) else {
        let home = std::env::temp_dir().join(format!("credentials-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let this = std::env::current_exe().unwrap();
        let again = std::process::Command::new(this)
            .args(["--exact", "calls::credentials_are_kept_in_a_file"])
            .envs([(HERE, &home), ("HOME", &home)])
            .output()
            .unwrap();
        std::fs::remove_dir_all(&home).unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(
            again.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    };
    let file = || credentials::File::new("game");
    assert_eq!(file().load().unwrap(), None);
    file().save("one and longer").unwrap();
    file().save("two").unwrap();
    assert_eq!(file().load().unwrap(), Some("two".to_owned()));
    let path = std::path::Path::new(&home).join(".spacetimedb_client_credentials/game");
    // As SpacetimeDB's crate writes it.
    assert_eq!(std::fs::read(&path).unwrap(), b"\x03\0\0\0two");
    // And as it was once written here.
    std::fs::write(&path, "three").unwrap();
    assert_eq!(file().load().unwrap(), Some("three".to_owned()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(credentials::File::new("other").load().unwrap(), None);
    for key in ["", ".", "..", "a/b", "../up"] {
        credentials::File::new(key).save("x").unwrap_err();
    }
}

#[test]
fn the_token_makes_the_same_person_again() {
    let Some(server) = server() else { return };
    server.publish("tokens", "kitchen_sink");
    let (sender, receiver) = std::sync::mpsc::channel();
    let connect = |token: Option<String>| {
        let sender = sender.clone();
        let conn = builder(&server.url(), "tokens")
            .with_token(token)
            .on_connect(move |conn, identity, token| {
                assert_eq!(conn.identity(), identity);
                sender.send((identity, token.to_owned())).unwrap();
            })
            .build()
            .unwrap();
        conn.run_threaded();
        let known = receiver.recv_timeout(super::PATIENCE).unwrap();
        conn.disconnect().unwrap();
        known
    };
    let (identity, token) = connect(None);
    let (again, _) = connect(Some(token));
    let (other, _) = connect(None);
    assert_eq!(identity, again);
    assert_ne!(identity, other);
}

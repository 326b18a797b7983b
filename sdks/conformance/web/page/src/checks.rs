//! What pages have and other programs have not, or differently.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use spacetimedb_sdk::credentials::cookies::{Cookie, CookieError, SameSite};
use spacetimedb_sdk::credentials::{LocalStorage, SessionStorage, Storage as _};
use spacetimedb_sdk::{
    Compression, DbConnectionBuilder, DbContext as _, Error, Event, Identity, Reconnect,
    SubscriptionHandle as _, Table as _, TableWithPrimaryKey as _, Timestamp, procedure_reply,
    reply,
};

use super::kitchen_sink::*;
use super::procedures;
use super::world::{now, pause, set_proxy};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn take(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.sort();
        lines
    }

    pub fn has(&self, line: &str) -> bool {
        self.0.lock().unwrap().iter().any(|known| known == line)
    }

    pub async fn until(&self, line: &str) {
        until(line, || self.has(line)).await;
    }
}

pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = now();
    while !done() {
        assert!(now() - start < PATIENCE, "waiting for {what}");
        pause(Duration::from_millis(2)).await;
    }
}

pub fn builder(url: &str, log: &Log) -> DbConnectionBuilder<RemoteModule> {
    let ended = log.clone();
    DbConnection::builder()
        .with_uri(url)
        .with_database_name("page")
        .on_disconnect(move |_, error| {
            ended.push(if error.is_some() { "broken" } else { "closed" });
        })
}

fn event_name(event: &Event<Reducer>) -> &'static str {
    match event {
        Event::Reducer(_) => "reducer",
        Event::SubscribeApplied => "applied",
        Event::UnsubscribeApplied => "unsubscribed",
        _ => "other",
    }
}

fn listen(conn: &DbConnection, log: &Log) {
    let items = conn.db.item();
    let [inserts, deletes, updates] = [(); 3].map(|()| log.clone());
    items.on_insert(move |ctx, item| {
        inserts.push(format!("+{} {}", item.label, event_name(&ctx.event)));
    });
    items.on_delete(move |ctx, item| {
        deletes.push(format!("-{} {}", item.label, event_name(&ctx.event)));
    });
    items.on_update(move |ctx, old, new| {
        let event = event_name(&ctx.event);
        updates.push(format!("{}>{} {event}", old.label, new.label));
    });
}

pub async fn add(conn: &DbConnection, shelf: u32, label: &str) {
    let (name, label) = ("n".to_owned(), label.to_owned());
    let added = reply(|done| {
        conn.reducers
            .insert_item_then(shelf, 0, name, 7, label, done)
    });
    added.await.unwrap().unwrap();
}

fn labels(conn: &DbConnection) -> Vec<String> {
    let mut labels: Vec<String> = conn.db.item().iter().map(|item| item.label).collect();
    labels.sort();
    labels
}

fn item(conn: &DbConnection, label: &str) -> Item {
    conn.db.item().label().find(&label.to_owned()).unwrap()
}

pub async fn packed_messages(server: &str) {
    let writer = builder(server, &Log::default()).build().await.unwrap();
    writer.run_background_task();
    for n in 0..40 {
        add(&writer, n, &format!("worth packing: {n:0100}")).await;
    }
    for compression in [Compression::None, Compression::Gzip, Compression::Brotli] {
        for confirmed in [false, true] {
            let conn = builder(server, &Log::default())
                .with_compression(compression)
                .with_confirmed_reads(confirmed)
                .build()
                .await
                .unwrap();
            conn.run_background_task();
            let all = conn.subscription_builder();
            all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
            assert_eq!(conn.db.item().count(), 40, "{compression:?} {confirmed}");
            conn.disconnect().unwrap();
        }
    }
    let clear = |done| writer.reducers.delete_items_by_owner_then(7, done);
    reply(clear).await.unwrap().unwrap();
    writer.disconnect().unwrap();
}

pub async fn answers_as_futures(server: &str) {
    let log = Log::default();
    let conn = builder(server, &log).build().await.unwrap();
    conn.run_background_task();
    let all = conn.subscription_builder();
    let handle = all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    assert!(handle.is_active());
    let bad = conn.subscription_builder();
    let bad = bad.subscribe_and_wait("SELECT * FROM nonsense").await;
    assert!(matches!(bad, Err(Error::SubscriptionError { .. })));
    let failed = reply(|done| conn.reducers.fail_then("no".to_owned(), done)).await;
    assert_eq!(failed.unwrap(), Err("no".to_owned()));
    conn.disconnect().unwrap();
    log.until("closed").await;
    assert!(matches!(conn.frame_tick(), Err(Error::Disconnected)));

    let conn = procedures::DbConnection::builder()
        .with_uri(server)
        .with_database_name("procedures")
        .build()
        .await
        .unwrap();
    conn.run_background_task();
    let sum = procedure_reply(|done| {
        use procedures::add as _;
        conn.procedures.add_then(20, 22, done);
    });
    assert_eq!(sum.await.unwrap(), 42);
    conn.disconnect().unwrap();

    // The clock of the page is that of everybody else.
    let millis = Timestamp::now().to_micros_since_unix_epoch() / 1000;
    let page = i64::try_from(now().as_millis()).unwrap();
    assert!((page - millis).abs() < 60_000, "{millis} {page}");
}

pub async fn one_message_at_a_time(server: &str) {
    let log = Log::default();
    let connected = log.clone();
    let conn = builder(server, &log)
        .on_connect(move |_, _, _| connected.push("connected"))
        .build()
        .await
        .unwrap();
    assert_eq!(log.take(), [""; 0], "nothing happens undriven");
    conn.advance_one_message_async().await.unwrap();
    assert_eq!(log.take(), ["connected"]);
    let applied = log.clone();
    conn.subscription_builder()
        .on_applied(move |_| applied.push("applied"))
        .subscribe("SELECT * FROM item");
    conn.advance_one_message_async().await.unwrap();
    assert_eq!(log.take(), ["applied"]);
    assert!(!conn.advance_one_message().unwrap());
    conn.disconnect().unwrap();
    conn.run_async().await.unwrap();
    assert_eq!(log.take(), ["closed"]);
}

/// Connects, and returns what the program would keep.
async fn introduce(server: &str, token: Option<String>) -> (Identity, String) {
    let known = Arc::new(Mutex::new(None));
    let keep = known.clone();
    let conn = builder(server, &Log::default())
        .with_token(token)
        .on_connect(move |conn, identity, token| {
            assert_eq!(conn.identity(), identity);
            *keep.lock().unwrap() = Some((identity, token.to_owned()));
        })
        .build()
        .await
        .unwrap();
    conn.run_background_task();
    until("the greeting", || known.lock().unwrap().is_some()).await;
    conn.disconnect().unwrap();
    known.lock().unwrap().take().unwrap()
}

pub async fn tokens(server: &str) {
    let (identity, token) = introduce(server, None).await;
    let (again, same_token) = introduce(server, Some(token.clone())).await;
    let (other, _) = introduce(server, None).await;
    assert_eq!(identity, again);
    // Not the short-lived one that was in the address.
    assert_eq!(token, same_token);
    assert_ne!(identity, other);
}

pub fn storage_and_cookies() {
    LocalStorage::set("token", "a token").unwrap();
    assert_eq!(LocalStorage::get::<String>("token").unwrap(), "a token");
    assert!(SessionStorage::get::<String>("token").is_err());
    SessionStorage::set("token", "another").unwrap();
    assert_eq!(SessionStorage::get::<String>("token").unwrap(), "another");
    LocalStorage::delete("token");
    assert!(LocalStorage::get::<String>("token").is_err());

    assert_eq!(Cookie::get("token").unwrap(), None);
    let value = "a token; with = signs, and \u{e4}";
    Cookie::new("token", value).path("/").set().unwrap();
    Cookie::new("other", "b")
        .path("/")
        .max_age(60)
        .same_site(SameSite::Strict)
        .set()
        .unwrap();
    assert_eq!(Cookie::get("token").unwrap().as_deref(), Some(value));
    assert_eq!(Cookie::get("other").unwrap().as_deref(), Some("b"));
    // Another path is another cookie, which this page does not see.
    Cookie::new("hidden", "c").path("/else").set().unwrap();
    assert_eq!(Cookie::get("hidden").unwrap(), None);
    Cookie::new("token", "").path("/").delete().unwrap();
    assert_eq!(Cookie::get("token").unwrap(), None);
    assert_eq!(Cookie::get("other").unwrap().as_deref(), Some("b"));
}

pub fn no_cookies() {
    assert!(matches!(Cookie::get("token"), Err(CookieError::Get(_))));
    let set = Cookie::new("token", "a").set();
    assert!(matches!(set, Err(CookieError::Set { .. })));
}

pub async fn no_connection_says_why(server: &str) {
    async fn reason(builder: DbConnectionBuilder<RemoteModule>) -> String {
        match builder.build().await {
            Err(Error::FailedToConnect { source }) => source.to_string(),
            other => panic!("{:?}", other.map(drop)),
        }
    }
    let log = Log::default();
    let unknown = builder(server, &log).with_database_name("unknown");
    let unknown = reason(unknown).await;
    assert!(unknown.contains("404"), "{unknown}");
    let token = reason(builder(server, &log).with_token(Some("nonsense"))).await;
    assert!(token.contains("401") || token.contains("400"), "{token}");
    let nobody = reason(builder("http://127.0.0.1:1", &log)).await;
    assert!(nobody.contains("cannot be reached"), "{nobody}");
}

/// A connection through the proxy that is made again, quickly and for ever.
pub fn resilient(proxy: &str, log: &Log) -> DbConnectionBuilder<RemoteModule> {
    let (lost, back) = (log.clone(), log.clone());
    builder(proxy, log)
        .with_reconnect(Reconnect {
            delay_min: Duration::from_millis(1),
            delay_max: Duration::from_millis(20),
            attempts_max: None,
        })
        .on_connection_lost(move |_, _| lost.push("lost"))
        .on_reconnect(move |_, _, _| back.push("back"))
}

pub async fn reconnection(server: &str, proxy: &str) {
    let writer = builder(server, &Log::default()).build().await.unwrap();
    writer.run_background_task();
    let all = writer.subscription_builder();
    all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    for (label, shelf) in [("kept", 1), ("changed", 1), ("gone", 2)] {
        add(&writer, shelf, label).await;
    }
    let log = Log::default();
    let conn = resilient(proxy, &log).build().await.unwrap();
    listen(&conn, &log);
    conn.run_background_task();
    let all = conn.subscription_builder();
    let handle = all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    let first = conn.subscription_builder();
    let first = first.subscribe_and_wait("SELECT * FROM item WHERE shelf = 1");
    first.await.unwrap();
    let identity = conn.identity();
    log.take();

    set_proxy(false).await;
    log.until("lost").await;
    assert_eq!(labels(&conn), ["changed", "gone", "kept"]);
    let changed = Item {
        label: "new name".to_owned(),
        ..item(&writer, "changed")
    };
    let update = |done| writer.reducers.update_item_then(changed, done);
    reply(update).await.unwrap().unwrap();
    let gone = item(&writer, "gone").id;
    let delete = |done| writer.reducers.delete_item_by_id_then(gone, done);
    reply(delete).await.unwrap().unwrap();
    add(&writer, 1, "late").await;
    // A call that is made while there is no connection is sent once there is.
    let called = log.clone();
    conn.reducers
        .fail_then("later".to_owned(), move |_, outcome| {
            called.push(format!("{outcome:?}"));
        })
        .unwrap();
    assert_eq!(log.take(), ["lost"]);
    assert_eq!(labels(&conn), ["changed", "gone", "kept"]);

    set_proxy(true).await;
    log.until("Ok(Err(\"later\"))").await;
    assert_eq!(
        log.take(),
        [
            "+late applied",
            "-gone applied",
            "Ok(Err(\"later\"))",
            "back",
            "changed>new name applied",
        ]
    );
    assert_eq!(labels(&conn), ["kept", "late", "new name"]);
    assert_eq!(conn.identity(), identity);
    assert!(handle.is_active());

    // The end is heard between attempts.
    set_proxy(false).await;
    log.until("lost").await;
    conn.disconnect().unwrap();
    log.until("closed").await;
    set_proxy(true).await;
    writer.disconnect().unwrap();
}

pub async fn loss(proxy: &str) {
    let log = Log::default();
    let conn = builder(proxy, &log).build().await.unwrap();
    conn.run_background_task();
    let all = conn.subscription_builder();
    all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    let before = labels(&conn);
    assert!(!before.is_empty());
    set_proxy(false).await;
    log.until("broken").await;
    assert_eq!(labels(&conn), before, "rows stay readable");
    assert!(!conn.is_active());
    set_proxy(true).await;
}

/// Pages cannot send pings, nor see the server's: they ask in another way. Whoever is slow gets
/// another chance.
pub async fn silence(server: &str) {
    let mut limit = Duration::from_millis(100);
    loop {
        let log = Log::default();
        let conn = builder(server, &log)
            .with_silence_limit(limit)
            .build()
            .await
            .unwrap();
        conn.run_background_task();
        pause(limit * 5).await;
        // A connection that is lost before the greeting never was one.
        if conn.disconnect().is_ok() {
            return;
        }
        limit *= 2;
        assert!(limit < PATIENCE / 5, "no answer to the page's questions");
    }
}

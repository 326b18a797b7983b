//! What waits is bounded, both ways; and what ends the wait for another attempt to connect.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use spacetimedb_sdk::{Compression, DbContext as _, Error, Reconnect, Table as _, reply};

use super::checks::{Log, builder, until};
use super::kitchen_sink::*;
use super::world::{count, count_anew, happen, pause, request, set_hidden, set_proxy};

const MIB: u32 = 1 << 20;

/// Nothing waits for an hour if somebody looks at the page, or the network is back.
pub async fn at_once(proxy: &str) {
    let log = Log::default();
    let (lost, back) = (log.clone(), log.clone());
    let hour = Duration::from_secs(3600);
    let conn = builder(proxy, &log)
        .with_reconnect(Reconnect {
            delay_min: hour,
            delay_max: hour,
            attempts_max: None,
        })
        .on_connection_lost(move |_, _| lost.push("lost"))
        .on_reconnect(move |_, _, _| back.push("back"))
        .build()
        .await
        .unwrap();
    conn.run_background_task();
    let all = conn.subscription_builder();
    all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    for event in ["online", "pageshow", "visibilitychange"] {
        set_proxy(false).await;
        log.until("lost").await;
        set_proxy(true).await;
        set_hidden(true);
        for _ in 0..20 {
            happen(event);
            pause(Duration::from_millis(2)).await;
        }
        assert!(!log.has("back"), "nobody looks at a page that is hidden");
        set_hidden(false);
        // The loss is told a little before the wait begins.
        until(event, || {
            happen(event);
            log.has("back")
        })
        .await;
        assert_eq!(log.take(), ["back", "lost"]);
    }
    conn.disconnect().unwrap();
}

/// The browser is not given more than 16 MiB that it cannot send, and the queue behind it is
/// bounded.
pub async fn unsent(proxy: &str) {
    const CALLS: u32 = 70;
    let log = Log::default();
    let conn = builder(proxy, &log).build().await.unwrap();
    conn.run_background_task();
    let all = conn.subscription_builder();
    all.subscribe_and_wait("SELECT * FROM item").await.unwrap();
    request("proxy/hold").await;
    count_anew("kept");
    let ended = Arc::new(Mutex::new(0));
    let mut made = 0;
    let mut refused = 0;
    for number in 0..CALLS {
        let label = format!("{number} {}", "x".repeat(MIB as usize));
        let ended = ended.clone();
        let call = conn
            .reducers
            .delete_item_by_label_then(label, move |_, outcome| {
                outcome.unwrap().unwrap();
                *ended.lock().unwrap() += 1;
            });
        match call {
            Ok(()) => made += 1,
            Err(_) => refused += 1,
        }
    }
    let limit = f64::from(16 * MIB);
    until("a full browser", || count("kept") > limit).await;
    assert!(
        made >= 64 && refused > 0,
        "{made} calls wait, {refused} do not"
    );
    assert_eq!(*ended.lock().unwrap(), 0, "the proxy holds nothing");
    request("proxy/let-go").await;
    until("the end of all calls", || *ended.lock().unwrap() == made).await;
    let most = count("kept");
    assert!(most < limit + f64::from(2 * MIB), "{most} bytes");
    conn.disconnect().unwrap();
    log.until("closed").await;
}

/// A page that does not drive its connection loses it when 256 MiB wait, and can still read what
/// it has.
pub async fn unread(server: &str) {
    const ROW: u32 = 32 * MIB;
    const TIMES: u32 = 9;
    let writer = builder(server, &Log::default()).build().await.unwrap();
    writer.run_background_task();
    let insert = |done| writer.reducers.insert_big_row_then(1, ROW, done);
    reply(insert).await.unwrap().unwrap();
    let ended = Arc::new(Mutex::new(None));
    let reason = ended.clone();
    let conn = DbConnection::builder()
        .with_uri(server)
        .with_database_name("page")
        .with_compression(Compression::None)
        .on_disconnect(move |_, error: Option<Error>| {
            *reason.lock().unwrap() = error.map(|error| error.to_string());
        })
        .build()
        .await
        .unwrap();
    conn.advance_one_message_async().await.unwrap();
    count_anew("delivered");
    // One after the other: the server, too, lets only so much wait.
    for time in 1..=TIMES {
        conn.subscription_builder().subscribe("SELECT * FROM plain");
        let so_far = f64::from(ROW) * f64::from(time);
        until("rows", || count("delivered") >= so_far).await;
    }
    assert!(conn.is_active(), "the loss comes in order");
    while conn.advance_one_message_async().await.is_ok() {}
    let reason = ended.lock().unwrap().take().unwrap();
    assert!(reason.contains("drive the connection"), "{reason}");
    assert!(reason.contains("268435456"), "{reason}");
    assert_eq!(conn.db.plain().iter().count(), 1);
    writer.disconnect().unwrap();
}

//! Bindings that do not fit the database: an error, and never a row that is not one.

use std::time::{Duration, Instant};

use spacetimedb_sdk::{DbContext as _, Table as _};

use super::server::server;
use super::{Log, PATIENCE};

/// Says hello with bindings whose functions still fit; those of messages do not.
macro_rules! check {
    ($bindings:ident, $database:literal) => {{
        use super::$bindings::*;
        let Some(server) = server() else { return };
        server.publish($database, "chat");
        let log = Log::default();
        let (rows, ended) = (log.clone(), log.clone());
        let conn = DbConnection::builder()
            .with_uri(server.url())
            .with_database_name($database)
            .on_disconnect(move |_, error| {
                ended.push(error.map_or("closed".to_owned(), |error| format!("broken: {error}")));
            })
            .build()
            .unwrap();
        conn.db
            .message()
            .on_insert(move |_, row| rows.push(format!("{row:?}")));
        conn.subscription_builder()
            .on_applied(|_| ())
            .subscribe(["SELECT * FROM message", "SELECT * FROM user"]);
        conn.reducers.send_message("hello".to_owned()).unwrap();
        let start = Instant::now();
        while log.0.lock().is_empty() {
            assert!(start.elapsed() < PATIENCE, "nothing was told");
            // How it ends is told to the callback, too.
            let _ = conn.frame_tick();
            std::thread::sleep(Duration::from_millis(1));
        }
        let told = log.take();
        assert!(
            matches!(told.as_slice(), [line] if line.starts_with("broken: ")),
            "{told:?}"
        );
        assert_eq!(conn.db.message().count(), 0);
    }};
}

#[test]
fn a_column_that_is_not_there_is_an_error() {
    check!(chat_more, "outdated-more");
}

#[test]
fn a_column_that_nobody_knows_is_an_error() {
    check!(chat_less, "outdated-less");
}

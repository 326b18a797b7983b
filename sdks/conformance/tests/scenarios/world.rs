//! How an ordinary program builds a connection, and lets time pass.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use spacetimedb_sdk::DbConnectionBuilder;

use super::kitchen_sink::{DbConnection, RemoteModule};

pub async fn build(builder: DbConnectionBuilder<RemoteModule>) -> DbConnection {
    builder.build().unwrap()
}

pub async fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// The time since some moment.
pub fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

pub fn say(line: &str) {
    eprintln!("{line}");
}

//! Two games against a running server: what a module does over time, as its players see it.
//!
//! Without a server's binary (see `server.rs`) every test says so, and passes.

#[allow(warnings)]
mod arena {
    include!(concat!(env!("OUT_DIR"), "/arena.rs"));
}
#[allow(warnings)]
mod hangman {
    include!(concat!(env!("OUT_DIR"), "/hangman.rs"));
}

/// Every type in every place. That it compiles is the test.
#[allow(warnings)]
mod matrix {
    include!(concat!(env!("OUT_DIR"), "/matrix.rs"));
}

/// A module at random. That it compiles is the test.
#[allow(warnings)]
mod random {
    include!(concat!(env!("OUT_DIR"), "/random.rs"));
}

#[path = "../client/server.rs"]
mod server;

mod eating;
mod guessing;

use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `step` until it says that it is done.
fn until(what: &str, mut step: impl FnMut() -> bool) {
    let start = Instant::now();
    while !step() {
        assert!(start.elapsed() < PATIENCE, "waiting for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

//! The table of scenarios (`scenarios.json`), run with the crate that is called `spacetimedb_sdk`:
//! this project's, and in `official` the one of SpacetimeDB. Bindings are the generator's.

mod api;
#[allow(warnings)]
mod kitchen_sink {
    include!(concat!(env!("OUT_DIR"), "/kitchen_sink.rs"));
}
/// Compiled, and nothing more: names that are hard to have in Rust, or in bindings.
#[allow(warnings)]
mod clashes {
    include!(concat!(env!("OUT_DIR"), "/clashes.rs"));
}
mod native;
#[path = "../client/server.rs"]
mod server;
mod steps;
mod world;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

/// Futures of this `world` never wait.
fn finish(future: impl Future<Output = ()>) {
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(pin!(future).poll(&mut context), Poll::Ready(()));
}

#[test]
fn all_scenarios() {
    let Some(server) = server::server() else {
        return;
    };
    let scenarios: Value = serde_json::from_str(include_str!("../../scenarios.json")).unwrap();
    for (index, scenario) in scenarios.as_array().unwrap().iter().enumerate() {
        world::say(&scenario["name"].to_string());
        let database = format!("scenario-{index}");
        server.publish(&database, "kitchen_sink");
        let steps = scenario["steps"].as_array().unwrap();
        finish(steps::run(&server.url(), &database, steps));
    }
}

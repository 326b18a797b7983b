//! The Rust client in a web page: all scenarios, and what only pages have.

#[allow(warnings)]
mod kitchen_sink {
    include!(concat!(env!("OUT_DIR"), "/kitchen_sink.rs"));
}
#[allow(warnings)]
mod procedures {
    include!(concat!(env!("OUT_DIR"), "/procedures.rs"));
}
/// Compiled, and nothing more: names that are hard to have in Rust, or in bindings.
#[allow(warnings)]
mod clashes {
    include!(concat!(env!("OUT_DIR"), "/clashes.rs"));
}
mod checks;
mod cuts;
mod limits;
#[path = "../../../tests/scenarios/steps.rs"]
mod steps;
mod world;

use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| world::say(&panic.to_string())));
}

/// All scenarios that all clients run, each with a database of its own.
#[wasm_bindgen]
pub async fn scenarios(server: String) {
    let scenarios: Value = serde_json::from_str(include_str!("../../../scenarios.json")).unwrap();
    for (index, scenario) in scenarios.as_array().unwrap().iter().enumerate() {
        world::say(&scenario["name"].to_string());
        let steps = scenario["steps"].as_array().unwrap();
        steps::run(&server, &format!("scenario-{index}"), steps).await;
    }
}

/// What pages have and other programs have not, or differently.
#[wasm_bindgen]
pub async fn page(server: String, proxy: String) {
    world::say("packed messages");
    checks::packed_messages(&server).await;
    world::say("answers as futures");
    checks::answers_as_futures(&server).await;
    world::say("one message at a time");
    checks::one_message_at_a_time(&server).await;
    world::say("the token makes the same person again");
    checks::tokens(&server).await;
    world::say("storage and cookies");
    checks::storage_and_cookies();
    world::say("no connection says why");
    checks::no_connection_says_why(&server).await;
    world::say("a broken connection is made again");
    checks::reconnection(&server, &proxy).await;
    world::say("a loss without the wish is the end");
    checks::loss(&proxy).await;
    world::say("silence is no loss");
    checks::silence(&server).await;
}

/// What waits is bounded, both ways; and what ends the wait for another attempt.
#[wasm_bindgen]
pub async fn limits(server: String, proxy: String) {
    world::say("at once when there is reason to");
    limits::at_once(&proxy).await;
    world::say("a network that takes nothing");
    limits::unsent(&proxy).await;
    world::say("a page that does not drive");
    limits::unread(&server).await;
}

/// Connections that are cut at many places, or at every byte.
#[wasm_bindgen]
pub async fn cuts(server: String, all: bool) {
    cuts::everywhere(&server, all).await;
}

/// The same crate in a worker, which has no document.
#[wasm_bindgen]
pub async fn worker(server: String) {
    checks::answers_as_futures(&server).await;
    checks::tokens(&server).await;
    checks::no_cookies();
}

//! The Rust client in headless Chromium, against a running server: the scenarios of all clients,
//! what only pages have, connections that are cut at many bytes (at all with
//! `SPACETIME_CUTS=all`), the same in a worker, and the program in the documentation.
//!
//! Pages say how they get on by requests to this process, which serves them.
//!
//! The server's binary is `SPACETIME_BIN`, Chromium is `CHROMIUM` or where Debian puts it. Without
//! one of them there is nothing to test: that is said, and the tests pass.

#[path = "chromium/browser.rs"]
mod browser;
#[path = "chromium/programs.rs"]
mod programs;
#[path = "../../../tests/client/proxy.rs"]
#[allow(dead_code)]
mod proxy;
#[path = "../../../tests/client/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "chromium/site.rs"]
mod site;

use std::time::Duration;

use browser::Browser;
use server::Server;
use site::Site;

/// How long all that a page does may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// A program for web pages, a server, and a browser on a page with that program. Returns when the
/// page says that it is done; fails if it says anything else.
fn visit(program: &str, page: &'static str, server: &Server) {
    let Some(chromium) = browser::find() else {
        return;
    };
    let files = programs::build(program);
    let site = Site::start(page, files, &server.address);
    let url = format!(
        "{}/?server={}&proxy={}&cuts={}",
        site.url,
        server.url(),
        site.proxy_url,
        std::env::var("SPACETIME_CUTS").unwrap_or_default()
    );
    let mut browser = Browser::open(&chromium, &url);
    let outcome = site.wait(PATIENCE, || browser.is_running());
    drop(browser);
    if let Err(what) = outcome {
        panic!("the page failed: {what}");
    }
}

#[test]
fn all_scenarios_and_what_only_pages_have() {
    let Some(server) = server::server() else {
        return;
    };
    let scenarios = include_str!("../../../scenarios.json");
    let scenarios: serde_json::Value = serde_json::from_str(scenarios).unwrap();
    for index in 0..scenarios.as_array().unwrap().len() {
        server.publish(&format!("scenario-{index}"), "kitchen_sink");
    }
    server.publish("page", "kitchen_sink");
    server.publish("cuts", "kitchen_sink");
    server.publish("procedures", "procedures");
    visit("page", include_str!("page.html"), &server);
}

#[test]
fn the_program_in_the_documentation() {
    let Some(server) = server::server() else {
        return;
    };
    server.publish("chat", "chat");
    visit("documented", include_str!("documented.html"), &server);
}

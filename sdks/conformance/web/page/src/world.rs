//! How a web page builds a connection, and lets time pass.

use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use spacetimedb_sdk::DbConnectionBuilder;
use wasm_bindgen::prelude::{JsCast as _, JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::kitchen_sink::{DbConnection, RemoteModule};

#[wasm_bindgen]
extern "C" {
    /// Tells whoever runs the test.
    #[wasm_bindgen(js_namespace = globalThis)]
    pub fn say(line: &str);

    /// Asks whoever runs the test for something.
    #[wasm_bindgen(js_namespace = globalThis, catch)]
    async fn ask(what: &str) -> Result<JsValue, JsValue>;
}

pub async fn build(builder: DbConnectionBuilder<RemoteModule>) -> DbConnection {
    builder.build().await.unwrap()
}

pub async fn pause(duration: Duration) {
    let global = js_sys::global();
    let set_timeout: Function = Reflect::get(&global, &"setTimeout".into())
        .unwrap()
        .unchecked_into();
    let wait = Promise::new(&mut |resolve, _| {
        let millis = duration.as_secs_f64() * 1000.0;
        set_timeout
            .call2(&JsValue::UNDEFINED, &resolve, &millis.into())
            .unwrap();
    });
    JsFuture::from(wait).await.unwrap();
}

/// The time since some moment.
pub fn now() -> Duration {
    Duration::from_secs_f64(js_sys::Date::now() / 1000.0)
}

/// Cuts the proxy's connections and lets no new one through, or does again.
pub async fn set_proxy(is_up: bool) {
    ask(if is_up { "proxy/up" } else { "proxy/down" })
        .await
        .unwrap();
}

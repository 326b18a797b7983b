//! How a web page builds a connection, and lets time pass.

use std::time::Duration;

use js_sys::{Array, Function, Object, Promise, Reflect};
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
    request(if is_up { "proxy/up" } else { "proxy/down" }).await;
}

/// Asks whoever runs the test for something.
pub async fn request(what: &str) -> String {
    ask(what).await.unwrap().as_string().unwrap()
}

/// Something happens to the page or its document.
pub fn happen(event: &str) {
    let target = match event {
        "visibilitychange" => Reflect::get(&js_sys::global(), &"document".into()).unwrap(),
        _ => js_sys::global().into(),
    };
    let kind: Function = Reflect::get(&js_sys::global(), &"Event".into())
        .unwrap()
        .unchecked_into();
    let event = Reflect::construct(&kind, &Array::of1(&event.into())).unwrap();
    let dispatch: Function = Reflect::get(&target, &"dispatchEvent".into())
        .unwrap()
        .unchecked_into();
    dispatch.call1(&target, &event).unwrap();
}

/// Whether nobody can see the page, as far as it knows.
pub fn set_hidden(is_hidden: bool) {
    let document = Reflect::get(&js_sys::global(), &"document".into()).unwrap();
    let property = Object::new();
    Reflect::set(&property, &"value".into(), &is_hidden.into()).unwrap();
    Reflect::set(&property, &"configurable".into(), &true.into()).unwrap();
    let document: Object = document.unchecked_into();
    Reflect::define_property(&document, &"hidden".into(), &property).unwrap();
}

/// What the page counts of all its sockets.
pub fn count(name: &str) -> f64 {
    let sockets = Reflect::get(&js_sys::global(), &"sockets".into()).unwrap();
    let count = Reflect::get(&sockets, &name.into()).unwrap();
    count.as_f64().unwrap()
}

/// Sets what the page counts back.
pub fn count_anew(name: &str) {
    let sockets = Reflect::get(&js_sys::global(), &"sockets".into()).unwrap();
    Reflect::set(&sockets, &name.into(), &0.into()).unwrap();
}

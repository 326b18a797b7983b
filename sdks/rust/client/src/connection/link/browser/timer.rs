//! Waiting by the browser's clock, in pages and in workers.
//!
//! Invariant: a wait that is given up leaves no timer behind.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Function, Reflect};
use tokio::sync::{Notify, oneshot};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Event, EventTarget};

/// The longest wait that browsers know, in milliseconds.
const MILLIS_MAX: u128 = (1 << 31) - 1;

/// What tells that a page is looked at again, or the network back; the second is said to documents.
const BACK: [&str; 2] = ["online", "pageshow"];
const VISIBLE: &str = "visibilitychange";

thread_local! {
    static SET_TIMEOUT: Option<Function> = global_function("setTimeout");
    static CLEAR_TIMEOUT: Option<Function> = global_function("clearTimeout");
}

/// Windows and workers have the same functions, and no type in common.
pub(super) fn global_function(name: &str) -> Option<Function> {
    let function = Reflect::get(&js_sys::global(), &name.into()).ok()?;
    function.dyn_into().ok()
}

struct Timer {
    id: JsValue,
    _ring: Closure<dyn FnMut()>,
}

impl Drop for Timer {
    fn drop(&mut self) {
        CLEAR_TIMEOUT.with(|clear| {
            if let Some(clear) = clear {
                let _ = clear.call1(&JsValue::UNDEFINED, &self.id);
            }
        });
    }
}

pub(in crate::connection::link) async fn sleep(duration: Duration) {
    let (sender, rung) = oneshot::channel();
    let mut sender = Some(sender);
    let ring = Closure::<dyn FnMut()>::new(move || {
        if let Some(sender) = sender.take() {
            let _ = sender.send(());
        }
    });
    let millis = duration.as_micros().div_ceil(1000).min(MILLIS_MAX);
    let millis = f64::from(u32::try_from(millis).unwrap_or(u32::MAX));
    let set = SET_TIMEOUT.with(Clone::clone);
    let id = set.and_then(|set| {
        let ring = ring.as_ref();
        set.call2(&JsValue::UNDEFINED, ring, &millis.into()).ok()
    });
    let _timer = Timer {
        id: id.expect("pages and workers have timers"),
        _ring: ring,
    };
    let _ = rung.await;
}

/// Waits before another attempt to connect; less, if meanwhile somebody looks at the page again or
/// the network is back.
pub(in crate::connection::link) async fn pause(duration: Duration) {
    let back = Rc::new(Notify::new());
    let _listeners = listen(&back);
    tokio::select! {
        () = sleep(duration) => {}
        () = back.notified() => {}
    }
}

struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Closure<dyn FnMut(Event)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let callback = self.callback.as_ref().unchecked_ref();
        let _ = self
            .target
            .remove_event_listener_with_callback(self.event, callback);
    }
}

impl Listener {
    fn new(target: &JsValue, event: &'static str, back: &Rc<Notify>) -> Option<Self> {
        let target: EventTarget = target.clone().dyn_into().ok()?;
        let back = back.clone();
        let callback = Closure::<dyn FnMut(Event)>::new(move |_| {
            if !is_hidden() {
                back.notify_one();
            }
        });
        let function = callback.as_ref().unchecked_ref();
        target
            .add_event_listener_with_callback(event, function)
            .ok()?;
        Some(Listener {
            target,
            event,
            callback,
        })
    }
}

fn listen(back: &Rc<Notify>) -> Vec<Listener> {
    let global = js_sys::global();
    let in_page = BACK.iter().map(|event| Listener::new(&global, event, back));
    let in_document = document().map(|document| Listener::new(&document, VISIBLE, back));
    in_page.chain(in_document).flatten().collect()
}

fn document() -> Option<JsValue> {
    let document = Reflect::get(&js_sys::global(), &"document".into()).ok()?;
    document.is_object().then_some(document)
}

/// Whether nobody can see the page. Workers are never hidden.
fn is_hidden() -> bool {
    let hidden = document().and_then(|document| Reflect::get(&document, &"hidden".into()).ok());
    hidden.is_some_and(|hidden| hidden.is_truthy())
}

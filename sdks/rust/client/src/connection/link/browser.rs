//! The socket of a web page or a worker: the browser's, and its clock.
//!
//! Invariants
//!   * Browsers send no headers with a socket: a token is exchanged for a short-lived one, which
//!     goes into the address.
//!   * Nothing calls back into a socket that has been dropped.
//!   * What has come and was not read yet is bounded in bytes: the browser never waits for the
//!     page, so a page that does not drive its connection loses it.

mod fetch;
mod timer;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BinaryType, CloseEvent, Event, MessageEvent, WebSocket};

use super::{ConnectFailure, SocketEvent, Target};
use crate::error::InternalError;
use crate::wire;
use crate::wire::frame::{PROTOCOLS, Version};
pub(super) use timer::{pause, sleep};

/// Most bytes of messages that wait to be applied; then no more are unpacked.
pub(in crate::connection) const WAITING_BYTES_MAX: usize = 64 << 20;

/// Most bytes that have come and wait behind those. The browser reads on, whatever the page does.
const UNREAD_BYTES_MAX: usize = 192 << 20;

/// Sending waits while the browser has so many bytes to send.
const UNSENT_BYTES_MAX: u32 = 16 << 20;

/// How often the browser is asked whether it has fewer.
const UNSENT_POLL: Duration = Duration::from_millis(20);

/// An open socket.
pub(super) struct Socket {
    pub(super) reader: SocketReader,
    pub(super) writer: SocketWriter,
    pub(super) version: Version,
}

pub(super) struct SocketReader {
    happenings: UnboundedReceiver<Happening>,
    unread_bytes: Rc<Cell<usize>>,
}

pub(super) struct SocketWriter(Handle);

/// What the browser says.
enum Happening {
    Open,
    Frame(Bytes),
    Text,
    TooMuch,
    Closed { code: u16, reason: String },
}

/// The browser's socket, and what it calls.
struct Handle {
    socket: WebSocket,
    _on_event: Closure<dyn FnMut(Event)>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        for set in [
            WebSocket::set_onopen,
            WebSocket::set_onmessage,
            WebSocket::set_onclose,
        ] {
            set(&self.socket, None);
        }
        // It may be closed already, which is no harm.
        let _ = self.socket.close();
    }
}

/// Runs a future beside everything else in the page.
pub(in crate::connection) fn spawn(future: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(future);
}

/// A random number from 0 to 1.
pub(super) fn random_share() -> f64 {
    js_sys::Math::random()
}

/// What JavaScript threw, for people.
fn thrown(value: &JsValue) -> InternalError {
    let text = value.dyn_ref::<js_sys::Error>().map_or_else(
        || format!("{value:?}"),
        |error| String::from(error.message()),
    );
    InternalError::new(text)
}

impl Socket {
    pub(super) async fn connect(target: &Target) -> Result<Self, ConnectFailure> {
        let mut url = target.url().map_err(ConnectFailure::permanent)?;
        if let Some(token) = &target.token {
            url.push_str("&token=");
            let token = fetch::short_lived_token(target, token).await?;
            super::target::push_escaped(&mut url, &token);
        }
        let (handle, mut reader) = open(&url).map_err(ConnectFailure::permanent)?;
        loop {
            match reader.happenings.recv().await {
                Some(Happening::Open) => break,
                Some(Happening::Closed { .. }) | None => {
                    return Err(fetch::why_not(target).await);
                }
                Some(_) => {}
            }
        }
        let version = version(&handle.socket).map_err(ConnectFailure::permanent)?;
        Ok(Socket {
            reader,
            writer: SocketWriter(handle),
            version,
        })
    }
}

fn open(url: &str) -> Result<(Handle, SocketReader), InternalError> {
    let protocols: Array = PROTOCOLS
        .iter()
        .map(|(name, _)| JsValue::from_str(name))
        .collect();
    let socket = WebSocket::new_with_str_sequence(url, &protocols)
        .map_err(|error| InternalError::new("no socket can be made").with_cause(thrown(&error)))?;
    socket.set_binary_type(BinaryType::Arraybuffer);
    let (sender, happenings) = unbounded_channel();
    let unread_bytes = Rc::new(Cell::new(0));
    let listener = Listener {
        sender,
        unread_bytes: unread_bytes.clone(),
    };
    let on_event = Closure::<dyn FnMut(Event)>::new(move |event| listener.hear(event));
    let callback = Some(on_event.as_ref().unchecked_ref());
    socket.set_onopen(callback);
    socket.set_onmessage(callback);
    socket.set_onclose(callback);
    let handle = Handle {
        socket,
        _on_event: on_event,
    };
    let reader = SocketReader {
        happenings,
        unread_bytes,
    };
    Ok((handle, reader))
}

/// Hears what the browser says.
struct Listener {
    sender: UnboundedSender<Happening>,
    unread_bytes: Rc<Cell<usize>>,
}

impl Listener {
    fn hear(&self, event: Event) {
        let happening = match event.dyn_into::<MessageEvent>() {
            Ok(message) => self.message(&message),
            Err(event) => match event.dyn_into::<CloseEvent>() {
                Ok(close) => Happening::Closed {
                    code: close.code(),
                    reason: close.reason(),
                },
                Err(_) => Happening::Open,
            },
        };
        // Nobody may be left to hear it.
        let _ = self.sender.send(happening);
    }

    fn message(&self, message: &MessageEvent) -> Happening {
        let Ok(buffer) = message.data().dyn_into::<ArrayBuffer>() else {
            return Happening::Text;
        };
        let length = usize::try_from(buffer.byte_length()).unwrap_or(usize::MAX);
        let unread = self.unread_bytes.get().saturating_add(length);
        // One frame is always taken, however long: its own limit is another one.
        if unread > UNREAD_BYTES_MAX && unread != length {
            return Happening::TooMuch;
        }
        self.unread_bytes.set(unread);
        Happening::Frame(Uint8Array::new(&buffer).to_vec().into())
    }
}

fn version(socket: &WebSocket) -> Result<Version, InternalError> {
    let chosen = socket.protocol();
    if chosen.is_empty() {
        return Ok(Version::V2);
    }
    let known = PROTOCOLS.iter().find(|(name, _)| chosen == *name);
    known.map(|(_, version)| *version).ok_or_else(|| {
        InternalError::new(format!("the server wants the unknown protocol {chosen:?}"))
    })
}

impl SocketReader {
    /// What comes next. May be given up while it waits.
    pub(super) async fn next(&mut self) -> SocketEvent {
        match self.happenings.recv().await {
            Some(Happening::Open) => SocketEvent::Alive,
            Some(Happening::Frame(frame)) => {
                let unread = self.unread_bytes.get();
                self.unread_bytes.set(unread.saturating_sub(frame.len()));
                SocketEvent::Frame(frame)
            }
            Some(Happening::Text) => {
                SocketEvent::Closed(InternalError::new("the server sent text"))
            }
            Some(Happening::TooMuch) => SocketEvent::Closed(InternalError::new(format!(
                "more than {} bytes wait to be applied: drive the connection",
                WAITING_BYTES_MAX + UNREAD_BYTES_MAX
            ))),
            Some(Happening::Closed { code, reason }) => SocketEvent::Closed(closed(code, &reason)),
            None => SocketEvent::Closed(closed(NO_STATUS, "")),
        }
    }
}

/// Codes that the browser makes up: no reason was given, and there was no good-bye at all.
const NO_STATUS: u16 = 1005;
const ABNORMAL: u16 = 1006;

fn closed(code: u16, reason: &str) -> InternalError {
    InternalError::new(match code {
        NO_STATUS => "the server closed the connection without a reason".to_owned(),
        ABNORMAL => "the connection broke".to_owned(),
        code => format!("the server closed the connection: {code} {reason}"),
    })
}

impl SocketWriter {
    pub(super) async fn send(&mut self, frame: Vec<u8>) -> Result<(), InternalError> {
        let socket = &self.0.socket;
        while socket.buffered_amount() > UNSENT_BYTES_MAX {
            sleep(UNSENT_POLL).await;
        }
        if socket.ready_state() != WebSocket::OPEN {
            return Err(InternalError::new("sending failed: the socket is closed"));
        }
        let sent = socket.send_with_u8_array(&frame);
        sent.map_err(|error| InternalError::new("sending failed").with_cause(thrown(&error)))
    }

    /// Asks the server for a sign of life. Pages cannot send pings.
    pub(super) async fn ping(&mut self) -> Result<(), InternalError> {
        self.send(wire::knock()).await
    }

    /// Says that this side has nothing more to say.
    pub(super) async fn close(&mut self) {
        let _ = self.0.socket.close();
    }
}

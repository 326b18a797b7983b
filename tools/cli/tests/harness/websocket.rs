//! A WebSocket client that knows only the published message forms, and waits with an end.
//!
//! ```ignore
//! let mut client = Socket::open(&server, "sink", V2, &Options::of(&owner));
//! let rows = client.subscribe(1, &["SELECT * FROM plain"]).unwrap();
//! let outcome = client.call("insert_plain", &bsatn::to_vec(&(1i32, "a")));
//! ```
//!
//! Invariants
//!   * Nothing waits longer than `WAIT_MAX`.
//!   * Every message is read to its last byte: surplus bytes are a failure.
//!   * It shares no code with the server's protocol, only the value encoding.

pub mod v1;
pub mod v2;

use std::collections::VecDeque;
use std::io::Read as _;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use spacetime_types::bsatn::Reader;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Login, Refusal, Server};

pub const V1: &str = "v1.bsatn.spacetimedb";
pub const V2: &str = "v2.bsatn.spacetimedb";
pub const V3: &str = "v3.bsatn.spacetimedb";

/// How long an answer may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How to open a connection.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub login: Option<&'a Login>,
    pub compression: &'a str,
    pub confirmed: bool,
}

impl<'a> Options<'a> {
    /// As `login`, without compression and without waiting for the disk.
    pub fn of(login: &'a Login) -> Self {
        Options {
            login: Some(login),
            compression: "None",
            confirmed: false,
        }
    }
}

/// Why a connection has no more messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// 1006 if the server ended the connection without saying why.
    pub code: u16,
    pub reason: String,
}

/// A message in one of the forms.
pub trait Form: Sized {
    /// Reads one message.
    fn read(reader: &mut Reader<'_>) -> Self;
}

/// A connection, closed when dropped.
#[derive(Debug)]
pub struct Socket {
    runtime: Runtime,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What a frame held beyond the message that was read.
    waiting: VecDeque<u8>,
    /// The protocol that the server chose.
    pub protocol: String,
    /// The compression tags of all frames so far.
    pub tags: Vec<u8>,
}

impl Socket {
    /// Connects, up to the end of the upgrade; the first message is still to be read.
    pub fn try_open(
        server: &Server,
        database: &str,
        protocols: &str,
        options: &Options<'_>,
    ) -> Result<Self, Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = format!(
            "ws://{}/v1/database/{database}/subscribe?compression={}&confirmed={}",
            server.address(),
            options.compression,
            options.confirmed
        );
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_str(protocols).unwrap(),
        );
        if let Some(login) = options.login {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", login.token)).unwrap();
            headers.insert("authorization", bearer);
        }
        let connected = runtime
            .block_on(async { tokio::time::timeout(WAIT_MAX, connect_async(request)).await })
            .expect("the server does not answer an upgrade");
        let (stream, answer) = match connected {
            Ok(connected) => connected,
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                return Err(Refusal {
                    status: answer.status().as_u16(),
                    text: String::from_utf8(body).unwrap(),
                });
            }
            Err(error) => panic!("{error}\n{}", server.log()),
        };
        let protocol = answer.headers()["sec-websocket-protocol"].to_str().unwrap();
        Ok(Socket {
            protocol: protocol.to_owned(),
            runtime,
            stream,
            waiting: VecDeque::new(),
            tags: Vec::new(),
        })
    }

    /// Sends one binary frame.
    pub fn send(&mut self, bytes: Vec<u8>) {
        self.send_message(Message::Binary(bytes.into()));
    }

    /// Sends one text frame.
    pub fn send_text(&mut self, text: &str) {
        self.send_message(Message::Text(text.into()));
    }

    /// The next message, or why there is none.
    pub fn try_next<M: Form>(&mut self) -> Result<M, Closed> {
        if self.waiting.is_empty() {
            let frame = self.next_frame()?;
            let Message::Binary(frame) = frame else {
                panic!("not a binary frame: {frame:?}");
            };
            let (tag, body) = frame.split_first().expect("an empty frame");
            self.tags.push(*tag);
            self.waiting.extend(decompressed(*tag, body));
        }
        let bytes = std::mem::take(&mut self.waiting);
        let bytes = Vec::from(bytes);
        let mut reader = Reader::new(&bytes);
        let message = M::read(&mut reader);
        self.waiting.extend(reader.rest());
        let batched = self.protocol == V3;
        assert!(
            batched || self.waiting.is_empty(),
            "more than one message in a frame"
        );
        Ok(message)
    }

    /// The next binary frame as it came.
    pub fn next_bytes(&mut self) -> Vec<u8> {
        match self.next_frame() {
            Ok(Message::Binary(bytes)) => bytes.to_vec(),
            other => panic!("not a binary frame: {other:?}"),
        }
    }

    /// The next text frame, or why there is none.
    pub fn next_text(&mut self) -> Result<String, Closed> {
        match self.next_frame()? {
            Message::Text(text) => Ok(text.to_string()),
            other => panic!("not a text frame: {other:?}"),
        }
    }

    /// The next message.
    pub fn next<M: Form>(&mut self) -> M {
        self.try_next()
            .unwrap_or_else(|closed| panic!("the connection has ended: {closed:?}"))
    }

    /// Closes in order, and waits for the server's answer.
    pub fn close(mut self) {
        self.send_message(Message::Close(None));
        while self.next_frame().is_ok() {}
    }

    fn send_message(&mut self, message: Message) {
        let sent = async { tokio::time::timeout(WAIT_MAX, self.stream.send(message)).await };
        self.runtime
            .block_on(sent)
            .expect("the server does not read")
            .unwrap();
    }

    fn next_frame(&mut self) -> Result<Message, Closed> {
        loop {
            let read = async { tokio::time::timeout(WAIT_MAX, self.stream.next()).await };
            let frame = self.runtime.block_on(read).expect("no message in time");
            match frame {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    });
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return Err(Closed {
                        code: 1006,
                        reason: String::new(),
                    });
                }
                Some(Ok(message)) => return Ok(message),
            }
        }
    }
}

fn decompressed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match tag {
        0 => plain.extend_from_slice(body),
        1 => {
            let mut reader = brotli::Decompressor::new(body, 4096);
            reader.read_to_end(&mut plain).unwrap();
        }
        2 => {
            let mut reader = flate2::read::GzDecoder::new(body);
            reader.read_to_end(&mut plain).unwrap();
        }
        other => panic!("an unknown compression tag: {other}"),
    }
    plain
}

/// The rows of a row list, each its own bytes.
fn row_list(reader: &mut Reader<'_>) -> Vec<Vec<u8>> {
    enum Hint {
        Size(usize),
        Offsets(Vec<usize>),
    }
    let hint = match reader.u8().unwrap() {
        0 => Hint::Size(usize::from(u16::from_le_bytes(
            reader.array("u16").unwrap(),
        ))),
        1 => Hint::Offsets(list(reader, |reader| {
            usize::try_from(u64::from_le_bytes(reader.array("u64").unwrap())).unwrap()
        })),
        other => panic!("an unknown size hint: {other}"),
    };
    let data = reader.bytes().unwrap();
    match hint {
        Hint::Size(size) => {
            assert!(size > 0 && data.len().is_multiple_of(size), "size hint");
            data.chunks(size).map(<[u8]>::to_vec).collect()
        }
        Hint::Offsets(starts) => {
            let ends = starts.iter().copied().skip(1).chain([data.len()]);
            let rows = starts.iter().zip(ends);
            rows.map(|(start, end)| data[*start..end].to_vec())
                .collect()
        }
    }
}

fn list<T>(reader: &mut Reader<'_>, mut read: impl FnMut(&mut Reader<'_>) -> T) -> Vec<T> {
    let count = reader.len().unwrap();
    (0..count).map(|_| read(reader)).collect()
}

fn option<T>(reader: &mut Reader<'_>, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
    match reader.u8().unwrap() {
        0 => Some(read(reader)),
        1 => None,
        other => panic!("an unknown tag of an option: {other}"),
    }
}

fn text(reader: &mut Reader<'_>) -> String {
    reader.str().unwrap().to_owned()
}

fn number(reader: &mut Reader<'_>) -> i64 {
    i64::from_le_bytes(reader.array("i64").unwrap())
}

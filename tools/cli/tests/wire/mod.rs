//! A small client of the v2 and v3 protocols, written from the protocol's description, and the
//! random numbers of the tests that use it.
//!
//! Not here: rows. A message with rows is seen, not read.

#![allow(dead_code, reason = "no test file needs everything")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use spacetime_types::bsatn::{self, DecodeError, Encode as _, Reader};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const V1: &str = "v1.bsatn.spacetimedb";
pub const V2: &str = "v2.bsatn.spacetimedb";
pub const V3: &str = "v3.bsatn.spacetimedb";

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Connected,
    SubscribeApplied,
    SubscriptionError(String),
    TransactionUpdate,
    /// The error of a call that did not commit is in words.
    Result {
        request_id: u32,
        error: Option<String>,
    },
}

/// Why there is nothing more to hear.
#[derive(Debug)]
pub enum WireError {
    Socket(tungstenite::Error),
    /// The close frame, if there was one.
    Closed(Option<String>),
    Decode(DecodeError),
}

impl From<tungstenite::Error> for WireError {
    fn from(error: tungstenite::Error) -> Self {
        WireError::Socket(error)
    }
}

impl From<DecodeError> for WireError {
    fn from(error: DecodeError) -> Self {
        WireError::Decode(error)
    }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that speaks one of the two protocols.
pub struct Wire {
    socket: Socket,
    events: VecDeque<Event>,
}

impl Wire {
    /// Connects and waits for the greeting.
    pub async fn connect(
        address: SocketAddr,
        database: &str,
        protocol: &str,
        token: &str,
    ) -> Result<Wire, WireError> {
        let socket = open(address, database, protocol, Some(token), "compression=None").await?;
        let events = VecDeque::new();
        let mut wire = Wire { socket, events };
        let first = wire.next().await?;
        assert_eq!(first, Event::Connected, "the first message is the greeting");
        Ok(wire)
    }

    /// Sends a frame: one message, or several for v3.
    pub async fn send(&mut self, frame: Vec<u8>) -> Result<(), WireError> {
        Ok(self.socket.send(Message::Binary(frame.into())).await?)
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<Event, WireError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match self.socket.next().await {
                Some(Ok(Message::Binary(payload))) => read_payload(&payload, &mut self.events)?,
                Some(Ok(Message::Close(frame))) => {
                    let text = frame.map(|frame| format!("{} {}", frame.code, frame.reason));
                    return Err(WireError::Closed(text));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(WireError::Closed(None)),
            }
        }
    }

    /// Calls a reducer and waits for its result.
    pub async fn call(&mut self, reducer: &str, args: &[u8]) -> Result<(), String> {
        let mut frame = Vec::new();
        write_call(0, reducer, args, &mut frame);
        let failed = |error: WireError| format!("{error:?}");
        self.send(frame).await.map_err(failed)?;
        loop {
            if let Event::Result { error, .. } = self.next().await.map_err(failed)? {
                return error.map_or(Ok(()), Err);
            }
        }
    }
}

/// Opens a WebSocket and nothing more.
pub async fn open(
    address: SocketAddr,
    database: &str,
    protocol: &str,
    token: Option<&str>,
    query: &str,
) -> Result<Socket, tungstenite::Error> {
    let url = format!("ws://{address}/v1/database/{database}/subscribe?{query}");
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
    if let Some(token) = token {
        let bearer = format!("Bearer {token}").parse().unwrap();
        headers.insert("authorization", bearer);
    }
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    Ok(socket)
}

/// Appends a v2 call.
pub fn write_call(request_id: u32, reducer: &str, args: &[u8], out: &mut Vec<u8>) {
    out.push(3);
    request_id.encode(out);
    out.push(0);
    reducer.encode(out);
    bsatn::encode_len(args.len(), out);
    out.extend_from_slice(args);
}

/// Appends a v2 subscription.
pub fn write_subscribe(request_id: u32, set: u32, queries: &[&str], out: &mut Vec<u8>) {
    out.push(0);
    request_id.encode(out);
    set.encode(out);
    bsatn::encode_len(queries.len(), out);
    for query in queries {
        query.encode(out);
    }
}

fn read_payload(payload: &Bytes, events: &mut VecDeque<Event>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(payload);
    assert_eq!(reader.u8()?, 0, "compression was not asked for");
    while !reader.rest().is_empty() {
        let event = match reader.u8()? {
            0 => {
                reader.take(32 + 16)?;
                reader.str()?;
                Event::Connected
            }
            1 => {
                reader.take(8)?;
                skip_tables(&mut reader)?;
                Event::SubscribeApplied
            }
            3 => {
                if reader.u8()? == 0 {
                    reader.u32()?;
                }
                reader.u32()?;
                Event::SubscriptionError(reader.str()?.to_owned())
            }
            4 => {
                skip_update(&mut reader)?;
                Event::TransactionUpdate
            }
            6 => {
                let request_id = reader.u32()?;
                reader.take(8)?;
                let error = read_outcome(&mut reader)?;
                Event::Result { request_id, error }
            }
            tag => panic!("message {tag} was not asked for"),
        };
        events.push_back(event);
    }
    Ok(())
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    match reader.u8()? {
        0 => {
            reader.bytes()?;
            skip_update(reader)?;
            Ok(None)
        }
        1 => Ok(None),
        2 => Ok(Some(format!(
            "returned {:?}",
            Reader::new(reader.bytes()?).str()
        ))),
        3 => Ok(Some(reader.str()?.to_owned())),
        tag => panic!("no outcome has the tag {tag}"),
    }
}

fn skip_update(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for _ in 0..reader.len()? {
        reader.u32()?;
        for _ in 0..reader.len()? {
            reader.str()?;
            for _ in 0..reader.len()? {
                let lists = if reader.u8()? == 0 { 2 } else { 1 };
                for _ in 0..lists {
                    skip_rows(reader)?;
                }
            }
        }
    }
    Ok(())
}

fn skip_tables(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for _ in 0..reader.len()? {
        reader.str()?;
        skip_rows(reader)?;
    }
    Ok(())
}

fn skip_rows(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if reader.u8()? == 0 {
        reader.take(2)?;
    } else {
        let count = reader.len()?;
        reader.take(count * 8)?;
    }
    reader.bytes()?;
    Ok(())
}

/// A stream of numbers from one seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed in `variable`, or a new one; printed, so that a failure can be repeated.
    pub fn from_environment(variable: &str) -> Random {
        let seed = match std::env::var(variable) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{variable} is a number")),
            Err(_) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                now.as_nanos() as u64
            }
        };
        eprintln!("{variable}={seed}");
        Random(seed)
    }

    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Another stream, for another task.
    pub fn fork(&mut self) -> Random {
        Random(self.next())
    }
}

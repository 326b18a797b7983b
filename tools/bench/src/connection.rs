//! One WebSocket connection with a fixed number of calls in flight.
//!
//! Invariants
//!   * At most `slots.len()` calls wait for their results, each in a slot of its own; a result
//!     for no waiting call ends the run.
//!   * All calls that are ready together are framed and sent together.
//!
//! Not here: when to call what, and for how long (see `load`).

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use mio::net::TcpStream;

use crate::frame::{self, Event, Inbox};
use crate::message::{Protocol, ServerMessage, read_payload};
use crate::random::Random;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Covers the module's `client_connected` and a queue of other connections before this one.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
const RESPONSE_HEAD_BYTES_MAX: usize = 64 << 10;
const RECEIVE_BYTES: usize = 32 << 10;
/// The key and its answer that RFC 6455 uses as example: any 16 bytes will do as a key, and so
/// the answer can be checked without computing a hash.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const KEY_ANSWER: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How to open connections.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub address: SocketAddr,
    /// For the `Host` header.
    pub host: String,
    pub database: String,
    pub token: String,
    pub protocol: Protocol,
    pub confirmed: bool,
}

/// A call that waits for its result.
#[derive(Debug, Clone, Copy)]
struct Slot {
    request_id: u32,
    sent_at: Option<Instant>,
}

/// A result, as [`Connection::receive`] reports it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub sent_at: Instant,
    /// The text of what went wrong; `None`: committed.
    pub error: Option<String>,
    /// Which of the connection's calls it was.
    pub slot: u32,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    protocol: Protocol,
    mask: [u8; 4],
    inbox: Inbox,
    /// Framed bytes; those before `sent` are with the kernel.
    outbox: Vec<u8>,
    sent: usize,
    /// Calls of one batch, not yet framed.
    batch: Vec<u8>,
    slots: Vec<Slot>,
    waiting_count: usize,
}

impl Connection {
    /// Connects, upgrades, and waits for the server's first message.
    pub(crate) fn open(target: &Target, in_flight: u32, random: &mut Random) -> Result<Self> {
        let (stream, inbox) = open_stream(target)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            protocol: target.protocol,
            mask: random.pair().0.to_ne_bytes(),
            inbox,
            outbox: Vec::new(),
            sent: 0,
            batch: Vec::new(),
            slots: (0..in_flight)
                .map(|request_id| Slot {
                    request_id,
                    sent_at: None,
                })
                .collect(),
            waiting_count: 0,
        })
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The calls that wait for their results.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting_count
    }

    /// Puts a call in a free slot; `write` appends it with the request id that it is given.
    pub(crate) fn call(&mut self, slot: u32, now: Instant, write: impl FnOnce(u32, &mut Vec<u8>)) {
        let slot_count = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let slot = &mut self.slots[slot as usize];
        assert!(slot.sent_at.is_none(), "the slot must be free");
        // Ids of a slot differ by a multiple of the number of slots, so that a result that comes
        // twice is noticed. Near the end of the range they begin again.
        let next = slot.request_id.checked_add(slot_count);
        slot.request_id = next.unwrap_or(slot.request_id % slot_count);
        slot.sent_at = Some(now);
        self.waiting_count += 1;
        write(slot.request_id, &mut self.batch);
        if self.protocol == Protocol::V2 {
            self.frame_batch();
        }
    }

    fn frame_batch(&mut self) {
        if !self.batch.is_empty() {
            frame::write_binary(&self.batch, self.mask, &mut self.outbox);
            self.batch.clear();
        }
    }

    /// Sends what is ready, as far as the kernel takes it; the rest goes when the socket is
    /// writable again.
    pub(crate) fn send(&mut self) -> Result<()> {
        self.frame_batch();
        while self.sent < self.outbox.len() {
            match self.stream.write(&self.outbox[self.sent..]) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("sending to the server"),
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(())
    }

    /// Receives what has arrived and appends the results in it to `finished`.
    pub(crate) fn receive(&mut self, finished: &mut Vec<Finished>) -> Result<()> {
        loop {
            let space = self.inbox.space();
            let space_len = space.len();
            let len = match self.stream.read(space) {
                Ok(0) => bail!("the server closed the connection without a word"),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("receiving from the server"),
            };
            self.inbox.received(len);
            self.take_events(finished)?;
            // Less than there was space for: the socket is empty, and the kernel will tell when
            // it no longer is. Saves a call that would only say so.
            if len < space_len {
                return Ok(());
            }
        }
    }

    fn take_events(&mut self, finished: &mut Vec<Finished>) -> Result<()> {
        while let Some(event) = self.inbox.next()? {
            match event {
                Event::Ping(bytes) => frame::write_pong(bytes, self.mask, &mut self.outbox),
                Event::Close(bytes) => return Err(closed(bytes)),
                Event::Message(payload) => {
                    let slots = &mut self.slots;
                    let waiting_count = &mut self.waiting_count;
                    read_payload(payload, |message| {
                        let result = take_result(slots, &message)?;
                        *waiting_count -= 1;
                        finished.push(result);
                        anyhow::Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Tells the server that this side is done; does not wait for its answer.
    pub(crate) fn close(mut self) {
        frame::write_close(self.mask, &mut self.outbox);
        // The run is over: whether the server hears it changes no figure.
        let _ = self.send();
    }
}

/// Connects, upgrades, and reads the server's first message. Bytes behind it are in the inbox.
pub(crate) fn open_stream(target: &Target) -> Result<(std::net::TcpStream, Inbox)> {
    let mut stream = std::net::TcpStream::connect_timeout(&target.address, CONNECT_TIMEOUT)
        .with_context(|| format!("cannot connect to {}", target.address))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(FIRST_MESSAGE_TIMEOUT))?;
    stream.write_all(upgrade_request(target).as_bytes())?;
    let mut inbox = Inbox::new(RECEIVE_BYTES);
    let surplus = read_upgrade_response(&mut stream, target.protocol)?;
    for piece in surplus.chunks(RECEIVE_BYTES / 4) {
        inbox.space()[..piece.len()].copy_from_slice(piece);
        inbox.received(piece.len());
    }
    await_first_message(&mut stream, &mut inbox)?;
    Ok((stream, inbox))
}

/// Frees the slot of the call that the message answers.
fn take_result(slots: &mut [Slot], message: &ServerMessage<'_>) -> Result<Finished> {
    let ServerMessage::ReducerResult { request_id, error } = message else {
        bail!("the server greeted twice");
    };
    let slot_count = u32::try_from(slots.len())?;
    let index = request_id % slot_count;
    let slot = &mut slots[index as usize];
    let sent_at = slot.sent_at.filter(|_| slot.request_id == *request_id);
    let sent_at =
        sent_at.with_context(|| format!("a result for request {request_id}, which waits not"))?;
    slot.sent_at = None;
    Ok(Finished {
        sent_at,
        error: error.as_ref().map(ToString::to_string),
        slot: index,
    })
}

fn upgrade_request(target: &Target) -> String {
    format!(
        "GET /v1/database/{}/subscribe?compression=None&confirmed={} HTTP/1.1\r\n\
         Host: {}\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Protocol: {}\r\n\
         Authorization: Bearer {}\r\n\r\n",
        target.database,
        target.confirmed,
        target.host,
        target.protocol.name(),
        target.token
    )
}

/// Reads the head of the response; returns the bytes behind it.
fn read_upgrade_response(stream: &mut std::net::TcpStream, protocol: Protocol) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let len = stream.read(&mut piece).context("waiting for the upgrade")?;
        ensure!(
            len != 0,
            "the server closed the connection before the upgrade"
        );
        bytes.extend_from_slice(&piece[..len]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(bytes.len() < RESPONSE_HEAD_BYTES_MAX, "an endless response");
    };
    let surplus = bytes.split_off(end);
    check_upgrade_head(&String::from_utf8_lossy(&bytes), protocol).map_err(|error| {
        let body = String::from_utf8_lossy(&surplus);
        error.context(format!("the server refused the upgrade: {body}"))
    })?;
    Ok(surplus)
}

fn check_upgrade_head(head: &str, protocol: Protocol) -> Result<()> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("101"), "{status}");
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let check = |name: &str, expect: &str| {
        let found = headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        let value = found.map(|(_, value)| value.trim());
        ensure!(value == Some(expect), "{name} is {value:?}, not {expect}");
        Ok(())
    };
    check("sec-websocket-accept", KEY_ANSWER)?;
    check("sec-websocket-protocol", protocol.name())
}

fn await_first_message(stream: &mut std::net::TcpStream, inbox: &mut Inbox) -> Result<()> {
    loop {
        match inbox.next()? {
            Some(Event::Message(payload)) => {
                let mut is_first = true;
                return read_payload(payload, |message| {
                    let is_greeting = message == ServerMessage::InitialConnection;
                    ensure!(is_greeting && is_first, "not a greeting: {message:?}");
                    is_first = false;
                    Ok(())
                });
            }
            Some(Event::Close(bytes)) => return Err(closed(bytes)),
            // The server asks again later; by then the connection answers.
            Some(Event::Ping(_)) => {}
            None => {
                let len = stream.read(inbox.space());
                let len = len.context("waiting for the server's first message")?;
                ensure!(
                    len != 0,
                    "the server closed the connection before its first message"
                );
                inbox.received(len);
            }
        }
    }
}

pub(crate) fn closed(payload: &[u8]) -> anyhow::Error {
    match payload {
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            let reason = String::from_utf8_lossy(reason);
            anyhow!("the server closed the connection: {code} {reason}")
        }
        _ => anyhow!("the server closed the connection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Vec<Slot> {
        let sent_at = Some(Instant::now());
        let slot = |request_id| Slot {
            request_id,
            sent_at,
        };
        vec![slot(6), slot(7), slot(5)]
    }

    fn result(request_id: u32) -> ServerMessage<'static> {
        ServerMessage::ReducerResult {
            request_id,
            error: None,
        }
    }

    #[test]
    fn a_result_frees_the_slot_of_its_call_once() {
        let mut slots = slots();
        assert_eq!(take_result(&mut slots, &result(7)).unwrap().slot, 1);
        assert!(slots[1].sent_at.is_none());
        assert!(take_result(&mut slots, &result(7)).is_err());
        assert!(take_result(&mut slots, &result(8)).is_err());
        assert!(take_result(&mut slots, &ServerMessage::InitialConnection).is_err());
        assert_eq!(take_result(&mut slots, &result(5)).unwrap().slot, 2);
    }

    #[test]
    fn an_upgrade_to_another_protocol_is_refused() {
        let head = |protocol: &str, answer: &str| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {answer}\r\n\
                 sec-websocket-protocol:{protocol}\r\n\r\n"
            )
        };
        let v3 = |head: &str| check_upgrade_head(head, Protocol::V3);
        v3(&head("v3.bsatn.spacetimedb", KEY_ANSWER)).unwrap();
        assert!(v3(&head("v2.bsatn.spacetimedb", KEY_ANSWER)).is_err());
        assert!(v3(&head("v3.bsatn.spacetimedb", KEY)).is_err());
        assert!(v3("HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    }
}

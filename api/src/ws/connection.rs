//! One open WebSocket: reads requests, writes what the database has to say.
//!
//! Invariants
//!   * One task per connection and no others: it waits for the socket, the outbox and the clock at
//!     the same time, and never for one of them alone while another has work.
//!   * Frames leave in the order of the outbox. While frames are being written nothing is taken
//!     from the outbox, whose bounds then decide when the client counts as not reading.
//!   * The database learns of the end of the connection exactly once, whatever ended it.
//!   * The socket is not read while too many requests are unanswered (`incoming`).
//!
//! Not here: holding messages back until they are durable (the host does), and encoding.

mod readable;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, Sink, SinkExt, StreamExt};
use spacetime_host::{ClientId, DatabaseHandle, OutboxMessage, OutboxReceiver, Request};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior};

use self::readable::Readable;
use super::client_json::decode_json;
use super::client_message::{MessagesV3, decode_v1, decode_v2};
use super::close::{Close, CloseCode};
use super::frame::FrameEncoder;
use super::incoming::{AnswersDue, is_answered, request_of};
use super::pace::Pace;
use super::protocol::Protocol;
use super::throttle::Throttle;

/// Most messages taken from the outbox at once.
const BATCH_MESSAGES: usize = 4096;

/// Most frames read in one go before frames are written again.
const READ_BURST: usize = 64;

/// Most calls of one connection that have no answer and are not done yet.
const QUIET_CALLS_MAX: usize = 1024;

/// Times of the keep-alive.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    /// Between two pings to the client.
    pub ping_interval: Duration,
    /// A client that sends nothing at all for so long, or takes no byte, is dropped.
    pub idle_timeout: Duration,
    /// How long the goodbye to a client may take.
    pub close_timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        KeepAlive {
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_millis(250),
        }
    }
}

/// A client of a database, connected until this is finished or dropped.
#[derive(Debug)]
pub(super) struct ConnectedClient {
    database: DatabaseHandle,
    id: ClientId,
    disconnected: bool,
}

impl ConnectedClient {
    pub(super) fn new(database: DatabaseHandle, id: ClientId) -> Self {
        ConnectedClient {
            database,
            id,
            disconnected: false,
        }
    }

    async fn finish(mut self) {
        self.disconnected = true;
        // A database that is gone has forgotten its clients already.
        let _ = self
            .database
            .send(Request::Disconnect { client: self.id })
            .await;
    }
}

impl Drop for ConnectedClient {
    /// Only reached without `finish` if the connection's task panicked or was cancelled.
    fn drop(&mut self) {
        if self.disconnected {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (database, client) = (self.database.clone(), self.id);
            runtime.spawn(async move {
                let _ = database.send(Request::Disconnect { client }).await;
            });
        }
    }
}

/// What a connection consists of.
pub(super) struct Connection {
    pub(super) socket: WebSocket,
    pub(super) client: ConnectedClient,
    pub(super) outbox: OutboxReceiver,
    pub(super) encoder: FrameEncoder,
    pub(super) protocol: Protocol,
    pub(super) keep_alive: KeepAlive,
    pub(super) throttle: Throttle,
    /// Turns true when the server goes down.
    pub(super) shutdown: watch::Receiver<bool>,
}

impl Connection {
    /// Serves the client until either side ends it.
    pub(super) async fn run(mut self) {
        let (sink, stream) = self.socket.split();
        let mut ticks = tokio::time::interval(self.keep_alive.ping_interval / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        let first = self.encoder.greeting();
        let mut running = Running {
            stream: Readable::new(stream),
            writer: Writer {
                sink,
                frames: VecDeque::new(),
                unflushed: false,
                since: now,
            },
            outbox: self.outbox,
            encoder: self.encoder,
            protocol: self.protocol,
            keep_alive: self.keep_alive,
            throttle: self.throttle,
            quiet: Arc::new(Semaphore::new(QUIET_CALLS_MAX)),
            ticks,
            batch: Vec::new(),
            encoded: Vec::new(),
            pace: Pace::new(self.protocol),
            due: AnswersDue::default(),
            pulse: Pulse {
                heard: now,
                pinged: None,
                pong_due: false,
            },
        };
        running.push(first);
        let end = running.serve(&self.client, &mut self.shutdown).await;
        // First the database, which must not wait for a client that does not answer.
        self.client.finish().await;
        running.say_goodbye(end).await;
    }
}

/// Why the loop ended.
enum End {
    /// The client closed the connection or it broke: nobody is there to be told anything.
    Gone,
    /// The client is told why.
    Close(Close),
}

/// When the client was last heard.
struct Pulse {
    heard: Instant,
    pinged: Option<Instant>,
    pong_due: bool,
}

struct Running {
    stream: Readable<SplitStream<WebSocket>>,
    writer: Writer<SplitSink<WebSocket, Message>>,
    outbox: OutboxReceiver,
    encoder: FrameEncoder,
    protocol: Protocol,
    keep_alive: KeepAlive,
    throttle: Throttle,
    /// A permit for each call that has no answer and is not done yet.
    quiet: Arc<Semaphore>,
    ticks: Interval,
    batch: Vec<OutboxMessage>,
    encoded: Vec<Bytes>,
    pace: Pace,
    due: AnswersDue,
    pulse: Pulse,
}

impl Running {
    async fn serve(
        &mut self,
        client: &ConnectedClient,
        shutdown: &mut watch::Receiver<bool>,
    ) -> End {
        let mut down = pin!(went_down(shutdown));
        loop {
            // Mostly the socket takes everything at once, and there is nothing to wait for.
            if self.writer.has_work() {
                match self.writer.write_out().now_or_never() {
                    Some(Ok(())) => self.pace.written(Instant::now()),
                    Some(Err(_)) => return End::Gone,
                    None => {}
                }
            }
            let writing = self.writer.has_work();
            let pause = self.throttle.pause(Instant::now());
            let step = tokio::select! {
                written = self.writer.write_out(), if writing => match written {
                    Ok(()) => {
                        self.pace.written(Instant::now());
                        None
                    }
                    Err(_) => Some(End::Gone),
                },
                count = self.outbox.recv_many(&mut self.batch, BATCH_MESSAGES),
                    if !writing && self.pace.is_idle() =>
                {
                    self.take_batch(count)
                }
                () = self.pace.ready(), if !writing && !self.pace.is_idle() => {
                    self.push_frames();
                    None
                }
                read = self.stream.next(), if self.due.has_room() && pause.is_none() => {
                    self.take_frames(read, client).await
                }
                () = sleep_for(pause), if pause.is_some() => None,
                _ = self.ticks.tick() => self.look_at_clock(),
                () = &mut down => {
                    Some(End::Close(Close::new(CloseCode::Away, "the server is shutting down")))
                }
            };
            if let Some(end) = step {
                return end;
            }
        }
    }

    /// Queues the frames whose time has come.
    fn push_frames(&mut self) {
        while let Some(frame) = self.pace.next(Instant::now()) {
            self.push(frame);
        }
    }

    /// Queues a frame for the client.
    fn push(&mut self, payload: Bytes) {
        let message = match self.protocol {
            Protocol::V1Json => match Utf8Bytes::try_from(payload) {
                Ok(text) => Message::Text(text),
                Err(_) => unreachable!("what was encoded as text is text"),
            },
            _ => Message::Binary(payload),
        };
        self.writer.push(message);
    }

    /// Queues the frames for the messages that `recv_many` put into the batch.
    fn take_batch(&mut self, count: usize) -> Option<End> {
        if count == 0 {
            return Some(End::Close(Close::new(CloseCode::Away, "module exited")));
        }
        self.due.settle(&self.batch);
        let end = self.batch.iter().find_map(|message| match message {
            OutboxMessage::Closed { .. } if self.outbox.overflowed() => Some(too_slow()),
            OutboxMessage::Closed { reason } => {
                Some(End::Close(Close::new(CloseCode::Away, reason)))
            }
            _ => None,
        });
        self.encoder.encode(&self.batch, &mut self.encoded);
        self.batch.clear();
        self.pace.queue(&mut self.encoded);
        if end.is_some() {
            // Nothing comes behind these.
            self.pace.hurry();
        }
        self.push_frames();
        end
    }

    /// Handles the frame that was read and those that have arrived behind it.
    async fn take_frames(
        &mut self,
        read: Option<Result<Message, axum::Error>>,
        client: &ConnectedClient,
    ) -> Option<End> {
        self.pulse.heard = Instant::now();
        let mut next = read;
        // A frame that was read is always handled: one that is read after the last round is lost.
        for left in (0..READ_BURST).rev() {
            match next {
                Some(Ok(Message::Binary(frame))) => {
                    if let Err(close) = self.take_requests(&frame, client).await {
                        return Some(End::Close(close));
                    }
                }
                Some(Ok(Message::Text(text))) if self.protocol.is_v1() => {
                    if let Err(close) = self.take_text(&text, client).await {
                        return Some(End::Close(close));
                    }
                }
                Some(Ok(Message::Text(_))) => {
                    let text = "text frames are not part of this protocol";
                    return Some(End::Close(Close::new(CloseCode::Unsupported, text)));
                }
                // The library answers pings by itself; the answer leaves with the next flush.
                Some(Ok(Message::Ping(_))) => self.writer.unflushed = true,
                Some(Ok(Message::Pong(_))) => self.pulse.pong_due = false,
                // The library answers a close; what is queued is still flushed.
                Some(Ok(Message::Close(_))) | None => return Some(End::Gone),
                Some(Err(error)) => return Some(broken(&error)),
            }
            let has_room = self.due.has_room() && self.throttle.pause(Instant::now()).is_none();
            if left == 0 || !has_room {
                return None;
            }
            match self.stream.next().now_or_never() {
                Some(read) => next = read,
                None => return None,
            }
        }
        None
    }

    /// Hands the requests of one frame to the database, waiting while its queue is full.
    async fn take_requests(
        &mut self,
        frame: &Bytes,
        client: &ConnectedClient,
    ) -> Result<(), Close> {
        let undecodable = |error| Close::new(CloseCode::Protocol, &format!("{error}"));
        match self.protocol {
            Protocol::V3 => {
                for message in MessagesV3::new(frame) {
                    self.send_on(message.map_err(undecodable)?, frame.len(), client)
                        .await?;
                }
                Ok(())
            }
            Protocol::V2 => {
                let message = decode_v2(frame).map_err(undecodable)?;
                self.send_on(message, frame.len(), client).await
            }
            Protocol::V1 | Protocol::V1Json => {
                let message = decode_v1(frame).map_err(undecodable)?;
                self.send_on(message, frame.len(), client).await
            }
        }
    }

    /// The request of one text frame, which clients of version 1 may send.
    async fn take_text(&mut self, text: &str, client: &ConnectedClient) -> Result<(), Close> {
        let message = decode_json(text)
            .map_err(|error| Close::new(CloseCode::Protocol, &error.to_string()))?;
        self.send_on(message, text.len(), client).await
    }

    async fn send_on(
        &mut self,
        message: super::ClientMessage,
        frame_len: usize,
        client: &ConnectedClient,
    ) -> Result<(), Close> {
        self.throttle.spend(frame_len, Instant::now());
        let mut permit = None;
        if is_answered(&message) {
            // Every request keeps its whole frame in memory, so its size is what counts.
            self.due.expect(frame_len);
        } else {
            // Waits for the database alone, which takes requests whatever this connection does.
            permit = Arc::clone(&self.quiet).acquire_owned().await.ok();
        }
        let request = request_of(client.id, message, permit);
        let sent = client.database.send(request).await;
        sent.map_err(|_| Close::new(CloseCode::Away, "module exited"))
    }

    /// Pings the client when it is time, and gives up a client that is silent or takes nothing.
    fn look_at_clock(&mut self) -> Option<End> {
        let now = Instant::now();
        let limit = self.keep_alive.idle_timeout;
        if self.outbox.overflowed() || self.writer.stuck_for(now) > limit {
            return Some(too_slow());
        }
        if self.throttle.pause(now).is_some() {
            // It is this server that does not listen.
            self.pulse.heard = now;
        }
        if now.duration_since(self.pulse.heard) > limit {
            if !self.due.has_room() {
                let text = "too many requests";
                return Some(End::Close(Close::new(CloseCode::TryLater, text)));
            }
            return Some(End::Close(Close::new(
                CloseCode::Away,
                "nothing received for too long",
            )));
        }
        let ping_now = match self.pulse.pinged {
            Some(last) => {
                !self.pulse.pong_due && now.duration_since(last) >= self.keep_alive.ping_interval
            }
            None => true,
        };
        if ping_now {
            self.pulse.pinged = Some(now);
            self.pulse.pong_due = true;
            self.writer.push(Message::Ping(Bytes::new()));
        }
        None
    }

    /// Flushes what is queued and tells the client why it ends, in bounded time.
    async fn say_goodbye(mut self, end: End) {
        let limit = self.keep_alive.close_timeout;
        if let End::Close(close) = end {
            self.writer.push(close.into_message());
        }
        let _ = tokio::time::timeout(limit, async {
            if self.writer.write_out().await.is_ok() {
                let _ = self.writer.sink.close().await;
                // The client's own close, after which nothing is lost by hanging up.
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        })
        .await;
    }
}

/// A timer that is made only when it is waited for.
async fn sleep_for(pause: Option<Duration>) {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
}

/// Waits until the server goes down.
async fn went_down(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: the runtime is ending.
    let _ = shutdown.wait_for(|down| *down).await;
}

fn too_slow() -> End {
    let text = "the client does not read its messages";
    End::Close(Close::new(CloseCode::TryLater, text))
}

/// What a failed read means: a client that broke a rule is told, a lost one is not.
fn broken(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("Space limit exceeded") || text.contains("too long") {
        return End::Close(Close::new(CloseCode::TooBig, "the message is too large"));
    }
    if text.contains("protocol error") || text.contains("UTF-8") {
        return End::Close(Close::new(CloseCode::Protocol, &text));
    }
    End::Gone
}

/// Frames on their way out.
struct Writer<S> {
    sink: S,
    frames: VecDeque<Message>,
    /// Frames were given to the sink since it was flushed.
    unflushed: bool,
    /// Since when there is something to write.
    since: Instant,
}

impl<S: Sink<Message, Error = axum::Error> + Unpin> Writer<S> {
    fn has_work(&self) -> bool {
        self.unflushed || !self.frames.is_empty()
    }

    fn push(&mut self, message: Message) {
        if !self.has_work() {
            self.since = Instant::now();
        }
        self.frames.push_back(message);
    }

    /// How long the oldest unwritten frame has been waiting.
    fn stuck_for(&self, now: Instant) -> Duration {
        if self.has_work() {
            now.duration_since(self.since)
        } else {
            Duration::ZERO
        }
    }

    /// Writes everything and flushes once. Nothing is lost if this is dropped half way.
    async fn write_out(&mut self) -> Result<(), axum::Error> {
        poll_fn(|cx| self.poll_write_out(cx)).await
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        while !self.frames.is_empty() {
            ready!(self.sink.poll_ready_unpin(cx))?;
            if let Some(message) = self.frames.pop_front() {
                self.sink.start_send_unpin(message)?;
                self.unflushed = true;
                self.since = Instant::now();
            }
        }
        ready!(self.sink.poll_flush_unpin(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;

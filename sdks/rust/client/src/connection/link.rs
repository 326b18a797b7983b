//! The task of the socket: writes what is to be sent, decodes what comes, and connects again.
//!
//! Invariants
//!   * A message counts as written before its first byte is: what may have arrived is never sent
//!     a second time, and what was not written is not lost.
//!   * After a loss nothing that was put in is written before all sets are open again.
//!   * Whatever ends the connection is reported once, as the last thing.

#[cfg(all(target_arch = "wasm32", feature = "browser"))]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod resume;
mod target;
#[cfg(not(target_arch = "wasm32"))]
mod tls;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

#[cfg(all(target_arch = "wasm32", feature = "browser"))]
use browser as platform;
#[cfg(not(target_arch = "wasm32"))]
use native as platform;

use platform::{Socket, SocketReader, SocketWriter, sleep};
pub(super) use platform::{WAITING_BYTES_MAX, spawn};
pub(super) use target::Target;

use super::builder::Reconnect;
use super::diary::Diary;
use super::incoming::{Incoming, IncomingSender};
use super::requests::Command;
use crate::error::{Error, InternalError};
use crate::module::SpacetimeModule;
use crate::wire::frame::{self, BATCH_BYTES_MAX, Version};

/// How long reaching the server may take, up to its consent to a socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server has to answer the wish to end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Something that came over the socket.
pub(super) enum SocketEvent {
    Frame(Bytes),
    /// A sign of life.
    Alive,
    /// The end, with the server's reason.
    Closed(InternalError),
}

/// No connection came about.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailure {
    pub(super) error: InternalError,
    /// Whether another attempt would end the same.
    pub(super) is_final: bool,
}

impl ConnectFailure {
    fn temporary(error: InternalError) -> Self {
        ConnectFailure {
            error,
            is_final: false,
        }
    }

    fn permanent(error: InternalError) -> Self {
        ConnectFailure {
            error,
            is_final: true,
        }
    }
}

/// Why a session ended.
enum SessionEnd {
    /// This side wanted it.
    Closed,
    /// The network or the server did.
    Broken(InternalError),
    /// What came cannot be understood: connecting again would not help.
    Unusable(Error),
}

pub(super) struct Link<M: SpacetimeModule> {
    pub(super) target: Target,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) commands: Commands,
    pub(super) incoming: IncomingSender<M>,
    pub(super) written: AtomicU64,
    pub(super) diary: Diary,
}

/// What is to be done, in order.
pub(super) struct Commands {
    receiver: UnboundedReceiver<Command>,
    /// Taken out of the channel, but not done yet.
    held: VecDeque<Command>,
    queued_bytes: Arc<AtomicUsize>,
}

impl Commands {
    pub(super) fn new(
        receiver: UnboundedReceiver<Command>,
        queued_bytes: Arc<AtomicUsize>,
    ) -> Self {
        Commands {
            receiver,
            held: VecDeque::new(),
            queued_bytes,
        }
    }

    async fn next(&mut self) -> Command {
        match self.held.pop_front() {
            Some(command) => command,
            // Nobody is left who could want anything.
            None => self.receiver.recv().await.unwrap_or(Command::Close),
        }
    }

    fn try_next(&mut self) -> Option<Command> {
        let held = self.held.pop_front();
        held.or_else(|| self.receiver.try_recv().ok())
    }

    /// Takes out everything that can go into one frame behind `first`. Returns the last number.
    fn batch(&mut self, version: Version, frame: &mut Vec<u8>, first: u64) -> u64 {
        let mut last = first;
        loop {
            // Version 2 has one message in a frame.
            let next = match version {
                Version::V2 => None,
                Version::V3 => self.try_next(),
            };
            match next {
                None => break,
                Some(Command::Send { sequence, message })
                    if frame.len() + message.len() <= BATCH_BYTES_MAX =>
                {
                    frame.extend_from_slice(&message);
                    last = sequence;
                }
                Some(other) => {
                    self.held.push_front(other);
                    break;
                }
            }
        }
        self.queued_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        last
    }

    /// Keeps everything for later, until the end is wanted.
    async fn wait_for_close(&mut self) {
        if self.held.iter().any(|held| matches!(held, Command::Close)) {
            return;
        }
        loop {
            match self.receiver.recv().await {
                None | Some(Command::Close) => return,
                // About a socket that is gone.
                Some(Command::Fail(_) | Command::Resume(_)) => {}
                Some(send) => self.held.push_back(send),
            }
        }
    }
}

/// Reaches the server, within the time for it.
async fn connect(target: &Target) -> Result<Socket, ConnectFailure> {
    tokio::select! {
        outcome = Socket::connect(target) => outcome,
        () = sleep(CONNECT_TIMEOUT) => {
            let seconds = CONNECT_TIMEOUT.as_secs();
            let message = format!("{}: no answer within {seconds} s", target.uri);
            Err(ConnectFailure::temporary(InternalError::new(message)))
        }
    }
}

impl<M: SpacetimeModule> Link<M> {
    /// Connects, tells `report` whether that succeeded, and goes on until the connection ends.
    pub(super) async fn start(self, report: impl FnOnce(Result<(), ConnectFailure>)) {
        let Target { uri, database, .. } = &self.target;
        self.diary
            .note(format_args!("connecting to {database} at {uri}"));
        match connect(&self.target).await {
            Ok(socket) => {
                report(Ok(()));
                self.run(socket).await;
            }
            Err(failure) => {
                self.diary
                    .note(format_args!("no connection: {}", failure.error));
                report(Err(failure));
            }
        }
    }

    async fn run(mut self, first: Socket) {
        let mut socket = first;
        let error = loop {
            let mut has_connected = self.target.has_connected;
            let end = self.session(socket, &mut has_connected).await;
            self.target.has_connected = has_connected;
            let error = match end {
                SessionEnd::Closed => break None,
                SessionEnd::Unusable(error) => break Some(error),
                SessionEnd::Broken(error) => error,
            };
            if !has_connected || self.reconnect.is_none() {
                break Some(match has_connected {
                    true => Error::Internal(error),
                    false => Error::FailedToConnect { source: error },
                });
            }
            let written = self.written.load(Ordering::Relaxed);
            self.diary.note(format_args!("lost: {error}"));
            self.incoming.send_now(Incoming::Lost { error, written });
            match self.resume().await {
                Ok(again) => socket = again,
                Err(error) => break error,
            }
        };
        self.diary.note(format_args!("the end: {error:?}"));
        self.incoming.send_now(Incoming::Ended(error));
    }

    /// One socket, from its first message to its end.
    async fn session(&mut self, socket: Socket, has_connected: &mut bool) -> SessionEnd {
        let Socket {
            mut reader,
            mut writer,
            version,
        } = socket;
        let ping = Notify::new();
        let Link {
            target,
            commands,
            incoming,
            written,
            diary,
            ..
        } = self;
        diary.note(format_args!("connected, {version:?}"));
        let end = tokio::select! {
            end = read(&mut reader, version, incoming, &ping, target, has_connected, diary) => end,
            end = write(&mut writer, version, commands, written, &ping, diary) => end,
        };
        if matches!(end, SessionEnd::Closed) {
            let closed = async {
                writer.close().await;
                while !matches!(reader.next().await, SocketEvent::Closed(_)) {}
            };
            tokio::select! {
                () = closed => {}
                () = sleep(CLOSE_TIMEOUT) => {}
            }
        }
        end
    }
}

/// Decodes what comes.
async fn read<M: SpacetimeModule>(
    reader: &mut SocketReader,
    version: Version,
    incoming: &IncomingSender<M>,
    ping: &Notify,
    target: &mut Target,
    has_connected: &mut bool,
    diary: &Diary,
) -> SessionEnd {
    let mut is_asked = false;
    loop {
        let event = tokio::select! {
            event = reader.next() => event,
            () = sleep(target.silence_max) => {
                if is_asked {
                    let seconds = 2.0 * target.silence_max.as_secs_f64();
                    let message = format!("nothing came for {seconds} s");
                    return SessionEnd::Broken(InternalError::new(message));
                }
                is_asked = true;
                ping.notify_one();
                continue;
            }
        };
        is_asked = false;
        let frame = match event {
            SocketEvent::Frame(frame) => frame,
            SocketEvent::Alive => continue,
            SocketEvent::Closed(reason) => return SessionEnd::Broken(reason),
        };
        let packed = frame.len();
        let unpacked = match frame::read(&frame, version) {
            Ok(unpacked) => unpacked,
            Err(error) => return SessionEnd::Unusable(unreadable(error)),
        };
        drop(frame);
        // The messages of a frame share its bytes: the first answers for all of them.
        let mut bytes = unpacked.bytes;
        for message in unpacked.messages {
            diary.note(format_args!("came: {} in {packed} bytes", message.name()));
            match Incoming::parse(message) {
                Ok(Some(mut message)) => {
                    if let Incoming::Connected(welcome) = &mut message {
                        *has_connected = true;
                        target.settle_token(&mut welcome.token);
                    }
                    incoming.send(message, std::mem::take(&mut bytes)).await;
                }
                Ok(None) => {}
                Err(error) => return SessionEnd::Unusable(error),
            }
        }
    }
}

/// Writes what is to be sent.
async fn write(
    writer: &mut SocketWriter,
    version: Version,
    commands: &mut Commands,
    written: &AtomicU64,
    ping: &Notify,
    diary: &Diary,
) -> SessionEnd {
    loop {
        let command = tokio::select! {
            command = commands.next() => command,
            () = ping.notified() => {
                if let Err(error) = writer.ping().await {
                    return SessionEnd::Broken(error);
                }
                continue;
            }
        };
        match command {
            Command::Close => return SessionEnd::Closed,
            Command::Fail(error) => return SessionEnd::Broken(error),
            // Asked for by a loss that is over.
            Command::Resume(_) => {}
            Command::Send { sequence, message } => {
                let mut frame = message;
                let last = commands.batch(version, &mut frame, sequence);
                written.store(last, Ordering::Relaxed);
                let bytes = frame.len();
                diary.note(format_args!("sent: {sequence} to {last} in {bytes} bytes"));
                if let Err(error) = writer.send(frame).await {
                    return SessionEnd::Broken(error);
                }
            }
        }
    }
}

fn unreadable(error: frame::FrameError) -> Error {
    let message = "the server sent something that this client does not understand";
    InternalError::new(message).with_cause(error).into()
}

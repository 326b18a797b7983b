//! The socket of an ordinary program, on a runtime of this crate's own.
//!
//! One thread serves all connections of a process, whatever runtime the program itself has: a
//! connection can be built, driven and dropped anywhere.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{ConnectFailure, SocketEvent, Target, tls};
use crate::error::InternalError;
use crate::wire::frame::{FRAME_BYTES_MAX, PROTOCOLS, Version};

/// Most bytes of messages that wait to be applied; then the socket is not read on.
pub(in crate::connection) const WAITING_BYTES_MAX: usize = 256 << 20;

/// What carries the bytes: TCP as it is, or encrypted.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Stream = WebSocketStream<Box<dyn Transport>>;

/// An open socket.
pub(super) struct Socket {
    pub(super) reader: SocketReader,
    pub(super) writer: SocketWriter,
    pub(super) version: Version,
}

pub(super) struct SocketReader(SplitStream<Stream>);

pub(super) struct SocketWriter(SplitSink<Stream, Message>);

/// Runs a future on the runtime of all connections.
pub(in crate::connection) fn spawn(
    future: impl Future<Output = ()> + Send + 'static,
) -> Result<(), InternalError> {
    static RUNTIME: OnceLock<Result<Runtime, InternalError>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("spacetime-client")
            .enable_all()
            .build()
            .map_err(|error| {
                InternalError::new("no thread for connections can be started").with_cause(error)
            })
    });
    match runtime {
        Ok(runtime) => {
            runtime.spawn(future);
            Ok(())
        }
        Err(error) => Err(error.clone()),
    }
}

pub(super) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits before another attempt to connect.
pub(super) async fn pause(duration: Duration) {
    sleep(duration).await;
}

/// A random number from 0 to 1.
pub(super) fn random_share() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let share = u32::try_from(random >> 32).unwrap_or(0);
    f64::from(share) / f64::from(u32::MAX)
}

impl Socket {
    pub(super) async fn connect(target: &Target) -> Result<Self, ConnectFailure> {
        connect(target).await
    }
}

async fn connect(target: &Target) -> Result<Socket, ConnectFailure> {
    let request = request(target).map_err(ConnectFailure::permanent)?;
    let is_secure = target.is_secure().map_err(ConnectFailure::permanent)?;
    let host = target.uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let usual_port = if is_secure { 443 } else { 80 };
    let port = target.uri.port_u16().unwrap_or(usual_port);
    let unreachable = |error| {
        let message = format!("{}: the server cannot be reached", target.uri);
        ConnectFailure::temporary(InternalError::new(message).with_cause(error))
    };
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let stream: Box<dyn Transport> = match is_secure {
        true => Box::new(tls::encrypt(target, host, stream).await?),
        false => Box::new(stream),
    };
    let handshake = client_async_with_config(request, stream, Some(config()));
    let (stream, response) = handshake.await.map_err(|error| refused(target, error))?;
    let version = version(&response).map_err(ConnectFailure::permanent)?;
    let (writer, reader) = stream.split();
    Ok(Socket {
        reader: SocketReader(reader),
        writer: SocketWriter(writer),
        version,
    })
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

fn request(target: &Target) -> Result<Request, InternalError> {
    let bad = |what: &str| format!("{what} cannot be part of a request");
    let url = target.url()?;
    let mut request = url
        .into_client_request()
        .map_err(|error| InternalError::new(bad("the address")).with_cause(error))?;
    let offers = PROTOCOLS.map(|(name, _)| name).join(", ");
    let offers = HeaderValue::from_str(&offers)
        .map_err(|error| InternalError::new(bad("the protocol")).with_cause(error))?;
    let headers = request.headers_mut();
    headers.insert(http::header::SEC_WEBSOCKET_PROTOCOL, offers);
    if let Some(token) = &target.token {
        let mut token = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| InternalError::new(bad("the token")).with_cause(error))?;
        token.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, token);
    }
    Ok(request)
}

fn version(response: &Response) -> Result<Version, InternalError> {
    let chosen = response.headers().get(http::header::SEC_WEBSOCKET_PROTOCOL);
    let Some(chosen) = chosen else {
        return Ok(Version::V2);
    };
    let known = PROTOCOLS.iter().find(|(name, _)| chosen == *name);
    known.map(|(_, version)| *version).ok_or_else(|| {
        InternalError::new(format!("the server wants the unknown protocol {chosen:?}"))
    })
}

fn refused(target: &Target, error: SocketError) -> ConnectFailure {
    let SocketError::Http(response) = &error else {
        let is_final = matches!(error, SocketError::Url(_));
        let message = format!("{}: no connection", target.uri);
        let error = InternalError::new(message).with_cause(error);
        return ConnectFailure { error, is_final };
    };
    let status = response.status();
    let text = response.body().as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let message = format!("the server refuses the connection: {status} {text}");
    ConnectFailure {
        error: InternalError::new(message.trim_end()),
        is_final: status.is_client_error(),
    }
}

impl SocketReader {
    /// What comes next. May be given up while it waits.
    pub(super) async fn next(&mut self) -> SocketEvent {
        match self.0.next().await {
            Some(Ok(Message::Binary(frame))) => SocketEvent::Frame(frame),
            Some(Ok(Message::Text(_))) => {
                SocketEvent::Closed(InternalError::new("the server sent text"))
            }
            Some(Ok(Message::Close(reason))) => SocketEvent::Closed(closed(reason)),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => SocketEvent::Alive,
            Some(Err(error)) => {
                SocketEvent::Closed(InternalError::new("the connection broke").with_cause(error))
            }
            None => SocketEvent::Closed(closed(None)),
        }
    }
}

fn closed(reason: Option<CloseFrame>) -> InternalError {
    InternalError::new(match reason {
        None => "the server closed the connection without a reason".to_owned(),
        Some(reason) => format!(
            "the server closed the connection: {} {}",
            u16::from(reason.code),
            reason.reason
        ),
    })
}

fn broken(error: SocketError) -> InternalError {
    InternalError::new("sending failed").with_cause(error)
}

impl SocketWriter {
    pub(super) async fn send(&mut self, frame: Vec<u8>) -> Result<(), InternalError> {
        let frame = Message::Binary(Bytes::from(frame));
        self.0.send(frame).await.map_err(broken)
    }

    pub(super) async fn ping(&mut self) -> Result<(), InternalError> {
        let ping = Message::Ping(Bytes::new());
        self.0.send(ping).await.map_err(broken)
    }

    /// Says that this side has nothing more to say.
    pub(super) async fn close(&mut self) {
        let _ = self.0.close().await;
    }
}

//! Requests to other servers. The host sends them, and refuses while a transaction is open.

use std::fmt;

use http::Uri;

use super::{Body, Request, Response, wire};
use crate::sys::{Errno, HttpOutcome, host, read_source};
use crate::types::TimeDuration;

/// Sends requests.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpClient {}

/// How long a request may take, as an extension of it: `request.extensions_mut().insert(...)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub TimeDuration);

impl From<Timeout> for TimeDuration {
    fn from(timeout: Timeout) -> Self {
        timeout.0
    }
}

impl From<TimeDuration> for Timeout {
    fn from(duration: TimeDuration) -> Self {
        Timeout(duration)
    }
}

/// Why there is no response.
#[derive(Clone, Debug)]
pub struct Error {
    message: String,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        Error::new(error.to_string())
    }
}

impl HttpClient {
    /// Sends a request and waits for the response, whatever its status.
    pub fn send<B: Into<Body>>(&self, request: Request<B>) -> Result<Response, Error> {
        self.send_body(request.map(Into::into))
    }

    /// Fetches an address.
    pub fn get(&self, uri: impl TryInto<Uri, Error: Into<http::Error>>) -> Result<Response, Error> {
        let request = Request::builder().method("GET").uri(uri);
        self.send_body(request.body(Body::empty())?)
    }

    fn send_body(&self, request: Request) -> Result<Response, Error> {
        let (head, body) = request.into_parts();
        let other_extensions =
            head.extensions.len() - usize::from(head.extensions.get::<Timeout>().is_some());
        if 0 < other_extensions {
            log::warn!("extensions of an HTTP request other than `Timeout` are not sent");
        }
        let bytes = wire::encode_request(&head);
        match host::procedure_http_request(&bytes, body.as_slice()) {
            HttpOutcome::Response { head, body } => {
                let head = read_source(head);
                wire::decode_response(&head, Body::from_bytes(read_source(body)))
            }
            HttpOutcome::Failed(message) => Err(wire::decode_error(&read_source(message))),
            HttpOutcome::Refused(errno) => Err(refused(errno)),
        }
    }
}

fn refused(errno: Errno) -> Error {
    match errno {
        Errno::WOULD_BLOCK_TRANSACTION => {
            Error::new("a request cannot be sent while a transaction is open")
        }
        errno => Error::new(format!("the request was refused: {errno}")),
    }
}

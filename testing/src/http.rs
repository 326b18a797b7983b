//! The network of a test: requests that the module sends are answered by a function, and requests
//! to the module's own routes are made by the test.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use spacetime_host::{
    HttpHeader, HttpMethod, HttpOutcome, HttpRequest, HttpResponse, HttpVersion, OutboundHttp,
    RawBytes,
};

/// A request that the module sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpQuestion {
    /// In capitals: `GET`.
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

/// A response, to the module or from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

impl HttpAnswer {
    /// A response without headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> HttpAnswer {
        HttpAnswer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> HttpAnswer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn from_module(response: HttpResponse, body: Bytes) -> HttpAnswer {
        HttpAnswer {
            status: response.code,
            headers: pairs(response.headers),
            body,
        }
    }
}

/// How the module's routes took a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    Answered(HttpAnswer),
    /// No route has this method and path.
    NoRoute,
    /// The handler broke: what was said about it.
    Broke(String),
}

impl Routed {
    /// The answer.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn answer(self) -> HttpAnswer {
        match self {
            Routed::Answered(answer) => answer,
            other => panic!("the module has not answered: {other:?}"),
        }
    }
}

/// The request for a route of the module.
pub(crate) fn request_of(method: &str, path: &str) -> HttpRequest {
    HttpRequest {
        method: method_of(method),
        headers: Vec::new(),
        timeout: None,
        uri: format!("http://localhost{path}").into(),
        version: HttpVersion::Http11,
    }
}

const METHODS: [(&str, HttpMethod); 9] = [
    ("GET", HttpMethod::Get),
    ("HEAD", HttpMethod::Head),
    ("POST", HttpMethod::Post),
    ("PUT", HttpMethod::Put),
    ("DELETE", HttpMethod::Delete),
    ("CONNECT", HttpMethod::Connect),
    ("OPTIONS", HttpMethod::Options),
    ("TRACE", HttpMethod::Trace),
    ("PATCH", HttpMethod::Patch),
];

fn method_of(name: &str) -> HttpMethod {
    let known = METHODS.into_iter().find(|(known, _)| *known == name);
    known.map_or_else(|| HttpMethod::Extension(name.into()), |(_, method)| method)
}

fn name_of(method: &HttpMethod) -> String {
    if let HttpMethod::Extension(name) = method {
        return name.to_string();
    }
    let known = METHODS.into_iter().find(|(_, known)| known == method);
    known.map_or_else(String::new, |(name, _)| name.to_owned())
}

fn pairs(headers: Vec<HttpHeader>) -> Vec<(String, Vec<u8>)> {
    let pair = |header: HttpHeader| (header.name.into(), header.value.0.into());
    headers.into_iter().map(pair).collect()
}

type Answerer = dyn Fn(&HttpQuestion) -> Result<HttpAnswer, String> + Send + Sync;

/// Answers what the module sends.
#[derive(Clone)]
pub(crate) struct FakeNetwork(pub(crate) Arc<Answerer>);

impl fmt::Debug for FakeNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeNetwork")
    }
}

impl OutboundHttp for FakeNetwork {
    fn send(
        &self,
        request: HttpRequest,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = HttpOutcome> + Send + '_>> {
        let question = HttpQuestion {
            method: name_of(&request.method),
            uri: request.uri.into(),
            headers: pairs(request.headers),
            body,
        };
        let outcome = (self.0)(&question).map(|answer| {
            let header = |(name, value): (String, Vec<u8>)| HttpHeader {
                name: name.into(),
                value: RawBytes(value.into()),
            };
            let response = HttpResponse {
                headers: answer.headers.into_iter().map(header).collect(),
                version: HttpVersion::Http11,
                code: answer.status,
            };
            (response, answer.body)
        });
        Box::pin(std::future::ready(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_keep_their_names() {
        for name in ["GET", "PATCH", "BREW"] {
            assert_eq!(name_of(&method_of(name)), name);
        }
    }
}

//! HTTP messages as modules see them: the requests that a procedure sends, and those that a
//! module's own routes answer.
//!
//! Not here: sockets. Whoever opens a host says how requests are sent ([`OutboundHttp`]).

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
pub use spacetime_types::module_def::{HttpMethod, RawBytes};
use spacetime_types::{bsatn_enum, bsatn_struct};

/// Longest time that a request of a module may take, and the time if it names none.
const TIMEOUT_MAX: Duration = Duration::from_secs(180);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

bsatn_struct! {
    /// One header line.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HttpHeader {
        pub name: Box<str>,
        pub value: RawBytes,
    }
}

bsatn_enum! {
    /// A version of HTTP.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HttpVersion {
        Http09,
        Http10,
        Http11,
        Http2,
        Http3,
    }
}

bsatn_struct! {
    /// A request, without its body.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HttpRequest {
        pub method: HttpMethod,
        pub headers: Vec<HttpHeader>,
        /// Microseconds.
        pub timeout: Option<i64>,
        pub uri: Box<str>,
        pub version: HttpVersion,
    }
}

impl HttpRequest {
    /// How long the request may take, from connecting to the last byte of the body.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        let given = self
            .timeout
            .map(|micros| u64::try_from(micros).unwrap_or(0));
        given
            .map_or(TIMEOUT_DEFAULT, Duration::from_micros)
            .min(TIMEOUT_MAX)
    }
}

bsatn_struct! {
    /// A response, without its body.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HttpResponse {
        pub headers: Vec<HttpHeader>,
        pub version: HttpVersion,
        pub code: u16,
    }
}

/// What a request of a module comes to: a response of any status, or what went wrong.
pub type HttpOutcome = Result<(HttpResponse, Bytes), String>;

/// Sends the requests of modules, with limits on what they may reach and how much comes back.
pub trait OutboundHttp: Send + Sync + Debug {
    /// Sends one request and reads the whole response.
    fn send(
        &self,
        request: HttpRequest,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = HttpOutcome> + Send + '_>>;
}

#[cfg(test)]
mod tests {
    use spacetime_types::bsatn::{from_slice, to_vec};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    fn header(name: &str, value: &[u8]) -> HttpHeader {
        HttpHeader {
            name: name.into(),
            value: RawBytes(value.into()),
        }
    }

    #[test]
    fn requests_and_responses_have_the_bytes_that_guests_write() {
        let mut request = HttpRequest {
            method: HttpMethod::Post,
            headers: vec![header("x-a", b"1")],
            timeout: Some(5_000_000),
            uri: "https://ex.com/a?b=1".into(),
            version: HttpVersion::Http11,
        };
        let with_timeout = hex(
            "02 01000000 03000000 782d61 01000000 31 00 404b4c0000000000 14000000 \
             68747470733a2f2f65782e636f6d2f613f623d31 02",
        );
        assert_eq!(to_vec(&request), with_timeout);
        assert_eq!(from_slice::<HttpRequest>(&with_timeout).unwrap(), request);
        assert_eq!(request.time_limit(), Duration::from_secs(5));
        request.timeout = None;
        let without = hex("02 01000000 03000000 782d61 01000000 31 01 14000000 \
             68747470733a2f2f65782e636f6d2f613f623d31 02");
        assert_eq!(from_slice::<HttpRequest>(&without).unwrap(), request);
        assert_eq!(request.time_limit(), TIMEOUT_DEFAULT);
        request.timeout = Some(i64::MAX);
        assert_eq!(request.time_limit(), TIMEOUT_MAX);
        let response = HttpResponse {
            headers: vec![header("x-a", b"1")],
            version: HttpVersion::Http11,
            code: 200,
        };
        let bytes = hex("01000000 03000000 782d61 01000000 31 02 c800");
        assert_eq!(to_vec(&response), bytes);
        assert_eq!(from_slice::<HttpResponse>(&bytes).unwrap(), response);
        assert!(from_slice::<HttpResponse>(&hex("00000000 05 c800")).is_err());
    }
}

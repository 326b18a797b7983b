//! HTTP requests that modules send: bounded in time and size, and kept away from the inside of the
//! network that the server stands in.
//!
//! Invariants
//!   * Unless the operator opened it, no connection is made to an address that is not global:
//!     literal hosts, answers of the name service and redirects are all checked, and the address
//!     that was checked is the one that is connected to.
//!   * No proxy settings of the environment are used.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, Url, Version};
use spacetime_host::{
    HttpHeader, HttpMethod, HttpOutcome, HttpRequest, HttpResponse, HttpVersion, OutboundHttp,
    RawBytes,
};

/// Largest response body.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
const REDIRECTS_MAX: usize = 10;

/// Sends the requests of modules.
#[derive(Debug)]
pub struct ModuleHttp {
    client: Client,
    allow_private: bool,
}

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("HTTP requests of modules cannot be sent: {0}")]
pub struct ModuleHttpError(#[from] reqwest::Error);

/// An address that modules may not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address {0} is not public; `module-http.allow-private-addresses` would allow it")]
struct PrivateAddress(IpAddr);

#[derive(Debug, thiserror::Error)]
#[error("too many redirects")]
struct TooManyRedirects;

impl ModuleHttp {
    /// `allow_private` lets modules reach the server's own network.
    pub fn new(allow_private: bool) -> Result<Arc<ModuleHttp>, ModuleHttpError> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::custom(move |attempt| {
                follow(attempt, allow_private)
            }));
        if !allow_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Arc::new(ModuleHttp {
            client: builder.build()?,
            allow_private,
        }))
    }

    async fn exchange(&self, request: HttpRequest, body: Bytes) -> HttpOutcome {
        let url = Url::parse(&request.uri).map_err(|error| format!("invalid URI: {error}"))?;
        if !self.allow_private {
            check_literal(&url).map_err(|error| error.to_string())?;
        }
        let method = method_of(&request.method).ok_or("invalid method")?;
        let outgoing = self
            .client
            .request(method, url)
            .headers(headers_of(&request.headers)?)
            .timeout(request.time_limit())
            .body(body);
        let mut response = outgoing.send().await.map_err(described)?;
        let head = HttpResponse {
            headers: response.headers().iter().map(header_of).collect(),
            version: version_of(response.version()),
            code: response.status().as_u16(),
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(described)? {
            if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
                return Err(format!(
                    "the response has more than {RESPONSE_BYTES_MAX} bytes"
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((head, body.freeze()))
    }
}

impl OutboundHttp for ModuleHttp {
    fn send(
        &self,
        request: HttpRequest,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = HttpOutcome> + Send + '_>> {
        Box::pin(self.exchange(request, body))
    }
}

/// The chain of causes. The query part of an address may hold secrets and is left out.
fn described(mut error: reqwest::Error) -> String {
    if let Some(url) = error.url_mut() {
        url.set_query(None);
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn method_of(method: &HttpMethod) -> Option<Method> {
    Some(match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Connect => Method::CONNECT,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Trace => Method::TRACE,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Extension(name) => Method::from_bytes(name.as_bytes()).ok()?,
    })
}

fn headers_of(headers: &[HttpHeader]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| format!("invalid header name {:?}", header.name))?;
        let value = HeaderValue::from_bytes(&header.value.0)
            .map_err(|_| format!("invalid value of the header {name}"))?;
        map.try_append(name, value)
            .map_err(|_| "too many headers".to_owned())?;
    }
    Ok(map)
}

/// A header as modules see it.
pub(crate) fn header_of((name, value): (&HeaderName, &HeaderValue)) -> HttpHeader {
    HttpHeader {
        name: name.as_str().into(),
        value: RawBytes(value.as_bytes().into()),
    }
}

pub(crate) fn version_of(version: Version) -> HttpVersion {
    match version {
        Version::HTTP_09 => HttpVersion::Http09,
        Version::HTTP_10 => HttpVersion::Http10,
        Version::HTTP_2 => HttpVersion::Http2,
        Version::HTTP_3 => HttpVersion::Http3,
        _ => HttpVersion::Http11,
    }
}

fn follow(attempt: Attempt<'_>, allow_private: bool) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error(TooManyRedirects);
    }
    match check_literal(attempt.url()) {
        Err(error) if !allow_private => attempt.error(error),
        Ok(()) | Err(_) => attempt.follow(),
    }
}

/// Literal hosts do not go through the name service.
fn check_literal(url: &Url) -> Result<(), PrivateAddress> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => check(address),
        Err(_) => Ok(()),
    }
}

/// A name service whose answers are public addresses.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                check(address.ip())?;
                addresses.push(address);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn check(address: IpAddr) -> Result<(), PrivateAddress> {
    let is_public = match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    };
    if is_public {
        Ok(())
    } else {
        Err(PrivateAddress(address))
    }
}

/// Not in a special-purpose block (the IANA registry of IPv4 special-purpose addresses).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

/// Global unicast outside special-purpose blocks; addresses that carry an IPv4 address are judged
/// by that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let parts = address.segments();
    let last_v4 = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    // 64:ff9b::/96 translates to IPv4, 2002::/16 tunnels to it.
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(last_v4());
    }
    if parts[0] == 0x2002 {
        let [_, _, a, b, c, d, ..] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_global_unicast = (0x2000..0x4000).contains(&parts[0]);
    let is_documentation = parts[0] == 0x2001 && parts[1] == 0x0db8 || parts[0] == 0x3fff;
    // 2001::/23 holds Teredo, ORCHID and benchmarking.
    let is_protocol = parts[0] == 0x2001 && parts[1] < 0x0200;
    is_global_unicast && !is_documentation && !is_protocol
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_may_be_reached() {
        let is_public = |text: &str| check(text.parse().unwrap()).is_ok();
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(text), "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(text), "{text}");
        }
    }

    fn get(uri: &str) -> HttpRequest {
        HttpRequest {
            method: HttpMethod::Get,
            headers: Vec::new(),
            timeout: Some(5_000_000),
            uri: uri.into(),
            version: HttpVersion::Http11,
        }
    }

    #[tokio::test]
    async fn private_hosts_are_refused_by_address_and_by_name() {
        let http = ModuleHttp::new(false).unwrap();
        for uri in [
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://2130706433/",
            "http://localhost:1/",
        ] {
            let error = http.send(get(uri), Bytes::new()).await.unwrap_err();
            assert!(error.contains("is not public"), "{uri}: {error}");
        }
        let error = http.send(get("nonsense"), Bytes::new()).await.unwrap_err();
        assert!(error.contains("invalid URI"), "{error}");
        let mut request = get("http://127.0.0.1:1/");
        request.method = HttpMethod::Extension("NOT A METHOD".into());
        let open = ModuleHttp::new(true).unwrap();
        let error = open.send(request, Bytes::new()).await.unwrap_err();
        assert_eq!(error, "invalid method");
    }

    #[tokio::test]
    async fn secrets_in_the_query_do_not_reach_the_error() {
        let http = ModuleHttp::new(true).unwrap();
        let request = get("http://127.0.0.1:1/path?key=secret");
        let error = http.send(request, Bytes::new()).await.unwrap_err();
        assert!(error.contains("/path"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

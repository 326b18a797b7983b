//! Heads of requests and responses as bytes.
//!
//! Invariant: the layout is the host's. A request is (method, headers, timeout, address, version),
//! a response (headers, version, status); a header is (name, value).

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::{Body, Error, Response, Timeout};
use crate::bsatn::{DecodeError, Deserialize, Reader, Serialize, write_len};

/// The methods with a number of their own.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

const EXTENSION: u8 = 9;

const VERSIONS: [Version; 5] = [
    Version::HTTP_09,
    Version::HTTP_10,
    Version::HTTP_11,
    Version::HTTP_2,
    Version::HTTP_3,
];

fn write_method(method: &Method, out: &mut Vec<u8>) {
    let place = METHODS.iter().position(|known| known == method);
    match place.and_then(|place| u8::try_from(place).ok()) {
        Some(tag) => out.push(tag),
        None => {
            out.push(EXTENSION);
            method.as_str().serialize(out);
        }
    }
}

fn write_version(version: Version, out: &mut Vec<u8>) {
    let place = VERSIONS.iter().position(|known| *known == version);
    let tag = place.and_then(|place| u8::try_from(place).ok());
    // A version that this crate does not know of is spoken to as 1.1.
    out.push(tag.unwrap_or(2));
}

fn write_headers(headers: &HeaderMap, out: &mut Vec<u8>) {
    write_len(headers.len(), out);
    for (name, value) in headers {
        name.as_str().serialize(out);
        value.as_bytes().serialize(out);
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let tag = reader.tag()?;
    let version = VERSIONS.get(usize::from(tag));
    version.copied().ok_or(DecodeError::InvalidTag {
        tag,
        sum_name: Some("HttpVersion"),
    })
}

fn read_headers(reader: &mut Reader<'_>) -> Result<HeaderMap, Error> {
    let count = reader.read_len().map_err(invalid)?;
    let mut headers = HeaderMap::new();
    for _ in 0..count {
        let name = <&str>::deserialize(reader).map_err(invalid)?;
        let value = Vec::<u8>::deserialize(reader).map_err(invalid)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
        headers.append(
            name,
            HeaderValue::from_bytes(&value).map_err(http::Error::from)?,
        );
    }
    Ok(headers)
}

fn invalid(error: DecodeError) -> Error {
    Error::new(format!("the host sent what is not HTTP: {error}"))
}

pub(super) fn encode_request(head: &Parts) -> Vec<u8> {
    let mut out = Vec::new();
    write_method(&head.method, &mut out);
    write_headers(&head.headers, &mut out);
    let timeout = head.extensions.get::<Timeout>();
    timeout
        .map(|Timeout(duration)| *duration)
        .serialize(&mut out);
    head.uri.to_string().serialize(&mut out);
    write_version(head.version, &mut out);
    out
}

pub(super) fn decode_response(bytes: &[u8], body: Body) -> Result<Response, Error> {
    let mut reader = Reader::new(bytes);
    let headers = read_headers(&mut reader)?;
    let version = read_version(&mut reader).map_err(invalid)?;
    let status = u16::deserialize(&mut reader).map_err(invalid)?;
    let mut response = Response::builder()
        .status(status)
        .version(version)
        .body(body)?;
    *response.headers_mut() = headers;
    Ok(response)
}

pub(super) fn decode_error(bytes: &[u8]) -> Error {
    match String::deserialize(&mut Reader::new(bytes)) {
        Ok(message) => Error::new(message),
        Err(error) => invalid(error),
    }
}

/// What a handler is to answer.
#[cfg(feature = "unstable")]
pub(crate) fn decode_request(bytes: &[u8], body: Vec<u8>) -> Result<super::Request, Error> {
    let mut reader = Reader::new(bytes);
    let method = read_method(&mut reader)?;
    let headers = read_headers(&mut reader)?;
    let timeout = Option::<crate::TimeDuration>::deserialize(&mut reader).map_err(invalid)?;
    let uri = String::deserialize(&mut reader).map_err(invalid)?;
    let version = read_version(&mut reader).map_err(invalid)?;
    let request = super::Request::builder()
        .method(method)
        .uri(uri)
        .version(version);
    let mut request = request.body(Body::from_bytes(body))?;
    *request.headers_mut() = headers;
    if let Some(timeout) = timeout {
        request.extensions_mut().insert(Timeout(timeout));
    }
    Ok(request)
}

#[cfg(feature = "unstable")]
fn read_method(reader: &mut Reader<'_>) -> Result<Method, Error> {
    let tag = reader.tag().map_err(invalid)?;
    if let Some(method) = METHODS.get(usize::from(tag)) {
        return Ok(method.clone());
    }
    if tag != EXTENSION {
        return Err(invalid(DecodeError::InvalidTag {
            tag,
            sum_name: Some("HttpMethod"),
        }));
    }
    let name = String::deserialize(reader).map_err(invalid)?;
    Ok(Method::from_bytes(name.as_bytes()).map_err(http::Error::from)?)
}

/// What a handler answered.
#[cfg(feature = "unstable")]
pub(crate) fn encode_response(response: Response) -> (Vec<u8>, Body) {
    let (head, body) = response.into_parts();
    let mut out = Vec::new();
    write_headers(&head.headers, &mut out);
    write_version(head.version, &mut out);
    head.status.as_u16().serialize(&mut out);
    (out, body)
}

#[cfg(feature = "unstable")]
impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TimeDuration;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn request(timeout: Option<i64>) -> Parts {
        let mut request = http::Request::builder()
            .method("POST")
            .uri("https://ex.com/a?b=1")
            .header("x-a", "1")
            .body(())
            .unwrap();
        if let Some(micros) = timeout {
            let timeout = Timeout(TimeDuration::from_micros(micros));
            request.extensions_mut().insert(timeout);
        }
        request.into_parts().0
    }

    #[test]
    fn requests_as_bytes() {
        let uri = "1400000068747470733a2f2f65782e636f6d2f613f623d3102";
        let head = "020100000003000000782d610100000031";
        let with = hex(&encode_request(&request(Some(5_000_000))));
        assert_eq!(with, format!("{head}00404b4c0000000000{uri}"));
        assert_eq!(
            hex(&encode_request(&request(None))),
            format!("{head}01{uri}")
        );
    }

    #[test]
    fn responses_from_bytes() {
        let bytes = b"\x01\0\0\0\x03\0\0\0x-a\x01\0\0\x001\x02\xc8\0";
        let response = decode_response(bytes, Body::from("text")).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.into_body().into_string_lossy(), "text");
        for len in 0..bytes.len() {
            assert!(
                decode_response(&bytes[..len], Body::empty()).is_err(),
                "{len} bytes"
            );
        }
    }

    #[cfg(feature = "unstable")]
    #[test]
    fn requests_and_responses_of_handlers() {
        let bytes = encode_request(&request(Some(7)));
        let request = decode_request(&bytes, vec![1]).unwrap();
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("POST", "/a")
        );
        let response = http::Response::builder().status(201).header("x-r", "v");
        let (head, body) = encode_response(response.body(Body::empty()).unwrap());
        assert_eq!(hex(&head), "0100000003000000782d72010000007602c900");
        assert!(body.is_empty());
    }
}

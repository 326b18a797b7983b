//! `/v1/database/:db/route...`: requests that a module answers with its own HTTP handlers. The host
//! authenticates nobody here; headers reach the module as they came.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{OriginalUri, Path, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use spacetime_host::{HttpMethod, HttpRequest, HttpResponse};

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use crate::module_http::{header_of, version_of};

/// Largest body that a handler is given.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

const NO_HANDLER: &str = "Database has not registered a handler for this route";

/// `.../route`: the module's empty path.
pub(super) async fn bare(
    State(state): State<ApiState>,
    Path(database): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    answer(&state, &database, &uri, "", request).await
}

/// `.../route/`: the module's root.
pub(super) async fn root(
    State(state): State<ApiState>,
    Path(database): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    answer(&state, &database, &uri, "/", request).await
}

/// `.../route/rest`.
pub(super) async fn below(
    State(state): State<ApiState>,
    Path((database, rest)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    answer(&state, &database, &uri, &format!("/{rest}"), request).await
}

async fn answer(
    state: &ApiState,
    database: &str,
    uri: &axum::http::Uri,
    path: &str,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let database = open(state, database)?;
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| {
            let text = format!("the body is broken off or has more than {BODY_BYTES_MAX} bytes");
            ApiError::text(StatusCode::PAYLOAD_TOO_LARGE, text)
        })?;
    let request = HttpRequest {
        method: method_of(&head.method),
        headers: head.headers.iter().map(header_of).collect(),
        timeout: None,
        uri: external_uri(&head.headers, uri).into(),
        version: version_of(head.version),
    };
    match database.call_http_handler(path, request, body).await {
        Ok(Some((response, body))) => response_of(&response, body),
        Ok(None) => Err(ApiError::not_found(NO_HANDLER)),
        Err(error) => Err(internal(error.to_string())),
    }
}

fn internal(text: String) -> ApiError {
    ApiError::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}

fn method_of(method: &Method) -> HttpMethod {
    match method.as_str() {
        "GET" => HttpMethod::Get,
        "HEAD" => HttpMethod::Head,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        "CONNECT" => HttpMethod::Connect,
        "OPTIONS" => HttpMethod::Options,
        "TRACE" => HttpMethod::Trace,
        "PATCH" => HttpMethod::Patch,
        other => HttpMethod::Extension(other.into()),
    }
}

/// The address as the client wrote it, also through a proxy.
fn external_uri(headers: &HeaderMap, uri: &axum::http::Uri) -> String {
    let first = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        let first = value.split(',').next()?.trim();
        (!first.is_empty()).then_some(first)
    };
    let scheme = first("x-forwarded-proto").or(uri.scheme_str());
    let mut text = format!("{}://", scheme.unwrap_or("http"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = first("x-forwarded-host")
        .or(host)
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    text.push_str(authority.unwrap_or_default());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // Writing to a string does not fail.
    let _ = write!(text, "{path}");
    text
}

/// The module's response, unchanged but for its version.
fn response_of(response: &HttpResponse, body: Bytes) -> Result<Response, ApiError> {
    let invalid = |what: &str| internal(format!("the module's response has an invalid {what}"));
    let status = StatusCode::from_u16(response.code).map_err(|_| invalid("status"))?;
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    headers.clear();
    for header in &response.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| invalid("header"))?;
        let value = HeaderValue::from_bytes(&header.value.0).map_err(|_| invalid("header"))?;
        headers.append(name, value);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use spacetime_host::{HttpHeader, HttpVersion, RawBytes};

    use super::*;

    #[test]
    fn the_external_address_follows_the_proxy() {
        let uri = "/v1/database/x/route/a?b=1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:3000"));
        let direct = external_uri(&headers, &uri);
        assert_eq!(direct, "http://127.0.0.1:3000/v1/database/x/route/a?b=1");
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https, http"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("db.example"));
        let proxied = external_uri(&headers, &uri);
        assert_eq!(proxied, "https://db.example/v1/database/x/route/a?b=1");
    }

    #[test]
    fn a_response_that_is_not_http_is_an_error_and_not_a_panic() {
        let response = |code, name: &str, value: &[u8]| HttpResponse {
            headers: vec![HttpHeader {
                name: name.into(),
                value: RawBytes(value.into()),
            }],
            version: HttpVersion::Http11,
            code,
        };
        assert!(response_of(&response(201, "x-r", b"v"), Bytes::new()).is_ok());
        assert!(response_of(&response(99, "x-r", b"v"), Bytes::new()).is_err());
        assert!(response_of(&response(200, "x r", b"v"), Bytes::new()).is_err());
        assert!(response_of(&response(200, "x-r", b"v\n"), Bytes::new()).is_err());
    }
}

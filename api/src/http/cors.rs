//! Pages of any origin may call this server: tokens, not cookies, prove who they are.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// `*` does not cover `authorization`, so it is named.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, accept, content-type, *");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "spacetime-identity, spacetime-identity-token, spacetime-energy-used, \
     spacetime-execution-duration-micros",
);
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Answers preflight requests and marks every other answer as readable by all.
pub(super) async fn allow_any_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if preflight {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ANY);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        return (StatusCode::OK, headers).into_response();
    }
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

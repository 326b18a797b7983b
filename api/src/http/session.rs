//! Finds out who a request comes from.

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::ApiState;
use super::error::ApiError;
use crate::auth::{Credentials, Session, credentials};
use crate::clock;

#[derive(Deserialize)]
struct TokenParam {
    token: Option<String>,
}

/// The caller, if the request brings a token.
fn authenticate(
    state: &ApiState,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Session>, ApiError> {
    // A query that cannot be read has no token; the route itself reports what is wrong with it.
    let query = Query::<TokenParam>::try_from_uri(uri)
        .ok()
        .and_then(|query| query.0.token);
    let token = match credentials(headers, query.as_deref()) {
        Credentials::Missing => return Ok(None),
        Credentials::Malformed => {
            return Err(ApiError::bad_request(
                "Authorization is invalid: malformed token",
            ));
        }
        Credentials::Token(token) => token,
    };
    match state.authority.verify(token, clock::now_s()) {
        Ok(session) => Ok(Some(session)),
        Err(error) => Err(ApiError::text(StatusCode::UNAUTHORIZED, error.to_string())),
    }
}

/// Lets everyone in. Who brings no token gets a new identity, which the answer tells.
pub(super) async fn anonymous_allowed(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let session = match authenticate(&state, request.headers(), request.uri()) {
        Ok(Some(session)) => session,
        Ok(None) => state.authority.issue_new(clock::now_s()),
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(session.clone());
    let mut response = next.run(request).await;
    tell_identity(&session, response.headers_mut());
    response
}

fn tell_identity(session: &Session, headers: &mut HeaderMap) {
    if let Ok(identity) = HeaderValue::try_from(session.identity().to_hex()) {
        headers.insert("spacetime-identity", identity);
    }
    if let Ok(mut token) = HeaderValue::try_from(session.token()) {
        token.set_sensitive(true);
        headers.insert("spacetime-identity-token", token);
    }
}

/// The caller that [`anonymous_allowed`] found.
pub(super) struct Caller(pub(super) Session);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let session = parts.extensions.get::<Session>().cloned();
        let missing = || {
            ApiError::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the caller was not looked for",
            )
        };
        session.map(Caller).ok_or_else(missing)
    }
}

/// A caller that has to bring a token.
pub(super) struct Authenticated(pub(super) Session);

impl FromRequestParts<ApiState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let session = authenticate(state, &parts.headers, &parts.uri)?;
        let missing = || ApiError::text(StatusCode::UNAUTHORIZED, "Authorization required");
        session.map(Authenticated).ok_or_else(missing)
    }
}

/// A caller that may bring a token, which then has to be a valid one.
pub(super) struct CheckedIfPresent;

impl FromRequestParts<ApiState> for CheckedIfPresent {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        authenticate(state, &parts.headers, &parts.uri).map(|_| CheckedIfPresent)
    }
}

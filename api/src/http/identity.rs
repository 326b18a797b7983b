//! `/v1/identity`: new identities, tokens, the server's key.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use spacetime_types::Identity;

use super::ApiState;
use super::error::ApiError;
use super::params::parse_identity;
use super::session::Authenticated;
use crate::clock;

/// A new identity and its token.
pub(super) async fn create(State(state): State<ApiState>) -> Json<Value> {
    let session = state.authority.issue_new(clock::now_s());
    Json(json!({"identity": session.identity().to_hex(), "token": session.token()}))
}

/// A short-lived token for the caller's identity, to be put into a WebSocket's address.
pub(super) async fn websocket_token(
    State(state): State<ApiState>,
    Authenticated(session): Authenticated,
) -> Json<Value> {
    let short = state
        .authority
        .issue_for_websocket(&session, clock::now_s());
    Json(json!({"token": short.token()}))
}

/// The public key, byte for byte as stored.
pub(super) async fn public_key(State(state): State<ApiState>) -> impl IntoResponse {
    let pem = state.authority.public_pem().to_owned();
    ([(CONTENT_TYPE, "application/pem-certificate-chain")], pem)
}

/// Whether the caller's token proves the identity in the path.
pub(super) async fn verify(
    Authenticated(session): Authenticated,
    Path(identity): Path<String>,
) -> Result<StatusCode, ApiError> {
    let proven = identity_of(&identity)? == session.identity();
    Ok(if proven {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::BAD_REQUEST
    })
}

/// The databases that an identity owns.
pub(super) async fn databases(
    State(state): State<ApiState>,
    Path(identity): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let owner = identity_of(&identity)?;
    let records = state.host.control().databases();
    let owned = records.iter().filter(|record| record.owner == owner);
    let identities: Vec<String> = owned.map(|record| record.identity.to_hex()).collect();
    Ok(Json(json!({"identities": identities})))
}

fn identity_of(text: &str) -> Result<Identity, ApiError> {
    parse_identity(text).ok_or_else(|| ApiError::bad_request("not an identity: 64 hex digits"))
}

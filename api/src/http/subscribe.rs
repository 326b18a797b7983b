//! `/v1/database/:db/subscribe`: from an HTTP request to a WebSocket connection.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use spacetime_types::ConnectionId;

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use crate::admission::{Admitted, Key};
use crate::clock;
use crate::ws::{Accepted, Compression, Greeting, Protocol};

/// The library clears this much memory before each read from the socket and keeps it for each
/// connection. Its own choice of 128 KiB cost more time than the rest of reading a small request.
const READ_BUFFER_BYTES: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct SubscribeParams {
    connection_id: Option<String>,
    compression: Option<String>,
    /// Of v1 clients. They always get the light form where the two differ.
    #[serde(default)]
    light: bool,
    confirmed: Option<bool>,
}

/// Checks the request and answers with the upgrade. What follows runs in a task of its own.
pub(super) async fn subscribe(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<SubscribeParams>,
    headers: HeaderMap,
    of_address: Option<Extension<Arc<Admitted>>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(no_upgrade(rejection)),
    };
    let compression = match params.compression.as_deref() {
        None => Compression::default(),
        Some(text) => Compression::parse(text)
            .ok_or_else(|| ApiError::bad_request("`compression` has to be None, Brotli or Gzip"))?,
    };
    let connection_id = connection_id(params.connection_id.as_deref())?;
    let database = open(&state, &database)?;
    let protocol = Protocol::select(&headers)
        .ok_or_else(|| ApiError::bad_request("no valid protocol selected"))?;
    let limits = &state.config.limits;
    let key = Key::Identity(session.identity());
    let admitted = state.admission.admit(key, limits.connections_per_identity);
    let admitted = admitted.ok_or_else(|| {
        let text = "this identity has too many connections";
        ApiError::text(StatusCode::TOO_MANY_REQUESTS, text)
    })?;
    tracing::debug!(
        database = %database.identity(),
        caller = %session.identity(),
        protocol = protocol.name(),
        light = params.light,
        "a client connects"
    );
    let accepted = Accepted {
        caller: session.caller(connection_id),
        greeting: Greeting {
            identity: session.identity(),
            connection_id,
            token: session.token().into(),
        },
        database,
        protocol,
        compression,
        confirmed: params.confirmed.unwrap_or(protocol.confirmed_by_default()),
        keep_alive: state.config.keep_alive,
        outbox_limits: limits.outbox,
        rate_limit: limits.rate,
        shutdown: state.shutdown.clone(),
    };
    let mut upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(state.config.message_bytes_max)
        .max_frame_size(state.config.message_bytes_max);
    upgrade.set_selected_protocol(HeaderValue::from_static(protocol.name()));
    let alive = state.alive.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        accepted.run(socket).await;
        drop((alive, admitted, of_address));
    }))
}

/// A request that is not the beginning of a WebSocket.
fn no_upgrade(rejection: WebSocketUpgradeRejection) -> Response {
    use WebSocketUpgradeRejection as Rejection;
    match rejection {
        Rejection::InvalidConnectionHeader(_)
        | Rejection::InvalidUpgradeHeader(_)
        | Rejection::ConnectionNotUpgradable(_) => {
            let headers = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
            let text = "This service requires use of the websocket protocol";
            (StatusCode::UPGRADE_REQUIRED, headers, text).into_response()
        }
        rejection => rejection.into_response(),
    }
}

/// The id that the client proposes, or a random one.
fn connection_id(text: Option<&str>) -> Result<ConnectionId, ApiError> {
    let Some(text) = text else {
        return Ok(clock::new_connection_id());
    };
    match ConnectionId::from_hex(text) {
        Ok(ConnectionId::ZERO) => Err(ApiError::bad_request(
            "Invalid connection ID: the all-zeros ConnectionId is reserved.",
        )),
        Ok(id) => Ok(id),
        Err(error) => Err(ApiError::bad_request(format!(
            "Invalid connection ID: {error}"
        ))),
    }
}

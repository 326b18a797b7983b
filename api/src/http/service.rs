//! Routes about the server itself.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use spacetime_host::MEASURE_VARIABLE;

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::{Caller, CheckedIfPresent};
use crate::clock;

/// The server answers.
pub(super) async fn ping(_: CheckedIfPresent) {}

/// What runs here.
pub(super) async fn health() -> Json<Value> {
    Json(json!({
        "nodes": [0],
        "package_name": "spacetimedb-client-api",
        "schedulable": true,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Nothing is metered: every balance is zero.
pub(super) async fn energy(Path(_identity): Path<String>) -> Json<Value> {
    Json(json!({"balance": "0"}))
}

/// The server's clock.
pub(super) async fn timestamp() -> Json<Value> {
    Json(json!({"__timestamp_micros_since_unix_epoch__": clock::now().micros}))
}

#[derive(Debug, Deserialize)]
pub(super) struct PausesParams {
    /// Begin anew.
    #[serde(default)]
    reset: bool,
}

/// How long a database's writer thread was busy with one thing, in nanoseconds of processor time.
/// For its owner, where it is measured.
pub(super) async fn pauses(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<PausesParams>,
) -> Result<Json<Value>, ApiError> {
    let database = open(&state, &database)?;
    if session.identity() != database.owner() {
        let (caller, identity) = (session.identity(), database.identity());
        return Err(ApiError::forbidden(caller, identity, "measure"));
    }
    let Some(found) = database.pauses(params.reset) else {
        let text = format!("not measured: the server runs without {MEASURE_VARIABLE}");
        return Err(ApiError::text(StatusCode::NOT_FOUND, text));
    };
    Ok(Json(json!({
        "count": found.count,
        "p50": found.p50,
        "p99": found.p99,
        "p999": found.p999,
        "longest": found.longest,
        "over_1_ms": found.over_1_ms,
    })))
}

//! `/v1/database/:db`: what it is, and its end.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::ApiState;
use super::error::ApiError;
use super::params::{hash_text, resolve};
use super::session::Caller;

/// Who owns the database and what it was made with.
pub(super) async fn info(
    State(state): State<ApiState>,
    Path(database): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let target = resolve(&state, &database)?;
    let record = state.host.control().database(target.identity);
    let record = record.ok_or_else(|| ApiError::not_found("No such database."))?;
    Ok(Json(json!({
        "database_identity": {"__identity__": format!("0x{}", record.identity)},
        "owner_identity": {"__identity__": format!("0x{}", record.owner)},
        "host_type": {"Wasm": []},
        "initial_program": hash_text(record.initial_program),
    })))
}

/// Deletes the database. Its names stay registered.
pub(super) async fn delete(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
) -> Result<(), ApiError> {
    let target = resolve(&state, &database)?;
    let deleted = state.host.delete(target.identity, session.identity()).await;
    deleted.map_err(|error| ApiError::control(&error, "delete database"))
}

/// Protects the database from deletion and reset.
pub(super) async fn lock(
    state: State<ApiState>,
    caller: Caller,
    database: Path<String>,
) -> Result<(), ApiError> {
    set_locked(state, caller, database, true).await
}

/// Lifts the protection.
pub(super) async fn unlock(
    state: State<ApiState>,
    caller: Caller,
    database: Path<String>,
) -> Result<(), ApiError> {
    set_locked(state, caller, database, false).await
}

async fn set_locked(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    locked: bool,
) -> Result<(), ApiError> {
    let target = resolve(&state, &database)?;
    let changed = state
        .host
        .set_locked(target.identity, session.identity(), locked)
        .await;
    changed.map_err(|error| ApiError::control(&error, "delete database"))
}

/// The identity that a name stands for.
pub(super) async fn identity(
    State(state): State<ApiState>,
    Path(database): Path<String>,
) -> Result<String, ApiError> {
    Ok(resolve(&state, &database)?.identity.to_hex())
}

//! `/v1/database/:db/names`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use spacetime_host::ControlError;

use super::ApiState;
use super::error::ApiError;
use super::params::{check_database_name, resolve};
use super::session::Caller;

/// The names of a database.
pub(super) async fn list(
    State(state): State<ApiState>,
    Path(database): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let target = resolve(&state, &database)?;
    let names = state.host.control().names_of(target.identity);
    Ok(Json(json!({"names": names})))
}

/// Adds a name. Publishing registers names, and a registered one belongs to a database: so this
/// can only say why it does not work.
pub(super) async fn add(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    name: String,
) -> Result<Json<Value>, ApiError> {
    let target = resolve(&state, &database)?;
    let name = name.trim();
    check_database_name(name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let control = state.host.control();
    match control.name_owner(name) {
        None => Err(ApiError::json(
            StatusCode::BAD_REQUEST,
            json!({"TldNotRegistered": {"domain": name}}),
        )),
        Some(owner) if owner != session.identity() => Err(ApiError::json(
            StatusCode::UNAUTHORIZED,
            json!({"PermissionDenied": {"domain": name}}),
        )),
        Some(_) if control.resolve(name) == Some(target.identity) => Ok(Json(json!({
            "Success": {"domain": name, "database_identity": target.identity.to_hex()}
        }))),
        Some(_) => Err(ApiError::text(
            StatusCode::CONFLICT,
            format!("`{name}` is already in use"),
        )),
    }
}

/// Replaces all names.
pub(super) async fn replace(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Json(names): Json<Vec<String>>,
) -> Result<Json<Value>, ApiError> {
    let target = resolve(&state, &database)?;
    for name in &names {
        check_database_name(name)
            .map_err(|error| ApiError::bad_request(format!("Error parsing `{name}`: {error}")))?;
    }
    match state
        .host
        .set_names(target.identity, session.identity(), names)
        .await
    {
        Ok(()) => Ok(Json(json!("Success"))),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &ControlError) -> ApiError {
    match error {
        ControlError::NotOwner { database, .. } => ApiError::json(
            StatusCode::UNAUTHORIZED,
            json!({"NotYourDatabase": {"database": database.to_hex()}}),
        ),
        ControlError::NoSuchDatabase => {
            ApiError::json(StatusCode::NOT_FOUND, json!("DatabaseNotFound"))
        }
        ControlError::NameInUse(_) => ApiError::json(
            StatusCode::BAD_REQUEST,
            json!({"OtherError": error.to_string()}),
        ),
        error => ApiError::control(error, "rename database"),
    }
}

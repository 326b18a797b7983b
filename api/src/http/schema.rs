//! `/v1/database/:db/schema`.

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use spacetime_types::module_def::ToJson;

use super::ApiState;
use super::error::ApiError;
use super::params::open;

#[derive(Debug, Deserialize)]
pub(super) struct SchemaParams {
    version: String,
}

/// The module's own description of itself, in the raw format of the version asked for.
pub(super) async fn schema(
    State(state): State<ApiState>,
    Path(database): Path<String>,
    Query(params): Query<SchemaParams>,
) -> Result<Response, ApiError> {
    let database = open(&state, &database)?;
    let definition = database.module_def();
    let json = match params.version.as_str() {
        "9" => definition.to_raw_v9().to_json(),
        "10" => definition.to_raw_v10().to_json(),
        _ => return Err(ApiError::bad_request("`version` has to be 9 or 10")),
    };
    Ok(([(CONTENT_TYPE, "application/json")], json.to_string()).into_response())
}

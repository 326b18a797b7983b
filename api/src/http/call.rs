//! `/v1/database/:db/call/:function`: one reducer or procedure call without a connection.

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use spacetime_host::{CallArgs, CallOutcome, ConnectError, ReducerOutcome};

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use crate::clock;

pub(super) const DURATION: HeaderName =
    HeaderName::from_static("spacetime-execution-duration-micros");
const ENERGY: HeaderName = HeaderName::from_static("spacetime-energy-used");

/// The status of a reducer that said no.
const REDUCER_FAILED: u16 = 530;

#[derive(Debug, Deserialize)]
pub(super) struct CallParams {
    /// Answer only when what was called is on disk.
    #[serde(default)]
    confirmed: bool,
}

/// Calls a reducer, or a procedure if there is no reducer of that name.
pub(super) async fn call(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path((database, function)): Path<(String, String)>,
    Query(params): Query<CallParams>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    check_content_type(&headers)?;
    if std::str::from_utf8(&body).is_err() {
        return Err(ApiError::bad_request("the body is not UTF-8"));
    }
    let database = open(&state, &database)?;
    let caller = session.caller(clock::new_connection_id());
    let report = database
        .call_once(caller, &function, CallArgs::Json(body))
        .await
        .map_err(|gone| ApiError::gone(&gone))?;
    if params.confirmed && has_committed(&report.outcome) {
        let waited = database.wait_durable().await;
        waited.map_err(|error| ApiError::not_durable(&error))?;
    }
    let micros = report.duration_micros;
    match report.outcome {
        CallOutcome::Reducer(outcome) => reducer_answer(outcome, micros),
        CallOutcome::Procedure(value) => {
            let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(([json, (DURATION, micros.into())], String::from(value)).into_response())
        }
        CallOutcome::ProcedureFailed(text) => Err(ApiError::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            String::from(text),
        )),
        CallOutcome::ProcedureOutOfBudget => Err(out_of_budget()),
        CallOutcome::NoSuchFunction => Err(ApiError::not_found("No such procedure")),
        CallOutcome::BadArgs(text) | CallOutcome::Lifecycle(text) => {
            Err(ApiError::bad_request(String::from(text)))
        }
        CallOutcome::Connect(error) => Err(connect_refused(&error)),
    }
}

/// Whether the call may have changed something. What a procedure does before it fails stays.
pub(super) fn has_committed(outcome: &CallOutcome) -> bool {
    matches!(
        outcome,
        CallOutcome::Reducer(ReducerOutcome::Committed)
            | CallOutcome::Procedure(_)
            | CallOutcome::ProcedureFailed(_)
            | CallOutcome::ProcedureOutOfBudget
    )
}

/// The content type has to be exactly this, without parameters.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_TYPE) {
        Some(value) if value == "application/json" => Ok(()),
        Some(_) => Err(ApiError::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type has to be application/json",
        )),
        None => Err(ApiError::bad_request("the header content-type is missing")),
    }
}

fn reducer_answer(outcome: ReducerOutcome, micros: u64) -> Result<Response, ApiError> {
    let headers = [
        (ENERGY, HeaderValue::from(0u64)),
        (DURATION, HeaderValue::from(micros)),
    ];
    match outcome {
        ReducerOutcome::Committed => Ok(headers.into_response()),
        ReducerOutcome::Failed(text) | ReducerOutcome::Fatal(text) => {
            let status =
                StatusCode::from_u16(REDUCER_FAILED).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok((status, headers, String::from(text)).into_response())
        }
        ReducerOutcome::Refused(text) => Err(ApiError::bad_request(String::from(text))),
        ReducerOutcome::OutOfBudget => Err(out_of_budget()),
    }
}

fn out_of_budget() -> ApiError {
    ApiError::text(
        StatusCode::PAYMENT_REQUIRED,
        "Module energy budget exhausted.",
    )
}

/// `client_connected` did not let the caller in.
pub(super) fn connect_refused(error: &ConnectError) -> ApiError {
    match error {
        ConnectError::Rejected(text) => {
            ApiError::text(StatusCode::FORBIDDEN, String::from(text.clone()))
        }
        ConnectError::OutOfBudget => {
            ApiError::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        ConnectError::Gone(gone) => ApiError::gone(gone),
    }
}

//! Answers that say no.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use spacetime_host::{ControlError, DatabaseGone, WaitDurableError};
use spacetime_types::Identity;

/// A status and what went wrong.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Text(Cow<'static, str>),
    Json(Value),
}

impl ApiError {
    /// An error in words.
    pub(super) fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError {
            status,
            body: Body::Text(text.into()),
        }
    }

    /// An error that programs read.
    pub(super) fn json(status: StatusCode, body: Value) -> ApiError {
        ApiError {
            status,
            body: Body::Json(body),
        }
    }

    pub(super) fn bad_request(text: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::text(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn not_found(text: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::text(StatusCode::NOT_FOUND, text)
    }

    /// `caller` may not do `action` to `database`.
    pub(super) fn forbidden(caller: Identity, database: Identity, action: &str) -> ApiError {
        let text = format!(
            "{caller} is not authorized to perform action on database {database}: {action}"
        );
        ApiError::text(StatusCode::FORBIDDEN, text)
    }

    /// The database is there but does not run.
    pub(super) fn gone(gone: &DatabaseGone) -> ApiError {
        ApiError::text(StatusCode::SERVICE_UNAVAILABLE, gone.to_string())
    }

    /// Something was done, but need not survive.
    pub(super) fn not_durable(error: &WaitDurableError) -> ApiError {
        ApiError::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }

    /// A change of the control plane that was refused while doing `action`.
    pub(super) fn control(error: &ControlError, action: &str) -> ApiError {
        let text = error.to_string();
        match error {
            ControlError::NotOwner { caller, database } => {
                ApiError::forbidden(*caller, *database, action)
            }
            ControlError::NoSuchName(_) | ControlError::NoSuchDatabase => ApiError::not_found(text),
            ControlError::Locked => ApiError::text(StatusCode::FORBIDDEN, text),
            ControlError::NameTaken(name) => ApiError::json(
                StatusCode::UNAUTHORIZED,
                serde_json::json!({"PermissionDenied": {"domain": name}}),
            ),
            ControlError::NameInUse(_)
            | ControlError::NameNotRegistered(_)
            | ControlError::IdentityInUse(_) => ApiError::text(StatusCode::CONFLICT, text),
            ControlError::NotDurable(_) => ApiError::text(StatusCode::SERVICE_UNAVAILABLE, text),
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.body {
            Body::Text(text) => f.write_str(text),
            Body::Json(body) => body.fmt(f),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self.body {
            Body::Text(text) => (self.status, text.into_owned()).into_response(),
            Body::Json(body) => (self.status, Json(body)).into_response(),
        }
    }
}

//! Publishing modules: new databases, new modules for old ones, reset.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use spacetime_host::{Publish, PublishError, PublishTarget, Published};
use spacetime_types::ConnectionId;

use super::ApiState;
use super::error::ApiError;
use super::params::{check_database_name, parse_hash, parse_identity, resolve};
use super::session::Caller;
use crate::auth::Session;
use crate::clock;

/// What can be said about a publish beside the module.
#[derive(Debug, Deserialize)]
pub(super) struct PublishParams {
    #[serde(default)]
    clear: bool,
    num_replicas: Option<u64>,
    token: Option<String>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    host_type: HostType,
    parent: Option<String>,
}

/// What an update may do to connected clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Policy {
    #[default]
    Compatible,
    BreakClients,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum HostType {
    #[default]
    Wasm,
    Js,
}

impl PublishParams {
    fn check(&self, state: &ApiState) -> Result<(), ApiError> {
        if let Some(count) = self.num_replicas.filter(|count| *count > 255) {
            let text = format!("Replication factor {count} out of bounds");
            return Err(ApiError::bad_request(text));
        }
        if self.host_type == HostType::Js {
            return Err(ApiError::bad_request(
                "JavaScript modules are not supported",
            ));
        }
        if self.policy == Policy::BreakClients && self.token.is_none() {
            return Err(ApiError::bad_request(
                "Migration policy is set to `BreakClients`, but no migration token was provided.",
            ));
        }
        if self
            .token
            .as_deref()
            .is_some_and(|token| parse_hash(token).is_none())
        {
            return Err(ApiError::bad_request("`token` is not a hash"));
        }
        match &self.parent {
            Some(parent) => resolve(state, parent).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// `POST /v1/database`: a database without a name.
pub(super) async fn create(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Query(params): Query<PublishParams>,
    program: Bytes,
) -> Result<Json<Value>, ApiError> {
    params.check(&state)?;
    if params.clear {
        let text = "Clear database requires database name or identity";
        return Err(ApiError::bad_request(text));
    }
    check_publisher(&state, &session)?;
    run(&state, &session, PublishTarget::New, false, program, None).await
}

/// `PUT /v1/database/:db`: a new database, or a new module for an old one.
pub(super) async fn publish(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<PublishParams>,
    program: Bytes,
) -> Result<Json<Value>, ApiError> {
    params.check(&state)?;
    let control = state.host.control();
    let (target, known) = match parse_identity(&database) {
        Some(identity) => (PublishTarget::Identity(identity), Some(identity)),
        None => {
            check_database_name(&database)
                .map_err(|error| ApiError::bad_request(error.to_string()))?;
            (
                PublishTarget::Name(database.as_str().into()),
                control.resolve(&database),
            )
        }
    };
    if known
        .and_then(|identity| control.database(identity))
        .is_none()
    {
        check_publisher(&state, &session)?;
    } else if params.clear && params.parent.is_some() {
        let text = "Setting the parent of an existing database is not supported";
        return Err(ApiError::bad_request(text));
    }
    let name = matches!(target, PublishTarget::Name(_)).then_some(database.as_str());
    run(&state, &session, target, params.clear, program, name).await
}

/// `PUT /v1/database/:db/reset`: deletes the data and starts anew with the module in the body.
pub(super) async fn reset(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<PublishParams>,
    program: Bytes,
) -> Result<Json<Value>, ApiError> {
    params.check(&state)?;
    let target = resolve(&state, &database)?;
    if state.host.control().database(target.identity).is_none() {
        return Err(ApiError::not_found("No such database."));
    }
    let identity = PublishTarget::Identity(target.identity);
    run(&state, &session, identity, true, program, target.name).await
}

/// Creating databases can be reserved for the identities of one issuer.
fn check_publisher(state: &ApiState, session: &Session) -> Result<(), ApiError> {
    let Some(required) = &state.config.publisher_issuer else {
        return Ok(());
    };
    let issuer = session.claims().issuer.trim_end_matches('/');
    if issuer == required.trim_end_matches('/') {
        return Ok(());
    }
    let text = "To create a database, log in with an account of the issuer that this server asks \
                for";
    Err(ApiError::text(StatusCode::UNAUTHORIZED, text))
}

async fn run(
    state: &ApiState,
    session: &Session,
    target: PublishTarget,
    clear: bool,
    program: Bytes,
    name: Option<&str>,
) -> Result<Json<Value>, ApiError> {
    let publish = Publish {
        target,
        new_identity: clock::new_database_identity(),
        caller: session.caller(ConnectionId::ZERO),
        program,
        clear,
    };
    match state.host.publish(publish).await {
        Ok(Published { database, created }) => Ok(Json(json!({
            "Success": {
                "domain": name,
                "database_identity": database.to_hex(),
                "op": if created { "created" } else { "updated" },
            }
        }))),
        Err(error) => Err(refused(&error, clear)),
    }
}

fn refused(error: &PublishError, clear: bool) -> ApiError {
    let text = error.to_string();
    match error {
        PublishError::NotOwner { caller, database } => {
            let action = if clear {
                "reset database"
            } else {
                "update database"
            };
            ApiError::forbidden(*caller, *database, action)
        }
        PublishError::NameTaken(name) => ApiError::json(
            StatusCode::UNAUTHORIZED,
            json!({"PermissionDenied": {"name": name}}),
        ),
        PublishError::Locked => ApiError::text(StatusCode::FORBIDDEN, text),
        PublishError::Load(_)
        | PublishError::Create(_)
        | PublishError::Definition(_)
        | PublishError::Unsupported(_)
        | PublishError::Rejected(_)
        | PublishError::Failed(_) => ApiError::bad_request(text),
        PublishError::Gone(gone) => ApiError::gone(gone),
        PublishError::NotDurable(_) => ApiError::text(StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

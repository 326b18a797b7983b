//! Publishing modules: new databases, new modules for old ones, reset.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use spacetime_host::{
    Hints, MigrationPolicy, Mode, Outlook, PrePublish, PrePublished, Publish, PublishError,
    PublishTarget, Published, Rename, Style, ValueHint,
};
use spacetime_types::{ConnectionId, Hash};

use super::ApiState;
use super::error::ApiError;
use super::params::{check_database_name, hash_text, parse_hash, parse_identity, resolve};
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
    /// Ours: an explicit migration, with its hints as JSON.
    migrate: Option<String>,
}

/// What an update may do to connected clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Policy {
    #[default]
    Compatible,
    BreakClients,
}

/// Hints of an explicit migration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MigrateHints {
    /// Old and new name of tables, or of `table.column`s.
    #[serde(default)]
    rename: Vec<(String, String)>,
    /// `table.column` and the value that old rows get, as JSON text.
    #[serde(default)]
    default: Vec<(String, String)>,
}

/// Hints of one migration.
const HINTS_LEN_MAX: usize = 4096;

fn mode(migrate: Option<&str>) -> Result<Mode, ApiError> {
    let Some(text) = migrate else {
        return Ok(Mode::Automatic);
    };
    let hints: MigrateHints = serde_json::from_str(text)
        .map_err(|error| ApiError::bad_request(format!("`migrate` is not valid: {error}")))?;
    if hints.rename.len().max(hints.default.len()) > HINTS_LEN_MAX {
        return Err(ApiError::bad_request("`migrate` has too many hints"));
    }
    let renames = hints.rename.into_iter().map(|(old, new)| Rename {
        old: old.into(),
        new: new.into(),
    });
    let values = hints
        .default
        .into_iter()
        .map(|(column, literal)| ValueHint {
            column: column.into(),
            literal: literal.into(),
        });
    Ok(Mode::Explicit(Hints {
        renames: renames.collect(),
        values: values.collect(),
    }))
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
        self.migration_policy()?;
        mode(self.migrate.as_deref())?;
        match &self.parent {
            Some(parent) => resolve(state, parent).map(|_| ()),
            None => Ok(()),
        }
    }

    fn migration_policy(&self) -> Result<MigrationPolicy, ApiError> {
        let token: Option<Hash> = match self.token.as_deref() {
            Some(text) => Some(
                parse_hash(text).ok_or_else(|| ApiError::bad_request("`token` is not a hash"))?,
            ),
            None => None,
        };
        match (self.policy, token) {
            (Policy::Compatible, _) => Ok(MigrationPolicy::Compatible),
            (Policy::BreakClients, Some(token)) => Ok(MigrationPolicy::BreakClients { token }),
            (Policy::BreakClients, None) => Err(ApiError::bad_request(
                "Migration policy is set to `BreakClients`, but no migration token was provided.",
            )),
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
    let publishing = Publishing {
        target: PublishTarget::New,
        clear: false,
        program: Some(program),
        name: None,
    };
    run(&state, &session, &params, publishing).await
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
    let publishing = Publishing {
        target,
        clear: params.clear,
        program: Some(program),
        name,
    };
    run(&state, &session, &params, publishing).await
}

/// `PUT /v1/database/:db/reset`: deletes the data and starts anew with the module in the body, or
/// with the one in place if the body is empty.
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
    let publishing = Publishing {
        target: PublishTarget::Identity(target.identity),
        clear: true,
        program: Some(program).filter(|program| !program.is_empty()),
        name: target.name,
    };
    run(&state, &session, &params, publishing).await
}

/// How a plan is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct PrePublishParams {
    style: Option<PlanStyle>,
    /// The name by which the original's command line calls `style`.
    pretty_print_style: Option<PlanStyle>,
    #[serde(default)]
    host_type: HostType,
    migrate: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum PlanStyle {
    AnsiColor,
    NoColor,
}

/// `POST /v1/database/:db/pre_publish`: what publishing the module in the body would do.
pub(super) async fn pre_publish(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<PrePublishParams>,
    program: Bytes,
) -> Result<Json<Value>, ApiError> {
    if params.host_type == HostType::Js {
        let text = "JavaScript modules are not supported";
        return Err(ApiError::bad_request(text));
    }
    let target = resolve(&state, &database)?;
    if state.host.control().database(target.identity).is_none() {
        return Err(ApiError::not_found("No such database."));
    }
    let style = match params.style.or(params.pretty_print_style) {
        Some(PlanStyle::NoColor) => Style::Plain,
        Some(PlanStyle::AnsiColor) | None => Style::Ansi,
    };
    let question = PrePublish {
        database: target.identity,
        caller: session.caller(ConnectionId::ZERO),
        program,
        mode: mode(params.migrate.as_deref())?,
        style,
    };
    match state.host.pre_publish(question).await {
        Ok(answer) => Ok(Json(pre_published(answer))),
        Err(error) => Err(refused(&error, false)),
    }
}

fn pre_published(answer: PrePublished) -> Value {
    let major = answer.major_version_upgrade;
    match answer.outcome {
        Outlook::Migrates {
            plan,
            breaks_clients,
            token,
        } => json!({
            "AutoMigrate": {
                "migrate_plan": plan,
                "break_clients": breaks_clients,
                "token": hash_text(token),
                "major_version_upgrade": major,
            }
        }),
        Outlook::Refused { reason } => json!({
            "ManualMigrate": {"reason": reason, "major_version_upgrade": major}
        }),
    }
}

/// Creating databases can be reserved for the identities of one issuer.
pub(super) fn check_publisher(state: &ApiState, session: &Session) -> Result<(), ApiError> {
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

/// What is published where.
struct Publishing<'a> {
    target: PublishTarget,
    clear: bool,
    program: Option<Bytes>,
    name: Option<&'a str>,
}

async fn run(
    state: &ApiState,
    session: &Session,
    params: &PublishParams,
    publishing: Publishing<'_>,
) -> Result<Json<Value>, ApiError> {
    let Publishing {
        target,
        clear,
        program,
        name,
    } = publishing;
    let publish = Publish {
        target,
        new_identity: clock::new_database_identity(),
        caller: session.caller(ConnectionId::ZERO),
        program,
        clear,
        mode: mode(params.migrate.as_deref())?,
        policy: params.migration_policy()?,
    };
    match state.host.publish(publish).await {
        Ok(published) => Ok(Json(success(&published, name))),
        Err(error) => Err(refused(&error, clear)),
    }
}

fn success(published: &Published, name: Option<&str>) -> Value {
    let mut success = json!({
        "domain": name,
        "database_identity": published.database.to_hex(),
        "op": if published.created { "created" } else { "updated" },
    });
    if let Some(offset) = published.restore_point {
        success["restore_point"] = json!(offset.0);
    }
    json!({ "Success": success })
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
        | PublishError::NoProgram
        | PublishError::Failed(_) => ApiError::bad_request(text),
        PublishError::Gone(gone) => ApiError::gone(gone),
        PublishError::NotDurable(_) => ApiError::text(StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

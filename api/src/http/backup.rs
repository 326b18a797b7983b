//! `/v1/database/:db/backup`: the files of a database, for its owner.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use spacetime_host::{BackupError, BackupSnapshot, BackupSource, Have};
use tokio::sync::mpsc;

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use crate::clock;

/// Chunks that wait for the network.
const CHUNKS_MAX: usize = 8;

#[derive(Debug, Deserialize)]
pub(super) struct BackupParams {
    /// Whether a snapshot is taken first.
    #[serde(default)]
    snapshot: When,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl From<When> for BackupSnapshot {
    fn from(when: When) -> Self {
        match when {
            When::Auto => BackupSnapshot::Auto,
            When::Always => BackupSnapshot::Always,
            When::Never => BackupSnapshot::Never,
        }
    }
}

/// Answers with the stream of a backup, without what the body says that the caller has.
pub(super) async fn backup(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<BackupParams>,
    Json(have): Json<Have>,
) -> Result<Response, ApiError> {
    let database = open(&state, &database)?;
    let names = state.host.control().names_of(database.identity());
    let source = database
        .open_backup(
            session.identity(),
            names,
            have,
            params.snapshot.into(),
            clock::now(),
        )
        .await
        .map_err(|error| refused(&error))?;
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || hand_out(source, &sender));
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    });
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(chunks)).into_response())
}

/// Reads until the end, or until nobody listens any more. An error cuts the answer off.
fn hand_out(mut source: BackupSource, sender: &mpsc::Sender<Result<Bytes, std::io::Error>>) {
    loop {
        let chunk = match source.next_chunk() {
            Ok(Some(chunk)) => Ok(chunk),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "a backup could not be read to its end");
                Err(std::io::Error::other(error))
            }
        };
        let failed = chunk.is_err();
        if sender.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

fn refused(error: &BackupError) -> ApiError {
    match error {
        BackupError::NotOwner { caller, database } => {
            ApiError::forbidden(*caller, *database, "back up")
        }
        BackupError::Nothing | BackupError::Unsettled => {
            ApiError::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        error => ApiError::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

//! `/v1/database/:db/restore`: a backup, in the form in which it is taken, into the running server.

use std::io::{self, Read};
use std::pin::pin;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use spacetime_host::{LiveRestore, LiveRestoreError, LiveRestored, RestoreMoment, RestorePlace};
use spacetime_types::{Timestamp, TxOffset};
use tokio::sync::mpsc;

use super::ApiState;
use super::error::ApiError;
use super::params::{check_database_name, parse_identity, resolve};
use super::publish::check_publisher;
use super::session::Caller;
use crate::auth::Session;
use crate::clock;

/// Chunks that wait for the disk.
const CHUNKS_MAX: usize = 16;

#[derive(Debug, Deserialize)]
pub(super) struct RestoreParams {
    mode: Mode,
    /// The last transaction to keep.
    at_tx: Option<u64>,
    /// The time of the last one, in microseconds since 1970.
    at_micros: Option<i64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// In place of the database.
    Replace,
    /// As a database that is not there yet.
    New,
}

/// Takes the body for a backup and brings it back.
pub(super) async fn restore(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<RestoreParams>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request = LiveRestore {
        place: place(&state, &session, &database, params.mode)?,
        caller: session.identity(),
        moment: params.moment()?,
        bytes_max: state.config.restore_bytes_max,
    };
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    let stream = ChunkReader {
        chunks,
        current: Bytes::new(),
    };
    let host = state.host.clone();
    // On its own: if the caller goes away, the stream ends, and what there is of it is removed.
    let mut restoring = tokio::spawn(async move { host.restore(request, stream).await });
    let mut feeding = pin!(feed(body, sender));
    let restored = tokio::select! {
        restored = &mut restoring => restored,
        () = &mut feeding => restoring.await,
    };
    match restored.unwrap_or(Err(LiveRestoreError::Panicked)) {
        Ok(restored) => Ok(Json(done(&restored))),
        Err(error) => Err(refused(&error)),
    }
}

impl RestoreParams {
    fn moment(&self) -> Result<RestoreMoment, ApiError> {
        match (self.at_tx, self.at_micros) {
            (None, None) => Ok(RestoreMoment::Latest),
            (Some(offset), None) => Ok(RestoreMoment::After(TxOffset(offset))),
            (None, Some(micros)) => Ok(RestoreMoment::At(Timestamp::from_micros(micros))),
            (Some(_), Some(_)) => {
                let text = "`at_tx` and `at_micros` cannot both be given";
                Err(ApiError::bad_request(text))
            }
        }
    }
}

/// Where the backup is to go. A name whose database was deleted leads to its identity again.
fn place(
    state: &ApiState,
    session: &Session,
    database: &str,
    mode: Mode,
) -> Result<RestorePlace, ApiError> {
    match mode {
        Mode::Replace => Ok(RestorePlace::Over(resolve(state, database)?.identity)),
        Mode::New => {
            check_publisher(state, session)?;
            if let Some(identity) = parse_identity(database) {
                let name = None;
                return Ok(RestorePlace::New { identity, name });
            }
            check_database_name(database)
                .map_err(|error| ApiError::bad_request(error.to_string()))?;
            let known = state.host.control().resolve(database);
            Ok(RestorePlace::New {
                identity: known.unwrap_or_else(clock::new_database_identity),
                name: Some(database.into()),
            })
        }
    }
}

/// Hands the body on until it ends or fails, or nobody wants it any more.
async fn feed(body: Body, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(io::Error::other);
        let is_last = chunk.is_err();
        if sender.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

/// What arrives, as a file to read.
struct ChunkReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}

fn done(restored: &LiveRestored) -> Value {
    json!({
        "database_identity": restored.database.to_hex(),
        "op": if restored.replaced { "replaced" } else { "created" },
        "last_transaction": restored.last.map(|last| last.0),
        "tables": restored.tables,
        "rows": restored.rows,
    })
}

fn refused(error: &LiveRestoreError) -> ApiError {
    let status = match error {
        LiveRestoreError::Control(error) => return ApiError::control(error, "restore database"),
        LiveRestoreError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        LiveRestoreError::Directory { .. } | LiveRestoreError::Panicked => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    };
    ApiError::text(status, error.to_string())
}

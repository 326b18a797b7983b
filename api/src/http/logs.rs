//! `/v1/database/:db/logs`: what a module has said, and what it goes on to say.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use spacetime_host::{Level, level_of_line};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use super::ApiState;
use super::error::ApiError;
use super::params::open;
use super::session::Caller;
use crate::clock;

/// Most old lines that a follower can ask for.
const FOLLOWER_LINES_MAX: usize = 2500;

#[derive(Debug, Deserialize)]
pub(super) struct LogParams {
    num_lines: Option<u32>,
    #[serde(default)]
    follow: bool,
    /// Only records that are as bad as this, or worse.
    level: Option<String>,
}

/// The last lines, and with `follow` all that come after them.
pub(super) async fn logs(
    State(state): State<ApiState>,
    Caller(session): Caller,
    Path(database): Path<String>,
    Query(params): Query<LogParams>,
) -> Result<Response, ApiError> {
    let database = open(&state, &database)?;
    if session.identity() != database.owner() {
        let (caller, identity) = (session.identity(), database.identity());
        return Err(ApiError::forbidden(caller, identity, "view module logs"));
    }
    let asked = params
        .num_lines
        .map(|lines| usize::try_from(lines).unwrap_or(usize::MAX));
    let lines = match (asked, params.follow) {
        (asked, false) => asked,
        (Some(asked), true) => Some(asked.min(FOLLOWER_LINES_MAX)),
        (None, true) => Some(0),
    };
    let least = match &params.level {
        Some(name) => Some(Level::from_name(name).ok_or_else(|| no_such_level(name))?),
        None => None,
    };
    let log = Arc::clone(database.log());
    let unreadable = "Logs are temporarily not available";
    let (old, feed) = tokio::task::spawn_blocking(move || log.tail(lines, least))
        .await
        .map_err(|_| ApiError::text(StatusCode::SERVICE_UNAVAILABLE, unreadable))?;
    // The feed has to outlive the handle: the stream ends when the database does.
    drop(database);
    let body = if params.follow {
        follow(old, feed, least, state.shutdown.clone())
    } else {
        Body::from(old)
    };
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, body).into_response())
}

struct Follower {
    first: Option<Bytes>,
    feed: broadcast::Receiver<Bytes>,
    least: Option<Level>,
    shutdown: watch::Receiver<bool>,
}

/// `old` and then the feed, until it or the server ends.
fn follow(
    old: Vec<u8>,
    feed: broadcast::Receiver<Bytes>,
    least: Option<Level>,
    shutdown: watch::Receiver<bool>,
) -> Body {
    let first = (!old.is_empty()).then(|| Bytes::from(old));
    let follower = Follower {
        first,
        feed,
        least,
        shutdown,
    };
    Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let line = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let least = self.least;
        loop {
            tokio::select! {
                line = self.feed.recv() => match line {
                    Ok(line) if is_wanted(least, &line) => return Some(line),
                    Ok(_) => {}
                    Err(RecvError::Lagged(lost)) => return Some(lost_lines(lost)),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.shutdown.wait_for(|down| *down) => return None,
            }
        }
    }
}

fn is_wanted(least: Option<Level>, line: &[u8]) -> bool {
    let Some(least) = least else { return true };
    level_of_line(line).is_none_or(|level| level.is_at_least(least))
}

fn no_such_level(name: &str) -> ApiError {
    let names = Level::ALL.map(Level::name).join(", ").to_lowercase();
    let text = format!("`{name}` is no level; there are {names}");
    ApiError::text(StatusCode::BAD_REQUEST, text)
}

/// A record in place of those that a slow reader missed.
fn lost_lines(count: u64) -> Bytes {
    let mut line = serde_json::json!({
        "level": "Warn",
        "ts": clock::now().micros,
        "target": "__spacetimedb__",
        "message": format!("{count} lines were lost: they came faster than they were read"),
    })
    .to_string();
    line.push('\n');
    line.into()
}

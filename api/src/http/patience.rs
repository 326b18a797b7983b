//! How long a request may take: its body to come, and its answer to begin.
//!
//! Invariants
//!   * Whoever sends a body sends at least [`STEP_BYTES`] of it, or all that is left, within the
//!     body timeout, again and again; else the request is over. So a connection cannot be held by
//!     a byte now and then.
//!   * An answer that does not begin in time is given up. What was begun is not undone: a reducer
//!     that was queued runs.
//!
//! Not here: the heads of requests (`listen`), and what modules and queries may take.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::Instant;

use super::ApiState;

/// What has to come within the body timeout.
const STEP_BYTES: usize = 16 << 10;

/// Ends requests whose bodies do not come.
pub(super) async fn bodies_in_time(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let timeout = state.config.limits.body_timeout;
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let was_late = Arc::new(AtomicBool::new(false));
    let (head, body) = request.into_parts();
    let body = Body::from_stream(steps(body.into_data_stream(), timeout, &was_late));
    let answer = next.run(Request::from_parts(head, body)).await;
    if !was_late.load(Ordering::Relaxed) {
        return answer;
    }
    let text = "the request's body did not come in time";
    closing(StatusCode::REQUEST_TIMEOUT, text)
}

/// Ends requests whose answers do not begin.
pub(super) async fn answers_in_time(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let Some(timeout) = state.config.limits.request_timeout else {
        return next.run(request).await;
    };
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = "there was no answer in time; what was asked for may still happen";
            closing(StatusCode::GATEWAY_TIMEOUT, text)
        }
    }
}

/// An answer after which the connection is closed, since its request was not read to the end.
fn closing(status: StatusCode, text: &'static str) -> Response {
    let close = [(CONNECTION, HeaderValue::from_static("close"))];
    (status, close, text).into_response()
}

struct Steps {
    chunks: BodyDataStream,
    timeout: Duration,
    deadline: Instant,
    /// Since the deadline was set.
    bytes: usize,
    was_late: Arc<AtomicBool>,
    is_over: bool,
}

fn steps(
    chunks: BodyDataStream,
    timeout: Duration,
    was_late: &Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    let steps = Steps {
        chunks,
        timeout,
        deadline: Instant::now() + timeout,
        bytes: 0,
        was_late: Arc::clone(was_late),
        is_over: false,
    };
    let steps = stream::unfold(steps, |mut steps| async move {
        let chunk = steps.next().await?;
        Some((chunk, steps))
    });
    // Some who read bodies ask once more after the end.
    steps.fuse()
}

impl Steps {
    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        if self.is_over {
            return None;
        }
        match tokio::time::timeout_at(self.deadline, self.chunks.next()).await {
            Ok(Some(Ok(chunk))) => {
                self.bytes = self.bytes.saturating_add(chunk.len());
                if self.bytes >= STEP_BYTES {
                    self.bytes = 0;
                    self.deadline = Instant::now() + self.timeout;
                }
                Some(Ok(chunk))
            }
            Ok(Some(Err(error))) => {
                self.is_over = true;
                Some(Err(io::Error::other(error)))
            }
            Ok(None) => None,
            Err(_) => {
                self.is_over = true;
                self.was_late.store(true, Ordering::Relaxed);
                Some(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies whose chunks of `len` bytes come `millis` apart.
    fn body(count: usize, len: usize, millis: u64) -> BodyDataStream {
        let chunks = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok::<_, io::Error>(Bytes::from(vec![0; len]))
        });
        Body::from_stream(chunks).into_data_stream()
    }

    async fn read(chunks: BodyDataStream) -> (usize, bool) {
        let was_late = Arc::new(AtomicBool::new(false));
        let timeout = Duration::from_secs(1);
        let mut stream = Box::pin(steps(chunks, timeout, &was_late));
        let mut bytes = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            bytes += chunk.len();
        }
        (bytes, was_late.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_body_comes_at_a_rate() {
        assert_eq!(read(body(9, 100, 5)).await, (900, false));
        // Longer than the timeout, but never standing still.
        let len = 20 * STEP_BYTES;
        assert_eq!(read(body(20, STEP_BYTES, 60)).await, (len, false));
        // Never idle for long, and still too slow.
        let (bytes, was_late) = read(body(1_000, 100, 20)).await;
        assert!(was_late && bytes < STEP_BYTES, "{bytes}");
        assert_eq!(read(body(2, 100, 2_000)).await, (0, true));
    }
}

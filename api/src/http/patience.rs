//! How long a request may take: its body to come, and its answer to begin.
//!
//! Invariants
//!   * Whoever sends a body sends at least [`STEP_BYTES`] of it, or all that is left, within the
//!     body timeout, again and again; else the request is over. So a connection cannot be held by
//!     a byte now and then.
//!   * Who is refused while sending is told so, and not cut off: the rest of the body is read on
//!     for up to [`DISCARD_MAX`], and thrown away.
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
use axum::http::header::{CONNECTION, EXPECT, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ApiState;

/// What has to come within the body timeout.
const STEP_BYTES: usize = 16 << 10;

/// How long a body that is not wanted any more is read on.
const DISCARD_MAX: Duration = Duration::from_secs(30);

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
    // Whoever waits to be asked for the body sends none if it is refused.
    let waits_to_send = head.headers.contains_key(EXPECT);
    let steps = Steps::new(body.into_data_stream(), timeout, &was_late);
    let steps = Arc::new(Mutex::new(steps));
    let body = Body::from_stream(stream_of(Arc::clone(&steps)));
    let answer = next.run(Request::from_parts(head, body)).await;
    if !was_late.load(Ordering::Relaxed) {
        let is_refused = answer.status().is_client_error() || answer.status().is_server_error();
        if is_refused && !waits_to_send {
            discard(&steps).await;
        }
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

fn stream_of(
    steps: Arc<Mutex<Steps>>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static {
    stream::unfold(steps, |steps| async move {
        let chunk = steps.lock().await.next().await?;
        Some((chunk, steps))
    })
}

async fn discard(steps: &Mutex<Steps>) {
    let rest = async {
        steps.lock().await.begin_step();
        while let Some(Ok(_)) = steps.lock().await.next().await {}
    };
    // Whoever takes longer than that is cut off after all.
    let _ = tokio::time::timeout(DISCARD_MAX, rest).await;
}

impl Steps {
    fn new(chunks: BodyDataStream, timeout: Duration, was_late: &Arc<AtomicBool>) -> Steps {
        Steps {
            chunks,
            timeout,
            deadline: Instant::now() + timeout,
            bytes: 0,
            was_late: Arc::clone(was_late),
            is_over: false,
        }
    }

    fn begin_step(&mut self) {
        self.bytes = 0;
        self.deadline = Instant::now() + self.timeout;
    }

    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        if self.is_over {
            return None;
        }
        match tokio::time::timeout_at(self.deadline, self.chunks.next()).await {
            Ok(Some(Ok(chunk))) => {
                self.bytes = self.bytes.saturating_add(chunk.len());
                if self.bytes >= STEP_BYTES {
                    self.begin_step();
                }
                Some(Ok(chunk))
            }
            Ok(Some(Err(error))) => {
                self.is_over = true;
                Some(Err(io::Error::other(error)))
            }
            Ok(None) => {
                self.is_over = true;
                None
            }
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
        let steps = Steps::new(chunks, timeout, &was_late);
        let mut stream = Box::pin(stream_of(Arc::new(Mutex::new(steps))));
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

//! Requests that a module answers with its own HTTP handlers. They do not pass the writer thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::DatabaseHandle;
use crate::module_http::{HttpRequest, HttpResponse};
use crate::procedures::ProcedureError;
use crate::request::Request;

/// Why an HTTP handler gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(Box<str>);

/// Counts one that runs.
struct Beside<'a>(&'a AtomicUsize);

impl<'a> Beside<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Beside(count)
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl DatabaseHandle {
    /// Answers an HTTP request with the handler that the module has for it, if it has one.
    pub async fn call_http_handler(
        &self,
        path: &str,
        request: HttpRequest,
        body: Bytes,
    ) -> Result<Option<(HttpResponse, Bytes)>, HandlerError> {
        let Some(pool) = self.shared.procedures() else {
            return Ok(None);
        };
        let Some((id, name)) = pool.route(&request.method, path) else {
            return Ok(None);
        };
        let timestamp = self.shared.time.now();
        let _beside = Beside::begin(&self.shared.beside);
        // A task of its own: it goes on if whoever asked does not wait.
        let requests = self.requests.clone();
        let task = self.shared.runtime.spawn(async move {
            let (answer, immediate) = pool.call_handler(id, name, timestamp, request, body).await;
            if !immediate.is_empty() {
                let _ = requests.send(Request::CallSoon(immediate)).await;
            }
            answer
        });
        let answer = task.await.unwrap_or(Err(ProcedureError::Fatal));
        answer
            .map(Some)
            .map_err(|error| HandlerError(error.to_string().into()))
    }
}

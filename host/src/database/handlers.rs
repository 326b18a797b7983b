//! Requests that a module answers with its own HTTP handlers. They do not pass the writer thread.

use bytes::Bytes;
use spacetime_types::Timestamp;

use super::DatabaseHandle;
use crate::module_http::{HttpRequest, HttpResponse};
use crate::procedures::ProcedureError;
use crate::request::Request;

/// Why an HTTP handler gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(Box<str>);

impl DatabaseHandle {
    /// Answers an HTTP request with the handler that the module has for it, if it has one.
    pub async fn call_http_handler(
        &self,
        path: &str,
        request: HttpRequest,
        body: Bytes,
    ) -> Result<Option<(HttpResponse, Bytes)>, HandlerError> {
        let pool = self.shared.procedures();
        let Some((id, name)) = pool.route(&request.method, path) else {
            return Ok(None);
        };
        let timestamp = Timestamp::from_micros(crate::clock::wall_micros());
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

//! Callbacks as futures.
//!
//! ```ignore
//! let outcome = reply(|done| conn.reducers.set_name_then("Ann".to_owned(), done)).await?;
//! ```
//!
//! Invariant: a callback that is dropped without having run ends the wait, too.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{Error, InternalError, Result};

/// One answer, which whoever comes first gives.
pub(crate) struct Reply<T> {
    sender: Arc<Mutex<Option<oneshot::Sender<T>>>>,
}

impl<T> Clone for Reply<T> {
    fn clone(&self) -> Self {
        Reply {
            sender: self.sender.clone(),
        }
    }
}

impl<T> Reply<T> {
    /// The answer, and where it arrives; none if nobody can give it any more.
    pub(crate) fn new() -> (Self, impl Future<Output = Option<T>>) {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        (Reply { sender }, async { receiver.await.ok() })
    }

    pub(crate) fn send(&self, answer: T) {
        if let Some(sender) = self.sender.lock().take() {
            let _ = sender.send(answer);
        }
    }
}

/// The callback that [`reply`] gives to what it starts.
pub type ReplyCallback<Ctx, T> =
    Box<dyn FnOnce(&Ctx, std::result::Result<T, InternalError>) + Send + 'static>;

/// Calls a reducer and waits for its end: `start` is given the callback. The outer result says
/// whether it could run, the inner one is its own. Somebody must drive the connection.
pub fn reply<Ctx, T: Send + 'static>(
    start: impl FnOnce(ReplyCallback<Ctx, T>) -> Result<()>,
) -> impl Future<Output = Result<T>> {
    let (reply, answer) = Reply::new();
    let started = start(Box::new(move |_, outcome| reply.send(outcome)));
    async move {
        started?;
        let outcome = answer.await.ok_or(Error::Disconnected)?;
        outcome.map_err(Error::Internal)
    }
}

/// The same for a procedure.
pub fn procedure_reply<Ctx, T: Send + 'static>(
    start: impl FnOnce(ReplyCallback<Ctx, T>),
) -> impl Future<Output = Result<T>> {
    reply(|done| {
        start(done);
        Ok(())
    })
}

//! What can go wrong, as far as a client's program can tell the cases apart.

use std::sync::Arc;

/// The result of most operations of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed or a connection ended.
#[non_exhaustive]
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The connection has ended. Build another one.
    #[error("the connection has ended")]
    Disconnected,
    /// No connection came about: look at the address, the database's name and the token.
    #[error("failed to connect")]
    FailedToConnect {
        /// What the server or the network said.
        #[source]
        source: InternalError,
    },
    /// The server refused a subscription, or gave it up. Correct the query.
    #[error("subscription error: {error}")]
    SubscriptionError {
        /// The server's words.
        error: String,
    },
    /// The subscription has ended already.
    #[error("the subscription has already ended")]
    AlreadyEnded,
    /// The subscription is being ended already.
    #[error("the subscription has already been unsubscribed")]
    AlreadyUnsubscribed,
    /// Anything that the program cannot do much about: see the message.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// A failure with a text for people, and its cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct InternalError {
    message: String,
    #[source]
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl InternalError {
    /// A failure that has no cause of its own.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        InternalError {
            message: message.into(),
            cause: None,
        }
    }

    /// The same, with what it comes from.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Bytes of a `source` that are no `target`.
    #[must_use]
    pub fn failed_parse(target: &str, source: &str) -> Self {
        InternalError::new(format!("cannot read {target} out of {source}"))
    }

    /// A name that the bindings do not have: generate them anew.
    #[must_use]
    pub fn unknown_name(kind: &str, name: &str, container: &str) -> Self {
        InternalError::new(format!(
            "{container} mentions the {kind} {name:?}, which the bindings do not have; \
             generate them anew"
        ))
    }

    /// The message without the cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

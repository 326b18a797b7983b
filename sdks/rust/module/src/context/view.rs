//! The contexts of views.

use super::{LocalReadOnly, QueryBuilder};
use crate::types::Identity;

/// What a view is given that differs from caller to caller.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewContext {
    /// The database, for reading through indexes.
    pub db: LocalReadOnly,
    /// The tables as the beginning of queries.
    pub from: QueryBuilder,
    sender: Identity,
}

/// What a view is given that is the same for every caller.
#[derive(Debug)]
#[non_exhaustive]
pub struct AnonymousViewContext {
    /// The database, for reading through indexes.
    pub db: LocalReadOnly,
    /// The tables as the beginning of queries.
    pub from: QueryBuilder,
}

impl Default for AnonymousViewContext {
    fn default() -> Self {
        AnonymousViewContext::new()
    }
}

impl ViewContext {
    /// The context of this caller, to call a view's function.
    pub fn new(sender: Identity) -> Self {
        ViewContext {
            db: LocalReadOnly {},
            from: QueryBuilder {},
            sender,
        }
    }

    /// Who looks.
    pub fn sender(&self) -> Identity {
        self.sender
    }

    /// The context for calling the function of a view without a caller.
    pub fn as_anonymous(&self) -> AnonymousViewContext {
        AnonymousViewContext::new()
    }
}

impl AnonymousViewContext {
    pub(crate) fn new() -> Self {
        AnonymousViewContext {
            db: LocalReadOnly {},
            from: QueryBuilder {},
        }
    }
}

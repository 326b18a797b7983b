//! What a checker says when a promise was broken.

use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The checker that noticed.
    pub checker: &'static str,
    pub what: String,
}

impl Violation {
    #[must_use]
    pub fn new(checker: &'static str, what: String) -> Self {
        Violation { checker, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.what)
    }
}

impl std::error::Error for Violation {}

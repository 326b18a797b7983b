//! A place where the host breaks on purpose, for tests of what happens then.
//!
//! [`PANIC_VARIABLE`] says when: `FUNCTION:NTH` lets a writer thread panic when the reducer of that
//! name has run for the n-th time, in any database, before its transaction is committed; or the
//! thread of the procedure of that name when it has begun its n-th transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the call after which the host breaks.
pub const PANIC_VARIABLE: &str = "SPACETIME_PANIC_AFTER";

/// The variable is set to something else than a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PANIC_VARIABLE}={0:?} is no call: it is FUNCTION:NTH, and NTH is at least 1")]
pub struct BadPanicPoint(String);

/// When to break.
#[derive(Debug)]
pub(crate) struct PanicPoint {
    function: Box<str>,
    left: AtomicU64,
}

impl PanicPoint {
    /// What the environment says; `None` if it says nothing, as it does outside of tests.
    pub(crate) fn from_environment() -> Result<Option<Arc<PanicPoint>>, BadPanicPoint> {
        match std::env::var_os(PANIC_VARIABLE) {
            Some(text) => PanicPoint::parse(&text.to_string_lossy()).map(Some),
            None => Ok(None),
        }
    }

    fn parse(text: &str) -> Result<Arc<PanicPoint>, BadPanicPoint> {
        let bad = || BadPanicPoint(text.to_owned());
        let (function, nth) = text.rsplit_once(':').ok_or_else(bad)?;
        let nth: u64 = nth.parse().map_err(|_| bad())?;
        if nth == 0 || function.is_empty() {
            return Err(bad());
        }
        Ok(Arc::new(PanicPoint {
            function: function.into(),
            left: AtomicU64::new(nth),
        }))
    }

    /// A reducer has run, or a procedure has begun a transaction.
    pub(crate) fn pass(&self, function: &str) {
        if *self.function != *function {
            return;
        }
        // Once only: the count goes on below zero, far from one.
        let before = self.left.fetch_sub(1, Ordering::Relaxed);
        assert!(before != 1, "the host breaks on purpose after `{function}`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_breaks_once() {
        let point = PanicPoint::parse("add:2").expect("a call");
        let breaks = |reducer: &str| {
            let pass = std::panic::AssertUnwindSafe(|| point.pass(reducer));
            std::panic::catch_unwind(pass).is_err()
        };
        assert_eq!(
            ["add", "other", "add", "add"].map(breaks),
            [false, false, true, false]
        );
        for text in ["", "add", "add:0", "add:x", ":1"] {
            assert!(PanicPoint::parse(text).is_err(), "{text}");
        }
    }
}

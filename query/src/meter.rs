//! Stops a query that has run for too long.
//!
//! This crate reads no clock: whoever runs a query decides what "too long" means and is asked once
//! every [`ROWS_BETWEEN_CHECKS`] visited rows, so that asking costs nothing that can be measured
//! and a query ends within some tens of microseconds of the answer. What a query must hold at once
//! (to sort, to group, to tell equal rows apart) is counted too.

use std::cell::Cell;
use std::fmt;

use crate::error::ExecuteError;

/// Visited rows between two questions.
pub const ROWS_BETWEEN_CHECKS: u32 = 1024;

/// Counts the rows that one query visits.
pub struct Meter<'a> {
    left: Cell<u32>,
    may_go_on: Option<&'a dyn Fn() -> bool>,
    held: Cell<usize>,
    held_max: usize,
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("left", &self.left)
            .field("is_limited", &self.may_go_on.is_some())
            .finish()
    }
}

impl<'a> Meter<'a> {
    /// Never stops a query.
    #[must_use]
    pub fn unlimited() -> Self {
        Meter {
            left: Cell::new(ROWS_BETWEEN_CHECKS),
            may_go_on: None,
            held: Cell::new(0),
            held_max: usize::MAX,
        }
    }

    /// Stops a query when `may_go_on` says no.
    #[must_use]
    pub fn new(may_go_on: &'a dyn Fn() -> bool) -> Self {
        Meter {
            left: Cell::new(ROWS_BETWEEN_CHECKS),
            may_go_on: Some(may_go_on),
            held: Cell::new(0),
            held_max: usize::MAX,
        }
    }

    /// The same, and stops a query that has to hold more bytes at once.
    #[must_use]
    pub fn holding_at_most(self, bytes_max: usize) -> Self {
        Meter {
            held_max: bytes_max,
            ..self
        }
    }

    /// Counts bytes that the query holds from now on.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), ExecuteError> {
        let held = self.held.get().saturating_add(bytes);
        self.held.set(held);
        match held > self.held_max {
            true => Err(ExecuteError::HoldsTooMuch(self.held_max)),
            false => Ok(()),
        }
    }

    /// Bytes that the query does not hold any more.
    pub(crate) fn let_go(&self, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
    }

    /// Counts one visited row.
    #[inline]
    pub(crate) fn tick(&self) -> Result<(), ExecuteError> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => self.ask(),
        }
    }

    #[cold]
    fn ask(&self) -> Result<(), ExecuteError> {
        self.left.set(ROWS_BETWEEN_CHECKS);
        match self.may_go_on {
            Some(may_go_on) if !may_go_on() => Err(ExecuteError::Interrupted),
            _ => Ok(()),
        }
    }
}

//! Snapshot and log lead to the same state as the log alone, and both to that of the database.

use crate::state::State;
use crate::violation::Violation;

const NAME: &str = "snapshot truth";

/// The database as it is, as far as it is on disk.
#[derive(Debug)]
pub struct SnapshotTruth<'a> {
    pub next: u64,
    pub live: &'a State,
}

impl SnapshotTruth<'_> {
    /// Judges a copy that was opened. `how` says from what.
    pub fn judge(&self, how: &str, opened: &(u64, State)) -> Result<(), Violation> {
        let (next, state) = opened;
        if *next != self.next {
            let what = format!("{how}: {next} transactions of {}", self.next);
            return Err(Violation::new(NAME, what));
        }
        if self.live.hash() == state.hash() {
            return Ok(());
        }
        let difference = self.live.difference(state);
        let difference = difference.unwrap_or_else(|| "only the hashes differ".to_owned());
        Err(Violation::new(NAME, format!("{how}: {difference}")))
    }
}

//! Recovery that is interrupted and tried again ends in the same state as before.

use crate::state::ContentHash;
use crate::violation::Violation;

/// What recovery has shown since the last transaction.
#[derive(Debug, Default)]
pub struct RecoveryIsIdempotent {
    shown: Option<(u64, ContentHash)>,
}

impl RecoveryIsIdempotent {
    /// Recovery ended well.
    pub fn opened(&mut self, next: u64, content: ContentHash) -> Result<(), Violation> {
        if let Some(shown) = self.shown
            && shown != (next, content)
        {
            let what = format!(
                "recovery led to transaction {} and then to {next}; same rows: {}",
                shown.0,
                shown.1 == content
            );
            return Err(Violation::new("recovery", what));
        }
        self.shown = Some((next, content));
        Ok(())
    }

    /// The database goes on.
    pub fn changed(&mut self) {
        self.shown = None;
    }
}

//! Damage is never silent: a damaged replica opens in the same state, or is refused with the name
//! of the file.
//!
//! The one exception is what nobody can tell from an interrupted write: after a power cut, damage
//! that reaches to the end of the log, in commits that the watermark on the platter does not speak
//! of yet.

use crate::state::State;
use crate::violation::Violation;

const NAME: &str = "damage";

/// What a whole replica leads to.
#[derive(Debug)]
pub struct DamageCheck<'a> {
    pub next: u64,
    pub state: &'a State,
    /// The state without the last commits, if damage to them may pass for an interrupted write.
    pub without_tail: Option<(u64, &'a State)>,
    /// Where the replica is. A refusal must name a file in it.
    pub directory: &'a str,
}

/// What came of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageOutcome {
    Refused,
    Same,
    TailCut,
}

impl DamageCheck<'_> {
    /// Judges what a damaged copy led to: the next transaction and the rows, or the refusal.
    pub fn judge(
        &self,
        damage: &str,
        opened: Result<(u64, State), String>,
    ) -> Result<DamageOutcome, Violation> {
        match opened {
            Err(refusal) if refusal.contains(self.directory) => Ok(DamageOutcome::Refused),
            Err(refusal) => {
                let what = format!("{damage}: the refusal names no file: {refusal}");
                Err(Violation::new(NAME, what))
            }
            Ok((next, state)) => self.judge_state(damage, next, &state),
        }
    }

    fn judge_state(
        &self,
        damage: &str,
        next: u64,
        found: &State,
    ) -> Result<DamageOutcome, Violation> {
        let (expected, outcome) = match self.without_tail {
            Some((before, state)) if before == next => (state, DamageOutcome::TailCut),
            _ if next == self.next => (self.state, DamageOutcome::Same),
            _ => {
                let expected = self.next;
                let what = format!("{damage}: opened with {next} transactions of {expected}");
                return Err(Violation::new(NAME, what));
            }
        };
        match expected.difference(found) {
            None => Ok(outcome),
            Some(difference) => {
                let what = format!("{damage}: opened with wrong rows: {difference}");
                Err(Violation::new(NAME, what))
            }
        }
    }
}

//! After a crash the database is as after some prefix of its transactions, and that prefix has
//! every transaction that was acknowledged.

use crate::model::Model;
use crate::state::State;
use crate::violation::Violation;

const NAME: &str = "durable prefix";

/// Knows what was acknowledged.
#[derive(Debug, Default)]
pub struct DurablePrefix {
    /// All transactions before this one were.
    acknowledged_end: u64,
}

impl DurablePrefix {
    #[must_use]
    pub fn acknowledged_end(&self) -> u64 {
        self.acknowledged_end
    }

    /// All transactions before `end` were acknowledged.
    pub fn acknowledge(&mut self, end: u64, model: &Model) -> Result<(), Violation> {
        if end > model.next() {
            let committed = model.next();
            let what = format!("all before {end} acknowledged, {committed} are committed");
            return Err(Violation::new(NAME, what));
        }
        if end < self.acknowledged_end {
            let what = format!("acknowledged before: {}, now: {end}", self.acknowledged_end);
            return Err(Violation::new(NAME, what));
        }
        self.acknowledged_end = end;
        Ok(())
    }

    /// Recovery has brought back `found`, and says that `next` is the next transaction. From then
    /// on the model knows nothing of later ones, and all that is there counts as acknowledged:
    /// clients can see it.
    pub fn recovered(
        &mut self,
        next: u64,
        model: &mut Model,
        found: &State,
    ) -> Result<(), Violation> {
        let (acknowledged, committed) = (self.acknowledged_end, model.next());
        if next < acknowledged {
            let what = format!("all before {acknowledged} acknowledged, all before {next} there");
            return Err(Violation::new(NAME, what));
        }
        if next > committed {
            let what = format!("{committed} transactions were committed, {next} are there");
            return Err(Violation::new(NAME, what));
        }
        model.rewind(next);
        self.acknowledged_end = next;
        self.unchanged(model, found)
    }

    /// The rows are those of the model.
    pub fn unchanged(&self, model: &Model, found: &State) -> Result<(), Violation> {
        match model.state().difference(found) {
            None => Ok(()),
            Some(difference) => {
                let next = model.next();
                let what = format!("the state before transaction {next} is wrong: {difference}");
                Err(Violation::new(NAME, what))
            }
        }
    }
}

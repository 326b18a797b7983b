//! One call, run on the recorded state before it.

use std::sync::Arc;

use spacetime_table::{Datastore, TxDelta};
use spacetime_types::{ConnectionId, TableId};

use super::StepError;
use super::applied::revert;
use super::compare::{TableDifference, differences};
use super::record::{Call, Record, is_system};
use super::runner::Runner;
use crate::module::Reducer;

/// What a call did.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What it changed, committed; or why it failed, leaving nothing.
    pub(super) effect: Result<Arc<TxDelta>, Box<str>>,
    pub(super) tables: Vec<TableDifference>,
    /// The recorded transaction is what the database does when this call fails.
    failure_expected: bool,
}

impl Attempt {
    pub(super) fn is_equal(&self) -> bool {
        match &self.effect {
            Ok(_) => self.tables.is_empty(),
            Err(_) => self.failure_expected,
        }
    }

    /// Whether the state is the recorded one now, to the last system row.
    pub(super) fn leaves_recorded_state(&self) -> bool {
        let only_module =
            |delta: &TxDelta| delta.tables.iter().all(|table| !is_system(table.table));
        match &self.effect {
            Ok(delta) => self.tables.is_empty() && only_module(delta),
            Err(_) => false,
        }
    }

    /// Takes the effect back.
    pub(super) fn undo(&self, datastore: &mut Datastore) -> Result<(), StepError> {
        match &self.effect {
            Ok(delta) => revert(datastore, delta),
            Err(_) => Ok(()),
        }
    }
}

/// Runs the call of a record in a transaction. `record` has its truncations written out.
pub(super) fn attempt(
    runner: &mut Runner,
    datastore: Box<Datastore>,
    record: &Record,
    call: &Call,
    reducer: &Reducer,
    rows_max: usize,
) -> (Box<Datastore>, Result<Attempt, StepError>) {
    let scheduled = scheduled_table(runner, &datastore, record, call);
    let mut datastore = datastore;
    datastore.begin_tx();
    let (mut datastore, result) = runner.call(reducer, call, datastore);
    let effect = match result {
        Ok(()) => {
            // The row of a one-shot schedule goes in the transaction of its call.
            let removed = scheduled.map_or(Ok(false), |table| {
                datastore.delete_eq_system(table, &call.args)
            });
            if let Err(error) = removed {
                datastore.rollback();
                return (datastore, Err(error.into()));
            }
            Ok(datastore.commit())
        }
        Err(message) => {
            datastore.rollback();
            Err(message)
        }
    };
    let now = effect.as_deref().ok();
    let tables = differences(record, now, &datastore, rows_max);
    let failure_expected = scheduled.is_some_and(|table| record.only_deletes(table, &call.args));
    let attempt = Attempt {
        effect,
        tables,
        failure_expected,
    };
    (datastore, Ok(attempt))
}

/// The table whose row this call is: it was called by the database itself, and the row with its
/// arguments was removed.
fn scheduled_table(
    runner: &Runner,
    datastore: &Datastore,
    record: &Record,
    call: &Call,
) -> Option<TableId> {
    if call.caller != runner.database() || call.connection_id != ConnectionId::ZERO {
        return None;
    }
    let is_it = |table: TableId| {
        let schedule = datastore.schema(table)?.schedule.as_ref()?;
        (*schedule.function == *call.reducer).then_some(table)
    };
    let removed = record
        .of_module()
        .filter(|(_, changed)| changed.deletes.iter().any(|row| row == &call.args[..]));
    removed.map(|(table, _)| table).find_map(is_it)
}

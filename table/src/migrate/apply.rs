//! Applying a plan inside the open transaction.

use std::sync::Arc;

use spacetime_types::{ColId, TableId};

use super::check::{LaterStart, check_sequences, check_stored, duplicates_of};
use super::error::MigrateError;
use super::model::DatabaseDef;
use super::plan::MigrationPlan;
use super::step::Step;
use crate::Datastore;
use crate::definition::TableDef;
use crate::error::{SchemaError, WriteError};

/// What applying a plan did to rows, beside what the plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows written anew, by new name of their table.
    pub rewritten: Vec<(Arc<str>, u64)>,
    /// Rows that became equal to another one when columns were dropped.
    pub merged: Vec<(Arc<str>, u64)>,
    /// Rows of dropped tables, by name.
    pub dropped: Vec<(Arc<str>, u64)>,
    /// Sequences that begin behind the values that are there, and where.
    pub later: Vec<(Arc<str>, i128)>,
}

/// Why a step failed.
#[derive(Debug)]
pub(super) enum StepFailure {
    Error(MigrateError),
    /// Rows have equal keys. Which ones is found out when all is undone.
    Conflict {
        /// New name of the table.
        table: Arc<str>,
        index: Arc<str>,
    },
}

impl From<SchemaError> for StepFailure {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Duplicates { table, index } => StepFailure::Conflict { table, index },
            error => StepFailure::Error(MigrateError::Schema(error)),
        }
    }
}

impl From<WriteError> for StepFailure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::UniqueViolation { table, index } => StepFailure::Conflict { table, index },
            error => StepFailure::Error(MigrateError::Write(error)),
        }
    }
}

impl From<MigrateError> for StepFailure {
    fn from(error: MigrateError) -> Self {
        StepFailure::Error(error)
    }
}

impl Datastore {
    /// Applies a plan. The rows written anew may take `bytes_max` bytes: what one record of the
    /// log holds. No row of a table that the plan is about may have been changed in this
    /// transaction. If it fails nothing was changed.
    pub fn apply_migration(
        &mut self,
        plan: &MigrationPlan,
        bytes_max: usize,
    ) -> Result<Applied, MigrateError> {
        check_stored(self, &plan.old)?;
        let later = check_sequences(self, plan)?;
        let start = self.savepoint();
        let failure = match self.apply_steps(plan, later, bytes_max) {
            Ok(applied) => return Ok(applied),
            Err(failure) => failure,
        };
        self.rollback_to(start);
        Err(match failure {
            StepFailure::Error(error) => error,
            StepFailure::Conflict { table, index } => duplicates_of(self, plan, &table, &index),
        })
    }

    fn apply_steps(
        &mut self,
        plan: &MigrationPlan,
        later: Vec<LaterStart>,
        bytes_max: usize,
    ) -> Result<Applied, StepFailure> {
        let mut run = Run {
            plan,
            applied: Applied::default(),
            positions: Vec::new(),
            retyped: Vec::new(),
            is_replaced: false,
        };
        for step in &plan.steps {
            if run.is_done(step) {
                continue;
            }
            run.apply(self, step, bytes_max)?;
        }
        for LaterStart {
            table,
            sequence,
            value,
        } in later
        {
            let table = id(self, &table)?;
            continue_sequence(self, table, &sequence, (value, value));
            run.applied.later.push((sequence, value));
        }
        Ok(run.applied)
    }
}

/// A plan being applied.
struct Run<'a> {
    plan: &'a MigrationPlan,
    applied: Applied,
    /// Where removed sequences stood.
    positions: Vec<(Arc<str>, (i128, i128))>,
    /// Tables that have their new columns already.
    retyped: Vec<Arc<str>>,
    is_replaced: bool,
}

impl Run<'_> {
    /// Whether the step is about an object of a table that is made anew with all its objects.
    fn is_done(&self, step: &Step) -> bool {
        let table = match step {
            Step::RemoveIndex { table, .. }
            | Step::RemoveConstraint { table, .. }
            | Step::RemoveSequence { table, .. }
            | Step::RemoveSchedule { table }
            | Step::ChangeColumns { table }
            | Step::ChangeIndexSourceName { table, .. }
            | Step::ChangeTableAccessorName { table }
            | Step::ChangeColumnAccessorName { table, .. }
            | Step::AddIndex { table, .. }
            | Step::AddConstraint { table, .. }
            | Step::AddSequence { table, .. }
            | Step::AddSchedule { table }
            | Step::ChangeAccess { table }
            | Step::ChangePrimaryKey { table } => table,
            _ => return false,
        };
        let mut steps = self.plan.steps.iter();
        steps.any(|step| match step {
            Step::AddColumns { table: replaced } => replaced == table,
            Step::RewriteTable { to, .. } => to == table,
            _ => false,
        })
    }

    fn apply(
        &mut self,
        datastore: &mut Datastore,
        step: &Step,
        bytes_max: usize,
    ) -> Result<(), StepFailure> {
        let plan = self.plan;
        match step {
            Step::RemoveIndex { table, name } => {
                datastore.remove_index(id(datastore, table)?, name)?;
            }
            Step::RemoveConstraint { table, name } => {
                datastore.remove_constraint(id(datastore, table)?, name)?;
            }
            Step::RemoveSequence { table, name } => self.remove_sequence(datastore, table, name)?,
            Step::RemoveSchedule { table } => {
                datastore.set_schedule(id(datastore, table)?, None)?;
            }
            Step::RemoveView { name } => datastore.drop_table(id(datastore, name)?)?,
            Step::RemoveTable { name, with_rows } => {
                self.remove_table(datastore, name, *with_rows)?;
            }
            Step::ChangeColumns { table }
            | Step::ReschemaEventTable { table }
            | Step::ChangeColumnAccessorName { table, .. } => {
                self.change_columns(datastore, table)?;
            }
            Step::AddColumns { .. } | Step::RewriteTable { .. } => {
                if !std::mem::replace(&mut self.is_replaced, true) {
                    super::replace::replace_tables(datastore, plan, bytes_max, &mut self.applied)?;
                }
            }
            Step::AddTable { name } | Step::AddView { name } => {
                datastore.create_table(definition(&plan.new, name)?)?;
            }
            Step::AddSequence {
                table,
                name,
                continues,
            } => self.add_sequence(datastore, table, name, continues.as_ref())?,
            Step::ChangeIndexSourceName { .. }
            | Step::ChangeTableAccessorName { .. }
            | Step::AddIndex { .. }
            | Step::AddConstraint { .. }
            | Step::AddSchedule { .. }
            | Step::ChangeAccess { .. }
            | Step::ChangePrimaryKey { .. } => set_part(datastore, &plan.new, step)?,
            // The host's business.
            Step::RemoveFilter { .. }
            | Step::AddFilter { .. }
            | Step::UpdateView { .. }
            | Step::DisconnectAllUsers => {}
        }
        Ok(())
    }

    fn remove_table(
        &mut self,
        datastore: &mut Datastore,
        name: &Arc<str>,
        with_rows: bool,
    ) -> Result<(), StepFailure> {
        let table = id(datastore, name)?;
        let rows = datastore.row_count(table).unwrap_or_default();
        if rows > 0 && !with_rows {
            return Err(MigrateError::HasRows(name.clone()).into());
        }
        if rows > 0 {
            self.applied.dropped.push((name.clone(), rows));
        }
        Ok(datastore.drop_table(table)?)
    }

    fn remove_sequence(
        &mut self,
        datastore: &mut Datastore,
        table: &Arc<str>,
        name: &Arc<str>,
    ) -> Result<(), StepFailure> {
        let table = id(datastore, table)?;
        if let Some(position) = position_of(datastore, table, name) {
            self.positions.push((name.clone(), position));
        }
        Ok(datastore.remove_sequence(table, name)?)
    }

    fn add_sequence(
        &mut self,
        datastore: &mut Datastore,
        table: &Arc<str>,
        name: &Arc<str>,
        continues: Option<&Arc<str>>,
    ) -> Result<(), StepFailure> {
        let def = definition(&self.plan.new, table)?;
        let table = id(datastore, table)?;
        let sequence = find(&def.sequences, name, |sequence| &sequence.name)?;
        datastore.add_sequence(table, sequence)?;
        let mut positions = self.positions.iter();
        let position = positions.find(|(before, _)| Some(before) == continues);
        if let Some((_, position)) = position {
            continue_sequence(datastore, table, name, *position);
        }
        Ok(())
    }

    fn change_columns(
        &mut self,
        datastore: &mut Datastore,
        table: &Arc<str>,
    ) -> Result<(), StepFailure> {
        if self.retyped.contains(table) {
            return Ok(());
        }
        self.retyped.push(table.clone());
        let def = definition(&self.plan.new, table)?;
        Ok(datastore.set_columns(id(datastore, table)?, &def.columns)?)
    }
}

/// Steps that put one part of the new definition in place.
fn set_part(datastore: &mut Datastore, new: &DatabaseDef, step: &Step) -> Result<(), StepFailure> {
    match step {
        Step::ChangeIndexSourceName { table, name } => {
            let def = definition(new, table)?;
            let index = find(&def.indexes, name, |index| &index.name)?;
            let accessor = index.accessor.as_ref().unwrap_or(name);
            datastore.set_index_accessor(id(datastore, table)?, name, accessor)?;
        }
        Step::ChangeTableAccessorName { table } => {
            let accessor = &definition(new, table)?.accessor;
            datastore.set_table_accessor(id(datastore, table)?, accessor)?;
        }
        Step::AddIndex { table, name } => {
            let def = definition(new, table)?;
            let index = find(&def.indexes, name, |index| &index.name)?;
            datastore.add_index(id(datastore, table)?, index)?;
        }
        Step::AddConstraint { table, name } => {
            let def = definition(new, table)?;
            let constraint = find(&def.constraints, name, |constraint| &constraint.name)?;
            datastore.add_constraint(id(datastore, table)?, constraint)?;
        }
        Step::AddSchedule { table } => {
            let schedule = definition(new, table)?.schedule.as_ref();
            datastore.set_schedule(id(datastore, table)?, schedule)?;
        }
        Step::ChangeAccess { table } => {
            let access = definition(new, table)?.access;
            datastore.set_access(id(datastore, table)?, access)?;
        }
        Step::ChangePrimaryKey { table } => {
            let key = definition(new, table)?.primary_key;
            datastore.set_primary_key(id(datastore, table)?, key)?;
        }
        other => unreachable!("{other:?} sets no part"),
    }
    Ok(())
}

/// The table of a canonical name.
pub(super) fn id(datastore: &Datastore, name: &Arc<str>) -> Result<TableId, MigrateError> {
    let found = datastore.table_id(name).filter(|id| {
        let schema = datastore.schema(*id);
        schema.is_some_and(|schema| schema.name == *name)
    });
    found.ok_or_else(|| MigrateError::Stored(format!("there is no table `{name}`")))
}

pub(super) fn definition<'a>(
    definition: &'a DatabaseDef,
    name: &str,
) -> Result<&'a TableDef, MigrateError> {
    let table = definition.table(name);
    table.ok_or_else(|| MigrateError::Stored(format!("no table `{name}` is defined")))
}

fn find<'a, T>(
    objects: &'a [T],
    name: &Arc<str>,
    name_of: impl Fn(&T) -> &Arc<str>,
) -> Result<&'a T, MigrateError> {
    let found = objects.iter().find(|object| name_of(object) == name);
    found.ok_or_else(|| MigrateError::Stored(format!("no `{name}` is defined")))
}

/// Where a sequence stands.
pub(super) fn position_of(
    datastore: &Datastore,
    table: TableId,
    name: &str,
) -> Option<(i128, i128)> {
    let schema = datastore.schema(table)?;
    let mut sequences = schema.sequences.iter();
    let sequence = sequences.find(|sequence| &*sequence.name == name)?;
    datastore.sequence_position(sequence.id)
}

pub(super) fn continue_sequence(
    datastore: &mut Datastore,
    table: TableId,
    name: &str,
    position: (i128, i128),
) {
    let schema = datastore.schema(table).cloned();
    let sequence = schema.and_then(|schema| {
        let mut sequences = schema.sequences.iter();
        sequences
            .find(|sequence| &*sequence.name == name)
            .map(|sequence| sequence.id)
    });
    if let Some(sequence) = sequence {
        let continued = datastore.continue_sequence(sequence, position);
        assert!(continued, "the same sequence reaches the same values");
    }
}

/// The columns of an index of a definition.
pub(super) fn index_columns<'a>(table: &'a TableDef, index: &str) -> Option<&'a [ColId]> {
    let mut indexes = table.indexes.iter();
    let index = indexes.find(|found| &*found.name == index)?;
    Some(index.algorithm.columns())
}

//! What belongs to a table that stays: indexes, constraints, sequences, schedule, names, access.

use std::sync::Arc;

use super::plan::Planner;
use super::refusal::Refusal;
use super::step::Step;
use crate::definition::{SequenceDef, TableDef};

/// Plans the changes of a table whose rows stay under the same name.
pub(super) fn compare_objects(planner: &mut Planner<'_>, old: &TableDef, new: &TableDef) {
    compare_indexes(planner, old, new);
    compare_constraints(planner, old, new);
    compare_sequences(planner, old, new);
    let table = || new.name.clone();
    let steps = &mut planner.steps;
    if old.schedule != new.schedule {
        if old.schedule.is_some() {
            steps.push(Step::RemoveSchedule { table: table() });
        }
        if new.schedule.is_some() {
            steps.push(Step::AddSchedule { table: table() });
        }
    }
    if old.accessor != new.accessor {
        steps.push(Step::ChangeTableAccessorName { table: table() });
    }
    for column in &new.columns {
        let before = old.columns.iter().find(|before| before.name == column.name);
        if before.is_some_and(|before| before.accessor != column.accessor) {
            steps.push(Step::ChangeColumnAccessorName {
                table: table(),
                column: column.name.clone(),
            });
        }
    }
    if old.access != new.access {
        steps.push(Step::ChangeAccess { table: table() });
    }
    if old.primary_key != new.primary_key {
        steps.push(Step::ChangePrimaryKey { table: table() });
    }
}

fn compare_indexes(planner: &mut Planner<'_>, old: &TableDef, new: &TableDef) {
    let table = || new.name.clone();
    for index in &old.indexes {
        let name = || index.name.clone();
        let Some(found) = new.indexes.iter().find(|found| found.name == index.name) else {
            planner.steps.push(Step::RemoveIndex {
                table: table(),
                name: name(),
            });
            continue;
        };
        let accessor = |accessors: &std::collections::BTreeMap<Arc<str>, Arc<str>>| {
            accessors.get(&index.name).cloned()
        };
        let from = accessor(&planner.old.index_accessors);
        let to = accessor(&planner.new.index_accessors);
        if from != to && !planner.is_explicit {
            let index = name();
            let refusal = Refusal::ChangedIndexAccessor { index, from, to };
            planner.refusals.push(refusal);
        } else if from != to {
            planner.breaks_clients = true;
        }
        if index.algorithm != found.algorithm {
            planner.steps.push(Step::RemoveIndex {
                table: table(),
                name: name(),
            });
            planner.steps.push(Step::AddIndex {
                table: table(),
                name: name(),
            });
        } else if index.accessor != found.accessor {
            planner.steps.push(Step::ChangeIndexSourceName {
                table: table(),
                name: name(),
            });
        }
    }
    for index in &new.indexes {
        if !old.indexes.iter().any(|found| found.name == index.name) {
            planner.steps.push(Step::AddIndex {
                table: table(),
                name: index.name.clone(),
            });
        }
    }
}

fn compare_constraints(planner: &mut Planner<'_>, old: &TableDef, new: &TableDef) {
    let table = || new.name.clone();
    for constraint in &old.constraints {
        let name = || constraint.name.clone();
        let mut constraints = new.constraints.iter();
        let found = constraints.find(|found| found.name == constraint.name);
        let remove = Step::RemoveConstraint {
            table: table(),
            name: name(),
        };
        match found {
            None => planner.steps.push(remove),
            Some(found) if found.columns == constraint.columns => {}
            // Of the same columns, which moved; or the caller knows what it asks for.
            Some(found)
                if planner.is_explicit
                    || old.column_names(&constraint.columns)
                        == new.column_names(&found.columns) =>
            {
                planner.steps.push(remove);
                planner.steps.push(Step::AddConstraint {
                    table: table(),
                    name: name(),
                });
            }
            Some(_) => planner
                .refusals
                .push(Refusal::ChangedConstraint { name: name() }),
        }
    }
    for constraint in &new.constraints {
        let mut before = old.constraints.iter();
        if !before.any(|found| found.name == constraint.name) {
            planner.steps.push(Step::AddConstraint {
                table: table(),
                name: constraint.name.clone(),
            });
        }
    }
}

fn compare_sequences(planner: &mut Planner<'_>, old: &TableDef, new: &TableDef) {
    let table = || new.name.clone();
    for sequence in &old.sequences {
        let mut sequences = new.sequences.iter();
        if !sequences.any(|found| found == sequence) {
            planner.steps.push(Step::RemoveSequence {
                table: table(),
                name: sequence.name.clone(),
            });
        }
    }
    for sequence in &new.sequences {
        if old.sequences.iter().any(|found| found == sequence) {
            continue;
        }
        // The column, and with it the sequence, only got another name.
        let mut before = old.sequences.iter();
        let before = before.find(|before| is_renamed(before, sequence));
        planner.steps.push(Step::AddSequence {
            table: table(),
            name: sequence.name.clone(),
            continues: before.map(|before| before.name.clone()),
        });
    }
}

fn is_renamed(before: &SequenceDef, after: &SequenceDef) -> bool {
    let renamed = SequenceDef {
        name: after.name.clone(),
        ..before.clone()
    };
    renamed == *after && before.name != after.name
}

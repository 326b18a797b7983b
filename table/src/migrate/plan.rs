//! From two definitions to the steps between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::columns::{self, ColumnChanges};
use super::conversion::can_convert;
use super::hints::{Hints, Resolved, none_of};
use super::model::DatabaseDef;
use super::objects::compare_objects;
use super::refusal::{Refusal, TypeChange};
use super::step::{ColumnSource, Step};
use crate::definition::{ColumnDef, TableDef};
use spacetime_types::ColId;

/// What a plan may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What any SpacetimeDB does in place.
    Automatic,
    /// Also what deletes or rewrites data.
    Explicit(Hints),
}

/// The steps from one definition to another. Pure data: nothing was looked at but definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPlan {
    /// In order.
    pub steps: Vec<Step>,
    pub old: Arc<DatabaseDef>,
    pub new: Arc<DatabaseDef>,
    pub is_explicit: bool,
}

impl MigrationPlan {
    /// Whether generated code of clients no longer fits.
    #[must_use]
    pub fn breaks_clients(&self) -> bool {
        self.steps.last() == Some(&Step::DisconnectAllUsers)
    }

    /// Whether nothing that is stored changes: the views and rules are evaluated again at most.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let filters = |definition: &DatabaseDef| -> BTreeSet<Arc<str>> {
            definition.filters.iter().cloned().collect()
        };
        let is_same = filters(&self.old) == filters(&self.new);
        self.steps.iter().all(|step| match step {
            Step::UpdateView { .. } => true,
            Step::RemoveFilter { .. } | Step::AddFilter { .. } => is_same,
            _ => false,
        })
    }
}

/// Computes the plan, or all reasons why there is none.
pub fn plan(
    old: &Arc<DatabaseDef>,
    new: &Arc<DatabaseDef>,
    mode: &Mode,
) -> Result<MigrationPlan, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let hints = match mode {
        Mode::Automatic => Resolved::default(),
        Mode::Explicit(hints) => hints.resolve(old, new, &mut refusals),
    };
    let mut planner = Planner {
        old,
        new,
        hints,
        is_explicit: matches!(mode, Mode::Explicit(_)),
        steps: Vec::new(),
        refusals,
        breaks_clients: false,
    };
    planner.compare_tables();
    planner.compare_views();
    planner.compare_filters();
    let Planner {
        mut steps,
        refusals,
        breaks_clients,
        is_explicit,
        ..
    } = planner;
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if breaks_clients {
        steps.push(Step::DisconnectAllUsers);
    }
    steps.sort_by(|left, right| left.order().cmp(&right.order()));
    Ok(MigrationPlan {
        steps,
        old: Arc::clone(old),
        new: Arc::clone(new),
        is_explicit,
    })
}

pub(super) struct Planner<'a> {
    pub old: &'a DatabaseDef,
    pub new: &'a DatabaseDef,
    pub hints: Resolved,
    pub is_explicit: bool,
    pub steps: Vec<Step>,
    pub refusals: Vec<Refusal>,
    pub breaks_clients: bool,
}

/// What is left of an old column.
enum Mapped {
    Same,
    Rewritten(Vec<ColumnSource>),
}

impl Planner<'_> {
    fn compare_tables(&mut self) {
        let mut kept = BTreeSet::new();
        let (old, new) = (self.old, self.new);
        for table in old.tables.iter().filter(|table| table.view.is_none()) {
            let name = self.hints.new_name(&table.name).clone();
            let found = new.table(&name).filter(|found| found.view.is_none());
            // A table of the old name that another table is renamed to is a new one.
            let found = found.filter(|found| {
                name != table.name || !self.hints.tables.values().any(|to| *to == found.name)
            });
            match found {
                Some(found) => {
                    kept.insert(found.name.clone());
                    self.compare_table(table, found);
                }
                None => {
                    self.breaks_clients = true;
                    self.steps.push(Step::RemoveTable {
                        name: table.name.clone(),
                        with_rows: self.is_explicit,
                    });
                }
            }
        }
        for table in new.tables.iter().filter(|table| table.view.is_none()) {
            if !kept.contains(&table.name) {
                let name = table.name.clone();
                self.steps.push(Step::AddTable { name });
            }
        }
    }

    fn compare_table(&mut self, old: &TableDef, new: &TableDef) {
        self.compare_kinds(old, new);
        if self.is_explicit {
            match self.map_columns(old, new) {
                Ok(Mapped::Rewritten(columns)) => {
                    self.breaks_clients = true;
                    self.steps.push(Step::RewriteTable {
                        from: old.name.clone(),
                        to: new.name.clone(),
                        columns,
                    });
                    return;
                }
                Ok(Mapped::Same) => self.rename_columns(old, new),
                Err(refusals) => self.refusals.extend(refusals),
            }
        } else if old.is_event && new.is_event {
            self.compare_event_columns(old, new);
        } else {
            let definition = self.new;
            let has_default = |column: &_| definition.default_of(new, column).is_some();
            let changes = columns::compare(old, new, has_default, &mut self.refusals);
            self.change_columns(new, changes);
        }
        compare_objects(self, old, new);
    }

    fn compare_kinds(&mut self, old: &TableDef, new: &TableDef) {
        let kind = |definition: &DatabaseDef, table: &TableDef| match definition
            .system_tables
            .contains(&table.name)
        {
            true => "System",
            false => "User",
        };
        let (from, to) = (kind(self.old, old), kind(self.new, new));
        if from != to {
            let table = new.name.clone();
            self.refusals.push(Refusal::ChangedKind { table, from, to });
        }
        if old.is_event != new.is_event && !self.is_explicit {
            let table = new.name.clone();
            self.refusals.push(Refusal::ChangedEventFlag { table });
        }
    }

    fn change_columns(&mut self, new: &TableDef, changes: ColumnChanges) {
        let table = new.name.clone();
        if changes.added {
            self.breaks_clients = true;
            self.steps.push(Step::AddColumns { table });
        } else if changes.retyped {
            self.steps.push(Step::ChangeColumns { table });
        }
    }

    /// There are no rows, so anything goes.
    fn compare_event_columns(&mut self, old: &TableDef, new: &TableDef) {
        let columns = |table: &TableDef| -> Vec<_> {
            let columns = table.columns.iter();
            columns
                .map(|column| (column.name.clone(), column.column_type.clone()))
                .collect()
        };
        if columns(old) != columns(new) {
            self.breaks_clients = true;
            let table = new.name.clone();
            self.steps.push(Step::ReschemaEventTable { table });
        }
    }

    /// Columns that only got other names, or enums that grew.
    fn rename_columns(&mut self, old: &TableDef, new: &TableDef) {
        let mut pairs = old.columns.iter().zip(&new.columns);
        let is_renamed = pairs.clone().any(|(old, new)| old.name != new.name);
        self.breaks_clients |= is_renamed;
        if is_renamed || pairs.any(|(old, new)| old.column_type != new.column_type) {
            let table = new.name.clone();
            self.steps.push(Step::ChangeColumns { table });
        }
    }

    /// Where each column comes from, in an explicit migration.
    fn map_columns(&self, old: &TableDef, new: &TableDef) -> Result<Mapped, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut sources = Vec::new();
        for column in &new.columns {
            match self.source_of(old, new, column) {
                Ok(source) => sources.push(source),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let in_order = (0..=u16::MAX).map(|position| ColumnSource::Copy(ColId(position)));
        let is_in_place = old.name == new.name
            && old.is_event == new.is_event
            && old.columns.len() == new.columns.len()
            && sources.iter().cloned().zip(in_order).all(|(a, b)| a == b);
        match is_in_place {
            true => Ok(Mapped::Same),
            false => Ok(Mapped::Rewritten(sources)),
        }
    }

    fn source_of(
        &self,
        old: &TableDef,
        new: &TableDef,
        column: &ColumnDef,
    ) -> Result<ColumnSource, Refusal> {
        let key = (new.name.clone(), column.name.clone());
        let Some(before) = self.origin_of(old, new, column) else {
            let value = self.hints.values.get(&key);
            let value = value.or_else(|| self.new.default_of(new, column));
            let value = value.cloned().or_else(|| none_of(&column.column_type));
            // Without rows no value is needed.
            let value = match old.is_event || new.is_event {
                true => Some(value.unwrap_or_else(|| Arc::from([]))),
                false => value,
            };
            return value.map(ColumnSource::Value).ok_or(Refusal::AddedColumn {
                table: key.0,
                column: key.1,
            });
        };
        if self.hints.values.contains_key(&key) {
            return Err(Refusal::Hint {
                hint: format!("{}.{}=...", new.name, column.name),
                why: "the column is not a new one; its rows have values".to_owned(),
            });
        }
        let from = &old.columns[usize::from(before.0)].column_type;
        let to = &column.column_type;
        if columns::is_compatible(from, to) {
            Ok(ColumnSource::Copy(before))
        } else if can_convert(from, to) || old.is_event {
            Ok(ColumnSource::Convert(before))
        } else {
            Err(Refusal::ChangedType {
                table: new.name.clone(),
                column: column.name.clone(),
                within: false,
                from: Box::new(from.clone()),
                to: Box::new(to.clone()),
                change: TypeChange::Other,
            })
        }
    }

    /// The old column that a column was.
    fn origin_of(&self, old: &TableDef, new: &TableDef, column: &ColumnDef) -> Option<ColId> {
        let mut renamed = self.hints.columns.iter();
        let key = (new.name.clone(), column.name.clone());
        let before = self.hints.columns.get(&key).unwrap_or(&column.name);
        let is_moved = renamed
            .any(|((table, to), from)| *table == new.name && from == before && *to != column.name);
        let position = old.column_position(before).filter(|_| !is_moved)?;
        u16::try_from(position).ok().map(ColId)
    }

    fn compare_views(&mut self) {
        let (old, new) = (self.old, self.new);
        for view in old.tables.iter().filter(|table| table.view.is_some()) {
            let name = view.name.clone();
            let found = new.table(&name).filter(|found| found.view.is_some());
            match found {
                Some(found) if same_view(view, found) => {
                    if view.access != found.access {
                        let table = name.clone();
                        self.steps.push(Step::ChangeAccess { table });
                    }
                    self.steps.push(Step::UpdateView { name });
                }
                found => {
                    self.breaks_clients = true;
                    if found.is_some() {
                        let name = name.clone();
                        self.steps.push(Step::AddView { name });
                    }
                    self.steps.push(Step::RemoveView { name });
                }
            }
        }
        for view in new.tables.iter().filter(|table| table.view.is_some()) {
            let mut before = old.tables.iter();
            if !before.any(|old| old.view.is_some() && old.name == view.name) {
                let name = view.name.clone();
                self.steps.push(Step::AddView { name });
            }
        }
    }

    fn compare_filters(&mut self) {
        let set = |definition: &DatabaseDef| -> BTreeSet<Arc<str>> {
            definition.filters.iter().cloned().collect()
        };
        let (old, new) = (set(self.old), set(self.new));
        self.breaks_clients |= old != new;
        let removed = old.iter().cloned();
        self.steps
            .extend(removed.map(|sql| Step::RemoveFilter { sql }));
        let added = new.iter().cloned();
        self.steps.extend(added.map(|sql| Step::AddFilter { sql }));
    }
}

/// Whether clients see the same view.
fn same_view(old: &TableDef, new: &TableDef) -> bool {
    let key = |table: &TableDef| -> Vec<Vec<ColId>> {
        let constraints = table.constraints.iter();
        constraints
            .map(|constraint| constraint.columns.clone())
            .collect()
    };
    let columns = |table: &TableDef| -> Vec<_> {
        let columns = table.columns.iter();
        columns
            .map(|column| (column.name.clone(), column.column_type.clone()))
            .collect()
    };
    old.view == new.view && columns(old) == columns(new) && key(old) == key(new)
}

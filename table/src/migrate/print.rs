//! A plan as people read it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::model::DatabaseDef;
use super::plan::MigrationPlan;
use super::step::{ColumnSource, Step};
use super::value_text::value_text;
use crate::definition::{TableDef, ViewDef};
use crate::schema::TableAccess;

/// Whether the text has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// Escape sequences of terminals.
    #[default]
    Ansi,
}

const RULE_LEN: usize = 60;
const STEP: char = '\u{25b8}';
const BULLET: char = '\u{2022}';
const ARROW: char = '\u{2192}';

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const HEADER: &str = "1;34";
const NAME: &str = "1;36";
const TYPE: &str = "35";
const WARNING: &str = "1;37;41";

impl MigrationPlan {
    /// The plan as text.
    #[must_use]
    pub fn print(&self, style: Style) -> String {
        let mut printer = Printer {
            plan: self,
            style,
            out: String::new(),
        };
        let rule = "\u{2501}".repeat(RULE_LEN);
        let title = printer.paint(HEADER, "Database Migration Plan");
        printer.line(&rule);
        printer.line(&title);
        printer.line(&rule);
        printer.line("");
        for step in &self.steps {
            printer.step(step);
        }
        printer.out
    }
}

struct Printer<'a> {
    plan: &'a MigrationPlan,
    style: Style,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// `created`, `removed` ... in the colour of what it says.
    fn verb(&self, verb: &str) -> String {
        let code = match verb {
            "Created" => GREEN,
            "Removed" => RED,
            _ => YELLOW,
        };
        self.paint(code, verb)
    }

    fn name(&self, name: &str) -> String {
        self.paint(NAME, name)
    }

    fn before(&self, name: &str) -> Option<&TableDef> {
        self.plan.old.table(name)
    }

    fn after(&self, name: &str) -> Option<&TableDef> {
        self.plan.new.table(name)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::AddTable { .. }
            | Step::RemoveTable { .. }
            | Step::AddView { .. }
            | Step::RemoveView { .. } => self.whole(step),
            Step::AddIndex { .. }
            | Step::RemoveIndex { .. }
            | Step::AddConstraint { .. }
            | Step::RemoveConstraint { .. }
            | Step::AddSequence { .. }
            | Step::RemoveSequence { .. }
            | Step::AddSchedule { .. }
            | Step::RemoveSchedule { .. } => self.object(step),
            Step::ChangeColumns { .. } | Step::AddColumns { .. } | Step::RewriteTable { .. } => {
                self.columns(step);
            }
            Step::RemoveFilter { sql } => self.filter("Removed", sql, true),
            Step::AddFilter { sql } => self.filter("Created", sql, false),
            Step::UpdateView { .. } => {}
            Step::DisconnectAllUsers => {
                let text = "!!! Warning: All clients will be disconnected due to breaking schema \
                            changes";
                let text = self.paint(WARNING, text);
                self.line(&text);
            }
            change => self.change(change),
        }
    }

    /// Tables and views that come or go.
    fn whole(&mut self, step: &Step) {
        match step {
            Step::AddTable { name } => self.table("Created", name, false),
            Step::RemoveTable { name, with_rows } => {
                self.line_of("Removed", &format!("table: {}", self.name(name)));
                if *with_rows {
                    self.line("    All of its rows are deleted.");
                }
                self.line("");
            }
            Step::AddView { name } => self.view("Created", name, false),
            Step::RemoveView { name } => self.view("Removed", name, true),
            _ => {}
        }
    }

    fn line_of(&mut self, verb: &str, rest: &str) {
        let verb = self.verb(verb);
        self.line(&format!("{STEP} {verb} {rest}"));
    }

    fn section(&mut self, title: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        let title = self.paint(HEADER, title);
        self.line(&format!("    {title}:"));
        for item in items {
            self.line(&format!("        {BULLET} {item}"));
        }
    }

    fn access(&self, access: TableAccess) -> String {
        self.paint(GREEN, access_text(access))
    }

    fn table(&mut self, verb: &str, name: &Arc<str>, is_old: bool) {
        let plan = self.plan;
        let definition = if is_old { &plan.old } else { &plan.new };
        let Some(table) = definition.table(name) else {
            return;
        };
        let kind = match definition.system_tables.contains(name) {
            true => "system",
            false => "user",
        };
        let access = self.access(table.access);
        self.line_of(
            verb,
            &format!("{kind} table: {} ({access})", self.name(name)),
        );
        self.section("Columns", &self.column_items(table, 0));
        let constraints = table.constraints.iter().map(|constraint| {
            let columns = table.column_names(&constraint.columns);
            format!("{} on [{columns}]", constraint.name)
        });
        self.section("Unique constraints", &constraints.collect::<Vec<_>>());
        let indexes = table.indexes.iter().map(|index| {
            let columns = table.column_names(index.algorithm.columns());
            format!("{} on [{columns}]", index.name)
        });
        self.section("Indexes", &indexes.collect::<Vec<_>>());
        let sequences = table.sequences.iter().map(|sequence| {
            let column = table.column_names(&[sequence.column]);
            format!("{} on {column}", sequence.name)
        });
        self.section("Auto-increment constraints", &sequences.collect::<Vec<_>>());
        let schedule = table.schedule.iter().map(|schedule| {
            let function = function_text(definition, &schedule.function);
            format!("Calls {function}: {}", schedule.function)
        });
        self.section("Schedule", &schedule.collect::<Vec<_>>());
        self.line("");
    }

    fn column_items(&self, table: &TableDef, skip: usize) -> Vec<String> {
        let columns = table.columns.iter().skip(skip);
        columns
            .map(|column| {
                let ty = self.paint(TYPE, &column.column_type.to_string());
                format!("{}: {ty}", column.name)
            })
            .collect()
    }

    fn view(&mut self, verb: &str, name: &Arc<str>, is_old: bool) {
        let table = if is_old {
            self.before(name)
        } else {
            self.after(name)
        };
        let Some((table, view)) = table.and_then(|table| Some((table, table.view.as_ref()?)))
        else {
            return;
        };
        let kind = match view.is_anonymous {
            true => "anonymous view",
            false => "view",
        };
        let (params, columns) = (self.param_items(view), self.column_items(table, 1));
        let verb = self.verb(verb);
        self.line(&format!("{STEP} {STEP} {verb} {kind}: {}", self.name(name)));
        self.section("Parameters", &params);
        self.section("Columns", &columns);
        self.line("");
    }

    fn param_items(&self, view: &ViewDef) -> Vec<String> {
        let params = view.params.iter();
        params
            .map(|(name, ty)| format!("{name}: {}", self.paint(TYPE, &ty.to_string())))
            .collect()
    }

    /// Indexes, constraints, sequences and schedules that come or go.
    fn object(&mut self, step: &Step) {
        let text = self.object_text(step);
        if let Some((verb, text)) = text {
            self.line_of(verb, &text);
        }
    }

    fn object_text(&self, step: &Step) -> Option<(&'static str, String)> {
        let (verb, table) = match step {
            Step::AddIndex { table, .. }
            | Step::AddConstraint { table, .. }
            | Step::AddSequence { table, .. }
            | Step::AddSchedule { table } => ("Created", self.after(table)?),
            Step::RemoveIndex { table, .. }
            | Step::RemoveConstraint { table, .. }
            | Step::RemoveSequence { table, .. }
            | Step::RemoveSchedule { table } => ("Removed", self.before(table)?),
            _ => return None,
        };
        let of_table = self.name(&table.name);
        let text = match step {
            Step::AddIndex { name, .. } | Step::RemoveIndex { name, .. } => {
                let index = table.indexes.iter().find(|index| index.name == *name)?;
                let columns = table.column_names(index.algorithm.columns());
                format!("index {name} on [{columns}] of table {of_table}")
            }
            Step::AddConstraint { name, .. } | Step::RemoveConstraint { name, .. } => {
                let mut constraints = table.constraints.iter();
                let constraint = constraints.find(|constraint| constraint.name == *name)?;
                let columns = table.column_names(&constraint.columns);
                format!("unique constraint {name} on [{columns}] of table {of_table}")
            }
            Step::AddSequence { name, .. } | Step::RemoveSequence { name, .. } => {
                let mut sequences = table.sequences.iter();
                let sequence = sequences.find(|sequence| sequence.name == *name)?;
                let column = table.column_names(&[sequence.column]);
                format!("auto-increment constraint {name} on column {column} of table {of_table}")
            }
            _ => {
                let function = &table.schedule.as_ref()?.function;
                let definition = match verb {
                    "Created" => &self.plan.new,
                    _ => &self.plan.old,
                };
                let kind = function_text(definition, function);
                format!("schedule for table {of_table} calling {kind} {function}")
            }
        };
        Some((verb, text))
    }

    /// Names, keys and access of what stays.
    fn change(&mut self, step: &Step) {
        let text = match step {
            Step::ReschemaEventTable { table } => {
                format!("schema of event table {}", self.name(table))
            }
            Step::ChangeIndexSourceName { name, .. } => {
                format!("index {name}: its source name is another one")
            }
            Step::ChangeTableAccessorName { table } => {
                format!("table accessor name for {}", self.name(table))
            }
            Step::ChangeColumnAccessorName { table, column } => {
                format!("column accessor name for {}.{column}", self.name(table))
            }
            Step::ChangeAccess { table } => self.access_text(table),
            Step::ChangePrimaryKey { table } => self.key_text(table),
            _ => return,
        };
        self.line_of("Changed", &text);
    }

    fn access_text(&self, name: &Arc<str>) -> String {
        let access = |table: Option<&TableDef>| table.map(|table| self.access(table.access));
        let from = access(self.before(name)).unwrap_or_default();
        let to = access(self.after(name)).unwrap_or_default();
        let is_view = self.after(name).is_some_and(|table| table.view.is_some());
        let kind = if is_view { "view" } else { "table" };
        format!(
            "access for {kind} {} ({from} {ARROW} {to})",
            self.name(name)
        )
    }

    fn key_text(&self, name: &Arc<str>) -> String {
        let key = |table: Option<&TableDef>| table.and_then(|table| table.primary_key);
        let what = match (key(self.before(name)), key(self.after(name))) {
            (None, Some(column)) => format!("added on column {column}"),
            (_, Some(column)) => format!("changed to column {column}"),
            (_, None) => "removed".to_owned(),
        };
        format!("primary key on table {} ({what})", self.name(name))
    }

    fn filter(&mut self, verb: &str, sql: &Arc<str>, is_old: bool) {
        let other = if is_old {
            &self.plan.new
        } else {
            &self.plan.old
        };
        if other.filters.contains(sql) {
            return;
        }
        self.line_of(verb, "row level security policy:");
        self.line(&format!("    `{sql}`"));
    }

    fn columns(&mut self, step: &Step) {
        match step {
            Step::ChangeColumns { table } => {
                self.line_of(
                    "Changed",
                    &format!("columns for table {}", self.name(table)),
                );
                let sources = self.after(table).map_or(0, |table| table.columns.len());
                let sources = (0..=u16::MAX).take(sources);
                let sources = sources.map(|at| ColumnSource::Copy(spacetime_types::ColId(at)));
                self.column_changes(table, table, &sources.collect::<Vec<_>>());
            }
            Step::AddColumns { table } => self.added_columns(table),
            Step::RewriteTable { from, to, columns } => {
                let (from_name, to_name) = (self.name(from), self.name(to));
                match from == to {
                    true => self.line_of("Rewritten", &format!("table {to_name}")),
                    false => {
                        self.line_of("Renamed", &format!("table {from_name} {ARROW} {to_name}"));
                    }
                }
                self.column_changes(from, to, columns);
                self.line("");
            }
            _ => {}
        }
    }

    fn added_columns(&mut self, name: &Arc<str>) {
        let plan = self.plan;
        let (Some(old), Some(new)) = (plan.old.table(name), plan.new.table(name)) else {
            return;
        };
        let added = new.columns.get(old.columns.len()..).unwrap_or_default();
        let noun = if added.len() == 1 {
            "column"
        } else {
            "columns"
        };
        self.line_of("Created", &format!("{noun} in table {}", self.name(name)));
        for column in added {
            let value = plan.new.default_of(new, column);
            self.added_column(column, value.map_or(&[], |value| value));
        }
    }

    fn added_column(&mut self, column: &crate::definition::ColumnDef, value: &[u8]) {
        let ty = self.paint(TYPE, &column.column_type.to_string());
        let mut text = format!("    + {}: {ty}", column.name);
        if !value.is_empty() {
            let value = value_text(value, &column.column_type);
            let _ = write!(text, " (default: {value})");
        }
        self.line(&text);
    }

    /// How the columns of a table that keeps rows differ.
    fn column_changes(&mut self, from: &Arc<str>, to: &Arc<str>, sources: &[ColumnSource]) {
        let plan = self.plan;
        let (Some(old), Some(new)) = (plan.old.table(from), plan.new.table(to)) else {
            return;
        };
        let mut kept = Vec::new();
        for (column, source) in new.columns.iter().zip(sources) {
            let before = match source {
                ColumnSource::Copy(before) | ColumnSource::Convert(before) => before,
                ColumnSource::Value(value) => {
                    self.added_column(column, value);
                    continue;
                }
            };
            kept.push(before.0);
            let Some(before) = old.columns.get(usize::from(before.0)) else {
                continue;
            };
            if before.name != column.name {
                self.line(&format!(
                    "    ~ Renamed: {} {ARROW} {}",
                    before.name, column.name
                ));
            }
            let types = [&before.column_type, &column.column_type].map(ToString::to_string);
            if types[0] != types[1] {
                let [before, after] = types.map(|ty| self.paint(TYPE, &ty));
                self.line(&format!(
                    "    ~ Modified: {} ({before} {ARROW} {after})",
                    column.name
                ));
            }
        }
        for (position, column) in (0..=u16::MAX).zip(&old.columns) {
            if !kept.contains(&position) {
                let ty = self.paint(TYPE, &column.column_type.to_string());
                self.line(&format!("    - {}: {ty}", column.name));
            }
        }
        if !kept.is_sorted() {
            let names: Vec<&str> = new.columns.iter().map(|column| &*column.name).collect();
            self.line(&format!("    ~ Reordered: {}", names.join(", ")));
        }
        if old.is_event != new.is_event {
            let what = if new.is_event {
                "an event"
            } else {
                "an ordinary"
            };
            self.line(&format!("    It becomes {what} table; rows are not kept."));
        }
    }
}

fn access_text(access: TableAccess) -> &'static str {
    match access {
        TableAccess::Public => "public",
        TableAccess::Private => "private",
    }
}

fn function_text(definition: &DatabaseDef, function: &Arc<str>) -> &'static str {
    match definition.procedures.contains(function) {
        true => "procedure",
        false => "reducer",
    }
}

//! Tables whose rows are written anew: the old table goes, one with another id takes its name.
//!
//! All old tables go before the first new one comes, so tables can exchange their names.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;
use spacetime_page::RowLayout;
use spacetime_types::{AlgebraicType, ColId, TableId};

use super::apply::{Applied, StepFailure, continue_sequence, definition, id, position_of};
use super::conversion::convert_bsatn;
use super::error::MigrateError;
use super::plan::MigrationPlan;
use super::step::{ColumnSource, Step};
use crate::Datastore;
use crate::definition::TableDef;
use crate::error::WriteError;
use crate::schema::same_column_set;
use crate::transaction::Op;

/// How rows of an old table become rows of a new one.
pub(super) struct RowWriter {
    old: Arc<RowLayout>,
    columns: Vec<Source>,
    ranges: SmallVec<[Range<usize>; 16]>,
}

enum Source {
    Copy(usize),
    Convert {
        column: usize,
        from: AlgebraicType,
        to: AlgebraicType,
    },
    Value(Arc<[u8]>),
}

impl RowWriter {
    pub(super) fn new(
        layout: &Arc<RowLayout>,
        old: &TableDef,
        new: &TableDef,
        sources: &[ColumnSource],
    ) -> RowWriter {
        assert_eq!(sources.len(), new.columns.len(), "each column has a source");
        let columns = sources.iter().zip(&new.columns).map(|(source, column)| {
            let old_column = |id: &ColId| usize::from(id.0);
            match source {
                ColumnSource::Copy(from) => Source::Copy(old_column(from)),
                ColumnSource::Convert(from) => Source::Convert {
                    column: old_column(from),
                    from: old.columns[old_column(from)].column_type.clone(),
                    to: column.column_type.clone(),
                },
                ColumnSource::Value(value) => Source::Value(value.clone()),
            }
        });
        RowWriter {
            old: Arc::clone(layout),
            columns: columns.collect(),
            ranges: SmallVec::new(),
        }
    }

    /// Appends the new form of an old row.
    pub(super) fn write(&mut self, row: &[u8], out: &mut Vec<u8>) {
        self.old.column_ranges(row, &mut self.ranges);
        for source in &self.columns {
            match source {
                Source::Copy(column) => out.extend_from_slice(&row[self.ranges[*column].clone()]),
                Source::Value(value) => out.extend_from_slice(value),
                Source::Convert { column, from, to } => {
                    let value = &row[self.ranges[*column].clone()];
                    let converted = convert_bsatn(value, from, to, out);
                    assert!(converted.is_ok(), "stored values are of their type");
                }
            }
        }
    }
}

/// A table that is replaced: its old and new name, and where its columns come from.
pub(super) struct Replaced {
    pub from: Arc<str>,
    pub to: Arc<str>,
    pub columns: Vec<ColumnSource>,
}

/// The table that a step replaces.
pub(super) fn replaced(
    plan: &MigrationPlan,
    step: &Step,
) -> Result<Option<Replaced>, MigrateError> {
    match step {
        Step::RewriteTable { from, to, columns } => Ok(Some(Replaced {
            from: from.clone(),
            to: to.clone(),
            columns: columns.clone(),
        })),
        Step::AddColumns { table } => {
            let (old, new) = (definition(&plan.old, table)?, definition(&plan.new, table)?);
            let kept = (0..=u16::MAX).map(|column| ColumnSource::Copy(ColId(column)));
            let mut columns: Vec<ColumnSource> = kept.take(old.columns.len()).collect();
            for column in new.columns.get(old.columns.len()..).unwrap_or_default() {
                let value = plan.new.default_of(new, column).ok_or_else(|| {
                    MigrateError::Stored(format!("`{}` has no default value", column.name))
                })?;
                columns.push(ColumnSource::Value(value.clone()));
            }
            Ok(Some(Replaced {
                from: table.clone(),
                to: table.clone(),
                columns,
            }))
        }
        _ => Ok(None),
    }
}

/// A table that was taken away.
struct Gone<'a> {
    old: TableId,
    new: &'a TableDef,
    writer: RowWriter,
    /// Where its deleted rows are among the operations of the transaction.
    ops: Range<usize>,
    /// Names of new sequences, and where they go on.
    positions: Vec<(Arc<str>, (i128, i128))>,
    has_rows: bool,
}

/// Carries out all steps of the plan that replace a table.
pub(super) fn replace_tables(
    datastore: &mut Datastore,
    plan: &MigrationPlan,
    bytes_max: usize,
    applied: &mut Applied,
) -> Result<(), StepFailure> {
    let mut gone = Vec::new();
    for step in &plan.steps {
        if let Some(Replaced { from, to, columns }) = replaced(plan, step)? {
            let old = definition(&plan.old, &from)?;
            let new = definition(&plan.new, &to)?;
            gone.push(take_away(datastore, old, new, &columns, applied)?);
        }
    }
    for gone in gone {
        put_back(datastore, gone, bytes_max, applied)?;
    }
    Ok(())
}

fn take_away<'a>(
    datastore: &mut Datastore,
    old: &TableDef,
    new: &'a TableDef,
    columns: &[ColumnSource],
    applied: &mut Applied,
) -> Result<Gone<'a>, StepFailure> {
    let table = id(datastore, &old.name)?;
    let schema = datastore.schema(table).cloned();
    let schema = schema.ok_or_else(|| MigrateError::Stored(old.name.to_string()))?;
    let positions = kept_sequences(old, new, columns)
        .filter_map(|(before, after)| Some((after, position_of(datastore, table, &before)?)))
        .collect();
    let has_rows = !old.is_event && !new.is_event;
    let rows = datastore.row_count(table).unwrap_or_default();
    if !has_rows && rows > 0 {
        applied.dropped.push((old.name.clone(), rows));
    }
    let start = datastore.tx.ops.len();
    datastore.drop_table(table)?;
    Ok(Gone {
        old: table,
        new,
        writer: RowWriter::new(&schema.layout, old, new, columns),
        ops: start..datastore.tx.ops.len(),
        positions,
        has_rows,
    })
}

/// Sequences that stay on the same column with the same parameters: old and new name.
pub(super) fn kept_sequences<'a>(
    old: &'a TableDef,
    new: &'a TableDef,
    columns: &'a [ColumnSource],
) -> impl Iterator<Item = (Arc<str>, Arc<str>)> + 'a {
    new.sequences.iter().filter_map(move |after| {
        let source = columns.get(usize::from(after.column.0))?;
        let (ColumnSource::Copy(column) | ColumnSource::Convert(column)) = source else {
            return None;
        };
        let before = old.sequences.iter().find(|before| {
            before.column == *column
                && before.increment == after.increment
                && before.start == after.start
                && before.min_value == after.min_value
                && before.max_value == after.max_value
        })?;
        Some((before.name.clone(), after.name.clone()))
    })
}

fn put_back(
    datastore: &mut Datastore,
    mut gone: Gone<'_>,
    bytes_max: usize,
    applied: &mut Applied,
) -> Result<(), StepFailure> {
    let name = &gone.new.name;
    let table = datastore.create_table(gone.new)?;
    for (sequence, position) in &gone.positions {
        continue_sequence(datastore, table, sequence, *position);
    }
    if !gone.has_rows {
        return Ok(());
    }
    let (written, merged) = match write_at_once(datastore, &mut gone, table, bytes_max)? {
        Some(written) => (written, 0),
        None => write_one_by_one(datastore, &mut gone, table, bytes_max)?,
    };
    applied.rewritten.push((name.clone(), written));
    if merged > 0 {
        applied.merged.push((name.clone(), merged));
    }
    Ok(())
}

/// Puts the rows of a table that is gone into the one in its place, in their new form, and builds
/// its indexes in one go. None, and nothing is in it, if two rows have a key that must be unique,
/// or are equal.
fn write_at_once(
    datastore: &mut Datastore,
    gone: &mut Gone<'_>,
    table: TableId,
    bytes_max: usize,
) -> Result<Option<u64>, StepFailure> {
    let mut writing = datastore.write_many(table)?;
    let mut row = Vec::new();
    let mut written = 0;
    for op in gone.ops.clone() {
        if !gone.write_row(writing.datastore(), op, bytes_max, &mut row)? {
            continue;
        }
        writing.add(&row)?;
        written += 1;
    }
    Ok(writing.finish().then_some(written))
}

/// The same row by row. Rows that are equal to another one go; two with the same key are an error
/// that names the index. Returns how many are there, and how many went.
fn write_one_by_one(
    datastore: &mut Datastore,
    gone: &mut Gone<'_>,
    table: TableId,
    bytes_max: usize,
) -> Result<(u64, u64), StepFailure> {
    let (mut written, mut merged) = (0, 0);
    let mut row = Vec::new();
    for op in gone.ops.clone() {
        if !gone.write_row(datastore, op, bytes_max, &mut row)? {
            continue;
        }
        match datastore.insert_recorded(table, &row) {
            Ok(true) => written += 1,
            Ok(false) => merged += 1,
            // An index that is unique is unique by a constraint of the definition.
            Err(WriteError::UniqueViolation { index, .. }) => {
                let table = gone.new.name.clone();
                return Err(StepFailure::Conflict { table, index });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((written, merged))
}

impl Gone<'_> {
    /// Writes the new form of a row into `row`, if this operation deleted one.
    fn write_row(
        &mut self,
        datastore: &Datastore,
        op: usize,
        bytes_max: usize,
        row: &mut Vec<u8>,
    ) -> Result<bool, StepFailure> {
        let Some(Op::Row(op)) = datastore.tx.ops.get(op) else {
            return Ok(false);
        };
        if op.table != self.old || op.is_insert {
            return Ok(false);
        }
        row.clear();
        self.writer.write(&datastore.tx.deleted[op.range()], row);
        if datastore.tx.inserted.len() + row.len() > bytes_max {
            let table = self.new.name.clone();
            return Err(MigrateError::TooLarge { table, bytes_max }.into());
        }
        Ok(true)
    }
}

/// Whether an index of a definition is unique.
pub(super) fn is_unique(table: &TableDef, columns: &[ColId]) -> bool {
    let mut constraints = table.constraints.iter();
    constraints.any(|constraint| same_column_set(&constraint.columns, columns))
}

#[cfg(test)]
mod tests;

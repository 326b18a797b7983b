//! What is checked against the rows: before a plan is applied, and when it was refused.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use spacetime_page::RowLayout;
use spacetime_types::bsatn::{Reader, decode_value};
use spacetime_types::{AlgebraicType, ColId, I256, Typespace};

use super::apply::{definition, id, index_columns};
use super::error::MigrateError;
use super::model::DatabaseDef;
use super::plan::MigrationPlan;
use super::replace::{Replaced, RowWriter, is_unique, kept_sequences, replaced};
use super::step::{ColumnSource, Step};
use super::value_text::value_text;
use crate::Datastore;
use crate::definition::{ColumnDef, ConstraintDef, IndexDef, ScheduleDef, SequenceDef, TableDef};
use crate::schema::TableSchema;
use crate::system::row_type_of;

/// Duplicates that an error shows.
const EXAMPLES_MAX: usize = 10;

/// Fails if the tables with rows are not those of the old definition.
pub(super) fn check_stored(datastore: &Datastore, old: &DatabaseDef) -> Result<(), MigrateError> {
    let differs = |what: String| Err(MigrateError::Stored(what));
    let mut found = 0;
    for schema in datastore.tables() {
        if schema.is_system() || schema.view.is_some() {
            continue;
        }
        found += 1;
        let Some(table) = old.table(&schema.name).filter(|table| table.view.is_none()) else {
            return differs(format!("table `{}` is not in its definition", schema.name));
        };
        let (stored, defined) = (comparable(&stored_definition(schema)), comparable(table));
        if stored != defined {
            return differs(format!(
                "table `{}` is {stored:?}, but defined as {defined:?}",
                schema.name
            ));
        }
    }
    let tables = old.tables.iter().filter(|table| table.view.is_none());
    let defined = tables.count();
    if defined != found {
        return differs(format!("{found} are stored, {defined} defined"));
    }
    Ok(())
}

/// The definition that a schema came from.
fn stored_definition(schema: &TableSchema) -> TableDef {
    let columns = schema.columns.iter().map(|column| ColumnDef {
        name: column.name.clone(),
        accessor: column.accessor.clone(),
        column_type: column.column_type.clone(),
    });
    let mut def = TableDef::new(&schema.name, columns.collect());
    def.access = schema.access;
    def.is_event = schema.is_event;
    def.primary_key = schema.primary_key;
    let indexes = schema.indexes.iter().map(|index| IndexDef {
        name: index.name.clone(),
        accessor: index.accessor.clone(),
        algorithm: index.algorithm.clone(),
    });
    def.indexes = indexes.collect();
    let constraints = schema.constraints.iter().map(|constraint| ConstraintDef {
        name: constraint.name.clone(),
        columns: constraint.columns.clone(),
    });
    def.constraints = constraints.collect();
    let sequences = schema.sequences.iter().map(|sequence| SequenceDef {
        name: sequence.name.clone(),
        column: sequence.column,
        increment: sequence.increment,
        start: sequence.start,
        min_value: sequence.min_value,
        max_value: sequence.max_value,
    });
    def.sequences = sequences.collect();
    def.schedule = schema.schedule.as_ref().map(|schedule| ScheduleDef {
        name: schedule.name.clone(),
        function: schedule.function.clone(),
        at_column: schedule.at_column,
    });
    def
}

/// A definition without names in the program, which old databases lack, and in one order.
fn comparable(table: &TableDef) -> TableDef {
    let mut table = table.clone();
    table.accessor = table.name.clone();
    for column in &mut table.columns {
        column.accessor = None;
    }
    for index in &mut table.indexes {
        index.accessor = None;
    }
    table.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    table.constraints.sort_by(|a, b| a.name.cmp(&b.name));
    table.sequences.sort_by(|a, b| a.name.cmp(&b.name));
    table
}

/// A sequence that must not begin at its start, because rows have values from there on.
pub(super) struct LaterStart {
    /// New name of the table.
    pub table: Arc<str>,
    pub sequence: Arc<str>,
    pub value: i128,
}

/// Fails if a sequence that comes would hand out values that are there. An explicit migration lets
/// it begin behind them instead.
pub(super) fn check_sequences(
    datastore: &Datastore,
    plan: &MigrationPlan,
) -> Result<Vec<LaterStart>, MigrateError> {
    let mut later = Vec::new();
    for step in &plan.steps {
        if let Some(replaced) = replaced(plan, step)? {
            check_replaced(datastore, plan, &replaced, &mut later)?;
            continue;
        }
        let Step::AddSequence {
            table,
            name,
            continues: None,
        } = step
        else {
            continue;
        };
        let (old, new) = (definition(&plan.old, table)?, definition(&plan.new, table)?);
        let mut sequences = new.sequences.iter();
        if let Some(sequence) = sequences.find(|sequence| sequence.name == *name) {
            let value = free_value(datastore, plan, old, sequence.column, sequence)?;
            later.extend(value.map(|value| LaterStart {
                table: table.clone(),
                sequence: name.clone(),
                value,
            }));
        }
    }
    Ok(later)
}

/// The same for a table that is written anew.
fn check_replaced(
    datastore: &Datastore,
    plan: &MigrationPlan,
    replaced: &Replaced,
    later: &mut Vec<LaterStart>,
) -> Result<(), MigrateError> {
    let old = definition(&plan.old, &replaced.from)?;
    let new = definition(&plan.new, &replaced.to)?;
    for sequence in &new.sequences {
        let mut kept = kept_sequences(old, new, &replaced.columns);
        if kept.any(|(_, after)| after == sequence.name) {
            continue;
        }
        let source = replaced.columns.get(usize::from(sequence.column.0));
        if let Some(ColumnSource::Copy(column) | ColumnSource::Convert(column)) = source {
            let value = free_value(datastore, plan, old, *column, sequence)?;
            later.extend(value.map(|value| LaterStart {
                table: replaced.to.clone(),
                sequence: sequence.name.clone(),
                value,
            }));
        }
    }
    Ok(())
}

/// Where a sequence has to begin if an old column has values that it hands out; an error if the
/// plan may not choose that, or nothing is left.
fn free_value(
    datastore: &Datastore,
    plan: &MigrationPlan,
    old: &TableDef,
    column: ColId,
    sequence: &SequenceDef,
) -> Result<Option<i128>, MigrateError> {
    let Some(found) = old.columns.get(usize::from(column.0)) else {
        return Ok(None);
    };
    let range = I256::from(sequence.min_value)..=I256::from(sequence.max_value);
    let table = id(datastore, &old.name)?;
    let is_rising = sequence.increment > 0;
    let (mut bytes, mut last) = (Vec::new(), None);
    for row in datastore.scan(table).into_iter().flatten() {
        bytes.clear();
        datastore.read_column(table, row, column, &mut bytes);
        let value = integer(&bytes, &found.column_type);
        let Some(value) = value.filter(|value| range.contains(value)) else {
            continue;
        };
        if !plan.is_explicit {
            return Err(MigrateError::SequenceInUse(sequence.name.clone()));
        }
        last = match last {
            Some(last) if is_rising => Some(value.max(last)),
            Some(last) => Some(value.min(last)),
            None => Some(value),
        };
    }
    let Some(last) = last else { return Ok(None) };
    match value_behind(sequence, last) {
        Some(value) => Ok(Some(value)),
        None => Err(MigrateError::SequenceUsedUp(sequence.name.clone())),
    }
}

/// The first value of a sequence behind `last`; `None` if it has none.
fn value_behind(sequence: &SequenceDef, last: I256) -> Option<i128> {
    let start = I256::from(sequence.start);
    let increment = I256::from(sequence.increment);
    let is_passed = match sequence.increment > 0 {
        true => last >= start,
        false => last <= start,
    };
    // Both are of at most 128 bits, so nothing overflows.
    let value = match is_passed {
        true => start + ((last - start) / increment + I256::ONE) * increment,
        false => start,
    };
    let value = i128::try_from(value).ok()?;
    let range = sequence.min_value..=sequence.max_value;
    range.contains(&value).then_some(value)
}

fn integer(value: &[u8], ty: &AlgebraicType) -> Option<I256> {
    let value = decode_value(&Typespace::default(), ty, &mut Reader::new(value));
    value.ok()?.as_integer()
}

/// The error about rows that a unique index of the new definition of `table` does not allow. The
/// rows are as they were before the plan.
pub(super) fn duplicates_of(
    datastore: &Datastore,
    plan: &MigrationPlan,
    table: &Arc<str>,
    index: &Arc<str>,
) -> MigrateError {
    let found = find_duplicates(datastore, plan, table, index);
    found.unwrap_or_else(|error| error)
}

fn find_duplicates(
    datastore: &Datastore,
    plan: &MigrationPlan,
    table: &Arc<str>,
    index: &Arc<str>,
) -> Result<MigrateError, MigrateError> {
    let new = definition(&plan.new, table)?;
    let key = index_columns(new, index).unwrap_or_default();
    let (mut from, mut columns) = (table.clone(), None);
    for step in &plan.steps {
        if let Some(replaced) = replaced(plan, step)?
            && replaced.to == *table
        {
            let Replaced {
                from: old,
                columns: sources,
                ..
            } = replaced;
            from = old;
            columns = Some(sources);
        }
    }
    let old = definition(&plan.old, &from)?;
    let id = id(datastore, &from)?;
    let counts = count_keys(datastore, id, old, new, columns.as_deref(), key)?;
    let mut several: Vec<(Vec<u8>, u64)> =
        counts.into_iter().filter(|(_, count)| *count > 1).collect();
    several.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let groups = u64::try_from(several.len()).unwrap_or(u64::MAX);
    let examples = several.iter().take(EXAMPLES_MAX);
    let examples = examples.map(|(bytes, count)| (key_text(new, key, bytes), *count));
    debug_assert!(is_unique(new, key), "only unique indexes refuse rows");
    Ok(MigrateError::Duplicates {
        table: id,
        name: table.clone(),
        columns: new.column_names(key),
        groups,
        examples: examples.collect(),
    })
}

/// How often each key is there in the rows as they would be.
fn count_keys(
    datastore: &Datastore,
    table: spacetime_types::TableId,
    old: &TableDef,
    new: &TableDef,
    sources: Option<&[ColumnSource]>,
    key: &[ColId],
) -> Result<FxHashMap<Vec<u8>, u64>, MigrateError> {
    let schema = datastore
        .schema(table)
        .ok_or_else(|| MigrateError::Stored(format!("there is no table `{}`", old.name)))?;
    let columns: Vec<_> = new.columns.iter().map(ColumnDef::to_schema).collect();
    let layout = RowLayout::new(&row_type_of(&columns));
    let layout = layout.map_err(|error| MigrateError::Stored(error.to_string()))?;
    let mut writer = sources.map(|sources| RowWriter::new(&schema.layout, old, new, sources));
    let mut counts: FxHashMap<Vec<u8>, u64> = FxHashMap::default();
    let (mut row, mut written) = (Vec::new(), Vec::new());
    let mut ranges: SmallVec<[Range<usize>; 16]> = SmallVec::new();
    for ptr in datastore.scan(table).into_iter().flatten() {
        row.clear();
        datastore.read_row(table, ptr, &mut row);
        if let Some(writer) = &mut writer {
            written.clear();
            writer.write(&row, &mut written);
            std::mem::swap(&mut row, &mut written);
        }
        layout.column_ranges(&row, &mut ranges);
        let mut bytes = Vec::new();
        for column in key {
            bytes.extend_from_slice(&row[ranges[usize::from(column.0)].clone()]);
        }
        *counts.entry(bytes).or_default() += 1;
    }
    Ok(counts)
}

fn key_text(table: &TableDef, key: &[ColId], bytes: &[u8]) -> String {
    let mut reader = Reader::new(bytes);
    let mut texts = Vec::new();
    for column in key {
        let Some(column) = table.columns.get(usize::from(column.0)) else {
            continue;
        };
        let start = reader.offset();
        let ty = &column.column_type;
        if decode_value(&Typespace::default(), ty, &mut reader).is_err() {
            return "?".to_owned();
        }
        texts.push(value_text(reader.consumed_since(start), ty));
    }
    match texts.as_slice() {
        [text] => text.clone(),
        texts => format!("({})", texts.join(", ")),
    }
}

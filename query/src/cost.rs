//! What a SELECT costs: how many stored rows it would visit, found out without visiting more than a
//! few, and estimates for the choice of a plan.
//!
//! Whoever can run a query here or elsewhere decides by this. Not here: what is worth it.

use std::sync::Arc;

use spacetime_table::{Datastore, IndexSchema, RowPtr, TableSchema};

use crate::access::Access;
use crate::ast::Comparison;
use crate::execute::borrowed;
use crate::plan::{Output, Plan, SelectPlan, Source};
use crate::predicate::{OneRow, Predicate, Rows, Slot};
use crate::scalar::{Node, Scalar};

/// Rows of a table of which nothing is known.
const ROWS_UNKNOWN: f64 = 1_000.0;
/// Rows with the same key of an index of which nothing is known.
const ROWS_PER_KEY_UNKNOWN: f64 = 10.0;
/// Keys that are looked up to learn how many rows have the same.
const SAMPLES: usize = 8;
/// Rows with one key that are counted, no more.
const SAMPLE_ROWS_MAX: u64 = 200;
/// Keys of which rows are counted for an estimate, no more.
const COUNTED_KEYS_MAX: usize = 16;

/// What is known of the tables of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Sizes<'a> {
    datastore: Option<&'a Datastore>,
    /// In the order of the FROM clause.
    rows: Vec<f64>,
}

/// What a step is expected to do, for all combinations before it together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub visited: f64,
    /// Combinations found, before the step's filter.
    pub found: f64,
    /// Whether the filter takes nothing more away.
    pub is_exact: bool,
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

impl<'a> Sizes<'a> {
    pub(crate) fn unknown() -> Self {
        Sizes {
            datastore: None,
            rows: Vec::new(),
        }
    }

    pub(crate) fn of(datastore: &'a Datastore, schemas: &[Arc<TableSchema>]) -> Self {
        // A single table has nothing to be compared with.
        if schemas.len() < 2 {
            return Sizes::unknown();
        }
        Sizes::known(datastore, schemas)
    }

    fn known(datastore: &'a Datastore, schemas: &[Arc<TableSchema>]) -> Self {
        let rows = schemas.iter().map(|schema| match schema.is_event {
            true => 0.0,
            false => float(datastore.row_count(schema.id).unwrap_or(0)),
        });
        Sizes {
            datastore: Some(datastore),
            rows: rows.collect(),
        }
    }

    pub(crate) fn rows(&self, table: usize) -> f64 {
        self.rows.get(table).copied().unwrap_or(ROWS_UNKNOWN)
    }

    /// Rows that have the same key, on average.
    pub(crate) fn rows_per_key(
        &self,
        table: usize,
        schema: &TableSchema,
        index: &IndexSchema,
    ) -> f64 {
        match self.datastore {
            _ if index.unique => 1.0,
            None => ROWS_PER_KEY_UNKNOWN.min(self.rows(table)),
            Some(datastore) => sampled_rows_per_key(datastore, schema, index),
        }
    }

    /// Rows that an access yields.
    pub(crate) fn accessed(&self, table: usize, schema: &TableSchema, access: &Access) -> f64 {
        let all = self.rows(table);
        match access {
            Access::Empty => 0.0,
            Access::Scan => all,
            Access::Points { index, keys } => {
                let keys_len = float(u64::try_from(keys.len()).unwrap_or(u64::MAX));
                match (schema.index(*index), self.datastore) {
                    (Some(index), _) if index.unique => keys_len,
                    (_, Some(datastore)) => counted_keys(datastore, *index, keys),
                    _ => (keys_len * ROWS_PER_KEY_UNKNOWN).min(all),
                }
            }
            Access::Range {
                prefix_columns,
                start,
                end,
                ..
            } => {
                use std::ops::Bound::Unbounded;
                let bounds = [start, end]
                    .into_iter()
                    .filter(|bound| **bound != Unbounded);
                let share = match bounds.count() {
                    2 => 0.1,
                    1 => 0.3,
                    _ => 1.0,
                };
                match prefix_columns {
                    0 => all * share,
                    _ => all * share * 0.1,
                }
            }
        }
    }
}

/// The rows with some of the keys, counted, and as many for each of the others.
fn counted_keys(datastore: &Datastore, index: spacetime_types::IndexId, keys: &[Vec<u8>]) -> f64 {
    let mut found = 0.0;
    let sample = keys.iter().take(COUNTED_KEYS_MAX);
    let looked_at = float(u64::try_from(sample.len()).unwrap_or(0)).max(1.0);
    for key in sample {
        let Ok((_, rows)) = datastore.index_point(index, key) else {
            return 0.0;
        };
        let count = counted(rows, SAMPLE_ROWS_MAX);
        found += count.map_or(float(SAMPLE_ROWS_MAX) * 2.0, float);
    }
    found * float(u64::try_from(keys.len()).unwrap_or(0)) / looked_at
}

/// How many rows have the keys of a few rows of the table.
fn sampled_rows_per_key(datastore: &Datastore, schema: &TableSchema, index: &IndexSchema) -> f64 {
    let Some(rows) = datastore.scan(schema.id) else {
        return 0.0;
    };
    let total = datastore.row_count(schema.id).unwrap_or(0);
    let stride = usize::try_from(total / (4 * 8)).unwrap_or(1).clamp(1, 64);
    let (mut keys, mut found) = (0.0_f64, 0.0_f64);
    let (mut row, mut key) = (Vec::new(), Vec::new());
    for ptr in rows.step_by(stride).take(SAMPLES) {
        row.clear();
        datastore.read_row(schema.id, ptr, &mut row);
        let one = OneRow {
            bytes: &row,
            schema,
        };
        key.clear();
        for column in index.algorithm.columns() {
            let column = usize::from(column.0);
            key.extend_from_slice(one.column(Slot { table: 0, column }));
        }
        let Ok((_, same)) = datastore.index_point(index.id, &key) else {
            continue;
        };
        keys += 1.0;
        found += counted(same, SAMPLE_ROWS_MAX).map_or(float(SAMPLE_ROWS_MAX) * 2.0, float);
    }
    match keys > 0.0 {
        true => found / keys,
        false => 0.0,
    }
}

/// The share of rows that a condition is expected to leave.
pub(crate) fn selectivity(predicate: &Predicate) -> f64 {
    match predicate {
        Predicate::Always(true) => 1.0,
        Predicate::Always(false) => 0.0,
        Predicate::Column(_) | Predicate::CompareBool(..) => 0.5,
        Predicate::Compare(compare) => match compare.operator {
            Comparison::Eq => 0.1,
            Comparison::Ne => 0.9,
            _ => 0.3,
        },
        Predicate::And(terms) => terms.iter().map(selectivity).product(),
        Predicate::Or(terms) => terms.iter().map(selectivity).sum::<f64>().min(1.0),
        Predicate::Not(inner) => 1.0 - selectivity(inner),
        Predicate::Test(scalar) => match &scalar.node {
            Node::Compare(Comparison::Eq, ..) | Node::IsNull(_) => 0.1,
            Node::Not(_) => 0.9,
            _ => 0.3,
        },
    }
}

/// What the steps of a plan are expected to do.
pub(crate) fn estimates(plan: &Plan, datastore: &Datastore) -> Vec<Estimate> {
    let sizes = Sizes::known(datastore, &plan.schemas);
    let mut before = 1.0;
    let mut all = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let Some(schema) = plan.schemas.get(step.table) else {
            continue;
        };
        let rows = sizes.rows(step.table);
        let (visited, found) = match &step.source {
            Source::Stored(access) => {
                let each = sizes.accessed(step.table, schema, access);
                (before * each, before * each)
            }
            Source::Probe { index, .. } => {
                let index = schema.index(*index);
                let each = index.map_or(1.0, |i| sizes.rows_per_key(step.table, schema, i));
                (before * each, before * each)
            }
            Source::Hash => (rows + before * 2.0, before * rows * 0.1),
        };
        let is_exact = matches!(step.source, Source::Probe { .. });
        let kept = match is_exact {
            true => found,
            false => found * selectivity(&step.filter),
        };
        let kept = match &step.left {
            Some(_) => kept.max(before),
            None => kept,
        };
        all.push(Estimate {
            visited,
            found: kept,
            is_exact,
        });
        before = kept;
    }
    all
}

impl SelectPlan {
    /// The number of rows that the query is expected to read.
    #[must_use]
    pub fn rows_expected(&self, datastore: &Datastore) -> u64 {
        let stops_early = self.order.is_empty() && self.grouping.is_none() && !self.distinct;
        let mut total = 0.0;
        for plan in self.plans() {
            let estimates = estimates(plan, datastore);
            total += estimates.iter().map(|step| step.visited).sum::<f64>();
        }
        let limit = self
            .limit
            .filter(|_| stops_early && self.output != Output::Count);
        let limit = limit.map_or(f64::INFINITY, |limit| {
            float(limit.saturating_add(self.offset))
        });
        #[expect(clippy::cast_possible_truncation, reason = "an estimate")]
        #[expect(clippy::cast_sign_loss, reason = "a sum of counts")]
        let rows = total.min(limit).ceil() as u64;
        rows
    }

    /// The number of stored rows that the query visits, if that is at most `rows_max`; otherwise
    /// `None`. Joins count as every combination of their tables' rows. A search for patterns is
    /// never few rows: it takes time in the length of the texts.
    #[must_use]
    pub fn rows_visited(&self, datastore: &Datastore, rows_max: u64) -> Option<u64> {
        let mut visited: u64 = 0;
        let mut steps = self.plans().flat_map(|plan| &plan.steps);
        let searches = |step: &crate::plan::Step| {
            let left = step.left.as_ref();
            step.whole_filter.searches() || left.is_some_and(|left| left.after.searches())
        };
        if steps.any(searches) || self.output_searches() {
            return None;
        }
        for plan in self.plans() {
            let is_count = self.output == Output::Count;
            let left = rows_max - visited;
            visited += rows_of_plan(plan, is_count, datastore, left)?;
            if visited > rows_max {
                return None;
            }
        }
        Some(visited)
    }
}

impl SelectPlan {
    fn output_searches(&self) -> bool {
        let values = match &self.output {
            Output::Values(values) => values.as_slice(),
            _ => &[],
        };
        let keys = self.order.iter().map(|key| &key.value);
        let grouping = self.grouping.iter();
        let grouped = grouping.flat_map(|grouping| {
            let arguments = grouping.aggregates.iter().flat_map(|a| &a.argument);
            grouping
                .keys
                .iter()
                .chain(arguments)
                .chain(&grouping.having)
        });
        let mut all = values.iter().chain(keys).chain(grouped);
        all.any(Scalar::searches)
    }
}

fn rows_of_plan(plan: &Plan, is_count: bool, datastore: &Datastore, rows_max: u64) -> Option<u64> {
    match (plan.schemas.as_slice(), plan.steps.as_slice()) {
        ([schema], [step]) => {
            if is_count && is_counted_by_the_table(step) {
                return Some(0);
            }
            match &step.source {
                Source::Stored(access) => accessed(datastore, schema, access, rows_max),
                Source::Probe { .. } | Source::Hash => None,
            }
        }
        (schemas, _) => schemas
            .iter()
            .map(|schema| datastore.row_count(schema.id).unwrap_or(0).max(1))
            .try_fold(1u64, u64::checked_mul),
    }
}

/// Whether COUNT is the table's own row count.
fn is_counted_by_the_table(step: &crate::plan::Step) -> bool {
    step.source == Source::Stored(Access::Scan) && step.filter == Predicate::Always(true)
}

fn accessed(
    datastore: &Datastore,
    schema: &TableSchema,
    access: &Access,
    rows_max: u64,
) -> Option<u64> {
    if schema.is_event {
        return Some(0);
    }
    match access {
        Access::Empty => Some(0),
        Access::Scan => datastore.row_count(schema.id),
        Access::Points { index, keys } => {
            let is_unique = schema
                .indexes
                .iter()
                .any(|known| known.id == *index && known.unique);
            if is_unique {
                return u64::try_from(keys.len()).ok();
            }
            let mut visited = 0;
            for key in keys {
                let (_, rows) = datastore.index_point(*index, key).ok()?;
                visited += counted(rows, rows_max - visited)?;
            }
            Some(visited)
        }
        Access::Range {
            index,
            prefix,
            prefix_columns,
            start,
            end,
        } => {
            let (start, end) = (borrowed(start), borrowed(end));
            let found = datastore.index_range(*index, prefix, *prefix_columns, start, end);
            counted(found.ok()?.1, rows_max)
        }
    }
}

/// The number of rows, if it is at most `rows_max`.
fn counted(rows: impl Iterator<Item = RowPtr>, rows_max: u64) -> Option<u64> {
    let mut count = 0;
    for _ in rows {
        if count == rows_max {
            return None;
        }
        count += 1;
    }
    Some(count)
}

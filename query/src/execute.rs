//! Plans to rows.
//!
//! Invariants
//!   * A plan runs only against the schemas it was compiled for; otherwise nothing is read.
//!   * Event tables hold no rows for queries.
//!   * Every combination of rows is found once: results are exact bags.
//!   * Every stored row that is visited ticks the query's meter, so that a query can be stopped.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use spacetime_table::{Datastore, RowList, RowListBuilder, RowPtr, TableSchema};

use crate::access::Access;
use crate::catalogue::hidden_columns;
use crate::column_kind::ColumnKind;
use crate::error::ExecuteError;
use crate::meter::Meter;
use crate::pipeline::Pipeline;
use crate::plan::{KeyPart, Output, Plan, SelectPlan, Source};
use crate::predicate::{OneRow, Predicate, Rows, Slot};

/// Takes result rows as they are found.
pub trait RowSink {
    /// One row as BSATN of the result type. `Break` ends the query without an error.
    fn row(&mut self, row: &[u8]) -> ControlFlow<()>;
}

/// Collects a result.
#[derive(Debug, Default)]
pub struct RowBuffer {
    rows: RowListBuilder,
}

impl RowBuffer {
    /// `fixed` is the length of every row, if the type says so.
    #[must_use]
    pub fn new(fixed: Option<usize>) -> Self {
        RowBuffer {
            rows: RowListBuilder::new(fixed),
        }
    }

    /// The rows found.
    #[must_use]
    pub fn finish(self) -> RowList {
        self.rows.finish()
    }
}

impl RowSink for RowBuffer {
    fn row(&mut self, row: &[u8]) -> ControlFlow<()> {
        self.rows.push(row);
        ControlFlow::Continue(())
    }
}

/// What one row of a hash table holds beside its key, about.
const HASHED_ROW_BYTES: usize = 48;

/// Goes on, or stops because the consumer has enough.
pub(crate) type Flow = Result<ControlFlow<()>, ExecuteError>;

const GO_ON: Flow = Ok(ControlFlow::Continue(()));

/// Runs a SELECT on the present state, including the open transaction's changes.
pub fn execute_select(
    select: &SelectPlan,
    datastore: &Datastore,
    sink: &mut dyn RowSink,
) -> Result<(), ExecuteError> {
    execute_metered(select, datastore, sink, &Meter::unlimited())
}

/// The same, for as long as the meter allows; then it fails with [`ExecuteError::Interrupted`].
pub fn execute_metered(
    select: &SelectPlan,
    datastore: &Datastore,
    sink: &mut dyn RowSink,
    meter: &Meter<'_>,
) -> Result<(), ExecuteError> {
    execute_profiled(select, datastore, sink, meter, &mut Profile::default())
}

/// The same, and tells what was done.
pub fn execute_profiled(
    select: &SelectPlan,
    datastore: &Datastore,
    sink: &mut dyn RowSink,
    meter: &Meter<'_>,
    profile: &mut Profile,
) -> Result<(), ExecuteError> {
    for plan in select.plans() {
        check_current(plan, datastore)?;
    }
    if select.limit == Some(0) {
        return Ok(());
    }
    if select.output == Output::Count {
        let mut total = 0;
        for plan in select.plans() {
            total += count(plan, datastore, meter, profile)?;
        }
        if select.offset == 0 {
            let _ = sink.row(&total.to_le_bytes());
            profile.rows += 1;
        }
        return Ok(());
    }
    let mut pipeline = Pipeline::new(select, sink, meter);
    for plan in select.plans() {
        let mut failure = None;
        let steps = run_profiled(plan, datastore, meter, &mut |rows| {
            pipeline.combination(rows).unwrap_or_else(|error| {
                failure = Some(error);
                ControlFlow::Break(())
            })
        })?;
        profile.plans.push(steps);
        if let Some(error) = failure {
            return Err(error);
        }
        if pipeline.is_full() {
            break;
        }
    }
    pipeline.finish()?;
    profile.rows += pipeline.emitted();
    Ok(())
}

/// What the execution of a SELECT did.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Per plan, per step.
    pub(crate) plans: Vec<Vec<StepProfile>>,
    /// Result rows.
    pub(crate) rows: u64,
}

impl Profile {
    /// Stored rows that were read.
    #[must_use]
    pub fn rows_visited(&self) -> u64 {
        self.plans.iter().flatten().map(|step| step.visited).sum()
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepProfile {
    /// Stored rows read.
    pub visited: u64,
    /// Combinations that passed.
    pub kept: u64,
}

fn check_current(plan: &Plan, datastore: &Datastore) -> Result<(), ExecuteError> {
    match plan
        .schemas
        .iter()
        .find(|schema| !crate::plan::is_current(schema, datastore))
    {
        Some(stale) => Err(ExecuteError::StalePlan(stale.name.to_string())),
        None => Ok(()),
    }
}

fn count(
    plan: &Plan,
    datastore: &Datastore,
    meter: &Meter<'_>,
    profile: &mut Profile,
) -> Result<u64, ExecuteError> {
    if let ([schema], [step]) = (plan.schemas.as_slice(), plan.steps.as_slice())
        && step.filter == Predicate::Always(true)
        && !schema.is_event
        && let Source::Stored(access) = &step.source
    {
        if *access == Access::Scan {
            profile.plans.push(vec![StepProfile::default()]);
            return Ok(datastore.row_count(schema.id).unwrap_or(0));
        }
        let mut count = 0;
        let _ = pointers(datastore, schema, access, meter, &mut |_| {
            count += 1;
            GO_ON
        })?;
        let (visited, kept) = (count, count);
        profile.plans.push(vec![StepProfile { visited, kept }]);
        return Ok(count);
    }
    let mut count = 0;
    let steps = run_profiled(plan, datastore, meter, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    profile.plans.push(steps);
    Ok(count)
}

/// The row without the columns that nobody sees.
pub(crate) fn visible_part<'a>(schema: &TableSchema, row: &'a [u8]) -> &'a [u8] {
    match hidden_columns(schema) {
        0 => row,
        hidden => &row[schema.layout.column_range(row, hidden - 1).end..],
    }
}

/// Calls `visit` with each stored row that the access yields.
pub(crate) fn pointers(
    datastore: &Datastore,
    schema: &TableSchema,
    access: &Access,
    meter: &Meter<'_>,
    visit: &mut dyn FnMut(RowPtr) -> Flow,
) -> Flow {
    if schema.is_event {
        return GO_ON;
    }
    match access {
        Access::Empty => GO_ON,
        Access::Scan => match datastore.scan(schema.id) {
            Some(rows) => visit_all(rows, meter, visit),
            None => Err(ExecuteError::StalePlan(schema.name.to_string())),
        },
        Access::Points { index, keys } => {
            for key in keys {
                let (_, rows) = datastore.index_point(*index, key)?;
                if visit_all(rows, meter, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            GO_ON
        }
        Access::Range {
            index,
            prefix,
            prefix_columns,
            start,
            end,
        } => {
            let (start, end) = (borrowed(start), borrowed(end));
            let (_, rows) = datastore.index_range(*index, prefix, *prefix_columns, start, end)?;
            visit_all(rows, meter, visit)
        }
    }
}

pub(crate) fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(value) => Bound::Included(value),
        Bound::Excluded(value) => Bound::Excluded(value),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn visit_all(
    rows: impl Iterator<Item = RowPtr>,
    meter: &Meter<'_>,
    visit: &mut dyn FnMut(RowPtr) -> Flow,
) -> Flow {
    for row in rows {
        meter.tick()?;
        if visit(row)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    GO_ON
}

/// The stored rows that a plan over one table finds, with their places.
pub(crate) fn find_rows(
    plan: &Plan,
    datastore: &Datastore,
    visit: &mut dyn FnMut(RowPtr, &[u8]),
) -> Result<(), ExecuteError> {
    check_current(plan, datastore)?;
    for (schema, step) in plan.schemas.iter().zip(&plan.steps) {
        let Source::Stored(access) = &step.source else {
            continue;
        };
        let mut row = Vec::new();
        let meter = Meter::unlimited();
        let _ = pointers(datastore, schema, access, &meter, &mut |ptr| {
            row.clear();
            datastore.read_row(schema.id, ptr, &mut row);
            let one = OneRow {
                bytes: &row,
                schema,
            };
            if step.filter.test(&one)? {
                visit(ptr, &row);
            }
            GO_ON
        })?;
    }
    Ok(())
}

/// One current row per table.
#[derive(Debug)]
pub(crate) struct JoinedRows<'a> {
    schemas: &'a [Arc<TableSchema>],
    rows: Vec<Vec<u8>>,
    /// Tables of which a LEFT JOIN found no row.
    absent: Vec<bool>,
}

impl Rows for JoinedRows<'_> {
    fn column(&self, slot: Slot) -> &[u8] {
        let row = &self.rows[slot.table];
        &row[self.schemas[slot.table]
            .layout
            .column_range(row, slot.column)]
    }

    fn is_absent(&self, table: usize) -> bool {
        self.absent[table]
    }
}

impl JoinedRows<'_> {
    /// The row of a table as a result shows it.
    pub(crate) fn visible_row(&self, table: usize) -> &[u8] {
        visible_part(&self.schemas[table], &self.rows[table])
    }
}

/// Calls `emit` with every combination that the plan finds; tells what each step did.
fn run_profiled(
    plan: &Plan,
    datastore: &Datastore,
    meter: &Meter<'_>,
    emit: &mut dyn FnMut(&JoinedRows<'_>) -> ControlFlow<()>,
) -> Result<Vec<StepProfile>, ExecuteError> {
    let tables = plan.schemas.len();
    let mut run = Run {
        plan,
        datastore,
        meter,
        rows: JoinedRows {
            schemas: &plan.schemas,
            rows: vec![Vec::new(); tables],
            absent: vec![false; tables],
        },
        hashes: plan.steps.iter().map(|_| None).collect(),
        done: vec![StepProfile::default(); plan.steps.len()],
        partnered: vec![false; plan.steps.len()],
        key: Vec::new(),
        emit,
    };
    let _ = run.step(0)?;
    Ok(run.done)
}

/// Places of rows by the canonical bytes of one column.
type Places = HashMap<Box<[u8]>, Vec<RowPtr>, FxBuildHasher>;

struct Run<'a, 'e> {
    plan: &'a Plan,
    datastore: &'a Datastore,
    meter: &'a Meter<'a>,
    rows: JoinedRows<'a>,
    /// Per step, made when first needed.
    hashes: Vec<Option<Arc<Places>>>,
    done: Vec<StepProfile>,
    /// Per step of a LEFT JOIN, whether the present combination has found a partner.
    partnered: Vec<bool>,
    key: Vec<u8>,
    emit: &'e mut dyn FnMut(&JoinedRows<'_>) -> ControlFlow<()>,
}

impl Run<'_, '_> {
    fn step(&mut self, depth: usize) -> Flow {
        let plan = self.plan;
        let Some(step) = plan.steps.get(depth) else {
            return Ok((self.emit)(&self.rows));
        };
        let Some(left) = &step.left else {
            return self.partners(depth);
        };
        self.partnered[depth] = false;
        if self.partners(depth)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if self.partnered[depth] {
            return GO_ON;
        }
        self.rows.absent[step.table] = true;
        let flow = match left.after.test(&self.rows)? {
            true => {
                self.done[depth].kept += 1;
                self.step(depth + 1)
            }
            false => GO_ON,
        };
        self.rows.absent[step.table] = false;
        flow
    }

    /// Every row of the step's table that goes with the rows before.
    fn partners(&mut self, depth: usize) -> Flow {
        let plan = self.plan;
        let step = &plan.steps[depth];
        let (datastore, meter) = (self.datastore, self.meter);
        let schema = &plan.schemas[step.table];
        match &step.source {
            Source::Stored(access) => pointers(datastore, schema, access, meter, &mut |ptr| {
                self.stored_row(depth, ptr)
            }),
            Source::Probe { index, key } => {
                let mut bytes = std::mem::take(&mut self.key);
                bytes.clear();
                let mut has_null = false;
                for part in key {
                    match part {
                        KeyPart::Column(slot) if self.rows.absent[slot.table] => has_null = true,
                        KeyPart::Column(slot) => bytes.extend_from_slice(self.rows.column(*slot)),
                        KeyPart::Value(value) => bytes.extend_from_slice(value),
                    }
                }
                let found = match has_null || schema.is_event {
                    true => None,
                    false => Some(datastore.index_point(*index, &bytes)),
                };
                self.key = bytes;
                match found {
                    None => GO_ON,
                    Some(found) => {
                        let (_, rows) = found?;
                        visit_all(rows, meter, &mut |ptr| self.stored_row(depth, ptr))
                    }
                }
            }
            Source::Hash => self.hashed(depth),
        }
    }

    fn stored_row(&mut self, depth: usize, ptr: RowPtr) -> Flow {
        let step = &self.plan.steps[depth];
        let row = &mut self.rows.rows[step.table];
        row.clear();
        self.datastore
            .read_row(self.plan.schemas[step.table].id, ptr, row);
        self.done[depth].visited += 1;
        self.passed(depth, &step.filter)
    }

    /// Goes on with the present row of the step's table, if it passes.
    fn passed(&mut self, depth: usize, filter: &Predicate) -> Flow {
        if !filter.test(&self.rows)? {
            return GO_ON;
        }
        if let Some(left) = &self.plan.steps[depth].left {
            self.partnered[depth] = true;
            if !left.after.test(&self.rows)? {
                return GO_ON;
            }
        }
        self.done[depth].kept += 1;
        self.step(depth + 1)
    }

    /// Stored rows through a hash table of the whole table.
    fn hashed(&mut self, depth: usize) -> Flow {
        let step = &self.plan.steps[depth];
        let Some((own, other)) = step.equality else {
            return GO_ON;
        };
        if self.hashes[depth].is_none() {
            let schema = &self.plan.schemas[step.table];
            let mut places = Places::default();
            let mut row = Vec::new();
            let (datastore, meter) = (self.datastore, self.meter);
            let _ = pointers(datastore, schema, &Access::Scan, meter, &mut |ptr| {
                row.clear();
                datastore.read_row(schema.id, ptr, &mut row);
                let key = OneRow {
                    bytes: &row,
                    schema,
                }
                .canonical(own);
                meter.hold(key.len() + HASHED_ROW_BYTES)?;
                places.entry(key).or_default().push(ptr);
                GO_ON
            })?;
            self.hashes[depth] = Some(Arc::new(places));
        }
        if self.rows.absent[other.table] {
            return GO_ON;
        }
        let hashed = self.hashes[depth].clone();
        let key = self.canonical(other);
        if let Some(places) = hashed.as_deref() {
            for ptr in places.get(&key).into_iter().flatten() {
                self.meter.tick()?;
                if self.stored_row(depth, *ptr)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        GO_ON
    }

    fn canonical(&self, slot: Slot) -> Box<[u8]> {
        let column = &self.plan.schemas[slot.table].columns[slot.column];
        let order = ColumnKind::of(&column.column_type).map(ColumnKind::order);
        canonical_bytes(order, self.rows.column(slot))
    }
}

impl OneRow<'_> {
    /// The bytes of a column, the same for equal values.
    pub(crate) fn canonical(&self, column: usize) -> Box<[u8]> {
        let ty = &self.schema.columns[column].column_type;
        let order = ColumnKind::of(ty).map(ColumnKind::order);
        canonical_bytes(order, self.column(Slot { table: 0, column }))
    }
}

/// Bytes that are equal exactly for equal values.
pub(crate) fn canonical_bytes(order: Option<crate::column_kind::Order>, bytes: &[u8]) -> Box<[u8]> {
    match order {
        Some(order) => order.canonical(bytes),
        None => bytes.into(),
    }
}

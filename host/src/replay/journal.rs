//! Going through a log: each record is taken apart, its call is run again if it has one, and the
//! state ends as recorded.
//!
//! Invariants
//!   * Between two records the rows are those that the log says, whatever the calls did now.
//!   * Before the first wanted record no call is run; all before it is one fast replay.

use spacetime_commitlog::{Inputs, TxVisitor};
use spacetime_table::{Datastore, ReplayError as RowsError};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

use super::applied::{Part, Positions, Sequences, apply};
use super::attempt::{Attempt, attempt};
use super::compare::{TableDifference, differences};
use super::record::{Call, Record, RecordBuilder, is_about_schema, is_system};
use super::runner::{Plan, Runner};
use super::{Difference, ReplayObserver, ReplayOptions, ReplayProgress, ReplaySummary, StepError};
use crate::module::Reducer;

/// How rows are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before the first wanted record.
    Skipping,
    /// Calls run; rows of this record say nothing about the schema, so far.
    Running,
    /// Rows of this record change the schema: the tables follow them, row by row.
    Describing,
}

/// The state while a log is gone through.
pub(super) struct Journal<'a> {
    options: &'a ReplayOptions,
    observer: &'a mut dyn ReplayObserver,
    runner: Runner,
    /// `None` only while the module has it.
    datastore: Option<Box<Datastore>>,
    mode: Mode,
    builder: RecordBuilder,
    sequences: Sequences,
    /// Where they stood before a record that changes the schema.
    positions_before: Positions,
    summary: ReplaySummary,
}

impl std::fmt::Debug for Journal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("mode", &self.mode)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl<'a> Journal<'a> {
    pub(super) fn new(
        options: &'a ReplayOptions,
        runner: Runner,
        observer: &'a mut dyn ReplayObserver,
    ) -> Journal<'a> {
        let mut datastore = Box::new(Datastore::new());
        datastore.replay_begin();
        Journal {
            options,
            observer,
            runner,
            datastore: Some(datastore),
            mode: Mode::Skipping,
            builder: RecordBuilder::default(),
            sequences: Sequences::default(),
            positions_before: Positions::new(),
            summary: ReplaySummary::default(),
        }
    }

    pub(super) fn summary(&self) -> ReplaySummary {
        self.summary
    }

    pub(super) fn next_offset(&self) -> TxOffset {
        self.summary.end
    }

    pub(super) fn report_progress(&mut self, progress: &ReplayProgress) {
        self.observer.progress(progress);
    }

    fn datastore(&mut self) -> &mut Datastore {
        self.state().0
    }

    fn state(&mut self) -> (&mut Datastore, &mut Sequences) {
        let datastore = self.datastore.as_deref_mut();
        let datastore = datastore.expect("the module has given the rows back");
        (datastore, &mut self.sequences)
    }

    /// Starts from a state that was brought back otherwise.
    pub(super) fn begin_with(&mut self, state: Box<Datastore>) -> Result<(), StepError> {
        self.datastore = Some(state);
        self.summary.end = self.options.from;
        self.begin_running()
    }

    /// The state before the first wanted record is complete.
    fn begin_running(&mut self) -> Result<(), StepError> {
        let (datastore, sequences) = self.state();
        *sequences = Sequences::of(datastore);
        let program = Runner::program_in(datastore);
        self.mode = Mode::Running;
        self.runner.load(program)?;
        Ok(())
    }

    /// The schema changes: from here on, rows of this record are put in place as they come.
    fn begin_describing(&mut self) {
        let (datastore, sequences) = self.state();
        let positions = sequences.positions(datastore);
        datastore.replay_begin();
        self.positions_before = positions;
        self.mode = Mode::Describing;
    }

    fn take_row<'r>(
        &mut self,
        table: TableId,
        rows: &mut Reader<'r>,
        is_insert: bool,
    ) -> Result<&'r [u8], StepError> {
        if self.mode == Mode::Running && is_about_schema(table) {
            self.begin_describing();
        }
        let follow_type = is_insert && self.mode == Mode::Describing;
        let len = match follow_type {
            true => self.datastore().replay_row_len(table, rows.rest())?,
            false => self.row_len(table, rows.rest())?,
        };
        let row = rows.take(len);
        Ok(row.expect("a row is not longer than the bytes it was read from"))
    }

    /// Length of the row of a table, as the table is now, at the start of `bytes`.
    fn row_len(&mut self, table: TableId, bytes: &[u8]) -> Result<usize, StepError> {
        let schema = self.datastore().schema(table);
        let schema = schema.ok_or(RowsError::UnknownTable(table))?;
        let len = schema.layout.row_len(bytes);
        Ok(len.map_err(|error| RowsError::InvalidRow {
            table: schema.name.clone(),
            error,
        })?)
    }

    fn finish(&mut self) -> Result<(), StepError> {
        let mut record = self.builder.take();
        self.runner.follow(&record)?;
        let plan = self.runner.plan(record.call.as_ref());
        let runs = matches!(plan, Plan::Run(_) | Plan::Impossible(_));
        if self.mode == Mode::Describing {
            self.finish_describing(&record, runs)?;
        } else {
            let module_rows = if runs { &[][..] } else { &[Part::Module] };
            let parts = [&[Part::Before], module_rows].concat();
            let (datastore, sequences) = self.state();
            apply(datastore, &record, &parts)?;
            sequences.follow_blocks(datastore, &record);
        }
        record.expand_truncations(self.datastore());
        let is_described = self.mode == Mode::Describing;
        match (plan, record.call.take()) {
            (Plan::Run(reducer), Some(call)) => self.run(&record, &call, &reducer)?,
            (Plan::Impossible(reason), Some(call)) => {
                self.summary.calls += 1;
                let rows_max = self.options.rows_max;
                let tables = differences(&record, None, self.datastore(), rows_max);
                self.report(&record, &call, Some(reason), tables);
                self.apply_module_rows(&record)?;
            }
            _ => {
                let (datastore, sequences) = self.state();
                sequences.pass_recorded(datastore, &record);
            }
        }
        if !is_described {
            apply(self.datastore(), &record, &[Part::After])?;
        }
        self.mode = Mode::Running;
        self.summary.transactions += 1;
        Ok(())
    }

    /// Ends a record that changed the schema. The rows of tables about the schema are in place.
    fn finish_describing(&mut self, record: &Record, runs: bool) -> Result<(), StepError> {
        let datastore = self.datastore();
        let rest = || {
            let tables = record.tables.iter().map(|(id, changed)| (*id, changed));
            tables.filter(|(id, _)| !is_about_schema(*id) && (is_system(*id) || !runs))
        };
        for (id, changed) in rest() {
            for row in changed.inserts.iter() {
                datastore.replay_insert(id, row)?;
            }
        }
        for (id, changed) in rest() {
            for row in changed.deletes.iter() {
                datastore.replay_delete(id, row)?;
            }
        }
        for (id, _) in rest().filter(|(_, changed)| changed.truncated) {
            datastore.replay_truncate(id)?;
        }
        datastore.replay_commit()?;
        datastore.finish_replay()?;
        let before = std::mem::take(&mut self.positions_before);
        let (datastore, sequences) = self.state();
        sequences.settle(datastore, &before, runs);
        Ok(())
    }

    fn run(&mut self, record: &Record, call: &Call, reducer: &Reducer) -> Result<(), StepError> {
        self.summary.calls += 1;
        let (datastore, sequences) = self.state();
        let positions = sequences.positions(datastore);
        let first = self.attempt(record, call, reducer)?;
        if first.is_equal() {
            return self.keep(record, &first, &positions);
        }
        let jumps = self.jumps(record, &first, &positions)?;
        if !jumps.is_empty() {
            Sequences::restore(self.datastore(), &jumps);
            self.runner.start_over();
            let second = self.attempt(record, call, reducer)?;
            if second.is_equal() {
                self.summary.sequence_jumps += 1;
                return self.keep(record, &second, &positions);
            }
            second.undo(self.datastore())?;
            Sequences::restore(self.datastore(), &positions);
        }
        let failure = first.effect.err();
        self.report(record, call, failure, first.tables);
        self.apply_module_rows(record)
    }

    fn attempt(
        &mut self,
        record: &Record,
        call: &Call,
        reducer: &Reducer,
    ) -> Result<Attempt, StepError> {
        let datastore = self.datastore.take();
        let datastore = datastore.expect("the rows are lent once at a time");
        let rows_max = self.options.rows_max;
        let runner = &mut self.runner;
        let (datastore, result) = attempt(runner, datastore, record, call, reducer, rows_max);
        self.datastore = Some(datastore);
        result
    }

    /// An equal effect stays, unless it wrote system rows that are not the recorded ones.
    fn keep(
        &mut self,
        record: &Record,
        equal: &Attempt,
        positions: &Positions,
    ) -> Result<(), StepError> {
        if equal.leaves_recorded_state() {
            return Ok(());
        }
        equal.undo(self.datastore())?;
        Sequences::restore(self.datastore(), positions);
        self.apply_module_rows(record)
    }

    /// Takes an effect back, and says where else the sequences may have stood before it.
    fn jumps(
        &mut self,
        record: &Record,
        attempt: &Attempt,
        positions: &Positions,
    ) -> Result<Positions, StepError> {
        let (datastore, sequences) = self.state();
        attempt.undo(datastore)?;
        Sequences::restore(datastore, positions);
        Ok(sequences.jumps(datastore, record))
    }

    /// The recorded rows, where those of now would be.
    fn apply_module_rows(&mut self, record: &Record) -> Result<(), StepError> {
        let (datastore, sequences) = self.state();
        apply(datastore, record, &[Part::Module])?;
        sequences.pass_recorded(datastore, record);
        Ok(())
    }

    fn report(
        &mut self,
        record: &Record,
        call: &Call,
        failure: Option<Box<str>>,
        tables: Vec<TableDifference>,
    ) {
        self.summary.different += 1;
        self.summary.first_difference.get_or_insert(record.offset);
        self.observer.difference(&Difference {
            offset: record.offset,
            reducer: call.reducer.clone(),
            caller: call.caller,
            connection_id: call.connection_id,
            timestamp: call.timestamp,
            failure,
            tables,
        });
    }
}

impl TxVisitor for Journal<'_> {
    type Error = StepError;

    fn begin(&mut self, offset: TxOffset) -> Result<(), StepError> {
        if self.options.until.is_some_and(|until| offset >= until) {
            return Err(StepError::End);
        }
        if self.mode == Mode::Skipping && offset >= self.options.from {
            self.datastore().finish_replay()?;
            self.begin_running()?;
        }
        self.builder.begin(offset);
        Ok(())
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), StepError> {
        self.builder.call(&inputs);
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), StepError> {
        if self.mode == Mode::Skipping {
            let used = self.datastore().replay_insert(table, rows.rest())?;
            let _ = rows.take(used);
            return Ok(());
        }
        let row = self.take_row(table, rows, true)?;
        self.builder.insert(table, row);
        if is_about_schema(table) {
            self.datastore().replay_insert(table, row)?;
        }
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), StepError> {
        if self.mode == Mode::Skipping {
            let used = self.datastore().replay_delete(table, rows.rest())?;
            let _ = rows.take(used);
            return Ok(());
        }
        let row = self.take_row(table, rows, false)?;
        self.builder.delete(table, row);
        if is_about_schema(table) {
            self.datastore().replay_delete(table, row)?;
        }
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), StepError> {
        if self.mode == Mode::Skipping {
            return Ok(self.datastore().replay_truncate(table)?);
        }
        if self.mode == Mode::Running && is_about_schema(table) {
            self.begin_describing();
        }
        self.builder.truncate(table);
        if is_about_schema(table) {
            self.datastore().replay_truncate(table)?;
        }
        Ok(())
    }

    fn end(&mut self, offset: TxOffset) -> Result<(), StepError> {
        match self.mode {
            Mode::Skipping => self.datastore().replay_commit()?,
            Mode::Running | Mode::Describing => self.finish()?,
        }
        self.summary.end = TxOffset(offset.0 + 1);
        Ok(())
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), StepError> {
        // Only before the first wanted record, in its commit.
        let len = self.row_len(table, rows.rest())?;
        let _ = rows.take(len);
        Ok(())
    }
}

//! `stat`: how much there is of what, and when it was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use spacetime_commitlog::txdata::Inputs;
use spacetime_types::TableId;

use crate::error::OfflineError;
use crate::finding::{Finding, Severity};
use crate::histogram::{SizeHistogram, TimeHistogram};
use crate::pass::{self, PassListener};
use crate::place::Place;
use crate::progress::Progress;
use crate::records::{RecordListener, RecordPlace};
use crate::scan::{ScannedCommit, ScannedSegment};
use crate::schemas::{Schemas, TableShape};

/// Most reducers that are counted one by one. A damaged log could name any number.
pub const REDUCER_COUNT_MAX: usize = 10_000;

/// Changes of one table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableStat {
    pub id: u32,
    pub name: String,
    /// Transactions that changed the table.
    pub transactions: u64,
    pub inserts: u64,
    pub deletes: u64,
    pub truncates: u64,
    pub insert_bytes: u64,
    pub delete_bytes: u64,
}

/// Calls of one reducer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReducerStat {
    pub name: String,
    pub calls: u64,
    /// Bytes of the records, with arguments and rows.
    pub bytes: u64,
    pub rows: u64,
    pub first_micros: Option<i64>,
    pub last_micros: Option<i64>,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StatReport {
    pub log: String,
    pub segments: u64,
    /// Bytes on disk, and of the content.
    pub bytes: u64,
    pub content_bytes: u64,
    pub record_bytes: u64,
    pub commits: u64,
    pub transactions: u64,
    /// Those without a call: made by the server itself.
    pub internal_transactions: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub first_micros: Option<i64>,
    pub last_micros: Option<i64>,
    /// Mean over the whole time; `None` if no time passed.
    pub transactions_per_second: Option<f64>,
    pub bytes_per_second: Option<f64>,
    pub transactions_per_commit: Option<f64>,
    pub tables: Vec<TableStat>,
    pub reducers: Vec<ReducerStat>,
    /// Sizes of records.
    pub sizes: SizeHistogram,
    /// Over the time that the calls say.
    pub times: TimeHistogram,
    /// Pieces of damage; the counts are of what could be read.
    pub damages: u64,
}

/// Counts everything in a log.
pub fn stat(place: &Place, progress: &dyn Progress) -> Result<StatReport, OfflineError> {
    let mut counter = Counter::default();
    counter.report.log = place.log_dir().display().to_string();
    pass::run(
        place,
        &mut Schemas::at_start_of(place),
        &mut counter,
        progress,
    )?;
    Ok(counter.finish())
}

#[derive(Default)]
struct Counter {
    report: StatReport,
    tables: BTreeMap<TableId, TableStat>,
    reducers: BTreeMap<String, ReducerStat>,
    current: Current,
}

/// The record that is being read.
#[derive(Default)]
struct Current {
    reducer: Option<String>,
    micros: Option<i64>,
    tables: Vec<TableId>,
    rows: u64,
}

impl Counter {
    fn table(&mut self, id: TableId, shape: Option<&Arc<TableShape>>) -> &mut TableStat {
        if self.current.tables.last() != Some(&id) && !self.current.tables.contains(&id) {
            self.current.tables.push(id);
            let table = self.tables.entry(id).or_default();
            table.transactions += 1;
            table.id = id.0;
            if let Some(shape) = shape
                && table.name != *shape.name
            {
                table.name = shape.name.to_string();
            }
        }
        self.tables.entry(id).or_default()
    }

    fn finish(self) -> StatReport {
        let mut report = self.report;
        report.tables = self.tables.into_values().collect();
        report.reducers = self.reducers.into_values().collect();
        report
            .tables
            .sort_by_key(|table| std::cmp::Reverse(table.insert_bytes + table.delete_bytes));
        report
            .reducers
            .sort_by_key(|reducer| std::cmp::Reverse((reducer.calls, reducer.bytes)));
        if let (Some(first), Some(last)) = (report.first_micros, report.last_micros) {
            let seconds = last.saturating_sub(first) as f64 / 1e6;
            if seconds > 0.0 {
                report.transactions_per_second = Some(report.transactions as f64 / seconds);
                report.bytes_per_second = Some(report.record_bytes as f64 / seconds);
            }
        }
        if report.commits > 0 {
            let mean = report.transactions as f64 / report.commits as f64;
            report.transactions_per_commit = Some(mean);
        }
        report
    }
}

impl RecordListener for Counter {
    fn begin(&mut self, place: RecordPlace<'_>) {
        self.current = Current::default();
        self.report.first.get_or_insert(place.offset.0);
        self.report.last = Some(place.offset.0);
    }

    fn inputs(&mut self, inputs: Inputs<'_>) {
        self.current.reducer = Some(inputs.reducer.to_owned());
        self.current.micros = inputs.call().map(|call| call.timestamp_micros);
    }

    fn insert(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        self.current.rows += 1;
        let table = self.table(shape.id, Some(shape));
        table.inserts += 1;
        table.insert_bytes += row.len() as u64;
    }

    fn delete(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        self.current.rows += 1;
        let table = self.table(shape.id, Some(shape));
        table.deletes += 1;
        table.delete_bytes += row.len() as u64;
    }

    fn truncate(&mut self, table: TableId, shape: Option<&Arc<TableShape>>) {
        self.table(table, shape).truncates += 1;
    }

    fn end(&mut self, bytes: &[u8]) {
        let bytes = bytes.len() as u64;
        let report = &mut self.report;
        report.transactions += 1;
        report.record_bytes += bytes;
        report.sizes.add(bytes);
        let current = std::mem::take(&mut self.current);
        if let Some(micros) = current.micros {
            report.times.add(micros, bytes);
            let earliest = report
                .first_micros
                .map_or(micros, |first| first.min(micros));
            let latest = report.last_micros.map_or(micros, |last| last.max(micros));
            report.first_micros = Some(earliest);
            report.last_micros = Some(latest);
        }
        let Some(mut name) = current.reducer else {
            report.internal_transactions += 1;
            return;
        };
        if self.reducers.len() >= REDUCER_COUNT_MAX && !self.reducers.contains_key(&name) {
            name = "(others)".to_owned();
        }
        let reducer = self
            .reducers
            .entry(name)
            .or_insert_with_key(|name| ReducerStat {
                name: name.clone(),
                ..ReducerStat::default()
            });
        reducer.calls += 1;
        reducer.bytes += bytes;
        reducer.rows += current.rows;
        if let Some(micros) = current.micros {
            reducer.first_micros.get_or_insert(micros);
            reducer.last_micros = Some(micros);
        }
    }
}

impl PassListener for Counter {
    fn commit(&mut self, _commit: &ScannedCommit<'_>) {
        self.report.commits += 1;
    }

    fn finding(&mut self, finding: Finding) {
        self.report.damages += u64::from(finding.severity == Severity::Damage);
    }

    fn segment(&mut self, segment: ScannedSegment) {
        self.report.segments += 1;
        self.report.bytes += segment.file_len;
        self.report.content_bytes += segment.content_len;
    }
}

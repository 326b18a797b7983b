//! `diff` of two logs: the first transaction that differs, and in what.
//!
//! Transactions count as equal if they have the same call and change the same rows; the order of
//! rows and how transactions are grouped into commits is nobody's business.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;
use spacetime_commitlog::storage::StorageError;
use spacetime_commitlog::txdata::Inputs;
use spacetime_types::TableId;

use crate::error::OfflineError;
use crate::finding::{Finding, Severity};
use crate::pass;
use crate::place::Place;
use crate::progress::{Progress, Throttled};
use crate::records::{RecordListener, RecordPlace, read_commit};
use crate::scan::{Event, Scan};
use crate::schemas::{Schemas, TableShape};
use crate::show::{ShownCall, ShownTable, ShownTransaction};

/// One side of a comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    pub log: String,
    /// The first and the next transaction, as far as they are known.
    pub first: Option<u64>,
    pub next: Option<u64>,
    /// Damage that was met on the way.
    pub findings: Vec<Finding>,
}

/// The first difference.
#[derive(Clone, Debug)]
pub struct Difference {
    pub offset: u64,
    /// `None` if the log does not have the transaction.
    pub left: Option<ShownTransaction>,
    pub right: Option<ShownTransaction>,
    /// In words, one thing each.
    pub what: Vec<String>,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub struct CompareReport {
    pub left: Side,
    pub right: Side,
    /// Transactions that both logs have, and that are equal.
    pub equal: u64,
    /// Equal ones that are stored differently.
    pub stored_differently: u64,
    pub difference: Option<Difference>,
}

/// Compares two logs from the first transaction that both have.
pub fn logs(
    left: &Place,
    right: &Place,
    progress: &dyn Progress,
) -> Result<CompareReport, OfflineError> {
    let total = pass::total_bytes(left)? + pass::total_bytes(right)?;
    let mut throttled = Throttled::new(progress, total);
    let mut left = Stream::open(left)?;
    let mut right = Stream::open(right)?;
    let mut report = CompareReport::default();
    let common = left.first().max(right.first());
    left.skip_to(common);
    right.skip_to(common);
    loop {
        throttled.at(left.scan.bytes_read() + right.scan.bytes_read());
        let (one, other) = (left.peek(), right.peek());
        let (one, other) = match (one, other) {
            (None, None) => break,
            (Some(one), Some(other)) if one.transaction.offset == other.transaction.offset => {
                (one, other)
            }
            (one, other) => {
                report.difference = Some(missing(one, other));
                break;
            }
        };
        let what = differences(&one.transaction, &other.transaction);
        if !what.is_empty() {
            report.difference = Some(Difference {
                offset: one.transaction.offset,
                left: Some(one.transaction.clone()),
                right: Some(other.transaction.clone()),
                what,
            });
            break;
        }
        report.stored_differently += u64::from(one.bytes != other.bytes);
        report.equal += 1;
        left.waiting.pop_front();
        right.waiting.pop_front();
    }
    report.left = left.finish();
    report.right = right.finish();
    Ok(report)
}

fn missing(left: Option<&Record>, right: Option<&Record>) -> Difference {
    let offset = |record: Option<&Record>| record.map(|record| record.transaction.offset);
    let in_left = match (offset(left), offset(right)) {
        (Some(left), Some(right)) => left < right,
        (left, _) => left.is_some(),
    };
    let (record, side) = match in_left {
        true => (left, "right"),
        false => (right, "left"),
    };
    let transaction = record.map(|record| record.transaction.clone());
    let offset = transaction.as_ref().map_or(0, |found| found.offset);
    let what = vec![format!("the {side} log does not have transaction {offset}")];
    let (left, right) = match in_left {
        true => (transaction, None),
        false => (None, transaction),
    };
    Difference {
        offset,
        left,
        right,
        what,
    }
}

/// In what two transactions differ, in words.
fn differences(left: &ShownTransaction, right: &ShownTransaction) -> Vec<String> {
    let mut what = Vec::new();
    match (&left.call, &right.call) {
        (Some(left), Some(right)) => {
            let pairs = [
                ("reducer", left.reducer == right.reducer),
                ("caller", left.caller == right.caller),
                ("connection", left.connection == right.connection),
                ("time", left.time == right.time),
                ("arguments", left.arguments == right.arguments),
            ];
            let different = pairs.iter().filter(|(_, equal)| !equal);
            what.extend(different.map(|(name, _)| format!("the {name} of the call")));
        }
        (None, None) => {}
        _ => what.push("only one of them comes from a call".to_owned()),
    }
    if left.outputs != right.outputs {
        what.push("what the call returned".to_owned());
    }
    if left.broken != right.broken {
        what.push("one of them cannot be read".to_owned());
    }
    let mut ids: Vec<TableId> = left
        .tables
        .iter()
        .chain(&right.tables)
        .map(|t| t.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let find = |side: &ShownTransaction| side.tables.iter().find(|t| t.id == id).cloned();
        let (left, right) = (find(left), find(right));
        if let Some(text) = table_difference(left.as_ref(), right.as_ref()) {
            what.push(text);
        }
    }
    what
}

fn table_difference(left: Option<&ShownTable>, right: Option<&ShownTable>) -> Option<String> {
    let name = left.or(right)?.name();
    let (Some(left), Some(right)) = (left, right) else {
        let side = if left.is_some() { "left" } else { "right" };
        return Some(format!("the table `{name}` changes only in the {side} log"));
    };
    if left.truncated != right.truncated {
        return Some(format!(
            "the table `{name}` is emptied in one of the logs only"
        ));
    }
    let mut parts = Vec::new();
    for (word, one, other) in [
        ("inserted", &left.inserts, &right.inserts),
        ("deleted", &left.deletes, &right.deletes),
    ] {
        // Both were sorted when they were read.
        let only = |rows: &[Vec<u8>], others: &[Vec<u8>]| {
            let alone = rows.iter().filter(|row| others.binary_search(row).is_err());
            alone.count()
        };
        let (only_left, only_right) = (only(one, other), only(other, one));
        if only_left + only_right > 0 {
            parts.push(format!(
                "{word} only left {only_left}, only right {only_right}"
            ));
        }
    }
    (!parts.is_empty()).then(|| format!("rows of the table `{name}`: {}", parts.join("; ")))
}

/// The transactions of one log, one after the other.
struct Stream {
    scan: Scan,
    schemas: Schemas,
    waiting: VecDeque<Record>,
    side: Side,
}

#[derive(Debug)]
struct Record {
    transaction: ShownTransaction,
    bytes: Vec<u8>,
}

impl Stream {
    fn open(place: &Place) -> Result<Stream, StorageError> {
        Ok(Stream {
            scan: Scan::open(place)?,
            schemas: Schemas::at_start_of(place),
            waiting: VecDeque::new(),
            side: Side {
                log: place.log_dir().display().to_string(),
                ..Side::default()
            },
        })
    }

    fn first(&mut self) -> Option<u64> {
        self.peek().map(|record| record.transaction.offset)
    }

    fn skip_to(&mut self, offset: Option<u64>) {
        while let Some(record) = self.peek() {
            if Some(record.transaction.offset) >= offset {
                break;
            }
            self.waiting.pop_front();
        }
    }

    /// The next transaction.
    fn peek(&mut self) -> Option<&Record> {
        while self.waiting.is_empty() {
            match self.scan.next()? {
                Event::SegmentEnd(_) => {}
                Event::Finding(finding) => self.side.note(finding),
                Event::Commit(commit) => {
                    self.side.first.get_or_insert(commit.header.start.0);
                    let mut collector = Collector::default();
                    let side = &mut self.side;
                    let tell = &mut |finding| side.note(finding);
                    read_commit(&commit, &mut self.schemas, &mut collector, tell);
                    self.waiting.extend(collector.records);
                }
            }
        }
        self.waiting.front()
    }

    fn finish(mut self) -> Side {
        self.side.next = self.scan.expected();
        self.side
    }
}

impl Side {
    fn note(&mut self, finding: Finding) {
        const FINDING_COUNT_MAX: usize = 1000;
        if finding.severity == Severity::Damage && self.findings.len() < FINDING_COUNT_MAX {
            self.findings.push(finding);
        }
    }
}

/// Keeps whole transactions.
#[derive(Default)]
struct Collector {
    records: Vec<Record>,
    current: Option<ShownTransaction>,
}

impl Collector {
    fn table(&mut self, id: TableId, shape: Option<&Arc<TableShape>>) -> Option<&mut ShownTable> {
        let tables = &mut self.current.as_mut()?.tables;
        let position = tables.iter().rposition(|table| table.id == id);
        let position = position.unwrap_or_else(|| {
            tables.push(ShownTable::new(id, shape));
            tables.len() - 1
        });
        tables.get_mut(position)
    }

    fn finish(&mut self, bytes: &[u8], broken: Option<String>) {
        if let Some(mut transaction) = self.current.take() {
            transaction.bytes = bytes.len() as u64;
            transaction.broken = broken;
            transaction.tables.sort_by_key(|table| table.id);
            for table in &mut transaction.tables {
                table.inserts.sort_unstable();
                table.deletes.sort_unstable();
            }
            self.records.push(Record {
                transaction,
                bytes: bytes.to_vec(),
            });
        }
    }
}

impl RecordListener for Collector {
    fn begin(&mut self, place: RecordPlace<'_>) {
        self.current = Some(ShownTransaction::new(place));
    }

    fn inputs(&mut self, inputs: Inputs<'_>) {
        if let Some(current) = &mut self.current {
            current.call = Some(ShownCall::new(inputs));
        }
    }

    fn outputs(&mut self, outputs: &str) {
        if let Some(current) = &mut self.current {
            current.outputs = Some(outputs.to_owned());
        }
    }

    fn insert(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        if let Some(table) = self.table(shape.id, Some(shape)) {
            table.inserts.push(row.to_vec());
        }
    }

    fn delete(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        if let Some(table) = self.table(shape.id, Some(shape)) {
            table.deletes.push(row.to_vec());
        }
    }

    fn truncate(&mut self, id: TableId, shape: Option<&Arc<TableShape>>) {
        if let Some(table) = self.table(id, shape) {
            table.truncated = true;
        }
    }

    fn end(&mut self, bytes: &[u8]) {
        self.finish(bytes, None);
    }

    fn broken(&mut self, finding: &Finding) {
        self.finish(&[], Some(finding.text.clone()));
    }
}

//! Taking the records of a commit apart: calls, and rows by their tables' types.
//!
//! Invariants
//!   * A record that cannot be read ends its commit: nothing says where the next one begins.
//!   * Whoever listens gets only rows that are valid for the table's type at that point.

use std::sync::Arc;

use spacetime_commitlog::txdata::{self, Inputs, TxVisitor, TxdataError};
use spacetime_types::bsatn::Reader;
use spacetime_types::{TableId, TxOffset};

use crate::finding::{Finding, FindingKind, Severity};
use crate::scan::ScannedCommit;
use crate::schemas::{Schemas, TableShape};

/// Where a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordPlace<'a> {
    pub(crate) offset: TxOffset,
    pub(crate) file: &'a str,
    pub(crate) byte: u64,
    pub(crate) after_damage: bool,
}

/// Listens to the parts of records in the order in which they are stored.
pub(crate) trait RecordListener {
    /// A record begins.
    fn begin(&mut self, place: RecordPlace<'_>);
    /// The call that it came from.
    fn inputs(&mut self, _inputs: Inputs<'_>) {}
    /// What the call returned.
    fn outputs(&mut self, _outputs: &str) {}
    /// A row was inserted.
    fn insert(&mut self, shape: &Arc<TableShape>, row: &[u8]);
    /// A row was deleted.
    fn delete(&mut self, shape: &Arc<TableShape>, row: &[u8]);
    /// All rows of a table were deleted. The shape is known if the log describes the table.
    fn truncate(&mut self, table: TableId, shape: Option<&Arc<TableShape>>);
    /// The record is complete, and took so many bytes.
    fn end(&mut self, bytes: &[u8]);
    /// The rest of the record, and of its commit, cannot be read.
    fn broken(&mut self, _finding: &Finding) {}
}

/// Why the visitor below stopped.
#[derive(Debug)]
enum Stop {
    UnknownTable(String),
    Row(String),
}

struct Visitor<'a, 'p, L> {
    schemas: &'a mut Schemas,
    listener: &'a mut L,
    place: RecordPlace<'p>,
    /// Rows of a schema that make no sense, and lists that are not in order.
    oddities: Vec<(FindingKind, Severity, String)>,
    last_insert: Option<TableId>,
    last_delete: Option<TableId>,
    last_truncate: Option<TableId>,
}

impl<L: RecordListener> Visitor<'_, '_, L> {
    fn take<'r>(
        &mut self,
        table: TableId,
        rows: &mut Reader<'r>,
    ) -> Result<(Arc<TableShape>, &'r [u8]), Stop> {
        let shape = self.schemas.shape(table).map_err(Stop::UnknownTable)?;
        let shape = Arc::clone(shape);
        let len = shape.layout.row_len(rows.rest());
        let len = len.map_err(|error| Stop::Row(not_a_row(&shape, &error)))?;
        let row = rows.take(len);
        let row = row.map_err(|error| Stop::Row(not_a_row(&shape, &error)))?;
        Ok((shape, row))
    }

    fn check_order(&mut self, list: &str, last: Option<TableId>, table: TableId) {
        if last.is_some_and(|last| last > table) {
            let text = format!("the {list} are not in the order of their tables");
            self.odd(FindingKind::Order, Severity::Warning, text);
        }
    }

    fn odd(&mut self, kind: FindingKind, severity: Severity, text: String) {
        const ODDITY_COUNT_MAX: usize = 16;
        let is_new = !self.oddities.iter().any(|(_, _, told)| *told == text);
        if is_new && self.oddities.len() < ODDITY_COUNT_MAX {
            self.oddities.push((kind, severity, text));
        }
    }

    fn note_schema(&mut self, noted: Result<(), String>, shape: &TableShape) {
        if let Err(error) = noted {
            let text = format!("a row of `{}` makes no sense: {error}", shape.name);
            self.odd(FindingKind::Schema, Severity::Damage, text);
        }
    }
}

fn not_a_row(shape: &TableShape, error: &dyn std::fmt::Display) -> String {
    format!("not a row of the table `{}`: {error}", shape.name)
}

impl<L: RecordListener> TxVisitor for Visitor<'_, '_, L> {
    type Error = Stop;

    fn begin(&mut self, _offset: TxOffset) -> Result<(), Stop> {
        self.listener.begin(self.place);
        Ok(())
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), Stop> {
        self.listener.inputs(inputs);
        Ok(())
    }

    fn outputs(&mut self, outputs: &str) -> Result<(), Stop> {
        self.listener.outputs(outputs);
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        let (shape, row) = self.take(table, rows)?;
        self.check_order("inserts", self.last_insert, table);
        self.last_insert = Some(table);
        self.listener.insert(&shape, row);
        let noted = self.schemas.inserted(table, row);
        self.note_schema(noted, &shape);
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        let (shape, row) = self.take(table, rows)?;
        self.check_order("deletes", self.last_delete, table);
        self.last_delete = Some(table);
        self.listener.delete(&shape, row);
        let noted = self.schemas.deleted(table, row);
        self.note_schema(noted, &shape);
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), Stop> {
        self.check_order("emptied tables", self.last_truncate, table);
        self.last_truncate = Some(table);
        let shape = self.schemas.shape(table).cloned();
        match &shape {
            Ok(shape) => self.listener.truncate(table, Some(shape)),
            Err(error) => {
                let text = format!("a table is emptied, but {error}");
                self.odd(FindingKind::UnknownTable, Severity::Damage, text);
                self.listener.truncate(table, None);
            }
        }
        Ok(())
    }

    fn end(&mut self, _offset: TxOffset) -> Result<(), Stop> {
        self.schemas.end_of_record();
        Ok(())
    }

    fn skip_row(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), Stop> {
        self.take(table, rows).map(drop)
    }
}

/// Reads all records of a commit. Returns how many were readable.
pub(crate) fn read_commit<L: RecordListener>(
    commit: &ScannedCommit<'_>,
    schemas: &mut Schemas,
    listener: &mut L,
    tell: &mut dyn FnMut(Finding),
) -> u64 {
    let mut reader = Reader::new(commit.records);
    let start = commit.header.start.0;
    let count = u64::from(commit.header.record_count);
    let records_at = commit.records_at();
    for nth in 0..count {
        let offset = start + nth;
        let begin = reader.offset();
        let byte = records_at + begin as u64;
        let mut visitor = Visitor {
            schemas: &mut *schemas,
            listener: &mut *listener,
            place: RecordPlace {
                offset: TxOffset(offset),
                file: commit.file,
                byte,
                after_damage: commit.after_damage,
            },
            oddities: Vec::new(),
            last_insert: None,
            last_delete: None,
            last_truncate: None,
        };
        let result = txdata::decode(TxOffset(offset), &mut reader, &mut visitor);
        for (kind, severity, text) in std::mem::take(&mut visitor.oddities) {
            tell(Finding::new(
                severity,
                kind,
                commit.file,
                byte,
                offset,
                text,
            ));
        }
        if let Err(error) = result {
            let at = records_at + reader.offset() as u64;
            let left = count - nth - 1;
            let finding = broken(commit, at, offset, left, error);
            schemas.end_of_record();
            listener.broken(&finding);
            tell(finding);
            return nth;
        }
        listener.end(reader.consumed_since(begin));
    }
    let surplus = reader.rest().len();
    if surplus > 0 {
        let at = records_at + reader.offset() as u64;
        let text = format!("{surplus} bytes behind the last record of the commit");
        let kind = FindingKind::SurplusBytes;
        let last = start + count - 1;
        tell(Finding::new(
            Severity::Damage,
            kind,
            commit.file,
            at,
            last,
            text,
        ));
    }
    count
}

fn broken(
    commit: &ScannedCommit<'_>,
    at: u64,
    offset: u64,
    left: u64,
    error: TxdataError<Stop>,
) -> Finding {
    let (kind, mut text) = match error {
        TxdataError::Malformed(error) => (FindingKind::Record, format!("malformed: {error}")),
        TxdataError::Visitor(Stop::UnknownTable(error)) => (FindingKind::UnknownTable, error),
        TxdataError::Visitor(Stop::Row(error)) => (FindingKind::Row, error),
    };
    if left > 0 {
        text.push_str(&format!(
            "; {left} more transactions of the same commit cannot be read"
        ));
    }
    if commit.after_damage {
        text.push_str(" (transactions before were lost; they may have changed the table)");
    }
    Finding::new(Severity::Damage, kind, commit.file, at, offset, text)
}

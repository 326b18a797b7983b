//! `show`: transactions with their calls and rows.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use spacetime_commitlog::txdata::Inputs;
use spacetime_types::{ConnectionId, Identity, TableId, Timestamp, hex, json};

use crate::error::OfflineError;
use crate::filter::{Filter, RowMatcher};
use crate::finding::{Finding, Severity};
use crate::pass::{self, PassListener};
use crate::place::Place;
use crate::progress::Progress;
use crate::records::{RecordListener, RecordPlace};
use crate::row_text;
use crate::schemas::{Schemas, TableShape};

/// The rows of one table that a transaction changed.
#[derive(Clone, Debug)]
pub struct ShownTable {
    pub id: TableId,
    /// `None` if the log does not describe the table. Then there are no rows.
    pub shape: Option<Arc<TableShape>>,
    /// BSATN of each row.
    pub inserts: Vec<Vec<u8>>,
    pub deletes: Vec<Vec<u8>>,
    /// All rows were deleted.
    pub truncated: bool,
}

/// The call that a transaction came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCall {
    pub reducer: String,
    /// `None` if the arguments are not of the usual form.
    pub caller: Option<Identity>,
    pub connection: Option<ConnectionId>,
    pub time: Option<Timestamp>,
    /// BSATN of the arguments. Their types are known to the module only.
    pub arguments: Vec<u8>,
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct ShownTransaction {
    pub offset: u64,
    pub file: String,
    /// Where its record begins in the file.
    pub byte: u64,
    /// Bytes of its record.
    pub bytes: u64,
    pub call: Option<ShownCall>,
    pub outputs: Option<String>,
    pub tables: Vec<ShownTable>,
    /// Transactions before it were lost, so the tables may have other columns by now.
    pub after_damage: bool,
    /// Why the rest of it cannot be read.
    pub broken: Option<String>,
}

/// What was gone over.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ShowReport {
    pub shown: u64,
    /// Damage that was met.
    pub findings: Vec<Finding>,
}

/// Calls `take` for each wanted transaction, in order, until it breaks.
pub fn show(
    place: &Place,
    filter: &Filter,
    progress: &dyn Progress,
    take: &mut dyn FnMut(&ShownTransaction) -> ControlFlow<()>,
) -> Result<ShowReport, OfflineError> {
    let mut shower = Shower {
        filter,
        take,
        matcher: RowMatcher::default(),
        current: None,
        last_micros: None,
        report: ShowReport::default(),
        done: false,
    };
    pass::run(
        place,
        &mut Schemas::at_start_of(place),
        &mut shower,
        progress,
    )?;
    // With a limit, the tables of a condition may come later.
    if shower.report.shown == 0
        && let Some(condition) = shower.matcher.never_understood(&filter.conditions).next()
    {
        return Err(OfflineError::Condition {
            condition: format!("{}={}", condition.column, condition.value),
            cause: "no changed table has a column of this name that can hold this value".to_owned(),
        });
    }
    Ok(shower.report)
}

struct Shower<'a> {
    filter: &'a Filter,
    take: &'a mut dyn FnMut(&ShownTransaction) -> ControlFlow<()>,
    matcher: RowMatcher,
    /// The wanted transaction that is being read.
    current: Option<ShownTransaction>,
    last_micros: Option<i64>,
    report: ShowReport,
    done: bool,
}

impl Shower<'_> {
    fn table(&mut self, id: TableId, shape: Option<&Arc<TableShape>>) -> Option<&mut ShownTable> {
        let name = shape.map(|shape| &*shape.name);
        if !self.filter.wants_table(id, name) {
            return None;
        }
        let tables = &mut self.current.as_mut()?.tables;
        // Lists ascend by table, so the one that is wanted is mostly the last.
        let position = tables.iter().rposition(|table| table.id == id);
        let position = position.unwrap_or_else(|| {
            tables.push(ShownTable::new(id, shape));
            tables.len() - 1
        });
        tables.get_mut(position)
    }

    fn wants_row(&mut self, shape: &Arc<TableShape>, row: &[u8]) -> bool {
        self.current.is_some()
            && self.filter.wants_table(shape.id, Some(&shape.name))
            && self.matcher.matches(&self.filter.conditions, shape, row)
    }

    fn finish(&mut self, bytes: u64, broken: Option<String>) {
        let Some(mut transaction) = self.current.take() else {
            return;
        };
        let call = transaction.call.as_ref();
        let time = call.and_then(|call| call.time).map(|time| time.micros);
        self.last_micros = time.or(self.last_micros);
        let wanted = self.filter.wants_reducer(call.map(|call| &*call.reducer))
            && self.filter.wants_time(self.last_micros)
            && (!self.filter.is_about_rows() || !transaction.tables.is_empty());
        if !wanted {
            return;
        }
        transaction.bytes = bytes;
        transaction.broken = broken;
        transaction.tables.sort_by_key(|table| table.id);
        self.report.shown += 1;
        let limit_reached = self
            .filter
            .limit
            .is_some_and(|max| self.report.shown >= max);
        self.done = (self.take)(&transaction).is_break() || limit_reached;
    }
}

impl RecordListener for Shower<'_> {
    fn begin(&mut self, place: RecordPlace<'_>) {
        let offset = place.offset.0;
        if self.filter.to.is_some_and(|to| offset > to) {
            self.done = true;
        }
        // A commit is read to its end even if the limit was reached in it.
        let wanted = !self.done && self.filter.wants_offset(offset);
        self.current = wanted.then(|| ShownTransaction::new(place));
    }

    fn inputs(&mut self, inputs: Inputs<'_>) {
        match &mut self.current {
            Some(current) => current.call = Some(ShownCall::new(inputs)),
            None => {
                let time = inputs.call().map(|call| call.timestamp_micros);
                self.last_micros = time.or(self.last_micros);
            }
        }
    }

    fn outputs(&mut self, outputs: &str) {
        if let Some(current) = &mut self.current {
            current.outputs = Some(outputs.to_owned());
        }
    }

    fn insert(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        if self.wants_row(shape, row)
            && let Some(table) = self.table(shape.id, Some(shape))
        {
            table.inserts.push(row.to_vec());
        }
    }

    fn delete(&mut self, shape: &Arc<TableShape>, row: &[u8]) {
        if self.wants_row(shape, row)
            && let Some(table) = self.table(shape.id, Some(shape))
        {
            table.deletes.push(row.to_vec());
        }
    }

    fn truncate(&mut self, id: TableId, shape: Option<&Arc<TableShape>>) {
        if self.filter.conditions.is_empty()
            && let Some(table) = self.table(id, shape)
        {
            table.truncated = true;
        }
    }

    fn end(&mut self, bytes: &[u8]) {
        self.finish(bytes.len() as u64, None);
    }

    fn broken(&mut self, finding: &Finding) {
        self.finish(0, Some(finding.text.clone()));
    }
}

impl PassListener for Shower<'_> {
    fn finding(&mut self, finding: Finding) {
        const FINDING_COUNT_MAX: usize = 1000;
        if finding.severity == Severity::Damage && self.report.findings.len() < FINDING_COUNT_MAX {
            self.report.findings.push(finding);
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl ShownTransaction {
    pub(crate) fn new(place: RecordPlace<'_>) -> Self {
        ShownTransaction {
            offset: place.offset.0,
            file: place.file.to_owned(),
            byte: place.byte,
            bytes: 0,
            call: None,
            outputs: None,
            tables: Vec::new(),
            after_damage: place.after_damage,
            broken: None,
        }
    }

    /// The transaction as one JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"offset\":{},\"file\":", self.offset);
        json::push_string(&self.file, &mut out);
        out.push_str(&format!(",\"byte\":{},\"bytes\":{}", self.byte, self.bytes));
        if let Some(call) = &self.call {
            call.push_json(&mut out);
        }
        if let Some(outputs) = &self.outputs {
            out.push_str(",\"outputs\":");
            json::push_string(outputs, &mut out);
        }
        out.push_str(",\"tables\":[");
        for (n, table) in self.tables.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            table.push_json(&mut out);
        }
        out.push(']');
        if self.after_damage {
            out.push_str(",\"after_damage\":true");
        }
        if let Some(broken) = &self.broken {
            out.push_str(",\"broken\":");
            json::push_string(broken, &mut out);
        }
        out.push('}');
        out
    }
}

impl ShownCall {
    pub(crate) fn new(inputs: Inputs<'_>) -> Self {
        let call = inputs.call();
        let arguments = call.map_or(inputs.arguments, |call| call.arguments);
        ShownCall {
            reducer: inputs.reducer.to_owned(),
            caller: call.map(|call| Identity::from_le_bytes(call.caller)),
            connection: call.map(|call| ConnectionId(u128::from_le_bytes(call.connection))),
            time: call.map(|call| Timestamp::from_micros(call.timestamp_micros)),
            arguments: arguments.to_vec(),
        }
    }

    fn push_json(&self, out: &mut String) {
        let mut text = |name: &str, value: &str| {
            out.push_str(&format!(",\"{name}\":"));
            json::push_string(value, out);
        };
        text("reducer", &self.reducer);
        if let Some(time) = self.time {
            text("time", &time.to_string());
        }
        if let Some(caller) = self.caller {
            text("caller", &caller.to_string());
        }
        if let Some(connection) = self.connection.filter(|connection| connection.0 != 0) {
            text("connection", &connection.to_string());
        }
        text("args", &hex::encode(&self.arguments));
        if let Some(time) = self.time {
            out.push_str(&format!(",\"time_micros\":{}", time.micros));
        }
    }
}

impl ShownTable {
    pub(crate) fn new(id: TableId, shape: Option<&Arc<TableShape>>) -> Self {
        ShownTable {
            id,
            shape: shape.cloned(),
            inserts: Vec::new(),
            deletes: Vec::new(),
            truncated: false,
        }
    }

    /// The name, or the id if the name is not known.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.shape {
            Some(shape) => shape.name.to_string(),
            None => format!("id {}", self.id),
        }
    }

    fn push_json(&self, out: &mut String) {
        out.push_str(&format!("{{\"id\":{},\"name\":", self.id.0));
        match &self.shape {
            Some(shape) => json::push_string(&shape.name, out),
            None => out.push_str("null"),
        }
        if let Some(shape) = &self.shape {
            for (name, rows) in [("inserts", &self.inserts), ("deletes", &self.deletes)] {
                out.push_str(&format!(",\"{name}\":["));
                for (n, row) in rows.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    row_text::push_json(shape, row, out);
                }
                out.push(']');
            }
        }
        out.push_str(&format!(",\"truncated\":{}}}", self.truncated));
    }
}

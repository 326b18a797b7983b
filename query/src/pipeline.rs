//! Combinations of rows to result rows: groups, DISTINCT, ORDER BY, OFFSET and LIMIT.
//!
//! Invariants
//!   * Without groups, DISTINCT and ORDER BY a row goes out when it is found, and nothing is held,
//!     unless rows are hidden from the caller: where those are stored must not show.
//!   * With ORDER BY and LIMIT, at most OFFSET + LIMIT rows are held.
//!   * Everything held is counted by the query's meter.
//!   * Rows that ORDER BY leaves equal come in the order in which they were found, or in that of
//!     their bytes if rows are hidden from the caller.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use crate::aggregate::{GroupRow, Groups};
use crate::error::ExecuteError;
use crate::execute::{Flow, JoinedRows, RowSink};
use crate::meter::Meter;
use crate::plan::{OrderKey, Output, SelectPlan};
use crate::predicate::Rows;

/// What a row that is held costs beside its bytes, about.
const HELD_ROW_BYTES: usize = 64;

/// A row that waits for its place: the key of its order, when it was found, its bytes. Where the
/// order is that of the bytes, they are in the key only.
type Waiting = (Box<[u8]>, u64, Box<[u8]>);

pub(crate) struct Pipeline<'a> {
    select: &'a SelectPlan,
    meter: &'a Meter<'a>,
    groups: Option<Groups<'a>>,
    end: End<'a>,
}

/// What becomes of result rows.
struct End<'a> {
    select: &'a SelectPlan,
    meter: &'a Meter<'a>,
    sink: &'a mut dyn RowSink,
    seen: HashSet<Box<[u8]>, FxBuildHasher>,
    /// In their order; used with ORDER BY.
    waiting: BTreeSet<Waiting>,
    /// In no order yet, which will be that of their bytes; used if all of them are wanted.
    unsorted: Vec<Box<[u8]>>,
    found: u64,
    skip: u64,
    left: u64,
    emitted: u64,
    row: Vec<u8>,
    key: Vec<u8>,
}

impl<'a> Pipeline<'a> {
    pub(crate) fn new(
        select: &'a SelectPlan,
        sink: &'a mut dyn RowSink,
        meter: &'a Meter<'a>,
    ) -> Self {
        Pipeline {
            select,
            meter,
            groups: select.grouping.as_ref().map(Groups::new),
            end: End {
                select,
                meter,
                sink,
                seen: HashSet::default(),
                waiting: BTreeSet::new(),
                unsorted: Vec::new(),
                found: 0,
                skip: select.offset,
                left: select.limit.unwrap_or(u64::MAX),
                emitted: 0,
                row: Vec::new(),
                key: Vec::new(),
            },
        }
    }

    /// Takes one combination of rows.
    pub(crate) fn combination(&mut self, rows: &JoinedRows<'_>) -> Flow {
        if let Some(groups) = &mut self.groups {
            groups.add(rows, self.meter)?;
            return Ok(ControlFlow::Continue(()));
        }
        if let (Output::Table(table), false) = (&self.select.output, self.end.keeps()) {
            return Ok(self.end.emit(rows.visible_row(*table)));
        }
        let mut row = std::mem::take(&mut self.end.row);
        row.clear();
        match &self.select.output {
            Output::Table(table) => row.extend_from_slice(rows.visible_row(*table)),
            Output::Columns(slots) => {
                for slot in slots {
                    row.extend_from_slice(rows.column(*slot));
                }
            }
            Output::Values(values) => {
                for value in values {
                    value.write(rows, &mut row)?;
                }
            }
            Output::Count => {}
        }
        let flow = self.end.take(&row, rows);
        self.end.row = row;
        flow
    }

    /// Whether nothing more is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.groups.is_none() && self.end.left == 0
    }

    /// No combination comes any more.
    pub(crate) fn finish(&mut self) -> Result<(), ExecuteError> {
        if let (Some(groups), Some(grouping)) = (self.groups.take(), &self.select.grouping) {
            for group in groups.finish()? {
                self.meter.tick()?;
                let kept = match &grouping.having {
                    Some(having) => having.is_true(&group)?,
                    None => true,
                };
                if kept && self.group(&group)?.is_break() {
                    break;
                }
            }
        }
        self.end.finish();
        Ok(())
    }

    fn group(&mut self, group: &GroupRow) -> Flow {
        let mut row = Vec::new();
        if let Output::Values(values) = &self.select.output {
            for value in values {
                value.write(group, &mut row)?;
            }
        }
        self.end.take(&row, group)
    }

    /// Rows that went out.
    pub(crate) fn emitted(&self) -> u64 {
        self.end.emitted
    }
}

impl End<'_> {
    /// Whether rows are held.
    fn keeps(&self) -> bool {
        self.select.distinct || self.is_ordered()
    }

    fn is_ordered(&self) -> bool {
        !self.select.order.is_empty() || self.select.is_restricted
    }

    fn take<R: Rows>(&mut self, row: &[u8], rows: &R) -> Flow {
        if self.select.distinct {
            if self.seen.contains(row) {
                return Ok(ControlFlow::Continue(()));
            }
            self.meter.hold(row.len() + HELD_ROW_BYTES)?;
            self.seen.insert(row.into());
        }
        if !self.is_ordered() {
            return Ok(self.emit(row));
        }
        if self.select.order.is_empty() {
            if self.select.limit.is_some() {
                return self.wait(row, &[]);
            }
            self.meter.hold(row.len() + HELD_ROW_BYTES)?;
            self.unsorted.push(row.into());
            return Ok(ControlFlow::Continue(()));
        }
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for part in &self.select.order {
            write_key(part, rows, &mut key)?;
        }
        if self.select.is_restricted {
            key.extend_from_slice(row);
        }
        let result = self.wait(&key, row);
        self.key = key;
        result
    }

    fn wait(&mut self, key: &[u8], row: &[u8]) -> Flow {
        self.found += 1;
        let bytes = |waiting: &Waiting| waiting.0.len() + waiting.2.len() + HELD_ROW_BYTES;
        let room = self.left.saturating_add(self.skip);
        let len = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        if len >= room {
            match self.waiting.last() {
                // Found later, it comes after those of the same key.
                Some(last) if &*last.0 <= key => return Ok(ControlFlow::Continue(())),
                _ => {}
            }
            if let Some(last) = self.waiting.pop_last() {
                self.meter.let_go(bytes(&last));
            }
        }
        let waiting = (key.into(), self.found, row.into());
        self.meter.hold(bytes(&waiting))?;
        self.waiting.insert(waiting);
        Ok(ControlFlow::Continue(()))
    }

    /// Lets a row out, unless OFFSET skips it.
    fn emit(&mut self, row: &[u8]) -> ControlFlow<()> {
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        self.left -= 1;
        self.emitted += 1;
        match self.sink.row(row) {
            ControlFlow::Continue(()) if self.left > 0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    fn finish(&mut self) {
        self.unsorted.sort_unstable();
        for row in std::mem::take(&mut self.unsorted) {
            if self.emit(&row).is_break() {
                return;
            }
        }
        let is_key = self.select.order.is_empty();
        for (key, _, row) in std::mem::take(&mut self.waiting) {
            let row = if is_key { &key } else { &row };
            if self.emit(row).is_break() {
                break;
            }
        }
    }
}

/// Appends bytes that are ordered as ORDER BY says.
pub(crate) fn write_key<R: Rows>(
    part: &OrderKey,
    rows: &R,
    out: &mut Vec<u8>,
) -> Result<(), ExecuteError> {
    let cell = part.value.eval(rows)?;
    let Some(bytes) = cell.bytes() else {
        out.push(if part.nulls_first { 0 } else { 2 });
        return Ok(());
    };
    out.push(1);
    let start = out.len();
    part.order.write_sortable(bytes, out);
    if part.descending {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
    Ok(())
}

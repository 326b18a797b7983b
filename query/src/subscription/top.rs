//! The first rows of an order, kept current.
//!
//! A window holds the first rows of a query's result and some more behind them, so that rows that
//! go can be replaced by those that follow. When it runs out, the result is read anew.
//!
//! Invariants
//!   * The window holds exactly the result's rows up to its end; without an end, all of them.
//!   * The order is total: rows that the keys leave equal are equal.
//!   * What is delivered is the difference of the first rows before and after.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use spacetime_table::{Datastore, RowList, RowListBuilder, TableSchema};

use super::interval::number;
use super::plan::SubscriptionPlan;
use crate::catalogue::hidden_columns;
use crate::column_kind::{ColumnKind, Order};
use crate::error::{ExecuteError, SqlError};
use crate::execute::{RowSink, execute_select};
use crate::plan::{OrderKey, SelectPlan};
use crate::planted::{self, Bug};
use crate::predicate::Slot;
use crate::scalar::{Node, Scalar};

/// Most rows of a live query with an order, those that OFFSET skips included.
pub(super) const ROWS_MAX: u64 = 10_000;

/// Rows behind the first ones, at least; at most as many as there are first ones.
const MARGIN_MIN: u64 = 16;

/// The length of a hidden column.
const HIDDEN_BYTES: usize = 32;

/// A column of the returned table that orders the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopKey {
    pub column: usize,
    pub order: Order,
    pub descending: bool,
}

/// Which rows of a result are delivered.
#[derive(Clone, Debug)]
pub(super) struct Top {
    /// Total: no two different rows of the table are equal in all of them.
    pub keys: Vec<TopKey>,
    pub offset: u64,
    pub limit: u64,
    /// The whole result, in no order.
    pub all: SelectPlan,
}

/// The sort key of a row and the row.
type Entry = (Box<[u8]>, Box<[u8]>);

/// Rows in their order, with how often each is there.
type Sorted = BTreeMap<Entry, u64>;

/// The first rows of a query's result.
#[derive(Debug)]
pub(super) struct Window {
    rows: Sorted,
    /// Number of rows, repeated ones included.
    len: u64,
    /// The last row that the window answers for; `None` if it has the whole result.
    end: Option<Entry>,
}

impl Top {
    /// Makes the order of a query total, so that every reading of it shows the same rows.
    pub(super) fn of(select: &mut SelectPlan, returned: usize) -> Result<Top, SqlError> {
        let Some(schema) = select.plan.schemas.get(returned).cloned() else {
            return Err(not_live("it returns no rows of a table"));
        };
        if select.plan.schemas.iter().any(|schema| schema.is_event) {
            return Err(not_live("events have no lasting order"));
        }
        let mut keys = Vec::with_capacity(select.order.len());
        for key in &select.order {
            match key.value.node {
                Node::Column(slot) if slot.table == returned => keys.push(TopKey {
                    column: slot.column,
                    order: key.order,
                    descending: key.descending,
                }),
                _ => {
                    return Err(not_live(
                        "it may order by columns of the returned table only",
                    ));
                }
            }
        }
        let last = unique_columns(&schema).ok_or_else(|| {
            not_live("the returned table needs a unique key or columns that can be compared")
        })?;
        for (column, order) in last {
            if keys.iter().any(|key| key.column == column) {
                continue;
            }
            keys.push(TopKey {
                column,
                order,
                descending: false,
            });
            let slot = Slot {
                table: returned,
                column,
            };
            select.order.push(OrderKey {
                value: Scalar::column(slot, &schema.columns[column].column_type, false),
                order,
                descending: false,
                nulls_first: false,
            });
        }
        let (offset, limit) = (select.offset, select.limit.unwrap_or(u64::MAX));
        if offset.saturating_add(limit) > ROWS_MAX {
            let text = format!("LIMIT and OFFSET together may be {ROWS_MAX} rows at most");
            return Err(not_live(&text));
        }
        let all = SelectPlan {
            order: Vec::new(),
            is_restricted: false,
            limit: None,
            offset: 0,
            ..select.clone()
        };
        Ok(Top {
            keys,
            offset,
            limit,
            all,
        })
    }

    /// What tells it from other orders and limits.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{} {}", self.offset, self.limit);
        for key in &self.keys {
            text.push_str(&format!(" {} {}", key.column, key.descending));
        }
        text
    }

    fn wanted(&self) -> u64 {
        self.offset.saturating_add(self.limit)
    }

    fn capacity(&self) -> u64 {
        self.wanted().saturating_add(self.wanted().max(MARGIN_MIN))
    }

    /// `row` is a result row: it has no hidden columns.
    fn entry(&self, schema: &TableSchema, row: &[u8]) -> Entry {
        let mut key = Vec::new();
        // What a hidden column holds does not matter here, only how long it is.
        let whole = [
            &[0; HIDDEN_BYTES][..HIDDEN_BYTES * hidden_columns(schema)],
            row,
        ]
        .concat();
        for part in &self.keys {
            let start = key.len();
            let value = &whole[schema.layout.column_range(&whole, part.column)];
            push_sortable(part.order, value, &mut key);
            if part.descending {
                key[start..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
        (key.into(), row.into())
    }
}

fn not_live(why: &str) -> SqlError {
    SqlError::UnsupportedSelect(format!("this ORDER BY is not live: {why}"))
}

/// Columns in which no two rows of a table, or of one instance of a view, are equal: the fewest.
/// Equal values of them have equal bytes.
fn unique_columns(schema: &TableSchema) -> Option<Vec<(usize, Order)>> {
    let hidden = hidden_columns(schema);
    let exact = |column: usize| {
        let order = ColumnKind::of(&schema.columns.get(column)?.column_type)?.order();
        order.equal_means_same_bytes().then_some((column, order))
    };
    let keys = schema
        .indexes
        .iter()
        .filter(|index| index.unique)
        .map(|index| {
            let columns = index
                .algorithm
                .columns()
                .iter()
                .map(|column| usize::from(column.0));
            columns
                .filter(|column| *column >= hidden)
                .collect::<Vec<_>>()
        });
    let all = (hidden..schema.columns.len()).collect();
    let exact_keys = keys
        .chain([all])
        .filter_map(|columns| columns.into_iter().map(exact).collect::<Option<Vec<_>>>());
    exact_keys.min_by_key(Vec::len)
}

/// Appends bytes that are ordered like the values, and of which none is the beginning of another.
fn push_sortable(order: Order, value: &[u8], out: &mut Vec<u8>) {
    match order {
        Order::Unsigned(_) => out.extend(value.iter().rev()),
        Order::Signed(_) => {
            let start = out.len();
            out.extend(value.iter().rev());
            if let Some(first) = out.get_mut(start) {
                *first ^= 0x80;
            }
        }
        Order::F32 | Order::F64 => out.extend_from_slice(&number(order, value).to_be_bytes()),
        Order::Prefixed => {
            for byte in value.get(4..).unwrap_or_default() {
                out.push(*byte);
                if *byte == 0 {
                    out.push(0xff);
                }
            }
            out.extend_from_slice(&[0, 0]);
        }
    }
}

/// Takes the first rows of a result that comes in any order.
struct Collector<'a> {
    top: &'a Top,
    schema: &'a TableSchema,
    window: Window,
    capacity: u64,
}

impl RowSink for Collector<'_> {
    fn row(&mut self, row: &[u8]) -> ControlFlow<()> {
        let entry = self.top.entry(self.schema, row);
        self.window.insert(entry, 1);
        self.window.truncate(self.capacity);
        ControlFlow::Continue(())
    }
}

impl Window {
    /// The first rows of the present result: at least `capacity`, or all.
    fn read(
        top: &Top,
        schema: &TableSchema,
        capacity: u64,
        datastore: &Datastore,
    ) -> Result<Window, ExecuteError> {
        let mut collector = Collector {
            top,
            schema,
            window: Window {
                rows: Sorted::new(),
                len: 0,
                end: None,
            },
            capacity,
        };
        execute_select(&top.all, datastore, &mut collector)?;
        Ok(collector.window)
    }

    /// The window as it was before the changes that led to the present result.
    pub(super) fn before(
        top: &Top,
        schema: &TableSchema,
        (inserts, deletes): (&RowList, &RowList),
        datastore: &Datastore,
    ) -> Result<Window, ExecuteError> {
        let added = u64::try_from(inserts.len()).unwrap_or(u64::MAX);
        let capacity = top.capacity().saturating_add(added);
        let mut window = Window::read(top, schema, capacity, datastore)?;
        for row in inserts.iter() {
            window.remove(&top.entry(schema, row));
        }
        for row in deletes.iter() {
            window.insert(top.entry(schema, row), 1);
        }
        window.truncate(top.capacity());
        Ok(window)
    }

    fn insert(&mut self, entry: Entry, times: u64) {
        if self.end.as_ref().is_none_or(|end| entry <= *end) {
            *self.rows.entry(entry).or_default() += times;
            self.len += times;
        }
    }

    fn remove(&mut self, entry: &Entry) {
        let Some(times) = self.rows.get_mut(entry) else {
            // Behind the end.
            return;
        };
        *times -= 1;
        self.len -= 1;
        if *times == 0 {
            self.rows.remove(entry);
        }
    }

    /// Leaves out last rows while there are enough without them.
    fn truncate(&mut self, capacity: u64) {
        while let Some((_, times)) = self.rows.last_key_value() {
            let times = *times;
            if self.len - times < capacity || self.len <= capacity {
                break;
            }
            self.rows.pop_last();
            self.len -= times;
            self.end = self.rows.last_key_value().map(|(entry, _)| entry.clone());
        }
    }

    /// The delivered rows.
    fn shown(&self, top: &Top) -> Vec<(&Entry, u64)> {
        let (mut skip, mut left) = (top.offset, top.limit);
        let mut shown = Vec::new();
        for (entry, times) in &self.rows {
            let skipped = skip.min(*times);
            skip -= skipped;
            let taken = left.min(times - skipped);
            left -= taken;
            if taken > 0 {
                shown.push((entry, taken));
            }
            if left == 0 {
                break;
            }
        }
        shown
    }

    /// Applies changes of the whole result; what they mean for the delivered rows.
    pub(super) fn apply(
        &mut self,
        plan: &SubscriptionPlan,
        top: &Top,
        (inserts, deletes): (&RowList, &RowList),
        datastore: &Datastore,
    ) -> Result<(RowList, RowList), ExecuteError> {
        let schema = plan.table();
        let old: Vec<(Entry, u64)> = self
            .shown(top)
            .into_iter()
            .map(|(entry, times)| (entry.clone(), times))
            .collect();
        for row in deletes.iter() {
            self.remove(&top.entry(schema, row));
        }
        for row in inserts.iter() {
            self.insert(top.entry(schema, row), 1);
        }
        let is_short = self.end.is_some() && self.len < top.wanted();
        if is_short && !planted::is_on(Bug::TopNotRefilled) {
            *self = Window::read(top, schema, top.capacity(), datastore)?;
        }
        self.truncate(top.capacity());
        Ok(difference(&old, &self.shown(top), plan.fixed_row_len()))
    }
}

/// What has to be inserted into and deleted from the old rows to make them the new ones; both are
/// in order.
fn difference(
    old: &[(Entry, u64)],
    new: &[(&Entry, u64)],
    fixed: Option<usize>,
) -> (RowList, RowList) {
    let mut inserts = RowListBuilder::new(fixed);
    let mut deletes = RowListBuilder::new(fixed);
    let push = |list: &mut RowListBuilder, entry: &Entry, times: u64| {
        for _ in 0..times {
            list.push(&entry.1);
        }
    };
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let was = before.map_or(0, |(_, times)| *times);
        let is = after.map_or(0, |(_, times)| *times);
        if let Some((entry, _)) = before {
            push(&mut deletes, entry, was.saturating_sub(is));
        }
        if let Some((entry, _)) = after {
            push(&mut inserts, entry, is.saturating_sub(was));
        }
    }
    (inserts.finish(), deletes.finish())
}

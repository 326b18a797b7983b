//! What a query's result is, by the plainest means: every combination of rows is looked at.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::query::{Filter, Operand, Operator, Query, Rows, Slot, Top};
use crate::state::{Row, RowBytes};
use crate::value::Value;

/// Rows with the number of times that they occur.
pub type Bag = BTreeMap<RowBytes, u32>;

/// Whether a combination of rows, one for each table, is in the result.
#[must_use]
pub fn holds(query: &Query, rows: &[&Row], sender: [u8; 32]) -> bool {
    (1..rows.len()).all(|side| is_joined(query, rows, side))
        && query
            .filter
            .as_ref()
            .is_none_or(|filter| filter_holds(filter, rows, sender))
}

/// Whether a row goes with those before it.
fn is_joined(query: &Query, rows: &[&Row], side: usize) -> bool {
    let (earlier, own) = query.on[side - 1];
    rows[earlier.side].values[earlier.column] == rows[side].values[own]
}

/// Whether a condition is true of the rows.
#[must_use]
pub fn filter_holds(filter: &Filter, rows: &[&Row], sender: [u8; 32]) -> bool {
    let column = |slot: &Slot| &rows[slot.side].values[slot.column];
    match filter {
        Filter::Compare(slot, operator, operand) => {
            let left = column(slot);
            match operand {
                Operand::Value(right) => compare(left, *operator, right),
                Operand::Column(right) => compare(left, *operator, column(right)),
                Operand::Sender => compare(left, *operator, &Value::Identity(sender)),
            }
        }
        Filter::Flag(slot) => *column(slot) == Value::Bool(true),
        Filter::Not(inner) => !filter_holds(inner, rows, sender),
        Filter::And(terms) => terms.iter().all(|term| filter_holds(term, rows, sender)),
        Filter::Or(terms) => terms.iter().any(|term| filter_holds(term, rows, sender)),
    }
}

fn compare(left: &Value, operator: Operator, right: &Value) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
    }
}

/// The result over these tables: one list of rows for each table of the query.
#[must_use]
pub fn evaluate(query: &Query, tables: &[Rows], sender: [u8; 32]) -> Bag {
    if let Some(top) = &query.top {
        return first_rows(query, top, &tables[0], sender);
    }
    let mut bag = Bag::new();
    combine(query, tables, sender, &mut Vec::new(), 1, &mut bag);
    bag
}

/// The first rows of an order, after all of them were sorted.
fn first_rows(query: &Query, top: &Top, rows: &Rows, sender: [u8; 32]) -> Bag {
    let mut found: Vec<&Row> = Vec::new();
    for (row, times) in rows {
        if holds(query, &[row], sender) {
            found.extend((0..*times).map(|_| &**row));
        }
    }
    found.sort_by(|a, b| {
        let mut order = top.order.iter().map(|(column, is_descending)| {
            let order = a.values[*column].cmp(&b.values[*column]);
            if *is_descending {
                order.reverse()
            } else {
                order
            }
        });
        let different = order.find(|order| order.is_ne());
        different.unwrap_or(Ordering::Equal)
    });
    let mut bag = Bag::new();
    for row in found.into_iter().skip(top.offset).take(top.limit) {
        *bag.entry(row.bytes.clone()).or_default() += 1;
    }
    bag
}

fn combine<'a>(
    query: &Query,
    tables: &'a [Rows],
    sender: [u8; 32],
    rows: &mut Vec<&'a Row>,
    times: u32,
    bag: &mut Bag,
) {
    let Some(next) = tables.get(rows.len()) else {
        let is_in = |filter| filter_holds(filter, rows, sender);
        if query.filter.as_ref().is_none_or(is_in) {
            *bag.entry(rows[query.returned].bytes.clone()).or_default() += times;
        }
        return;
    };
    for (row, more) in next {
        rows.push(row);
        let side = rows.len() - 1;
        if side == 0 || is_joined(query, rows, side) {
            combine(query, tables, sender, rows, times * more, bag);
        }
        rows.pop();
    }
}

/// What is in `after` and not in `before`, as often as that.
#[must_use]
pub fn minus(after: &Bag, before: &Bag) -> Vec<RowBytes> {
    let mut rows = Vec::new();
    for (row, times) in after {
        let more = times.saturating_sub(before.get(row).copied().unwrap_or(0));
        rows.extend((0..more).map(|_| row.clone()));
    }
    rows
}

/// Adds one bag to another.
pub fn add_all(bag: &mut Bag, more: &Bag) {
    for (row, times) in more {
        *bag.entry(row.clone()).or_default() += times;
    }
}

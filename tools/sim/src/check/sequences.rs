//! A sequence never hands out a value twice, over crashes and restarts too.
//!
//! Values of transactions that were rolled back may come again after a restart, and those of
//! transactions that were lost before they were acknowledged: nobody has learned of them. As long
//! as the database runs they may not.

use std::collections::{BTreeMap, BTreeSet};

use spacetime_types::TableId;

use crate::violation::Violation;

/// A value of a table's sequence.
type Value = (TableId, Vec<u8>);

/// Remembers every value of every sequence.
#[derive(Debug, Default)]
pub struct Sequences {
    /// Values, with the transaction that got each.
    handed_out: BTreeMap<Value, u64>,
    /// Values that were rolled back since the start.
    undone: BTreeSet<Value>,
    open: Vec<Value>,
}

impl Sequences {
    /// The open transaction got a value.
    pub fn take(&mut self, table: TableId, value: &[u8]) -> Result<(), Violation> {
        let place = (table, value.to_vec());
        let violation = |what: String| {
            let what = format!("table {table}: value {value:?} {what}");
            Err(Violation::new("sequences", what))
        };
        if let Some(offset) = self.handed_out.get(&place) {
            return violation(format!("again, after transaction {offset}"));
        }
        if self.undone.contains(&place) {
            return violation("again, after it was rolled back".to_owned());
        }
        if self.open.contains(&place) {
            return violation("twice in one transaction".to_owned());
        }
        self.open.push(place);
        Ok(())
    }

    /// A point in the open transaction.
    #[must_use]
    pub fn savepoint(&self) -> usize {
        self.open.len()
    }

    pub fn rollback_to(&mut self, savepoint: usize) {
        self.undone.extend(self.open.drain(savepoint..));
    }

    pub fn commit(&mut self, offset: u64) {
        let open = self.open.drain(..);
        self.handed_out.extend(open.map(|place| (place, offset)));
    }

    /// The database was opened again; the transactions from `next` on were lost.
    pub fn reopened(&mut self, next: u64) {
        self.handed_out.retain(|_, offset| *offset < next);
        self.undone.clear();
    }
}

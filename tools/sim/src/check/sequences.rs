//! A sequence never hands out a value twice, over crashes and restarts too.
//!
//! Values of transactions that were rolled back, or lost before they were acknowledged, may come
//! again: nobody has learned of them.

use std::collections::BTreeMap;

use spacetime_types::TableId;

use crate::violation::Violation;

/// Remembers every value of every sequence.
#[derive(Debug, Default)]
pub struct Sequences {
    /// Values, with the transaction that got each.
    handed_out: BTreeMap<(TableId, Vec<u8>), u64>,
    open: Vec<(TableId, Vec<u8>)>,
}

impl Sequences {
    /// The open transaction got a value.
    pub fn take(&mut self, table: TableId, value: &[u8]) -> Result<(), Violation> {
        let place = (table, value.to_vec());
        if let Some(offset) = self.handed_out.get(&place) {
            let what = format!("table {table}: value {value:?} again, after transaction {offset}");
            return Err(Violation::new("sequences", what));
        }
        if self.open.contains(&place) {
            let what = format!("table {table}: value {value:?} twice in one transaction");
            return Err(Violation::new("sequences", what));
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
        self.open.truncate(savepoint);
    }

    pub fn commit(&mut self, offset: u64) {
        let open = self.open.drain(..);
        self.handed_out.extend(open.map(|place| (place, offset)));
    }

    /// The transactions from `next` on were lost.
    pub fn rewind(&mut self, next: u64) {
        self.handed_out.retain(|_, offset| *offset < next);
    }
}
